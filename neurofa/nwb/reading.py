"""One NWB file to one session: frames and event counts per trial, stimulus and registered cell."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurofa.errors import RecordingError
from neurofa.nwb.counting import count_events, count_frames, stimulus_of_frames
from neurofa.nwb.options import NWBOptions
from neurofa.nwb.series import Series, find_series, registered_cells
from neurofa.nwb.units import CENTIMETRES, position_unit, velocity_unit

#: ROIs whose events are in memory at once; a multiple of the chunks that the libraries write
_COLUMNS_AT_ONCE = 256


@dataclass(frozen=True)
class Session:
    """
    What is kept of one file.

    ``frames`` is (repeat, stimulus), ``counts`` (repeat, stimulus, unit): frames with an event, for the registered
    cells whose numbers ``cell_id`` (unit,) holds. ``location`` becomes the recording's layer. The file names its own
    ``publications``.
    """

    path: Path
    subject: str
    session_id: str
    start: datetime
    frame_rate_hz: float
    position_unit: str
    velocity_unit: str
    location: str
    cell_id: npt.NDArray[np.int64]
    n_unregistered: int
    frames: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float32]
    publications: tuple[str, ...] = ()


def read_session(path: Path, options: NWBOptions) -> Session:
    """
    Read one session.

    Parameters
    ----------
    path : pathlib.Path
        An NWB 2 file.
    options : NWBOptions
        Names, units and processing.

    Returns
    -------
    Session
        Frames and event counts.

    Raises
    ------
    RecordingError
        Where the file cannot be read, or lacks or contradicts what is needed.
    """
    with opened(path) as nwbfile:
        try:
            return _session(path, nwbfile, options)
        except (OSError, RuntimeError, KeyError) as error:  # h5py: a damaged part of a file that could be opened
            raise unreadable(path, error) from error


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """
    Open an NWB file; what its libraries raise or warn meanwhile becomes one sentence or nothing.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Yields
    ------
    pynwb.NWBFile
        Closed again after the block.

    Raises
    ------
    RecordingError
        Where it cannot be read.
    """
    from pynwb import NWBHDF5IO

    with warnings.catch_warnings():
        # remarks of the NWB libraries on the file's own schema: what is needed is checked here
        warnings.filterwarnings("ignore", module=r"(hdmf|pynwb)(\.|$)")
        try:
            io = NWBHDF5IO(path, "r")
        except Exception as error:
            raise unreadable(path, error) from error
        with io:
            try:
                nwbfile = io.read()
            except Exception as error:
                raise unreadable(path, error) from error
            yield nwbfile


def unreadable(path: Path, error: Exception) -> RecordingError:
    """
    One sentence for whatever h5py, hdmf or pynwb says.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    error : Exception
        What was raised.

    Returns
    -------
    RecordingError
        To be raised.
    """
    said = (str(error.args[-1]) if error.args else "").strip().splitlines() or [type(error).__name__]
    if "truncated" in said[0]:
        reason = "the file is truncated"
    elif "signature not found" in said[0]:
        reason = "it is no HDF5 file"
    elif isinstance(error, OSError):
        reason = said[0]
    else:
        reason = f"a part that NWB requires is missing or damaged: {said[0][:160]}"
    return RecordingError(f"{path} cannot be read as an NWB 2 file ({reason}); copy or convert it again")


def _session(path: Path, nwbfile: Any, options: NWBOptions) -> Session:
    """The session of an open file."""
    subject = getattr(nwbfile.subject, "subject_id", None)
    if not subject:
        raise RecordingError(f"{path} names no animal; write the file with a Subject that has a subject_id")
    position = find_series(nwbfile, options.position_series, "position_series", path)
    velocity = find_series(nwbfile, options.velocity_series, "velocity_series", path)
    events = find_series(nwbfile, options.events_series, "events_series", path)
    _check_clocks(path, position, velocity, events)
    cell_id, location = registered_cells(events, options.registration_column)
    units = (
        position_unit(options.position_unit or position.unit, position.where),
        velocity_unit(options.velocity_unit or velocity.unit, velocity.where),
    )
    place = _as_fraction(position.values(), units[0], position.where, options)
    speed = velocity.values() * CENTIMETRES[units[1]]
    trials = _trials(path, nwbfile, events)
    stimuli = [stimulus_of_frames(place[trial], speed[trial], options) for trial in trials]
    frames = np.stack([count_frames(stimulus, 2 * options.n_kept) for stimulus in stimuli])
    if not np.any(frames):
        raise RecordingError(
            f"{path} has no frame within a trial and the kept bins at {options.minimum_speed_cm_s:g} cm/s or more; "
            "check the trials table, the units of position and velocity, and minimum_speed_cm_s"
        )
    named = nwbfile.related_publications
    return Session(
        path=path,
        subject=str(subject),
        session_id=str(nwbfile.session_id or path.stem),
        start=nwbfile.session_start_time,
        frame_rate_hz=events.rate_hz,
        position_unit=units[0],
        velocity_unit=units[1],
        location=options.layer or location or "recorded",
        cell_id=cell_id[cell_id >= 0],
        n_unregistered=int((cell_id < 0).sum()),
        frames=frames,
        counts=_counts(events, trials, stimuli, 2 * options.n_kept)[:, :, cell_id >= 0],
        publications=() if named is None else tuple(str(text) for text in named),
    )


def _check_clocks(path: Path, position: Series, velocity: Series, events: Series) -> None:
    """Position, velocity and events must be the same frames."""
    for series in (position, velocity):
        if series.length != events.length:
            raise RecordingError(
                f"{path}: '{series.name}' has {series.length} frames, '{events.name}' has {events.length}; "
                "resample them to the same frames"
            )
        if abs(series.rate_hz / events.rate_hz - 1) > 1e-4:
            raise RecordingError(
                f"{path}: '{series.name}' is sampled at {series.rate_hz:g} Hz, '{events.name}' at "
                f"{events.rate_hz:g} Hz; resample them to the same frames"
            )
        if abs(series.start_s - events.start_s) * events.rate_hz > 0.5:
            raise RecordingError(
                f"{path}: '{series.name}' starts at {series.start_s:g} s, '{events.name}' at {events.start_s:g} s; "
                "cut them to the same frames"
            )


def _as_fraction(
    position: npt.NDArray[np.float64], unit: str, where: str, options: NWBOptions
) -> npt.NDArray[np.float64]:
    """Position as a fraction of the track."""
    if unit != "fraction":
        if options.track_start_cm is None or options.track_end_cm is None:
            raise RecordingError(
                f"{where} is in {unit}; say where the track lies with track_start_cm and track_end_cm, "
                "or set position_unit to 'fraction' if 0 and 1 are its ends"
            )
        length = options.track_end_cm - options.track_start_cm
        position = (position * CENTIMETRES[unit] - options.track_start_cm) / length
    known = position[np.isfinite(position)]
    if len(known) and (known.min() < -1 or known.max() > 2):
        raise RecordingError(
            f"{where} runs from {known.min():.3g} to {known.max():.3g} times the track; expected about 0 to 1: "
            "check position_unit, track_start_cm and track_end_cm"
        )
    return position


def _trials(path: Path, nwbfile: Any, events: Series) -> list[slice]:
    """Frames of every trial."""
    if nwbfile.trials is None or not len(nwbfile.trials):
        raise RecordingError(
            f"{path} has no trials; add a trials table (start_time, stop_time): trials are the repeats"
        )
    times = np.stack([np.asarray(nwbfile.trials[name].data[:], float) for name in ("start_time", "stop_time")], axis=1)
    if not np.all(np.isfinite(times)) or np.any(times[:, 0] >= times[:, 1]):
        raise RecordingError(f"{path} has a trial that does not end after it starts; correct its trials table")
    frames = np.clip(np.rint((times - events.start_s) * events.rate_hz), 0, events.length).astype(int)
    return [slice(int(start), int(stop)) for start, stop in frames]


def _counts(
    events: Series, trials: list[slice], stimuli: list[npt.NDArray[np.int64]], n_stimuli: int
) -> npt.NDArray[np.float32]:
    """Frames with an event, (repeat, stimulus, ROI); read in blocks of columns, so memory stays small."""
    n_rois = events.data.shape[1]
    counts = np.zeros((len(trials), n_stimuli, n_rois), dtype=np.float32)
    for first in range(0, n_rois, _COLUMNS_AT_ONCE):
        columns = slice(first, min(first + _COLUMNS_AT_ONCE, n_rois))
        amplitude = np.asarray(events.data[:, columns])
        for repeat, (trial, stimulus) in enumerate(zip(trials, stimuli, strict=True)):
            used = stimulus >= 0
            during = amplitude[trial][used]
            if np.isnan(during).any():
                raise RecordingError(f"{events.where} is NaN while the animal runs; write 0 where a cell has no event")
            counts[repeat, :, columns] = count_events(stimulus[used], during > 0, n_stimuli)
    return counts
