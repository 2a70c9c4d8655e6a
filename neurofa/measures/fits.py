"""Exponential decay of a measure with the lag between sessions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats

#: decay rates above this many per smallest step of lag cannot be told apart: nothing is left after one step
FASTEST = 20.0
#: decay rates below this fraction of one per longest lag are no decay
SLOWEST = 1e-4


@dataclass(frozen=True)
class ExponentialFit:
    """
    A exp(-lag / tau).

    Attributes
    ----------
    amplitude : float
        A, in units of the measure.
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
    days, values = days[kept], values[kept]
    distinct = np.unique(days)
    if len(distinct) < 2:
        return _undefined("fewer than two lags with a value")
    if not (values > 0).any():
        return _undefined("no value above 0")
    amplitude, rate = _least_squares(days, values, FASTEST / float(np.diff(distinct).min()))
    residual = float(((values - amplitude * np.exp(-rate * days)) ** 2).sum())
    total = float(((values - values.mean()) ** 2).sum())
    r2 = 1 - residual / total if total > 1e-12 * float((values**2).sum()) else float("nan")
    if rate <= SLOWEST / float(np.ptp(distinct)):
        return ExponentialFit(amplitude, float("inf"), float("inf"), r2, "the curve does not fall over these lags")
    if rate >= 0.5 * FASTEST / float(np.diff(distinct).min()):
        return ExponentialFit(amplitude, float("nan"), float("nan"), r2, "nothing is left after the shortest lag")
    return ExponentialFit(amplitude, 1 / rate, float(np.log(2)) / rate, r2, "")


def _undefined(reason: str) -> ExponentialFit:
    """A fit without numbers."""
    nan = float("nan")
    return ExponentialFit(nan, nan, nan, nan, reason)


def _least_squares(days: Floats, values: Floats, fastest: float) -> tuple[float, float]:
    """Amplitude and rate; started from the logarithm of the positive values, lags counted from the shortest."""
    from scipy.optimize import curve_fit

    start, span, size = days.min(), np.ptp(days), float(np.abs(values).max())
    scaled, relative = (days - start) / span, values / size
    positive = relative > 0.01
    slope = -np.polyfit(scaled[positive], np.log(relative[positive]), 1)[0] if np.ptp(scaled[positive]) > 0 else 1.0
    highest = fastest * span
    guess = (float(relative[scaled == 0].mean().clip(0.01, 2)), float(np.clip(slope, 1e-3, 0.5 * highest)))
    (amplitude, rate), _ = curve_fit(
        lambda x, a, k: a * np.exp(-k * x),
        scaled,
        relative,
        p0=guess,
        bounds=([0, 0], [np.inf, highest]),
        jac=lambda x, a, k: np.stack([np.exp(-k * x), -a * x * np.exp(-k * x)], axis=1),
        xtol=1e-10,
        ftol=1e-12,
        gtol=1e-12,
    )
    return float(amplitude * size * np.exp(rate / span * start)), float(rate / span)


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
    fits = [fit_exponential(lag, _mean(curves[rng.integers(0, len(curves), len(curves))])) for _ in range(n_resamples)]
    tau = np.array([each.decay_time_constant_days for each in fits])
    amplitude = np.array([each.amplitude for each in fits])
    told = ~np.isnan(tau)
    slow, fast = _percentiles(1 / tau[told], level)
    bounds = tuple(float("inf") if rate == 0 else 1 / rate for rate in (fast, slow))
    half_life = (bounds[0] * float(np.log(2)), bounds[1] * float(np.log(2)))
    between = _percentiles(amplitude[told], level)
    return DecayInterval(fit, between, (bounds[0], bounds[1]), half_life, len(curves), int((~told).sum()))


def _mean(curves: NDArray[Any]) -> Floats:
    """Mean over animals of what is finite."""
    finite = np.isfinite(curves)
    count = finite.sum(axis=0)
    return np.where(count > 0, np.where(finite, curves, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    """Lower and upper end of the central `level` of the values."""
    if len(values) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
