"""Whether drift lies along directions of noise, or along directions that code the stimulus.

rho = (phi - phi0) / (1 - phi0): about 0 for drift without preferred direction (a little below on average, since phi0 is
a root mean square), 1 for drift along the largest component.
phi^2 = d^T M d / (|d|^2 lambda), d the drift of one stimulus, M the second moment of the directions in question in the
earlier session, lambda its largest eigenvalue; phi0^2 = tr(M) / (N lambda), N units. phi is a root mean square cosine
(the in-space ratio gamma of `compare_variational_spaces` is squared). Definitions: Rule et al. 2020 (doi
10.7554/eLife.51121), eqs. 3-6. Every entry [i, j] is the drift from session i to j in the directions of session i.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import ROUNDING, Bools, Floats
from neurofa.measures.pairs import alike, mean_of_defined, of_units
from neurofa.measures.repeats import Repeats, mask_repeats


class DriftAlignment(NamedTuple):
    """
    Alignment of drift with a set of directions: means over stimuli.

    Attributes
    ----------
    rho : (session, session), up to 1
        Alignment; about 0 without preferred direction, negative for drift away from the directions. NaN of a
        session with itself.
    rho_noise_corrected : (session, session), usually up to 1
        The same without the noise of the trials in the drift; above 1 by chance where drift is not clear of noise, and
        without drift it means nothing. NaN where the noise-corrected drift is not above 0.
    chance : (session, session)
        95th percentile (or that of `level`) of rho for random drift, equally likely in all directions.
    """

    rho: Floats
    rho_noise_corrected: Floats
    chance: Floats


class Directions(NamedTuple):
    """
    Roots of the second moments M = root^T root of one session, each (stimulus or 1, direction, unit).

    Attributes
    ----------
    root : (stimulus or 1, direction, unit)
        Of all repeats.
    of_a, of_b : (stimulus or 1, direction, unit)
        What the drift in the first and in the second half of the repeats is held against.
    """

    root: Floats
    of_a: Floats
    of_b: Floats


def standardise(responses: ArrayLike) -> Floats:
    """
    Divide each unit by its standard deviation over all repeats of all stimuli and sessions.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), any unit
        Gaps: NaN is left out of the standard deviation.

    Returns
    -------
    (session, stimulus, repeat, unit), standard deviations
        0 for units that never vary.
    """
    values = np.asarray(responses, dtype=np.float64)
    present = np.isfinite(values)
    axes = tuple(range(values.ndim - 1))
    count = np.maximum(present.sum(axis=axes), 1)
    filled = np.where(present, values, 0.0)
    mean = filled.sum(axis=axes) / count
    deviation = np.sqrt((np.where(present, values - mean, 0.0) ** 2).sum(axis=axes) / count)
    varies = deviation > 1e-12 * np.abs(filled).max(axis=axes, initial=0.0)
    return np.where(
        varies,
        values / np.where(varies, deviation, 1.0),
        np.where(present, 0.0, np.nan),
    )


def alignment_with_noise_directions(
    responses: ArrayLike,
    rng: np.random.Generator | None = None,
    n_random: int = 200,
    level: float = 0.95,
) -> DriftAlignment:
    """
    Alignment of drift with the directions in which repeats of the same stimulus differ.

    rho = mean over stimuli of (phi - phi0) / (1 - phi0), phi^2 = d^T M d / (|d|^2 lambda), phi0^2 = tr(M) / (N lambda):
    d the drift of the mean response to a stimulus over the N units of the pair, M the covariance over repeats of that
    stimulus in the earlier session, lambda its largest eigenvalue (eqs. 3-5).
    The source standardises every unit first: `standardise`. Noise that is left in the means lies in the directions of
    noise by its nature and raises rho: `rho_noise_corrected` uses the products of the drift in the two halves of the
    repeats, d^a^T M d^b / (d^a . d^b lambda) summed over stimuli above and below the line, with M the mean of the
    covariances within the two halves, which does not know the noise of their means. Random drift of a third of the
    noise of a repeat, 20 units, 200 stimuli, 10 repeats: rho 0.11, corrected 0.005 (sd 0.03). With R repeats M has a
    rank of R - 1 and lambda is too large: rho of 5 and of 50 repeats cannot be compared, subsample first.

    `rho_noise_corrected` was measured to hold (mean error of four animals below 0.03 of rho, against the true drift in
    the same directions; drift of five known kinds, noise alike in all directions, 40 stimuli, 50 to 1,000 cells) from 5
    repeats and signal to noise (variances, one repeat) x repeats = 10 on; below, errors up to 0.04 there, and pairs
    without a value. Without drift it means nothing: a ratio of noise to noise, which can exceed 1.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: whole units of a session, whole repeats of a stimulus; a pair uses the units of both, for M too; stimuli
        with fewer than two repeats or without noise in the earlier session, or without drift, are left out of the mean.
    rng : numpy.random.Generator, optional
        Draws random drift for the level of chance; without it `chance` is NaN.
    n_random : int
        Draws per pair.
    level : float
        Quantile that is called chance.

    Returns
    -------
    DriftAlignment
        Matrices (session, session); NaN where nothing is left.

    Raises
    ------
    ConfigError
        Unless 0 < level < 1 and n_random >= 1.
    ShapeError
        Unless there are four dimensions, and gaps are as above.

    References
    ----------
    Rule et al. 2020, eLife 9:e51121, doi 10.7554/eLife.51121; Walther et al. 2016, NeuroImage 137:188, doi
    10.1016/j.neuroimage.2015.12.012 (products without bias).
    """
    _check(n_random, level)
    repeats = mask_repeats(responses)
    directions = (_noise_roots(*one) for one in zip(repeats.values, repeats.weights > 0, strict=True))
    return _alignments(repeats, directions, rng, n_random, level)


def _noise_roots(values: Floats, shown: Bools) -> Directions:
    """Roots of the covariance over all repeats of a session, and of the mean covariance within their two halves."""
    within = [_deviations(values[:, start::2], shown[:, start::2]) for start in (0, 1)]
    both = np.concatenate(within, axis=1)
    return Directions(_deviations(values, shown), both, both)


def _deviations(values: Floats, shown: Bools) -> Floats:
    """Deviations of the repeats (stimulus, repeat, unit) from their mean, so that root^T root is their covariance."""
    count = shown.sum(axis=1)[:, None]
    mean = values.sum(axis=1) / np.maximum(count, 1)
    root: Floats = values - mean[:, None, :]
    root *= (shown / np.sqrt(np.maximum(count - 1, 1)))[:, :, None]
    return root


def alignment_with_coding_directions(
    responses: ArrayLike,
    group: ArrayLike | None = None,
    order: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    n_random: int = 200,
    level: float = 0.95,
) -> DriftAlignment:
    """
    Alignment of drift with the directions in which the mean response changes with the stimulus.

    rho = mean over stimuli of (phi - phi0) / (1 - phi0), phi^2 = d^T M d / (|d|^2 lambda), phi0^2 = tr(M) / (N lambda):
    d the drift of the mean response to a stimulus over the N units of the pair, lambda the largest eigenvalue of M, and
    M = the second moment of dz/dx (its covariance plus its mean times its mean, eq. 6): g g^T averaged over the
    differences g of the mean responses, in the earlier session, between neighbouring stimuli; without `order`, between
    all pairs of stimuli. Noise of the earlier session's means is part of both the drift
    and g and raises rho: `rho_noise_corrected` uses the products (d^a . g^b) (d^b . g^a) of the two halves of the
    repeats above the line and d^a . d^b below. What noise adds to lambda is not corrected, so that it is too small.

    `rho_noise_corrected` was measured to hold (mean error of four animals below 0.03 of rho, drift of five known kinds,
    40 stimuli, 50 to 1,000 cells) for signal to noise (variances, one repeat) x repeats from 25 on; below, it is too
    low, by up to 0.09 from 5 on and by up to 0.21 from 1.5 on. Without drift it means nothing: a ratio of noise to
    noise, which can exceed 1.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: as in `alignment_with_noise_directions`; neighbours that were not both recorded give no g.
    group : (stimulus,), optional
        Labels, for example the direction of running: neighbours have the same label.
    order : (stimulus,), optional
        Place of the stimulus within its group, for example the position bin: neighbours are next to each other in it.
    rng, n_random, level
        As in `alignment_with_noise_directions`.

    Returns
    -------
    DriftAlignment
        Matrices (session, session); NaN where nothing is left.

    Raises
    ------
    ConfigError
        Unless 0 < level < 1 and n_random >= 1.
    ShapeError
        Unless there are four dimensions, gaps are as above, and there is one label and place per stimulus.

    References
    ----------
    Rule et al. 2020, eLife 9:e51121, doi 10.7554/eLife.51121.
    """
    _check(n_random, level)
    repeats = mask_repeats(responses)
    means, shown = repeats.means(), repeats.shown()
    neighbours = None if order is None else _neighbours(shown.shape[1], group, order)
    halves = [_half(repeats, start) for start in (0, 1)]
    directions = []
    for session, present in enumerate(shown):
        both = present & halves[0][1][session] & halves[1][1][session]
        one, other = (_gradients(half[session], both, neighbours) for half, _ in halves)
        directions.append(Directions(_gradients(means[session], present, neighbours), other, one))
    return _alignments(repeats, directions, rng, n_random, level)


def _gradients(mean: Floats, present: Bools, neighbours: np.ndarray | None) -> Floats:
    """Differences (1, difference, unit) between neighbouring stimuli, or deviations from their mean."""
    if neighbours is None:
        gradient = mean[present] - mean[present].sum(axis=0) / max(int(present.sum()), 1)
    else:
        first, second = neighbours[present[neighbours].all(axis=1)].T
        gradient = mean[second] - mean[first]
    root: Floats = gradient[None] / np.sqrt(max(len(gradient), 1))
    return root


def _neighbours(n_stimuli: int, group: ArrayLike | None, order: ArrayLike) -> np.ndarray:
    """Positions (difference, 2) of stimuli that follow each other within a group."""
    places = np.asarray(order, dtype=np.float64)
    labels = np.zeros(n_stimuli) if group is None else np.asarray(group)
    if places.shape != (n_stimuli,) or labels.shape != (n_stimuli,):
        raise ShapeError(f"group and order must have one entry for each of the {n_stimuli} stimuli")
    pairs: list[np.ndarray] = [np.empty((0, 2), dtype=np.int64)]
    for label in dict.fromkeys(labels.tolist()):
        own = np.flatnonzero(labels == label)
        own = own[np.argsort(places[own], kind="stable")]
        pairs.append(np.stack([own[:-1], own[1:]], axis=1))
    return np.concatenate(pairs)


def _alignments(
    repeats: Repeats,
    directions: Iterable[Directions],
    rng: np.random.Generator | None,
    n_random: int,
    level: float,
) -> DriftAlignment:
    """Alignment of drift with M = root^T root of the earlier session."""
    n = len(repeats.values)
    shown, halves = repeats.shown(), [_half(repeats, start) for start in (0, 1)]
    # stimulus, session, unit
    means, *of_halves = (
        np.ascontiguousarray(each.swapaxes(0, 1)) for each in (repeats.means(), *(h for h, _ in halves))
    )
    power = (means**2).sum(axis=2).T
    raw, corrected, chance = np.full((3, n, n), np.nan)
    for i, roots in enumerate(directions):
        for units, others in alike(repeats.units, i):
            n_units = int(units.sum())
            root, of_a, of_b = (of_units(each, units) for each in roots)
            spectrum, largest, phi0 = _spectrum(root, n_units)
            drift, a, b = (of_units(each[:, others] - each[:, [i]], units) for each in (means, *of_halves))
            energy = np.einsum("kjn,kjn->jk", drift, drift)
            powers = power if units.all() else (of_units(means, units) ** 2).sum(axis=2).T
            size = powers[others] + powers[i]
            present = shown[others] & shown[i] & (energy > ROUNDING * size)
            moved = np.asarray(present & (largest > 0) & (phi0 < 1 - NEARLY_ONE))
            within = _product(root, root, drift, drift)
            phi = np.sqrt(within / np.where(largest > 0, largest, 1.0) / np.where(moved, energy, 1.0))
            raw[i, others] = mean_of_defined((phi - phi0) / np.where(phi0 < 1, 1 - phi0, 1.0), moved)
            if rng is not None:
                chance[i, others] = _chance(spectrum, n_units, moved, rng, n_random, level)
            if len(of_a) > 1:
                _, largest, phi0 = _spectrum(of_a, n_units)
            both = np.all([known[others] & known[i] for _, known in halves], axis=0)
            both &= present & (largest > 0) & (phi0 < 1 - NEARLY_ONE)
            above = _product(of_a, of_b, a, b) / np.where(largest > 0, largest, 1.0)
            corrected[i, others] = _ratio_of_sums(above, np.einsum("kjn,kjn->jk", a, b), phi0, both)
    return DriftAlignment(raw, corrected, chance)


def _spectrum(root: Floats, n_units: int) -> tuple[Floats, Floats, Floats]:
    """Eigenvalues of root^T root as parts of the largest, the largest, and phi0 (stimulus or 1)."""
    grams = root @ root.swapaxes(1, 2)
    eigenvalues = np.maximum(np.linalg.eigvalsh(grams), 0.0) if grams.shape[1] else np.zeros((len(grams), 1))
    largest = eigenvalues[:, -1]
    relative = eigenvalues / np.where(largest > 0, largest, 1.0)[:, None]
    return relative, largest, np.sqrt(relative.sum(axis=1) / max(n_units, 1))


#: directions that all have the same variance have no preferred one
NEARLY_ONE = 1e-9


def _product(of_a: Floats, of_b: Floats, a: Floats, b: Floats) -> Floats:
    """Sum over directions of (a . root of a) (b . root of b), (other session, stimulus), of drifts (stimulus, ...)."""
    first = a @ of_a.swapaxes(1, 2)
    second = first if b is a and of_b is of_a else b @ of_b.swapaxes(1, 2)
    return np.asarray(np.einsum("kjr,kjr->jk", first, second))


def _ratio_of_sums(above: Floats, below: Floats, phi0: Floats, defined: Bools) -> Floats:
    """Noise-corrected rho: sums over stimuli above and below the line, phi0 their mean."""
    numerator, denominator = (np.where(defined, each, 0.0).sum(axis=1) for each in (above, below))
    known = denominator > 0
    phi = np.sqrt(np.maximum(numerator, 0.0) / np.where(known, denominator, 1.0))
    level = mean_of_defined(np.broadcast_to(phi0, defined.shape), defined)
    return np.where(known, (phi - level) / (1 - level), np.nan)


def _chance(
    spectrum: Floats,
    n_units: int,
    moved: Bools,
    rng: np.random.Generator,
    n_random: int,
    level: float,
) -> Floats:
    """Quantile, over random drift, of rho; spectrum (stimulus or 1, direction), moved (other session, stimulus)."""
    spectrum = spectrum[:, -min(n_units, spectrum.shape[1]) :]
    n_stimuli, rank = moved.shape[1], spectrum.shape[1]
    along = rng.standard_normal((n_random, n_stimuli, rank)) ** 2
    rest = rng.chisquare(n_units - rank, (n_random, n_stimuli)) if n_units > rank else 0.0
    phi = np.sqrt((along * spectrum).sum(axis=2) / (along.sum(axis=2) + rest))
    phi0 = np.sqrt(spectrum.sum(axis=1) / max(n_units, 1))
    rho = (phi - phi0) / np.where(phi0 < 1, 1 - phi0, 1.0)
    return np.array([np.quantile(rho[:, use].mean(axis=1), level) if use.any() else np.nan for use in moved])


def _half(repeats: Repeats, start: int) -> tuple[Floats, Bools]:
    """Means over every second repeat, and the stimuli that have one."""
    weights = repeats.weights * (np.arange(repeats.weights.shape[2]) % 2 == start)
    half = Repeats(repeats.values, weights, repeats.units)
    return half.means(), half.shown()


def _check(n_random: int, level: float) -> None:
    """Refuse what cannot be a quantile of draws."""
    if n_random < 1 or not 0 < level < 1:
        raise ConfigError(f"n_random must be 1 or more and level between 0 and 1, got {n_random} and {level}")
