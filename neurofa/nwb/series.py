"""Finding the series of an NWB file, and the cells that their columns belong to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurofa.catalogue import did_you_mean
from neurofa.errors import RecordingError


@dataclass(frozen=True)
class Series:
    """A regularly sampled series of an open file; ``where`` names it in messages, ``data`` is read when sliced."""

    name: str
    where: str
    data: Any
    unit: str
    rate_hz: float
    start_s: float
    length: int
    source: Any

    def values(self) -> npt.NDArray[np.float64]:
        """
        All values in the declared unit.

        Returns
        -------
        (frame,) float64
            Data times conversion plus offset.

        Raises
        ------
        RecordingError
            Where there is more than one value per frame.
        """
        data = np.asarray(self.data[:], dtype=np.float64)
        if data.size != len(data):
            raise RecordingError(
                f"{self.where} has {data.size // len(data)} values per frame; expected one along the track"
            )
        return data.ravel() * float(self.source.conversion) + float(self.source.offset)


def find_series(nwbfile: Any, name: str, option: str, path: Path) -> Series:
    """
    Find a series by its name, or by the end of its path.

    Parameters
    ----------
    nwbfile : pynwb.NWBFile
        An open file.
    name : str
        For example ``"velocity"`` or ``"behavior/velocity"``.
    option : str
        The option that names it, for the message.
    path : pathlib.Path
        The file, for the message.

    Returns
    -------
    Series
        The series.

    Raises
    ------
    RecordingError
        Where there is none, more than one, or an irregularly sampled one.
    """
    from pynwb import TimeSeries

    series = {_path_within(item): item for item in nwbfile.objects.values() if isinstance(item, TimeSeries)}
    found = {where: item for where, item in series.items() if f"/{where}".endswith(f"/{name}")}
    if not found:
        hint = did_you_mean(name.rpartition("/")[2], {where.rpartition("/")[2] for where in series})
        there = hint.replace("expected one of", "it has") if series else "it has none at all"
        raise RecordingError(f"{path} has no series '{name}'; {there}; set {option} to the one that is meant")
    if len(found) > 1:
        raise RecordingError(f"{path} has several series '{name}'; set {option} to one of {', '.join(sorted(found))}")
    [(inside, item)] = found.items()
    where = f"'{inside}' of {path}"
    rate_hz, start_s = _clock(item, where)
    return Series(
        name=item.name,
        where=where,
        data=item.data,
        unit=str(item.unit or ""),
        rate_hz=rate_hz,
        start_s=start_s,
        length=len(item.data),
        source=item,
    )


def registered_cells(events: Series, column: str) -> tuple[npt.NDArray[np.int64], str]:
    """
    Numbers across sessions of the cells that the columns of a series belong to.

    Parameters
    ----------
    events : Series
        Events, (frame, ROI).
    column : str
        The registration column of the ROI table.

    Returns
    -------
    cell_id : (ROI,) int
        The number, -1 for cells that are not registered.
    location : str
        The location of the imaging plane, empty where it is not known.

    Raises
    ------
    RecordingError
        Where the series has no ROIs, or the column is missing, no number, or names a cell twice.
    """
    rois = getattr(events.source, "rois", None)
    if rois is None:
        raise RecordingError(f"{events.where} does not say which ROIs its columns are; expected a RoiResponseSeries")
    table = rois.table
    if column not in table.colnames:
        raise RecordingError(
            f"the ROI table of {events.where} has no column '{column}' with the cells' numbers across sessions; "
            f"register the cells, or set registration_column: the table has {', '.join(table.colnames)}"
        )
    if hasattr(table[column], "target"):
        raise RecordingError(f"column '{column}' of {events.where} holds lists; expected one whole number per ROI")
    values = np.asarray(table[column].data[:])[np.asarray(rois.data[:], dtype=int)]
    if len(events.data.shape) != 2 or events.data.shape[1] != len(values):
        raise RecordingError(f"{events.where} has the shape {events.data.shape}; expected (frame, {len(values)} ROIs)")
    if values.dtype.kind not in "iuf" or np.any(values[np.isfinite(values)] % 1):
        raise RecordingError(f"column '{column}' of {events.where} must hold whole numbers, -1 for unregistered cells")
    cell_id = np.where(np.isfinite(values) & (values >= 0), values, -1).astype(np.int64)
    known, times = np.unique(cell_id[cell_id >= 0], return_counts=True)
    if np.any(times > 1):
        raise RecordingError(
            f"column '{column}' of {events.where} names cell {known[times > 1][0]} more than once; "
            "a cell can be only one ROI of a session: correct the registration"
        )
    location = str(getattr(getattr(table, "imaging_plane", None), "location", None) or "")
    return cell_id, "" if location.lower() in ("unknown", "none", "n/a") else location


def _path_within(item: Any) -> str:
    """Path of an object below its file, for example ``behavior/Position/linearized_position``."""
    names = [item.name]
    while item.parent is not None and item.parent.parent is not None:
        item = item.parent
        names.append(item.name)
    return "/".join(reversed(names))


def _clock(item: Any, where: str) -> tuple[float, float]:
    """Sampling rate (Hz) and time of the first frame (s)."""
    if item.rate is not None:
        if item.rate <= 0:
            raise RecordingError(f"{where} is sampled at {item.rate:g} Hz; expected a rate above 0")
        return float(item.rate), float(item.starting_time or 0.0)
    times = np.asarray(item.timestamps[:], dtype=float)
    if len(times) < 2 or not times[-1] > times[0]:
        raise RecordingError(f"{where} has timestamps that do not run forward; expected a regular series of frames")
    if len(times) != len(item.data):
        raise RecordingError(f"{where} has {len(item.data)} values but {len(times)} timestamps; correct the file")
    interval = (times[-1] - times[0]) / (len(times) - 1)
    if not np.all(np.abs(np.diff(times) - interval) < 0.5 * interval):
        raise RecordingError(f"{where} is sampled irregularly; resample it to a constant rate")
    return float(1 / interval), float(times[0])
