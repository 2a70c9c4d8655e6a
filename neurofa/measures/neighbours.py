"""Information between hidden activity and target from distances to nearest neighbours: no bins, no Gaussian."""

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError
from neurofa.measures.information import labels_of, samples_of
from neurofa.measures.kernels import Floats


def target_information_neighbours(hidden: ArrayLike, target: ArrayLike, neighbours: int = 3) -> float:
    """
    Information between hidden activity and target by the k-nearest-neighbour estimator.

    Values: I = psi(k) + psi(N) - <psi(n_H + 1) + psi(n_Y + 1)>, n_H and n_Y the samples nearer in H alone, and in Y
    alone, than the k-th neighbour in both (largest coordinate difference). Labels: I = psi(k) + psi(N) - <psi(N_label)>
    - <psi(m)>, m the samples of any label at most as far as the k-th neighbour of the same label. Units and outputs
    are divided by their standard deviation first; constant ones are left out. It takes seconds for 20,000 samples of 6
    units, and needs more samples the more units there are.

    Parameters
    ----------
    hidden : (sample, unit), a.u.
        Rates of a layer.
    target : (sample, output) or (sample,)
        Values, or labels of classes: one whole number, bool or text per sample.
    neighbours : int
        k; more of them: less scatter, more bias.

    Returns
    -------
    float, bits
        0 at least; NaN where something is not finite, nothing varies, or there are not more samples than neighbours.
        Samples whose label occurs once are left out.

    Raises
    ------
    ConfigError
        Unless there is one neighbour at least.
    ShapeError
        Where the numbers of samples differ.

    References
    ----------
    Values: Kraskov, Stoegbauer & Grassberger 2004, Phys. Rev. E 69:066138, doi 10.1103/PhysRevE.69.066138, algorithm 1.
    Labels: Ross 2014, PLoS ONE 9:e87357, doi 10.1371/journal.pone.0087357.
    """
    if neighbours < 1:
        raise ConfigError(f"there must be one neighbour at least, got {neighbours}")
    labels = labels_of(target)
    rates, wanted = samples_of(hidden, target if labels is None else labels)
    if not np.isfinite(rates.sum() + wanted.sum()) or len(rates) <= neighbours:
        return np.nan
    rates, wanted = _scaled(rates), _scaled(wanted)
    if not rates.size or not wanted.size:
        return np.nan
    nats = _of_values(rates, wanted, neighbours) if labels is None else _of_labels(rates, labels, neighbours)
    return max(0.0, nats / np.log(2)) if np.isfinite(nats) else np.nan


def _scaled(values: Floats) -> Floats:
    """Columns that vary, divided by their standard deviation."""
    spread = values.std(axis=0)
    varies = spread > 1e-12 * np.abs(values).max(axis=0, initial=0.0)
    scaled: Floats = values[:, varies] / spread[varies]
    return scaled


def _of_values(rates: Floats, wanted: Floats, neighbours: int) -> float:
    """Kraskov's first algorithm, in nats."""
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    both = np.hstack([rates, wanted])
    # the nearest sample is the sample itself
    distance = cKDTree(both).query(both, neighbours + 1, p=np.inf)[0][:, -1]
    nearer = np.nextafter(distance, 0.0)
    counted = [
        digamma(cKDTree(part).query_ball_point(part, nearer, p=np.inf, return_length=True)) for part in (rates, wanted)
    ]
    return float(digamma(neighbours) + digamma(len(rates)) - np.mean(counted[0] + counted[1]))


def _of_labels(rates: Floats, labels: np.ndarray, neighbours: int) -> float:
    """Ross's estimator, in nats."""
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    sizes = np.bincount(labels)
    kept = sizes[labels] > 1
    rates, labels = rates[kept], labels[kept]
    if not len(rates):
        return np.nan
    radius, nearest = np.empty(len(rates)), np.minimum(neighbours, sizes - 1)
    for label in np.unique(labels):
        own = labels == label
        radius[own] = cKDTree(rates[own]).query(rates[own], [nearest[label] + 1], p=np.inf)[0][:, 0]
    within = cKDTree(rates).query_ball_point(rates, np.nextafter(radius, 0.0), p=np.inf, return_length=True)
    terms = digamma(nearest[labels]) - digamma(sizes[labels]) - digamma(within)
    return float(digamma(len(rates)) + terms.mean())
