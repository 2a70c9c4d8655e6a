"""Drift vectors of the population's activity, their size, angles between sessions, and shared geometry of stimuli.

Every entry [i, j] of a matrix is session i (the earlier) of the first against session j of the second argument.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ShapeError
from neurofa.measures.kernels import ROUNDING, Bools, Floats, Masked, mask_maps, mask_pair
from neurofa.measures.pairs import angles_of_pairs, mean_of_defined, pairs, pairs_of_halves

#: deviations below this part of a session's largest value are rounding
SMALLEST = 1e-14


class DriftVectors(NamedTuple):
    """
    Drift of every stimulus between two sessions.

    Attributes
    ----------
    vector, direction : (stimulus, unit)
        d = x_t - x_s, in the unit of the maps, and d / |d|. NaN for units and stimuli that are not in both sessions;
        the direction is NaN where nothing moved.
    magnitude : (stimulus,)
        |d|, in the unit of the maps; NaN for stimuli that are not in both sessions.
    relative_magnitude : (stimulus,)
        |d| / |x_s| over the same units; NaN where x_s is zero.
    """

    vector: Floats
    direction: Floats
    magnitude: Floats
    relative_magnitude: Floats


def drift_vectors(earlier: ArrayLike, later: ArrayLike) -> DriftVectors:
    """
    Drift vectors between the maps of two sessions, with size and direction.

    d(c) = x_t(c) - x_s(c) for every stimulus c (eq. 5 of the source), relative size |d(c)| / |x_s(c)| (eq. 12a before
    the mean over stimuli).

    Parameters
    ----------
    earlier, later : (stimulus, unit), Hz or a.u.
        Mean rates. Gaps: units and stimuli finite in both are used, also for |x_s|; the rest is NaN in the result.

    Returns
    -------
    DriftVectors
        Vectors, directions, sizes.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.

    Examples
    --------
    >>> drift = drift_vectors([[3.0, 4.0, 1.0]], [[3.0, 9.0, float("nan")]])
    >>> drift.vector.tolist(), drift.relative_magnitude.tolist()
    ([[0.0, 5.0, nan]], [1.0])
    """
    first, second = np.asarray(earlier, dtype=np.float64), np.asarray(later, dtype=np.float64)
    if first.ndim != 2 or first.shape != second.shape:
        raise ShapeError(
            f"earlier and later must have the same dimensions (stimulus, unit), got shapes {first.shape} "
            f"and {second.shape}"
        )
    pair = next(pairs(mask_maps(first[None], "earlier"), mask_maps(second[None], "later")))
    drift = pair.y[0] - pair.x[0]
    size, norm = np.linalg.norm(drift, axis=1), np.linalg.norm(pair.x[0], axis=1)
    kept = pair.stimuli[0][:, None] & pair.units[0]
    some = kept.any(axis=1)
    return DriftVectors(
        np.where(kept, drift, np.nan),
        np.where(kept & (size > 0)[:, None], drift / np.where(size > 0, size, 1.0)[:, None], np.nan),
        np.where(some, size, np.nan),
        np.where(some & (norm > 0), size / np.where(norm > 0, norm, 1.0), np.nan),
    )


def drift_magnitude(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Size of the drift relative to the mean activity of the earlier session.

    dbar(s, t) = mean over stimuli c of |x_t(c) - x_s(c)| / |x_s(c)| (eq. 12a of the source). Noise of the trials adds
    to it: sessions without drift have sqrt(2) times the relative error of the mean, not 0. Without that part:
    `drift_magnitude_noise_corrected`.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; a stimulus
        for which these units are silent in the earlier session is left out of the mean.
    other : (session, stimulus, unit), optional
        The later sessions; without it, `maps`.

    Returns
    -------
    (session, session), 0 or more
        [i, j] is relative to session i: not symmetric. NaN where no stimulus is left.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.
    """
    rows = []
    for pair in pairs(*mask_pair(maps, other)):
        norm = np.linalg.norm(pair.x, axis=2)
        relative = np.linalg.norm(pair.y - pair.x, axis=2) / np.where(norm > 0, norm, 1.0)
        rows.append(mean_of_defined(relative, norm > 0))
    return np.stack(rows)


def drift_magnitude_noise_corrected(halves: ArrayLike) -> Floats:
    """
    Size of the drift relative to the mean activity of the earlier session, without the noise of the trials.

    sqrt( sum_c d^a(c) . d^b(c) / sum_c x_s^a(c) . x_s^b(c) ), d^h = x_t^h - x_s^h of the halves h = a, b: numerator
    and denominator have no bias when the noise of the two halves is independent. A ratio of sums over stimuli, where
    `drift_magnitude` is a mean of ratios: the two agree without noise only if the ratio is the same for all stimuli.

    Measured to hold (mean error of four animals below 0.03, drift of six known kinds and none, 40 stimuli): 50 to 1,000
    cells, signal to noise (variances, one repeat) x repeats from 5 on. Below, drift that is 0 comes out as up to 0.04,
    since a square that is negative by chance counts as 0.

    Parameters
    ----------
    halves : (half, session, stimulus, unit), Hz or a.u.
        Maps of the two halves of each session's repeats. Gaps: as in `drift_magnitude`.

    Returns
    -------
    (session, session), 0 or more
        0 where the estimate of the square is negative, as it is in half of the pairs without drift; NaN where the
        estimate of |x_s|^2 is not above 0.

    Raises
    ------
    ShapeError
        Unless there are two halves of three dimensions, or where single values are missing.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716 (the measure); Walther
    et al. 2016, NeuroImage 137:188, doi 10.1016/j.neuroimage.2015.12.012 (distances without bias).
    """
    rows = []
    for a, b in pairs_of_halves(halves):
        power = np.einsum("jkn,jkn->j", a.x, b.x)
        square = np.einsum("jkn,jkn->j", a.y - a.x, b.y - b.x)
        relative = np.sqrt(np.maximum(square, 0.0) / np.where(power > 0, power, 1.0))
        rows.append(np.where(power > 0, relative, np.nan))
    return np.stack(rows)


def angle_between_population_vectors_deg(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Angle between the population's activity for the same stimulus in two sessions, averaged over stimuli.

    theta(s, t) = mean over stimuli c of arccos( x_s(c) . x_t(c) / (|x_s(c)| |x_t(c)|) ), eq. 6 of the source; computed
    as 2 atan2(|u - v|, |u + v|) of the two unit vectors. Rates are not centred: `angle_unaligned_deg` centres them.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; a stimulus for
        which these units are silent in one of the two is left out of the mean.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), degrees, 0 to 180
        NaN where no stimulus is left.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.
    """
    found = angles_of_pairs(*mask_pair(maps, other))
    return np.degrees(np.stack([mean_of_defined(angle, defined) for angle, defined in found]))


def linear_cka(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Linear centred kernel alignment between the maps of two sessions.

    CKA(s, t) = <K, L>_F / (|K|_F |L|_F) with K = A A^T and L = B B^T, A and B the maps (stimulus x unit) with each
    unit's mean over stimuli subtracted; the same as |B^T A|_F^2 / (|A^T A|_F |B^T B|_F).

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; centring is
        over these.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), 0 to 1
        1 where the geometry of the stimuli is the same up to rotation and scale. Not 0 without any relation: about
        N / (N + K) for N independent units of equal variance and K stimuli, so that many units look alike whatever
        they do. NaN where no map is left or one of the two does not vary over stimuli.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Kornblith et al. 2019, ICML, doi 10.48550/arXiv.1905.00414.
    """
    first, second = mask_pair(maps, other)
    ours, theirs = _scaled(first), _scaled(second)
    if all(maps.units.all() and maps.stimuli.all() for maps in (first, second)):
        grams = [_centred_grams(each, each, maps.stimuli) for each, maps in ((ours, first), (theirs, second))]
        one, two = (each.reshape(len(each), -1) for each in grams)
        return _cosines(one @ two.T, np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1)))
    rows = []
    for session, values in enumerate(ours):
        kept = first.stimuli[session] & second.stimuli
        gram = _centred_grams((values * first.units[session]) * second.units[:, None, :], values, kept)
        other_gram = _centred_grams(theirs * first.units[session], theirs, kept)
        product = (gram * other_gram).sum(axis=(1, 2))
        norms = np.linalg.norm(gram, axis=(1, 2)) * np.linalg.norm(other_gram, axis=(1, 2))
        rows.append(_cosines(product, norms))
    return np.stack(rows)


def _cosines(product: Floats, norms: Floats) -> Floats:
    """Products divided by the products of norms, 1 at most; NaN where one of the two is 0."""
    return np.where(norms > 0, np.minimum(product / np.where(norms > 0, norms, 1.0), 1.0), np.nan)


def _scaled(maps: Masked) -> Floats:
    """Maps minus each unit's mean over the session's stimuli, divided by the largest value; rounding becomes 0."""
    largest = np.abs(maps.values).max(axis=(1, 2), keepdims=True, initial=0.0)
    values = maps.values / np.where(largest > 0, largest, 1.0)
    count = np.maximum(maps.stimuli.sum(axis=1), 1)[:, None, None]
    values = (values - values.sum(axis=1, keepdims=True) / count) * maps.stimuli[:, :, None]
    return np.where(np.abs(values) > SMALLEST, values, 0.0)


def _centred_grams(values: Floats, others: Floats, kept: Bools) -> Floats:
    """Products (other session, stimulus, stimulus), centred over the stimuli of the pair; 0 outside of them."""
    weights = kept.astype(np.float64)
    grams = values @ others.swapaxes(-1, -2) * weights[:, :, None] * weights[:, None, :]
    power = np.trace(grams, axis1=1, axis2=2)
    count = np.maximum(weights.sum(axis=1), 1)[:, None, None]
    grams = grams - weights[:, :, None] * grams.sum(axis=1, keepdims=True) / count
    grams = grams - weights[:, None, :] * grams.sum(axis=2, keepdims=True) / count
    varies = np.trace(grams, axis1=1, axis2=2) > ROUNDING * power
    centred: Floats = np.where(varies[:, None, None], grams, 0.0)
    return centred
