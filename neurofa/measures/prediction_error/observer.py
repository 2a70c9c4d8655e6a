"""Surprise of an ideal observer that learns which event follows which."""

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats


def observer_surprise(identity: ArrayLike, block: ArrayLike, n_identities: int, prior: float = 1.0) -> Floats:
    """
    Surprise -ln p of every event to an observer that counts transitions, afresh in every block.

    p = (n(a, b) + prior) / (n(a) + prior K), where event b follows a, n are counts before this event within the block,
    and K is the number of identities: the predictive probability of a Dirichlet prior. The first event of a block has
    p = 1 / K.

    Parameters
    ----------
    identity : (event,) int
        What was shown, from 0.
    block : (event,) int
        Where it changes, counts start afresh.
    n_identities : int
        How many there are.
    prior : float
        Pseudo-count of every transition, above 0.

    Returns
    -------
    (event,), nat
        Surprise.

    Raises
    ------
    ConfigError
        Unless the prior is above 0.
    ShapeError
        Where the shapes differ.

    Examples
    --------
    >>> observer_surprise([0, 0, 0, 1], [0, 0, 0, 0], 2).round(3).tolist()
    [0.693, 0.693, 0.405, 1.386]
    """
    shown, of_block = _checked(identity, block, prior)
    surprise = np.full(shown.size, np.log(n_identities))
    counts = np.zeros((n_identities, n_identities))
    for event in range(1, shown.size):
        if of_block[event] != of_block[event - 1]:
            counts[:] = 0
            continue
        before, now = int(shown[event - 1]), int(shown[event])
        total = counts[before].sum() + prior * n_identities
        surprise[event] = np.log(total) - np.log(counts[before, now] + prior)
        counts[before, now] += 1
    return surprise


def surprise_sign(
    identity: ArrayLike, block: ArrayLike, amount: ArrayLike, prior: float = 1.0, tolerance: float = 0.05
) -> Floats:
    """
    Whether an event brings more (1) or less (-1) than the observer of `observer_surprise` expected, or as much (0).

    Expected is sum_b p(b | a) m_b after event a, with m_b the mean amount of identity b over all events given, and p
    over those. Signed surprise is this sign times the surprise: a reward that comes against one that fails to come,
    flow that halts against flow that starts. Where events differ in kind and not in amount, as tones do, it is 0.

    Parameters
    ----------
    identity : (event,) int
        What was shown, from 0.
    block : (event,) int
        Where it changes, counts start afresh.
    amount : (event,), any unit
        How much each event brings, such as the mean over outcomes.
    prior : float
        Pseudo-count of every transition, above 0.
    tolerance : float
        Differences up to this share of the largest amount count as none.

    Returns
    -------
    (event,)
        1, 0 or -1.

    Raises
    ------
    ConfigError
        Unless the prior is above 0.
    ShapeError
        Where the shapes differ.

    Examples
    --------
    >>> surprise_sign([0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1.0, 1.0, 1.0, 0.0, 1.0]).tolist()
    [1.0, 1.0, 1.0, -1.0, 1.0]
    """
    shown, of_block = _checked(identity, block, prior)
    brought = np.asarray(amount, dtype=np.float64)
    if brought.shape != shown.shape:
        raise ShapeError(f"amount must be (event,) as identity is, got shapes {brought.shape} and {shown.shape}")
    kinds, place = np.unique(shown, return_inverse=True)
    typical = np.bincount(place, brought) / np.bincount(place) if shown.size else np.zeros(0)
    expected = np.full(shown.size, typical.mean() if shown.size else 0.0)
    counts, sums = np.zeros((2, len(kinds)))
    for event in range(1, shown.size):
        if of_block[event] != of_block[event - 1]:
            counts[:], sums[:] = 0, 0
            continue
        before = place[event - 1]
        expected[event] = (sums[before] + prior * typical.sum()) / (counts[before] + prior * len(kinds))
        counts[before] += 1
        sums[before] += typical[place[event]]
    difference = brought - expected
    smallest = tolerance * float(np.abs(brought).max(initial=0.0))
    return np.where(np.abs(difference) > smallest, np.sign(difference), 0.0)


def _checked(identity: ArrayLike, block: ArrayLike, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Identity and block of every event, of equal length."""
    shown, of_block = np.asarray(identity), np.asarray(block)
    if shown.ndim != 1 or shown.shape != of_block.shape:
        raise ShapeError(f"identity and block must be (event,), got shapes {shown.shape} and {of_block.shape}")
    if not prior > 0:
        raise ConfigError(f"prior must be above 0, got {prior:g}")
    return shown, of_block
