"""Unexpected against expected events, unit by unit: d', its permutation test, its bias, and shuffled labels."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import BLOCK, Bools, Floats
from neurofa.measures.prediction_error.conditions import events_by_units, require_repeats


class UnexpectedEventIndex(NamedTuple):
    """
    Index of unexpected events with its permutation test.

    Attributes
    ----------
    d_prime : (unit,)
        d' between unexpected and expected events, as published: without correction.
    d_prime_corrected : (unit,)
        The same without its small-sample bias, see `d_prime`.
    magnitude : (unit,)
        Size of the index, biased upward: it is above 0 without any effect, the more so the fewer events there are.
    magnitude_corrected : (unit,)
        Size minus the mean size over permuted labels: 0 on average without any effect.
    p_above, p_below : (unit,)
        One-sided permutation p values for a larger, and a smaller, response to unexpected events.
    """

    d_prime: Floats
    d_prime_corrected: Floats
    magnitude: Floats
    magnitude_corrected: Floats
    p_above: Floats
    p_below: Floats


class ShuffledFractions(NamedTuple):
    """
    Fractions of significant units when labels are shuffled.

    Attributes
    ----------
    above, below : (shuffle, animal)
        Fraction of the animal's units in the upper and lower tail.
    mean_above, mean_below : float
        Mean over animals and shuffles.
    error_above, error_below : float
        Standard error of that mean, clustered by animal: sd over animals of the animal's mean / sqrt(animals).
    """

    above: Floats
    below: Floats
    mean_above: float
    mean_below: float
    error_above: float
    error_below: float


def d_prime(unexpected: ArrayLike, expected: ArrayLike, bias_corrected: bool = True) -> Floats:
    """
    Discriminability d' = (mean_U - mean_E) / sqrt((var_U + var_E) / 2), unit by unit.

    Variances have n - 1 as divisor. With few events d' is too large on average; the correction multiplies it by
    J = Gamma(f / 2) / (sqrt(f / 2) Gamma((f - 1) / 2)) with f = (n_U - 1)(n_E - 1)(var_U + var_E)^2 /
    ((n_E - 1) var_U^2 + (n_U - 1) var_E^2) degrees of freedom.

    Parameters
    ----------
    unexpected, expected : (event, unit), Hz or a.u.
        Single events. Gaps: NaN events are left out, unit by unit.
    bias_corrected : bool
        Whether the small-sample bias is removed.

    Returns
    -------
    (unit,)
        NaN where fewer than two events of a kind are left, or neither varies.

    Raises
    ------
    ShapeError
        Where a condition has fewer than two events, or units differ.

    References
    ----------
    Correction: Hedges 1981, Journal of Educational Statistics 6:107, doi 10.3102/10769986006002107; for unequal
    variances Delacre et al. 2021, doi 10.31234/osf.io/tu6mp. Index: Gillon et al. 2024, Journal of Neuroscience
    44:e1009232023, doi 10.1523/JNEUROSCI.1009-23.2023.

    Examples
    --------
    >>> d_prime([[3.0], [5.0]], [[1.0], [3.0]], bias_corrected=False).round(3).tolist()
    [1.414]
    """
    rare, frequent = events_by_units(unexpected, "unexpected"), events_by_units(expected, "expected")
    if rare.shape[1] != frequent.shape[1]:
        raise ShapeError(f"unexpected and expected need the same units, got {rare.shape[1]} and {frequent.shape[1]}")
    require_repeats(len(rare), 2, "d_prime", "unexpected")
    require_repeats(len(frequent), 2, "d_prime", "expected")
    (n_u, mean_u, var_u), (n_e, mean_e, var_e) = _moments(rare), _moments(frequent)
    pooled = (var_u + var_e) / 2
    value: Floats = (mean_u - mean_e) / np.sqrt(np.where(pooled > 0, pooled, np.nan))
    return value * _small_sample(n_u, n_e, var_u, var_e) if bias_corrected else value


def unexpected_event_index(
    responses: ArrayLike, unexpected: ArrayLike, rng: np.random.Generator, n_permutations: int = 9999
) -> UnexpectedEventIndex:
    """
    Index of unexpected events (d' of unexpected against expected ones) with a permutation test of the labels.

    Labels are permuted over the events of an animal, the same permutation for all of its units, so that what units
    share is kept. A unit is significant where ``p_above`` or ``p_below`` is at most 0.025 (two-sided 0.05).

    Parameters
    ----------
    responses : (event, unit), Hz or a.u.
        Single events of one animal. Gaps: NaN events are left out, unit by unit.
    unexpected : (event,) bool
        Which events are unexpected; the others are expected.
    rng : numpy.random.Generator
        Draws the permutations.
    n_permutations : int
        Permutations, published with 10,000 including the labels as they are.

    Returns
    -------
    UnexpectedEventIndex
        NaN where a unit has fewer than two events of a kind, or does not vary.

    Raises
    ------
    ConfigError
        Unless there is at least one permutation.
    ShapeError
        Where a kind has fewer than two events, or there is not one label per event.

    References
    ----------
    Gillon et al. 2024, Journal of Neuroscience 44:e1009232023, doi 10.1523/JNEUROSCI.1009-23.2023.
    """
    values, label = _labelled(responses, unexpected, n_permutations)
    index = d_prime(values[label], values[~label], bias_corrected=False)
    p_above, p_below, chance = _permuted(values, label, rng, n_permutations)
    return UnexpectedEventIndex(
        index,
        d_prime(values[label], values[~label]),
        np.abs(index),
        np.abs(index) - chance,
        np.where(np.isnan(index), np.nan, p_above),
        np.where(np.isnan(index), np.nan, p_below),
    )


def permutation_p_values(
    responses: ArrayLike, label: ArrayLike, rng: np.random.Generator, n_permutations: int = 9999
) -> tuple[Floats, Floats]:
    """
    One-sided permutation p values of d' between labelled and other events, unit by unit.

    p = (1 + permutations at least as extreme) / (1 + permutations).

    Parameters
    ----------
    responses : (event, unit), any unit
        Single events. Gaps: NaN events are left out, unit by unit.
    label : (event,) bool
        Which events are labelled.
    rng : numpy.random.Generator
        Draws the permutations.
    n_permutations : int
        Permutations.

    Returns
    -------
    tuple of (unit,)
        For larger, and for smaller, responses to labelled events; 1 where a unit does not vary, NaN where fewer than
        two events of a kind are left.

    Raises
    ------
    ConfigError
        Unless there is at least one permutation.
    ShapeError
        Where a kind has fewer than two events, or there is not one label per event.

    References
    ----------
    Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9:39, doi 10.2202/1544-6115.1585.
    """
    values, labels = _labelled(responses, label, n_permutations)
    above, below, _ = _permuted(values, labels, rng, n_permutations)
    return above, below


def shuffled_fractions(
    responses: ArrayLike,
    unexpected: ArrayLike,
    animal: ArrayLike,
    rng: np.random.Generator,
    n_shuffles: int = 200,
    n_permutations: int = 999,
    tail: float = 0.025,
) -> ShuffledFractions:
    """
    Chance level of the permutation test: fractions of significant units when the labels of the events are shuffled.

    Parameters
    ----------
    responses : (event, unit), Hz or a.u.
        Single events; animals that saw different events are given one at a time.
    unexpected : (event,) bool
        Labels, of which only the number counts.
    animal : (unit,)
        Which animal a unit belongs to.
    rng : numpy.random.Generator
        Draws shuffles and permutations.
    n_shuffles, n_permutations : int
        Shuffles of the labels, and permutations (of each animal, the same for all shuffles) by which they are tested.
    tail : float
        Level of each tail.

    Returns
    -------
    ShuffledFractions
        Per shuffle and animal; nominal is `tail`.

    Raises
    ------
    ConfigError
        Unless there is at least one shuffle and permutation.
    ShapeError
        Where labels or animals do not fit.
    """
    values, label = _labelled(responses, unexpected, n_permutations)
    owners = np.asarray(animal)
    if owners.shape != values.shape[1:]:
        raise ShapeError(f"one animal per unit is needed, got {owners.shape} for {values.shape[1]} units")
    if n_shuffles < 1:
        raise ConfigError(f"n_shuffles must be at least 1, got {n_shuffles}")
    animals = list(dict.fromkeys(owners.tolist()))
    rates = np.empty((2, n_shuffles, len(animals)))
    for place, own in enumerate(animals):
        # every animal has its own orders of events, so that animals are independent of each other
        p_values = _shuffled_p_values(values[:, owners == own], label, rng, n_shuffles, n_permutations)
        told = ~np.isnan(p_values[0, 0])
        rates[:, :, place] = (p_values[:, :, told] <= tail).mean(axis=2) if told.any() else np.nan
    means = rates.mean(axis=1)
    spread = means.std(axis=1, ddof=1) if len(animals) > 1 else np.full(2, np.nan)
    error = spread / np.sqrt(len(animals))
    return ShuffledFractions(
        rates[0], rates[1], float(means[0].mean()), float(means[1].mean()), float(error[0]), float(error[1])
    )


def _labelled(responses: ArrayLike, label: ArrayLike, n_permutations: int) -> tuple[Floats, Bools]:
    """Responses and labels, checked."""
    values, labels = events_by_units(responses, "responses"), np.asarray(label)
    if labels.dtype != np.bool_ or labels.shape != values.shape[:1]:
        raise ShapeError(
            f"one label (bool) per event is needed, got {labels.shape} of {labels.dtype} for {len(values)} events"
        )
    if n_permutations < 1:
        raise ConfigError(f"n_permutations must be at least 1, got {n_permutations}")
    require_repeats(int(labels.sum()), 2, "the index of unexpected events", "unexpected")
    require_repeats(int((~labels).sum()), 2, "the index of unexpected events", "expected")
    return values, labels


def _complete(values: Floats, label: Bools) -> Iterator[tuple[np.ndarray, Floats, Bools]]:
    """Units with the same events, as (numbers of the units, values without gaps, labels), if both kinds are left."""
    present = np.isfinite(values)
    # to look for different patterns takes longer than all the rest
    patterns = present[:, :1] if present.all() else np.unique(present, axis=1)
    for pattern in patterns.T:
        units = np.flatnonzero((present == pattern[:, None]).all(axis=0))
        own = label[pattern]
        if own.sum() >= 2 and (~own).sum() >= 2:
            yield units, _prepared(values[np.ix_(pattern, units)]), own


def _prepared(values: Floats) -> Floats:
    """Values centred and scaled, which d' does not depend on, so that squares keep their digits; 0 if constant."""
    largest = np.abs(values).max(axis=0)
    centred = values - values.mean(axis=0)
    size = np.abs(centred).max(axis=0)
    flat = size <= 1e-13 * largest
    prepared: Floats = np.where(flat, 0.0, centred / np.where(flat, 1.0, size))
    return prepared


def _permuted(
    values: Floats, label: Bools, rng: np.random.Generator, n_permutations: int
) -> tuple[Floats, Floats, Floats]:
    """P values above and below, and the mean size of d' over permutations, (unit,) each."""
    found = np.full((3, values.shape[1]), np.nan)
    for units, kept, own in _complete(values, label):
        observed = _separation(own[None].astype(np.float64), kept)[0]
        counts = np.zeros((3, len(units)))
        block = max(1, BLOCK // len(own))
        for start in range(0, n_permutations, block):
            permuted = _separation(_orders(own, min(block, n_permutations - start), rng), kept)
            counts += np.stack([*_as_extreme(permuted, observed), np.abs(permuted).sum(axis=0)])
        found[:, units] = [*((1 + counts[:2]) / (1 + n_permutations)), counts[2] / n_permutations]
    return found[0], found[1], found[2]


def _shuffled_p_values(
    values: Floats, label: Bools, rng: np.random.Generator, n_shuffles: int, n_permutations: int
) -> Floats:
    """P values above and below of shuffled labels, (2, shuffle, unit); NaN where too few events are left."""
    found = np.full((2, n_shuffles, values.shape[1]), np.nan)
    for units, kept, own in _complete(values, label):
        shuffled = _separation(_orders(own, n_shuffles, rng), kept)
        permuted = _separation(_orders(own, n_permutations, rng), kept)
        counts = np.stack([_as_extreme(permuted, one) for one in shuffled], axis=1)
        found[:, :, units] = (1 + counts) / (1 + n_permutations)
    return found


def _orders(label: Bools, n_orders: int, rng: np.random.Generator) -> Floats:
    """Labels in random orders, (order, event)."""
    return rng.permuted(np.broadcast_to(label, (n_orders, len(label))).astype(np.float64), axis=1)


def _as_extreme(permuted: Floats, observed: Floats) -> Floats:
    """How many permutations are at least as large, and at least as small, (2, unit); ties count whatever rounding."""
    slack = 1e-9 * np.abs(observed)
    return np.stack([(permuted >= observed - slack).sum(axis=0), (permuted <= observed + slack).sum(axis=0)])


def _separation(labels: Floats, values: Floats) -> Floats:
    """Separation d' for many labellings (permutation, event) of centred values (event, unit); 0 without variance."""
    n_u, n_e = labels[0].sum(), (1 - labels[0]).sum()
    squares = values**2
    sum_u, square_u = labels @ values, labels @ squares
    sum_e, square_e = values.sum(axis=0) - sum_u, squares.sum(axis=0) - square_u
    var_u = (square_u - sum_u**2 / n_u) / (n_u - 1)
    var_e = (square_e - sum_e**2 / n_e) / (n_e - 1)
    pooled = (var_u + var_e) / 2
    difference = sum_u / n_u - sum_e / n_e
    separated: Floats = difference / np.sqrt(np.maximum(pooled, 1e-24))
    return separated


def _moments(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Number, mean and variance over the events that are there; NaN with fewer than two."""
    present = np.isfinite(values)
    n = present.sum(axis=0).astype(np.float64)
    enough = np.where(n >= 2, n, np.nan)
    mean = np.where(present, values, 0.0).sum(axis=0) / enough
    deviations = np.where(present, values - mean, 0.0)
    variance = (deviations**2).sum(axis=0) / (enough - 1)
    # rounding of a constant is no variance
    constant = variance <= 1e-28 * np.nanmax(np.where(present, np.abs(values), 0.0), axis=0) ** 2
    return n, mean, np.where(constant, 0.0, variance)


def _small_sample(n_u: Floats, n_e: Floats, var_u: Floats, var_e: Floats) -> Floats:
    """Factor that removes the small-sample bias of d'."""
    from scipy.special import gammaln

    scale = np.where(var_u + var_e > 0, var_u + var_e, np.nan)
    a, b = var_u / scale, var_e / scale
    freedom = (n_u - 1) * (n_e - 1) / ((n_e - 1) * a**2 + (n_u - 1) * b**2)
    # with a single degree of freedom the mean of d' does not exist
    half = np.where(freedom > 1, freedom, np.nan) / 2
    factor: Floats = np.exp(gammaln(half) - gammaln(half - 0.5)) / np.sqrt(half)
    return factor
