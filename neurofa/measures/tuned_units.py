"""Which units are tuned at all, and whether the units that were tuned still are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Bools, Floats, mask_maps

#: of correlations: what differs less is a tie
TIE = 1e-10


class TunedUnits(NamedTuple):
    """
    Tuning of every unit in every session.

    Attributes
    ----------
    reliability : (session, unit), -1 to 1
        Correlation over stimuli of the two halves of the repeats; NaN where it has none.
    p_value : (session, unit)
        Probability of such a reliability without tuning; NaN where there is no reliability.
    tuned : (session, unit) bool
        p at most the level.
    """

    reliability: Floats
    p_value: Floats
    tuned: Bools


class RecurrenceOfUnits(NamedTuple):
    """
    Whether units that were something in session i are so in session j: matrices (session, session).

    Attributes
    ----------
    recurrence : 0 to 1
        Of the units that are so in i: those that are so in j.
    gained : 0 to 1
        Of the units that are not so in i: those that are so in j.
    overlap : 0 to 1
        Units that are so in both, of those that are so in either.
    chance : 0 to 1
        Recurrence and gain where the units of j are permuted: the share of units that are so in j.
    overlap_chance : 0 to 1
        Overlap of as many units drawn at random (expected numbers in both and in either).
    """

    recurrence: Floats
    gained: Floats
    overlap: Floats
    chance: Floats
    overlap_chance: Floats


def tuned_units(
    halves: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = 0.05,
    circular: bool = True,
    n_permutations: int = 400,
) -> TunedUnits:
    """
    Find the units whose tuning agrees between the halves of the repeats more than it would by chance.

    Reliability r = corr_c(x^a(c), x^b(c)), Pearson over stimuli, against one half with its stimuli moved: shifted round
    by every number of places (which keeps that neighbours are alike), or permuted.
    p = (1 + number of nulls with r or more) / (1 + number of nulls).

    Parameters
    ----------
    halves : (2, session, stimulus, unit), Hz or a.u.
        Maps of the halves of each session's repeats. Gaps: units not detected have no reliability; stimuli that a
        session lacks are left out of it; units constant in a half have none and are not tuned.
    rng : numpy.random.Generator
        Draws the permutations.
    level : float
        Largest p of a tuned unit: the part of untuned units that pass.
    circular : bool
        Shift round the stimuli: for positions and other stimuli in an order. Of K stimuli there are K - 1 shifts, so
        that no p is below 1 / K. Otherwise permutations, for stimuli without an order.
    n_permutations : int
        How many, where stimuli are permuted.

    Returns
    -------
    TunedUnits
        Nobody is tuned with one repeat, or where the level is below the least p.

    Raises
    ------
    ConfigError
        Unless 0 < level < 1 and n_permutations is 1 or more.
    ShapeError
        Unless there are two halves of three dimensions, or where single values are missing.

    References
    ----------
    Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9:39,
    doi 10.2202/1544-6115.1585 (p from permutations); Ziv et al. 2013, Nature Neuroscience 16:264, doi 10.1038/nn.3329
    (place cells found by shuffles; this is a simpler criterion than theirs).
    """
    if not 0 < level < 1 or n_permutations < 1:
        raise ConfigError(
            f"level must lie between 0 and 1 and n_permutations be 1 or more, got {level} and {n_permutations}"
        )
    pair = np.asarray(halves, dtype=np.float64)
    if pair.ndim != 4 or len(pair) != 2:
        raise ShapeError(f"halves must have the dimensions (2, session, stimulus, unit), got shape {pair.shape}")
    first, second = mask_maps(pair[0], "halves[0]"), mask_maps(pair[1], "halves[1]")
    reliability, p_value = np.full((2, *first.units.shape), np.nan)
    for session in range(len(first.values)):
        shown = first.stimuli[session] & second.stimuli[session]
        detected = first.units[session] & second.units[session]
        a, b = (_normed(one.values[session][np.ix_(shown, detected)]) for one in (first, second))
        if len(a) < 2:
            continue
        found = (a * b).sum(axis=0)
        null = _of_shifts(a, b) if circular else _of_permutations(a, b, rng, n_permutations)
        reliability[session, detected] = found
        p = (1 + (null >= found - TIE).sum(axis=0)) / (1 + len(null))
        p_value[session, detected] = np.where(np.isfinite(found), p, np.nan)
    return TunedUnits(reliability, p_value, np.nan_to_num(p_value, nan=1.0) <= level + TIE)


def _normed(values: Floats) -> Floats:
    """Tuning (stimulus, unit) of mean 0 and norm 1; NaN where it is constant."""
    if not len(values):
        return values
    largest = np.abs(values).max(axis=0, initial=0.0)
    deviation = values - values.mean(axis=0)
    norm = np.sqrt((deviation**2).sum(axis=0))
    varies = norm > TIE * largest
    return np.where(varies, deviation / np.where(varies, norm, 1.0), np.nan)


def _of_shifts(a: Floats, b: Floats) -> Floats:
    """Correlations (shift, unit) of a with b shifted round by 1, 2, ..."""
    product = np.fft.rfft(a, axis=0) * np.conj(np.fft.rfft(b, axis=0))
    shifted: Floats = np.fft.irfft(product, len(a), axis=0)[1:]
    return shifted


def _of_permutations(a: Floats, b: Floats, rng: np.random.Generator, n: int) -> Floats:
    """Correlations (permutation, unit) of a with b whose stimuli are permuted, the same for all units."""
    orders = rng.permuted(np.tile(np.arange(len(a)), (n, 1)), axis=1)
    return np.stack([(a * b[order]).sum(axis=0) for order in orders])


def recurrence_of_units(chosen: ArrayLike, detected: ArrayLike | None = None) -> RecurrenceOfUnits:
    """
    Ask of units that were tuned (responsive, ...) in one session whether they are in another.

    Parameters
    ----------
    chosen : (session, unit) bool
        Units that are so in the session.
    detected : (session, unit) bool, optional
        A pair of sessions uses the units detected in both; without it, all units. To ask of detection itself, give the
        detected units as `chosen`. Recurrence and overlap do not depend on units that were never seen; gain and chance
        do: where only units seen at least once are known, both are too high.

    Returns
    -------
    RecurrenceOfUnits
        NaN where there is none of them in i (gained: no other; overlap: none in either).

    Raises
    ------
    ShapeError
        Unless both have the dimensions (session, unit).

    References
    ----------
    Ziv et al. 2013, Nature Neuroscience 16:264, doi 10.1038/nn.3329.

    Examples
    --------
    >>> found = recurrence_of_units([[True, True, False, False], [True, False, False, False]])
    >>> float(found.recurrence[0, 1]), float(found.chance[0, 1])
    (0.5, 0.25)
    """
    so = np.asarray(chosen, dtype=bool)
    seen = np.ones_like(so) if detected is None else np.asarray(detected, dtype=bool)
    if so.ndim != 2 or so.shape != seen.shape:
        raise ShapeError(
            f"chosen and detected must have the same dimensions (session, unit), got shapes {so.shape} and {seen.shape}"
        )
    is_so, there = (so & seen).astype(np.float64), seen.astype(np.float64)
    units, both = there @ there.T, is_so @ is_so.T
    in_first = is_so @ there.T
    in_second, others = in_first.T, units - in_first
    expected = in_first * in_second / np.maximum(units, 1)
    return RecurrenceOfUnits(
        _share(both, in_first),
        _share(in_second - both, others),
        _share(both, in_first + in_second - both),
        _share(in_second, units),
        _share(expected, in_first + in_second - expected),
    )


def _share(part: Floats, whole: Floats) -> Floats:
    """Part of a whole; NaN where there is none."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)
