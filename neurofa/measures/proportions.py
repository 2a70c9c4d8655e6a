"""How many of the animals do it, with an interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError
from neurofa.measures.kernels import Floats


class ProportionInterval(NamedTuple):
    """
    Proportion and interval.

    Attributes
    ----------
    proportion, low, high : array
        The proportion and the ends of its interval, 0 to 1.
    """

    proportion: Floats
    low: Floats
    high: Floats


def proportion_and_interval(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> ProportionInterval:
    """
    Proportion of successes with Wilson's score interval, which stays between 0 and 1 and is fit for few animals.

    Parameters
    ----------
    successes, n : int or array of int, broadcast against each other
        Successes, and animals in all.
    level : float
        Coverage of the interval.

    Returns
    -------
    ProportionInterval
        NaN where n is 0.

    Raises
    ------
    ConfigError
        Unless 0 <= successes <= n and 0 < level < 1.

    References
    ----------
    Wilson 1927, Journal of the American Statistical Association 22:209, doi 10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> interval = proportion_and_interval(5, 10)
    >>> round(float(interval.low), 3), round(float(interval.high), 3)
    (0.237, 0.763)
    """
    from scipy.stats import binomtest

    if not 0 < level < 1:
        raise ConfigError(f"level must lie between 0 and 1, got {level}")
    wins, trials = np.broadcast_arrays(np.asarray(successes, dtype=np.int64), np.asarray(n, dtype=np.int64))
    if (wins < 0).any() or (wins > trials).any():
        raise ConfigError(f"there must be 0 to n successes, got {successes!r} of {n!r}")
    values = np.full((3, *wins.shape), np.nan)
    for place in np.ndindex(wins.shape):
        if trials[place] > 0:
            interval = binomtest(int(wins[place]), int(trials[place])).proportion_ci(level, method="wilson")
            values[(slice(None), *place)] = wins[place] / trials[place], interval.low, interval.high
    return ProportionInterval(*values)
