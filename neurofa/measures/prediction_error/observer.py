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
    shown, of_block = np.asarray(identity), np.asarray(block)
    if shown.ndim != 1 or shown.shape != of_block.shape:
        raise ShapeError(f"identity and block must be (event,), got shapes {shown.shape} and {of_block.shape}")
    if not prior > 0:
        raise ConfigError(f"prior must be above 0, got {prior:g}")
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
