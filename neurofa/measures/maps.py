"""From a recording to maps: the mean rate of every unit for every stimulus in every session of one animal.

Where trials were recorded over time, every bin of time of every stimulus is a stimulus of the maps: population vectors
are per stimulus and bin of time, tuning is over both. Bins of one stimulus follow each other.
"""

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
    return _means(rate, np.asarray(duration, dtype=np.float64)[:, None, :])[:, 0]


def _means(rate: Floats, weights: Floats) -> Floats:
    """Means over repeats (stimulus, mean, unit) of rates (stimulus, repeat, unit), weights (stimulus, mean, repeat)."""
    weights, recorded = np.nan_to_num(weights), np.isfinite(rate)
    units = recorded.any(axis=(0, 1))
    means = np.full((len(rate), weights.shape[1], rate.shape[2]), np.nan)
    if recorded.all():
        total = weights.sum(axis=2, keepdims=True)
        means[...] = np.where(total > 0, weights @ rate, np.nan) / np.where(total > 0, total, 1.0)
        return means
    recorded = recorded[:, :, units]
    found = np.where(recorded, rate[:, :, units], 0.0)
    total = weights @ recorded.astype(np.float64)
    means[:, :, units] = np.where(total > 0, weights @ found, np.nan) / np.where(total > 0, total, 1.0)
    return means


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

    Attributes
    ----------
    n_times : int
        Bins of time per stimulus; 1 where trials were not recorded over time.
    n_stimuli : int
        Stimuli of the maps: those shown, times the bins of time.

    Raises
    ------
    RecordingError
        Where the recording has no such animal, variable or layer.
    """

    def __init__(
        self, recording: "xr.DataTree | xr.Dataset", animal: int | str, variable: str = "rate", layer: str | None = None
    ) -> None:
        self.probe = _of_animal(recording, animal, variable)
        self.repeated = "repeat" in self.probe[variable].dims
        self.units = _units_of_layer(self.probe, layer)
        time = ("time",) if "time" in self.probe[variable].dims else ()
        self.n_times = int(self.probe.sizes["time"]) if time else 1
        self.n_stimuli = int(self.probe.sizes["stimulus"]) * self.n_times
        repeat = ("repeat",) if self.repeated else ()
        dims = ("session", "stimulus", *time, *repeat, "unit")
        values = self.probe[variable].transpose(*dims)
        self._values = values.drop_vars(list(values.coords))
        if self.repeated:
            self._duration = self._durations()
            self._detected = self.probe["detected"].transpose("session", "unit").values.astype(bool)[:, self.units]

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
        values = self._of_layer(self._values.isel(session=session).values)
        values = values.reshape(self.n_stimuli, -1, values.shape[-1])
        if not self.repeated:
            return values
        values[:, :, ~self._detected[session]] = np.nan
        return values

    def maps(self) -> Floats:
        """
        Read all sessions of a variable without repeats at once.

        Returns
        -------
        (session, stimulus, unit), unit of the variable
            Rates.
        """
        values = self._of_layer(self._values.values)
        return values.reshape(len(values), self.n_stimuli, values.shape[-1])

    def _of_layer(self, values: np.ndarray) -> Floats:
        """A copy of the values of the layer's units."""
        every = len(self.units) == values.shape[-1]
        return np.array(values if every else values[..., self.units], dtype=np.float64)

    def _durations(self) -> Floats:
        """Durations (session, stimulus, repeat); those of a whole trial weigh each of its bins of time."""
        duration = self.probe["duration"]
        if "time" in duration.dims:
            values = duration.transpose("session", "stimulus", "time", "repeat").values
            return np.asarray(values.reshape(len(values), self.n_stimuli, -1), dtype=np.float64)
        values = duration.transpose("session", "stimulus", "repeat").values
        return np.repeat(np.asarray(values, dtype=np.float64), self.n_times, axis=1)

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
            return np.ones((self.n_stimuli, 1))
        return np.asarray(self._duration[session], dtype=np.float64)

    def detected(self, session: int) -> Bools:
        """
        Tell which units were detected.

        Parameters
        ----------
        session : int
            Its number.

        Returns
        -------
        (unit,) bool
            Detected; all units of variables that were not observed.
        """
        return self._detected[session] if self.repeated else np.ones(len(self.units), dtype=bool)


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
        Where the recording has no such animal, variable or layer.
    """
    reader = SessionReader(recording, animal, variable, layer)
    day = np.asarray(reader.probe["day"].values, dtype=np.float64)
    sessions = np.flatnonzero(np.isfinite(day))
    if not reader.repeated:
        values = reader.maps()[sessions]
        halves = np.broadcast_to(np.nan, (2, *values.shape))
        return SessionMaps(values, halves, np.asarray(np.isfinite(values).any(axis=1)), day[sessions], sessions)
    maps = np.full((len(sessions), reader.n_stimuli, len(reader.units)), np.nan)
    halves = np.full((2, *maps.shape), np.nan)
    for index, session in enumerate(sessions.tolist()):
        duration = reader.duration(session)
        every = np.arange(duration.shape[1]) % 2
        means = _means(reader[session], np.stack([duration, duration * (every == 0), duration * every], axis=1))
        maps[index] = means[:, 0]
        if (duration.sum(axis=0) > 0).sum() >= 2:
            halves[:, index] = means[:, 1:].swapaxes(0, 1)
    detected = np.array([reader.detected(session) for session in sessions], dtype=bool).reshape(maps[:, 0].shape)
    return SessionMaps(maps, halves, detected, day[sessions], sessions)


def _of_animal(recording: "xr.DataTree | xr.Dataset", animal: int | str, variable: str) -> "xr.Dataset":
    """Check and select; nothing is read from disk."""
    import xarray as xr

    probe = recording["probe"].to_dataset() if isinstance(recording, xr.DataTree) else recording
    if variable not in probe.data_vars:
        raise RecordingError(f"the recording has no variable {variable!r}; it has {sorted(map(str, probe.data_vars))}")
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
