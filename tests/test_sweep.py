"""Sweeps: conditions simulated together are what they are alone, and nothing finished is done again."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurofa import cli
from neurofa.errors import ConfigError, DivergenceError, ProtocolError, RunFolderError
from neurofa.job import resume, run
from neurofa.protocol import load_protocol
from neurofa.recording import load_recording
from neurofa.shares import companies, shares_of
from neurofa.sweep import combined, is_sweep, resume_sweep, sweep
from neurofa.sweep.combined import combine, overview
from neurofa.sweep.conditions import conditions_of, parse_over
from neurofa.sweep.plan import state_of
from neurofa.terminal import conclude_sweep
from tests.short_protocol import write_short, write_tiny
from tests.test_resume import assert_same_content

SCRIPT = Path(sys.executable).with_name("neurofa")
OVER = {"overnight.feedback_walk": [0, 0.3], "rule.name": ["fa", "nfa"]}
SETTINGS = {"engine.threads": 1}


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    """A protocol file whose analysis takes no time."""
    return write_tiny(tmp_path_factory.mktemp("protocol"))


@pytest.fixture(scope="module")
def swept(protocol, tmp_path_factory):
    """Four conditions in one process."""
    return sweep(protocol, OVER, overrides=SETTINGS, out=tmp_path_factory.mktemp("sweep") / "sweep")


def test_every_condition_is_what_it_is_when_it_runs_alone(swept, protocol, tmp_path):
    assert [name.partition("-")[2] for name in swept.runs] == [
        "feedback_walk=0,rule=fa",
        "feedback_walk=0,rule=nfa",
        "feedback_walk=0.3,rule=fa",
        "feedback_walk=0.3,rule=nfa",
    ]
    for number, (name, one) in enumerate(swept.runs.items()):
        values = {"overnight.feedback_walk": [0, 0.3][number // 2], "rule.name": ["fa", "nfa"][number % 2]}
        alone = run(protocol, tmp_path / name, overrides=SETTINGS | values)
        assert_same_content(one.folder, alone.folder)
        assert one.report.is_file()


def test_conditions_differ_and_their_names_say_how(swept):
    rates = [load_recording(one.folder)["probe"]["true_rate"].values for one in swept.runs.values()]
    for number, one in enumerate(rates):
        assert all(not np.array_equal(one, other) for other in rates[:number])
    conditions = swept.conditions
    assert conditions["overnight.feedback_walk"].tolist() == [0, 0, 0.3, 0.3]
    assert conditions["rule.name"].tolist() == ["fa", "nfa", "fa", "nfa"]
    assert conditions["state"].tolist() == ["finished"] * 4
    assert (conditions["reason"] == "").all()


def test_folders_of_conditions_tell_every_value_in_whole_words(protocol):
    over = {"overnight.excitability_drift.sd": [0, 0.25], "overnight.gain_drift.sd": [0, 0.25], "rule.name": ["fa"]}
    over |= {"schedule.days": [[0, 2], [0, 4]]}
    names = [one.name for one in conditions_of(protocol, over, {}, animals=1)]
    assert names[1] == "2-excitability_drift.sd=0,gain_drift.sd=0,rule=fa,days=0,4"
    assert names[-1] == "8-excitability_drift.sd=0.25,gain_drift.sd=0.25,rule=fa,days=0,4"
    many = {"schedule.days": [list(range(70)), list(range(0, 140, 2))], "rule.name": ["fa"], "cohort.seed": [1]}
    names = [one.name for one in conditions_of(protocol, many, {}, animals=1)]
    assert all(len(name) <= 110 and name.endswith(",fa,1") for name in names), names
    assert names[0].startswith("1-0,1,2,3,") and names[1].startswith("2-0,2,4,6,")


def test_a_sweep_whose_folders_have_other_names_is_resumed_but_not_made_again(swept, protocol, tmp_path):
    """As an earlier version named them."""
    folder = Path(shutil.copytree(swept.folder, tmp_path / "sweep"))
    plan = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    for condition in plan["conditions"]:
        old = condition["name"].replace("rule=", "name=")
        (folder / condition["name"]).rename(folder / old)
        condition["name"] = old
    (folder / "sweep.json").write_text(json.dumps(plan), encoding="utf-8")
    (folder / "1-feedback_walk=0,name=fa" / "report.html").unlink()
    assert resume_sweep(folder).conditions["state"].tolist() == ["finished"] * 4
    with pytest.raises(
        RunFolderError, match=r"made by another version; go on with that one with: neurofa resume \S*sweep, or"
    ):
        sweep(protocol, OVER, overrides=SETTINGS, out=folder)


def test_conditions_that_differ_in_numbers_share_a_tensor_and_equal_animals_are_simulated_once(protocol):
    conditions = conditions_of(protocol, OVER, SETTINGS)
    found = companies(share for one in conditions for share in shares_of(one.protocol, Path(one.name)))
    # two rules, each with two animals of the group that sets nothing, at 0 and 0.3; the control follows them
    assert [len(company.shares) for company in found] == [2, 2]
    assert [len(company.members) for company in found] == [4, 4]
    seeds = conditions_of(protocol, {"cohort.seed": [1, 2]}, {})
    apart = companies(share for one in seeds for share in shares_of(one.protocol, Path(one.name)))
    assert [len(company.shares) for company in apart] == [1, 1]
    recorded = conditions_of(protocol, {"record.stimuli": [5, 10]}, {})
    apart = companies(share for one in recorded for share in shares_of(one.protocol, Path(one.name)))
    assert [len(company.shares) for company in apart] == [1, 1]
    spiking = {"engine.kind": "spiking", "spiking.spike_times": True, "rule.learning_rate": 0.01}
    timed = conditions_of(protocol, {"overnight.feedback_walk": [0, 0.1]}, spiking)
    apart = companies(share for one in timed for share in shares_of(one.protocol, Path(one.name)))
    assert [len(company.shares) for company in apart] == [1, 1]
    observed = conditions_of(protocol, {"observation.repeats": [2, 3]}, {})
    same = companies(share for one in observed for share in shares_of(one.protocol, Path(one.name)))
    assert [len(company.members) for company in same] == [4]


def test_the_same_call_again_does_nothing_again(swept, protocol):
    runs = [path for path in swept.folder.iterdir() if path.is_dir() and path.name != "figures"]
    before = {file: file.stat().st_mtime_ns for path in runs for file in path.rglob("*") if file.name != ".lock"}
    again = sweep(protocol, OVER, overrides=SETTINGS, out=swept.folder)
    assert again.folder == swept.folder
    resume_sweep(swept.folder)
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_another_sweep_in_the_same_folder_is_refused(swept, protocol, tmp_path):
    with pytest.raises(RunFolderError, match="holds another sweep"):
        sweep(protocol, {"rule.name": ["fa", "nfa"]}, overrides=SETTINGS, out=swept.folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(RunFolderError, match="there already"):
        sweep(protocol, OVER, overrides=SETTINGS, out=tmp_path / "mine")
    with pytest.raises(RunFolderError, match="not the folder of a sweep"):
        resume_sweep(tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


@pytest.fixture(scope="module")
def partly_failed(tmp_path_factory):
    """Drift is measured; half of the conditions diverge."""
    folder = tmp_path_factory.mktemp("failed")
    path = write_short(folder, "short", ('["drift_over_days", "cross_day_decoding"]', '["drift_over_days"]'))
    over = {"rule.learning_rate": [0.2, 1e18]}
    settings = {"network.homeostasis_rate": 0, "schedule.days": [0, 1], "cohort.animals": 3}
    return sweep(path, over, overrides=settings, out=folder / "sweep")


def test_a_condition_that_fails_is_listed_with_its_reason_and_the_others_go_on(partly_failed):
    conditions = partly_failed.conditions
    assert conditions["state"].tolist() == ["finished", "failed"]
    assert "learning diverged on pretraining" in conditions["reason"][1]
    assert list(partly_failed.runs) == ["1-learning_rate=0.2"]
    page = partly_failed.report.read_text(encoding="utf-8")
    assert "Conditions that failed" in page and "learning diverged on pretraining" in page
    assert 'href="1-learning_rate%3D0.2/report.html"' in page
    caption = (partly_failed.folder / "figures" / "drift_and_performance.txt").read_text(encoding="utf-8")
    assert "conditions that failed, 1 of 2" in caption
    state = state_of(partly_failed.folder / "2-learning_rate=1e+18")
    assert state.final and state.over and not state.finished


def test_a_condition_that_diverged_is_not_tried_again(partly_failed):
    path = partly_failed.folder / "2-learning_rate=1e+18" / "provenance.json"
    before = path.stat().st_mtime_ns
    resume_sweep(partly_failed.folder)
    assert path.stat().st_mtime_ns == before
    with pytest.raises(DivergenceError):
        resume(path.parent)


def test_combined_tables_hold_what_the_runs_measured(partly_failed):
    one = next(iter(partly_failed.runs.values()))
    summary = partly_failed.summary
    assert summary["run"].unique().tolist() == [one.folder.name]
    own = one.summary
    pd.testing.assert_frame_equal(summary[own.columns].reset_index(drop=True), own)
    shown = overview(one.folder)
    measures = one.measures
    for group in ("walking", "fixed"):
        of_group = measures[measures["group"] == group]
        correct = of_group[of_group["measure"] == "performance"].groupby("animal")["value"].mean()
        row = shown[(shown["group"] == group) & (shown["quantity"] == "correct")].iloc[0]
        assert row["mean"] == pytest.approx(correct.mean()) and row["n_animals"] == 3
    kept = pd.read_csv(partly_failed.folder / "overview.csv")
    assert len(kept) == len(shown)
    assert kept["rule.learning_rate"].unique().tolist() == [0.2]


def test_the_page_of_a_sweep_is_written_again_on_request(swept, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "sweep"
    shutil.copytree(swept.folder, folder)
    before = (folder / "overview.csv").read_bytes()
    for name in ("report.html", "overview.csv", "conditions.csv"):
        (folder / name).unlink()
    monkeypatch.setattr(sys, "argv", ["neurofa", "report", str(folder)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code in (0, None)
    assert (folder / "overview.csv").read_bytes() == before
    assert "feedback_walk" in (folder / "report.html").read_text(encoding="utf-8")
    for more in ([str(next(iter(swept.runs.values())).folder)], ["--out", str(tmp_path / "page.html")]):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["neurofa", "report", str(folder), *more])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 2
        assert "is a sweep" in capsys.readouterr().err


def test_animals_that_switch_maps_are_told_once_for_the_whole_sweep(swept, tmp_path, capsys):
    folder = tmp_path / "sweep"
    shutil.copytree(swept.folder, folder)
    for path in list(folder.glob("*/measures.csv"))[:2]:
        table = pd.read_csv(path)
        row = table.iloc[[0]].assign(measure="switches_maps", animal="M1", value=1.0)
        pd.concat([table, row]).to_csv(path, index=False)
    combine(folder)
    told = "Not to be read as drift alone: single trials of M1 switch between maps."
    assert (folder / "report.html").read_text(encoding="utf-8").count(told) == 1
    conclude_sweep(folder)
    assert capsys.readouterr().out.count(told) == 1


def test_the_fall_of_the_correlation_is_taken_within_animals(tmp_path):
    rows = [
        ("population_vector_correlation", "rate", "g", animal, "h", lag, value)
        for animal, values in (("g-0", (0.9, 0.5)), ("g-1", (0.7, 0.1)))
        for lag, value in zip((1.0, 5.0), values, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["measure", "variable", "group", "animal", "layer", "lag_days", "value"])
    table.assign(condition="", step="").to_csv(tmp_path / "measures.csv", index=False)
    shown = overview(tmp_path).set_index(["quantity", "lag_days"])["mean"]
    assert shown["correlation", 1.0] == pytest.approx(0.8)
    assert shown["correlation", 5.0] == pytest.approx(0.3)
    assert shown["loss", 5.0] == pytest.approx(0.5)


def test_a_sweep_that_is_killed_goes_on_where_it_was(swept, protocol, tmp_path):
    folder = tmp_path / "sweep"
    options = ["--set", "engine.threads=1", "--out", folder]
    for key, values in OVER.items():
        options += ["--over", f"{key}={','.join(map(str, values))}"]
    process = subprocess.Popen([SCRIPT, "sweep", protocol, *options], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(folder.glob("1-*/report.html")):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = {path: state_of(path).finished for path in folder.glob("?-*")}
    times = {path: (path / "recording.zarr").stat().st_mtime_ns for path, whole in finished.items() if whole}
    assert times
    done = subprocess.run([SCRIPT, "resume", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 conditions finished" in done.stdout
    for path, before in times.items():
        assert (path / "recording.zarr").stat().st_mtime_ns == before
    for name, one in swept.runs.items():
        assert_same_content(folder / name, one.folder)


def test_shares_that_are_not_equally_far_go_on_apart_and_end_alike(swept, tmp_path, monkeypatch):
    import neurofa.sweep.running as running

    copy = Path(shutil.copytree(swept.folder, tmp_path / "sweep"))
    names = list(swept.runs)
    for name in names:
        for file in (copy / name).iterdir():
            if file.name not in ("protocol.toml", "activity.py"):
                shutil.rmtree(file) if file.is_dir() else file.unlink()

    def stop_after(sessions):
        def progress(done, total, words):
            if done >= sessions:
                raise KeyboardInterrupt

        return progress

    # the third condition is two sessions ahead of the first, with which it shares a tensor
    with pytest.raises(KeyboardInterrupt):
        running.in_process(copy, [names[2]], stop_after(3))
    resume_sweep(copy)
    for name in names:
        assert_same_content(copy / name, swept.folder / name)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ([], "nothing is swept over"),
        (["rule.name"], "does not say what to sweep over"),
        (["rule.name="], "does not say what to sweep over"),
        (["rule.name=fa,,nfa"], "does not say what to sweep over"),
        (["rule.name=fa,fa"], "'rule.name' lists fa twice"),
        (["overnight.feedback_walk=0,0.0"], "twice"),
        (["rule.name=fa", "rule.name=nfa"], "swept over twice"),
        (["cohort.animals=2,3"], "both swept over and set"),
        (["title=a,b"], "come out the same"),
        (["groups.walking.label=a,b"], "come out the same"),
    ],
)
def test_what_cannot_be_swept_over_is_refused(protocol, over, said):
    with pytest.raises(ConfigError, match=said):
        conditions_of(protocol, over, {}, animals=2)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("rule.name=fa,nonsense", "name is no learning rule, got 'nonsense'"),
        ("rule.nam=fa,nfa", "did you mean 'name'"),
        ("overnight.feedback_walk=0.1,-1", "feedback_walk must be at least 0"),
        ('analyses=["activity.py"],["nothing_known"]', "nothing_known"),
        ('stimuli.bins=20,"many"', "bins"),
    ],
)
def test_one_illegal_value_is_refused_before_anything_runs(protocol, over, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["neurofa", "sweep", str(protocol), "--over", over])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert said in error and "nothing was run; this is condition" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sets", [[], ["--set", "cohort.sed=1"]])
def test_what_is_wrong_whatever_is_swept_over_is_no_fault_of_a_condition(protocol, sets, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = str(protocol) if sets else "linear_trak"
    monkeypatch.setattr(sys, "argv", ["neurofa", "sweep", name, "--over", "rule.name=fa,nfa", *sets])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "did you mean" in error and error.endswith("; nothing was run\n") and "condition" not in error


def test_axes_and_terminal_name_what_was_swept_over_and_explain_what_they_show(tmp_path, monkeypatch, capsys):
    path = write_short(tmp_path, "short", ('["drift_over_days", "cross_day_decoding"]', '["drift_over_days"]'))
    monkeypatch.chdir(tmp_path)
    over = ["--over", "overnight.feedback_walk=0,0.3", "--over", "rule.name=fa"]
    days = ["--set", "schedule.days=[0,1,2]", "--animals", "1", "--out", "out"]
    monkeypatch.setattr(sys, "argv", ["neurofa", "sweep", str(path), *over, *days])
    drawn, write = [], combined.save
    monkeypatch.setattr(combined, "save", lambda drawing, *where: (drawn.append(drawing), write(drawing, *where)))
    _main()
    out = " ".join(capsys.readouterr().out.split())
    assert "PV: correlation of population vectors from the shortest" in out and "RSM" not in out
    assert " feedback_walk rule group " in out
    for ax in drawn[0].figure.axes:
        assert [text.get_text() for text in ax.get_xticklabels()] == ["0, fa", "0.3, fa"]
        assert ax.get_xlabel() == "feedback_walk, rule"


def test_a_key_that_every_group_sets_itself_is_refused_with_the_way_out(tmp_path):
    changes = [("[groups.walking]\n", "[groups.walking]\nrule.learning_rate = 0.1\n")]
    changes += [('control_of = "walking"', 'control_of = "walking"\nrule.learning_rate = 0.1')]
    path = write_short(tmp_path, "set", *changes)
    with pytest.raises(ConfigError, match=r"rule.learning_rate changes nothing.*groups.NAME.KEY"):
        conditions_of(path, {"rule.learning_rate": [0.1, 0.2]}, {})
    found = conditions_of(path, {"groups.walking.rule.learning_rate": [0.1, 0.2]}, {})
    assert [one.protocol.group("walking").rule.learning_rate for one in found] == [0.1, 0.2]


def test_values_are_read_as_in_a_protocol():
    assert parse_over("network.hidden=[10, 20],[30]")[1] == [[10, 20], [30]]
    assert parse_over('title="a, b",c')[1] == ["a, b", "c"]
    assert parse_over("network.biases=true,false")[1] == [True, False]


def test_protocols_that_are_not_possible_for_all_conditions_name_the_condition(protocol):
    with pytest.raises(ProtocolError) as error:
        conditions_of(protocol, ["schedule.passes=1,[1]"], {})
    assert any("this is condition passes=[1]" in note for note in error.value.__notes__)


def test_the_default_folder_is_the_same_for_the_same_sweep(protocol, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    over = ["--over", "overnight.feedback_walk=0,0.1", "--set", "schedule.days=[0,1]", "--animals", "1", "--seed", "3"]
    folders = []
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", ["neurofa", "sweep", str(protocol), *over])
        _main()
        folders.append(capsys.readouterr().out)
    made = list((tmp_path / "runs").iterdir())
    assert len(made) == 1 and is_sweep(made[0])
    assert made[0].name.startswith("tiny-sweep-")
    assert all(f"Sweep:  runs/{made[0].name} (2 of 2 conditions finished)" in out for out in folders)
    plan = json.loads((made[0] / "sweep.json").read_text(encoding="utf-8"))
    stored = load_protocol(made[0] / plan["conditions"][1]["name"] / "protocol.toml")
    assert (stored.cohort.seed, stored.cohort.animals, stored.overnight.feedback_walk) == (3, 1, 0.1)


def _main():
    """The command line ends the process with 0."""
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code


def test_a_sweep_in_which_everything_fails_ends_with_1_and_the_reasons(protocol, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wild = ["--over", "rule.learning_rate=1e18,1e19", "--set", "network.homeostasis_rate=0", "--out", "wild"]
    monkeypatch.setattr(sys, "argv", ["neurofa", "sweep", str(protocol), *wild])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    printed = capsys.readouterr()
    assert "(0 of 2 conditions finished)" in printed.out
    assert printed.err.count("learning diverged on pretraining") == 2
    assert "no condition finished" in printed.err
    assert (tmp_path / "wild" / "report.html").is_file()
