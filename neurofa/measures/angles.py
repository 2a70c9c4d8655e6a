"""Angles between the maps of two sessions, as they are and after the best rotation."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError
from neurofa.measures.kernels import Bools, Floats, Masked, mask_pair


def angle_unaligned_deg(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Angle between the maps of two sessions as they are.

    theta(s, t) = arccos <A, B>, A and B the maps (stimulus x unit), each unit's mean over stimuli subtracted, divided
    by the Frobenius norm.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; centring and
        norm are over these.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), degrees, 0 to 180
        NaN where no map is left or one of the two does not vary over stimuli.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Williams et al. 2021, NeurIPS 34, doi 10.48550/arXiv.2110.14739.
    """
    return _angles(*mask_pair(maps, other), rotated=None)


def angle_procrustes_deg(
    maps: ArrayLike, other: ArrayLike | None = None, rotated: Literal["stimulus", "unit"] = "stimulus"
) -> Floats:
    """
    Angle between the maps of two sessions after the best rotation of one onto the other.

    theta(s, t) = arccos of the nuclear norm of A B^T (rotated = "stimulus") or of A^T B (rotated = "unit"), A and B the
    maps (stimulus x unit), each unit's mean over stimuli subtracted, divided by the Frobenius norm.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; centring and
        norm are over these.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.
    rotated : {"stimulus", "unit"}
        Which axis the rotation acts on. "stimulus" (the fixed analysis of the CA1 recordings: 47.5 degrees at 2 days)
        maps stimuli onto combinations of stimuli, the same for all units: the angle is 0 where a whole map moved
        coherently, and stays large where units changed independently. "unit" is the shape distance of the literature:
        the angle is 0 where the geometry of the stimuli is kept whatever the units do; with more units than stimuli
        it is small for almost any pair (22 degrees at 2 days in the same recordings).

    Returns
    -------
    (session, session), degrees, 0 to 90
        NaN where no map is left or one of the two does not vary over stimuli.

    Raises
    ------
    ConfigError
        Where `rotated` is neither "stimulus" nor "unit".
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Williams et al. 2021, NeurIPS 34, doi 10.48550/arXiv.2110.14739.
    """
    if rotated not in ("stimulus", "unit"):
        raise ConfigError(f"rotated must be 'stimulus' or 'unit', got {rotated!r}")
    return _angles(*mask_pair(maps, other), rotated=rotated)


def _angles(first: Masked, second: Masked, rotated: Literal["stimulus", "unit"] | None) -> Floats:
    """Angles in degrees of all session pairs, one session of `first` at a time; mirrored where both sets are one."""
    symmetric = second is first
    first = _centred(first)
    second = first if symmetric else _centred(second)
    norm, size = _norms(first, second), np.zeros((len(first.values), len(second.values)))
    for session, values in enumerate(first.values):
        some = slice(session if symmetric else 0, None)
        others = Masked(second.values[some], second.units[some], second.stimuli[some])
        common = first.stimuli[session] & others.stimuli
        if rotated is None:
            size[session, some] = _traces(values, others.values, common)
        elif rotated == "stimulus":
            product = _among(values @ others.values.transpose(0, 2, 1), common)
            size[session, some] = np.linalg.norm(product, ord="nuc", axis=(1, 2))
        else:
            ours = np.stack([(values * units) @ values.T for units in others.units])
            theirs = (others.values * first.units[session]) @ others.values.transpose(0, 2, 1)
            product = _root(_among(ours, common)) @ _root(_among(theirs, common))
            size[session, some] = np.linalg.norm(product, ord="nuc", axis=(1, 2))
    if symmetric:
        size = np.triu(size) + np.triu(size, 1).T
    defined = norm > 0
    cosine = np.where(defined, size, 0.0) / np.where(defined, norm, 1.0)
    return np.where(defined, np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.nan)


def _centred(maps: Masked) -> Masked:
    """Maps with each unit's mean over the session's stimuli subtracted; rounding becomes 0, the largest value 1."""
    count = np.maximum(maps.stimuli.sum(axis=1), 1)[:, None, None]
    largest = np.maximum(maps.values.max(axis=(1, 2), initial=0.0), -maps.values.min(axis=(1, 2), initial=0.0))
    values = maps.values / np.where(largest > 0, largest, 1.0)[:, None, None]
    values -= values.sum(1, keepdims=True) / count
    if not maps.stimuli.all():
        values *= maps.stimuli[:, :, None]
    values[np.abs(values) <= 1e-14] = 0.0
    return Masked(values, maps.units, maps.stimuli)


def _norms(first: Masked, second: Masked) -> Floats:
    """Products of the Frobenius norms of all session pairs, each over the units and stimuli of the pair."""
    if first.stimuli.all() and second.stimuli.all():
        ours, theirs = _power(first.values, first.stimuli), _power(second.values, second.stimuli)
        norms: Floats = np.sqrt((ours @ second.units.T) * (first.units @ theirs.T))
        return norms
    rows = []
    for session, values in enumerate(first.values):
        common = first.stimuli[session] & second.stimuli
        ours, theirs = _power(values[None], common), _power(second.values, common)
        rows.append(np.sqrt((ours * second.units).sum(axis=1) * (theirs * first.units[session]).sum(axis=1)))
    return np.stack(rows)


def _power(values: Floats, common: Bools) -> Floats:
    """Sum of squared deviations of every unit from its mean over the common stimuli (session, stimulus)."""
    kept = common.astype(np.float64)
    count = np.maximum(kept.sum(axis=1), 1)
    if len(values) == 1:
        total, squares = kept @ values[0], kept @ (values[0] ** 2)
    else:
        total, squares = (kept[:, None] @ values)[:, 0], (kept[:, None] @ values**2)[:, 0]
    power = squares - total**2 / count[:, None]
    return np.where(power > 1e-12 * squares, power, 0.0)


def _traces(values: Floats, others: Floats, common: Bools) -> Floats:
    """Sums over units and common stimuli (session, stimulus) of the products of maps centred anew over these."""
    if common.all():
        plain: Floats = others.reshape(len(others), -1) @ values.ravel()
        return plain
    kept = common.astype(np.float64)
    count = np.maximum(kept.sum(axis=1), 1)
    means = (kept @ values) * (kept[:, None] @ others)[:, 0]
    products: Floats = (kept * np.einsum("kn,jkn->jk", values, others)).sum(axis=1) - means.sum(axis=1) / count
    return products


def _among(products: Floats, common: np.ndarray) -> Floats:
    """Products (session, stimulus, stimulus) of centred maps, centred anew over the common stimuli; 0 elsewhere."""
    if common.all():
        return products
    kept = common.astype(np.float64)
    count = np.maximum(kept.sum(axis=1), 1)[:, None, None]
    kept_rows, kept_columns = kept[:, :, None], kept[:, None, :]
    products = products * kept_rows * kept_columns
    products = products - kept_rows * products.sum(axis=1, keepdims=True) / count
    centred: Floats = products - kept_columns * products.sum(axis=2, keepdims=True) / count
    return centred


def _root(matrices: Floats) -> Floats:
    """Square roots of symmetric positive matrices."""
    values, axes = np.linalg.eigh(matrices)
    root: Floats = axes * np.sqrt(np.maximum(values, 0.0))[:, None, :] @ axes.transpose(0, 2, 1)
    return root
