"""How long an animal stays at each stimulus: frames recorded per stimulus and repeat, drawn or from a recording."""

from pathlib import Path

import numpy as np
import xarray as xr

from neurofa import seeds
from neurofa.errors import RecordingError
from neurofa.observation_settings import ObservationSettings
from neurofa.recording import load_recording


def task_frames(settings: ObservationSettings, seed: int, index: int, n_sessions: int, n_stimuli: int) -> np.ndarray:
    """
    Frames recorded per stimulus and repeat in the simulated task.

    Parameters
    ----------
    settings : ObservationSettings
        Mean time, its spread, and the frame rate.
    seed, index : int
        Whose random numbers.
    n_sessions, n_stimuli : int
        How many.

    Returns
    -------
    numpy.ndarray
        (session, stimulus, repeat), int.
    """
    own = settings
    seconds = np.resize(np.atleast_1d(own.seconds_per_stimulus), n_stimuli)[:, None]
    sds = own.seconds_spread, own.repeat_seconds_spread
    frames = np.empty((n_sessions, n_stimuli, own.repeats), dtype=np.int64)
    for session in range(n_sessions):
        generator = seeds.generator(seed, "animal", index, "observation", "occupancy", session)
        log = sds[0] * generator.standard_normal((n_stimuli, own.repeats))
        log += sds[1] * generator.standard_normal((1, own.repeats)) - (sds[0] ** 2 + sds[1] ** 2) / 2
        mean = seconds * own.frame_rate_hz * np.exp(log)
        frames[session] = np.floor(mean + generator.random(mean.shape)).astype(np.int64)
    return frames


def recorded_frames(
    recorded: xr.DataTree, settings: ObservationSettings, n_sessions: int, n_stimuli: int
) -> np.ndarray:
    """
    Frames per stimulus and repeat of a recorded animal.

    Parameters
    ----------
    recorded : xarray.DataTree
        A recording of one animal.
    settings : ObservationSettings
        For the frame rate.
    n_sessions, n_stimuli : int
        What the simulated animal has.

    Returns
    -------
    numpy.ndarray
        (session, stimulus, repeat), int; sessions beyond the recorded ones take the recorded ones again in turn.

    Raises
    ------
    RecordingError
        Where the recording has several animals or other stimuli.
    """
    probe = recorded["probe"].to_dataset()
    if probe.sizes["animal"] != 1:
        raise RecordingError(
            f"the occupancy must come from one recorded animal, got {probe.sizes['animal']}; "
            "import one subject, or select one"
        )
    if probe.sizes["stimulus"] != n_stimuli:
        raise RecordingError(
            f"the recording has {probe.sizes['stimulus']} stimuli, the simulated animals {n_stimuli}; "
            "use a protocol with the recording's bins (stimuli.bins)"
        )
    there = np.isfinite(probe["day"].values[0])
    seconds = probe["duration"].values[0][there]
    frames = np.rint(seconds * settings.frame_rate_hz).astype(np.int64)
    chosen: np.ndarray = frames[np.arange(n_sessions) % len(frames)]
    return chosen


def occupancy_recording(path: str, folder: str) -> xr.DataTree:
    """
    The recording whose occupancy a protocol takes.

    Parameters
    ----------
    path : str
        Run folder of an imported recording, relative to `folder` or to the current folder.
    folder : str
        Of the protocol.

    Returns
    -------
    xarray.DataTree
        The recording.
    """
    beside = Path(folder) / path
    return load_recording(beside if beside.exists() else path)
