"""Simulated sessions out: one NWB file per animal and session, which `import_nwb` reads back as it was."""

import os
import re
import shutil
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurofa import __version__
from neurofa.errors import RecordingError, RunFolderError
from neurofa.nwb.described import CELLS_TABLE, RATE_SERIES, REGISTRATION_COLUMN, described
from neurofa.observation import stored_protocol
from neurofa.protocol import Protocol
from neurofa.recording import load_recording

#: simulated animals have no date: day 0 is this one
FIRST_DAY = datetime(2000, 1, 1, 12, tzinfo=UTC)
_PAUSE_S = 1.0
#: decimals of times in files: far below a time step, far above rounding
_DIGITS = 9


@dataclass(frozen=True)
class _Session:
    """One session of one animal: values of its probe, its trials in order, and the cells that were detected."""

    probe: xr.Dataset
    #: (trial,) each; start of what counts for rates, s
    stimulus: np.ndarray
    repeat: np.ndarray
    start: np.ndarray
    duration: np.ndarray
    cells: np.ndarray
    #: of a trial in spikes, before anything counts for rates, s
    settling: float


def export_nwb(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    spikes: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Path]:
    """
    Write a simulated recording as NWB 2 files, one per animal and session.

    Each holds the subject, a trial per stimulus and repeat with the labels of the stimulus, the position where stimuli
    have one, and the observed rate of every detected cell in every trial, with the cells' numbers across sessions.
    Dates are made up: day 0 is 1 January 2000. Trials follow each other with a pause of 1 s. The events of a protocol
    whose networks predict are not exported, only its probe.

    Parameters
    ----------
    run : path-like
        Folder of a simulated run.
    folder : path-like
        The folder to make.
    spikes : bool, optional
        Whether the times of spikes are written too, of all units; the run must have kept them.
    progress : callable, optional
        Called with files written, files in all, and what is going on.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    RecordingError
        Where there is no recording, or it was not simulated, or has no times of spikes although they are asked for.
    RunFolderError
        Where the folder holds something, or cannot be written.
    """
    recording, target = load_recording(run), Path(folder)
    probe = recording["probe"].to_dataset()
    if "true_rate" not in probe:
        raise RecordingError(f"the run in {run} was imported, not simulated: the files that it was read from are there")
    if spikes and "spike_time" not in probe:
        raise RecordingError(
            f"the run in {run} kept no times of spikes; simulate it with --set engine.kind=spiking and "
            "--set spiking.spike_times=true, or leave --spikes out"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunFolderError(f"{target} is there already and not empty; choose another folder with --nwb")
    protocol = stored_protocol(recording)
    told = {"run": str(recording.attrs.get("run", "")), "seed": protocol.cohort.seed, "neurofa": __version__}
    recorded = np.argwhere(np.isfinite(probe["day"].values))
    aside = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}")
    try:
        aside.mkdir(parents=True)
        files = []
        for number, (animal, session) in enumerate(recorded.tolist()):
            if progress:
                progress(number, len(recorded), "writing NWB files")
            files.append(_write(probe, animal, session, protocol, told, aside, spikes))
        if target.is_dir():
            target.rmdir()
        aside.rename(target)
    except OSError as error:
        raise RunFolderError(f"cannot write to {target} ({error.strerror or error}); choose another folder") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [target / file.relative_to(aside) for file in files]


def _write(
    probe: xr.Dataset,
    animal: int,
    session: int,
    protocol: Protocol,
    origin: dict[str, Any],
    folder: Path,
    spikes: bool,
) -> Path:
    """One file."""
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject

    name, group = (str(probe[key].values[animal]) for key in ("animal", "group"))
    own = protocol.group(group)
    settling = own.spiking.probe_settling_ms / 1000 if own.engine.kind == "spiking" else 0.0
    one = _session(probe.isel(animal=animal, session=session).load(), settling)
    day = float(probe["day"].values[animal, session])
    subject = re.sub(r"[^A-Za-z0-9-]+", "-", name)
    path = folder / f"sub-{subject}" / f"sub-{subject}_ses-{session:03d}.nwb"
    path.parent.mkdir(exist_ok=True)
    nwbfile = NWBFile(
        session_description=f"Simulated, not recorded: day {day:g} of {protocol.title or protocol.name}. "
        "The date is made up.",
        identifier=str(uuid.uuid5(uuid.NAMESPACE_URL, f"neurofa:{origin['run']}:{origin['seed']}:{name}:{session}")),
        session_start_time=FIRST_DAY + timedelta(days=day),
        session_id=f"{session:03d}",
        experiment_description=" ".join(protocol.description.split()) or protocol.title or protocol.name,
        keywords=["simulation", own.stimuli.kind, own.rule.name],
        related_publications=[f"doi:{source}" for source in protocol.sources] or None,
        notes=described(probe, animal, session, origin),
        was_generated_by=[["neurofa", __version__]],
    )
    nwbfile.subject = Subject(
        subject_id=name, description=f"simulated animal, group {protocol.label(group)}", sex="U", age=_age(own, day)
    )
    _add_trials(nwbfile, one)
    # simulated by a model of a microscope, or the rates themselves
    if own.observation.kind == "calcium":
        _add_rois(nwbfile, one, protocol.references.area)
    else:
        _add_cells(nwbfile, one)
    if spikes:
        _add_spikes(nwbfile, one, own.spiking.time_step_ms / 1000)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(hdmf|pynwb)(\.|$)")
        with NWBHDF5IO(path, "w") as io:
            io.write(nwbfile)
    return path


def _age(protocol: Protocol, day: float) -> str:
    """Whole days since the network was born, ISO 8601."""
    schedule = protocol.schedule
    before = schedule.burn_in_sessions + (schedule.pretraining_passes > 0)
    return f"P{round(day + before * schedule.burn_in_interval_days)}D"


def _clock(times: np.ndarray) -> dict[str, Any]:
    """Time stamps of a series, or its rate where they are regular."""
    steps = np.diff(times)
    if len(steps) > 1 and np.allclose(steps, steps[0], rtol=1e-9, atol=0):
        return {"starting_time": float(times[0]), "rate": float(1 / steps[0])}
    return {"timestamps": times}


def _session(probe: xr.Dataset, settling: float) -> _Session:
    """Trials of a session: all stimuli of the first repeat, then of the second; those that were recorded."""
    duration = probe["duration"].transpose("repeat", "stimulus").values
    repeat, stimulus = np.nonzero(duration > 0)
    seconds = duration[repeat, stimulus]
    longest = np.maximum(seconds, probe["time"].values[-1] / 1000 if "time" in probe.dims else 0)
    if "spike_time" in probe:
        longest = np.maximum(longest, np.nanmax(probe["spike_time"].values, initial=0) - settling)
    start = np.concatenate([[0.0], np.cumsum(longest + settling + _PAUSE_S)[:-1]]) if len(longest) else longest
    cells = np.flatnonzero(probe["detected"].values)
    return _Session(probe, stimulus, repeat, start + settling, seconds, cells, settling)


def _add_trials(nwbfile: Any, one: _Session) -> None:
    """The table of trials, and the position where there is one."""
    from pynwb.behavior import Position, SpatialSeries

    labels = {
        str(name): values.values[one.stimulus]
        for name, values in one.probe.coords.items()
        if values.dims == ("stimulus",) and name != "stimulus"
    }
    columns: dict[str, tuple[str, np.ndarray]] = {
        "stimulus": ("number of the stimulus in the recording", one.stimulus),
        "repeat": ("how often the stimulus was shown before in the session", one.repeat),
        "duration": ("time recorded, s", one.duration),
    }
    columns |= {name: (f"label of the stimulus: {name.replace('_', ' ')}", values) for name, values in labels.items()}
    if "correct" in one.probe:
        correct = one.probe["correct"].values[one.stimulus]
        columns["correct"] = ("fraction of reports of this stimulus in the session that are correct", correct)
    for name, (text, _) in columns.items():
        nwbfile.add_trial_column(name, text)
    for row, start in enumerate(one.start):
        values = {name: _value(of_all[row]) for name, (_, of_all) in columns.items()}
        begin, end = (round(float(time), _DIGITS) for time in (start, start + one.duration[row]))
        nwbfile.add_trial(start_time=begin, stop_time=end, **values)
    if labels.get("position") is not None and labels["position"].dtype.kind == "f":
        behaviour = nwbfile.create_processing_module("behavior", "where the animal is in each trial")
        unit = str(one.probe["position"].attrs.get("units", "")) or "fraction of track"
        series = SpatialSeries(
            name="linearized_position",
            description="middle of the position bin, one sample per trial",
            data=labels["position"],
            unit=unit,
            **_clock(one.start),
            reference_frame="start of the track",
        )
        behaviour.add(Position(spatial_series=series))


def _value(value: Any) -> Any:
    """A label as the libraries take it."""
    return str(value) if isinstance(value, np.str_) else value.item() if isinstance(value, np.generic) else value


def _rates(one: _Session) -> tuple[dict[str, Any], str]:
    """Data and times of the series of rates: (sample, cell), and what the samples are."""
    from pynwb import H5DataIO

    rate = one.probe["rate"].transpose("repeat", "stimulus", ..., "unit").values
    rate = rate[one.repeat, one.stimulus][..., one.cells]
    begin, length, what = one.start, one.duration, "trial"
    if "time" in one.probe["rate"].dims:
        seconds = one.probe["time"].values / 1000
        rate, what = rate.reshape(-1, len(one.cells)), "trial and time"
        begin = (one.start[:, None] + seconds).ravel()
        length = np.full(len(begin), np.diff(seconds).min() if len(seconds) > 1 else _PAUSE_S)
    # readers take the longer dimension for time: there are more samples than cells
    each = len(one.cells) // len(begin) + 1
    times = (begin[:, None] + length[:, None] * np.arange(each) / each).ravel()
    packed = H5DataIO(np.repeat(rate, each, axis=0), compression="gzip") if rate.size else rate
    unit = str(one.probe["rate"].attrs.get("units", "Hz"))
    said = "one sample" if each == 1 else f"{each} equal samples"
    return {"name": RATE_SERIES, "data": packed, "unit": unit, **_clock(times)}, f"{said} per {what}"


def _add_rois(nwbfile: Any, one: _Session, area: str) -> None:
    """Cells as a model of a microscope sees them, and their rates of events."""
    from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    layers = one.probe["layer"].values.astype(str)[one.cells]
    plane = nwbfile.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=OpticalChannel(name="none", description="nothing is imaged", emission_lambda=np.nan),
        description="simulated: there are no images, and the pixels of the cells are made up",
        device=nwbfile.create_device("simulated microscope", description="model of calcium imaging of neurofa"),
        excitation_lambda=np.nan,
        indicator="none, simulated",
        location=area or "model network",
    )
    segmentation, fluorescence = ImageSegmentation(), Fluorescence()
    module = nwbfile.create_processing_module("ophys", "simulated events of cells")
    module.add([segmentation, fluorescence])
    table = segmentation.create_plane_segmentation(
        name="PlaneSegmentation", description="detected cells; pixels are made up", imaging_plane=plane
    )
    for cell in one.cells:
        table.add_roi(pixel_mask=[(int(cell) % 100, int(cell) // 100, 1.0)])
    table.add_column(REGISTRATION_COLUMN, "number across sessions", data=one.cells.tolist())
    table.add_column("layer", "layer of the network", data=layers.tolist())
    region = table.create_roi_table_region(region=list(range(len(one.cells))), description="all detected cells")
    data, what = _rates(one)
    fluorescence.add_roi_response_series(RoiResponseSeries(rois=region, description=f"event rate, {what}", **data))


def _add_cells(nwbfile: Any, one: _Session) -> None:
    """Cells whose rates are known without a microscope."""
    from hdmf.common import DynamicTable, VectorData
    from pynwb import TimeSeries

    layers = one.probe["layer"].values.astype(str)[one.cells]
    module = nwbfile.create_processing_module("misc", "rates of the units of a model network")
    columns = [
        VectorData(name=REGISTRATION_COLUMN, description="number across sessions", data=one.cells.tolist()),
        VectorData(name="layer", description="layer of the network", data=layers.tolist()),
    ]
    table = DynamicTable(
        name=CELLS_TABLE, description="units, in the order of the columns of the series of rates", columns=columns
    )
    data, what = _rates(one)
    module.add([table, TimeSeries(description=f"rates of the units in the table {CELLS_TABLE}, {what}", **data)])


def _add_spikes(nwbfile: Any, one: _Session, resolution_s: float) -> None:
    """All units with their numbers across sessions and the times of their spikes."""
    from pynwb.misc import Units

    fired, layers = _spikes(one), one.probe["layer"].values.astype(str)
    nwbfile.units = Units(name="units", description="units of the model network", resolution=resolution_s)
    nwbfile.add_unit_column(REGISTRATION_COLUMN, "number across sessions")
    nwbfile.add_unit_column("layer", "layer of the network")
    for unit, layer in enumerate(layers.tolist()):
        own = {REGISTRATION_COLUMN: unit, "layer": layer, "spike_times": fired.get(unit, np.zeros(0))}
        nwbfile.add_unit(**own)


def _spikes(one: _Session) -> dict[int, np.ndarray]:
    """Unit to the times of its spikes in the session, s."""
    begins = np.full((one.probe.sizes["stimulus"], one.probe.sizes["repeat"]), np.nan)
    begins[one.stimulus, one.repeat] = one.start - one.settling
    columns = [one.probe[name].values for name in ("spike_time", "spike_unit", "spike_stimulus", "spike_repeat")]
    time, unit, stimulus, repeat = (column[columns[1] >= 0] for column in columns)
    # a spike on the edge of a trial stays on it
    times = np.round(time + begins[stimulus, repeat], _DIGITS)
    order = np.lexsort((times, unit))
    units, first = np.unique(unit[order], return_index=True)
    return dict(zip(units.tolist(), np.split(times[order], first[1:]), strict=True)) if len(units) else {}
