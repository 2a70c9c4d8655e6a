"""A readout that learns online through all sessions, and random drift that it is held against.

It uses the units that every recorded session has, trains on repeats 0, 2, 4, ... and is tested on repeats 1, 3, 5, ...
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neurofa.measures.kernels import Floats
from neurofa.measures.readouts import all_sessions, check_tolerance
from neurofa.measures.repeats import mask_repeats
from neurofa.measures.ridge import errors_of, solve_ridge

#: step sizes of the online readout, as parts of the largest stable one
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True)
class AdaptingReadout:
    """
    A readout that learns online through all sessions.

    Attributes
    ----------
    rate : (rate,)
        Step sizes, as parts of the largest stable one.
    error : (rate,), unit of the targets
        On the test repeats of each session after its training repeats, mean over all sessions but the first.
    weight_change_per_day : (rate,)
        |M_{d+1} - M_d| / |M_d| / days from session to session, mean.
    weight_change_needed_per_day : float
        At the smallest rate whose error is at most (1 + tolerance) times the smallest of all; for the recorded drift.
    weight_change_needed_per_day_null : (draw,)
        The same for random drift of equal size.
    error_null : (draw,)
        Error of random drift at that rate.
    """

    rate: Floats
    error: Floats
    weight_change_per_day: Floats
    weight_change_needed_per_day: float
    weight_change_needed_per_day_null: Floats
    error_null: Floats


def adapting_readout(
    responses: ArrayLike,
    targets: ArrayLike,
    day: ArrayLike,
    rng: np.random.Generator | None = None,
    n_null: int = 10,
    tolerance: float = 0.05,
    penalty: float = 1.0,
) -> AdaptingReadout:
    """
    Change of the weights that a readout needs that learns online, against random drift of the same size.

    The readout starts as the decoder of the first session and then meets the training repeats of every session, repeat
    by repeat, with the delta rule M += rate [z, 1] (x - M^T [z, 1])^T / largest mean square of [z, 1] (least mean
    squares). What it needs is the change per day at the smallest rate that reads nearly as well as the best one. Null:
    in every session the drift vectors of the units since the session before are dealt out among the units, the same
    for all stimuli, so that every unit's step keeps its size and shape but not its place in the code (fields are
    added and never taken away, so that it may even be read better); repeats keep
    their deviations from the mean.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        In the order of the sessions. Gaps: as in `session_decoders`; for the null a stimulus must be in all sessions.
    targets : (stimulus, output), any unit
        What is to be read out of each stimulus.
    day : (session,), days
        When the sessions were.
    rng : numpy.random.Generator, optional
        Draws the null; without it there is none.
    n_null : int
        Draws.
    tolerance : float
        How much larger than the smallest error counts as good.
    penalty : float
        Of the decoder of the first session.

    Returns
    -------
    AdaptingReadout
        NaN with fewer than two sessions or no common unit.

    Raises
    ------
    ConfigError
        Unless the penalty is above 0 and the tolerance at least 0.
    ShapeError
        Where shapes do not fit, or single values are missing.

    References
    ----------
    Rule et al. 2020, eLife 9:e51121, doi 10.7554/eLife.51121 (figure 5).
    """
    check_tolerance(tolerance)
    values, days = np.asarray(responses, dtype=np.float64), np.asarray(day, dtype=np.float64)
    rates = np.array(RATES)
    error, change = _learn(values, targets, days, penalty)
    needed = _needed(error, change, tolerance)
    draws = n_null if rng is not None else 0
    null, errors = np.full((2, draws), np.nan)
    for draw in range(draws):
        drifted = random_drift(values, rng or np.random.default_rng())
        null_error, null_change = _learn(drifted, targets, days, penalty)
        null[draw] = _needed(null_error, null_change, tolerance)
        errors[draw] = np.nanmin(null_error) if np.isfinite(null_error).any() else np.nan
    return AdaptingReadout(rates, error, change, needed, null, errors)


def random_drift(responses: ArrayLike, rng: np.random.Generator) -> Floats:
    """
    Replace drift by random drift of the same size: what one unit does is dealt out to another.

    x'_1 = x_1, x'_{s+1,n} = x'_{s,n} + (x_{s+1,p(n)} - x_{s,p(n)}) with a new random permutation p in every session;
    repeats keep their deviations from the mean of their session, stimulus and unit.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: only units recorded in all sessions are kept, the others become NaN; where a stimulus is missing in one
        of two sessions there is no drift for it.
    rng : numpy.random.Generator
        Draws the permutations.

    Returns
    -------
    (session, stimulus, repeat, unit), unit of `responses`
        May be negative.
    """
    repeats = mask_repeats(responses)
    units = np.flatnonzero(repeats.units[repeats.units.any(axis=1)].all(axis=0))
    means, shown = repeats.means()[..., units], repeats.shown()
    moved = means.copy()
    for session in range(1, len(means)):
        both = (shown[session] & shown[session - 1])[:, None]
        step = np.where(both, means[session] - means[session - 1], 0.0)
        moved[session] = moved[session - 1] + step[:, rng.permutation(len(units))]
    present = (repeats.weights > 0)[..., None]
    result = np.full(repeats.values.shape, np.nan)
    result[..., units] = np.where(present, repeats.values[..., units] + (moved - means)[:, :, None, :], np.nan)
    return result


def _learn(values: Floats, targets: ArrayLike, days: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Error and weight change per day of online readouts, one per rate."""
    sessions, n_units = all_sessions(values, targets, penalty)
    used = [place for place, data in enumerate(sessions) if data.n]
    if len(used) < 2 or not n_units:
        return np.full(len(RATES), np.nan), np.full(len(RATES), np.nan)
    samples = _training_samples(values, np.asarray(targets, dtype=np.float64))
    largest = max(float((samples[place][0] ** 2).sum(axis=1).max()) for place in used)
    steps = np.array(RATES) / largest
    weights = np.repeat(solve_ridge(sessions[used[0]], penalty)[None], len(RATES), axis=0)
    errors, changes = [], []
    for before, place in zip(used[:-1], used[1:], strict=True):
        start = weights
        weights = _after(start, *samples[place], steps)
        gap = days[place] - days[before]
        size = np.linalg.norm(start[:, 1:], axis=(1, 2))
        moved = np.linalg.norm((weights - start)[:, 1:], axis=(1, 2))
        changes.append(moved / np.where(size > 0, size, np.nan) / (gap if gap > 0 else np.nan))
        errors.append(errors_of(weights, sessions[place]))
    return np.mean(errors, axis=0), np.mean(changes, axis=0)


def _after(weights: Floats, samples: Floats, aims: Floats, steps: Floats) -> Floats:
    """
    Weights (rate, 1 + unit, output) after the delta rule has met all samples, one after the other.

    The surprise e_t = x_t - M^T z_t - step sum_{s < t} (z_s . z_t) e_s is a triangular system: exact, without a loop.
    """
    from scipy.linalg import solve_triangular

    earlier = np.tril(samples @ samples.T, -1)
    result = np.empty_like(weights)
    for place, (start, step) in enumerate(zip(weights, steps, strict=True)):
        surprise = solve_triangular(
            step * earlier, aims - samples @ start, lower=True, unit_diagonal=True, check_finite=False
        )
        result[place] = start + step * (samples.T @ surprise)
    return result


def _training_samples(values: Floats, targets: Floats) -> list[tuple[Floats, Floats]]:
    """Samples and targets of the training repeats of every session, repeat by repeat, stimuli in their order."""
    repeats = mask_repeats(values)
    units = repeats.units[repeats.units.any(axis=1)].all(axis=0)
    found = []
    for session, weights in enumerate(repeats.weights):
        repeat, stimulus = np.nonzero(weights[:, ::2].T > 0)
        chosen = repeats.values[session][stimulus, 2 * repeat][:, units]
        found.append((np.concatenate([np.ones((len(chosen), 1)), chosen], axis=1), targets[stimulus]))
    return found


def _needed(error: Floats, change: Floats, tolerance: float) -> float:
    """Change at the smallest rate that reads nearly as well as the best."""
    if not np.isfinite(error).any():
        return float("nan")
    good = error <= np.nanmin(error) * (1 + tolerance)
    return float(change[np.argmax(good)])
