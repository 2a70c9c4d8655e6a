"""Telling time from the code: the order of sessions, and the day of a session, from similarities alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ShapeError
from neurofa.measures.drift import population_vector_correlation
from neurofa.measures.kernels import Floats

Ints = NDArray[np.int64]
#: up to so many sessions the best order is found among all; of more, by exchanges from many starts
MOST_EXACT = 12


@dataclass(frozen=True)
class OrdinalDecoding:
    """
    The order of sessions, decoded.

    Attributes
    ----------
    order : (session,) int
        Sessions in the decoded order, beginning at the end that is nearer to the first day: which way time runs cannot
        be told from similarities.
    neighbour_similarity : float
        Mean similarity of neighbours in that order.
    agreement : float
        |Kendall's tau| of decoded and true order, 0 to 1.
    p_value : float
        That a random order agrees as well (exact); NaN with fewer than three sessions.
    """

    order: Ints
    neighbour_similarity: float
    agreement: float
    p_value: float


@dataclass(frozen=True)
class DayDecoding:
    """
    The day of each session, decoded.

    Attributes
    ----------
    decoded : (session,) int
        The session whose template was the nearest; -1 where nothing can be compared.
    error_days : (session,), days
        Distance of its day from the true one.
    accuracy, chance : float
        Fraction decoded right, and what guessing reaches.
    mean_error_days, chance_error_days : float
        Mean of `error_days`, and what guessing reaches.
    """

    decoded: Ints
    error_days: Floats
    accuracy: float
    chance: float
    mean_error_days: float
    chance_error_days: float


def decode_order(similarity: ArrayLike, day: ArrayLike) -> OrdinalDecoding:
    """
    Find the order of sessions in which neighbours are most alike.

    The order p that maximises the mean of S(p_i, p_i+1), found exactly up to 12 sessions. Drift that goes on in one
    direction gives the true order; fluctuations about a stable code do not.

    Parameters
    ----------
    similarity : (session, session)
        A symmetric similarity, for example `population_vector_correlation`. Gaps: a pair that is NaN counts as less
        similar than all others.
    day : (session,), days
        When the sessions were; those with NaN are left out.

    Returns
    -------
    OrdinalDecoding
        Order and agreement.

    Raises
    ------
    ShapeError
        Unless the matrix is square and has one day per session.

    References
    ----------
    Rubin et al. 2015, eLife 4:e12247, doi 10.7554/eLife.12247; Kendall 1938, Biometrika 30:81,
    doi 10.1093/biomet/30.1-2.81.

    Examples
    --------
    >>> similarity = [[1, 0.2, 0.8], [0.2, 1, 0.5], [0.8, 0.5, 1]]
    >>> decode_order(similarity, [0, 4, 2]).order.tolist()
    [0, 2, 1]
    """
    from scipy.stats import kendalltau

    values, days = _checked(similarity, day)
    sessions = np.flatnonzero(np.isfinite(days))
    values = values[np.ix_(sessions, sessions)]
    values = (values + values.T) / 2
    lowest = np.nanmin(values, initial=0.0) - 10.0
    filled = np.where(np.isfinite(values), values, lowest)
    n = len(sessions)
    if n < 2:
        return OrdinalDecoding(sessions, float("nan"), float("nan"), float("nan"))
    order = _best_path(filled) if n <= MOST_EXACT else _good_path(filled)
    place = np.argsort(np.argsort(days[sessions], kind="stable"))
    if place[order[0]] > place[order[-1]]:
        order = order[::-1]
    neighbours = values[order[:-1], order[1:]]
    told = np.isfinite(neighbours)
    mean = float(neighbours[told].mean()) if told.any() else float("nan")
    if n < 3:
        return OrdinalDecoding(sessions[order], mean, float("nan"), float("nan"))
    tau = kendalltau(np.arange(n), place[order])
    return OrdinalDecoding(sessions[order], mean, min(1.0, round(abs(float(tau.statistic)), 12)), float(tau.pvalue))


def decode_day(halves: ArrayLike, day: ArrayLike) -> DayDecoding:
    """
    Decode the day of each session from half of its repeats, with templates of the other halves.

    argmax over days d of C(s, d) - mean over s of C(s, d), C(s, d) the population-vector correlation of one half of
    session s with the other half of session d, averaged over both ways round: the mean of a column is how much a
    template resembles all sessions.

    Parameters
    ----------
    halves : (2, session, stimulus, unit), any unit
        Maps of the two halves of each session's repeats. Gaps: as in `population_vector_correlation`.
    day : (session,), days
        When the sessions were; those with NaN are left out.

    Returns
    -------
    DayDecoding
        Decoded sessions and their errors.

    Raises
    ------
    ShapeError
        Where shapes do not fit.

    References
    ----------
    Rubin et al. 2015, eLife 4:e12247, doi 10.7554/eLife.12247.
    """
    pair = np.asarray(halves, dtype=np.float64)
    if pair.ndim != 4 or len(pair) != 2:
        raise ShapeError(f"halves must have the dimensions (2, session, stimulus, unit), got shape {pair.shape}")
    across = population_vector_correlation(pair[0], pair[1])
    similarity, days = _checked((across + across.T) / 2, day)
    sessions = np.flatnonzero(np.isfinite(days) & np.isfinite(similarity).any(axis=1))
    values, when = similarity[np.ix_(sessions, sessions)], days[sessions]
    decoded, error = np.full(days.size, -1), np.full(days.size, np.nan)
    if not len(sessions):
        nothing = float("nan")
        return DayDecoding(decoded, error, nothing, nothing, nothing, nothing)
    told = np.isfinite(values)
    column = np.where(told, values, 0.0).sum(axis=0) / np.maximum(told.sum(axis=0), 1)
    chosen = np.where(told, values - column, -np.inf).argmax(axis=1)
    decoded[sessions], error[sessions] = sessions[chosen], np.abs(when[chosen] - when)
    right = float((chosen == np.arange(len(sessions))).mean())
    guess = float(np.abs(when[:, None] - when).mean())
    return DayDecoding(decoded, error, right, 1 / len(sessions), float(error[sessions].mean()), guess)


def _checked(similarity: ArrayLike, day: ArrayLike) -> tuple[Floats, Floats]:
    """A square matrix and its days."""
    values, days = np.asarray(similarity, dtype=np.float64), np.asarray(day, dtype=np.float64)
    if days.ndim != 1 or values.shape != (days.size, days.size):
        raise ShapeError(
            f"expected a matrix of sessions and one day for each, got shapes {values.shape} and {days.shape}"
        )
    return values, days


def _best_path(similarity: Floats) -> Ints:
    """The path through all sessions with the largest sum, by dynamic programming over subsets (Held and Karp)."""
    n = len(similarity)
    best = np.full((1 << n, n), -np.inf)
    before = np.zeros((1 << n, n), dtype=np.int64)
    best[1 << np.arange(n), np.arange(n)] = 0.0
    for visited in range(1, 1 << n):
        ends = best[visited]
        for last in range(n):
            if visited >> last & 1 and visited != 1 << last:
                reached = best[visited ^ (1 << last)] + similarity[:, last]
                before[visited, last] = reached.argmax()
                ends[last] = reached[before[visited, last]]
    visited, path = (1 << n) - 1, [int(best[-1].argmax())]
    while len(path) < n:
        last = path[-1]
        path.append(int(before[visited, last]))
        visited ^= 1 << last
    return np.array(path)


def _good_path(similarity: Floats) -> Ints:
    """The best of greedy paths from every session, each improved by reversing parts until none is better."""
    n = len(similarity)
    paths = []
    for start in range(n):
        path, left = [start], set(range(n)) - {start}
        while left:
            path.append(max(left, key=lambda one: similarity[path[-1], one]))
            left.remove(path[-1])
        paths.append(_improved(np.array(path), similarity))
    return max(paths, key=lambda path: similarity[path[:-1], path[1:]].sum())


def _improved(path: Ints, similarity: Floats) -> Ints:
    """Reverse parts of a path as long as its sum grows."""
    n, better = len(path), True
    while better:
        better = False
        for i in range(n - 1):
            for j in range(i + 1, n):
                gain = 0.0
                if i > 0:
                    gain += similarity[path[i - 1], path[j]] - similarity[path[i - 1], path[i]]
                if j < n - 1:
                    gain += similarity[path[i], path[j + 1]] - similarity[path[j], path[j + 1]]
                if gain > 1e-12:
                    path[i : j + 1] = path[i : j + 1][::-1]
                    better = True
    return path
