"""Decoders over many sessions: of the same day, for all days at once, changing slowly, and learning online.

All use the units that every recorded session has, train on repeats 0, 2, 4, ... and are tested on repeats 1, 3, 5, ...
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError
from neurofa.measures.kernels import Floats
from neurofa.measures.readouts import (
    SessionData,
    all_sessions,
    error_of,
    inverse_of_positive,
    ridge_penalty,
    solve_ridge,
)
from neurofa.measures.repeats import mask_repeats

#: shares l of the cost that change of the weights has, of eq. 2
STIFFNESS = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
#: step sizes of the online readout, as parts of the largest stable one
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True)
class SessionDecoders:
    """
    Errors of decoders of one session and of all sessions.

    Attributes
    ----------
    error : (session, session), unit of the targets
        Root mean squared error on session j of the decoder of session i; the diagonal is the same-day error.
    error_concatenated : (session,)
        Of one decoder fitted to all sessions together.
    error_of_mean : (session,)
        Of no decoder: the mean target; the level of chance.
    n_units : int
        Units that all sessions have.
    """

    error: Floats
    error_concatenated: Floats
    error_of_mean: Floats
    n_units: int


@dataclass(frozen=True)
class ConstrainedDecoders:
    """
    Decoders of all sessions that may change little from each to the next.

    Attributes
    ----------
    stiffness : (stiffness,)
        l of eq. 2, the share of the cost that change has.
    error : (stiffness,), unit of the targets
        Root mean squared error of each session's own decoder, mean over sessions.
    weight_change : (stiffness,)
        |M_{d+1} - M_d| / |M_d| from session to session, mean.
    error_same_day, error_concatenated : float
        Mean errors of the two extremes.
    weight_change_needed : float
        Smallest change, interpolated along `stiffness`, at which the error is at most (1 + tolerance) times the
        same-day error: 0 where the concatenated decoder reaches it.
    """

    stiffness: Floats
    error: Floats
    weight_change: Floats
    error_same_day: float
    error_concatenated: float
    weight_change_needed: float


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


def session_decoders(responses: ArrayLike, targets: ArrayLike, penalty: float = 1.0) -> SessionDecoders:
    """
    Same-day, cross-day and concatenated linear decoders.

    min_M sum_d |x_d - M^T z_d|^2 (eq. 1) over all sessions d, or over one, with the penalty of `decoder_weights` on
    M. Drift that a single M for all days reads as well as a decoder of the day is in the null space of that M.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: units that one of the sessions lacks are not used; repeats of a stimulus that are missing are left out.
    targets : (stimulus, output), any unit
        What is to be read out of each stimulus.
    penalty : float
        Strength of the penalty, above 0, relative to the mean variance of the units.

    Returns
    -------
    SessionDecoders
        NaN where no unit is common to all, or a session has no training or no test repeats.

    Raises
    ------
    ConfigError
        Unless the penalty is above 0.
    ShapeError
        Where shapes do not fit, or single values are missing.

    References
    ----------
    Rule et al. 2020, eLife 9:e51121, doi 10.7554/eLife.51121.
    """
    sessions, n_units = all_sessions(responses, targets, penalty)
    n = len(sessions)
    error, concatenated, guess = np.full((n, n), np.nan), np.full(n, np.nan), np.full(n, np.nan)
    used = [place for place, data in enumerate(sessions) if data.n and n_units]
    for i in used:
        weights = solve_ridge(sessions[i], penalty)
        error[i] = [error_of(weights, data) if data.n else np.nan for data in sessions]
        alone = np.zeros_like(weights)
        alone[0] = sessions[i].product[0]
        guess[i] = error_of(alone, sessions[i])
    if used:
        one = solve_ridge(_together([sessions[place] for place in used]), penalty)
        concatenated[used] = [error_of(one, sessions[place]) for place in used]
    return SessionDecoders(error, concatenated, guess, n_units)


def constrained_decoders(
    responses: ArrayLike, targets: ArrayLike, penalty: float = 1.0, tolerance: float = 0.05
) -> ConstrainedDecoders:
    """
    Decoders that change little from session to session, and the change at which they read as well as those of the day.

    min over M_1 ... M_D of (1 - l) sum_d |x_d - M_d^T z_d|^2 + l v sum_d |M_{d+1} - M_d|^2 (eq. 2), |.|^2 of a session
    a mean over its samples, v the mean variance of the units (so that l has no unit), with the penalty of
    `decoder_weights` on every M_d. Solved exactly, session by session (block tridiagonal).

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: as in `session_decoders`; sessions without training repeats are left out.
    targets : (stimulus, output), any unit
        What is to be read out of each stimulus.
    penalty : float
        Strength of the penalty on the weights, above 0.
    tolerance : float
        How much larger than the same-day error counts as good as it.

    Returns
    -------
    ConstrainedDecoders
        NaN with fewer than two sessions or no common unit.

    Raises
    ------
    ConfigError
        Unless the penalty is above 0 and the tolerance at least 0.
    ShapeError
        Where shapes do not fit, or single values are missing.

    References
    ----------
    Rule et al. 2020, eLife 9:e51121, doi 10.7554/eLife.51121.
    """
    _check_tolerance(tolerance)
    sessions, n_units = all_sessions(responses, targets, penalty)
    sessions = [data for data in sessions if data.n]
    levels = np.array(STIFFNESS)
    if len(sessions) < 2 or not n_units:
        nothing = np.full(len(levels), np.nan)
        return ConstrainedDecoders(levels, nothing, nothing, np.nan, np.nan, np.nan)
    same_day = [solve_ridge(data, penalty) for data in sessions]
    one = solve_ridge(_together(sessions), penalty)
    ends = [_mean_error(same_day, sessions), _mean_error([one] * len(sessions), sessions)]
    found = [_constrained(sessions, penalty, level) for level in levels]
    errors = np.array([_mean_error(weights, sessions) for weights in found])
    changes = np.array([float(np.nanmean(_changes(np.stack(weights)))) for weights in found])
    path = np.array([ends[0], *errors, ends[1]])
    along = np.array([float(np.nanmean(_changes(np.stack(same_day)))), *changes, 0.0])
    return ConstrainedDecoders(
        levels, errors, changes, ends[0], ends[1], _smallest_change(path, along, ends[0] * (1 + tolerance))
    )


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
    for all stimuli, so that every unit's step keeps its size and shape but not its place in the code; repeats keep
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
    _check_tolerance(tolerance)
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
    steps = np.array(RATES)[:, None, None] / largest
    weights = np.repeat(solve_ridge(sessions[used[0]], penalty)[None], len(RATES), axis=0)
    errors, changes = [], []
    for before, place in zip(used[:-1], used[1:], strict=True):
        start = weights.copy()
        for sample, aim in zip(*samples[place], strict=True):
            surprise = aim - sample @ weights
            weights += steps * (sample[:, None] * surprise[:, None, :])
        gap = days[place] - days[before]
        size = np.linalg.norm(start[:, 1:], axis=(1, 2))
        moved = np.linalg.norm((weights - start)[:, 1:], axis=(1, 2))
        changes.append(moved / np.where(size > 0, size, np.nan) / (gap if gap > 0 else np.nan))
        errors.append([error_of(each, sessions[place]) for each in weights])
    return np.mean(errors, axis=0), np.mean(changes, axis=0)


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


def _together(sessions: list[SessionData]) -> SessionData:
    """All sessions as one, each weighing the same."""
    gram = np.mean([data.gram for data in sessions], axis=0)
    product = np.mean([data.product for data in sessions], axis=0)
    return SessionData(gram, product, sum(data.n for data in sessions), sessions[0].test, sessions[0].target)


def _constrained(sessions: list[SessionData], penalty: float, level: float) -> list[Floats]:
    """Solve eq. 2 by elimination from the first session to the last, and back."""
    pooled = _together(sessions).gram
    tie = level * float(ridge_penalty(pooled, 1.0)[-1])
    diagonal = np.arange(len(pooled))
    inverses: list[Floats] = []
    carried: list[Floats] = []
    for number, data in enumerate(sessions):
        neighbours = (number > 0) + (number < len(sessions) - 1)
        block = (1 - level) * data.gram
        right = (1 - level) * data.product
        block[diagonal, diagonal] += (1 - level) * ridge_penalty(data.gram, penalty) + tie * neighbours
        if number:
            block = block - tie**2 * inverses[-1]
            right = right + tie * (inverses[-1] @ carried[-1])
        inverses.append(inverse_of_positive(block))
        carried.append(right)
    weights = [inverses[-1] @ carried[-1]]
    for inverse, right in zip(inverses[-2::-1], carried[-2::-1], strict=True):
        weights.append(inverse @ (right + tie * weights[-1]))
    return weights[::-1]


def _mean_error(weights: list[Floats], sessions: list[SessionData]) -> float:
    """Mean error of each session's decoder."""
    return float(np.mean([error_of(each, data) for each, data in zip(weights, sessions, strict=True)]))


def _changes(weights: Floats) -> Floats:
    """|M_{d+1} - M_d| / |M_d| without the intercept."""
    size = np.linalg.norm(weights[:-1, 1:], axis=(1, 2))
    moved = np.linalg.norm(np.diff(weights[:, 1:], axis=0), axis=(1, 2))
    return np.where(size > 0, moved / np.where(size > 0, size, 1.0), np.nan)


def _smallest_change(error: Floats, change: Floats, limit: float) -> float:
    """Smallest change with an error up to the limit, interpolated along a path that ends without change."""
    if not np.isfinite(error).all():
        return float("nan")
    good = error <= limit
    last = int(np.flatnonzero(good)[-1])
    if last == len(error) - 1:
        return float(change[-1])
    part = (limit - error[last]) / (error[last + 1] - error[last])
    return float(change[last] + part * (change[last + 1] - change[last]))


def _check_tolerance(tolerance: float) -> None:
    """Refuse tolerances that are none."""
    if not tolerance >= 0:
        raise ConfigError(f"tolerance must be 0 or more, got {tolerance}")
