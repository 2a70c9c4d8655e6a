"""How much was recorded, and simulated animals cut down to as much: cells, repeats and sessions of a recording."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import seeds
from neurofa.comparison.verdicts import ALL_GROUPS
from neurofa.recording import build_recording

#: days of two sessions that are the same session of the experiment differ by less than this
SAME_DAY = 0.5


class Sizes(NamedTuple):
    """
    How much was recorded of an animal; NaN where it is not known.

    Attributes
    ----------
    n_cells : float
        Cells detected in one session at least.
    n_cells_per_session : float
        Mean over its sessions of the cells detected.
    n_repeats : float
        Median over its sessions of the repeats.
    n_sessions : float
        Sessions.
    """

    n_cells: float
    n_cells_per_session: float
    n_repeats: float
    n_sessions: float


def sizes_of(recording: xr.DataTree) -> list[Sizes]:
    """
    Count what was recorded.

    Parameters
    ----------
    recording : xarray.DataTree
        A recording.

    Returns
    -------
    list of Sizes
        One per animal.
    """
    probe = recording["probe"].to_dataset()
    there = np.isfinite(probe["day"].transpose("animal", "session").values)
    detected = probe["detected"].transpose("animal", "session", "unit").values.astype(bool) & there[:, :, None]
    others = [dim for dim in probe["duration"].dims if dim not in ("animal", "session", "repeat")]
    repeats = (probe["duration"] > 0).any(others).transpose("animal", "session", "repeat").values.sum(axis=2)
    found = []
    for own, seen, shown in zip(there, detected, repeats, strict=True):
        if not own.any():
            found.append(Sizes(*[float("nan")] * 4))
            continue
        per_session = float(seen[own].sum(axis=1).mean())
        found.append(Sizes(float(seen.any(0).sum()), per_session, float(np.median(shown[own])), float(own.sum())))
    return found


def subsample(recording: xr.DataTree, sizes: Sizes, seed: int = 0) -> xr.DataTree:
    """
    Cut simulated animals down to the cells, repeats and sessions of a recording.

    Of every animal the same units are kept, drawn at random: so many that no more cells than recorded are detected per
    session on average, nor in all. Of repeats and sessions the first are kept.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated, as observed.
    sizes : Sizes
        Of the recording; what is NaN, or more than was simulated, cuts nothing.
    seed : int
        Draws the units.

    Returns
    -------
    xarray.DataTree
        The same recording where nothing is to be cut.
    """
    probe = recording["probe"].to_dataset()
    mine = np.array([one for one in sizes_of(recording) if np.isfinite(one.n_cells)])
    if not len(mine):
        return recording
    cells, per_session, _, _ = mine.max(axis=0)
    shares = [sizes.n_cells / max(cells, 1), sizes.n_cells_per_session / max(per_session, 1)]
    n_units = probe.sizes["unit"]
    kept = {"unit": round(n_units * min([1.0, *(share for share in shares if np.isfinite(share))]))}
    for name, number in (("repeat", sizes.n_repeats), ("session", sizes.n_sessions)):
        kept[name] = min(probe.sizes[name], int(number)) if np.isfinite(number) else probe.sizes[name]
    if all(kept[name] == probe.sizes[name] for name in kept):
        return recording
    order = seeds.generator(seed, "comparison", "cells").permutation(n_units)[: max(kept.pop("unit"), 1)]
    chosen = probe.isel({name: slice(number) for name, number in kept.items()} | {"unit": np.sort(order)})
    return build_recording(chosen.load(), attrs={str(key): value for key, value in recording.attrs.items()})


def sessions_of_days(recording: xr.DataTree, like: xr.DataTree) -> xr.DataTree:
    """
    Select the simulated sessions that were on the days of the recorded ones.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated; all animals with the same days.
    like : xarray.DataTree
        One recorded animal.

    Returns
    -------
    xarray.DataTree
        The same recording where days differ between animals, or fewer than two of the recorded days were simulated:
        sessions are then matched by their numbers.
    """
    probe = recording["probe"].to_dataset()
    days = probe["day"].transpose("animal", "session").values
    theirs = like["probe"].to_dataset()["day"].values[0]
    if not (np.isfinite(days).all() and np.ptp(days, axis=0).max() < SAME_DAY):
        return recording
    gaps = np.abs(days.mean(axis=0)[None] - theirs[np.isfinite(theirs)][:, None])
    nearest = np.unique(gaps.argmin(axis=1)[gaps.min(axis=1) < SAME_DAY])
    if len(nearest) < 2 or len(nearest) == probe.sizes["session"]:
        return recording
    attrs = {str(key): value for key, value in recording.attrs.items()}
    return build_recording(probe.isel(session=nearest), attrs=attrs)


def with_sizes(card: pd.DataFrame, recording: xr.DataTree) -> pd.DataFrame:
    """
    Say in a scorecard how many cells, repeats and sessions the measured values rest on.

    Parameters
    ----------
    card : pandas.DataFrame
        Columns `neurofa.comparison.COLUMNS`.
    recording : xarray.DataTree
        What was measured.

    Returns
    -------
    pandas.DataFrame
        The same with ``n_cells`` (in the mean session), ``n_repeats`` and ``n_sessions``, means over the animals of
        the row's group; all animals where the row is of all groups.
    """
    groups = recording["probe"].to_dataset()["group"].values.astype(str)
    sizes = pd.DataFrame(sizes_of(recording), columns=list(Sizes._fields))
    known = sizes.groupby(groups).mean()
    everyone = sizes.mean()
    plain = card["group"].astype(str).str.replace(r" \([^()]*\)$", "", regex=True)
    columns = {"n_cells": "n_cells_per_session", "n_repeats": "n_repeats", "n_sessions": "n_sessions"}
    for column, source in columns.items():
        values = plain.map(known[source]).where(card["group"] != ALL_GROUPS, everyone[source])
        card = card.assign(**{column: card[column].where(values.isna(), values).astype("float64")})
    return card
