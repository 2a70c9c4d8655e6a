"""Nulls by permutation: what is shuffled is what the claim is about; indices into matrices that are computed once.

Every null counts the observed order among its permutations, p = (1 + number at least as extreme) / (1 + permutations):
a p of 0 cannot come out. Formula: Phipson and Smyth 2010, doi 10.2202/1544-6115.1585.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import BLOCK, Floats, centre, correlate_rows

Ints = NDArray[np.int64]
Alternative = Literal["greater", "less", "two-sided"]


class PermutationNull(NamedTuple):
    """
    A statistic and what it is when the claim is broken.

    Attributes
    ----------
    observed : float
        The statistic of the data as they are.
    p_value : float
        Probability under the null; NaN where the statistic is.
    low, high : float
        Ends of the central 95 % of the null.
    null : (permutation,)
        The statistic of every permutation.
    """

    observed: float
    p_value: float
    low: float
    high: float
    null: Floats


def permutation_null(
    statistic: Callable[[Ints], Floats],
    n: int,
    rng: np.random.Generator,
    *,
    n_permutations: int = 1000,
    alternative: Alternative = "greater",
    blocks: ArrayLike | None = None,
) -> PermutationNull:
    """
    Permute indices and compute a statistic anew.

    Parameters
    ----------
    statistic : callable
        Takes orders (permutation, n) of the indices 0 to n - 1 and returns (permutation,) values. It should index into
        something computed once, for example ``lambda order: gram[order[:, :, None], order[:, None, :]].sum((1, 2))``.
    n : int
        How many things are permuted.
    rng : numpy.random.Generator
        Draws the permutations.
    n_permutations : int
        How many.
    alternative : {"greater", "less", "two-sided"}
        Which values are extreme; two-sided doubles the smaller of both.
    blocks : (n,), optional
        Labels: indices are exchanged within their block only, for example sessions of the same animal.

    Returns
    -------
    PermutationNull
        The statistic with its null.

    Raises
    ------
    ConfigError
        Unless n_permutations is positive and the alternative is known.
    ShapeError
        Unless there is one label per index.

    References
    ----------
    Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9:39,
    doi 10.2202/1544-6115.1585.

    Examples
    --------
    >>> values = np.array([1.0, 2, 3, 10, 11, 12])
    >>> null = permutation_null(lambda order: values[order[:, 3:]].mean(1), 6, np.random.default_rng(0))
    >>> null.observed, null.p_value < 0.1
    (11.0, True)
    """
    if n_permutations < 1:
        raise ConfigError(f"n_permutations must be 1 or more, got {n_permutations}")
    if alternative not in ("greater", "less", "two-sided"):
        raise ConfigError(f"alternative must be 'greater', 'less' or 'two-sided', got {alternative!r}")
    labels = np.zeros(n, dtype=np.int64) if blocks is None else np.unique(np.asarray(blocks), return_inverse=True)[1]
    if labels.shape != (n,):
        raise ShapeError(f"blocks must have one label for each of the {n} indices, got shape {labels.shape}")
    observed = float(np.asarray(statistic(np.arange(n)[None]))[0])
    places = np.argsort(labels, kind="stable")
    step, parts = max(1, BLOCK // max(n, 1)), []
    for start in range(0, n_permutations, step):
        size = min(step, n_permutations - start)
        # a random number per index: sorted within the blocks, these are the permutations
        shuffled = np.lexsort((rng.random((size, n)), np.broadcast_to(labels, (size, n))), axis=1)
        order = np.empty((size, n), dtype=np.int64)
        order[:, places] = shuffled
        parts.append(np.asarray(statistic(order), dtype=np.float64))
    null = np.concatenate(parts)
    return _against(observed, null, alternative)


def _against(observed: float, null: Floats, alternative: Alternative) -> PermutationNull:
    """Where the observed value lies among those of the null that are finite."""
    null = null[np.isfinite(null)]
    if not np.isfinite(observed) or not len(null):
        return PermutationNull(observed, float("nan"), float("nan"), float("nan"), null)
    rounding = 1e-12 * max(1.0, abs(observed))
    above = (1 + int((null >= observed - rounding).sum())) / (1 + len(null))
    below = (1 + int((null <= observed + rounding).sum())) / (1 + len(null))
    p = {"greater": above, "less": below, "two-sided": min(1.0, 2 * min(above, below))}[alternative]
    low, high = np.quantile(null, [0.025, 0.975])
    return PermutationNull(observed, float(p), float(low), float(high), null)


def null_of_session_order(
    matrices: ArrayLike,
    days: ArrayLike,
    rng: np.random.Generator,
    n_permutations: int = 1000,
    alternative: Alternative = "less",
) -> PermutationNull:
    """
    Shuffle the order of sessions, which breaks the claim that similarity changes with the days between sessions.

    Statistic: Pearson correlation over pairs of sessions of the measure with the days between them, averaged over
    animals (Mantel's test). The rows and columns of a matrix are permuted together, within each animal.

    Parameters
    ----------
    matrices : (session, session) or (animal, session, session)
        A symmetric measure. Gaps: pairs that are NaN are left out of the correlation, and go with their sessions.
    days : (session,) or (animal, session), days
        NaN for sessions that an animal did not have.
    rng : numpy.random.Generator
        Draws the permutations.
    n_permutations : int
        How many.
    alternative : {"greater", "less", "two-sided"}
        "less" for similarities that fall with lag, "greater" for angles and distances that grow.

    Returns
    -------
    PermutationNull
        NaN where no animal has three sessions.

    Raises
    ------
    ShapeError
        Where shapes do not fit.

    References
    ----------
    Mantel 1967, Cancer Research 27:209 (no DOI); its p value: Phipson and Smyth 2010, doi 10.2202/1544-6115.1585.
    """
    values, day = np.asarray(matrices, dtype=np.float64), np.asarray(days, dtype=np.float64)
    values, day = (values[None], day[None]) if values.ndim == 2 else (values, day)
    if values.ndim != 3 or day.ndim != 2 or values.shape != (*day.shape, day.shape[-1]):
        raise ShapeError(
            f"expected matrices (animal, session, session) and days (animal, session), got {values.shape} and "
            f"{day.shape}"
        )
    present = [np.flatnonzero(np.isfinite(one)) for one in day]
    kept = [animal for animal, sessions in enumerate(present) if len(sessions) > 2]
    blocks = np.concatenate([np.full(len(present[animal]), animal) for animal in kept]) if kept else np.empty(0)

    def statistic(order: Ints) -> Floats:
        found = np.full((max(len(kept), 1), len(order)), np.nan)
        start = 0
        for place, animal in enumerate(kept):
            sessions = present[animal]
            own = order[:, start : start + len(sessions)] - start
            start += len(sessions)
            row, column = np.triu_indices(len(sessions), 1)
            matrix, when = values[animal][np.ix_(sessions, sessions)], day[animal][sessions]
            shuffled = matrix[own[:, row], own[:, column]]
            lag = np.broadcast_to(np.abs(when[row] - when[column]), shuffled.shape)
            found[place] = correlate_rows(np.nan_to_num(shuffled), lag, np.isfinite(shuffled))
        counts = np.isfinite(found).sum(axis=0)
        return np.where(counts > 0, np.nansum(found, axis=0) / np.maximum(counts, 1), np.nan)

    return permutation_null(
        statistic, len(blocks), rng, n_permutations=n_permutations, alternative=alternative, blocks=blocks
    )


def null_of_unit_identity(
    maps: ArrayLike, other: ArrayLike, rng: np.random.Generator, n_permutations: int = 1000
) -> PermutationNull:
    """
    Shuffle which unit is which in one of two sessions, which breaks the claim that units keep their responses.

    Statistic: `neurofa.measures.population_vector_correlation` of the two sessions. The correlation with shuffled units
    is a sum over entries of one matrix of units, G[n, m] = mean over stimuli of z_s,n(c) z_t,m(c).

    Parameters
    ----------
    maps, other : (stimulus, unit), any unit
        One session each. Gaps: units finite in both and stimuli finite in both; a stimulus for which all these units
        are alike is left out.
    rng : numpy.random.Generator
        Draws the permutations.
    n_permutations : int
        How many.

    Returns
    -------
    PermutationNull
        NaN with fewer than two units.

    Raises
    ------
    ShapeError
        Where shapes differ.

    References
    ----------
    The measure: Rubin et al. 2015, doi 10.7554/eLife.12247; the p value: doi 10.2202/1544-6115.1585.
    """
    x, y = np.asarray(maps, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise ShapeError(f"maps and other must be (stimulus, unit) of the same shape, got {x.shape} and {y.shape}")
    finite = np.isfinite(x) & np.isfinite(y)
    kept = np.ix_(finite.any(axis=1), finite.any(axis=0))
    x, y = x[kept], y[kept]
    units = np.ones(x.shape[1], dtype=bool)
    x, y = centre(x, units), centre(y, units)
    norms = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    told = norms > 0
    gram = (x[told] / norms[told, None]).T @ y[told] / max(int(told.sum()), 1)
    places = np.arange(gram.shape[1])

    def statistic(order: Ints) -> Floats:
        return gram[order, places].sum(axis=1) if told.any() else np.full(len(order), np.nan)

    return permutation_null(statistic, len(places), rng, n_permutations=n_permutations)


def null_of_trial_labels(
    rates: ArrayLike, other: ArrayLike, rng: np.random.Generator, n_permutations: int = 1000
) -> PermutationNull:
    """
    Shuffle which session a trial belongs to, which breaks the claim that two sessions differ more than their trials.

    Statistic: |mean over repeats of one session - the same of the other|^2 / N over all stimuli and units N. Whole
    repeats (passes through all stimuli) are exchanged, so that what the stimuli of a repeat share does not count as
    drift; the statistic is w' G w, G the products of all repeats with each other.

    Parameters
    ----------
    rates, other : (stimulus, repeat, unit), any unit
        One session each; the numbers of repeats may differ. Gaps: repeats without any finite value are left out; units
        and stimuli finite in all the others of both sessions are used.
    rng : numpy.random.Generator
        Draws the permutations.
    n_permutations : int
        How many; of 5 + 5 repeats only 252 differ, so no p below about 1 / 126 means anything there.

    Returns
    -------
    PermutationNull
        NaN where a session has no repeat left.

    Raises
    ------
    ShapeError
        Where stimuli or units differ.

    References
    ----------
    Phipson and Smyth 2010, doi 10.2202/1544-6115.1585.
    """
    both = [np.asarray(one, dtype=np.float64) for one in (rates, other)]
    if any(one.ndim != 3 for one in both) or both[0].shape[::2] != both[1].shape[::2]:
        raise ShapeError(
            f"rates and other must be (stimulus, repeat, unit) of the same stimuli and units, got "
            f"{both[0].shape} and {both[1].shape}"
        )
    both = [one[:, np.isfinite(one).any(axis=(0, 2))] for one in both]
    n_first, n_all = both[0].shape[1], both[0].shape[1] + both[1].shape[1]
    trials = np.concatenate(both, axis=1)
    finite = np.isfinite(trials)
    trials = trials[finite.any(axis=(1, 2))][:, :, finite.any(axis=(0, 1))]
    complete = np.isfinite(trials).all(axis=(0, 1))
    vectors = trials[:, :, complete].transpose(1, 0, 2).reshape(n_all, -1)
    gram = vectors @ vectors.T / max(vectors.shape[1], 1)
    told = 0 < n_first < n_all and vectors.shape[1] > 0
    weight = np.where(np.arange(n_all) < n_first, 1 / max(n_first, 1), -1 / max(n_all - n_first, 1))

    def statistic(order: Ints) -> Floats:
        if not told:
            return np.full(len(order), np.nan)
        given = weight[order]
        return np.asarray(np.einsum("pi,ij,pj->p", given, gram, given, optimize=True))

    return permutation_null(statistic, n_all, rng, n_permutations=n_permutations)
