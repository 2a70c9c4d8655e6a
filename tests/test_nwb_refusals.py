"""What cannot be imported is refused with one sentence that says what was given, expected, and how to mend it."""

import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from neurofa.errors import ConfigError, RecordingError
from neurofa.nwb import import_nwb
from tests.nwb_files import known_session, write_session

CELLS = [0, 1, 2, 3, 4]

# what the second file departs in, and what the message must say
ONE_BAD_FILE: dict[str, tuple[dict[str, Any], str]] = {
    "no_velocity": (
        {"velocity_name": None},
        r"b\.nwb has no series 'velocity'; it has event_amplitude, linea.*; set velocity_series",
    ),
    "velocity_of_other_name": ({"velocity_name": "velocty"}, r"no series 'velocity'.*did you mean 'velocty'\?"),
    "two_velocities": (
        {"second_velocity": True},
        r"several series 'velocity'; set velocity_series to one of behavior/",
    ),
    "no_registration": ({"column": None}, r"b\.nwb has no column 'global_cell_id'.*register the cells"),
    "other_registration": (
        {"column": "global_id"},
        r"no column 'global_cell_id'.*: the table has pixel_mask, global_id",
    ),
    "cell_twice": ({"cells": [0, 1, 2, 3, 1]}, r"names cell 1 more than once.*correct the registration"),
    "cell_names": ({"cells": list("abcde")}, r"column 'global_cell_id' .* must hold whole numbers"),
    "cell_fractions": ({"cells": [0.5, 1, 2, 3, 4]}, r"column 'global_cell_id' .* must hold whole numbers"),
    "no_rois": ({"rois": False}, r"does not say which ROIs its columns are; expected a RoiResponseSeries"),
    "no_trials": ({"trials": False}, r"b\.nwb has no trials; add a trials table"),
    "no_animal": ({"subject": None}, r"b\.nwb names no animal; write the file with a Subject"),
    "short_velocity": ({"velocity_cut": 9}, r"'velocity' has \d+ frames, 'event_amplitude' has \d+; resample"),
    "other_rate_within": ({"velocity_rate_hz": 30.0}, r"'velocity' is sampled at 30 Hz, 'event_amplitude' at 20 Hz"),
    "late_velocity": ({"velocity_start_s": 1.0}, r"'velocity' starts at 1 s, 'event_amplitude' at 0 s; cut"),
    "irregular": ({"timestamps": True, "irregular": True}, r"is sampled irregularly; resample"),
    "nan_event": ({"nan_event": True}, r"'ophys/.*event_amplitude' of .*b\.nwb is NaN while the animal runs; write 0"),
    "unknown_unit": ({"velocity_unit": "furlongs"}, r"unknown unit 'furlongs'; expected one of cm/s, m/s, mm/s"),
    "position_in_metres": ({"position_unit": "m"}, r"is in m; say where the track lies with track_start_cm"),
    "position_is_no_fraction": ({"track": (0.0, 96.0)}, r"runs from 2 to 94 times the track; expected about 0 to 1"),
    "position_2d": ({"position_2d": True}, r"has 2 values per frame; expected one along the track"),
    "never_moves": ({"speed": 0.01}, r"b\.nwb has no frame .* at 1 cm/s or more; check the trials table, the units"),
    "other_rate_between": ({"rate_hz": 10.0}, r"the sampling rate is 10 Hz in .*b\.nwb and 20 Hz in .*a\.nwb"),
    "other_velocity_unit": ({"velocity_unit": "m/s"}, r"the velocity unit is 'm/s' in .*b\.nwb and 'cm/s' in .*a\.nwb"),
    "other_location": ({"location": "CA3"}, r"the location is 'CA3' in .*b\.nwb and 'CA1' in .*a\.nwb"),
    "same_time": ({"day": 0.0}, r"a\.nwb and .*b\.nwb start at the same time .* remove the copy"),
    "other_animal": ({"subject": "M2"}, r"a\.nwb is the only session of animal 'M1'; .* cannot show drift"),
    "no_cell_again": ({"cells": [10, 11, 12, 13, 14]}, r"no cell of animal 'M1' is registered in two sessions"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("good") / "a.nwb")


def write(path: Path, *, cells: Any = CELLS, **departures: Any) -> Path:
    return write_session(path, *known_session(2, len(cells)), cells, **departures)


def refusal(folder: Path, **options: Any) -> str:
    """The message, which is one line and names no exception of a library."""
    with pytest.raises(RecordingError) as refused:
        import_nwb(folder, **options)
    message = str(refused.value)
    assert "\n" not in message and "Error" not in message and "Builder" not in message
    assert len(message.replace(str(folder), "")) < 300
    return message


@pytest.mark.parametrize("name", ONE_BAD_FILE)
def test_one_bad_file(name: str, good: Path, tmp_path: Path) -> None:
    departures, says = ONE_BAD_FILE[name]
    shutil.copy(good, tmp_path / "a.nwb")
    write(tmp_path / "b.nwb", **{"day": 2.0} | departures)
    assert re.search(says, refusal(tmp_path))


def test_the_good_pair_is_not_refused(good: Path, tmp_path: Path) -> None:
    shutil.copy(good, tmp_path / "a.nwb")
    write(tmp_path / "b.nwb", day=2.0)
    assert import_nwb(tmp_path)["probe"].sizes["session"] == 2


@pytest.mark.parametrize(
    ("departures", "options"),
    [
        ({"velocity_unit": "m/s"}, {"velocity_unit": "cm/s"}),
        ({"velocity_unit": "?"}, {"velocity_unit": "cm/s"}),
        ({"position_unit": "meters"}, {"position_unit": "fraction"}),
        ({"location": "hippocampus, CA1"}, {"layer": "CA1"}),
    ],
    ids=["wrong_velocity_label", "unknown_velocity_label", "wrong_position_label", "other_spelling"],
)
def test_the_remedy_of_a_refusal_works(
    departures: dict[str, Any], options: dict[str, Any], good: Path, tmp_path: Path
) -> None:
    shutil.copy(good, tmp_path / "a.nwb")
    write(tmp_path / "b.nwb", day=2.0, **departures)
    refusal(tmp_path)
    assert import_nwb(tmp_path, **options)["probe"].sizes["session"] == 2


def test_missing_folder(tmp_path: Path) -> None:
    assert "no folder or file" in refusal(tmp_path / "absent")


def test_folder_without_sessions(good: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no session")
    (tmp_path / "._a.nwb").write_bytes(b"what some file systems leave behind")
    assert "holds no file '*.nwb'" in refusal(tmp_path)
    assert "holds no file '*envC*.nwb'" in refusal(good.parent, files="*envC*.nwb")


def test_one_session_alone(good: Path) -> None:
    for given in (good, good.parent):
        assert "a recording with one session cannot show drift" in refusal(given)


@pytest.mark.parametrize("kept", [0, 100, 0.3, 0.9])
def test_truncated_file(kept: float, good: Path, tmp_path: Path) -> None:
    shutil.copy(good, tmp_path / "a.nwb")
    content = good.read_bytes()
    (tmp_path / "b.nwb").write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    assert "b.nwb cannot be read as an NWB 2 file" in refusal(tmp_path)


def test_files_that_are_no_nwb(good: Path, tmp_path: Path) -> None:
    shutil.copy(good, tmp_path / "a.nwb")
    (tmp_path / "b.nwb").write_text("not HDF5")
    assert "b.nwb cannot be read as an NWB 2 file" in refusal(tmp_path)
    (tmp_path / "b.nwb").unlink()
    with h5py.File(tmp_path / "b.nwb", "w") as other:
        other["x"] = 1
    assert "b.nwb cannot be read as an NWB 2 file" in refusal(tmp_path)


@pytest.mark.parametrize(
    "part",
    [
        "session_start_time",
        "identifier",
        "general/subject",
        "general/optophysiology/ImagingPlane",
        "intervals/trials/start_time",
        "processing/behavior/velocity/data",
        "processing/behavior/velocity/starting_time",
        "processing/ophys/Fluorescence/event_amplitude/rois",
    ],
)
def test_nwb_that_lacks_a_part(part: str, good: Path, tmp_path: Path) -> None:
    for name in ("a.nwb", "b.nwb"):
        shutil.copy(good, tmp_path / name)
    with h5py.File(tmp_path / "b.nwb", "r+") as damaged:
        del damaged[part]
    assert "b.nwb" in refusal(tmp_path)


def test_remarks_of_the_nwb_libraries_do_not_escape(good: Path, tmp_path: Path) -> None:
    """A series that is not needed and not quite NWB: pynwb warns, and a warning would fail this test."""
    shutil.copy(good, tmp_path / "a.nwb")
    write(tmp_path / "b.nwb", day=2.0)
    with h5py.File(tmp_path / "b.nwb", "r+") as other:
        other.copy("processing/behavior/Position/linearized_position", "acquisition/eye")
        other["acquisition/eye"].attrs["object_id"] = "00000000-0000-4000-8000-000000000000"
        attrs = dict(other["acquisition/eye/data"].attrs)
        del other["acquisition/eye/data"]
        other["acquisition/eye"].create_dataset("data", data=np.zeros((50, 4))).attrs.update(attrs)
    with pytest.warns(UserWarning, match="not compliant"), NWBHDF5IO(tmp_path / "b.nwb", "r") as io:
        io.read()
    assert import_nwb(tmp_path)["probe"].sizes["session"] == 2


def test_timestamps_that_are_too_few(good: Path, tmp_path: Path) -> None:
    shutil.copy(good, tmp_path / "a.nwb")
    write(tmp_path / "b.nwb", day=2.0, timestamps=True)
    inside = "processing/behavior/velocity/timestamps"
    with h5py.File(tmp_path / "b.nwb", "r+") as damaged:
        values, attrs = damaged[inside][:-3], dict(damaged[inside].attrs)
        del damaged[inside]
        damaged.create_dataset(inside, data=values).attrs.update(attrs)
    assert re.search(r"'behavior/velocity' of .* has \d+ values but \d+ timestamps", refusal(tmp_path))


def test_damaged_values(good: Path, tmp_path: Path) -> None:
    """The file opens; reading the events fails."""
    shutil.copy(good, tmp_path / "a.nwb")
    path = shutil.copy(good, tmp_path / "b.nwb")
    inside = "processing/ophys/Fluorescence/event_amplitude/data"
    with h5py.File(path, "r+") as damaged:
        values = damaged[inside][:]
        attrs = dict(damaged[inside].attrs)
        del damaged[inside]
        damaged.create_dataset(inside, data=values, chunks=True, compression="gzip").attrs.update(attrs)
        place = damaged[inside].id.get_chunk_info(0)
    with open(path, "r+b") as raw:
        raw.seek(place.byte_offset)
        raw.write(b"\xff" * place.size)
    assert "b.nwb cannot be read as an NWB 2 file" in refusal(tmp_path)


def test_a_trial_that_runs_backwards(good: Path, tmp_path: Path) -> None:
    for name in ("a.nwb", "b.nwb"):
        shutil.copy(good, tmp_path / name)
    with h5py.File(tmp_path / "b.nwb", "r+") as damaged:
        damaged["intervals/trials/stop_time"][0] = 0.0
    assert "b.nwb has a trial that does not end after it starts" in refusal(tmp_path)


def test_one_animal_in_two_folders(good: Path, tmp_path: Path) -> None:
    for folder in ("sub-A", "sub-B"):
        (tmp_path / folder).mkdir()
        shutil.copy(good, tmp_path / folder / "a.nwb")
        write(tmp_path / folder / "b.nwb", day=2.0)
    message = refusal(tmp_path)
    assert "animal 'M1' has files in" in message and "sub-A" in message and "sub-B" in message


def test_files_are_closed_after_a_refusal(good: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(good, tmp_path / "a.nwb"))
    refusal(tmp_path, velocity_series="absent")
    with h5py.File(path, "r+") as file:  # fails while the file is open for reading
        assert file.mode == "r+"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"velocity_seres": "v"}, "no option 'velocity_seres'; did you mean 'velocity_series'"),
        ({"bins": 1}, "option 'bins'.*greater than or equal to 2, got 1"),
        ({"bins": "many"}, "option 'bins'.*valid integer.*got 'many'"),
        ({"kept_bins": (3, 30)}, "kept_bins must be a first and a last bin between 1 and 24, got 3, 30"),
        ({"minimum_speed_cm_s": 0}, "option 'minimum_speed_cm_s'.*greater than 0, got 0"),
        ({"smoothing_frames": 0}, "option 'smoothing_frames'.*got 0"),
        ({"track_start_cm": 0.0}, "track_start_cm and track_end_cm must be given together"),
        ({"track_start_cm": 5.0, "track_end_cm": 5.0}, "track_start_cm must be below track_end_cm, got 5 and 5"),
    ],
)
def test_options(options: dict[str, Any], says: str, good: Path) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        import_nwb(good.parent, **options)
    assert "\n" not in str(refused.value)
