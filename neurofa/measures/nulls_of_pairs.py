"""Nulls for every measure of a pair of sessions: what is shuffled is what the claim is about, the measure is any.

`null_of_pair` calls the measure for every permutation and serves them all; the nulls of `permutations` index into
matrices that are computed once and are quicker where they exist.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.drift_index import representational_drift_index
from neurofa.measures.kernels import ROUNDING, Floats
from neurofa.measures.permutations import Alternative, Ints, PermutationNull, permutation_null

#: takes responses (session, stimulus, repeat, unit) of two sessions and gives (session, session)
MeasureOfRepeats = Callable[[Any], Floats]
Shuffled = Literal["trials", "units", "stimuli"]


def null_of_pair(
    measure: MeasureOfRepeats,
    rates: ArrayLike,
    other: ArrayLike,
    rng: np.random.Generator,
    *,
    shuffled: Shuffled = "trials",
    n_permutations: int = 200,
    alternative: Alternative = "two-sided",
) -> PermutationNull:
    """
    Compute any measure of two sessions anew with shuffled trials, units or stimuli.

    "trials" exchanges whole repeats between the sessions, which breaks the claim that they differ by more than their
    trials; "units" permutes the units of the second session, which breaks the claim that units keep what they do;
    "stimuli" permutes its stimuli, which breaks the claim that stimuli keep their responses.

    Parameters
    ----------
    measure : callable
        Takes responses (2, stimulus, repeat, unit) and gives (2, 2), of which [0, 1] is used: for example
        ``lambda r: measures.drift_magnitude(np.nanmean(r, axis=2))``.
    rates, other : (stimulus, repeat, unit), any unit
        One session each. Gaps: repeats without any finite value, units that one of the sessions lacks and stimuli that
        one of the repeats lacks are left out. With fewer repeats in one of the two, the rest is NaN.
    rng : numpy.random.Generator
        Draws the permutations.
    shuffled : {"trials", "units", "stimuli"}
        What is shuffled.
    n_permutations : int
        How many calls of the measure.
    alternative : {"greater", "less", "two-sided"}
        Which values are extreme.

    Returns
    -------
    PermutationNull
        NaN where nothing is left to be shuffled.

    Raises
    ------
    ConfigError
        Unless `shuffled` is known.
    ShapeError
        Where stimuli or units differ.

    References
    ----------
    Phipson and Smyth 2010, doi 10.2202/1544-6115.1585.
    """
    if shuffled not in ("trials", "units", "stimuli"):
        raise ConfigError(f"shuffled must be 'trials', 'units' or 'stimuli', got {shuffled!r}")
    trials, n_first = _complete(rates, other)
    n_stimuli, n_all, n_units = trials.shape
    size = {"trials": n_all, "units": n_units, "stimuli": n_stimuli}[shuffled]
    told = 0 < n_first < n_all and n_units > 0 and n_stimuli > 0

    def of_order(order: Ints) -> float:
        if shuffled == "trials":
            first, second = trials[:, order[:n_first]], trials[:, order[n_first:]]
        else:
            first, second = trials[:, :n_first], trials[:, n_first:]
            second = second[..., order] if shuffled == "units" else second[order]
        both = np.full((2, n_stimuli, max(n_first, n_all - n_first), n_units), np.nan)
        both[0, :, :n_first], both[1, :, : n_all - n_first] = first, second
        return float(np.asarray(measure(both))[0, 1])

    def statistic(orders: Ints) -> Floats:
        return np.array([of_order(order) if told else np.nan for order in orders])

    return permutation_null(statistic, size, rng, n_permutations=n_permutations, alternative=alternative)


def null_of_drift_index(
    rates: ArrayLike,
    other: ArrayLike,
    rng: np.random.Generator,
    *,
    n_permutations: int = 200,
    n_splits: int = 10,
    reliability: float = 0.0,
) -> PermutationNull:
    """
    Null of the representational drift index: whole repeats are exchanged between the two sessions.

    Parameters
    ----------
    rates, other : (stimulus, repeat, unit), any unit
        One session each. Gaps: as in `null_of_pair`.
    rng : numpy.random.Generator
        Draws the permutations and the halves.
    n_permutations : int
        How many.
    n_splits, reliability
        As in `representational_drift_index`; the same halves in all permutations.

    Returns
    -------
    PermutationNull
        One-sided: drift makes the index larger.

    Raises
    ------
    ConfigError
        Where `n_splits` is below 1.
    ShapeError
        Where stimuli or units differ.

    References
    ----------
    Marks and Goard 2021, doi 10.1038/s41467-021-25436-3 (the index); Phipson and Smyth 2010,
    doi 10.2202/1544-6115.1585.
    """
    seed = int(rng.integers(2**32))

    def index(responses: Any) -> Floats:
        return representational_drift_index(responses, np.random.default_rng(seed), n_splits, reliability).index

    return null_of_pair(index, rates, other, rng, n_permutations=n_permutations, alternative="greater")


def null_of_coordination(
    maps: ArrayLike, other: ArrayLike, rng: np.random.Generator, n_permutations: int = 1000
) -> PermutationNull:
    """
    Shuffle the units of each stimulus's drift, apart from each other: the claim is that stimuli drift together.

    Statistic: mean cosine over pairs of stimuli of their drift vectors, whose null is centred on 0. Stimuli drift
    together where it is larger; `angle_between_drift_vectors_deg` is then below 90.

    Parameters
    ----------
    maps, other : (stimulus, unit), any unit
        One session each. Gaps: units finite in both and stimuli finite in both; stimuli that did not move are left out.
    rng : numpy.random.Generator
        Draws the permutations.
    n_permutations : int
        How many.

    Returns
    -------
    PermutationNull
        NaN with fewer than two stimuli that moved.

    Raises
    ------
    ShapeError
        Where shapes differ.

    References
    ----------
    Aitken et al. 2022, doi 10.1371/journal.pcbi.1010716 (the measure); Phipson and Smyth 2010,
    doi 10.2202/1544-6115.1585.
    """
    x, y = np.asarray(maps, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise ShapeError(f"maps and other must be (stimulus, unit) of the same shape, got {x.shape} and {y.shape}")
    finite = np.isfinite(x) & np.isfinite(y)
    kept = np.ix_(finite.any(axis=1), finite.any(axis=0))
    drift, size = (y - x)[kept], (x**2 + y**2)[kept].sum(axis=1)
    power = (drift**2).sum(axis=1)
    moved = power > ROUNDING * size
    drift = drift[moved] / np.sqrt(power[moved])[:, None]
    n_stimuli, n_units = drift.shape
    flat = drift.ravel()
    pairs = max(n_stimuli * (n_stimuli - 1), 1)

    def statistic(orders: Ints) -> Floats:
        if n_stimuli < 2:
            return np.full(len(orders), np.nan)
        total = flat[orders].reshape(len(orders), n_stimuli, n_units).sum(axis=1)
        return np.asarray(((total**2).sum(axis=1) - n_stimuli) / pairs)

    blocks = np.repeat(np.arange(n_stimuli), n_units)
    return permutation_null(statistic, flat.size, rng, n_permutations=n_permutations, blocks=blocks)


def _complete(rates: ArrayLike, other: ArrayLike) -> tuple[Floats, int]:
    """Repeats of both sessions (stimulus, repeat, unit) without gaps, and how many are of the first."""
    both = [np.asarray(one, dtype=np.float64) for one in (rates, other)]
    if any(one.ndim != 3 for one in both) or both[0].shape[::2] != both[1].shape[::2]:
        raise ShapeError(
            f"rates and other must be (stimulus, repeat, unit) of the same stimuli and units, got "
            f"{both[0].shape} and {both[1].shape}"
        )
    both = [one[:, np.isfinite(one).any(axis=(0, 2))] for one in both]
    units = np.all([np.isfinite(one).any(axis=(0, 1)) for one in both], axis=0)
    trials = np.concatenate(both, axis=1)[:, :, units]
    return trials[np.isfinite(trials).all(axis=(1, 2))], both[0].shape[1]
