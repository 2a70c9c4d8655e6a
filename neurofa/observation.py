"""From true rates to what a microscope and a cell registration would show.

Calcium events are Poisson counts per frame of the recorded frames; which cells are seen is a slow visibility of their
own, not a threshold on activity; identities of cells are mixed up by registration errors. Model and starting values
were found by fitting recorded CA1 (Sheintuch et al. 2020, 10.1016/j.cub.2020.02.018).
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from neurofa import seeds
from neurofa.errors import RecordingError
from neurofa.observation_settings import ObservationSettings
from neurofa.occupancy import occupancy_recording, recorded_frames, task_frames
from neurofa.protocol import Protocol, protocol_from
from neurofa.recording import build_recording


class Microscope:
    """
    Observation of one animal.

    Parameters
    ----------
    settings : ObservationSettings
        The observation model.
    seed, index : int
        Whose random numbers.
    true_rate : numpy.ndarray
        (session, stimulus, unit), a.u.
    day : numpy.ndarray
        (session,), days since the first session.
    """

    def __init__(
        self, settings: ObservationSettings, seed: int, index: int, true_rate: np.ndarray, day: np.ndarray
    ) -> None:
        self.settings = settings
        self._path = (seed, index)
        self.day = np.asarray(day, dtype=float)
        n_units = true_rate.shape[2]
        self._rate = true_rate
        rates = np.power(np.maximum(true_rate, 0), settings.rate_exponent)
        mean = float(rates.mean(dtype=np.float64))
        self._scale = 1 / mean if mean > 0 else 0.0
        self._cell = self._normal("cell gain", n_units) * settings.cell_gain_sd
        self._lost = self._identities(n_units)
        self._identity = [self._mixed(lost, number) for number, lost in enumerate(self._lost)]
        self.detected = self._detected(n_units)
        self._hz = self._to_hz()

    def sessions(self, frames: np.ndarray) -> Iterator[np.ndarray]:
        """
        Observed rates, session by session.

        Parameters
        ----------
        frames : numpy.ndarray
            (session, stimulus, repeat): number of frames recorded; 0 = none.

        Yields
        ------
        numpy.ndarray
            (stimulus, repeat, unit), float32, Hz; NaN for cells that are not detected and where there are no frames.
        """
        own = self.settings
        for session in range(len(self.day)):
            expected = self._expected(session) * self._hz / own.frame_rate_hz
            generator = self._generator("events", session)
            shape = (1, frames.shape[2], expected.shape[1])
            spread = np.float32(own.trial_gain_sd)
            trial = np.exp(spread * generator.standard_normal(shape, dtype=np.float32) - spread**2 / 2)
            per_frame = np.minimum(expected[:, None, :].astype(np.float32) * trial, own.largest_event_probability)
            counts = generator.poisson(per_frame * frames[session][:, :, None]).astype(np.float32)
            with np.errstate(invalid="ignore", divide="ignore"):
                rate = counts * np.float32(own.frame_rate_hz) / frames[session][:, :, None].astype(np.float32)
            rate[:, :, ~self.detected[session]] = np.nan
            yield rate

    def _expected(self, session: int) -> np.ndarray:
        """Relative event rate (stimulus, unit) of the cells as registered, mean about 1."""
        own = self.settings
        rates: np.ndarray = np.maximum(self._rate[session], 0) ** own.rate_exponent * self._scale
        rates = rates * (1 - own.background) + own.background
        fresh = own.session_gain_sd * self._normal("session gain", rates.shape[1], session)
        observed: np.ndarray = (rates * np.exp(self._cell + fresh))[:, self._identity[session]]
        return observed

    def _identities(self, n_units: int) -> list[np.ndarray]:
        """Which cell hides behind each registered identity, after the errors so far."""
        identity = np.arange(n_units)
        found = [identity]
        for session in range(1, len(self.day)):
            swap = mix_up(self._generator("identity loss", session), n_units, self.settings.identity_loss)
            identity = identity[swap]
            found.append(identity)
        return found

    def _mixed(self, identity: np.ndarray, session: int) -> np.ndarray:
        """The same with the errors of this session alone."""
        swap = mix_up(self._generator("misregistration", session), len(identity), self.settings.misregistered)
        mixed: np.ndarray = identity[swap]
        return mixed

    def _detected(self, n_units: int) -> np.ndarray:
        """(session, unit): the cells with the largest visibility in each session."""
        own = self.settings
        slow = self._normal("visibility", n_units)
        detected = np.zeros((len(self.day), n_units), dtype=bool)
        n_seen = max(1, round(own.detected_fraction * n_units))
        for session, day in enumerate(self.day):
            if session > 0:
                rho = np.exp(-(day - self.day[session - 1]) / own.visibility_time_constant_days)
                slow = rho * slow + np.sqrt(1 - rho**2) * self._normal("visibility", n_units, session)
            white = self._normal("white visibility", n_units, session)
            own_part = np.sqrt(1 - own.visibility_white) * slow + np.sqrt(own.visibility_white) * white
            log_rate = np.log(np.maximum(self._expected(session).mean(0), 1e-12))
            spread = log_rate.std()
            standard = (log_rate - log_rate.mean()) / spread if spread > 0 else np.zeros(n_units)
            weight = own.visibility_rate_weight
            visibility = weight * standard + np.sqrt(1 - weight**2) * own_part
            detected[session, np.argsort(-visibility, kind="stable")[:n_seen]] = True
        return detected

    def _to_hz(self) -> float:
        """Factor that gives detected cells the mean event rate of the settings."""
        total = [self._expected(session)[:, seen].mean() for session, seen in enumerate(self.detected)]
        mean = float(np.mean(total))
        return self.settings.event_rate_hz / mean if mean > 0 else 0.0

    def _generator(self, *purpose: str | int) -> np.random.Generator:
        """Random numbers of this animal's observation."""
        seed, index = self._path
        return seeds.generator(seed, "animal", index, "observation", *purpose)

    def _normal(self, purpose: str, n_units: int, session: int = 0) -> np.ndarray:
        """Standard normal number per unit."""
        return self._generator(purpose, session).standard_normal(n_units)


def mix_up(generator: np.random.Generator, n_units: int, fraction: float) -> np.ndarray:
    """
    Permute a fraction of cells among themselves: each of them gets another's identity.

    Parameters
    ----------
    generator : numpy.random.Generator
        Random numbers.
    n_units : int
        Number of cells.
    fraction : float
        Fraction that is mixed up, 0 to 1.

    Returns
    -------
    numpy.ndarray
        (unit,): which cell stands at each identity.
    """
    order = np.arange(n_units)
    n_mixed = round(fraction * n_units)
    if n_mixed >= 2:
        chosen = generator.permutation(n_units)[:n_mixed]
        order[chosen] = np.roll(chosen, 1)
    return order


def observe(recording: xr.DataTree, like: xr.DataTree | None = None, protocol: Protocol | None = None) -> xr.DataTree:
    """
    Observe the stored true rates of simulated animals again.

    Parameters
    ----------
    recording : xarray.DataTree
        A simulated recording, with ``true_rate``.
    like : xarray.DataTree, optional
        A recording of one animal: its frames per stimulus and trial, its number of sessions and of cells are used, with
        the simulated sessions of the same numbers.
    protocol : Protocol, optional
        In place of the protocol that the recording carries, for other settings of the observation.

    Returns
    -------
    xarray.DataTree
        The same animals with new ``rate``, ``duration`` and ``detected``, in memory.

    Raises
    ------
    RecordingError
        Where the recording has no true rates, or `like` has other stimuli.
    """
    probe = recording["probe"].to_dataset()
    if "true_rate" not in probe:
        raise RecordingError("only simulated recordings can be observed again: this one has no true_rate")
    if protocol is None:
        protocol = stored_protocol(recording)
    n_sessions, n_units = probe.sizes["session"], probe.sizes["unit"]
    if like is not None:
        like_probe = like["probe"].to_dataset()
        n_sessions = min(n_sessions, int(np.isfinite(like_probe["day"].values).sum()))
        n_units = min(n_units, like_probe.sizes["unit"])
    probe = probe.drop_vars(["rate", "duration", "detected"]).isel(session=slice(n_sessions))
    keep = np.arange(probe.sizes["unit"])
    if n_units < len(keep):
        keep = np.sort(seeds.generator(protocol.cohort.seed, "observation", "cells").permutation(len(keep))[:n_units])
        probe = probe.isel(unit=keep)
    observed = [_observe_stored(probe.isel(animal=[animal]), protocol, like) for animal in range(probe.sizes["animal"])]
    n_repeats = max(rate.shape[2] for rate, _, _ in observed)
    rates = [_padded(rate, 2, n_repeats, np.nan) for rate, _, _ in observed]
    durations = [_padded(duration, 2, n_repeats, 0.0) for _, duration, _ in observed]
    dims = ("animal", "session", "stimulus", "repeat", "unit", "time")
    probe["rate"] = (dims[: 1 + rates[0].ndim], np.stack(rates))
    probe["duration"] = (("animal", "session", "stimulus", "repeat"), np.stack(durations))
    probe["detected"] = (("animal", "session", "unit"), np.stack([detected for _, _, detected in observed]))
    return build_recording(probe.load(), attrs={str(key): value for key, value in recording.attrs.items()})


def _observe_stored(
    probe: xr.Dataset, protocol: Protocol, like: xr.DataTree | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rate, duration and detected of the one animal of a dataset; sessions and units that it lacks stay empty."""
    true_rate, day = probe["true_rate"].values[0], probe["day"].values[0]
    there = np.flatnonzero(np.isfinite(day))
    units = np.flatnonzero(np.isfinite(true_rate[there[0], 0]).reshape(true_rate.shape[2], -1).all(1))
    rates, duration, detected = observe_animal(
        protocol.group(str(probe["group"].values[0])),
        int(probe["index"].values[0]),
        true_rate[np.ix_(there, np.arange(true_rate.shape[1]), units)],
        day[there],
        like,
    )
    n_sessions, n_stimuli, n_units, *n_times = true_rate.shape
    rate = np.full((n_sessions, n_stimuli, duration.shape[2], n_units, *n_times), np.nan, dtype=np.float32)
    for session, observed in zip(there, rates, strict=True):
        rate[session][:, :, units] = observed
    all_durations = np.zeros((n_sessions, *duration.shape[1:]))
    all_durations[there] = duration
    seen = np.zeros((n_sessions, n_units), dtype=bool)
    seen[np.ix_(there, units)] = detected
    return rate, all_durations, seen


def observe_animal(
    protocol: Protocol, index: int, true_rate: np.ndarray, day: np.ndarray, like: xr.DataTree | None = None
) -> tuple[Iterator[np.ndarray], np.ndarray, np.ndarray]:
    """
    Observe one animal.

    Parameters
    ----------
    protocol : Protocol
        Of its group.
    index : int
        Its index within the group.
    true_rate : numpy.ndarray
        (session, stimulus, unit[, time]), a.u.
    day : numpy.ndarray
        (session,), days.
    like : xarray.DataTree, optional
        Recording of one animal whose occupancy is used.

    Returns
    -------
    tuple
        Iterator over sessions of rates (stimulus, repeat, unit) in Hz; duration (session, stimulus, repeat) in s;
        detected (session, unit) bool.
    """
    own, seed = protocol.observation, protocol.cohort.seed
    n_sessions, n_stimuli, n_units = true_rate.shape[:3]
    if own.kind == "none":
        spiking = protocol.engine.kind == "spiking"
        each = protocol.spiking.probe_seconds if spiking else own.seconds_per_stimulus
        duration = np.tile(np.resize(np.atleast_1d(each), n_stimuli)[None, :, None], (n_sessions, 1, 1))
        return (rate[:, None, :] for rate in true_rate), duration, np.ones((n_sessions, n_units), dtype=bool)
    if like is None and own.occupancy != "task":
        like = occupancy_recording(own.occupancy, protocol.folder)
    if like is not None:
        frames = recorded_frames(like, own, n_sessions, n_stimuli)
    else:
        frames = task_frames(own, seed, index, n_sessions, n_stimuli)
    microscope = Microscope(own, seed, index, true_rate, day)
    return microscope.sessions(frames), frames / own.frame_rate_hz, microscope.detected


def stored_protocol(recording: xr.DataTree) -> Protocol:
    """
    The protocol that a simulated recording carries.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated.

    Returns
    -------
    Protocol
        As it ran.

    Raises
    ------
    RecordingError
        Where the recording carries none.
    """
    import tomllib

    if "protocol" not in recording.attrs:
        raise RecordingError("this recording carries no protocol; it was not simulated")
    return protocol_from(tomllib.loads(recording.attrs["protocol"]), recording.attrs.get("folder", ""))


def _padded(values: np.ndarray, axis: int, length: int, fill: float) -> np.ndarray:
    """The same values, longer along one axis."""
    missing = length - values.shape[axis]
    if missing <= 0:
        return values
    widths = [(0, missing if number == axis else 0) for number in range(values.ndim)]
    return np.pad(values, widths, constant_values=fill)
