"""Which of two stimulus groups a unit prefers, and how many units keep, lose, gain or switch that preference."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats, correlate_rows, mask_maps


class SelectivityChanges(NamedTuple):
    """
    What becomes of selectivity from session i to j: matrices (session, session).

    Attributes
    ----------
    consistent, lost, switched : 0 to 1
        Of the units selective in session i: those with the same preference, without selectivity, and with the other
        preference in session j. They add up to 1.
    gained : 0 to 1
        Of the units not selective in session i: those selective in session j.
    correlation : -1 to 1
        Pearson over units of the selectivities of the two sessions.
    consistent_chance, lost_chance, switched_chance, gained_chance : 0 to 1
        Their expectation where the units of session j are permuted (exact, without draws).
    n_selective : int
        Units selective in session i.
    """

    consistent: Floats
    lost: Floats
    switched: Floats
    gained: Floats
    correlation: Floats
    consistent_chance: Floats
    lost_chance: Floats
    switched_chance: Floats
    gained_chance: Floats
    n_selective: Floats


def selectivity(maps: ArrayLike, preferred: ArrayLike) -> Floats:
    """
    Selectivity of every unit for one stimulus group against the others.

    s = (a - b) / (a + b), a the mean rate over the stimuli of the group, b that over the others.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Rates, 0 or above. Gaps: NaN for units not detected, and for all units of stimuli not shown, which are left
        out of the means.
    preferred : (stimulus,) bool
        The stimuli of the group, for example those of one direction or choice.

    Returns
    -------
    (session, unit), -1 to 1
        0 where a unit is silent for both; NaN where it was not detected or one of the two groups was not shown.

    Raises
    ------
    ConfigError
        Where all stimuli or none are in the group.
    ShapeError
        Where dimensions do not fit, single values are missing, or rates are below 0.

    References
    ----------
    Driscoll et al. 2017, Cell 170:986, doi 10.1016/j.cell.2017.07.021.

    Examples
    --------
    >>> selectivity([[[3.0, 0.0], [1.0, 0.0]]], [True, False]).tolist()
    [[0.5, 0.0]]
    """
    masked, chosen = mask_maps(maps), np.asarray(preferred, dtype=bool)
    if chosen.shape != masked.values.shape[1:2]:
        raise ShapeError(f"preferred must have one entry per stimulus, got shape {chosen.shape}")
    if chosen.all() or not chosen.any():
        raise ConfigError("preferred must have stimuli of the group and others, got only one of the two")
    if masked.values.min(initial=0.0) < 0:
        raise ShapeError("selectivity needs rates of 0 or above, got negative ones; use the rates before centring")
    sums = [masked.values[:, part].sum(axis=1) for part in (chosen, ~chosen)]
    counts = [masked.stimuli[:, part].sum(axis=1)[:, None] for part in (chosen, ~chosen)]
    a, b = (total / np.maximum(count, 1) for total, count in zip(sums, counts, strict=True))
    known = masked.units & (counts[0] > 0) & (counts[1] > 0)
    index = np.where(a + b > 0, (a - b) / np.where(a + b > 0, a + b, 1.0), 0.0)
    return np.where(known, index, np.nan)


def selectivity_changes(index: ArrayLike, threshold: float = 0.25) -> SelectivityChanges:
    """
    Count which units keep, lose, gain or switch their selectivity between sessions.

    A unit is selective where |s| > threshold; its preference is the sign of s. Noise of the trials adds lost, gained
    and, seldom, switched units: compare with the two halves of one session, whose counts are noise alone (half of the
    repeats, so more of it). The correlation without noise: `ensemble_rate_correlation_noise_corrected` of the
    selectivities of both halves as maps of one stimulus. The kurtosis of the changes: `drift_kurtosis` of the same.

    Parameters
    ----------
    index : (session, unit), -1 to 1
        Of `selectivity`. Gaps: a pair uses the units that are not NaN in both sessions.
    threshold : float
        0.25 as in the source of the recorded values.

    Returns
    -------
    SelectivityChanges
        NaN where no unit is left that could change.

    Raises
    ------
    ConfigError
        Unless 0 <= threshold < 1.
    ShapeError
        Unless there are two dimensions.

    References
    ----------
    Driscoll et al. 2017, Cell 170:986, doi 10.1016/j.cell.2017.07.021; Qin et al. 2023, Nature Neuroscience 26:339,
    doi 10.1038/s41593-022-01225-z (the counts).

    Examples
    --------
    >>> changes = selectivity_changes([[0.5, 0.5, -0.5, 0.0], [0.6, 0.1, 0.4, 0.9]])
    >>> [float(each[0, 1].round(3)) for each in changes[:4]]
    [0.333, 0.333, 0.333, 1.0]
    """
    values = np.asarray(index, dtype=np.float64)
    if values.ndim != 2:
        raise ShapeError(f"index must have the dimensions (session, unit), got shape {values.shape}")
    if not 0 <= threshold < 1:
        raise ConfigError(f"threshold must be 0 or more and below 1, got {threshold}")
    known = np.isfinite(values).astype(np.float64)
    filled = np.where(known > 0, values, 0.0)
    up, down = (filled > threshold).astype(np.float64), (filled < -threshold).astype(np.float64)
    # counts over the units of both: [i, j] of session i among units that j has, and the other way round
    both = known @ known.T
    up_i, down_i = up @ known.T, down @ known.T
    up_j, down_j = up_i.T, down_i.T
    same, other = up @ up.T + down @ down.T, up @ down.T + down @ up.T
    selective, unselective = up_i + down_i, both - up_i - down_i
    gained = (up_j + down_j) - same - other
    expected_same = (up_i * up_j + down_i * down_j) / np.maximum(both, 1)
    expected_other = (up_i * down_j + down_i * up_j) / np.maximum(both, 1)
    expected_gained = unselective * (up_j + down_j) / np.maximum(both, 1)
    correlation = np.stack(
        [correlate_rows(filled[i] * known, filled * known[i], known[i] * known > 0) for i in range(len(filled))]
    )
    return SelectivityChanges(
        _share(same, selective),
        _share(selective - same - other, selective),
        _share(other, selective),
        _share(gained, unselective),
        correlation,
        _share(expected_same, selective),
        _share(selective - expected_same - expected_other, selective),
        _share(expected_other, selective),
        _share(expected_gained, unselective),
        selective,
    )


def _share(part: Floats, whole: Floats) -> Floats:
    """Part of a whole; NaN where there is none."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
