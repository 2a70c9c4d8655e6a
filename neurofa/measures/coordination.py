"""Whether the representations of different stimuli drift together, and along which principal components they drift.

Every entry [i, j] of a matrix is session i (the earlier) against session j. Definitions: Aitken et al. 2022 (doi
10.1371/journal.pcbi.1010716), eqs. 3-5, 12 and 13.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import (
    ROUNDING,
    Bools,
    Floats,
    Masked,
    mask_pair,
)
from neurofa.measures.pairs import (
    alike,
    mean_of_defined,
    of_units,
    pairs,
    pairs_of_halves,
)
from neurofa.measures.repeats import mask_repeats
from neurofa.measures.variational import NEARLY


class WithinSession(NamedTuple):
    """
    How responses vary from repeat to repeat within each session: means over stimuli.

    Attributes
    ----------
    participation_ratio : (session,), dimensions
        D.
    participation_ratio_per_cell : (session,)
        D / N, N the units recorded in the session.
    variance_in_space : (session,), 0 to 1
        Share of the variance that the first ceil(D) components hold.
    """

    participation_ratio: Floats
    participation_ratio_per_cell: Floats
    variance_in_space: Floats


class DriftAlongComponents(NamedTuple):
    """
    Drift along the principal components of the repeats of the earlier session: means over stimuli.

    Attributes
    ----------
    size : (session, session, component), 0 to 1
        |d . w_i| / |d|.
    angle_deg : (session, session, component), degrees
        Angle between d and w_i, whose sign is such that mean . w_i > 0: above 90 the response shrinks along it.
    variance_ratio : (session, component)
        Share of the variance along w_i.
    chance : (session, session)
        Mean |d . w| / |d| of drift without preferred direction, sqrt(2 / (pi N)), N the units of the pair.
    """

    size: Floats
    angle_deg: Floats
    variance_ratio: Floats
    chance: Floats


def angle_between_drift_vectors_deg(maps: ArrayLike, group: ArrayLike | None = None) -> Floats:
    """
    Angle between the drift vectors of different stimulus groups: coordination of drift.

    Mean over pairs p < q of groups of arccos( d_p . d_q / (|d_p| |d_q|) ), d_p = x_t(p) - x_s(p), x(p) the mean
    response to the group. Noise of the trials, independent between groups, draws it towards 90:
    `angle_between_drift_vectors_deg_noise_corrected`.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; groups without
        drift are left out.
    group : (stimulus,), optional
        Labels: stimuli of one label are averaged first. Without it every stimulus is a group.

    Returns
    -------
    (session, session), degrees, 0 to 180
        90 where drift of one group says nothing about that of another, 0 where all move by the same vector; NaN with
        fewer than two groups, and of a session with itself.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.

    Examples
    --------
    >>> angle_between_drift_vectors_deg([[[0.0, 0], [1, 1]], [[1, 0], [1, 2]]])[0, 1].round(6).tolist()
    90.0
    """
    rows = []
    for pair in pairs(*_of_groups(maps, group)):
        drift = pair.y - pair.x
        norm = np.linalg.norm(drift, axis=2)
        moved = norm > np.sqrt(ROUNDING) * np.linalg.norm(pair.x, axis=2)
        unit = drift / np.where(moved, norm, 1.0)[:, :, None]
        cosine = np.clip(unit @ unit.swapaxes(1, 2), -1.0, 1.0)
        first, second = np.triu_indices(cosine.shape[1], 1)
        both = moved[:, first] & moved[:, second]
        rows.append(np.degrees(mean_of_defined(np.arccos(cosine[:, first, second]), both)))
    return np.stack(rows)


def angle_between_drift_vectors_deg_noise_corrected(halves: ArrayLike, group: ArrayLike | None = None) -> Floats:
    """
    Angle between the drift vectors of different stimulus groups without the noise of the trials.

    arccos of the mean over pairs p != q of d_p^a . d_q^b, divided by the mean over p of d_p^a . d_p^b, d^h the drift
    in the halves h = a, b of the repeats: a ratio of means, no mean of angles, so that groups that drift more weigh
    more.

    Measured to hold (mean error of the cosine of four animals below 0.03, about 2 degrees, against
    `angle_between_drift_vectors_deg` without noise; drift of five known kinds, 40 stimuli): signal to noise (variances,
    one repeat) x repeats from 10 on with 50 cells, from 2.5 on with 200 to 1,000; what is left at 50 cells is the
    difference between a ratio of means and a mean of angles. Below, up to 0.04, and pairs without a value; without
    drift it has none.

    Parameters
    ----------
    halves : (half, session, stimulus, unit), Hz or a.u.
        Maps of the two halves of each session's repeats. Gaps: as in `angle_between_drift_vectors_deg`, in both halves.
    group : (stimulus,), optional
        Labels.

    Returns
    -------
    (session, session), degrees, 0 to 180
        NaN with fewer than two groups, of a session with itself, and where the noise-corrected drift is not above 0.

    Raises
    ------
    ShapeError
        Unless there are two halves of three dimensions, or where single values are missing.

    References
    ----------
    Aitken et al. 2022, doi 10.1371/journal.pcbi.1010716 (the measure); Walther et al. 2016, NeuroImage 137:188, doi
    10.1016/j.neuroimage.2015.12.012 (products without bias).
    """
    values = np.asarray(halves, dtype=np.float64)
    if values.ndim != 4 or len(values) != 2:
        raise ShapeError(f"halves must have the dimensions (2, session, stimulus, unit), got shape {values.shape}")
    grouped = np.stack([_group_means(half, group) for half in values])
    rows = []
    for a, b in pairs_of_halves(grouped):
        first, second = a.y - a.x, b.y - b.x
        own = np.einsum("jkn,jkn->j", first, second)
        every = np.einsum("jn,jn->j", first.sum(axis=1), second.sum(axis=1))
        n = a.stimuli.sum(axis=1)
        defined = (own > ROUNDING * (a.x**2 + a.y**2).sum(axis=(1, 2))) & (n >= 2)
        cosine = (every - own) / (np.maximum(n - 1, 1) * np.where(defined, own, 1.0))
        rows.append(np.where(defined, np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))), np.nan))
    return np.stack(rows)


def variation_within_sessions(responses: ArrayLike) -> WithinSession:
    """
    Dimensions in which responses vary from repeat to repeat, and the variance that they hold.

    D = (sum v_i)^2 / sum v_i^2 (eq. 4) of each stimulus, D / N, and sum of the first ceil(D) of v_i / sum v_i.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: whole units of a session, whole repeats of a stimulus; stimuli with fewer than two repeats or without
        variance are left out of the means.

    Returns
    -------
    WithinSession
        NaN where no stimulus is left. D is at most the number of repeats minus 1: compare equal numbers of repeats.

    Raises
    ------
    ShapeError
        Unless there are four dimensions, and gaps are as above.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.
    """
    repeats = mask_repeats(responses)
    dimensions, held = np.full((2, len(repeats.values)), np.nan)
    for session, values in enumerate(repeats.values):
        shown = repeats.weights[session] > 0
        _, ratio = _components(of_units(values, repeats.units[session]), shown, values.shape[1])
        squares = (ratio**2).sum(axis=1)
        defined = (shown.sum(axis=1) >= 2) & (squares > 0)
        number = 1 / np.where(defined, squares, 1.0)
        first = np.arange(ratio.shape[1]) < np.ceil(number - NEARLY)[:, None]
        dimensions[session] = mean_of_defined(number, defined)
        held[session] = mean_of_defined((ratio * first).sum(axis=1), defined)
    n_units = repeats.units.sum(axis=1)
    per_cell = np.where(n_units > 0, dimensions / np.maximum(n_units, 1), np.nan)
    return WithinSession(dimensions, per_cell, held)


def drift_along_components(responses: ArrayLike, n_components: int = 5) -> DriftAlongComponents:
    """
    Drift along single principal components of the repeats of the earlier session.

    |d . w_i| / |d| and the angle between d and w_i (eqs. 3 and 13), d the drift of a stimulus's mean response and w_i
    its component with the i-th largest variance in session s, signed so that mean . w_i > 0. Noise of the trials lies
    along these components: it adds to the drift along the first ones, as in `compare_variational_spaces`.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: whole units of a session, whole repeats of a stimulus; a pair uses the units of both, for the components
        too. Stimuli without the component (fewer repeats), or without drift, are left out of the means.
    n_components : int
        How many components.

    Returns
    -------
    DriftAlongComponents
        NaN where no stimulus is left, and of a session with itself.

    Raises
    ------
    ConfigError
        Where `n_components` is below 1.
    ShapeError
        Unless there are four dimensions, and gaps are as above.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.
    """
    if n_components < 1:
        raise ConfigError(f"n_components must be 1 or more, got {n_components}")
    repeats = mask_repeats(responses)
    means, n = repeats.means(), len(repeats.values)
    size, angle = np.full((2, n, n, n_components), np.nan)
    variance, chance = np.full((n, n_components), np.nan), np.full((n, n), np.nan)
    shown = repeats.shown()
    for i in range(n):
        own = _components(of_units(repeats.values[i], repeats.units[i]), repeats.weights[i] > 0, n_components)
        variance[i] = mean_of_defined(own[1].T, np.asarray(own[1] > 0).T)
        for units, others in alike(repeats.units, i):
            axes, held = own
            if (units != repeats.units[i]).any():
                axes, held = _components(of_units(repeats.values[i], units), repeats.weights[i] > 0, n_components)
            drift = of_units(means[others] - means[i], units)
            norm = np.sqrt(np.einsum("jkn,jkn->jk", drift, drift))
            smallest = np.sqrt(ROUNDING) * np.linalg.norm(of_units(means[i], units), axis=1)
            moved = np.asarray(shown[i] & shown[others] & (norm > smallest))
            along = axes @ np.ascontiguousarray(drift.transpose(1, 2, 0))
            cosines = along.transpose(2, 1, 0) / np.where(moved, norm, 1.0)[:, None, :]
            defined = np.asarray(moved[:, None, :] & (held > 0).T)
            size[i, others] = mean_of_defined(np.abs(cosines), defined)
            angle[i, others] = np.degrees(mean_of_defined(np.arccos(np.clip(cosines, -1.0, 1.0)), defined))
            chance[i, others] = np.sqrt(2 / (np.pi * units.sum()))
    return DriftAlongComponents(size, angle, variance, chance)


def _components(values: Floats, shown: Bools, n_components: int) -> tuple[Floats, Floats]:
    """Signed axes (stimulus, component, unit) and shares of variance of (stimulus, repeat, unit); 0 where none."""
    count = np.maximum(shown.sum(axis=1), 1)[:, None]
    mean = values.sum(axis=1) / count
    deviations = values - mean[:, None, :]
    deviations *= shown[:, :, None]
    power, vectors = np.linalg.eigh(deviations @ deviations.swapaxes(1, 2))
    power, vectors = power[:, ::-1], vectors[:, :, ::-1]
    power = np.where(power > 1e-10 * np.maximum(power[:, :1], 1e-300), power, 0.0)
    total = power.sum(axis=1, keepdims=True)
    kept = min(n_components, power.shape[1])
    length = np.sqrt(power[:, None, :kept])
    axes = (vectors[:, :, :kept] / np.where(length > 0, length, 1.0)).swapaxes(1, 2) @ deviations
    axes *= np.where((axes @ mean[:, :, None]) < 0, -1.0, 1.0)
    ratio = power[:, :kept] / np.where(total > 0, total, 1.0)
    missing = n_components - kept
    return np.pad(axes, ((0, 0), (0, missing), (0, 0))), np.pad(ratio, ((0, 0), (0, missing)))


def _of_groups(maps: ArrayLike, group: ArrayLike | None) -> tuple[Masked, Masked]:
    """Masked maps of groups of stimuli."""
    return mask_pair(_group_means(np.asarray(maps, dtype=np.float64), group), None)


def _group_means(maps: Floats, group: ArrayLike | None) -> Floats:
    """Maps (session, group, unit): means over the stimuli of each label; NaN where one of them is missing."""
    if group is None:
        return maps
    labels = np.asarray(group)
    if maps.ndim != 3 or labels.shape != maps.shape[1:2]:
        raise ShapeError(f"group must have one label per stimulus, got shape {labels.shape} for maps {maps.shape}")
    return np.stack(
        [maps[:, labels == label].mean(axis=1) for label in dict.fromkeys(labels.tolist())],
        axis=1,
    )
