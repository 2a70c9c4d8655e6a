"""A sweep on a Dask cluster of two worker processes, one of which is killed midway, is what it is in one process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from neurofa import cli
from neurofa.errors import ConfigError
from neurofa.sweep import resume_sweep, sweep
from neurofa.sweep.plan import read_plan, state_of
from tests.short_protocol import write_tiny
from tests.test_resume import assert_same_content

OVER = {"overnight.feedback_walk": [0, 0.3], "rule.name": ["fa", "nfa"]}
#: long enough that a worker can be killed in the middle of a condition
SETTINGS = {"engine.threads": 1, "schedule.passes": 60}
installed = pytest.mark.skipif(find_spec("distributed") is None, reason="the extra neurofa[dask] is not installed")


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    """A protocol file whose analysis takes no time."""
    return write_tiny(tmp_path_factory.mktemp("protocol"))


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start a process of Dask; all are ended after the tests."""
    started = []
    root = str(Path(__file__).resolve().parent.parent)

    def start_process(*arguments, path=root):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(path)}
        log = (tmp_path_factory.mktemp("log") / "log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], stdout=log, stderr=log, env=environment, cwd=log.name[:-4]
        )
        started.append((process, log))
        return process

    yield start_process
    for process, log in started:
        process.kill()
        process.wait()
        log.close()


@pytest.fixture(scope="module")
def scheduler(start, tmp_path_factory):
    """Address of a scheduler."""
    return start_scheduler(start, tmp_path_factory.mktemp("scheduler") / "scheduler.json")


def start_scheduler(start, file, **where):
    """Address of a new scheduler."""
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    process = start("scheduler", *options, **where)
    while not file.is_file() or not file.read_text():
        assert process.poll() is None
        time.sleep(0.05)
    return json.loads(file.read_text())["address"]


def worker(start, scheduler, **where):
    """A worker process with one thread."""
    return start("worker", scheduler, "--nthreads", "1", "--no-nanny", "--no-dashboard", **where)


def wait_for_workers(scheduler, number):
    """Wait until so many workers have joined."""
    import distributed

    with distributed.Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(number, timeout=120)


@installed
def test_a_sweep_whose_worker_is_killed_midway_is_what_it_is_in_one_process(protocol, start, scheduler, tmp_path):
    expected = sweep(protocol, OVER, overrides=SETTINGS, out=tmp_path / "here")
    with pytest.raises(ConfigError, match="has no workers; start some with: dask worker"):
        sweep(protocol, OVER, overrides=SETTINGS, out=tmp_path / "nobody", scheduler=scheduler)
    assert not (tmp_path / "nobody").exists()
    workers = [worker(start, scheduler) for _ in range(2)]
    wait_for_workers(scheduler, 2)
    folder = tmp_path / "there"
    told, seen = [], {}

    def kill_one():
        """Kill a worker as soon as one condition is finished and another one has a session."""
        while not seen:
            finished = [path for path in folder.glob("?-*") if state_of(path).finished]
            if finished and any(folder.glob("?-*/sessions/batch-0-session-0000.zarr")):
                workers[0].send_signal(signal.SIGKILL)
                workers[0].wait()
                seen["finished"] = {path.name: (path / "recording.zarr").stat().st_ino for path in finished}
                seen["waiting"] = [path.name for path in folder.glob("?-*") if not state_of(path).finished]
            time.sleep(0.005)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    swept = sweep(
        protocol,
        OVER,
        overrides=SETTINGS,
        out=folder,
        scheduler=scheduler,
        progress=lambda done, total, words: told.append((done, total, words)),
    )
    killer.join(10)
    assert seen["waiting"], "all conditions were finished before the worker was killed"
    assert (swept.conditions["state"] == "finished").all()
    assert any(words == "conditions on 1 worker" for _, _, words in told)
    for name, one in expected.runs.items():
        assert_same_content(folder / name, one.folder)
    for name, inode in seen["finished"].items():
        assert (folder / name / "recording.zarr").stat().st_ino == inode, f"{name} was made again"
    runs = [folder / condition["name"] for condition in read_plan(folder)["conditions"]]
    before = {path: (path / "provenance.json").stat().st_mtime_ns for path in runs}
    resume_sweep(folder, scheduler)
    assert {path: (path / "provenance.json").stat().st_mtime_ns for path in runs} == before


@installed
def test_a_scheduler_that_does_not_answer_is_refused_in_one_sentence(protocol, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("neurofa.sweep.cluster._ANSWER_S", 1)
    command = ["neurofa", "sweep", str(protocol), "--over", "rule.name=fa,nfa"]
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        monkeypatch.setattr(sys, "argv", [*command, "--scheduler", address])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert f"no Dask scheduler answers at {address}" in error and "start one with: dask scheduler" in error
    assert list(tmp_path.iterdir()) == []


@installed
@pytest.mark.parametrize("whole", ["none", "worker"])
def test_processes_that_lack_neurofa_are_named_in_one_sentence(
    protocol, start, tmp_path, tmp_path_factory, monkeypatch, capsys, whole
):
    lacking = tmp_path_factory.mktemp("lacking")
    (lacking / "neurofa.py").write_text("raise ModuleNotFoundError(\"No module named 'neurofa'\")\n")
    address = start_scheduler(start, lacking / "scheduler.json", path=lacking)
    worker(start, address, **({} if whole == "worker" else {"path": lacking}))
    wait_for_workers(address, 1)
    monkeypatch.chdir(tmp_path)
    command = ["neurofa", "sweep", str(protocol), "--over", "rule.name=fa,nfa", "--scheduler", address]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    who = "the scheduler" if whole == "worker" else "the scheduler and 1 more"
    assert f"{who} at {address} cannot import neurofa (No module named 'neurofa'); install version" in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_dask_a_scheduler_is_refused_with_the_command_that_installs_it(protocol, tmp_path, monkeypatch, capsys):
    import neurofa.sweep.cluster as cluster

    monkeypatch.setattr(cluster.util, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    command = ["neurofa", "sweep", str(protocol), "--over", "rule.name=fa,nfa", "--scheduler", "tcp://127.0.0.1:9"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert 'install it with: pip install "neurofa[dask]"' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
