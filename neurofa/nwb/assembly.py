"""Sessions of one or several animals to one recording: sorted, padded, checked against each other."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from neurofa.errors import RecordingError
from neurofa.nwb.options import NWBOptions
from neurofa.nwb.reading import Session
from neurofa.recording import build_recording

_DIRECTIONS = ("rightward", "leftward")


def assemble(sessions: list[Session], options: NWBOptions) -> xr.DataTree:
    """
    Put sessions together.

    Parameters
    ----------
    sessions : list of Session
        In any order, of any number of animals.
    options : NWBOptions
        As they were read.

    Returns
    -------
    xarray.DataTree
        The recording; group ``"recorded"``, animals named by their subject ids, in their order.

    Raises
    ------
    RecordingError
        Where sessions contradict each other, or an animal has only one.
    """
    _check_agreement(sessions)
    animals = _by_animal(sessions)
    probe = _empty_probe(animals, options)
    for index, own in enumerate(animals.values()):
        _fill(probe, index, own)
    probe = probe.assign_coords(
        layer=("unit", np.full(probe.sizes["unit"], sessions[0].location)),
        session_id=_text(probe, animals, lambda session: session.session_id),
        session_start=_text(probe, animals, lambda session: session.start.isoformat()),
    )
    attrs: dict[str, Any] = {
        "source": "nwb",
        "frame_rate_hz": sessions[0].frame_rate_hz,
        "position_unit_in_files": sessions[0].position_unit,
        "velocity_unit_in_files": sessions[0].velocity_unit,
        "unregistered_units": {name: [session.n_unregistered for session in own] for name, own in animals.items()},
        "files": {name: [session.path.name for session in own] for name, own in animals.items()},
        "publications": sorted({text for session in sessions for text in session.publications}),
        "import_options": options.model_dump(mode="json"),
    }
    return build_recording(probe, attrs=attrs)


def _by_animal(sessions: list[Session]) -> dict[str, list[Session]]:
    """Sessions of each animal in order of time, checked."""
    animals: dict[str, list[Session]] = {}
    for session in sorted(sessions, key=lambda session: (session.subject, session.start)):
        animals.setdefault(session.subject, []).append(session)
    for name, own in animals.items():
        folders = sorted({str(session.path.parent) for session in own})
        if len(folders) > 1:
            raise RecordingError(
                f"animal '{name}' has files in {folders[0]} and in {folders[1]}; "
                "put an animal's sessions into one folder, or give different animals different subject ids"
            )
        if len(own) < 2:
            raise RecordingError(
                f"{own[0].path} is the only session of animal '{name}'; a recording with one session cannot show "
                "drift: give a folder with at least two sessions of each animal"
            )
        for before, after in pairwise(own):
            if before.start == after.start:
                raise RecordingError(
                    f"{before.path} and {after.path} start at the same time ({before.start}); remove the copy"
                )
        _, times = np.unique(np.concatenate([session.cell_id for session in own]), return_counts=True)
        if not np.any(times > 1):
            raise RecordingError(f"no cell of animal '{name}' is registered in two sessions; check registration_column")
    return animals


def _check_agreement(sessions: list[Session]) -> None:
    """Units, sampling rate and location must be those of the first session."""
    checks: tuple[tuple[str, Callable[[Session], Any], str], ...] = (
        ("the position unit", lambda session: session.position_unit, "or set position_unit if a label is wrong"),
        ("the velocity unit", lambda session: session.velocity_unit, "or set velocity_unit if a label is wrong"),
        ("the location", lambda session: session.location, "or set layer if they are the same place"),
    )
    first = sessions[0]
    for session in sessions[1:]:
        for what, of, remedy in checks:
            if of(session) != of(first):
                raise RecordingError(
                    f"{what} is '{of(session)}' in {session.path} and '{of(first)}' in {first.path}; "
                    f"expected the same in all sessions: convert the files, {remedy}"
                )
        if abs(session.frame_rate_hz / first.frame_rate_hz - 1) > 0.01:
            raise RecordingError(
                f"the sampling rate is {session.frame_rate_hz:g} Hz in {session.path} and {first.frame_rate_hz:g} Hz "
                f"in {first.path}; expected the same in all sessions: resample, or import them separately"
            )


def _empty_probe(animals: dict[str, list[Session]], options: NWBOptions) -> xr.Dataset:
    """A probe in which nothing was recorded, large enough for every animal."""
    n_animals = len(animals)
    n_sessions = max(len(own) for own in animals.values())
    n_repeats = max(len(session.frames) for own in animals.values() for session in own)
    n_units = max(len(_cells(own)) for own in animals.values())
    n_stimuli = 2 * options.n_kept
    bins = np.tile(np.arange(options.kept_bins[0], options.kept_bins[1] + 1), 2)
    shape = (n_animals, n_sessions, n_stimuli, n_repeats)
    dims = ("animal", "session", "stimulus", "repeat")
    return xr.Dataset(
        {
            "rate": ((*dims, "unit"), np.full((*shape, n_units), np.nan, dtype=np.float32)),
            "duration": (dims, np.zeros(shape)),
            "detected": (("animal", "session", "unit"), np.zeros((n_animals, n_sessions, n_units), dtype=bool)),
        },
        coords={
            "animal": list(animals),
            "group": ("animal", ["recorded"] * n_animals),
            "day": (("animal", "session"), np.full((n_animals, n_sessions), np.nan)),
            "cell_id": (("animal", "unit"), np.full((n_animals, n_units), -1)),
            "stimulus": np.arange(n_stimuli),
            "position": (
                "stimulus",
                (bins - 0.5) / options.bins,
                {"long_name": "position", "units": "fraction of track"},
            ),
            "direction": ("stimulus", np.repeat(_DIRECTIONS, options.n_kept)),
            "bin": ("stimulus", bins),
        },
    )


def _text(
    probe: xr.Dataset, animals: dict[str, list[Session]], of: Callable[[Session], str]
) -> tuple[tuple[str, str], list[list[str]]]:
    """A text for every session, empty where an animal has fewer sessions."""
    n_sessions = probe.sizes["session"]
    texts = [[of(session) for session in own] + [""] * (n_sessions - len(own)) for own in animals.values()]
    return ("animal", "session"), texts


def _cells(own: list[Session]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """All registered cells of an animal, in order of their numbers."""
    return np.unique(np.concatenate([session.cell_id for session in own]))


def _fill(probe: xr.Dataset, animal: int, own: list[Session]) -> None:
    """Write one animal's sessions into the arrays of a probe."""
    cells = _cells(own)
    probe["cell_id"].values[animal, : len(cells)] = cells
    for index, session in enumerate(own):
        unit = np.searchsorted(cells, session.cell_id)
        duration = session.frames / session.frame_rate_hz
        with np.errstate(invalid="ignore"):  # no frame, no event: 0 / 0 is the NaN that is wanted
            rate = session.counts / duration[:, :, None]
        n_repeats = len(duration)
        probe["rate"].values[animal, index, :, :n_repeats, unit] = rate.transpose(2, 1, 0)
        probe["duration"].values[animal, index, :, :n_repeats] = duration.T
        probe["detected"].values[animal, index, unit] = True
        probe["day"].values[animal, index] = (session.start.date() - own[0].start.date()).days
