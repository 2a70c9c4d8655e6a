"""One session at a time against all others, over the units and stimuli that both have."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ShapeError
from neurofa.measures.kernels import Bools, Floats, Masked, mask_maps


class Pairs(NamedTuple):
    """
    One session against all others, over what both have.

    Attributes
    ----------
    x, y : (other session, stimulus, unit)
        Maps of the one session, and of the others; 0 outside of what both have.
    units : (other session, unit) bool
        Units of both.
    stimuli : (other session, stimulus) bool
        Stimuli of both.
    """

    x: Floats
    y: Floats
    units: Bools
    stimuli: Bools


def pairs(first: Masked, second: Masked) -> Iterator[Pairs]:
    """
    Pair every session of the first with all sessions of the second.

    Parameters
    ----------
    first, second : Masked
        Maps of the same stimuli and units.

    Yields
    ------
    Pairs
        One per session of `first`.
    """
    complete = bool(first.units.all() and second.units.all() and first.stimuli.all() and second.stimuli.all())
    for session, values in enumerate(first.values):
        units, stimuli = (
            first.units[session] & second.units,
            first.stimuli[session] & second.stimuli,
        )
        if complete:
            yield Pairs(
                np.broadcast_to(values, second.values.shape),
                second.values,
                units,
                stimuli,
            )
        else:
            kept = stimuli[:, :, None] & units[:, None, :]
            yield Pairs(values * kept, second.values * kept, units, stimuli)


def angles_of_pairs(first: Masked, second: Masked) -> Iterator[tuple[Floats, Bools]]:
    """
    Angles between the population vectors of every session of the first and all of the second.

    2 atan2(|u - v|, |u + v|) of the two unit vectors, which is their arccos without its loss of digits.

    Parameters
    ----------
    first, second : Masked
        Maps of the same stimuli and units.

    Yields
    ------
    angle : (other session, stimulus), rad
        One array per session of `first`.
    defined : (other session, stimulus) bool
        Where neither vector is silent.
    """
    for pair in pairs(first, second):
        norms = [np.linalg.norm(each, axis=2, keepdims=True) for each in (pair.x, pair.y)]
        u, v = (each / np.where(norm > 0, norm, 1.0) for each, norm in zip((pair.x, pair.y), norms, strict=True))
        angle = 2 * np.arctan2(np.linalg.norm(u - v, axis=2), np.linalg.norm(u + v, axis=2))
        yield angle, np.asarray((norms[0] > 0) & (norms[1] > 0))[:, :, 0]


def pairs_of_halves(halves: ArrayLike) -> Iterator[tuple[Pairs, Pairs]]:
    """
    Pair every session with all, in both halves of their repeats.

    Parameters
    ----------
    halves : (half, session, stimulus, unit), any unit
        Maps; NaN for units not detected and stimuli not shown.

    Yields
    ------
    a, b : Pairs
        The same session in the two halves, over the units and stimuli that both halves of both sessions have.

    Raises
    ------
    ShapeError
        Unless there are two halves of three dimensions, and gaps are whole units or whole stimuli of a session.
    """
    values = np.asarray(halves, dtype=np.float64)
    if values.ndim != 4 or len(values) != 2:
        raise ShapeError(f"halves must have the dimensions (2, session, stimulus, unit), got shape {values.shape}")
    a, b = mask_maps(values[0], "halves[0]"), mask_maps(values[1], "halves[1]")
    units, stimuli = a.units & b.units, a.stimuli & b.stimuli
    first, second = (Masked(half.values, units, stimuli) for half in (a, b))
    yield from zip(pairs(first, first), pairs(second, second), strict=True)


def mean_of_defined(values: Floats, defined: Bools) -> Floats:
    """
    Average over the last axis what is defined.

    Parameters
    ----------
    values : (..., stimulus)
        Values.
    defined : (..., stimulus) bool
        Which of them count.

    Returns
    -------
    (...)
        Means; NaN where nothing is defined.
    """
    count = defined.sum(axis=-1)
    return np.where(
        count > 0,
        np.where(defined, values, 0.0).sum(axis=-1) / np.maximum(count, 1),
        np.nan,
    )


def alike(units: Bools, session: int) -> list[tuple[Bools, np.ndarray]]:
    """
    Group the other sessions by the units that a session shares with them.

    Parameters
    ----------
    units : (session, unit) bool
        Units recorded in the sessions.
    session : int
        A session.

    Returns
    -------
    list of (units, sessions)
        Units (unit,) bool, and the other sessions with which it shares just these; none without a common unit.
    """
    found: dict[bytes, tuple[Bools, list[int]]] = {}
    for other in range(len(units)):
        if other != session:
            common = np.asarray(units[session] & units[other])
            found.setdefault(common.tobytes(), (common, []))[1].append(other)
    return [(common, np.array(others)) for common, others in found.values() if common.any()]


def of_units(values: Floats, units: Bools) -> Floats:
    """
    Select units, without a copy where it is all of them.

    Parameters
    ----------
    values : (..., unit)
        Values.
    units : (unit,) bool
        Which.

    Returns
    -------
    (..., chosen unit)
        Values.
    """
    return values if units.all() else values[..., units]
