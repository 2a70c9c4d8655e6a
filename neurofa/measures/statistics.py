"""Means and intervals over animals, and measures by the lag between sessions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats

#: days are compared after rounding to this many decimals
DECIMALS = 6


class MeanInterval(NamedTuple):
    """
    Mean and interval.

    Attributes
    ----------
    mean, low, high : array
        Mean and ends of the interval.
    n : array of int
        Values that were not NaN.
    """

    mean: Floats
    low: Floats
    high: Floats
    n: np.ndarray


def mean_and_interval(values: ArrayLike, axis: int = 0, level: float = 0.95) -> MeanInterval:
    """
    Mean over animals with Student's t interval: mean +/- t_{n-1} sd / sqrt(n).

    Parameters
    ----------
    values : array
        One value per animal along `axis`. Gaps: NaN is left out.
    axis : int
        The axis of animals.
    level : float
        Coverage of the interval.

    Returns
    -------
    MeanInterval
        Arrays without `axis`; mean NaN with no value, interval NaN with one.

    Raises
    ------
    ConfigError
        Unless 0 < level < 1.

    References
    ----------
    Student 1908, Biometrika 6:1, doi 10.1093/biomet/6.1.1.

    Examples
    --------
    >>> interval = mean_and_interval([1.0, 2.0, 3.0])
    >>> round(float(interval.low), 2), round(float(interval.high), 2)
    (-0.48, 4.48)
    """
    from scipy.special import stdtrit

    if not 0 < level < 1:
        raise ConfigError(f"level must lie between 0 and 1, got {level}")
    array = np.asarray(values, dtype=np.float64)
    present = np.isfinite(array)
    n = np.asarray(present.sum(axis=axis))
    total = np.where(present, array, 0.0).sum(axis=axis)
    mean = np.asarray(np.where(n > 0, total / np.maximum(n, 1), np.nan))
    deviations = np.where(present, array - np.expand_dims(mean, axis), 0.0)
    freedom = np.maximum(n - 1, 1)
    error = np.sqrt((deviations**2).sum(axis=axis) / freedom / np.maximum(n, 1))
    half = np.where(n > 1, stdtrit(freedom, 0.5 + level / 2) * error, np.nan)
    return MeanInterval(mean, mean - half, mean + half, n)


def difference_and_interval(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> MeanInterval:
    """
    Difference of the means of two independent groups of animals, with Welch's interval.

    Parameters
    ----------
    first, second : (animal,)
        One value per animal, any unit; NaN is left out.
    level : float
        Of the interval.

    Returns
    -------
    MeanInterval
        Mean of `first` minus that of `second`, NaN ends where a group has fewer than two animals; n of the smaller one.

    References
    ----------
    Welch 1947, The generalization of Student's problem when several different population variances are involved,
    https://doi.org/10.1093/biomet/34.1-2.28

    Examples
    --------
    >>> round(float(difference_and_interval([1.0, 3.0], [0.0, 1.0]).mean), 2)
    1.5
    """
    from scipy.special import stdtrit

    groups = [array[np.isfinite(array)] for array in (np.asarray(values, np.float64) for values in (first, second))]
    n = np.asarray(min(len(own) for own in groups))
    mean = np.asarray(mean_of_finite(groups[0]) - mean_of_finite(groups[1]))
    if n < 2:
        return MeanInterval(mean, np.asarray(np.nan), np.asarray(np.nan), n)
    errors = np.array([own.var(ddof=1) / len(own) for own in groups])
    freedom = np.array([len(own) - 1 for own in groups])
    total = errors.sum()
    half = 0.0 if total == 0 else stdtrit(total**2 / (errors**2 / freedom).sum(), 0.5 + level / 2) * np.sqrt(total)
    return MeanInterval(mean, mean - half, mean + half, n)


def mean_of_finite(values: ArrayLike) -> float:
    """
    Mean of the values that are finite.

    Parameters
    ----------
    values : array_like
        Of any shape and unit.

    Returns
    -------
    float
        In the unit of the values; NaN, without a warning, where nothing is finite.

    Examples
    --------
    >>> mean_of_finite([1.0, float("nan"), 3.0])
    2.0
    """
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    return float(finite.mean()) if finite.size else float("nan")


class PairsByLag(NamedTuple):
    """
    One entry per pair of sessions.

    Attributes
    ----------
    lag : (pair,), days
        From the earlier to the later session.
    value : (pair,)
        The measure.
    session_a, session_b : (pair,) int
        The earlier and the later session (positions in the matrix).
    """

    lag: Floats
    value: Floats
    session_a: np.ndarray
    session_b: np.ndarray


def pairs_by_lag(matrix: ArrayLike, day: ArrayLike) -> PairsByLag:
    """
    List the pairs of sessions of a matrix with their lags.

    Parameters
    ----------
    matrix : (session, session)
        A measure; entry [i, j] is used with i before j in time (of a symmetric matrix each pair once; of
        train x test accuracies those trained on the earlier session).
    day : (session,), days
        When the sessions were. Gaps: pairs whose measure or day is NaN are left out; two sessions on the same day
        are a pair of lag 0, in their order.

    Returns
    -------
    PairsByLag
        Sorted by lag, then by sessions.

    Raises
    ------
    ShapeError
        Unless the matrix is square and has one day per session.
    """
    values, days = np.asarray(matrix, dtype=np.float64), np.asarray(day, dtype=np.float64)
    if values.ndim != 2 or values.shape != (days.size, days.size) or days.ndim != 1:
        raise ShapeError(
            f"expected a matrix of sessions and one day for each, got shapes {values.shape} and {days.shape}"
        )
    order = np.argsort(days, kind="stable")
    row, column = np.triu_indices(days.size, 1)
    a, b = order[row], order[column]
    lag, value = np.round(days[b] - days[a], DECIMALS), values[a, b]
    kept = np.flatnonzero(np.isfinite(lag) & np.isfinite(value))
    kept = kept[np.lexsort((b[kept], a[kept], lag[kept]))]
    return PairsByLag(lag[kept], value[kept], a[kept], b[kept])


class CurveByLag(NamedTuple):
    """
    One entry per lag.

    Attributes
    ----------
    lag : (lag,), days
        Distinct lags, ascending.
    mean, sd : (lag,)
        Over the pairs of sessions of that lag (sd with n in the denominator, as in the recorded reference curves).
    n : (lag,) int
        Pairs.
    """

    lag: Floats
    mean: Floats
    sd: Floats
    n: np.ndarray


def mean_by_lag(matrix: ArrayLike, day: ArrayLike) -> CurveByLag:
    """
    Average all pairs of sessions of equal lag.

    Parameters
    ----------
    matrix : (session, session)
        A measure, as in `pairs_by_lag`.
    day : (session,), days
        When the sessions were.

    Returns
    -------
    CurveByLag
        Lags that have at least one pair whose measure is not NaN.

    Raises
    ------
    ShapeError
        Unless the matrix is square and has one day per session.

    Examples
    --------
    >>> curve = mean_by_lag([[1, 0.8, 0.5], [0.8, 1, 0.6], [0.5, 0.6, 1]], [0, 2, 4])
    >>> curve.lag.tolist(), curve.mean.round(2).tolist()
    ([2.0, 4.0], [0.7, 0.5])
    """
    pairs = pairs_by_lag(matrix, day)
    lag, index, n = np.unique(pairs.lag, return_inverse=True, return_counts=True)
    mean = np.bincount(index, pairs.value, len(lag)) / np.maximum(n, 1)
    variance = np.bincount(index, (pairs.value - mean[index]) ** 2, len(lag)) / np.maximum(n, 1)
    return CurveByLag(lag, mean, np.sqrt(variance), n)


def curves_of_animals(matrices: ArrayLike, days: ArrayLike) -> tuple[Floats, Floats]:
    """
    Average pairs of equal lag within each animal, so that every animal counts once.

    Parameters
    ----------
    matrices : (animal, session, session)
        A measure per animal. Gaps: NaN for sessions that an animal did not have.
    days : (animal, session), days
        NaN for sessions that an animal did not have.

    Returns
    -------
    lag : (lag,), days
        All lags that occur.
    values : (animal, lag)
        NaN where an animal has no pair of that lag.

    Raises
    ------
    ShapeError
        Where the shapes do not fit.
    """
    curves = [mean_by_lag(matrix, day) for matrix, day in zip(np.asarray(matrices), np.asarray(days), strict=True)]
    lag = np.unique(np.concatenate([curve.lag for curve in curves])) if curves else np.empty(0)
    values = np.full((len(curves), lag.size), np.nan)
    for animal, curve in enumerate(curves):
        values[animal, np.searchsorted(lag, curve.lag)] = curve.mean
    return lag, values
