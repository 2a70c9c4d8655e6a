"""The representational drift index: how much less a unit's tuning agrees between two sessions than within them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError
from neurofa.measures.kernels import Bools, Floats, centre, pearson_from_sums
from neurofa.measures.repeats import mask_repeats

#: in place of a correlation within sessions that is not above 0, as the authors do
SMALLEST_WITHIN = 0.001
#: splits into halves, as the authors draw them: more where there are more repeats
MANY_REPEATS, SPLITS, MORE_SPLITS = 8, 50, 100
#: units that are read together: those of two lines of a processor's cache
UNITS_AT_ONCE = 16
#: numbers held at once: units and splits are taken in blocks that stay in the cache of a processor
AT_ONCE = 100_000
#: what is left of a constant tuning after the mean was subtracted
CONSTANT = 1e-24


@dataclass(frozen=True)
class DriftIndex:
    """
    Representational drift index of all pairs of sessions, and what it is made of.

    Attributes
    ----------
    index : (session, session), -1 to 1
        RDI, mean over units: 0 where tuning agrees as well between as within sessions, 1 where not at all.
    within, between : (session, session), 0 to 1
        CCws and CCbs, mean over the same units.
    n_units : (session, session) int
        Units in the means.
    """

    index: Floats
    within: Floats
    between: Floats
    n_units: np.ndarray


def representational_drift_index(
    responses: ArrayLike,
    rng: np.random.Generator,
    n_splits: int | None = None,
    reliability: float = 0.0,
    duration: ArrayLike | None = None,
) -> DriftIndex:
    """
    Representational drift index (RDI), by the authors' algorithm, of all pairs of sessions.

    RDI = (CCws - CCbs) / (CCws + CCbs) of every unit, then the mean over units. The repeats are split into two random
    halves, the same in all sessions; x_s^1(c) and x_s^2(c) are the means over them. In one split CCws is the mean over
    the *two* sessions of corr_c(x_s^1, x_s^2), CCbs the mean of corr_c(x_s^1, x_t^2) and corr_c(x_s^2, x_t^1), Pearson
    over stimuli; what is negative or undefined counts as 0. Both are averaged over splits, and a CCws that is not
    above 0 becomes 0.001. Noise lowers CCws and CCbs alike: the measure's own correction for noise. It is not linear
    in drift: where tuning without noise correlates by r it is about (1 - r) / (1 + r).

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Every repeat. Gaps: a pair uses the units recorded in both sessions, and for each correlation the stimuli that
        both of its halves have; a unit that never varies over stimuli in either of the two has no tuning that could
        drift and is left out of the mean.
    rng : numpy.random.Generator
        Draws the halves.
    n_splits : int, optional
        Random splits; by default 50 with up to 8 repeats and 100 with more, as the authors do.
    reliability : float
        Only units with a CCws above it count (the authors choose responsive cells by tests of their own). Without
        reliable tuning the value of a unit is arbitrary, which 0 lets in: choose for example 0.2.
    duration : (session, stimulus, repeat), s, optional
        Weights of the repeats; 0 leaves one out. Without it all weigh the same.

    Returns
    -------
    DriftIndex
        NaN of a session with itself, with fewer than two repeats, and where no unit is left.

    Raises
    ------
    ConfigError
        Where `n_splits` is below 1.
    ShapeError
        Unless there are four dimensions, and gaps are whole units of a session or whole repeats of a stimulus.

    References
    ----------
    Marks and Goard 2021, Nature Communications 12:5169, doi 10.1038/s41467-021-25436-3, and the code of the authors.
    """
    repeats = mask_repeats(responses, duration)
    n_sessions, n_stimuli, n_repeats, n_units = repeats.values.shape
    splits = (MORE_SPLITS if n_repeats > MANY_REPEATS else SPLITS) if n_splits is None else n_splits
    if splits < 1:
        raise ConfigError(f"n_splits must be 1 or more, got {splits}")
    first = np.zeros((splits if n_repeats > 1 else 0, n_repeats), dtype=bool)
    for row in first:
        row[rng.permutation(n_repeats)[: n_repeats // 2]] = True
    within, between = np.zeros((2, n_units, n_sessions, n_sessions))
    varies = np.zeros((n_units, n_sessions), dtype=bool)
    weights = repeats.weights / max(float(repeats.weights.sum(axis=2).max(initial=0.0)), 1e-300)
    size = max(1, n_sessions * n_stimuli)
    some_splits = min(max(1, len(first)), max(1, AT_ONCE // size))
    some_units = min(UNITS_AT_ONCE, max(1, AT_ONCE // (size * some_splits)))
    for begin in range(0, n_units, UNITS_AT_ONCE):
        values = _weighted(repeats.values[..., begin : begin + UNITS_AT_ONCE], weights)
        for start in range(0, len(values), some_units):
            block = values[start : start + some_units]
            to = slice(begin + start, begin + start + len(block))
            for chunk in range(0, len(first), some_splits):
                halves, shown = _split_means(block, weights, first[chunk : chunk + some_splits])
                _add_splits(halves, shown, within[to], between[to], varies[to])
    return _index(within / splits, between / splits, repeats.units.T, varies, reliability)


def _weighted(values: Floats, weights: Floats) -> Floats:
    """Responses (unit, stimulus, repeat, session), at most 1 in size, times the weights of the repeats."""
    result = np.ascontiguousarray(values.transpose(3, 1, 2, 0))
    largest = np.abs(result).max(axis=(1, 2, 3), keepdims=True, initial=0.0)
    result *= weights.transpose(1, 2, 0) / np.where(largest > 0, largest, 1.0)
    return result


def _split_means(values: Floats, weights: Floats, first: Bools) -> tuple[Floats, Bools]:
    """
    Means (half, unit, stimulus, split, session) of weighted responses, and what was shown (half, stimulus, ...).

    Where every stimulus was shown in every half, their mean over stimuli is subtracted, and their scale is any.
    """
    chosen = first.astype(np.float64)
    each = weights.transpose(1, 2, 0)
    totals = np.stack([chosen @ each, (1 - chosen) @ each])
    shown = totals > 0
    complete = bool(shown.all())
    even = complete and bool((each == each[0]).all())
    if even:  # where all stimuli weigh the same, halves of centred repeats are centred, and their sums do as well
        values = values - values.mean(axis=1, keepdims=True)
    halves = np.empty((2, len(values), *totals.shape[1:]))
    np.matmul(chosen, values, out=halves[0])
    np.subtract(values.sum(axis=2)[:, :, None], halves[0], out=halves[1])
    if not even:
        halves *= (1 / np.where(shown, totals, 1.0))[:, None]
    if complete and not even:
        halves -= halves.mean(axis=2, keepdims=True)
    return halves, shown


def _add_splits(halves: Floats, shown: Bools, within: Floats, between: Floats, varies: Bools) -> None:
    """Add several splits' correlations (unit, session, session) within and between sessions."""
    if shown.all():
        constant = False
        for half in halves:
            power = np.einsum("nkps,nkps->nps", half, half)[:, None]
            constant |= bool(power.min(initial=1.0) <= CONSTANT)
            half *= np.where(power > CONSTANT, 1 / np.sqrt(np.where(power > CONSTANT, power, 1.0)), 0.0)
        x, y = halves.transpose(0, 1, 3, 4, 2)  # (unit, split, session, stimulus)
        crossed = x @ y.swapaxes(2, 3)
        if not constant:
            varies[:] = True
            own = np.diagonal(crossed, axis1=2, axis2=3)
            _add_rectified(own[:, :, :, None], own[:, :, None, :], 0.5, within)
            _add_rectified(crossed, crossed.swapaxes(2, 3), 0.5, between)
            return
        known = (x != 0).any(axis=3)[:, :, :, None] & (y != 0).any(axis=3)[:, :, None, :]
    else:
        masks = shown.transpose(0, 2, 3, 1)
        x, y = (centre(half, mask) for half, mask in zip(halves.transpose(0, 1, 3, 4, 2), masks, strict=True))
        a, b = masks.astype(np.float64)
        a_t, b_t = a.swapaxes(1, 2), b.swapaxes(1, 2)
        sums = (x @ b_t, (y @ a_t).swapaxes(2, 3), (x * x) @ b_t, ((y * y) @ a_t).swapaxes(2, 3))
        crossed = pearson_from_sums(a @ b_t, *sums, x @ y.swapaxes(2, 3))
        known = np.isfinite(crossed)
        crossed = np.where(known, crossed, 0.0)
    own, defined = (np.diagonal(each, axis1=2, axis2=3) for each in (crossed, known))
    varies |= defined.any(axis=1)
    n_own = np.maximum(defined[:, :, :, None].astype(np.float64) + defined[:, :, None, :], 1)
    n_crossed = np.maximum(known.astype(np.float64) + known.swapaxes(2, 3), 1)
    _add_rectified(own[:, :, :, None] / n_own, own[:, :, None, :] / n_own, 1.0, within)
    _add_rectified(crossed / n_crossed, crossed.swapaxes(2, 3) / n_crossed, 1.0, between)


def _add_rectified(first: Floats, second: Floats, weight: float, to: Floats) -> None:
    """Add the weighted sum of two correlations (unit, split, session, session) where positive, over all splits."""
    mean = first + second
    np.maximum(mean, 0.0, out=mean)
    to += weight * mean.sum(axis=1)


def _index(within: Floats, between: Floats, units: Bools, varies: Bools, reliability: float) -> DriftIndex:
    """The index from correlations (unit, session, session); units and varies (unit, session)."""
    present = units[:, :, None] & units[:, None, :] & (varies[:, :, None] | varies[:, None, :])
    counted = present & ((within > reliability) | (reliability <= 0))
    counted &= ~np.eye(units.shape[1], dtype=bool)
    bounded = np.where(within > 0, within, SMALLEST_WITHIN)
    ratio = (bounded - between) / (bounded + between)
    number = counted.sum(axis=0)
    index, inside, across = (
        np.where(
            number > 0,
            np.where(counted, each, 0.0).sum(axis=0) / np.maximum(number, 1),
            np.nan,
        )
        for each in (ratio, within, between)
    )
    return DriftIndex(index, inside, across, number)
