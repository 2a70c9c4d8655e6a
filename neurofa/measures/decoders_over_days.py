"""Decoders over many sessions: of the same day, for all days at once, and changing slowly.

All use the units that every recorded session has, train on repeats 0, 2, 4, ... and are tested on repeats 1, 3, 5, ...
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neurofa.measures.kernels import Floats
from neurofa.measures.readouts import all_sessions, check_tolerance
from neurofa.measures.ridge import (
    SessionData,
    errors_of,
    invert_positive,
    ridge_penalty,
    solve_ridge,
    times_symmetric,
)

#: shares l of the cost that change of the weights has, of eq. 2
STIFFNESS = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


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
    if used:
        own = np.stack([solve_ridge(sessions[place], penalty) for place in used])
        alone = np.zeros_like(own)
        alone[:, 0] = [sessions[place].product[0] for place in used]
        one = solve_ridge(_together([sessions[place] for place in used]), penalty)
        for number, place in enumerate(used):
            found = errors_of(np.concatenate([own, alone[[number]], one[None]]), sessions[place])
            error[used, place], guess[place], concatenated[place] = found[:-2], found[-2], found[-1]
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
    check_tolerance(tolerance)
    sessions, n_units = all_sessions(responses, targets, penalty)
    sessions = [data for data in sessions if data.n]
    levels = np.array(STIFFNESS)
    if len(sessions) < 2 or not n_units:
        nothing = np.full(len(levels), np.nan)
        return ConstrainedDecoders(levels, nothing, nothing, np.nan, np.nan, np.nan)
    same_day = np.stack([solve_ridge(data, penalty) for data in sessions])
    together = _together(sessions)
    variance = float(ridge_penalty(together.gram, 1.0)[-1])
    found = _constrained(sessions, variance, penalty)
    one = np.broadcast_to(solve_ridge(together, penalty), same_day.shape)
    # from the one extreme to the other: (decoder, session, 1 + unit, output)
    decoders = np.stack([same_day, *found, one])
    path = np.mean([errors_of(decoders[:, place], data) for place, data in enumerate(sessions)], axis=0)
    along = np.array([float(np.nanmean(_changes(each))) for each in decoders[:-1]] + [0.0])
    return ConstrainedDecoders(
        levels,
        path[1:-1],
        along[1:-1],
        float(path[0]),
        float(path[-1]),
        _smallest_change(path, along, path[0] * (1 + tolerance)),
    )


def _together(sessions: list[SessionData]) -> SessionData:
    """All sessions as one, each weighing the same."""
    gram, product = np.zeros_like(sessions[0].gram), np.zeros_like(sessions[0].product)
    for data in sessions:
        gram += data.gram
        product += data.product
    n = sum(data.n for data in sessions)
    return SessionData(gram / len(sessions), product / len(sessions), n, sessions[0].test, sessions[0].target)


def _constrained(sessions: list[SessionData], variance: float, penalty: float) -> list[Floats]:
    """Decoders (session, 1 + unit, output) of eq. 2 for every stiffness; `variance` is v."""
    n_rows = len(sessions[0].gram)
    inverses = np.empty((len(sessions), n_rows, n_rows))  # one memory for all levels
    return [_eliminated(sessions, level, level * variance, penalty, inverses) for level in STIFFNESS]


def _eliminated(sessions: list[SessionData], level: float, tie: float, penalty: float, inverses: Floats) -> Floats:
    """Solve eq. 2 by elimination from the first session to the last, and back."""
    diagonal = np.diag_indices(inverses.shape[1])
    carried: list[Floats] = []
    for number, (data, block) in enumerate(zip(sessions, inverses, strict=True)):
        neighbours = (number > 0) + (number < len(sessions) - 1)
        np.multiply(data.gram, 1 - level, out=block)
        block[diagonal] += (1 - level) * ridge_penalty(data.gram, penalty) + tie * neighbours
        right = (1 - level) * data.product
        if number:
            block -= tie**2 * inverses[number - 1]
            right += tie * times_symmetric(inverses[number - 1], carried[-1])
        invert_positive(block)
        carried.append(right)
    weights = [times_symmetric(inverses[-1], carried[-1])]
    for inverse, right in zip(inverses[-2::-1], carried[-2::-1], strict=True):
        weights.append(times_symmetric(inverse, right + tie * weights[-1]))
    return np.stack(weights[::-1])


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
