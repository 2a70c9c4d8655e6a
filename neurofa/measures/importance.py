"""Which units matter for reading the code on each day, and which always do."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats
from neurofa.measures.readouts import decoder_weights
from neurofa.measures.repeats import mask_repeats


class AlwaysImportant(NamedTuple):
    """
    Units that are among the most important ones in every session.

    Attributes
    ----------
    fraction : float
        Of the units recorded in all sessions.
    chance : float
        The same where every session has an order of its own: the product of the fractions.
    n_units : int
        Units recorded in all sessions.
    """

    fraction: float
    chance: float
    n_units: int


def decoder_importance(responses: ArrayLike, targets: ArrayLike, penalty: float = 1.0) -> Floats:
    """
    Importance of every unit for a linear decoder of each session.

    |w_n| sd_n: the length of the unit's weights over all outputs (each in sd of its target) times the standard
    deviation of its responses over all repeats: how far the unit moves what is read.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), Hz or a.u.
        Gaps: as in `decoder_weights`.
    targets : (stimulus, output), any unit
        What is to be read out of each stimulus.
    penalty : float
        As in `decoder_weights`.

    Returns
    -------
    (session, unit), 0 or above
        NaN for units that were not recorded.

    Raises
    ------
    ConfigError
        Unless the penalty is above 0.
    ShapeError
        Where shapes do not fit, or gaps are not as above.

    References
    ----------
    Rule et al. 2020, eLife 9:e51121, doi 10.7554/eLife.51121 (units ranked by importance; their criterion may differ).
    """
    wanted = np.asarray(targets, dtype=np.float64)
    weights = decoder_weights(responses, wanted, penalty)
    scale = wanted.std(axis=0)
    weights = weights / np.where(scale > 0, scale, 1.0)[:, None]
    repeats = mask_repeats(responses)
    spread = np.full(repeats.units.shape, np.nan)
    for session, values in enumerate(repeats.values):
        shown = values[repeats.weights[session] > 0]
        if len(shown):
            spread[session] = shown.std(axis=0)
    importance: Floats = np.sqrt((weights**2).sum(axis=1)) * spread
    return importance


def always_important(importance: ArrayLike, fraction: float = 0.1) -> AlwaysImportant:
    """
    Fraction of units that are among the most important ones in every session.

    Parameters
    ----------
    importance : (session, unit)
        Of `decoder_importance`, or any other. Gaps: units that one of the sessions lacks are left out, and sessions
        without any unit.
    fraction : float
        Part of the units that count as most important; 0.1 and 0.5 are published.

    Returns
    -------
    AlwaysImportant
        NaN with fewer than two sessions, and where no unit is in all.

    Raises
    ------
    ConfigError
        Unless 0 < fraction < 1.
    ShapeError
        Unless there are two dimensions.

    References
    ----------
    Rule et al. 2020, eLife 9:e51121, doi 10.7554/eLife.51121.

    Examples
    --------
    >>> found = always_important([[4.0, 3, 2, 1], [4, 1, 2, 3]], 0.5)
    >>> found.fraction, found.chance
    (0.25, 0.25)
    """
    values = np.asarray(importance, dtype=np.float64)
    if values.ndim != 2:
        raise ShapeError(f"importance must have the dimensions (session, unit), got shape {values.shape}")
    if not 0 < fraction < 1:
        raise ConfigError(f"fraction must lie between 0 and 1, got {fraction}")
    finite = np.isfinite(values)
    values, finite = values[finite.any(axis=1)], finite[finite.any(axis=1)]
    units = finite.all(axis=0)
    n_units = int(units.sum())
    if len(values) < 2 or not n_units:
        return AlwaysImportant(float("nan"), float("nan"), n_units)
    chosen = values[:, units]
    most = max(1, round(fraction * n_units))
    rank = np.argsort(np.argsort(-chosen, axis=1, kind="stable"), axis=1)
    return AlwaysImportant(float((rank < most).all(axis=0).mean()), float((most / n_units) ** len(chosen)), n_units)
