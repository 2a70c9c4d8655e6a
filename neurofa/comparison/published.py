"""Published statistics held against a run: only where area, species, definition and lag are the same."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import references
from neurofa.comparison.definitions import MEASURED_DEFINITIONS, NEAREST_MEASURES, NOT_BY_NUMBER
from neurofa.comparison.verdicts import ALL_GROUPS, as_scorecard, blank_row, curves_by_lag, judged


def published_scorecard(
    measured: xr.Dataset | pd.DataFrame,
    table: pd.DataFrame,
    *,
    area: str = "",
    species: str = "",
    variable: str = "rate",
) -> pd.DataFrame:
    """
    Hold what was measured against published statistics, where area, species, definition and lag are the same.

    Parameters
    ----------
    measured : xarray.Dataset or pandas.DataFrame
        As `curves_by_lag` takes it.
    table : pandas.DataFrame
        As from `neurofa.references.load_references`.
    area, species : str
        What the run stands for, for example ``"CA1"`` and ``"mouse"``; empty where the protocol does not say.
    variable : str
        Which rates of the run are compared.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`; a standard error is widened to a 95 % interval (Student t, where the number of animals is
        stated), a spread or range stays what it is: where single animals lie. What cannot be compared has one row for
        all groups, with every reason.
    """
    means = curves_by_lag(measured, variable)
    groups = list(dict.fromkeys(means["group"]))
    descriptions = references.load_definitions()
    rows: list[dict[str, Any]] = []
    for entry in table.itertuples():
        reference = f"{entry.id} ({entry.citation})"
        base = blank_row(
            reference, entry.doi, "published statistic", entry.definition, entry.measure, entry.lag_days, entry.value
        )
        lower, upper, how = _interval(entry)
        base |= {"lower": lower, "upper": upper, "interval_kind": entry.interval_kind}
        base["published_n"] = _published_n(entry.n_animals)
        mine = means[means["measure"] == entry.measure]
        reasons = _not_comparable_published(entry, mine, area, species, descriptions)
        if reasons:
            rows.append(base | {"group": ALL_GROUPS, "verdict": "not comparable", "reason": "; ".join(reasons)})
        else:
            kind = f"interval: {how}; recorded with: {entry.condition}"
            rows += [judged(base | {"group": group, "reason": kind}, means) for group in groups]
    return as_scorecard(rows)


def _interval(entry: Any) -> tuple[float, float, str]:
    """Ends of the interval that a mean is judged by, and what it is."""
    from scipy.special import stdtrit

    kind = str(entry.interval_kind)
    words = references.INTERVAL_KINDS[kind]
    if kind == "sem" and entry.n_animals >= 2:
        t = float(stdtrit(entry.n_animals - 1, 0.975))
        lower, upper = (entry.value + t * (end - entry.value) for end in (entry.lower, entry.upper))
        return lower, upper, f"95 % interval of Student's t from the printed standard error (n = {entry.n_animals:g})"
    if kind in ("spread", "range"):
        words += ": inside means as a typical single animal"
    return entry.lower, entry.upper, words


def _published_n(n_animals: Any) -> str:
    """How many animals; papers' tables do not say from how many cells and repeats."""
    animals = f"{n_animals:g} animals" if np.isfinite(n_animals) else "animals not stated"
    return f"{animals}; cells and repeats not stated"


def _not_comparable_published(
    entry: Any, means: pd.DataFrame, area: str, species: str, descriptions: Mapping[str, str]
) -> list[str]:
    """Every reason against comparing with one published statistic."""
    reasons = []
    for name, stated, theirs in (("area", area, entry.area), ("species", species, entry.species)):
        if not stated:
            reasons.append(f"the protocol does not say which {name} it stands for")
        elif stated != theirs:
            reasons.append(f"{name} differs: {theirs}")
    if str(entry.measure) in NOT_BY_NUMBER:
        none = ["no interval"] if entry.interval_kind == "none" else []
        return [*reasons, NOT_BY_NUMBER[str(entry.measure)], *none]
    ours = MEASURED_DEFINITIONS.get(str(entry.measure))
    if ours is None and str(entry.measure) in NEAREST_MEASURES:
        reasons.append(f"definition differs: {entry.statistic}; see {NEAREST_MEASURES[str(entry.measure)]}")
    elif ours is None:
        reasons.append(f"no measure of this package computes it: {entry.statistic}")
    elif ours != entry.definition:
        reasons.append(f"other definition: {descriptions.get(str(entry.definition), entry.definition)}")
    elif means.empty:
        reasons.append(f"the run has no measure '{entry.measure}'")
    if entry.interval_kind == "none":
        reasons.append("no interval")
    if np.isnan(entry.lag_days):
        reasons.append("no lag in days")
    return reasons
