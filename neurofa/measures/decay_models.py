"""Which form a decay has: line, exponential, power law, or exponential with a floor; and whether that can be told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.fits import FASTEST, SLOWEST
from neurofa.measures.kernels import Floats
from neurofa.measures.statistics import mean_and_interval

#: parameters of each form that are fitted
PARAMETERS = {
    "linear": ("intercept", "slope_per_day"),
    "exponential": ("amplitude", "decay_time_constant_days"),
    "power law": ("amplitude", "exponent"),
    "asymptotic": ("amplitude", "decay_time_constant_days", "floor"),
}
#: two forms are told apart by AICc where they differ by more than this (from 10 on "essentially no support")
TOLD_APART = 10.0
#: animals from which on forms are compared by leaving animals out
FEWEST_LEFT_OUT = 4
N_GRID, N_REFINED = 200, 3


@dataclass(frozen=True)
class DecayFit:
    """
    One form fitted to a curve.

    Attributes
    ----------
    form : str
        One of `PARAMETERS`.
    parameters : mapping of str to float
        As `PARAMETERS` names them; NaN where the form cannot be fitted. A time constant is infinite where the best rate
        is 0.
    residual : float
        Weighted sum of squares that is left, the weights having mean 1.
    aicc : float
        n log(residual / n) + 2 K + 2 K (K + 1) / (n - K - 1), K the parameters and the variance; NaN for n <= K + 1.
    """

    form: str
    parameters: Mapping[str, float]
    residual: float
    aicc: float

    def curve(self, lag: ArrayLike) -> Floats:
        """
        Compute the fitted curve.

        Parameters
        ----------
        lag : array, days
            Lags.

        Returns
        -------
        array
            In units of the measure; the power law is infinite at lag 0.
        """
        days, given = np.asarray(lag, dtype=np.float64), self.parameters
        if self.form == "linear":
            return given["intercept"] + given["slope_per_day"] * days
        if self.form == "power law":
            with np.errstate(divide="ignore"):
                return np.asarray(given["amplitude"] * days ** -given["exponent"])
        falling = given["amplitude"] * np.exp(-days / given["decay_time_constant_days"])
        return np.asarray(falling + given.get("floor", 0.0))


@dataclass(frozen=True)
class DecayComparison:
    """
    Forms of decay, held against each other.

    Attributes
    ----------
    fits : mapping of str to DecayFit
        Every form, fitted to the mean curve.
    criterion : str
        "animals left out" or "AICc".
    score : mapping of str to float
        Mean squared error on animals that were left out (smaller is better), or AICc (smaller is better).
    supported : tuple of str
        Forms that cannot be told from the best one, the best first; empty where none has a score.
    verdict : str
        The best form where it stands alone, else "cannot be told".
    n_points, n_animals : int
        Lags with a value, and animals.
    """

    fits: Mapping[str, DecayFit]
    criterion: str
    score: Mapping[str, float]
    supported: tuple[str, ...]
    verdict: str
    n_points: int
    n_animals: int


def fit_decay(lag: ArrayLike, value: ArrayLike, form: str, weights: ArrayLike | None = None) -> DecayFit:
    """
    Fit one form of decay by least squares.

    linear S = a + b lag; exponential S = A exp(-lag / tau); power law S = A lag^-b (lags above 0); asymptotic
    S = A exp(-lag / tau) + floor. A >= 0, tau > 0 and b >= 0: what rises is fitted by no decay at all.

    Parameters
    ----------
    lag : (point,), days
        Lags.
    value : (point,)
        The measure. Gaps: points that are not finite are left out; of the power law, lags that are not above 0 too.
    form : str
        One of `PARAMETERS`.
    weights : (point,), optional
        Of the squares, for example the number of session pairs; equal by default.

    Returns
    -------
    DecayFit
        NaN where there are fewer different lags than parameters.

    Raises
    ------
    ConfigError
        Where the form is not known.
    ShapeError
        Unless there is one value, and one weight, per lag.

    References
    ----------
    Jensen et al. 2022, Nature Neuroscience 25:1664, doi 10.1038/s41593-022-01194-3 (exponential with a floor); Wixted
    and Ebbesen 1991, Psychological Science 2:409, doi 10.1111/j.1467-9280.1991.tb00175.x (power law of forgetting).

    Examples
    --------
    >>> fit = fit_decay([1, 2, 3, 4], [0.75, 0.5, 0.375, 0.3125], "asymptotic")
    >>> round(fit.parameters["floor"], 3)
    0.25
    """
    if form not in PARAMETERS:
        raise ConfigError(f"form must be one of {', '.join(PARAMETERS)}, got {form!r}")
    days, values = np.asarray(lag, dtype=np.float64), np.asarray(value, dtype=np.float64)
    weight = np.ones_like(days) if weights is None else np.asarray(weights, dtype=np.float64)
    if not days.shape == values.shape == weight.shape or days.ndim != 1:
        raise ShapeError(
            f"lag, value and weights must be lists of equal length, got shapes {days.shape}, {values.shape} and "
            f"{weight.shape}"
        )
    kept = np.isfinite(days) & np.isfinite(values) & (weight > 0) & ((days > 0) | (form != "power law"))
    days, values, weight = days[kept], values[kept], weight[kept]
    names = PARAMETERS[form]
    if len(np.unique(days)) < len(names):
        return DecayFit(form, dict.fromkeys(names, float("nan")), float("nan"), float("nan"))
    weight = weight / weight.mean()
    found, residual = _FITTERS[form](days, values, weight)
    n, k = len(days), len(names) + 1
    # below this a fit is exact but for rounding
    least = max(residual, 1e-24 * float((weight * values**2).sum()), np.finfo(float).tiny)
    aicc = n * np.log(least / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else np.nan
    return DecayFit(form, dict(zip(names, found, strict=True)), residual, float(aicc))


def compare_decay_forms(lag: ArrayLike, values: ArrayLike, weights: ArrayLike | None = None) -> DecayComparison:
    """
    Ask which form a decay has; "cannot be told" is an answer.

    With four animals or more, every animal is left out in turn: the forms are fitted to the mean curve of the others
    and judged by their squared error on the animal. A form is told from the best where the paired differences of the
    errors over animals have a 95 % interval (Student t) above 0. With fewer animals, AICc of the mean curve decides,
    and forms within 10 of the best are not told apart: lags share their sessions, so that AICc counts more facts than
    there are, and a smaller difference says nothing. Leaving animals out does not have that fault.

    Parameters
    ----------
    lag : (lag,), days
        Lags.
    values : (lag,) or (animal, lag)
        The measure, one curve per animal. Gaps: NaN where an animal has no such lag. Lags not above 0 are left out, so
        that all forms are judged by the same points.
    weights : (lag,), optional
        Of the squares.

    Returns
    -------
    DecayComparison
        Fits, scores, and what is told.

    Raises
    ------
    ShapeError
        Where shapes do not fit.

    References
    ----------
    Burnham and Anderson 2004, Sociological Methods and Research 33:261, doi 10.1177/0049124104268644 (AICc); Stone
    1974, Journal of the Royal Statistical Society B 36:111, doi 10.1111/j.2517-6161.1974.tb00994.x (cross-validation).
    """
    days, curves = np.asarray(lag, dtype=np.float64), np.atleast_2d(np.asarray(values, dtype=np.float64))
    if curves.ndim != 2 or days.shape != curves.shape[1:]:
        raise ShapeError(f"values must have the dimensions (animal, lag) with {days.size} lags, got {curves.shape}")
    weight = np.ones_like(days) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != days.shape:
        raise ShapeError(f"weights must have one entry for each of the {days.size} lags, got shape {weight.shape}")
    curves, days, weight = curves[:, days > 0], days[days > 0], weight[days > 0]
    curves = curves[np.isfinite(curves).any(axis=1)]
    mean = mean_and_interval(curves).mean if len(curves) else np.full(days.size, np.nan)
    fits = {form: fit_decay(days, mean, form, weight) for form in PARAMETERS}
    n_points = int(np.isfinite(mean).sum())
    if len(curves) >= FEWEST_LEFT_OUT:
        errors = {form: _errors_left_out(days, curves, form, weight) for form in PARAMETERS}
        score = {form: float(np.mean(error)) for form, error in errors.items()}
        supported = _supported(score, lambda best, form: _not_worse(errors[form] - errors[best]))
        criterion = "animals left out"
    else:
        score = {form: fit.aicc for form, fit in fits.items()}
        supported = _supported(score, lambda best, form: score[form] - score[best] <= TOLD_APART)
        criterion = "AICc"
    verdict = supported[0] if len(supported) == 1 else "cannot be told"
    return DecayComparison(fits, criterion, score, supported, verdict, n_points, len(curves))


@dataclass(frozen=True)
class TwoStageDecay:
    """
    A drop within the first day, and a steady loss after it.

    Attributes
    ----------
    first_day_drop : float
        1 - S(1 day) of the fitted line: what is lost by the first day, as a part of what there was.
    loss_per_day : float
        What is lost per day after it.
    r2 : float
        Of the points from one day on; NaN where they do not vary.
    n_points : int
        Lags of one day and more.
    """

    first_day_drop: float
    loss_per_day: float
    r2: float
    n_points: int


def two_stage_decay(lag: ArrayLike, value: ArrayLike) -> TwoStageDecay:
    """
    Fit a loss in two stages: S(lag) = 1 - drop - loss_per_day (lag - 1 day) from one day on, S(0) = 1.

    From one day on this is a line, by least squares, so that `compare_decay_forms` cannot tell it from "linear": what
    sets it apart is the step from 1 at lag 0, which S must have by its definition (recurrence, a correlation that is
    corrected for noise). A drop of 0.4 and then 0.01 per day were published for cells of CA1 that change their
    responsiveness.

    Parameters
    ----------
    lag : (point,), days
        Lags; those below one day are left out.
    value : (point,)
        S, 1 for a session with itself. Gaps: points that are not finite are left out.

    Returns
    -------
    TwoStageDecay
        NaN with fewer than two different lags of one day and more. The drop is extrapolated where the shortest lag is
        longer than a day.

    Raises
    ------
    ShapeError
        Unless there is one value per lag.

    References
    ----------
    Gonzalez et al. 2019, Science 365:821, doi 10.1126/science.aav9199.

    Examples
    --------
    >>> found = two_stage_decay([0, 1, 2, 11], [1.0, 0.6, 0.59, 0.5])
    >>> round(found.first_day_drop, 6), round(found.loss_per_day, 6)
    (0.4, 0.01)
    """
    days, values = np.asarray(lag, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if days.shape != values.shape or days.ndim != 1:
        raise ShapeError(f"lag and value must be lists of equal length, got shapes {days.shape} and {values.shape}")
    kept = np.isfinite(days) & np.isfinite(values) & (days >= 1)
    days, values = days[kept], values[kept]
    if len(np.unique(days)) < 2:
        return TwoStageDecay(float("nan"), float("nan"), float("nan"), len(days))
    (slope, intercept, residual) = (float(each) for each in _line(days - 1, values, np.ones_like(days)))
    total = float(((values - values.mean()) ** 2).sum())
    r2 = 1 - residual / total if total > 1e-12 * float((values**2).sum()) else float("nan")
    return TwoStageDecay(1 - intercept, -slope, r2, len(days))


def _errors_left_out(days: Floats, curves: Floats, form: str, weight: Floats) -> Floats:
    """Weighted mean squared error on every animal of the fit to the mean curve of the others."""
    errors = np.full(len(curves), np.nan)
    for animal, curve in enumerate(curves):
        fit = fit_decay(days, mean_and_interval(np.delete(curves, animal, axis=0)).mean, form, weight)
        given = np.where(np.isfinite(curve), weight, 0.0)
        miss = np.where(given > 0, curve - fit.curve(days), 0.0)
        errors[animal] = (given * miss**2).sum() / given.sum()
    return errors


def _not_worse(differences: Floats) -> bool:
    """Whether the interval of paired differences reaches 0 or below; differences of rounding are none."""
    interval = mean_and_interval(differences)
    return not float(interval.low) > 1e-15


def _supported(score: Mapping[str, float], near: Callable[[str, str], bool]) -> tuple[str, ...]:
    """The best form and all those that are not told from it."""
    ranked = sorted((form for form in score if np.isfinite(score[form])), key=lambda form: score[form])
    return tuple(form for form in ranked if form == ranked[0] or near(ranked[0], form))


def _linear(days: Floats, values: Floats, weight: Floats) -> tuple[tuple[float, ...], float]:
    """Intercept and slope."""
    slope, intercept, residual = _line(days, values, weight)
    return (float(intercept), float(slope)), float(residual)


def _exponential(days: Floats, values: Floats, weight: Floats) -> tuple[tuple[float, ...], float]:
    """Amplitude and time constant."""
    rate, (amplitude, _, residual) = _best_rate(
        _rates(days), lambda rate: _ray(np.exp(-rate[:, None] * days), values, weight)
    )
    return (amplitude, 1 / rate if rate > 0 else float("inf")), residual


def _power_law(days: Floats, values: Floats, weight: Floats) -> tuple[tuple[float, ...], float]:
    """Amplitude and exponent."""
    log = np.log(days)
    grid = np.concatenate([[0.0], np.geomspace(1e-4, 20.0, N_GRID)])
    rate, (amplitude, _, residual) = _best_rate(grid, lambda rate: _ray(np.exp(-rate[:, None] * log), values, weight))
    return (amplitude, rate), residual


def _asymptotic(days: Floats, values: Floats, weight: Floats) -> tuple[tuple[float, ...], float]:
    """Amplitude, time constant and floor."""

    def at(rate: Floats) -> tuple[Any, Any, Any]:
        amplitude, floor, residual = _line(np.exp(-rate[:, None] * days), values, weight)
        flat = amplitude < 0
        mean = (weight * values).sum() / weight.sum()
        total = (weight * (values - mean) ** 2).sum()
        return np.where(flat, 0.0, amplitude), np.where(flat, mean, floor), np.where(flat, total, residual)

    rate, (amplitude, floor, residual) = _best_rate(_rates(days)[1:], at)
    return (amplitude, 1 / rate, floor), residual


_FITTERS = {"linear": _linear, "exponential": _exponential, "power law": _power_law, "asymptotic": _asymptotic}


def _rates(days: Floats) -> Floats:
    """Decay rates that the lags can tell apart, and 0."""
    span, step = float(np.ptp(days)), float(np.diff(np.unique(days)).min())
    return np.concatenate([[0.0], np.geomspace(SLOWEST / span, FASTEST / step, N_GRID)])


def _best_rate(grid: Floats, fit: Callable[[Floats], tuple[Any, Any, Any]]) -> tuple[float, tuple[float, float, float]]:
    """The rate with the smallest residual: the best of a grid, each time of a finer one around it."""
    for _ in range(N_REFINED + 1):
        best = int(np.argmin(fit(grid)[2]))
        rate = grid[best]
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        grid = np.append(np.linspace(low, high, N_GRID), rate)
    at_best = fit(np.array([rate]))
    return float(rate), (float(np.ravel(at_best[0])[0]), float(np.ravel(at_best[1])[0]), float(np.ravel(at_best[2])[0]))


def _ray(shape: Floats, values: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Amplitude (0 or above) of given shapes (rate, point) by least squares; nothing, and the residual."""
    amplitude = np.maximum((weight * shape * values).sum(-1) / (weight * shape**2).sum(-1), 0.0)
    residual = (weight * (values - amplitude[:, None] * shape) ** 2).sum(-1)
    return amplitude, np.zeros_like(amplitude), residual


def _line(shape: Floats, values: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Slope, intercept and residual on given shapes (..., point) by least squares."""
    total = weight.sum()
    mean, mean_value = (weight * shape).sum(-1, keepdims=True) / total, (weight * values).sum() / total
    deviation, rest = shape - mean, values - mean_value
    power = (weight * deviation**2).sum(-1)
    slope = np.where(power > 0, (weight * deviation * rest).sum(-1) / np.where(power > 0, power, 1.0), 0.0)
    residual = (weight * (rest - slope[..., None] * deviation) ** 2).sum(-1)
    return slope, mean_value - slope * mean[..., 0], residual
