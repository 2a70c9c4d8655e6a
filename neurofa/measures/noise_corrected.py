"""Correlations between sessions, corrected for trial noise by split halves.

S_corr(s, t) = mean_{a,b} S(x_s^a, x_t^b) / sqrt(S(x_s^a, x_s^b) S(x_t^a, x_t^b)): a and b are the two halves of a
session's repeats, and each S is already a mean over stimuli or units, so that this is a ratio of means and never a mean
of ratios. All three terms use the units and stimuli that the pair of sessions shares.

Where it holds, measured on maps that turn by a known angle (40 stimuli, 8 sessions, independent Gaussian trial noise, a
fifth of the cells lost in each session; signal to noise is the ratio of variances in one repeat). Standard deviation of
the error of a single pair of sessions; an average over pairs and animals is closer by the root of their number:

================================  =================  ======  =============
condition                         population vector  tuning  ensemble rate
================================  =================  ======  =============
300 cells, 10 repeats, ratio 1    0.003              0.003   0.021
the same, ratio 0.3               0.007              0.008   0.047
the same, ratio 0.1               0.018              0.019   0.12
the same, ratio 1, 2 repeats      0.010              0.011   0.068
50 cells, 10 repeats, ratio 1     0.009              0.009   0.048
50 cells, 10 repeats, ratio 0.1   0.05               0.05    often undefined
================================  =================  ======  =============

Other ways of halving the repeats make these errors no smaller: they come from the noise that is in the maps. The mean
error stays below 0.005 for population vectors and tuning, but for the last row (-0.014), and below 0.002 for ensemble
rates in the first. Over seven kinds of known drift and none (rotation, random walk, drift in a subspace, global gain,
turnover, registration errors), signal to noise 0.5 to 10, 50 to 1,000 cells and 3 to 50 repeats, the mean error of four
animals was at most 0.018 (population vectors), 0.030 (tuning; 0.016 but for turnover with 3 repeats at 0.5) and
0.008 (ensemble rates). Two things are not corrected: noise that a whole session shares, such as its gains, for it is in
both halves and counts as drift; and a relation between reliability and drift, for units and stimuli weigh as much as
they are reliable.
"""

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ShapeError
from neurofa.measures.drift import ensemble_rate_correlation, paired_means
from neurofa.measures.kernels import (
    ROUNDING,
    Bools,
    Floats,
    Masked,
    Over,
    RunningMean,
    batches,
    centred,
    correlate,
    correlate_rows,
    correlate_within,
    mask_maps,
    mean_over_stimuli,
    vectors,
)


def population_vector_correlation_noise_corrected(halves: ArrayLike) -> Floats:
    """
    Population-vector correlation as it would be without trial noise: a ratio of means over split halves.

    PV_corr(s, t) = mean_{a,b} PV(x_s^a, x_t^b) / sqrt(PV(x_s^a, x_s^b) PV(x_t^a, x_t^b)), a and b the two halves.

    Measured to hold in all that was tried: drift of six known kinds and none, 40 stimuli, 50 to 1,000 cells, signal
    to noise (variances, one repeat) 0.5 to 10, 3 to 50 repeats: mean error of four animals at most 0.018. Below a
    signal to noise x repeats of about 1 single pairs err by 0.05 or are undefined (table in the module).

    Parameters
    ----------
    halves : (2, session, stimulus, unit), Hz or a.u.
        Maps of the two halves of each session's repeats. Gaps: a pair uses, in all three terms, the units and stimuli
        finite in both halves of both sessions.

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
    return _ratio(*_mean_correlations(*_masked(_both_halves(halves)), over="unit"))


def tuning_curve_correlation_noise_corrected(halves: ArrayLike) -> Floats:
    """
    Tuning-curve correlation as it would be without trial noise: a ratio of means over split halves.

    T_corr(s, t) = mean_{a,b} T(x_s^a, x_t^b) / sqrt(T(x_s^a, x_s^b) T(x_t^a, x_t^b)), a and b the two halves.

    Measured to hold in all that was tried: drift of six known kinds and none, 40 stimuli, 50 to 1,000 cells, signal
    to noise (variances, one repeat) 0.5 to 10, 3 to 50 repeats: mean error of four animals at most 0.016, and 0.030
    for turnover with 3 repeats at 0.5. Below a signal to noise x repeats of about 1 single pairs err by 0.05 or are
    undefined (table in the module).

    Parameters
    ----------
    halves : (2, session, stimulus, unit), Hz or a.u.
        Maps of the two halves of each session's repeats. Gaps: a pair uses, in all three terms, the units and stimuli
        finite in both halves of both sessions; a unit that is constant over stimuli in one of the halves of a session
        counts as not detected in it.

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
    Spearman 1904, American Journal of Psychology 15:72, doi 10.2307/1412159; the measure: Geva et al. 2023,
    doi 10.1016/j.neuron.2023.05.005.
    """
    pair = _both_halves(halves)
    varying = np.where(np.all(_varies(pair), axis=0, keepdims=True)[:, :, None], pair, np.nan)
    return _ratio(*_mean_correlations(*_masked(varying), over="stimulus"))


def ensemble_rate_correlation_noise_corrected(halves: ArrayLike) -> Floats:
    """
    Ensemble-rate correlation as it would be without trial noise: a ratio of means over split halves.

    E_corr(s, t) = mean_{a,b} E(x_s^a, x_t^b) / sqrt(E(x_s^a, x_s^b) E(x_t^a, x_t^b)), a and b the two halves.
    Being one correlation, and no mean of many, it is the noisiest of the three.

    Measured to hold in all that was tried: drift of six known kinds and none, 40 stimuli, 50 to 1,000 cells, signal
    to noise (variances, one repeat) 0.5 to 10, 3 to 50 repeats: mean error of four animals at most 0.008. Single pairs
    err more: by 0.02 at 300 cells and signal to noise x repeats of 10, by 0.12 at 1; with 50 cells at 1 it is often
    undefined (table in the module).

    Parameters
    ----------
    halves : (2, session, stimulus, unit), Hz or a.u.
        Maps of the two halves of each session's repeats. Gaps: a pair uses, in all three terms, the units and stimuli
        finite in both halves of both sessions.

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
    Spearman 1904, American Journal of Psychology 15:72, doi 10.2307/1412159; the measure: Geva et al. 2023,
    doi 10.1016/j.neuron.2023.05.005.
    """
    pair = _both_halves(halves)
    first, second = _masked(pair)
    if first.stimuli.all():
        return _ratio(*_mean_correlations(mean_over_stimuli(first), mean_over_stimuli(second), over="unit"))
    across = np.mean([ensemble_rate_correlation(pair[a], pair[b]) for a in (0, 1) for b in (0, 1)], axis=0)
    return _ratio(across, _ensemble_reliability(first, second))


def _both_halves(halves: ArrayLike) -> Floats:
    """Check the halves; what one of the two lacks is NaN in both."""
    values = np.asarray(halves, dtype=np.float64)
    if values.ndim != 4 or len(values) != 2:
        raise ShapeError(f"halves must have the dimensions (2, session, stimulus, unit), got shape {values.shape}")
    finite = np.isfinite(values)
    gaps = finite[0] != finite[1]
    return np.where(gaps, np.nan, values) if gaps.any() else values


def _masked(pair: Floats) -> tuple[Masked, Masked]:
    """Both halves with their gaps apart; these are the same in both."""
    return mask_maps(pair[0], "halves[0]"), mask_maps(pair[1], "halves[1]")


def _varies(values: Floats) -> Bools:
    """Whether a unit's finite values (half, session, unit) differ over stimuli."""
    largest, smallest = np.fmax.reduce(values, axis=2), np.fmin.reduce(values, axis=2)
    scale = np.maximum(np.abs(largest), np.abs(smallest))
    varies: Bools = np.isfinite(scale) & (largest > smallest + ROUNDING * scale)
    return varies


def _ratio(across: Floats, reliability: Floats) -> Floats:
    """The ratio of means: `across` above the line, `reliability` [s, t] of session s with t below."""
    defined = (reliability > 0) & (reliability.T > 0)
    corrected: Floats = across / np.sqrt(np.where(defined, reliability * reliability.T, np.nan))
    np.fill_diagonal(corrected, np.where(np.diag(defined), 1.0, np.nan))
    return corrected


def _mean_correlations(first: Masked, second: Masked, over: Over) -> tuple[Floats, Floats]:
    """
    Mean correlations of the halves, across sessions and within them.

    Returns across [s, t], the mean over the four pairs of a half of s with a half of t; and within [s, t], of the two
    halves of session s over the units and stimuli of both s and t.
    """
    samples, averaged = (first.units, first.stimuli) if over == "unit" else (first.stimuli, first.units)
    shape = (len(samples), len(samples))
    same_first, same_second, crossed, within = (RunningMean(shape) for _ in range(4))
    for block in batches(first, over):
        x, y = (centred(vectors(half, over, block), samples, samples) for half in (first, second))
        same_first.add(correlate(x, x))
        same_second.add(correlate(y, y))
        crossed.add(correlate(x, y))
        correlations = correlate_within(x, y, samples)
        within.add(np.where(averaged[:, block].T[:, None, :], correlations, np.nan))
    across = same_first.mean() + same_second.mean() + crossed.mean() + crossed.mean().T
    return across / 4, within.mean()


def _ensemble_reliability(first: Masked, second: Masked) -> Floats:
    """[s, t]: correlation of the mean rates of the halves of session s, over the units and stimuli of both s and t."""
    result = np.empty((len(first.values), len(first.values)))
    for session in range(len(first.values)):
        x, _, mask = paired_means(first, first, session)
        y, _, _ = paired_means(second, first, session)
        result[session] = correlate_rows(x, y, mask)
    return result
