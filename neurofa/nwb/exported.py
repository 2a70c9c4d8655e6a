"""Files that neurofa exported, read back into the recording that they came from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurofa.errors import RecordingError
from neurofa.nwb.described import CELLS_TABLE, RATE_SERIES, REGISTRATION_COLUMN, differing, labels_of, origin_of
from neurofa.nwb.reading import opened, unreadable
from neurofa.recording import build_recording


@dataclass(frozen=True)
class _Read:
    """What one file holds: trials (trial,), cells (cell,), rates (trial, cell[, time])."""

    path: Path
    told: dict[str, Any]
    stimulus: np.ndarray
    repeat: np.ndarray
    duration: np.ndarray
    cells: np.ndarray
    rate: np.ndarray
    publications: tuple[str, ...]


def is_exported(path: Path) -> bool:
    """
    Whether neurofa wrote a file.

    Parameters
    ----------
    path : pathlib.Path
        An NWB 2 file.

    Returns
    -------
    bool
        As its notes say.

    Raises
    ------
    RecordingError
        Where it cannot be read.
    """
    with opened(path) as nwbfile:
        return origin_of(nwbfile.notes) is not None


def read_exported(paths: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> xr.DataTree:
    """
    Read files that neurofa exported.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Of one run.
    progress : callable, optional
        Called with the number of files read and the number of files, after each file.

    Returns
    -------
    xarray.DataTree
        The recording as it was observed: rates, durations, detected cells, days and labels; what only a simulation
        knows, such as true rates, is not in the files.

    Raises
    ------
    RecordingError
        Where a file cannot be read, is missing something, or comes from another run than the first.
    """
    sessions = []
    for path in paths:
        sessions.append(_read(path))
        if progress is not None:
            progress(len(sessions), len(paths))
    descriptions = [one.told for one in sessions]
    differs = differing(descriptions)
    if differs:
        raise RecordingError(
            f"the files in {paths[0].parent} and beside it come from several runs: '{differs}' differs"
        )
    places = [(one.told["animal"], one.told["session"]) for one in sessions]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise RecordingError(
                f"{sessions[number].path} and {sessions[places.index(place)].path} hold the same session; remove one"
            )
    return _assembled(sessions)


def _read(path: Path) -> _Read:
    """One file."""
    with opened(path) as nwbfile:
        try:
            told = origin_of(nwbfile.notes)
            if told is None:
                raise RecordingError(
                    f"{path} was not exported by neurofa, other files of the folder were; import them apart"
                )
            [series] = [item for item in nwbfile.objects.values() if item.name == RATE_SERIES]
            rois = getattr(series, "rois", None)
            table = nwbfile.processing["misc"][CELLS_TABLE] if rois is None else rois.table
            trials = {name: np.asarray(nwbfile.trials[name].data[:]) for name in ("stimulus", "repeat", "duration")}
            cells = np.asarray(table[REGISTRATION_COLUMN].data[:], dtype=int)
            n_times = len(told["time"]["time"]["values"]) if told["time"] else 0
            n_samples = len(trials["stimulus"]) * max(n_times, 1)
            # equal samples stand one after the other
            rate = np.asarray(series.data[:: max(1, len(series.data) // max(n_samples, 1))])
            rate = rate.reshape(len(trials["stimulus"]), *([n_times] if n_times else []), len(cells))
            named = nwbfile.related_publications
            publications = () if named is None else tuple(str(text) for text in named)
            return _Read(path, told, **trials, cells=cells, rate=rate, publications=publications)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            if isinstance(error, RecordingError):
                raise
            raise unreadable(path, error) from error


def _assembled(sessions: list[_Read]) -> xr.DataTree:
    """All sessions in one recording."""
    first = sessions[0].told
    animals: dict[str, list[_Read]] = {}
    for one in sorted(sessions, key=lambda one: int(one.told["place"])):
        animals.setdefault(one.told["animal"], []).append(one)
    stimulus, time = labels_of(first, "stimulus"), labels_of(first, "time")
    layers = [name for name, number in first["layers"] for _ in range(number)]
    times = (len(time["time"][1]),) if time else ()
    shape = (len(animals), first["n_sessions"], len(stimulus["stimulus"][1]), first["n_repeats"])
    rate = np.full((*shape, len(layers), *times), np.nan, dtype=np.float32)
    duration = np.zeros(shape)
    detected = np.zeros((*shape[:2], len(layers)), dtype=bool)
    of_session = {
        name: np.full(shape[:2], np.nan if name == "day" else 0, dtype=type(value))
        for name, value in first["of_session"].items()
    }
    for row, own in enumerate(animals.values()):
        for one in own:
            number = one.told["session"]
            values = np.moveaxis(one.rate, -1, 1)
            rate[row, number, one.stimulus[:, None], one.repeat[:, None], one.cells] = values
            duration[row, number, one.stimulus, one.repeat] = one.duration
            detected[row, number, one.cells] = True
            for name, array in of_session.items():
                array[row, number] = one.told["of_session"][name]
    dims = ("animal", "session", "stimulus", "repeat")
    attrs = first["attrs"]
    of_animal = {
        name: ("animal", [own[0].told["of_animal"][name] for own in animals.values()], attrs[name])
        for name in first["of_animal"]
    }
    probe = xr.Dataset(
        {
            "rate": ((*dims, "unit", *(["time"] if time else [])), rate, first["rate"]),
            "duration": (dims, duration),
            "detected": (("animal", "session", "unit"), detected),
        },
        coords={
            "animal": list(animals),
            **of_animal,
            **{name: (("animal", "session"), values, attrs[name]) for name, values in of_session.items()},
            "layer": ("unit", layers, attrs["layer"]),
            **stimulus,
            **time,
        },
    )
    root = {
        "source": "nwb, exported by neurofa: simulated animals",
        **{name: first[name] for name in ("run", "seed")},
        "exported_by": first["neurofa"],
        "files": {name: [one.path.name for one in own] for name, own in animals.items()},
        "publications": sorted({text for one in sessions for text in one.publications}),
    }
    return build_recording(probe, attrs=root)
