"""A run that is killed at any moment is finished by `neurofa resume`, bit for bit as if nothing had happened."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neurofa.errors import RunFolderError
from neurofa.job import Run, analyse_run, compare_run, resume, run
from tests.short_protocol import write_tiny

SCRIPT = Path(sys.executable).with_name("neurofa")
N_SESSIONS = 5
SETTINGS = {"schedule.passes": 400, "schedule.days": list(range(N_SESSIONS)), "engine.threads": 2}
#: moments at which a run is killed: what has appeared in its folder
MOMENTS = {
    "before the first session is recorded": "sessions/batch-0-checkpoint.npz",
    "between two sessions": "sessions/batch-0-session-0002.zarr",
    "while a session is written": "sessions/.batch-0-session-0003.zarr-*",
    "while sessions are merged": ".recording.zarr-*",
    "while results are written": "figures/activity.png",
}


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    """A protocol file with its analysis beside it."""
    return write_tiny(tmp_path_factory.mktemp("protocol"))


@pytest.fixture(scope="module")
def uninterrupted(protocol, tmp_path_factory):
    """The run as it should be."""
    return run(protocol, tmp_path_factory.mktemp("uninterrupted") / "run", overrides=SETTINGS).folder


def start(*arguments):
    """A process of the installed script."""
    return subprocess.Popen([SCRIPT, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def start_run(protocol, folder):
    """Start the run that `uninterrupted` is."""
    options = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return start("run", protocol, "--out", folder, *options)


def kill(process):
    """kill -9, as a cluster does it."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def wait_for(process, folder, pattern):
    """Wait until something has appeared in the run folder, or the process has ended."""
    while process.poll() is None:
        if next(folder.glob(pattern), None) is not None:
            return
        time.sleep(0.002)
    error = process.communicate()[1]
    assert process.returncode == 0, error


def finished_stores(folder):
    """Name to identity on disk of what is finished; the last session of all may still lack its checkpoint."""
    sessions = sorted(folder.glob("sessions/batch-*.zarr"))[:-1]
    stores = [*sessions, *folder.glob("recording.zarr")]
    return {store.name: (store.stat().st_ino, store.stat().st_mtime_ns) for store in stores}


def content(folder):
    """Everything that a run measured, drew and recorded, as bytes; the place of the run folder left out."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name in (".lock", "provenance.json", "report.html"):
            continue
        files[name] = path.read_bytes()
    return files


def assert_same_content(folder, other):
    found, expected = content(folder), content(other)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


def test_a_run_killed_at_every_stage_ends_as_if_nothing_had_happened(protocol, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    process = start_run(protocol, folder)
    killed, finished = 0, {}
    for pattern in MOMENTS.values():
        wait_for(process, folder, pattern)
        if process.poll() is None:
            kill(process)
            killed += 1
        now = finished_stores(folder)
        merged = "recording.zarr" in now
        for name, identity in finished.items():
            assert now.get(name) == identity or (merged and name != "recording.zarr"), f"{name} was made again"
        finished = now
        process = start("resume", folder)
    _, error = process.communicate()
    assert process.returncode == 0, error
    assert killed >= len(MOMENTS) - 1
    assert finished_stores(folder) == {"recording.zarr": finished["recording.zarr"]}
    assert_same_content(folder, uninterrupted)
    assert Run(folder).report.is_file()
    assert sorted(path.name for path in folder.glob(".*")) == [".lock"]


def test_a_run_killed_at_random_moments_ends_as_if_nothing_had_happened(protocol, uninterrupted, tmp_path):
    rng = random.Random(0)
    folder = tmp_path / "run"
    process = start_run(protocol, folder)
    wait_for(process, folder, "sessions")
    for _ in range(2):
        time.sleep(rng.uniform(0.1, 2.5))
        kill(process)
        process = start("resume", folder)
        wait_for(process, folder, ".lock")
        time.sleep(rng.uniform(2, 5))
    kill(process)
    resume(folder)
    assert_same_content(folder, uninterrupted)


def test_a_kill_loses_at_most_the_session_in_progress(protocol, tmp_path):
    folder = tmp_path / "run"
    process = start_run(protocol, folder)
    wait_for(process, folder, "sessions/batch-0-session-0002.zarr")
    kill(process)
    whole = sorted(path.name for path in folder.glob("sessions/batch-0-session-*.zarr"))
    told = []
    resume(folder, lambda done, total, words: told.append((done, total, words)))
    done, total, words = told[0]
    assert total == 1 + 1 + N_SESSIONS
    assert done >= 2 + len(whole) - 1
    assert words.startswith("day ")


def test_a_second_process_in_the_same_folder_is_refused(protocol, tmp_path):
    folder = tmp_path / "run"
    process = start("run", protocol, "--out", folder, "--set", "schedule.passes=1000000")
    try:
        wait_for(process, folder, "sessions")
        for second in (resume, compare_run):
            with pytest.raises(RunFolderError, match="another process works in"):
                second(folder)
        done = subprocess.run([SCRIPT, "resume", folder], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "another process works in" in done.stderr
        with pytest.raises(RunFolderError, match="there already"):
            run(protocol, folder)
    finally:
        kill(process)


def test_a_lock_that_a_killed_process_left_does_not_hold(uninterrupted, tmp_path):
    folder = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    (folder / ".lock").touch()
    assert analyse_run(folder).folder == folder


def test_resuming_a_finished_run_changes_nothing(uninterrupted, tmp_path):
    folder = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")}
    assert resume(folder).folder == folder
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")} == before


def test_only_the_report_is_missing(uninterrupted, tmp_path):
    folder = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    (folder / "report.html").unlink()
    assert resume(folder).report.is_file()
    assert_same_content(folder, uninterrupted)


def test_what_a_killed_process_half_wrote_is_taken_away(uninterrupted, tmp_path):
    folder = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    (folder / ".recording.zarr-0123abcd").mkdir()
    (folder / ".recording.zarr-0123abcd" / "zarr.json").touch()
    (folder / ".measures.csv.part").touch()
    (folder / "figures" / ".activity.png.part").touch()
    (folder / ".notes-of-the-user").touch()
    resume(folder)
    assert {path.name for path in folder.rglob(".*")} - {".lock"} == {".notes-of-the-user"}


def test_a_run_that_the_user_stops_says_how_to_go_on(protocol, tmp_path):
    folder = tmp_path / "run"
    process = start("run", protocol, "--out", folder, "--set", "schedule.passes=1000000")
    wait_for(process, folder, "sessions")
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert error == f"neurofa: stopped; finish the run with: neurofa resume {folder}\n"
