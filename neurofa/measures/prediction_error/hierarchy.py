"""Whether an index rises from layer to layer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats


class Hierarchy(NamedTuple):
    """
    Order of an index along the layers.

    Attributes
    ----------
    spearman : (animal,), -1 to 1
        Rank correlation of the index with the number of the layer.
    slope : float
        Mean over animals of the least-squares slope, per layer.
    low, high : float
        Bootstrap interval of the slope over animals; NaN with one animal.
    """

    spearman: Floats
    slope: float
    low: float
    high: float


def hierarchy(index: ArrayLike, rng: np.random.Generator, n_resamples: int = 2000, level: float = 0.95) -> Hierarchy:
    """
    Rank correlation and slope of an index along the layers, animal by animal.

    Parameters
    ----------
    index : (animal, layer)
        One value per layer, such as the mean iPE of its units, from the layer next to the input on. Gaps: an animal
        uses the layers that have a value.
    rng : numpy.random.Generator
        Draws the resamples of animals.
    n_resamples : int
        Resamples.
    level : float
        Coverage of the interval.

    Returns
    -------
    Hierarchy
        NaN for animals with fewer than two layers; the rank correlation also where the index does not vary.

    Raises
    ------
    ConfigError
        Unless n_resamples is positive and 0 < level < 1.
    ShapeError
        Unless there are two dimensions and two layers.

    References
    ----------
    Parras et al. 2017, Nature Communications 8:2148, doi 10.1038/s41467-017-02038-6.
    """
    from scipy.stats import rankdata

    values = np.asarray(index, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ShapeError(f"a hierarchy needs values (animal, layer) of at least two layers, got shape {values.shape}")
    if n_resamples < 1 or not 0 < level < 1:
        raise ConfigError(f"n_resamples must be positive and level between 0 and 1, got {n_resamples} and {level}")
    ranks, slopes = np.full((2, len(values)), np.nan)
    for animal, own in enumerate(values):
        layer = np.flatnonzero(np.isfinite(own)).astype(np.float64)
        if layer.size < 2:
            continue
        there = own[np.isfinite(own)]
        centred = layer - layer.mean()
        slopes[animal] = centred @ there / (centred @ centred)
        order = rankdata(there) - (layer.size + 1) / 2
        along = rankdata(layer) - (layer.size + 1) / 2
        if order.any():
            ranks[animal] = order @ along / np.sqrt((order @ order) * (along @ along))
    told = slopes[np.isfinite(slopes)]
    if not told.size:
        return Hierarchy(ranks, float("nan"), float("nan"), float("nan"))
    if told.size == 1:
        return Hierarchy(ranks, float(told[0]), float("nan"), float("nan"))
    means = told[rng.integers(0, told.size, (n_resamples, told.size))].mean(axis=1)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return Hierarchy(ranks, float(told.mean()), float(low), float(high))
