"""A run is a folder: it is made once, locked, complete on its own, and says where it came from."""

import getpass
import hashlib
import json
import multiprocessing
import re
import socket
from pathlib import Path

import pytest

from neurofa.errors import ConfigError, RunFolderError
from neurofa.protocol import load_protocol
from neurofa.provenance import checksums, host_facts, read_provenance, write_aside, write_provenance
from neurofa.run_folder import create_run, locked, new_run, read_protocol, remove_leftovers, store_protocol
from tests.short_protocol import TINY_ANALYSIS, write_short, write_tiny

STIMULI = '''
"""Stimuli of the user's own."""

import numpy as np

from neurofa.stimuli import Stimuli


def two_smells(generator, *, inputs: int = 6):
    """Two smells."""
    return Stimuli(generator.standard_normal((2, inputs)), np.eye(2), np.eye(2, dtype=bool), {"smell": np.arange(2)})
'''


def test_folders_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [create_run("walk").name for _ in range(3)]
    assert [re.fullmatch(r"walk-\d{8}-(\d)", name)[1] for name in names] == ["1", "2", "3"]


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert create_run("walk", tmp_path / "empty") == tmp_path / "empty"
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(RunFolderError, match="there already; choose another folder with --out"):
        create_run("walk", tmp_path / "empty")
    (tmp_path / "empty" / "protocol.toml").touch()
    with pytest.raises(RunFolderError, match="finish it with neurofa resume"):
        create_run("walk", tmp_path / "empty")


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot write to .*file/run"):
        create_run("walk", tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("made", "left"),
    [([], False), (["sessions/batch-0-checkpoint.npz"], False), (["sessions/batch-0-session-0000.zarr"], True)],
)
def test_a_refused_run_leaves_nothing_but_what_was_computed(tmp_path, made, left):
    with pytest.raises(ConfigError, match="no"), new_run("walk", tmp_path / "run") as folder:
        for name in made:
            (folder / name).parent.mkdir()
            (folder / name).touch()
        raise ConfigError("no")
    assert (tmp_path / "run").exists() == left


def test_a_run_that_fails_while_running_stays(tmp_path):
    with pytest.raises(ZeroDivisionError), new_run("walk", tmp_path / "run"):
        raise ZeroDivisionError
    assert (tmp_path / "run").exists()


def _try_lock(folder, result):
    try:
        with locked(folder):
            result.put("locked")
    except RunFolderError as error:
        result.put(str(error))


def test_another_process_is_kept_out_until_the_first_is_done(tmp_path):
    context = multiprocessing.get_context("spawn")
    result = context.Queue()

    def other():
        process = context.Process(target=_try_lock, args=(tmp_path, result))
        process.start()
        said = result.get(timeout=60)
        process.join()
        return said

    with locked(tmp_path):
        assert "another process works in" in other()
    assert other() == "locked"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot write to .*file/run"), locked(tmp_path / "file" / "run"):
        pass


def test_the_stored_protocol_is_complete_and_reads_back_equal(tmp_path):
    protocol = load_protocol(write_short(tmp_path))
    folder = create_run("short", tmp_path / "run")
    stored = store_protocol(protocol, folder)
    assert read_protocol(folder) == stored
    assert stored.as_dict() == protocol.as_dict()
    assert "visibility_time_constant_days = 10.5" in (folder / "protocol.toml").read_text(encoding="utf-8")


def test_the_users_files_go_into_the_run_folder(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "run"
    source.mkdir()
    (source / "smells.py").write_text(STIMULI, encoding="utf-8")
    path = write_tiny(source)
    linear = 'kind = "linear_track"\nbins = 20\ninputs = 40'
    text = path.read_text(encoding="utf-8").replace(linear, 'kind = "smells.py:two_smells"\ninputs = 8')
    path.write_text(text, encoding="utf-8")
    store_protocol(load_protocol(path), create_run("own", folder))
    for file in source.glob("*.py"):
        file.unlink()
    stored = read_protocol(folder)
    assert stored.stimuli.kind == "smells.py:two_smells"
    assert stored.stimuli.parameters() == {"inputs": 8}
    assert stored.analyses == ("activity.py",)
    assert (folder / "activity.py").read_text(encoding="utf-8") == TINY_ANALYSIS


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.py").write_text(TINY_ANALYSIS + f"# {name}\n", encoding="utf-8")
    change = ('["drift_over_days", "cross_day_decoding"]', '["a/own.py", "b/own.py"]')
    protocol = load_protocol(write_short(tmp_path, "short", change))
    with pytest.raises(RunFolderError, match="two different files called own.py"):
        store_protocol(protocol, create_run("short", tmp_path / "run"))


def test_the_recording_whose_occupancy_is_taken_is_found_from_the_run_folder(tmp_path):
    (tmp_path / "recorded").mkdir()
    change = ("repeats = 3", 'repeats = 3\noccupancy = "recorded"')
    protocol = load_protocol(write_short(tmp_path, "short", change))
    folder = create_run("short", tmp_path / "deep" / "run")
    store_protocol(protocol, folder)
    occupancy = read_protocol(folder).observation.occupancy
    assert not Path(occupancy).is_absolute()
    assert (folder / occupancy).resolve() == (tmp_path / "recorded").resolve()


def test_a_folder_without_protocol_is_not_a_simulated_run(tmp_path):
    with pytest.raises(RunFolderError, match="protocol.toml is missing"):
        read_protocol(tmp_path)


def test_leftovers_go_and_everything_else_stays(tmp_path):
    kept = [".lock", ".gitignore", ".hidden-file", "measures.csv", "figures/drift.png"]
    gone = [".protocol.toml-0a1b2c3d", ".measures.csv.part", "figures/.drift.png.part"]
    (tmp_path / "figures").mkdir()
    (tmp_path / ".recording.zarr-old-0a1b2c3d").mkdir()
    for name in (*kept, *gone):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == sorted([*kept, "figures"])


def test_a_file_is_written_whole(tmp_path):
    write_aside(tmp_path / "text.txt", "first")
    write_aside(tmp_path / "text.txt", "second")
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == "second"


def test_provenance_lists_versions_and_checksums_but_no_person_or_place(tmp_path):
    (tmp_path / "measures.csv").write_text("a,b\n", encoding="utf-8")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "drift.csv").write_text("c\n", encoding="utf-8")
    (tmp_path / "recording.zarr").mkdir()
    (tmp_path / "recording.zarr" / "zarr.json").write_text("{}", encoding="utf-8")
    write_provenance(tmp_path, {"seed": 7})
    known = read_provenance(tmp_path)
    assert known["seed"] == 7
    assert known["run"] == tmp_path.name
    assert {"numpy", "torch", "xarray", "zarr"} <= known["dependencies"].keys()
    assert known["files_sha256"].keys() == {"measures.csv", "figures/drift.csv", "recording.zarr"}
    assert known["files_sha256"]["measures.csv"] == hashlib.sha256(b"a,b\n").hexdigest()
    text = (tmp_path / "provenance.json").read_text(encoding="utf-8")
    for word in (str(tmp_path.parent), str(Path.home()), socket.gethostname()):
        assert word not in text
    assert not re.search(rf'"{re.escape(getpass.getuser())}"', json.dumps(host_facts()))


def test_checksums_see_every_change(tmp_path):
    store = tmp_path / "recording.zarr"
    store.mkdir()
    (store / "a").write_bytes(b"1")
    (store / "b").write_bytes(b"2")
    before = checksums(tmp_path)
    (store / "b").write_bytes(b"3")
    changed = checksums(tmp_path)
    (store / "b").write_bytes(b"2")
    (store / "b").rename(store / "c")
    renamed = checksums(tmp_path)
    assert len({before["recording.zarr"], changed["recording.zarr"], renamed["recording.zarr"]}) == 3


def test_damaged_provenance_is_named(tmp_path):
    assert read_provenance(tmp_path) == {}
    (tmp_path / "provenance.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunFolderError, match="provenance.json is damaged"):
        read_provenance(tmp_path)
