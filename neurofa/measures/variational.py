"""The space in which the responses to one stimulus vary from repeat to repeat, and the drift that lies in it.

What is computed for one stimulus group is averaged over groups. Definitions: Aitken et al. 2022 (doi
10.1371/journal.pcbi.1010716), eqs. 3, 4, 9 and 10.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import ROUNDING, Bools, Floats
from neurofa.measures.pairs import mean_of_defined, of_units

Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

#: what is this far above a whole number is rounding
NEARLY = 1e-9
#: variances below this part of the largest are rounding
NEGLIGIBLE = 1e-10
#: numbers whose participation ratios are computed at once
AT_ONCE = 100_000


@dataclass(frozen=True)
class VariationalSpace:
    """
    Principal components of the responses to one stimulus group in one session.

    Attributes
    ----------
    axes : (component, unit)
        Orthonormal over the units present, NaN elsewhere; the sign is such that mean . axis > 0 (eq. 3).
    variance_ratio : (component,)
        Share of the variance along each axis, falling; of all components it would be 1.
    participation_ratio : float
        D, eq. 4.
    """

    axes: Floats
    variance_ratio: Floats
    participation_ratio: float


class DriftAndSpaces(NamedTuple):
    """
    How drift and variational spaces of sessions lie to each other: means over stimuli.

    Attributes
    ----------
    dimensions : (session, session)
        Dimensions of the space of session i over the units of the pair.
    in_space_ratio : (session, session), 0 to 1
        gamma of the drift from session i to j in the space of session i; NaN of a session with itself.
    in_space_chance : (session, session), 0 to 1
        gamma of drift without preferred direction.
    overlap : (session, session), 0 to 1
        Gamma of the two spaces; 1 of a session with itself.
    overlap_chance : (session, session), 0 to 1
        Gamma of spaces of the same dimensions without preferred direction.
    """

    dimensions: Floats
    in_space_ratio: Floats
    in_space_chance: Floats
    overlap: Floats
    overlap_chance: Floats


def participation_ratio(responses: ArrayLike) -> Floats:
    """
    Effective number of dimensions in which responses vary.

    D = (sum_i v_i)^2 / sum_i v_i^2, v_i the variances along the principal components of the repeats (eq. 4).

    Parameters
    ----------
    responses : (..., repeat, unit), Hz or a.u.
        Responses to one stimulus group. Gaps: units without any value and repeats without any value are left out.

    Returns
    -------
    (...), dimensions, 1 to min(repeat - 1, unit)
        Few repeats make it smaller than it is. NaN with fewer than two repeats or without variance.

    Raises
    ------
    ShapeError
        Where there are not two dimensions or single values are missing.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.

    Examples
    --------
    >>> float(participation_ratio([[1.0, 0], [-1, 0], [0, 1], [0, -1]]).round(6))
    2.0
    """
    values = np.asarray(responses, dtype=np.float64)
    if values.ndim < 2:
        raise ShapeError(f"responses must have the dimensions (..., repeat, unit), got shape {values.shape}")
    groups = values.reshape(int(np.prod(values.shape[:-2])), 1, *values.shape[-2:])
    # few groups at once stay in the cache of a processor
    some = max(1, AT_ONCE // max(int(np.prod(values.shape[-2:])), 1))
    parts = [_participation(groups[start : start + some]) for start in range(0, len(groups), some)]
    result: Floats = np.concatenate([np.empty(0), *parts]).reshape(values.shape[:-2])
    return result


def _participation(groups: Floats) -> Floats:
    """Participation ratio of every group (group, 1, repeat, unit)."""
    centred, _, _, shown = _centred_responses(groups)
    centred, shown = centred[:, 0], shown[:, 0]
    largest = _largest(centred, (1, 2))
    x = centred / np.where(largest > 0, largest, 1.0)
    products = x @ x.swapaxes(1, 2) if x.shape[1] <= x.shape[2] else x.swapaxes(1, 2) @ x
    total, squares = (
        np.trace(products, axis1=1, axis2=2),
        (products**2).sum(axis=(1, 2)),
    )
    defined = (shown.sum(axis=1) >= 2) & (squares > 0)
    return np.asarray(np.where(defined, total**2 / np.where(defined, squares, 1.0), np.nan))


def variational_space(responses: ArrayLike, share: float | None = None) -> VariationalSpace:
    """
    Smallest space of leading principal components of the responses to one stimulus group.

    The first ceil(D) components, D the participation ratio, as the source defines it; or the smallest number of them
    that holds `share` of the variance.

    Parameters
    ----------
    responses : (repeat, unit), Hz or a.u.
        Gaps: units without any value and repeats without any value are left out.
    share : float, optional
        Of the variance; without it, ceil(D) components.

    Returns
    -------
    VariationalSpace
        Axes, variances, D; no axis and NaN with fewer than two repeats or without variance.

    Raises
    ------
    ConfigError
        Unless 0 < share <= 1.
    ShapeError
        Where there are not two dimensions or single values are missing.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.
    """
    _check_share(share)
    values = np.asarray(responses, dtype=np.float64)
    if values.ndim != 2:
        raise ShapeError(f"responses must have the dimensions (repeat, unit), got shape {values.shape}")
    centred, means, units, shown = _centred_responses(values[None, None])
    if shown.sum() < 2:
        return VariationalSpace(np.empty((0, values.shape[1])), np.empty(0), np.nan)
    present = units[0]
    axes, variance_ratio, count, participation = _leading_axes(centred[0][:, :, present], share)
    found = axes[0, : count[0]]
    sign = np.where(found @ means[0, 0, present] < 0, -1.0, 1.0)
    everywhere = np.full((len(found), values.shape[1]), np.nan)
    everywhere[:, present] = found * sign[:, None]
    return VariationalSpace(everywhere, variance_ratio[0, : count[0]], float(participation[0]))


def compare_variational_spaces(responses: ArrayLike, share: float | None = None) -> DriftAndSpaces:
    """
    Drift in the variational space of the earlier session, and overlap of the variational spaces of two sessions.

    With d = x_t - x_s the drift of a stimulus group's mean response, P the projection onto the variational space of
    session s (axes w_i, k of them; see `variational_space`) and w'_j, k' those of session t, over N units:
    gamma = |P d|^2 / |d|^2 (eq. 9), by chance k / N; Gamma = sum_ij (w_i . w'_j)^2 / min(k, k') (eq. 10), by chance
    max(k, k') / N. Trial noise lies in the variational space by its nature: sessions that differ by nothing else have
    a gamma near the share of the variance that the space holds, not near k / N. So gamma above chance shows neither
    drift nor its direction unless the noise of the means is small against the drift; it is not corrected for noise.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Responses of every repeat. Gaps: a pair uses the units finite in both sessions, for the spaces too; repeats
        without any value are left out; stimuli with fewer than two repeats or without variance in one of the two
        sessions are left out of the means, as are those without drift from the ratio.
    share : float, optional
        Of the variance that a space holds; without it, the ceil of the participation ratio.

    Returns
    -------
    DriftAndSpaces
        Matrices (session, session), row the earlier session; NaN where no stimulus is left.

    Raises
    ------
    ConfigError
        Unless 0 < share <= 1.
    ShapeError
        Unless there are four dimensions, and gaps are whole units or whole repeats of a session.

    References
    ----------
    Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.
    """
    _check_share(share)
    values = np.asarray(responses, dtype=np.float64)
    if values.ndim != 4:
        raise ShapeError(
            f"responses must have the dimensions (session, stimulus, repeat, unit), got shape {values.shape}"
        )
    # one session after the other stays in the cache of a processor
    parts = [_centred_responses(one[None]) for one in values]
    centred, means, units, shown = ([part[place][0] for part in parts] for place in range(4))
    enough = [each.sum(axis=1) >= 2 for each in shown]
    if parts and (np.stack(units) == units[0]).all():
        spaces = [_spaces(of_units(one, units[0]), known, share) for one, known in zip(centred, enough, strict=True)]
        return DriftAndSpaces(*_of_same_units(spaces, of_units(np.stack(means), units[0])))
    results = np.full((5, len(values), len(values)), np.nan)
    kept: dict[int, _Spaces] = {}
    for i in range(len(values)):
        for j in range(i, len(values)):
            common = units[i] & units[j]
            spaces = []
            for session in (i, j):
                own = bool((common == units[session]).all())
                if own and session in kept:
                    spaces.append(kept[session])
                    continue
                space = _spaces(centred[session][:, :, common], enough[session], share)
                if own:
                    kept[session] = space
                spaces.append(space)
            drift = means[j][:, common] - means[i][:, common]
            size = (means[i][:, common] ** 2 + means[j][:, common] ** 2).sum(axis=1)
            results[:, i, j] = _compare(spaces[0], spaces[1], drift, size)
            results[:, j, i] = _compare(spaces[1], spaces[0], drift, size)
        kept.pop(i, None)
    return DriftAndSpaces(*results)


class _Spaces(NamedTuple):
    """Axes (stimulus, component, unit), 0 beyond the number of each stimulus; whether the stimulus has any."""

    axes: Floats
    n_axes: Ints
    defined: Bools


def _spaces(centred: Floats, enough: Bools, share: float | None) -> _Spaces:
    """Variational spaces of all stimuli (stimulus, repeat, unit) of a session."""
    axes, _, count, _ = _leading_axes(centred, share)
    return _Spaces(axes, count, enough & (count > 0))


def _of_same_units(spaces: list[_Spaces], means: Floats) -> Floats:
    """Fields of DriftAndSpaces for all pairs of sessions (field, session, session) that have the same units."""
    n, _, n_units = means.shape
    n_axes, defined = (
        np.stack(each) for each in zip(*[(space.n_axes, space.defined) for space in spaces], strict=True)
    )
    shared = _shared([space.axes for space in spaces])
    power, results = (means**2).sum(axis=2), np.empty((5, n, n))
    mean = np.ascontiguousarray(means.transpose(1, 2, 0))
    for i, space in enumerate(spaces):
        drift = mean - mean[:, :, [i]]
        energy = np.einsum("knj,knj->jk", drift, drift)
        both = defined[i] & defined
        moved = both & (energy > ROUNDING**2 * (power[i] + power))
        along = space.axes @ drift
        inside = np.einsum("kaj,kaj->jk", along, along) / np.where(moved, energy, 1.0)
        results[:, i] = _fields(n_axes[i], n_axes, n_units, inside, shared[i], both, moved)
    return results


def _shared(axes: list[Floats]) -> Floats:
    """Sum of the squared cosines (session, session, stimulus) between the axes (stimulus, component, unit) of all."""
    session = np.repeat(np.arange(len(axes)), [own.shape[1] for own in axes])
    member = (session[:, None] == np.arange(len(axes))).astype(np.float64)
    shared = np.empty((len(axes), len(axes), len(axes[0])))
    for stimulus in range(shared.shape[2]):
        flat = np.concatenate([own[stimulus] for own in axes])
        cosines = flat @ flat.T
        cosines *= cosines
        shared[:, :, stimulus] = member.T @ (cosines @ member)
    return shared


def _compare(earlier: _Spaces, later: _Spaces, drift: Floats, size: Floats) -> Floats:
    """Fields of DriftAndSpaces for one pair of sessions; drift (stimulus, unit), size its scale squared."""
    defined = earlier.defined & later.defined
    energy = (drift**2).sum(axis=1)
    moved = defined & (energy > ROUNDING**2 * size)
    inside = ((earlier.axes @ drift[:, :, None]) ** 2).sum(axis=(1, 2)) / np.where(moved, energy, 1.0)
    shared = ((earlier.axes @ later.axes.swapaxes(1, 2)) ** 2).sum(axis=(1, 2))
    return _fields(earlier.n_axes, later.n_axes, drift.shape[1], inside, shared, defined, moved)


def _fields(
    n_axes: Ints,
    n_later: Ints,
    n_units: int,
    inside: Floats,
    shared: Floats,
    defined: Bools,
    moved: Bools,
) -> Floats:
    """Means over stimuli (field, ...): dimensions of the earlier space (stimulus,) and of the later (..., stimulus)."""
    n_units = max(n_units, 1)
    fewer, more = np.minimum(n_axes, n_later), np.maximum(n_axes, n_later)
    own = np.broadcast_to(n_axes, fewer.shape)
    columns = (
        (own.astype(np.float64), defined),
        (np.minimum(inside, 1.0), moved),
        (own / n_units, moved),
        (np.minimum(shared / np.maximum(fewer, 1), 1.0), defined),
        (more / n_units, defined),
    )
    return np.array([mean_of_defined(values, which) for values, which in columns])


def _leading_axes(centred: Floats, share: float | None) -> tuple[Floats, Floats, Ints, Floats]:
    """Axes (group, component, unit), shares of variance, number that counts and D of centred (group, repeat, unit)."""
    largest = _largest(centred, (1, 2))
    x = centred / np.where(largest > 0, largest, 1.0)
    variance, vectors = np.linalg.eigh(x @ x.swapaxes(1, 2))
    variance, vectors = variance[:, ::-1], vectors[:, :, ::-1]
    variance = np.where(variance > NEGLIGIBLE * variance[:, :1], variance, 0.0)
    total, squares = variance.sum(axis=1), (variance**2).sum(axis=1)
    varies = total > 0
    participation = np.where(varies, total**2 / np.where(varies, squares, 1.0), np.nan)
    ratio = variance / np.where(varies, total, 1.0)[:, None]
    if share is None:
        count = np.ceil(np.where(varies, participation, 0.0) - NEARLY).astype(np.int64)
    else:
        count = np.where(varies, (np.cumsum(ratio, axis=1) < share - NEARLY).sum(axis=1) + 1, 0)
    most = int(count.max(initial=0))
    length = np.sqrt(variance[:, None, :most])
    used = (np.arange(most) < count[:, None])[:, None] & (length > 0)
    # the small matrix is scaled, not the long axes
    scaled = np.where(used, vectors[:, :, :most] / np.where(used, length, 1.0), 0.0)
    return scaled.swapaxes(1, 2) @ x, ratio[:, :most], count, participation


def _largest(values: Floats, axis: tuple[int, ...]) -> Floats:
    """Largest absolute value along axes, which are kept."""
    highest, lowest = (found(values, axis=axis, keepdims=True, initial=0.0) for found in (np.max, np.min))
    return np.asarray(np.maximum(highest, -lowest))


def _centred_responses(values: Floats) -> tuple[Floats, Floats, Bools, Bools]:
    """Responses (session, stimulus, repeat, unit) minus means over repeats, the means, units and repeats present."""
    finite = np.isfinite(values)
    units, shown = np.asarray(finite.any(axis=(1, 2))), np.asarray(finite.any(axis=3))
    if (finite != (shown[:, :, :, None] & units[:, None, None, :])).any():
        raise ShapeError(
            "responses lack single values; a gap must be a whole unit (not detected) or a whole repeat (not shown) "
            "of a session: set the rest of that unit or repeat to NaN as well"
        )
    present = values if finite.all() else np.where(finite, values, 0.0)
    means = present.sum(axis=2) / np.maximum(shown.sum(axis=2), 1)[:, :, None]
    centred = present - means[:, :, None, :]
    centred *= shown[:, :, :, None]
    # a unit without variance leaves rounding behind
    centred[np.abs(centred) <= 1e-14 * _largest(present, (1, 2, 3))] = 0.0
    return centred, means, units, shown


def _check_share(share: float | None) -> None:
    """Refuse shares that are none."""
    if share is not None and not 0 < share <= 1:
        raise ConfigError(f"share must lie above 0 and at most be 1, got {share}")
