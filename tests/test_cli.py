"""The commands as a user types them: what they leave on disk, what they print, how they refuse."""

import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurofa import cli, measures
from neurofa.listing import KINDS, listings
from neurofa.recording import load_recording
from tests.nwb_files import known_session, write_session
from tests.short_protocol import TINY_ANALYSIS, write_short, write_tiny

SCRIPT = Path(sys.executable).with_name("neurofa")
COMMANDS = ("run", "resume", "list", "show", "import", "analyse", "compare", "report", "cite")
RUN_FILES = (
    "protocol.toml",
    "recording.zarr",
    "measures.csv",
    "summary.csv",
    "scorecard.csv",
    "figures",
    "report.html",
    "provenance.json",
)


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a command in this process: exit code, what went to stdout, what went to stderr."""

    def run_command(*arguments):
        monkeypatch.setattr(sys, "argv", ["neurofa", *map(str, arguments)])
        monkeypatch.setitem(cli._state, "debug", False)
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_command


@pytest.fixture
def refused(call):
    """Run a command that must be refused: one sentence on stderr, exit code 2; the sentence comes back."""

    def run_command(*arguments):
        code, _, error = call(*arguments)
        assert code == 2, error
        assert "Traceback" not in error
        lines = [line for line in error.splitlines() if line.strip()]
        assert len(lines) == 1, error
        assert lines[0].startswith("neurofa: ")
        return lines[0].removeprefix("neurofa: ")

    return run_command


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run made by the installed script, the process that made it, and where."""
    folder = tmp_path_factory.mktemp("finished")
    protocol = write_short(folder)
    done = subprocess.run(
        [SCRIPT, "run", protocol.name, "--seed", "3"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done, folder


@pytest.fixture
def run_folder(finished, tmp_path):
    """A copy of the finished run that a test may change."""
    (made,) = (finished[1] / "runs").iterdir()
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """NWB sessions of one animal on two days."""
    folder = tmp_path_factory.mktemp("nwb") / "M1"
    folder.mkdir()
    for day in (0.0, 2.0):
        frames, counts = known_session(n_trials=4, n_cells=12, seed=int(day))
        write_session(folder / f"day{day:g}.nwb", frames, counts, np.arange(12), day=day)
    return folder


@pytest.fixture(scope="module")
def imported(sessions, tmp_path_factory):
    """The same as a run, made by the installed script."""
    folder = tmp_path_factory.mktemp("imported")
    done = subprocess.run(
        [SCRIPT, "import", sessions, "--out", "m1"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "m1"


# ---------------------------------------------------------------------------------------------------------- what works


def test_run_leaves_a_complete_folder_and_is_quiet_on_stderr(finished):
    done, folder = finished
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (made,) = (folder / "runs").iterdir()
    assert re.fullmatch(r"short-\d{8}-1", made.name)
    assert set(RUN_FILES) <= {path.name for path in made.iterdir()}
    assert not (made / "sessions").exists()
    assert f"runs/{made.name}" in done.stdout
    assert "<html" in (made / "report.html").read_text(encoding="utf-8")
    assert json.loads((made / "provenance.json").read_text(encoding="utf-8"))["seed"] == 3


def test_run_folder_names_nothing_of_the_machine(finished):
    _, folder = finished
    (made,) = (folder / "runs").iterdir()
    for name in ("protocol.toml", "provenance.json", "report.html", "measures.csv", "scorecard.csv"):
        assert str(folder) not in (made / name).read_text(encoding="utf-8")


def test_measures_table_has_every_group_and_animal(finished):
    (made,) = (finished[1] / "runs").iterdir()
    table = pd.read_csv(made / "measures.csv", keep_default_na=False)
    assert set(table["group"]) >= {"walking", "fixed"}
    assert set(table["animal"]) >= {"walking-0", "walking-1", "fixed-0", "fixed-1"}
    assert set(table["analysis"]) == {"drift_over_days", "cross_day_decoding"}
    correlation = table[table["measure"] == "population_vector_correlation"]
    assert set(correlation["lag_days"].astype(float)) == {2.0, 4.0, 6.0, 8.0}


def test_options_of_run_reach_the_protocol(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path)
    options = ["--animals", 1, "--seed", 11, "--device", "cpu", "--set", "overnight.weight_decay=0.25"]
    code, out, error = call("run", "tiny.toml", *options, "--set", "schedule.days=[0, 3]", "--out", "mine")
    assert (code, error) == (0, "")
    assert "mine" in out
    _, shown, _ = call("show", "mine/protocol.toml")
    for line in ("animals = 1 #", "seed = 11 #", "weight_decay = 0.25 #", "days = [0.0, 3.0] #"):
        assert line in shown
    probe = load_recording(tmp_path / "mine")["probe"]
    assert dict(probe.sizes)["animal"] == 2
    assert probe["day"].values.tolist() == [[0, 3], [0, 3]]
    assert set(pd.read_csv("mine/measures.csv")["analysis"]) == {"activity"}


def test_list_names_everything(call):
    code, out, error = call("list")
    assert (code, error) == (0, "")
    for name in ("linear_track", "nfa", "synaptic_noise", "patterns", "drift_over_days", "drift_statistics"):
        assert re.search(rf"^  {name}\b", out, re.MULTILINE), name


def test_list_of_overnight_processes_names_their_sources(call):
    code, out, _ = call("list", "overnight")
    assert code == 0
    rows = [line for line in out.splitlines() if line.startswith("  ")]
    assert len(rows) > 8
    assert all(re.search(r"\[.*10\.\d+/\S+\]$", row) for row in rows), rows


def test_list_of_measures_names_every_public_one_with_its_sentence_and_unit(call):
    code, out, _ = call("list", "measures")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in out.splitlines()[1:])
    public = {name for name, one in vars(measures).items() if inspect.isfunction(one) and not name.startswith("_")}
    assert rows.keys() == public
    assert rows["angle_procrustes_deg"].endswith("of one onto the other. [(session, session), degrees, 0 to 90]")


def test_help_of_list_names_every_kind(call):
    code, out, _ = call("list", "--help")
    assert code == 0
    assert all(re.search(rf"\b{kind}\b", out) for kind in KINDS)
    assert list(listings()) == [next(iter(listings(kind))) for kind in KINDS]


def test_list_of_one_kind_names_nothing_else(call):
    code, out, _ = call("list", "rules")
    assert code == 0
    assert "random_walk" in out
    assert "drift_over_days" not in out


def test_show_prints_a_protocol_that_can_be_run(call, tmp_path):
    code, out, _ = call("show", "linear_track", "--set", "overnight.feedback_walk=0.31")
    assert code == 0
    (tmp_path / "again.toml").write_text(out, encoding="utf-8")
    code, again, error = call("show", tmp_path / "again.toml")
    assert (code, error) == (0, "")
    assert again == out
    assert "feedback_walk = 0.31 #" in out


def test_import_makes_a_run_like_any_other(imported):
    assert set(RUN_FILES) - {"protocol.toml", "scorecard.csv"} <= {path.name for path in imported.iterdir()}
    assert load_recording(imported)["probe"].sizes["session"] == 2


def test_import_options_reach_the_reader(call, sessions, tmp_path):
    out = tmp_path / "m1"
    code, _, error = call("import", sessions, "--out", out, "--option", "layer=CA3", "--option", "kept_bins=[5, 20]")
    assert (code, error) == (0, "")
    probe = load_recording(out)["probe"]
    assert set(probe["layer"].values.astype(str)) == {"CA3"}
    assert probe.sizes["stimulus"] == 2 * 16


def test_analyse_adds_the_users_analysis_to_the_protocols(call, run_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "activity.py").write_text(TINY_ANALYSIS, encoding="utf-8")
    before = pd.read_csv(run_folder / "measures.csv")
    code, _, error = call("analyse", run_folder, "--analysis", "activity.py")
    assert (code, error) == (0, "")
    after = pd.read_csv(run_folder / "measures.csv")
    assert set(after["analysis"]) == {"drift_over_days", "cross_day_decoding", "activity"}
    pd.testing.assert_frame_equal(before, after[after["analysis"] != "activity"].reset_index(drop=True))
    assert (run_folder / "figures" / "activity.png").is_file()
    assert 'alt="activity' in (run_folder / "report.html").read_text(encoding="utf-8")
    (tmp_path / "again.py").write_text(TINY_ANALYSIS, encoding="utf-8")
    assert call("analyse", run_folder, "--analysis", "again.py")[0] == 0
    later = pd.read_csv(run_folder / "measures.csv")
    assert sorted(later["analysis"].unique()) == sorted([*after["analysis"].unique(), "again"])
    pd.testing.assert_frame_equal(
        later[later["analysis"] == "activity"].reset_index(drop=True),
        after[after["analysis"] == "activity"].reset_index(drop=True),
    )
    assert set(pd.read_csv(run_folder / "summary.csv")["analysis"]) == set(later["analysis"])


def test_compare_with_a_recorded_run_adds_to_the_scorecard(call, run_folder, imported):
    before = pd.read_csv(run_folder / "scorecard.csv")
    code, _, error = call("compare", run_folder, imported)
    assert (code, error) == (0, "")
    after = pd.read_csv(run_folder / "scorecard.csv")
    assert len(after) > len(before)
    assert "recorded run" in set(after["reference_kind"]) - set(before["reference_kind"])
    provenance = json.loads((run_folder / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["files_sha256"]["scorecard.csv"] in (run_folder / "report.html").read_text(encoding="utf-8")


def test_compare_without_a_second_run_takes_the_protocols_references(call, run_folder):
    (run_folder / "scorecard.csv").unlink()
    code, _, error = call("compare", run_folder)
    assert (code, error) == (0, "")
    assert {"recorded curve", "publication"} & set(pd.read_csv(run_folder / "scorecard.csv")["reference_kind"])


def test_report_of_two_runs_goes_on_one_page(call, run_folder, imported, tmp_path):
    code, out, error = call("report", run_folder, imported, "--out", tmp_path / "both.html")
    assert (code, error) == (0, "")
    assert "both.html" in out
    page = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "A short walk" in page
    assert "m1" in page


def test_brackets_in_names_are_printed_as_they_are(call, run_folder):
    odd = run_folder.rename(run_folder.with_name("[bold]run"))
    code, out, _ = call("report", odd)
    assert code == 0
    assert "[bold]run/report.html" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "Usage: neurofa" in out


def test_version(call):
    from neurofa import __version__

    assert call("--version") == (0, f"neurofa {__version__}\n", "")


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "linear_trak"], ["linear_trak", "did you mean 'linear_track'?"]),
        (["show", "linear_trak"], ["linear_trak", "did you mean 'linear_track'?"]),
        (["run", "nowhere/mine.toml"], ["nowhere/mine.toml", ".toml file"]),
        (["run", "short.toml", "--set", "overnight.feedback_wak=0.3"], ["feedback_wak", "'feedback_walk'"]),
        (["run", "short.toml", "--set", "schedule.dayz=[0, 1]"], ["schedule.dayz", "'days'"]),
        (["run", "short.toml", "--set", "shedule.days=[0, 1]"], ["shedule", "'schedule'"]),
        (["run", "short.toml", "--set", "overnight.weight_decay=-0.1"], ["overnight.weight_decay", "-0.1", "0"]),
        (["run", "short.toml", "--set", "rule.learning_rate=-1"], ["rule.learning_rate", "-1", "0"]),
        (["run", "short.toml", "--set", "observation.event_rate_hz=-2"], ["observation.event_rate_hz", "-2", "0"]),
        (["run", "short.toml", "--animals", "0"], ["animals", "1", "got 0"]),
        (["run", "short.toml", "--set", "cohort.animals=0"], ["animals", "1", "got 0"]),
        (["run", "patterns.toml"], ["50", "20 inputs", "stimuli.inputs"]),
        (["run", "short.toml", "--set", "schedule.days=[0, 4, 2]"], ["schedule.days", "increase", "2 after 4"]),
        (["run", "short.toml", "--set", "schedule.days=[0]"], ["schedule.days", "2"]),
        (["run", "short.toml", "--set", "schedule.days"], ["'schedule.days'", "key=value"]),
        (["run", "short.toml", "--set", "rule.name=nfaa"], ["nfaa", "did you mean 'nfa'?"]),
        (["run", "short.toml", "--set", 'analyses=["drift"]'], ["'drift'", "drift_over_days"]),
        (["run", "short.toml", "--set", 'references.tables=["drift_statistic"]'], ["'drift_statistics'"]),
        (["run", "short.toml", "--set", "observation.occupancy=runs/none"], ["runs/none", "recording"]),
        (["run", "short.toml", "--device", "warp"], ["engine.device", "'warp'", "cpu"]),
        (["run", "broken.toml"], ["broken.toml", "TOML", "line"]),
        (["run", "short.toml", "--out", "short.toml"], ["short.toml", "--out"]),
        (["run", "short.toml", "--out", "short.toml/inside"], ["short.toml/inside", "--out"]),
        (["run", "short.toml", "--out", "/proc/neurofa"], ["/proc/neurofa", "--out"]),
        (["import", "nowhere"], ["nowhere", ".nwb"]),
        (["import", "empty"], ["empty", "'*.nwb'"]),
        (["import", "empty", "--option", "velocty_series=speed"], ["velocty_series", "'velocity_series'"]),
        (["import", "empty", "--option", "bins"], ["'bins'", "key=value", "neurofa list import"]),
        (["import", "empty", "--option", "bins=-3"], ["bins", "-3"]),
        (["resume", "nowhere"], ["nowhere", "protocol.toml"]),
        (["resume", "empty"], ["empty", "protocol.toml"]),
        (["analyse", "empty"], ["empty", "recording"]),
        (["compare", "empty"], ["empty", "recording.zarr"]),
        (["compare", "nowhere"], ["nowhere", "run folder"]),
        (["report", "empty"], ["empty", "recording.zarr"]),
        (["list", "protocol"], ["'protocol'", "'protocols'"]),
    ],
    ids=lambda part: " ".join(part[:4]) if isinstance(part, list) else None,
)
def test_wrong_input_gets_one_sentence(refused, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    write_short(tmp_path)
    linear = 'kind = "linear_track"\nbins = 20\ninputs = 40'
    write_short(tmp_path, "patterns", (linear, 'kind = "patterns"\nstimuli = 50\ninputs = 20'))
    (tmp_path / "broken.toml").write_text("[cohort\nanimals = 2", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    sentence = refused(*arguments)
    for word in words:
        assert word in sentence
    left = sorted(path.name for path in tmp_path.iterdir() if not (path.name == "runs" and not list(path.iterdir())))
    assert left == before


def test_a_second_run_into_the_same_folder_is_refused(refused, run_folder, tmp_path):
    before = (run_folder / "provenance.json").read_bytes()
    sentence = refused("run", write_short(tmp_path), "--out", run_folder)
    assert "there already" in sentence
    assert "neurofa resume" in sentence
    assert (run_folder / "provenance.json").read_bytes() == before


def test_import_into_a_run_folder_is_refused(refused, run_folder, sessions):
    assert "there already" in refused("import", sessions, "--out", run_folder)


def test_a_truncated_nwb_file_is_refused_and_leaves_nothing(refused, sessions, tmp_path):
    folder = tmp_path / "M1"
    shutil.copytree(sessions, folder)
    file = folder / "day2.nwb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert "day2.nwb cannot be read" in refused("import", folder, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_recording_with_one_session_is_refused_and_leaves_nothing(refused, sessions, tmp_path):
    folder = tmp_path / "M1"
    shutil.copytree(sessions, folder)
    (folder / "day2.nwb").unlink()
    assert "one session" in refused("import", folder, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unfinished_run_is_not_analysed(refused, run_folder):
    shutil.rmtree(run_folder / "recording.zarr")
    assert f"neurofa resume {run_folder}" in refused("analyse", run_folder)


def test_an_unknown_analysis_changes_nothing(refused, run_folder):
    before = (run_folder / "measures.csv").read_bytes()
    assert "did you mean 'drift_over_days'?" in refused("analyse", run_folder, "--analysis", "drift_over_day")
    assert (run_folder / "measures.csv").read_bytes() == before


def test_an_analysis_of_what_a_recording_lacks_is_refused(refused, imported):
    assert "no time within its trials" in refused("analyse", imported, "--analysis", "memory_in_time")


def test_comparing_with_something_that_is_no_run_is_refused(refused, run_folder, tmp_path):
    assert "nowhere" in refused("compare", run_folder, tmp_path / "nowhere")
    assert "recording.zarr" in refused("compare", run_folder, tmp_path)


def test_an_imported_run_is_not_resumed(refused, imported):
    assert "neurofa analyse" in refused("resume", imported)


def test_learning_that_diverges_fails_with_exit_code_1(call, tmp_path):
    code, _, error = call("run", write_tiny(tmp_path), "--out", tmp_path / "run", "--set", "rule.learning_rate=1e30")
    assert code == 1
    assert error.startswith("neurofa: learning diverged")
    assert "rule.learning_rate" in error
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1


def test_an_analysis_that_fails_is_named_with_exit_code_1(call, run_folder, tmp_path):
    own = tmp_path / "broken.py"
    own.write_text("def measure(recording):\n    return 1 / 0\n\n\ndef plot(measured, recorded=None):\n    return {}\n")
    code, _, error = call("analyse", run_folder, "--analysis", own)
    assert code == 1
    assert len(error.splitlines()) == 1
    assert "broken" in error
    assert "ZeroDivisionError" in error


@pytest.mark.parametrize("place", [0, 2])
def test_debug_shows_the_traceback(call, place):
    arguments = ["show", "linear_trak"]
    arguments.insert(place, "--debug")
    code, _, error = call(*arguments)
    assert code == 2
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("neurofa: there is no protocol")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], "No such command 'runn'"),
        (["run", "linear_track", "--anmals", "3"], "--anmals"),
        (["run"], "Missing argument"),
        (["run", "linear_track", "--animals", "many"], "--animals"),
        (["report"], "Missing argument"),
    ],
)
def test_mistyped_commands_and_options_exit_with_2(call, arguments, words):
    code, _, error = call(*arguments)
    assert code == 2
    assert words in error
    assert "Traceback" not in error


def test_the_script_passes_exit_codes_on(tmp_path):
    done = subprocess.run([SCRIPT, "show", "linear_trak"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "neurofa: there is no protocol 'linear_trak'; did you mean 'linear_track'? (or give the path of a .toml file)\n"
    )


@pytest.mark.parametrize(
    ("table", "function"),
    [
        ("[stimuli]\nkind = 'broken.py:broken'\n", "def broken(generator):\n    return 1 / 0\n"),
        ("[overnight]\n'broken.py:broken' = {}\n", "def broken(network, days, draws):\n    return 1 / 0\n"),
    ],
)
def test_a_users_function_that_fails_is_named_with_file_and_line(refused, tmp_path, table, function):
    (tmp_path / "broken.py").write_text(function)
    (tmp_path / "own.toml").write_text(table)
    sentence = refused("run", tmp_path / "own.toml", "--out", tmp_path / "run")
    assert "broken.py:broken' failed: ZeroDivisionError" in sentence and "broken.py, line 2" in sentence
    assert not (tmp_path / "run").exists()


def test_an_occupancy_with_other_stimuli_is_refused_before_simulating(refused, imported, tmp_path):
    settings = ("--set", f"observation.occupancy={imported}", "--set", "stimuli.bins=7")
    sentence = refused("run", write_tiny(tmp_path), *settings, "--out", tmp_path / "run")
    assert "40 stimuli, the simulated animals 14" in sentence
    assert not (tmp_path / "run").exists()
