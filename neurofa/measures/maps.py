"""From a recording to maps: the mean rate of every unit for every stimulus in every session of one animal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurofa.errors import RecordingError
from neurofa.measures.kernels import Bools, Floats

if TYPE_CHECKING:
    import xarray as xr

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class SessionMaps:
    """
    Maps of one animal.

    Attributes
    ----------
    maps : (session, stimulus, unit), unit of the variable
        Duration-weighted mean over repeats; NaN for units not detected and stimuli not recorded in the session.
    halves : (2, session, stimulus, unit), unit of the variable
        The same over repeats 0, 2, 4, ... and over repeats 1, 3, 5, ...; NaN where there are fewer than two repeats.
    detected : (session, unit) bool
        Units detected in the session.
    day : (session,), days since the first session
        When the sessions were.
    session : (session,) int
        Their numbers in the recording; sessions that the animal did not have are left out.
    """

    maps: Floats
    halves: Floats
    detected: Bools
    day: Floats
    session: Ints


def weighted_mean(rate: Floats, duration: Floats) -> Floats:
    """
    Duration-weighted mean over repeats, of what was recorded.

    Parameters
    ----------
    rate : (stimulus, repeat, unit), Hz or a.u.
        NaN where not recorded.
    duration : (stimulus, repeat), s
        Weights; 0 where not recorded.

    Returns
    -------
    (stimulus, unit)
        NaN where nothing was recorded.
    """
    recorded = np.isfinite(rate)
    weight = np.nan_to_num(np.asarray(duration, dtype=np.float64))[:, None, :]
    total = (weight @ recorded.astype(np.float64))[:, 0]
    summed = (weight @ np.where(recorded, rate, 0.0))[:, 0]
    return np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan)


class SessionReader:
    """
    The sessions of one animal of a recording, each read from disk when it is asked for.

    Parameters
    ----------
    recording : xarray.DataTree or xarray.Dataset
        A recording or its group ``probe``.
    animal : int or str
        Position or name.
    variable : str
        ``rate``, ``true_rate`` or ``latent_rate``; one without repeats counts as one repeat of 1 s.
    layer : str, optional
        Only units of this layer.

    Raises
    ------
    RecordingError
        Where the recording has no such animal, variable or layer, or the rates still have a time axis.
    """

    def __init__(
        self, recording: "xr.DataTree | xr.Dataset", animal: int | str, variable: str = "rate", layer: str | None = None
    ) -> None:
        self.probe = _of_animal(recording, animal, variable)
        self.variable = variable
        self.units = _units_of_layer(self.probe, layer)
        self.repeated = "repeat" in self.probe[variable].dims

    def __len__(self) -> int:
        return int(self.probe.sizes["session"])

    def __getitem__(self, session: int) -> Floats:
        """
        Read the rates (stimulus, repeat, unit) of a session, NaN for units that were not detected.

        Parameters
        ----------
        session : int
            Its number.

        Returns
        -------
        (stimulus, repeat, unit), unit of the variable
            Rates.
        """
        values = self.probe[self.variable].isel(session=session)
        if not self.repeated:
            return np.asarray(values.transpose("stimulus", "unit").values[:, None, self.units], dtype=np.float64)
        rate = np.asarray(values.transpose("stimulus", "repeat", "unit").values[:, :, self.units], dtype=np.float64)
        return np.where(self.detected(session), rate, np.nan)

    def duration(self, session: int) -> Floats:
        """
        Read how long each repeat was recorded.

        Parameters
        ----------
        session : int
            Its number.

        Returns
        -------
        (stimulus, repeat), s
            Durations.
        """
        if not self.repeated:
            return np.ones((self.probe.sizes["stimulus"], 1))
        values = self.probe["duration"].isel(session=session).transpose("stimulus", "repeat").values
        return np.asarray(values, dtype=np.float64)

    def detected(self, session: int) -> Bools:
        """
        Read which units were detected; for variables that are not observed, which have values.

        Parameters
        ----------
        session : int
            Its number.

        Returns
        -------
        (unit,) bool
            Detected.
        """
        if not self.repeated:
            return np.asarray(np.isfinite(self[session]).any(axis=(0, 1)))
        return np.asarray(self.probe["detected"].isel(session=session).values, dtype=bool)[self.units]


def session_maps(
    recording: "xr.DataTree | xr.Dataset", animal: int | str, variable: str = "rate", layer: str | None = None
) -> SessionMaps:
    """
    Average one animal's probe over repeats, one session at a time.

    Parameters
    ----------
    recording : xarray.DataTree or xarray.Dataset
        A recording or its group ``probe``.
    animal : int or str
        Position or name.
    variable : str
        ``rate``, or ``true_rate`` or ``latent_rate``: these have no repeats (halves are NaN) and were not observed
        (every unit with finite values counts as detected).
    layer : str, optional
        Only units of this layer.

    Returns
    -------
    SessionMaps
        Maps, halves, detection and days.

    Raises
    ------
    RecordingError
        Where the recording has no such animal, variable or layer, or the rates still have a time axis.
    """
    reader = SessionReader(recording, animal, variable, layer)
    day = np.asarray(reader.probe["day"].values, dtype=np.float64)
    sessions = np.flatnonzero(np.isfinite(day))
    maps = np.full((len(sessions), reader.probe.sizes["stimulus"], len(reader.units)), np.nan)
    halves = np.full((2, *maps.shape), np.nan)
    detected = np.zeros((len(sessions), len(reader.units)), dtype=bool)
    for index, session in enumerate(sessions.tolist()):
        rate, duration = reader[session], reader.duration(session)
        detected[index] = reader.detected(session)
        maps[index] = weighted_mean(rate, duration)
        if (duration.sum(axis=0) > 0).sum() >= 2:
            for half in (0, 1):
                halves[half, index] = weighted_mean(rate[:, half::2], duration[:, half::2])
    return SessionMaps(maps, halves, detected, day[sessions], sessions)


def _of_animal(recording: "xr.DataTree | xr.Dataset", animal: int | str, variable: str) -> "xr.Dataset":
    """Check and select; nothing is read from disk."""
    import xarray as xr

    probe = recording["probe"].to_dataset() if isinstance(recording, xr.DataTree) else recording
    if variable not in probe.data_vars:
        raise RecordingError(f"the recording has no variable {variable!r}; it has {sorted(map(str, probe.data_vars))}")
    if "time" in probe[variable].dims:
        raise RecordingError(f"{variable!r} has a time axis and maps have none; average it over time first")
    names = [str(name) for name in probe["animal"].values] if "animal" in probe.coords else []
    if isinstance(animal, str):
        if animal not in names:
            raise RecordingError(f"the recording has no animal {animal!r}; it has {names}")
        animal = names.index(animal)
    if not -probe.sizes["animal"] <= animal < probe.sizes["animal"]:
        raise RecordingError(
            f"the recording has {probe.sizes['animal']} animals, so there is no animal number {animal}"
        )
    return probe.isel(animal=animal)


def _units_of_layer(probe: "xr.Dataset", layer: str | None) -> Ints:
    """Positions of a layer's units."""
    if layer is None:
        return np.arange(probe.sizes["unit"])
    layers = [str(name) for name in probe["layer"].values] if "layer" in probe.coords else []
    if layer not in layers:
        raise RecordingError(f"the recording has no layer {layer!r}; it has {sorted(set(layers))}")
    return np.flatnonzero(np.array(layers) == layer)
