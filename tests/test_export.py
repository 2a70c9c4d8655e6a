"""Simulated recordings go out as NWB files and come back as they were."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import xarray as xr
from pynwb import NWBHDF5IO

from neurofa import cli
from neurofa.errors import ConfigError, RecordingError, RunFolderError
from neurofa.nwb import import_nwb
from neurofa.nwb.writing import FIRST_DAY, export_nwb
from neurofa.recording import load_recording, write_recording
from neurofa.simulation import simulate
from tests import engine, spiking, test_predicting, test_recurrent_runs
from tests.nwb_files import known_session, write_session

in_spikes = pytest.mark.skipif(find_spec("brian2") is None, reason="the extra neurofa[spiking] is not installed")
inspected = pytest.mark.skipif(find_spec("nwbinspector") is None, reason="nwbinspector is not installed")
PROTOCOLS = {
    "a linear track under a microscope": lambda: engine.small(
        {"cohort": {"animals": 2}, "schedule": {"days": [0, 0.5, 40], "burn_in_interval_days": 2}},
        {"network": {"hidden": [60]}, "observation": {"seconds_per_stimulus": 0.1, "seconds_spread": 1.5}},
        {"groups": {"a walk": {"label": "walking"}, "still": {"control_of": "a walk", "network": {"hidden": [30]}}}},
    ),
    "patterns, true rates, two layers": lambda: engine.small(
        {"cohort": {"animals": 1}, "network": {"hidden": [12, 8]}, "observation": {"kind": "none"}},
    ),
    "sequences, rates over time": lambda: test_recurrent_runs.small({"cohort": {"animals": 1}}),
    "events that are predicted": lambda: test_predicting.protocol(cohort={"animals": 1}),
}


def stored(protocol, folder):
    """A run folder with the recording of a protocol, and the recording."""
    recording = simulate(protocol)
    recording.attrs["run"] = "made-up"
    folder.mkdir(parents=True, exist_ok=True)
    write_recording(recording, folder / "recording.zarr")
    return folder, load_recording(folder)


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    """Run folder and recording of the linear track, and its files."""
    folder = tmp_path_factory.mktemp("track")
    run, recording = stored(PROTOCOLS["a linear track under a microscope"](), folder / "run")
    files = export_nwb(run, folder / "nwb")
    return run, recording, folder / "nwb", files


def assert_same_recording(found, expected):
    """Everything that was observed is equal, value by value."""
    expected = expected["probe"].to_dataset()
    observed = expected[["rate", "duration", "detected"]]
    xr.testing.assert_equal(found["probe"].to_dataset()[["rate", "duration", "detected"]], observed)
    for name, values in expected.coords.items():
        if "spike_bin" in values.dims:
            continue  # counts are not exported
        assert found["probe"][name].dtype.kind == values.dtype.kind, name
        xr.testing.assert_identical(found["probe"][name].variable, values.variable)


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_what_is_exported_comes_back_as_it_was(kind, tmp_path):
    run, recording = stored(PROTOCOLS[kind](), tmp_path / "run")
    files = export_nwb(run, tmp_path / "nwb")
    probe = recording["probe"]
    assert len(files) == probe.sizes["animal"] * probe.sizes["session"]
    assert all(file.is_file() for file in files)
    assert_same_recording(import_nwb(tmp_path / "nwb"), recording)


def test_gaps_are_there_to_begin_with(track):
    _, recording, _, _ = track
    probe = recording["probe"]
    assert (probe["duration"] == 0).any() and (probe["duration"] > 0).any()
    assert not probe["detected"].all()
    assert np.isnan(probe["rate"]).any()
    assert_same_recording(import_nwb(track[2]), recording)


def test_another_recording_does_not_pass_for_the_same(track):
    _, recording, folder, _ = track
    found = import_nwb(folder).copy(deep=True)
    rate = found["probe"]["rate"].values
    rate[tuple(np.argwhere(np.isfinite(rate))[0])] += 1e-5
    with pytest.raises(AssertionError):
        assert_same_recording(found, recording)


def test_a_file_shows_trials_position_rates_and_cells_where_nwb_has_them(track):
    _, recording, _, files = track
    probe = recording["probe"].to_dataset().isel(animal=1, session=2)
    [file] = [file for file in files if file.parts[-2:] == ("sub-a-walk-1", "sub-a-walk-1_ses-002.nwb")]
    with NWBHDF5IO(file, "r") as io:
        nwbfile = io.read()
        assert nwbfile.subject.subject_id == "a walk-1" and nwbfile.subject.description.endswith("group walking")
        # pretraining and one session of burn-in, each two days before the first session
        assert nwbfile.subject.age == "P44D"
        assert (nwbfile.session_start_time - FIRST_DAY).days == 40
        assert "not recorded" in nwbfile.session_description
        trials = nwbfile.trials.to_dataframe()
        series = nwbfile.processing["ophys"]["Fluorescence"]["rate"]
        table = series.rois.table.to_dataframe()
        rate = series.data[:]
        said = series.description
        place = nwbfile.processing["behavior"]["Position"]["linearized_position"].data[:]
    assert (trials["stop_time"] > trials["start_time"]).all()
    assert (trials["start_time"].iloc[1:].values > trials["stop_time"].iloc[:-1].values).all()
    np.testing.assert_allclose(trials["stop_time"] - trials["start_time"], trials["duration"])
    assert set(trials["direction"]) == {"rightward", "leftward"}
    np.testing.assert_array_equal(trials["position"], place)
    cells = table["global_cell_id"].to_numpy()
    np.testing.assert_array_equal(cells, np.flatnonzero(probe["detected"]))
    assert len(trials) == int((probe["duration"] > 0).sum())
    each = len(rate) // len(trials)
    assert len(rate) == each * len(trials) > len(cells) and f"{each} equal samples per trial" in said
    for row, trial in enumerate(trials.itertuples()):
        own = probe.isel(stimulus=trial.stimulus, repeat=trial.repeat)
        for sample in rate[each * row : each * (row + 1)]:
            np.testing.assert_array_equal(sample, own["rate"].values[cells])
        assert trial.direction == own["direction"] and trial.position == own["position"]


@inspected
def test_the_inspector_finds_nothing_critical(track, tmp_path):
    from nwbinspector import Importance, inspect_nwbfile

    run, _ = stored(PROTOCOLS["sequences, rates over time"](), tmp_path / "run")
    others = export_nwb(run, tmp_path / "nwb")
    for file in (track[3][0], track[3][-1], others[0]):
        found = list(inspect_nwbfile(nwbfile_path=file, importance_threshold=Importance.CRITICAL))
        assert found == []


@inspected
def test_the_inspector_would_find_what_is_critical(tmp_path):
    from nwbinspector import Importance, inspect_nwbfile

    frames, counts = known_session(2, 2)
    file = write_session(tmp_path / "a.nwb", frames, counts, [1, 2], subject=None)
    assert list(inspect_nwbfile(nwbfile_path=file, importance_threshold=Importance.CRITICAL))


@in_spikes
def test_times_of_spikes_are_exported_where_asked(tmp_path):
    run, recording = stored(
        spiking.small({"spiking": {"spike_times": True, "use": "port"}, "cohort": {"animals": 1}}), tmp_path / "run"
    )
    files = export_nwb(run, tmp_path / "nwb", spikes=True)
    assert_same_recording(import_nwb(tmp_path / "nwb"), recording)
    probe = recording["probe"].to_dataset().isel(animal=0, session=0)
    fired = probe["spike_unit"].values
    with NWBHDF5IO(files[0], "r") as io:
        nwbfile = io.read()
        assert nwbfile.units.resolution == pytest.approx(0.001)
        trials = nwbfile.trials.to_dataframe()
        settling = probe["spike_bin"].attrs["counted_for_rates_from_ms"] / 1000
        for unit in range(probe.sizes["unit"]):
            times = nwbfile.units["spike_times"][unit]
            assert len(times) == (fired == unit).sum() and (np.diff(times) >= 0).all()
            for row, trial in enumerate(trials.itertuples()):
                mine = (
                    (fired == unit)
                    & (probe["spike_stimulus"] == trial.stimulus)
                    & (probe["spike_repeat"] == trial.repeat)
                )
                begin = trial.start_time - settling
                end = trials["start_time"].iloc[row + 1] - settling if row + 1 < len(trials) else np.inf
                inside = times[(times >= begin) & (times < end)] - begin
                np.testing.assert_allclose(np.sort(inside), np.sort(probe["spike_time"].values[mine]), atol=1e-9)
                # spikes in the trial are those that the rate was counted from
                shown = (times >= trial.start_time) & (times < trial.stop_time)
                rate = float(probe["rate"][int(trial.stimulus), int(trial.repeat), unit])
                assert shown.sum() / trial.duration == pytest.approx(rate, abs=1e-4)
    with NWBHDF5IO(export_nwb(run, tmp_path / "without")[0], "r") as io:
        assert io.read().units is None


def test_animals_that_were_stopped_have_no_files_from_then_on(tmp_path):
    run, recording = stored(engine.small({"cohort": {"animals": 2}}), tmp_path / "run")
    probe = recording["probe"].to_dataset().load()
    probe["day"].values[1, 1:] = np.nan
    for name, gap in (("rate", np.nan), ("true_rate", np.nan), ("duration", 0), ("detected", False)):
        probe[name].values[1, 1:] = gap
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=recording.attrs), "/probe": probe})
    write_recording(tree, run / "recording.zarr")
    files = export_nwb(run, tmp_path / "nwb")
    assert [file.name[:-4] for file in files] == [
        *(f"sub-protocol-0_ses-{number:03d}" for number in range(3)),
        "sub-protocol-1_ses-000",
    ]
    found = import_nwb(tmp_path / "nwb")["probe"]
    xr.testing.assert_equal(found["rate"].variable, probe["rate"].variable)
    np.testing.assert_array_equal(found["day"], probe["day"])


def test_what_cannot_be_exported_is_refused(track, tmp_path):
    run, _, _, _ = track
    with pytest.raises(RecordingError, match="no recording at"):
        export_nwb(tmp_path, tmp_path / "nwb")
    with pytest.raises(RecordingError, match="kept no times of spikes.*spike_times=true.*leave --spikes out"):
        export_nwb(run, tmp_path / "nwb", spikes=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(RunFolderError, match="not empty"):
        export_nwb(run, tmp_path / "full")
    frames, counts = known_session(2, 2)
    for day in range(2):
        write_session(tmp_path / "recorded" / f"{day}.nwb", frames, counts, [1, 2], day=day)
    recorded = import_nwb(tmp_path / "recorded")
    (tmp_path / "imported").mkdir()
    write_recording(recorded, tmp_path / "imported" / "recording.zarr")
    with pytest.raises(RecordingError, match="imported, not simulated"):
        export_nwb(tmp_path / "imported", tmp_path / "nwb")
    assert not (tmp_path / "nwb").exists()
    (tmp_path / "empty").mkdir()
    assert export_nwb(run, tmp_path / "empty")[0].is_file()
    assert not list(tmp_path.glob(".*"))


def test_exported_files_that_do_not_belong_together_are_refused(track, tmp_path):
    import shutil

    _, _, folder, files = track
    with pytest.raises(ConfigError, match="needs no option 'layer'"):
        import_nwb(folder, layer="CA1")
    both = tmp_path / "both"
    shutil.copytree(files[0].parent, both / "a")
    shutil.copytree(files[0].parent, both / "b")
    with pytest.raises(RecordingError, match="hold the same session"):
        import_nwb(both)
    run, _ = stored(engine.small({"cohort": {"animals": 1, "seed": 2}}), tmp_path / "run")
    export_nwb(run, tmp_path / "other")
    with pytest.raises(RecordingError, match="several runs: 'seed' differs"):
        mixed = tmp_path / "mixed"
        shutil.copytree(files[0].parent, mixed / "a")
        shutil.copytree(tmp_path / "other", mixed, dirs_exist_ok=True)
        import_nwb(mixed)
    frames, counts = known_session(2, 2)
    write_session(folder.parent / "mixed" / "z.nwb", frames, counts, [1, 2])
    shutil.copytree(files[0].parent, folder.parent / "mixed", dirs_exist_ok=True)
    with pytest.raises(RecordingError, match="was not exported by neurofa, other files of the folder were"):
        import_nwb(folder.parent / "mixed")


def test_the_commands_export_and_import_a_run(tmp_path, monkeypatch, capsys):
    run, recording = stored(engine.small({"cohort": {"animals": 1}, "schedule": {"days": [0, 1]}}), tmp_path / "run")
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["neurofa", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr()
        return stop.value.code or 0, printed.out + printed.err

    code, told = call("export", run, "--nwb", "nwb")
    assert code == 0 and "NWB files: nwb (2 files)" in told
    code, told = call("export", run, "--nwb", "nwb")
    assert code == 2 and "not empty; choose another folder with --nwb" in told
    code, told = call("import", "nwb", "--out", "back")
    assert code == 0, told
    assert_same_recording(load_recording("back"), recording)
    assert (tmp_path / "back" / "report.html").is_file()
