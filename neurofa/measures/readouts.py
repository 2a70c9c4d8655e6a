"""What drift does to linear readouts: how much of it they see, and what it takes to keep reading.

A readout is M with x = M^T [z, 1], z the activity of the units and x the targets, for example position and direction.
Definitions: Rule et al. 2020 (doi 10.7554/eLife.51121), eqs. 1 and 2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import ROUNDING, Bools, Floats, mask_maps
from neurofa.measures.pairs import Pairs, pairs, pairs_of_halves
from neurofa.measures.repeats import Repeats, mask_repeats
from neurofa.measures.ridge import SessionData, session_data, solve_ridge

#: directions below this part of the largest are rounding
NEGLIGIBLE = 1e-10


class ReadoutFraction(NamedTuple):
    """
    Share of the drift that a readout sees.

    Attributes
    ----------
    readout : (session, session), 0 to 1
        |Q^T d|^2 / |d|^2; 1 minus it is the null-space fraction. NaN of a session with itself.
    chance : (session, session), 0 to 1
        Its value for drift without preferred direction, rank / N.
    """

    readout: Floats
    chance: Floats


def readout_fraction(maps: ArrayLike, readout: ArrayLike, halves: ArrayLike | None = None) -> ReadoutFraction:
    """
    Share of the drift that lies in the space that a readout reads; the rest is in its null space.

    f = sum_c |Q^T d(c)|^2 / sum_c |d(c)|^2, d = x_t - x_s, Q an orthonormal basis of the readout's weights in the
    earlier session. With `halves` the products d^a . d^b of the halves of the repeats take the place of the squares,
    above and below the line: without the noise of the trials, where the readout was not fitted to the same repeats (a
    network's own weights, or a decoder fitted to other repeats). Measured to hold (mean error of four animals below
    0.03, five known directions, drift of five known kinds, 40 stimuli, 50 to 1,000 cells): signal to noise (variances,
    one repeat) x repeats from 5 on; without drift it has no value.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions, and the readout's weights of these; and the
        stimuli finite in both.
    readout : (output, unit) or (session, output, unit), any unit
        Weights of the readout, the same for all sessions or those of each. NaN counts as 0.
    halves : (half, session, stimulus, unit), optional
        Maps of the two halves of each session's repeats.

    Returns
    -------
    ReadoutFraction
        NaN where nothing moved, or the noise-corrected drift is not above 0.

    Raises
    ------
    ShapeError
        Where dimensions do not fit or single values are missing.

    References
    ----------
    Rule et al. 2019, Current Opinion in Neurobiology 58:141, doi 10.1016/j.conb.2019.08.005 (drift in the null space).

    Examples
    --------
    >>> readout_fraction([[[0.0, 0]], [[1, 2]]], [[1.0, 0]]).readout[0, 1].tolist()
    0.2
    """
    masked = mask_maps(maps)
    n_sessions, _, n_units = masked.values.shape
    weights = np.nan_to_num(np.asarray(readout, dtype=np.float64))
    if weights.ndim not in (2, 3) or weights.shape[-1] != n_units or weights.ndim == 3 and len(weights) != n_sessions:
        raise ShapeError(
            f"readout must have the dimensions (output, unit) or (session, output, unit) of {n_sessions} sessions and "
            f"{n_units} units, got shape {weights.shape}"
        )
    weights = np.broadcast_to(weights, (n_sessions, *weights.shape[-2:]))
    both = ((pair, pair) for pair in pairs(masked, masked)) if halves is None else pairs_of_halves(halves)
    fraction, chance = np.full((2, n_sessions, n_sessions), np.nan)
    for session, (a, b) in enumerate(both):
        fraction[session], chance[session] = _fractions(a, b, weights[session])
    return ReadoutFraction(fraction, chance)


def _fractions(a: Pairs, b: Pairs, weights: Floats) -> tuple[Floats, Floats]:
    """Share of the drift in two measurements that lies in a readout, and rank / N, for all other sessions."""
    fraction, chance = np.full((2, len(a.x)), np.nan)
    for other, units in enumerate(a.units):
        if not units.any():
            continue
        basis = _orthonormal(weights[:, units])
        first, second = ((each.y[other] - each.x[other])[:, units] for each in (a, b))
        energy, size = (first * second).sum(), (a.x[other] ** 2 + a.y[other] ** 2).sum()
        chance[other] = len(basis) / units.sum()
        if energy > ROUNDING * size:
            fraction[other] = ((first @ basis.T) * (second @ basis.T)).sum() / energy
    return fraction, chance


def _orthonormal(weights: Floats) -> Floats:
    """Orthonormal basis (direction, unit) of the space that rows span."""
    _, size, axes = np.linalg.svd(weights, full_matrices=False)
    basis: Floats = axes[size > np.sqrt(NEGLIGIBLE) * max(float(size.max(initial=0.0)), np.finfo(float).tiny)]
    return basis


def decoder_weights(responses: ArrayLike, targets: ArrayLike, penalty: float = 1.0) -> Floats:
    """
    Weights of a linear decoder fitted to each session: ridge regression of the targets on single repeats.

    M = argmin sum |x - M^T [z, 1]|^2 + lambda |M|^2 (not the intercept), lambda = `penalty` times the mean over units
    of their summed squared deviations.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: whole units of a session (weight NaN), whole repeats of a stimulus (left out).
    targets : (stimulus, output), any unit
        What is to be read out of each stimulus.
    penalty : float
        Strength of the penalty, above 0.

    Returns
    -------
    (session, output, unit), unit of the targets per unit of the responses
        NaN for units that were not recorded; a row of NaN for sessions without repeats.

    Raises
    ------
    ConfigError
        Unless the penalty is above 0.
    ShapeError
        Where shapes do not fit, or gaps are not as above.

    References
    ----------
    Hoerl and Kennard 1970, Technometrics 12:55, doi 10.1080/00401706.1970.10488634.
    """
    repeats, wanted = _checked(responses, targets, penalty)
    weights = np.full((len(repeats.values), wanted.shape[1], repeats.values.shape[3]), np.nan)
    for session, units in enumerate(repeats.units):
        data = session_data(repeats, wanted, session, units, every=True)
        if data.n:
            weights[session][:, units] = solve_ridge(data, penalty)[1:].T
    return weights


def common_units(repeats: Repeats) -> Bools:
    """
    Units that all recorded sessions have: what one decoder for all days needs.

    Parameters
    ----------
    repeats : Repeats
        Single repeats.

    Returns
    -------
    (unit,) bool
        Units in all sessions that have any.
    """
    recorded = repeats.units.any(axis=1)
    return np.asarray(repeats.units[recorded].all(axis=0))


def all_sessions(responses: ArrayLike, targets: ArrayLike, penalty: float) -> tuple[list[SessionData], int]:
    """
    Prepare all sessions for decoders on the units that all have.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit)
        Single repeats.
    targets : (stimulus, output)
        Targets.
    penalty : float
        Strength of the penalty, checked.

    Returns
    -------
    sessions : list of SessionData
        One per session.
    n_units : int
        Units that all sessions have.

    Raises
    ------
    ConfigError
        Unless the penalty is above 0.
    ShapeError
        Where shapes do not fit.
    """
    repeats, wanted = _checked(responses, targets, penalty)
    units = common_units(repeats)
    return [session_data(repeats, wanted, session, units) for session in range(len(repeats.values))], int(units.sum())


def _checked(responses: ArrayLike, targets: ArrayLike, penalty: float) -> tuple[Repeats, Floats]:
    """Repeats and targets, checked."""
    repeats, wanted = mask_repeats(responses), np.asarray(targets, dtype=np.float64)
    if wanted.ndim != 2 or len(wanted) != repeats.values.shape[1] or not np.isfinite(wanted).all():
        raise ShapeError(
            f"targets must be finite and have the dimensions (stimulus, output) with {repeats.values.shape[1]} "
            f"stimuli, got shape {wanted.shape}"
        )
    if not penalty > 0:
        raise ConfigError(f"penalty must be above 0, got {penalty}")
    return repeats, wanted


def check_tolerance(tolerance: float) -> None:
    """
    Refuse tolerances that are none.

    Parameters
    ----------
    tolerance : float
        How much larger than another an error may be.

    Raises
    ------
    ConfigError
        Unless it is 0 or more.
    """
    if not tolerance >= 0:
        raise ConfigError(f"tolerance must be 0 or more, got {tolerance}")
