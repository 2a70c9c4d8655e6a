"""Single repeats with their gaps apart: what measures of single trials start from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ShapeError
from neurofa.measures.kernels import Bools, Floats
from neurofa.measures.maps import Ints, SessionReader

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Repeats:
    """
    Responses of every repeat with their gaps apart.

    Attributes
    ----------
    values : (session, stimulus, repeat, unit)
        Rates; 0 where missing.
    weights : (session, stimulus, repeat)
        Weights of the repeats; 0 where missing.
    units : (session, unit) bool
        Units recorded in the session.
    """

    values: Floats
    weights: Floats
    units: Bools

    def shown(self) -> Bools:
        """
        Tell which stimuli were recorded.

        Returns
        -------
        (session, stimulus) bool
            Stimuli with a repeat at least.
        """
        return np.asarray((self.weights > 0).any(axis=2))

    def means(self) -> Floats:
        """
        Average over repeats.

        Returns
        -------
        (session, stimulus, unit)
            0 where nothing was recorded.
        """
        total = self.weights.sum(axis=2)
        means: Floats = (self.weights[:, :, None, :] @ self.values)[:, :, 0]
        means /= np.where(total > 0, total, 1.0)[:, :, None]
        return means


@dataclass(frozen=True)
class SessionRepeats:
    """
    Single repeats of one animal.

    Attributes
    ----------
    responses : (session, stimulus, repeat, unit), unit of the variable
        NaN for units not detected and repeats not recorded.
    duration : (session, stimulus, repeat), s
        Weights of the repeats; 0 where not recorded.
    session : (session,) int
        Their numbers in the recording; sessions that the animal did not have are left out.
    """

    responses: Floats
    duration: Floats
    session: Ints


def mask_repeats(responses: ArrayLike, duration: ArrayLike | None = None) -> Repeats:
    """
    Separate single repeats from their gaps.

    Parameters
    ----------
    responses : (session, stimulus, repeat, unit), any unit
        NaN for all repeats of a unit that was not detected in the session, and for all units of a repeat of a stimulus
        that was not recorded.
    duration : (session, stimulus, repeat), s, optional
        Weights; without it 1. A repeat of duration 0 or NaN counts as not recorded.

    Returns
    -------
    Repeats
        Values, weights, units.

    Raises
    ------
    ShapeError
        Unless there are four dimensions, and gaps are whole units of a session or whole repeats of a stimulus.
    """
    values = np.asarray(responses, dtype=np.float64)
    if values.ndim != 4:
        raise ShapeError(
            f"responses must have the dimensions (session, stimulus, repeat, unit), got shape {values.shape}"
        )
    finite = np.isfinite(values)
    shown, units = np.asarray(finite.any(axis=3)), np.asarray(finite.any(axis=(1, 2)))
    if not finite.all() and (finite != (shown[:, :, :, None] & units[:, None, None, :])).any():
        raise ShapeError(
            "responses lack single values; a gap must be a whole unit (not detected) of a session or a whole repeat "
            "(not shown) of a stimulus: set the rest of that unit or repeat to NaN as well"
        )
    weights = shown.astype(np.float64)
    if duration is not None:
        seconds = np.asarray(duration, dtype=np.float64)
        if seconds.shape != weights.shape:
            raise ShapeError(f"duration must have the shape {weights.shape}, got {seconds.shape}")
        weights = np.where(shown & (seconds > 0), seconds, 0.0)
    return Repeats(values if finite.all() else np.where(finite, values, 0.0), weights, units)


def session_repeats(
    recording: "xr.DataTree | xr.Dataset", animal: int | str, variable: str = "rate", layer: str | None = None
) -> SessionRepeats:
    """
    Read all single repeats of one animal; units that were never detected are left out.

    Parameters
    ----------
    recording : xarray.DataTree or xarray.Dataset
        A recording or its group ``probe``.
    animal : int or str
        Position or name.
    variable : str
        ``rate``; variables without repeats count as one repeat.
    layer : str, optional
        Only units of this layer.

    Returns
    -------
    SessionRepeats
        Responses, durations, sessions.

    Raises
    ------
    RecordingError
        Where the recording has no such animal, variable or layer.
    """
    reader = SessionReader(recording, animal, variable, layer)
    sessions = np.flatnonzero(np.isfinite(np.asarray(reader.probe["day"].values, dtype=np.float64)))
    rates, durations = [], []
    for session in sessions.tolist():
        rate, duration = reader[session], np.nan_to_num(reader.duration(session))
        rate[duration <= 0] = np.nan
        rates.append(rate)
        durations.append(np.where(np.isfinite(rate).any(axis=2), duration, 0.0))
    responses = np.array(rates).reshape(len(sessions), reader.n_stimuli, -1, len(reader.units))
    known = np.isfinite(responses).any(axis=(0, 1, 2))
    return SessionRepeats(responses[..., known], np.array(durations).reshape(responses.shape[:3]), sessions)
