"""How a response follows surprise: its decay over exposures, and correlations with signed and unsigned errors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats

#: time constants that are tried, as multiples of the exposures that there are
N_CONSTANTS = 200


class SurpriseDecay(NamedTuple):
    """
    Decay of a response over exposures, r_k = r_inf + (r_1 - r_inf) exp(-(k - 1) / tau).

    Attributes
    ----------
    amplitude : float
        r_1 - r_inf, in the unit of the responses.
    settled : float
        r_inf.
    time_constant_exposures, time_constant_s : float
        tau in exposures, and in s where the interval between exposures is known; NaN where not identifiable.
    amplitude_interval, time_constant_interval : (float, float)
        Bootstrap intervals over animals, tau in exposures.
    identifiable : bool
        Whether a time constant can be told.
    reason : str
        Why not; empty where it can.
    """

    amplitude: float
    settled: float
    time_constant_exposures: float
    time_constant_s: float
    amplitude_interval: tuple[float, float]
    time_constant_interval: tuple[float, float]
    identifiable: bool
    reason: str


class ErrorCorrelations(NamedTuple):
    """
    Partial correlations of a response with the prediction error.

    Attributes
    ----------
    signed, unsigned : (unit,), -1 to 1
        With x - p, and with |x - p|, what the covariates explain taken out of both.
    signed_gain, unsigned_gain : (unit,), 0 to 1
        Share of the variance that the signed error explains beyond covariates and unsigned error, and the other way
        round.
    """

    signed: Floats
    unsigned: Floats
    signed_gain: Floats
    unsigned_gain: Floats


def surprise_decay(
    responses: ArrayLike,
    rng: np.random.Generator,
    interval_s: float = float("nan"),
    n_resamples: int = 1000,
    level: float = 0.95,
) -> SurpriseDecay:
    """
    Fit the decay of surprise over exposures to the mean over animals, or say that it is not identifiable.

    Least squares; tau is bounded between a tenth of an exposure and five times the exposures that there are. Not
    identifiable: the bootstrap interval of the amplitude covers 0, or tau or an end of its interval lies at a bound.

    Parameters
    ----------
    responses : (animal, exposure), Hz or a.u.
        From the first exposure on. Gaps: means are over the animals that have the exposure.
    rng : numpy.random.Generator
        Draws the resamples of animals.
    interval_s : float, s
        Between exposures, for tau in s.
    n_resamples : int
        Resamples.
    level : float
        Coverage of the intervals.

    Returns
    -------
    SurpriseDecay
        With a reason where no time constant can be told.

    Raises
    ------
    ConfigError
        Unless n_resamples is positive and 0 < level < 1.
    ShapeError
        Unless there are two animals and four exposures.

    References
    ----------
    Homann et al. 2022, PNAS 119:e2108882119, doi 10.1073/pnas.2108882119.
    """
    curves = np.asarray(responses, dtype=np.float64)
    if curves.ndim != 2 or curves.shape[0] < 2 or curves.shape[1] < 4:
        raise ShapeError(
            "the decay of surprise needs at least two animals and four exposures, (animal, exposure); "
            f"got shape {curves.shape}"
        )
    if n_resamples < 1 or not 0 < level < 1:
        raise ConfigError(f"n_resamples must be positive and level between 0 and 1, got {n_resamples} and {level}")
    samples = curves[rng.integers(0, len(curves), (n_resamples, len(curves)))]
    means = np.concatenate([_mean_over_animals(curves)[None], _mean_over_animals(samples)])
    kept = np.isfinite(means[0])
    complete = np.isfinite(means[:, kept]).all(axis=1)
    if kept.sum() < 4:
        nan = float("nan")
        why = "not identifiable: fewer than four exposures have a value"
        return SurpriseDecay(nan, nan, nan, nan, (nan, nan), (nan, nan), False, why)
    amplitude, settled, tau, bounded = _fit_decays(np.flatnonzero(kept), means[complete][:, kept])
    tails = [0.5 - level / 2, 0.5 + level / 2]
    of_amplitude = np.quantile(amplitude[1:], tails)
    of_tau = np.quantile(tau[1:], tails)
    reason = ""
    if of_amplitude[0] <= 0 <= of_amplitude[1]:
        reason = "not identifiable: the interval of the amplitude covers 0"
    elif bounded[0]:
        reason = "not identifiable: the time constant lies beyond what these exposures can show"
    elif np.isclose(of_tau, _bounds_of_tau(int(np.flatnonzero(kept)[-1]))).any():
        reason = "not identifiable: the interval of the time constant reaches beyond what these exposures can show"
    told = float(tau[0]) if not reason else float("nan")
    return SurpriseDecay(
        float(amplitude[0]),
        float(settled[0]),
        told,
        told * interval_s,
        (float(of_amplitude[0]), float(of_amplitude[1])),
        (float(of_tau[0]), float(of_tau[1])) if not reason else (float("nan"), float("nan")),
        not reason,
        reason,
    )


def error_correlations(
    responses: ArrayLike, signed_error: ArrayLike, covariates: ArrayLike | None = None
) -> ErrorCorrelations:
    """
    Partial correlations of responses with the signed and the unsigned prediction error.

    Parameters
    ----------
    responses : (event, unit), Hz or a.u.
        Gaps: NaN events are left out, unit by unit.
    signed_error : (event,)
        x - p: what came minus what was predicted. Gaps: events without it are left out.
    covariates : (event, covariate), optional
        What else drives the response: stimulus drive, number of the exposure, running speed. Without it, the mean only.

    Returns
    -------
    ErrorCorrelations
        NaN where a unit, or what is left of an error, does not vary, or too few events are left.

    Raises
    ------
    ShapeError
        Where there is not one error and one row of covariates per event.

    References
    ----------
    Signed against unsigned: Ramachandran et al. 2017, Journal of Neurophysiology, doi 10.1152/jn.00136.2017.

    """
    values, error = np.asarray(responses, dtype=np.float64), np.asarray(signed_error, dtype=np.float64)
    others = np.empty((len(error), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    if values.ndim != 2 or error.shape != values.shape[:1] or others.ndim != 2 or len(others) != len(error):
        raise ShapeError(
            "expected responses (event, unit), one error per event and covariates (event, covariate), got shapes "
            f"{values.shape}, {error.shape} and {others.shape}"
        )
    rows = np.array([_correlations_of_unit(own, error, others) for own in values.T]).reshape(-1, 4)
    return ErrorCorrelations(*rows.T)


def _mean_over_animals(curves: Floats) -> Floats:
    """Mean over animals (..., animal, exposure) of what is there."""
    present = np.isfinite(curves)
    n = present.sum(axis=-2)
    return np.where(n > 0, np.where(present, curves, 0.0).sum(axis=-2) / np.maximum(n, 1), np.nan)


def _bounds_of_tau(last: int) -> tuple[float, float]:
    """Shortest and longest time constant that is tried, in exposures; the last one is so many after the first."""
    return 0.1, 5.0 * (last + 1)


def _fit_decays(exposure: np.ndarray, curves: Floats) -> tuple[Floats, Floats, Floats, np.ndarray]:
    """Amplitude, settled value, time constant and whether it is at a bound, of every curve (curve, exposure)."""
    constants = np.geomspace(*_bounds_of_tau(int(exposure[-1])), N_CONSTANTS)
    shapes = np.exp(-exposure / constants[:, None])
    centred = shapes - shapes.mean(axis=1, keepdims=True)
    power = (centred**2).sum(axis=1)
    deviations = curves - curves.mean(axis=1, keepdims=True)
    products = deviations @ centred.T
    # for each tau the best amplitude is linear: what is left is the tau that explains most
    explained = products**2 / power
    best = explained.argmax(axis=1)
    inner = np.clip(best, 1, N_CONSTANTS - 2)
    rows = np.arange(len(curves))
    left, middle, right = (explained[rows, inner + step] for step in (-1, 0, 1))
    curvature = left - 2 * middle + right
    step = np.where(curvature < 0, 0.5 * (left - right) / np.where(curvature < 0, curvature, 1.0), 0.0)
    bounded = (best == 0) | (best == N_CONSTANTS - 1)
    place = np.where(bounded, best, inner + np.clip(step, -1, 1))
    tau = np.exp(np.interp(place, np.arange(N_CONSTANTS), np.log(constants)))
    shape = np.exp(-exposure / tau[:, None])
    own = shape - shape.mean(axis=1, keepdims=True)
    amplitude = (deviations * own).sum(axis=1) / (own**2).sum(axis=1)
    return amplitude, curves.mean(axis=1) - amplitude * shape.mean(axis=1), tau, bounded


def _correlations_of_unit(response: Floats, error: Floats, others: Floats) -> list[float]:
    """Partial correlations and gains of one unit."""
    kept = np.isfinite(response) & np.isfinite(error) & np.isfinite(others).all(axis=1)
    nuisance = np.column_stack([np.ones(kept.sum()), others[kept]])
    if kept.sum() < nuisance.shape[1] + 3:
        return [np.nan] * 4
    both = np.column_stack([response[kept], error[kept], np.abs(error[kept])])
    scale = np.linalg.norm(both, axis=0)
    rest = both - nuisance @ np.linalg.lstsq(nuisance, both, rcond=None)[0]
    size = np.linalg.norm(rest, axis=0)
    varies = size > 1e-10 * scale
    if not varies[0]:
        return [np.nan] * 4
    unit = np.where(varies, rest / np.where(varies, size, 1.0), np.nan)
    signed, unsigned, between = unit[:, 0] @ unit[:, 1], unit[:, 0] @ unit[:, 2], unit[:, 1] @ unit[:, 2]
    apart = 1 - between**2
    if not apart > 1e-10:
        return [float(signed), float(unsigned), np.nan, np.nan]
    # semi-partial: what one of them adds to the other
    signed_gain, unsigned_gain = (signed - unsigned * between) ** 2 / apart, (unsigned - signed * between) ** 2 / apart
    return [float(signed), float(unsigned), float(signed_gain), float(unsigned_gain)]
