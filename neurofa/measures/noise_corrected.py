"""Correlations between sessions, corrected for trial noise by split halves.

S_corr(s, t) = mean_{a,b} S(x_s^a, x_t^b) / sqrt(S(x_s^a, x_s^b) S(x_t^a, x_t^b)): a and b are the two halves of a
session's repeats, and each S is already a mean over stimuli or units, so that this is a ratio of means and never a mean
of ratios. All three terms use the units and stimuli that the pair of sessions shares.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ShapeError
from neurofa.measures.drift import (
    ensemble_rate_correlation,
    paired_means,
    population_vector_correlation,
    tuning_curve_correlation,
)
from neurofa.measures.kernels import (
    Floats,
    Masked,
    Over,
    RunningMean,
    batches,
    correlate_rows,
    correlate_within,
    mask_maps,
    vectors,
)

Between = Callable[[ArrayLike, ArrayLike | None], Floats]
Within = Callable[[Masked, Masked], Floats]


def population_vector_correlation_noise_corrected(halves: ArrayLike) -> Floats:
    """
    Population-vector correlation as it would be without trial noise.

    Parameters
    ----------
    halves : (2, session, stimulus, unit) or (split, 2, session, stimulus, unit), Hz or a.u.
        Maps of the two halves of each session's repeats; several ways of halving are averaged before the division.
        Gaps: a pair uses the units and stimuli finite in both halves of both sessions.

    Returns
    -------
    (session, session)
        1 on the diagonal; may exceed 1 by sampling error. NaN with one repeat, and where the reliability of one of the
        two sessions is not positive.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Spearman 1904, American Journal of Psychology 15:72, doi 10.2307/1412159; the measure: Rubin et al. 2015,
    doi 10.7554/eLife.12247.
    """
    return _corrected(halves, population_vector_correlation, lambda first, second: _reliability(first, second, "unit"))


def tuning_curve_correlation_noise_corrected(halves: ArrayLike) -> Floats:
    """
    Tuning-curve correlation as it would be without trial noise.

    Parameters
    ----------
    halves : (2, session, stimulus, unit) or (split, 2, session, stimulus, unit), Hz or a.u.
        As in `population_vector_correlation_noise_corrected`; units that are constant over stimuli in one of the halves
        of a session count as not detected in it, so that all terms average over the same units.

    Returns
    -------
    (session, session)
        1 on the diagonal; may exceed 1 by sampling error. NaN with one repeat, and where the reliability of one of the
        two sessions is not positive.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Spearman 1904, American Journal of Psychology 15:72, doi 10.2307/1412159.
    """
    varying = _split(halves)
    constant = _range(varying) <= 1e-12 * np.abs(np.nan_to_num(varying)).max(axis=3, initial=0.0)
    varying = np.where(constant.any(axis=(0, 1))[:, None, :], np.nan, varying)
    return _corrected(varying, tuning_curve_correlation, lambda first, second: _reliability(first, second, "stimulus"))


def ensemble_rate_correlation_noise_corrected(halves: ArrayLike) -> Floats:
    """
    Ensemble-rate correlation as it would be without trial noise.

    Parameters
    ----------
    halves : (2, session, stimulus, unit) or (split, 2, session, stimulus, unit), Hz or a.u.
        As in `population_vector_correlation_noise_corrected`.

    Returns
    -------
    (session, session)
        1 on the diagonal; may exceed 1 by sampling error. NaN with one repeat, and where the reliability of one of the
        two sessions is not positive.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Spearman 1904, American Journal of Psychology 15:72, doi 10.2307/1412159.
    """
    return _corrected(halves, ensemble_rate_correlation, _ensemble_reliability)


def _split(halves: ArrayLike) -> Floats:
    """Halves as (split, 2, session, stimulus, unit), NaN where any of them is missing."""
    values = np.asarray(halves, dtype=np.float64)
    values = values[None] if values.ndim == 4 else values
    if values.ndim != 5 or values.shape[1] != 2:
        raise ShapeError(
            "halves must have the dimensions (2, session, stimulus, unit) or (split, 2, session, stimulus, unit), "
            f"got shape {np.shape(halves)}"
        )
    return np.where(np.isfinite(values).all(axis=(0, 1)), values, np.nan)


def _range(values: Floats) -> Floats:
    """Largest minus smallest value over stimuli (axis 3), 0 where nothing is finite."""
    finite = np.isfinite(values)
    largest = np.where(finite, values, -np.inf).max(axis=3, initial=-np.inf)
    smallest = np.where(finite, values, np.inf).min(axis=3, initial=np.inf)
    spread: Floats = np.where(np.isfinite(largest), largest - np.where(np.isfinite(smallest), smallest, 0.0), 0.0)
    return spread


def _corrected(halves: ArrayLike, between: Between, within: Within) -> Floats:
    """The ratio of means, over all splits."""
    splits = _split(halves)
    pairs = [(split[a], split[b]) for split in splits for a in (0, 1) for b in (0, 1)]
    across = np.mean([between(a, b) for a, b in pairs], axis=0)
    reliability = np.mean([within(mask_maps(split[0]), mask_maps(split[1])) for split in splits], axis=0)
    defined = (reliability > 0) & (reliability.T > 0)
    product = np.where(defined, reliability * reliability.T, 1.0)
    corrected = np.where(defined, across / np.sqrt(product), np.nan)
    diagonal = np.diag_indices_from(corrected)
    corrected[diagonal] = np.where(defined[diagonal], 1.0, np.nan)
    return corrected


def _reliability(first: Masked, second: Masked, over: Over) -> Floats:
    """[s, t]: correlation of the halves of session s, over the units and stimuli of both s and t."""
    samples, averaged = (first.units, first.stimuli) if over == "unit" else (first.stimuli, first.units)
    mean = RunningMean((len(samples), len(samples)))
    for block in batches(first, over):
        x, y = vectors(first, over, block), vectors(second, over, block)
        correlations = correlate_within(x, y, samples, samples)
        mean.add(np.where(averaged[:, block].T[:, None, :], correlations, np.nan))
    return mean.mean()


def _ensemble_reliability(first: Masked, second: Masked) -> Floats:
    """[s, t]: correlation of the mean rates of the halves of session s, over the units and stimuli of both s and t."""
    result = np.empty((len(first.values), len(first.values)))
    for session in range(len(first.values)):
        x, _, mask = paired_means(first, first, session)
        y, _, _ = paired_means(second, first, session)
        result[session] = correlate_rows(x, y, mask)
    return result
