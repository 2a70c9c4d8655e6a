"""How alike two sessions could be at most, given the noise of their trials; and any similarity corrected for it.

Where `correct_for_noise` holds: the noise of different repeats is independent, and the reliability of both sessions is
clearly above 0. What was measured on recordings of known truth is in `tests/recovery.py`, by signal to noise, cells and
repeats; the docstring of every corrected measure gives its range.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Bools, Floats

Ints = NDArray[np.int64]
#: takes maps (session, stimulus, unit) and gives (session, session)
Similarity = Callable[[Any], Floats]


def spearman_brown(reliability: ArrayLike, factor: float = 2.0) -> Floats:
    """
    Predict the reliability of a measurement of another length.

    r_k = k r / (1 + (k - 1) r): with k = 2 from the correlation of two halves to that of two whole sessions.

    Parameters
    ----------
    reliability : array, -1 to 1
        Correlation of two parts of equal length. Gaps: NaN stays NaN.
    factor : float
        k, how many times longer.

    Returns
    -------
    array
        NaN where 1 + (k - 1) r is not above 0.

    Raises
    ------
    ConfigError
        Unless factor is above 0.

    References
    ----------
    Spearman 1910, British Journal of Psychology 3:271, doi 10.1111/j.2044-8295.1910.tb00206.x; Brown 1910, the same
    3:296, doi 10.1111/j.2044-8295.1910.tb00207.x.

    Examples
    --------
    >>> round(float(spearman_brown(0.5)), 3)
    0.667
    """
    if not factor > 0:
        raise ConfigError(f"factor must be above 0, got {factor}")
    r = np.asarray(reliability, dtype=np.float64)
    below = 1 + (factor - 1) * r
    return np.where(below > 0, factor * r / np.where(below > 0, below, 1.0), np.nan)


def noise_ceiling(similarity: Similarity, halves: ArrayLike) -> Floats:
    """
    Similarity that two sessions would have on average if nothing but the noise of the trials differed.

    C(s, t) = sqrt(R_s R_t), R = 2 r / (1 + r) the reliability of a whole session, r_s = S(x_s^a, x_s^b) of its halves,
    over the units and stimuli of the pair.

    Parameters
    ----------
    similarity : callable
        A measure of this package: maps (session, stimulus, unit) to (session, session), 1 for equal maps.
    halves : (2, session, stimulus, unit), any unit
        Maps of the two halves of each session's repeats. Gaps: a pair uses the units and stimuli finite in both halves
        of both sessions.

    Returns
    -------
    (session, session)
        NaN where a reliability is not above 0.

    Raises
    ------
    ShapeError
        Unless there are two halves of three dimensions.

    References
    ----------
    Spearman 1910, doi 10.1111/j.2044-8295.1910.tb00206.x; Spearman 1904, doi 10.2307/1412159.
    """
    return _each_pair(similarity, halves)[1]


def correct_for_noise(similarity: Similarity, halves: ArrayLike) -> Floats:
    """
    Any similarity of two sessions as it would be without the noise of their trials.

    S_corr(s, t) = mean_{a,b} S(x_s^a, x_t^b) / sqrt(S(x_s^a, x_s^b) S(x_t^a, x_t^b)), a and b the two halves; all terms
    over the units and stimuli of the pair. For correlations of population vectors, tuning and rates there are functions
    of their own (``population_vector_correlation_noise_corrected`` ...), which do the same for all pairs at once.

    Measured to hold (mean error of four animals below 0.03, drift of six known kinds and none, 40 stimuli, 50 to 1,000
    cells): of `representational_similarity_correlation` from signal to noise (variances, one repeat) x repeats = 5 on
    (below, errors up to 0.17 both ways), of `linear_cka` from 25 on (below, up to 0.16 too high: noise is alike in the
    halves' self-similarity, which no ceiling takes out).

    Parameters
    ----------
    similarity : callable
        A measure of this package that is a correlation or a cosine: maps (session, stimulus, unit) to
        (session, session).
    halves : (2, session, stimulus, unit), any unit
        Maps of the two halves of each session's repeats. Gaps: as in `noise_ceiling`.

    Returns
    -------
    (session, session)
        1 on the diagonal; may exceed 1 by sampling error. NaN where a reliability is not above 0.

    Raises
    ------
    ShapeError
        Unless there are two halves of three dimensions.

    References
    ----------
    Spearman 1904, American Journal of Psychology 15:72, doi 10.2307/1412159.
    """
    return _each_pair(similarity, halves)[0]


def _each_pair(similarity: Similarity, halves: ArrayLike) -> tuple[Floats, Floats]:
    """Corrected similarity and ceiling (session, session)."""
    values = np.asarray(halves, dtype=np.float64)
    if values.ndim != 4 or len(values) != 2:
        raise ShapeError(f"halves must have the dimensions (2, session, stimulus, unit), got shape {values.shape}")
    n = values.shape[1]
    corrected, ceiling = np.full((n, n), np.nan), np.full((n, n), np.nan)
    finite: Bools = np.asarray(np.isfinite(values).all(axis=0))
    units, stimuli = np.asarray(finite.any(axis=1)), np.asarray(finite.any(axis=2))
    for row, column in _compared_at_once(units, stimuli):
        sessions = np.union1d(row, column)
        common = values[:, sessions][:, :, stimuli[sessions].all(axis=0)][:, :, :, units[sessions].all(axis=0)]
        if common.size:
            found = _of_sessions(similarity, common)
            place = np.searchsorted(sessions, row), np.searchsorted(sessions, column)
            for matrix, of_these in zip((corrected, ceiling), found, strict=True):
                matrix[row, column] = matrix[column, row] = of_these[place]
    return corrected, ceiling


def _compared_at_once(units: Bools, stimuli: Bools) -> Iterator[tuple[Ints, Ints]]:
    """Pairs (first sessions, later sessions) of one call: all among sessions that share the same, or a single pair."""
    of_what: dict[bytes, list[tuple[int, int]]] = {}
    for i in range(len(units)):
        for j in range(i, len(units)):
            shared = np.concatenate([units[i] & units[j], stimuli[i] & stimuli[j]])
            of_what.setdefault(shared.tobytes(), []).append((i, j))
    for found in of_what.values():
        n = len({session for pair in found for session in pair})
        for together in [found] if len(found) == n * (n + 1) // 2 else [[pair] for pair in found]:
            row, column = np.array(together).T
            yield row, column


def _of_sessions(similarity: Similarity, halves: Floats) -> tuple[Floats, Floats]:
    """Corrected similarity and ceiling of sessions that all have the same units and stimuli, in one call."""
    n = halves.shape[1]
    found = np.asarray(similarity(halves.reshape(2 * n, *halves.shape[2:])))
    across = (found[:n, :n] + found[n:, n:] + found[:n, n:] + found[n:, :n]) / 4
    reliability = np.where(np.diag(found[:n, n:]) > 0, np.diag(found[:n, n:]), np.nan)
    whole = spearman_brown(reliability)
    corrected, ceiling = across / np.sqrt(np.outer(reliability, reliability)), np.sqrt(np.outer(whole, whole))
    np.fill_diagonal(corrected, np.where(np.isfinite(reliability), 1.0, np.nan))
    return corrected, ceiling
