"""Exponential decay of a measure with the lag between sessions."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats

#: decay rates above this many per smallest step of lag cannot be told apart: nothing is left after one step
FASTEST = 20.0
#: rates tried before the best is refined, and halvings of its bracket: enough for all digits
N_RATES, N_HALVINGS = 160, 60
#: decay rates below this fraction of one per longest lag are no decay
SLOWEST = 1e-4
#: why a time constant is infinite or NaN
REASONS = (
    "",
    "fewer than two lags with a value",
    "no value above 0 on the whole",
    "the curve does not fall over these lags",
    "nothing is left after the shortest lag",
)


@dataclass(frozen=True)
class ExponentialFit:
    """
    A exp(-lag / tau).

    Attributes
    ----------
    amplitude : float
        A, in units of the measure; NaN where tau is.
    decay_time_constant_days, decay_half_life_days : float
        tau and tau ln 2; infinite where the curve does not fall, NaN where it cannot be told.
    r2 : float
        1 - residual / total sum of squares; NaN for a curve without variance.
    reason : str
        Why tau is infinite or NaN; empty otherwise.
    """

    amplitude: float
    decay_time_constant_days: float
    decay_half_life_days: float
    r2: float
    reason: str


@dataclass(frozen=True)
class DecayInterval:
    """
    A fit to the mean over animals, with bootstrap intervals over animals.

    Attributes
    ----------
    fit : ExponentialFit
        Of the mean curve.
    amplitude, decay_time_constant_days, decay_half_life_days : (float, float)
        Percentile intervals; an upper end is infinite where so many resampled curves do not fall. NaN with one animal.
    n_animals : int
        Animals with any value.
    n_failed : int
        Resamples whose fit gave no time constant, left out of the intervals.
    """

    fit: ExponentialFit
    amplitude: tuple[float, float]
    decay_time_constant_days: tuple[float, float]
    decay_half_life_days: tuple[float, float]
    n_animals: int
    n_failed: int


def fit_exponential(lag: ArrayLike, value: ArrayLike) -> ExponentialFit:
    """
    Fit S(lag) = A exp(-lag / tau) by least squares, A >= 0 and tau > 0.

    The rate 1 / tau is fitted, from 0 on: a flat or rising curve ends at 0, tau infinite, with the reason.

    Parameters
    ----------
    lag : (point,), days
        Lags.
    value : (point,)
        The measure. Gaps: points that are not finite are left out.

    Returns
    -------
    ExponentialFit
        Amplitude, time constant, half-life, r2.

    Raises
    ------
    ShapeError
        Unless there is one value per lag.

    References
    ----------
    Jensen et al. 2022, Nature Neuroscience 25:1664, doi 10.1038/s41593-022-01194-3 (exponential model of stability).

    Examples
    --------
    >>> fit = fit_exponential([2, 4, 6], [0.8, 0.4, 0.2])
    >>> round(fit.decay_half_life_days, 3), round(fit.amplitude, 3)
    (2.0, 1.6)
    """
    days, values = np.asarray(lag, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if days.shape != values.shape or days.ndim != 1:
        raise ShapeError(f"lag and value must be lists of equal length, got shapes {days.shape} and {values.shape}")
    kept = np.isfinite(days) & np.isfinite(values)
    fits = _fit_curves(days, values[None])
    amplitude, tau, reason = float(fits.amplitude[0]), float(fits.tau[0]), REASONS[int(fits.reason[0])]
    if np.isnan(tau):
        return ExponentialFit(amplitude, tau, tau, float("nan"), reason)
    days, values = days[kept], values[kept]
    residual = float(((values - amplitude * np.exp(-days / tau)) ** 2).sum())
    total = float(((values - values.mean()) ** 2).sum())
    r2 = 1 - residual / total if total > 1e-12 * float((values**2).sum()) else float("nan")
    return ExponentialFit(amplitude, tau, tau * float(np.log(2)), r2, reason)


def decay_time_constants(lag: ArrayLike, values: ArrayLike) -> Floats:
    """
    Fit many curves as `fit_exponential` does, all at once.

    Parameters
    ----------
    lag : (lag,), days
        Lags.
    values : (curve, lag)
        The measure. Gaps: values that are not finite are left out.

    Returns
    -------
    (curve,), days
        tau; infinite for a curve that does not fall, NaN where it cannot be told.

    Raises
    ------
    ShapeError
        Unless there is one value per lag.

    Examples
    --------
    >>> decay_time_constants([2, 4, 6], [[0.8, 0.4, 0.2], [0.5, 0.5, 0.5]]).round(3).tolist()
    [2.885, inf]
    """
    days, curves = np.asarray(lag, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if curves.ndim != 2 or curves.shape[1:] != days.shape:
        raise ShapeError(f"values must have the dimensions (curve, lag) with {days.size} lags, got {curves.shape}")
    return _fit_curves(days, curves).tau


class _Fits(NamedTuple):
    """Amplitude, time constant and place in `REASONS` of every curve."""

    amplitude: Floats
    tau: Floats
    reason: NDArray[np.int64]


def _fit_curves(days: Floats, curves: Floats) -> _Fits:
    """Fits of all curves (curve, lag); those with values at the same lags are fitted at once."""
    nothing = np.full(len(curves), np.nan)
    fits = _Fits(nothing, nothing.copy(), np.ones(len(curves), dtype=np.int64))
    present = np.isfinite(curves) & np.isfinite(days)
    for pattern in np.unique(present, axis=0):
        chosen = np.flatnonzero((present == pattern).all(axis=1))
        found = _fit_complete(days[pattern], curves[np.ix_(chosen, pattern)])
        for all_curves, of_these in zip(fits, found, strict=True):
            all_curves[chosen] = of_these
    return fits


def _fit_complete(days: Floats, curves: Floats) -> _Fits:
    """Fits of curves without gaps."""
    nothing = np.full(len(curves), np.nan)
    distinct = np.unique(days)
    if len(distinct) < 2:
        return _Fits(nothing, nothing, np.full(len(curves), 1))
    start, span, step = days.min(), float(np.ptp(days)), float(np.diff(distinct).min())
    size = np.abs(curves).max(axis=1)
    relative = curves / np.where(size > 0, size, 1.0)[:, None]
    amplitude, rate = _least_squares((days - start) / span, relative, FASTEST * span / step)
    rate /= span
    reason = np.select([amplitude <= 0, rate <= SLOWEST / span, rate >= 0.5 * FASTEST / step], [2, 3, 4], 0)
    falls, told = reason == 0, (reason == 0) | (reason == 3)
    tau = np.where(falls, 1 / np.where(falls, rate, 1.0), np.where(told, np.inf, np.nan))
    at_zero = np.where(told, amplitude, np.nan) * size * np.exp(np.where(falls, rate, 0.0) * start)
    return _Fits(at_zero, tau, reason)


def _least_squares(lag: Floats, curves: Floats, highest: float) -> tuple[Floats, Floats]:
    """
    Amplitude and rate of every curve (curve, lag), lags from 0 to 1.

    For a given rate k the best amplitude is P / Q, P = sum y exp(-k x), Q = sum exp(-2 k x); what is left to find is
    the k with the largest P^2 / Q, P > 0: the best of a grid, refined by halving its bracket on the derivative's sign.
    """
    grid = np.concatenate([[0.0], np.geomspace(1e-5, highest, N_RATES)])
    powers = np.exp(-grid[:, None] * lag)
    gain = np.maximum(curves @ powers.T, 0.0) ** 2 / (powers**2).sum(axis=1)
    best = gain.argmax(axis=1)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, N_RATES)]
    for _ in range(N_HALVINGS):
        rate = (low + high) / 2
        power = np.exp(-rate[:, None] * lag)
        p, q = (curves * power).sum(axis=1), (power**2).sum(axis=1)
        rises = 2 * q * (curves * power * -lag).sum(axis=1) > -2 * p * (power**2 * lag).sum(axis=1)
        low, high = np.where(rises, rate, low), np.where(rises, high, rate)
    power = np.exp(-high[:, None] * lag)
    return (curves * power).sum(axis=1) / (power**2).sum(axis=1), high


def bootstrap_exponential(
    lag: ArrayLike, values: ArrayLike, rng: np.random.Generator, n_resamples: int = 1000, level: float = 0.95
) -> DecayInterval:
    """
    Fit the mean curve over animals and resample animals for percentile intervals.

    Parameters
    ----------
    lag : (lag,), days
        Lags.
    values : (animal, lag)
        The measure, one curve per animal. Gaps: each mean is over the animals that have a value at that lag.
    rng : numpy.random.Generator
        Draws the resamples.
    n_resamples : int
        Resamples.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DecayInterval
        Fit and intervals.

    Raises
    ------
    ConfigError
        Unless n_resamples is positive and 0 < level < 1.
    ShapeError
        Unless there is one curve per animal and one value per lag.

    References
    ----------
    Efron and Tibshirani 1986, Statistical Science 1:54, doi 10.1214/ss/1177013815.
    """
    curves = np.asarray(values, dtype=np.float64)
    if curves.ndim != 2 or curves.shape[1] != np.size(lag):
        raise ShapeError(f"values must have the dimensions (animal, lag) with {np.size(lag)} lags, got {curves.shape}")
    if n_resamples < 1 or not 0 < level < 1:
        raise ConfigError(f"n_resamples must be positive and level between 0 and 1, got {n_resamples} and {level}")
    curves = curves[np.isfinite(curves).any(axis=1)]
    fit = fit_exponential(lag, _mean(curves))
    nowhere = (float("nan"), float("nan"))
    if len(curves) < 2:
        return DecayInterval(fit, nowhere, nowhere, nowhere, len(curves), 0)
    chosen = rng.integers(0, len(curves), (n_resamples, len(curves)))
    fits = _fit_curves(np.asarray(lag, dtype=np.float64), _mean(curves[chosen]))
    tau, amplitude = fits.tau, fits.amplitude
    told = ~np.isnan(tau)
    slow, fast = _percentiles(1 / tau[told], level)
    bounds = tuple(float("inf") if rate == 0 else 1 / rate for rate in (fast, slow))
    half_life = (bounds[0] * float(np.log(2)), bounds[1] * float(np.log(2)))
    between = _percentiles(amplitude[told], level)
    return DecayInterval(fit, between, (bounds[0], bounds[1]), half_life, len(curves), int((~told).sum()))


def _mean(curves: NDArray[Any]) -> Floats:
    """Mean over animals (..., animal, lag) of what is finite."""
    finite = np.isfinite(curves)
    count = finite.sum(axis=-2)
    return np.where(count > 0, np.where(finite, curves, 0).sum(axis=-2) / np.maximum(count, 1), np.nan)


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    """Lower and upper end of the central `level` of the values."""
    if len(values) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
