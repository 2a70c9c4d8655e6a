"""Whether responses to the same stimulus tell in which session they were made: classifiers of sessions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.measures.kernels import Bools, Floats
from neurofa.measures.pairs import mean_of_defined, of_units
from neurofa.measures.repeats import Repeats, mask_repeats
from neurofa.measures.statistics import mean_by_lag


class SessionClassifiers(NamedTuple):
    """
    Accuracy of telling sessions, or parts of one, apart by single responses to a stimulus: means over stimuli.

    Attributes
    ----------
    between : (session, session), 0 to 1
        Between two sessions; 0.5 where nothing but noise differs, NaN of a session with itself.
    halves : (session,), 0 to 1
        Between the earlier and the later repeats of a session: change within it.
    even_odd : (session,), 0 to 1
        Between every second repeat and the others: nothing to be told, 0.5.
    """

    between: Floats
    halves: Floats
    even_odd: Floats


def session_classifiers(responses: ArrayLike) -> SessionClassifiers:
    """
    Tell sessions apart by single responses to one stimulus, repeats left out in turn.

    The class whose mean response is nearer. One repeat of each session is left out in turn, the means are those of the
    others, so that both classes have equally many and 0.5 is the level of chance; n is the smaller of both numbers of
    repeats, the first n of each count. The authors fit a support vector machine for each stimulus instead, and keep
    the level of chance of unequal folds, which is below 0.5: compare within this measure, not with their numbers.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: a pair uses the units of both; whole repeats that are missing are left out, and stimuli with fewer than
        two repeats in one of the two.

    Returns
    -------
    SessionClassifiers
        NaN where no stimulus is left.

    Raises
    ------
    ShapeError
        Unless there are four dimensions, and gaps are whole units of a session or whole repeats of a stimulus.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.
    """
    repeats = mask_repeats(responses)
    n = len(repeats.values)
    between, halves, even_odd = np.full((n, n), np.nan), np.full(n, np.nan), np.full(n, np.nan)
    order = [_first_shown(repeats, session) for session in range(n)]
    for i in range(n):
        values, count = order[i]
        own = of_units(values, repeats.units[i])
        middle = count // 2
        halves[i] = _accuracy(own, _later(own, middle), middle)
        even_odd[i] = _accuracy(own[:, ::2], own[:, 1::2], middle)
    shown = repeats.weights > 0
    if shown.all() and n and repeats.units.all() and shown.shape[2] >= 2:
        return SessionClassifiers(_all_pairs(repeats.values), halves, even_odd)
    for i, (values, count) in enumerate(order):
        for j in range(i + 1, n):
            units = repeats.units[i] & repeats.units[j]
            if units.any():
                a, b = (of_units(one, units) for one in (values, order[j][0]))
                between[i, j] = between[j, i] = _accuracy(a, b, np.minimum(count, order[j][1]))
    return SessionClassifiers(between, halves, even_odd)


def _all_pairs(values: Floats) -> Floats:
    """Accuracy (session, session) of complete responses: one matrix of products per stimulus."""
    n, n_stimuli, n_repeats, n_units = values.shape
    same, rest = np.arange(n), n_repeats - 1
    total = np.zeros((n, n))
    for stimulus in range(n_stimuli):
        flat = np.ascontiguousarray(values[:, stimulus]).reshape(-1, n_units)
        products = (flat @ flat.T).reshape(n, n_repeats, n, n_repeats)
        # of every repeat with the sum of a session, and with the repeat of the same number: (session, repeat, session)
        with_sum, with_same = products @ np.ones(n_repeats), np.einsum("irjr->irj", products)
        others = (with_sum - with_same) / rest
        own, own_sum, square = (each[same, :, same] for each in (others, with_sum, with_same))
        power = (own_sum.sum(axis=1)[:, None] - 2 * own_sum + square) / rest**2
        power, later = power[:, :, None], power.T[None]
        score = own[:, :, None] - others - (power - later) / 2
        size = 1e-12 * (power + later + 2 * square[:, :, None])
        total += np.where(np.abs(score) <= size, 0.5, score > 0).mean(axis=1)
    accuracy: Floats = (total + total.T) / (2 * n_stimuli)
    accuracy[same, same] = np.nan
    return accuracy


def _first_shown(repeats: Repeats, session: int) -> tuple[Floats, np.ndarray]:
    """Responses (stimulus, repeat, unit) of a session, those that are there first, and their number."""
    shown: Bools = repeats.weights[session] > 0
    if shown.all():
        return repeats.values[session], shown.sum(axis=1)
    first = np.argsort(~shown, axis=1, kind="stable")
    return np.take_along_axis(repeats.values[session], first[:, :, None], axis=1), shown.sum(axis=1)


def _later(own: Floats, middle: np.ndarray) -> Floats:
    """Responses (stimulus, repeat, unit) from the middle of each stimulus's repeats on."""
    first = int(middle.max(initial=0))
    if (middle == first).all():
        return own[:, first:]
    late = np.minimum(np.arange(own.shape[1]) + middle[:, None], own.shape[1] - 1)
    return np.take_along_axis(own, late[:, :, None], axis=1)


def _accuracy(a: Floats, b: Floats, n: np.ndarray) -> float:
    """Mean over stimuli of the accuracy on left-out pairs; of a, b (stimulus, repeat, unit) n repeats count."""
    most = int(n.max(initial=0))
    if most < 2 or not a.shape[2]:
        return float("nan")
    used = (np.arange(most) < n[:, None]).astype(np.float64)
    a, b = a[:, :most], b[:, :most]
    rest = np.maximum(n - 1, 1)[:, None]
    # products of the left-out responses with the sums of each class, over those that count
    sum_a, sum_b = (np.einsum("kr,krn->kn", used, one, optimize=True) for one in (a, b))
    a_a, b_b, a_b = (np.einsum("krn,krn->kr", x, y) for x, y in ((a, a), (b, b), (a, b)))
    a_with_a, a_with_b, b_with_a, b_with_b = (
        np.einsum("krn,kn->kr", x, total, optimize=True) for x in (a, b) for total in (sum_a, sum_b)
    )
    power_a = ((sum_a**2).sum(axis=1)[:, None] - 2 * a_with_a + a_a) / rest**2
    power_b = ((sum_b**2).sum(axis=1)[:, None] - 2 * b_with_b + b_b) / rest**2
    middle = (power_a - power_b) / 2
    scores = [
        (a_with_a - a_a) / rest - (a_with_b - a_b) / rest - middle,
        -((b_with_a - a_b) / rest - (b_with_b - b_b) / rest - middle),
    ]
    size = 1e-12 * (np.abs(power_a) + np.abs(power_b) + a_a + b_b)
    right = [np.where(np.abs(score) <= size, 0.5, score > 0) for score in scores]
    accuracy = ((right[0] + right[1]) / 2 * used).sum(axis=1) / np.maximum(n, 1)
    return float(mean_of_defined(accuracy, n >= 2))


def growth_per_day(matrix: ArrayLike, day: ArrayLike) -> float:
    """
    Slope of a measure against the days between two sessions, for example of an angle.

    Least squares over the means of all pairs of equal lag, each lag weighing the same.

    Parameters
    ----------
    matrix : (session, session)
        A measure, as in `mean_by_lag`: the earlier session's row is used.
    day : (session,), days
        When the sessions were; NaN for sessions that were not.

    Returns
    -------
    float
        In units of the measure per day; NaN with fewer than two lags. Noise of the trials that is the same in all
        sessions adds to the level and not to the slope of what is linear in it.

    Raises
    ------
    ShapeError
        Unless the matrix is square and has one day per session.

    References
    ----------
    Aitken et al. 2022, doi 10.1371/journal.pcbi.1010716 (growth of the angle per day).

    Examples
    --------
    >>> growth_per_day([[0, 40, 44], [40, 0, 42], [44, 42, 0]], [0, 2, 4])
    1.5
    """
    curve = mean_by_lag(matrix, day)
    if len(curve.lag) < 2:
        return float("nan")
    deviation = curve.lag - curve.lag.mean()
    return float((deviation @ curve.mean) / (deviation @ deviation))
