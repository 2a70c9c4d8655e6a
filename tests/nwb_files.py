"""Writes small NWB sessions whose frames and events per trial, direction and bin are known, for tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.behavior import Position, SpatialSeries
from pynwb.file import Subject
from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

N_BINS = 24
KEPT = (3, 22)
N_KEPT = KEPT[1] - KEPT[0] + 1
N_STIMULI = 2 * N_KEPT
FIRST_DAY = datetime(2020, 2, 27, 23, 30, tzinfo=UTC)


def known_session(n_trials: int = 3, n_cells: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Frames (repeat, stimulus), some 0, and active frames (repeat, stimulus, cell), never more than the frames."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 5, (n_trials, N_STIMULI))
    counts = rng.binomial(frames[:, :, None], 0.4, (n_trials, N_STIMULI, n_cells))
    return frames, counts


def write_session(
    path: Path,
    frames: np.ndarray,
    counts: np.ndarray,
    cells: Any,
    *,
    subject: str | None = "M1",
    day: float = 0.0,
    rate_hz: float = 20.0,
    velocity_rate_hz: float | None = None,
    velocity_name: str | None = "velocity",
    velocity_unit: str = "cm/s",
    velocity_start_s: float = 0.0,
    velocity_cut: int = 0,
    second_velocity: bool = False,
    speed: float = 20.0,
    position_unit: str = "fraction of track",
    track: tuple[float, float] = (0.0, 1.0),
    conversion: float = 1.0,
    position_2d: bool = False,
    column: str | None = "global_cell_id",
    rois: bool = True,
    trials: bool = True,
    timestamps: bool = False,
    irregular: bool = False,
    location: str = "CA1",
    nan_event: bool = False,
    publications: list[str] | None = None,
) -> Path:
    """One session; every keyword departs from a good file in one respect."""
    position, velocity, events, spans = _behaviour(frames, counts, speed)
    if nan_event:
        events[np.flatnonzero((velocity < 0) & (position < 0.5))[20], 0] = np.nan
    position = (track[0] + position * (track[1] - track[0])) / conversion
    start = FIRST_DAY + timedelta(days=day)
    nwbfile = NWBFile("synthetic", f"{path.stem}", start, session_id=f"day{day:g}", related_publications=publications)
    if subject is not None:
        nwbfile.subject = Subject(subject_id=subject, species="Mus musculus", sex="M", age="P8W")
    clock: dict[str, Any] = {"rate": rate_hz, "starting_time": 0.0}
    if timestamps:
        times = np.arange(len(position)) / rate_hz
        if irregular:
            times[len(times) // 2 :] += 3.0
        clock = {"timestamps": times}
    behaviour = nwbfile.create_processing_module("behavior", "position on the track")
    place = np.stack([position, position], axis=1) if position_2d else position
    series = SpatialSeries(
        name="linearized_position",
        data=place,
        unit=position_unit,
        conversion=conversion,
        reference_frame="track",
        **clock,
    )
    behaviour.add(Position(spatial_series=series))
    if velocity_name is not None:
        own_clock = dict(clock)
        if "rate" in own_clock:
            own_clock |= {"rate": velocity_rate_hz or rate_hz, "starting_time": velocity_start_s}
        velocity = velocity[: len(velocity) - velocity_cut]
        behaviour.add(TimeSeries(name=velocity_name, data=velocity, unit=velocity_unit, **own_clock))
    if second_velocity:
        nwbfile.add_acquisition(TimeSeries(name="velocity", data=-velocity, unit=velocity_unit, **clock))
    _add_events(nwbfile, events, cells, column, rois, location, clock)
    if trials:
        for first, last in spans:
            nwbfile.add_trial(start_time=first / rate_hz, stop_time=last / rate_hz)
    path.parent.mkdir(parents=True, exist_ok=True)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwbfile)
    return path


def _behaviour(
    frames: np.ndarray, counts: np.ndarray, speed: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Laps there and back; outside trials and in gaps the animal is not seen, and every cell is active."""
    position: list[float] = []
    velocity: list[float] = []
    events: list[np.ndarray] = []
    spans = []
    n_cells = counts.shape[2]

    def stay(place: float, how_fast: float, active: np.ndarray) -> None:
        position.extend([place] * len(active))
        velocity.extend([how_fast] * len(active))
        events.extend(active)

    everything = np.ones((7, n_cells))
    for own_frames, own_counts in zip(frames, counts, strict=True):
        stay(np.nan, np.nan, everything)
        first = len(position)
        stay(0.5 / N_BINS, speed, everything)
        for stimulus, (n_frames, n_active) in enumerate(zip(own_frames, own_counts, strict=True)):
            leftward = stimulus >= N_KEPT
            if stimulus == N_KEPT:  # the turn, in a bin that is not kept
                stay(23.5 / N_BINS, speed, everything)
                stay(23.5 / N_BINS, -speed, everything)
            place = (KEPT[0] + (N_STIMULI - 1 - stimulus if leftward else stimulus) - 0.5) / N_BINS
            # leftward laps pass the bins from the last to the first
            index = N_KEPT + (N_STIMULI - 1 - stimulus) if leftward else stimulus
            n_frames, n_active = own_frames[index], own_counts[index]
            active = (np.arange(n_frames)[:, None] < n_active) * 0.7
            stay(place, -speed if leftward else speed, active)
            if stimulus % 5 == 0:
                stay(np.nan, -50.0, everything)
                stay(place, np.nan, everything)
        stay(0.5 / N_BINS, -speed, everything)
        spans.append((first, len(position)))
    stay(np.nan, np.nan, everything)
    return np.array(position), np.array(velocity), np.array(events, dtype="float32"), spans


def _add_events(
    nwbfile: NWBFile,
    events: np.ndarray,
    cells: Any,
    column: str | None,
    rois: bool,
    location: str,
    clock: dict[str, Any],
) -> None:
    """The events of the ROIs, with the cells' numbers across sessions."""
    module = nwbfile.create_processing_module("ophys", "calcium events and cells")
    if not rois:
        module.add(TimeSeries(name="event_amplitude", data=events, unit="a.u.", **clock))
        return
    plane = nwbfile.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=OpticalChannel(name="green", description="GCaMP6", emission_lambda=530.0),
        description="plane",
        device=nwbfile.create_device("miniscope"),
        excitation_lambda=475.0,
        indicator="GCaMP6",
        location=location,
        imaging_rate=20.0,
    )
    segmentation = ImageSegmentation()
    fluorescence = Fluorescence()
    module.add([segmentation, fluorescence])
    table = segmentation.create_plane_segmentation(name="PlaneSegmentation", description="cells", imaging_plane=plane)
    for index in range(len(cells)):
        table.add_roi(pixel_mask=[(index, index, 1.0)])
    if column is not None:
        table.add_column(name=column, description="number across sessions", data=list(cells))
    region = table.create_roi_table_region(region=list(range(len(cells))), description="all cells")
    series = RoiResponseSeries(name="event_amplitude", data=events, unit="a.u.", rois=region, **clock)
    fluorescence.add_roi_response_series(series)
