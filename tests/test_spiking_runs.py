"""Protocols with engine.kind spiking: sessions, probes, recordings, and what is refused."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import xarray as xr

from neurofa import analyse, cli, load_protocol, run, simulate
from neurofa.errors import ConfigError, ProtocolError
from neurofa.members import batches
from neurofa.probing import record
from neurofa.protocol import protocol_from
from neurofa.protocol_text import protocol_text
from neurofa.recurrent_cohort import cohort_of
from tests.spiking import SMALL, small

installed = pytest.mark.skipif(find_spec("brian2") is None, reason="the extra neurofa[spiking] is not installed")


@pytest.fixture(scope="module")
def recording():
    """Two animals that learn in spikes, and their twins that learn as rates."""
    groups = {"spikes": {}, "rates": {"engine": {"kind": "rate"}}, "ported": {"spiking": {"use": "port"}}}
    return simulate(small({"groups": groups}))


def of_group(recording, name):
    """Probe of one group."""
    probe = recording["probe"].to_dataset()
    return probe.isel(animal=np.flatnonzero(probe["group"].values == name))


@installed
def test_a_recording_in_spikes_has_counts_and_rates(recording):
    probe = of_group(recording, "spikes")
    assert dict(probe["spike_count"].sizes) == {
        "animal": 2, "session": 2, "stimulus": 3, "repeat": 2, "unit": 20, "spike_bin": 7,
    }  # fmt: skip
    assert (probe["rate"].attrs["units"], probe["spike_count"].attrs["units"]) == ("Hz", "1")
    np.testing.assert_array_equal(probe["duration"], 0.3)
    # settling is one bin of seven
    counted = probe["spike_count"].isel(spike_bin=slice(1, None)).sum("spike_bin")
    xr.testing.assert_allclose(probe["rate"], counted / np.float32(0.3), rtol=1e-5)
    np.testing.assert_allclose(probe["true_rate"], probe["rate"].mean("repeat") / 50, rtol=1e-4, atol=1e-6)
    assert "spiking on Brian2 " in recording.attrs["engines"]
    assert "numpy" in recording.attrs["engines"]
    assert "probed: spiking on Brian2" in recording.attrs["engines"]
    assert "brian2" not in sys.modules


@installed
@pytest.mark.parametrize("group", ["spikes", "ported"])
def test_spikes_follow_the_rates_of_the_same_weights(recording, group):
    probe = of_group(recording, group)
    expected, rate = probe["rate_network_rate"].values.ravel(), probe["rate"].mean("repeat").values.ravel()
    assert np.corrcoef(expected, rate)[0, 1] > 0.98
    slope, offset = np.polyfit(expected, rate, 1)
    assert slope == pytest.approx(50, rel=0.06)
    assert abs(offset) < 2.5


@installed
def test_ported_networks_are_those_of_the_rate_engine(recording):
    ported, rates = of_group(recording, "ported"), of_group(recording, "rates")
    np.testing.assert_array_equal(ported["rate_network_rate"], rates["true_rate"])
    assert np.isnan(rates["spike_count"]).all()


@installed
def test_a_finished_run_of_rates_is_ported_by_its_own_protocol(tmp_path):
    # the networks of the finished run, to the last digit, probed in spikes
    changes = {"cohort": {"animals": 1}, "engine": {"kind": "rate"}, "overnight": {"feedback_walk": 0.3}}
    done = run(small(changes), tmp_path / "rates")
    settings = ["engine.kind=spiking", "spiking.use=port"]
    ported = simulate(load_protocol(done.folder / "protocol.toml", settings))["probe"].to_dataset()
    np.testing.assert_array_equal(ported["rate_network_rate"], done.recording["probe"]["true_rate"])
    np.testing.assert_array_equal(ported["rate_network_correct"], done.recording["probe"]["correct"])
    assert np.corrcoef(ported["rate_network_rate"].values.ravel(), ported["true_rate"].values.ravel())[0, 1] > 0.98


@installed
def test_learning_in_spikes_goes_the_way_of_learning_in_rates(recording):
    spikes, rates = of_group(recording, "spikes"), of_group(recording, "rates")
    # twins are the same individuals: units that are active in one are active in the other
    first, second = spikes["rate_network_rate"].values, rates["true_rate"].values
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.95
    course = recording["learning"]["correct"].values[:, 1]
    assert np.nanmean(course) > 0.8
    assert of_group(recording, "spikes")["correct"].isel(session=1).mean() > 0.9


@installed
def test_an_animal_alone_gives_the_same_spikes_again(recording):
    again = simulate(small({"cohort": {"animals": 1}}))
    first, second = of_group(again, "protocol"), of_group(recording, "spikes").isel(animal=[0])
    np.testing.assert_array_equal(first["spike_count"], second["spike_count"])


@installed
def test_probing_twice_asks_the_neurons_once_and_leaves_the_animals_as_they_are():
    changes = {"network": {"readout_scale": 1.0}, "record": {"monitors": ["readout", "alignment"]}}
    cohort = cohort_of(batches(small({"cohort": {"animals": 1}}, changes))[0])
    cohort.occasion = ("session", 0)
    before = {name: value.clone() for name, value in cohort.network.state().items()}
    dataset = record(cohort, cohort.stimuli, None, 1)
    [seen] = cohort._seen
    record(cohort, cohort.stimuli, None, 1)
    assert len(cohort._seen) == 1
    # other stimuli are another probe, with the same random numbers, and forget nothing
    cohort.probe(0.5 * cohort.stimuli)
    assert cohort._seen[0] is seen
    assert len(cohort._seen) == 2
    cohort.close()
    assert all(bool((value == before[name]).all()) for name, value in cohort.network.state().items())
    assert np.isfinite(dataset["learning_best_readout_r2"]).all()
    assert np.isfinite(dataset["learning_angle_to_bp_deg"]).all()


def lived(kind, **network):
    """One animal before and after a session of the small protocol that changes thresholds only."""
    changes = {
        "cohort": {"animals": 1},
        "network": {"active_fraction": 0.4, "gain_sd": 0.3, **network},
        "rule": {"learning_rate": 0.0, "readout_learning_rate": 0.0},
        "schedule": {"passes": 6, "batch_size": 0},
        "engine": {"kind": kind},
    }
    cohort = cohort_of(batches(small(changes))[0])
    layer = cohort.network.layers[0]
    # units that are too active, as they should be, and not active enough
    layer.threshold += torch.linspace(-1, 1, 20)
    before = cohort.network.copy().layers[0]
    cohort.learn(cohort.session(cohort.stimuli, 6), cohort.draws("session", 0))
    cohort.close()
    return before, layer


@installed
def test_thresholds_move_in_spikes_as_in_rates():
    (before, spikes), (_, rates) = lived("spiking", homeostasis_rate=0.1), lived("rate", homeostasis_rate=0.1)
    moved, wanted = ((layer.threshold - before.threshold)[0].numpy() for layer in (spikes, rates))
    assert np.abs(wanted).max() > 0.3
    assert np.corrcoef(moved, wanted)[0, 1] > 0.95
    assert np.polyfit(wanted, moved, 1)[0] == pytest.approx(1, abs=0.15)
    torch.testing.assert_close(spikes.weights, before.weights)
    # control: without homeostasis nothing moves
    before, still = lived("spiking")
    torch.testing.assert_close(still.threshold, before.threshold)


@installed
def test_times_of_spikes_are_kept_where_asked(recording):
    changes = {"spiking": {"spike_times": True}, "record": {"stimuli": 2}, "network": {"hidden": [8, 6]}}
    changes["schedule"] = {"naive_first": True, "passes": 1}
    probe = simulate(small(changes))["probe"].to_dataset()
    counts = np.zeros((*probe["spike_count"].shape[:5], 7))
    for animal, session in np.ndindex(2, 2):
        one = probe.isel(animal=animal, session=session)
        there = (one["spike_unit"] >= 0).values
        np.testing.assert_array_equal(there, np.isfinite(one["spike_time"].values))
        where = [one[f"spike_{name}"].values[there] for name in ("stimulus", "repeat", "unit")]
        time_bin = np.floor(one["spike_time"].values[there] / 0.05 + 1e-9).astype(int)
        np.add.at(counts, (animal, session, *where, time_bin), 1)
    np.testing.assert_array_equal(counts, probe["spike_count"])
    assert counts.sum() > 100
    assert "spike_time" not in recording["probe"]


@installed
@pytest.mark.parametrize(
    "changes",
    [
        {
            "rule": {"name": "tf", "learning_rate": 1.0},
            "network": {"biases": True, "gain_sd": 0.3, "active_fraction": 0.5},
        },
        pytest.param(
            {"rule": {"name": "dfa"}, "network": {"hidden": [12, 8]}, "schedule": {"batch_size": 0}},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"rule": {"name": "random_walk"}, "stimuli": {"noise_sd": 0.1}, "record": {"noisy_trials": 2}},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_rules_and_networks_that_are_covered_run(changes):
    recording = simulate(small({"cohort": {"animals": 1}, "schedule": {"days": [0, 1], "passes": 1}}, changes))
    probe, learning = recording["probe"].to_dataset(), recording["learning"].to_dataset()
    assert np.isfinite(probe["spike_count"]).all()
    assert np.isfinite(learning["loss"]).all()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"network": {"activation": "tanh"}}, "set network.activation to relu"),
        ({"network": {"loss": "cross_entropy"}}, "set network.loss to squared_error"),
        ({"network": {"output_gain": True}}, "set network.output_gain to false"),
        ({"rule": {"name": "kp"}}, "set rule.feedback_weights to fixed; or let them learn as rates"),
        ({"rule": {"name": "nf"}}, "not yet with 'network'"),
        ({"rule": {"optimiser": "adam"}}, "set rule.optimiser to gradient"),
        ({"rule": {"unit_dropout": 0.1}}, "rule.unit_dropout; set it to 0"),
        ({"rule": {"activity_penalty": 0.1}}, "rule.activity_penalty; set it to 0"),
        ({"network": {"activation": "softplus"}}, "that of a rectified linear unit, which network.activation softplus"),
        ({"spiking": {"hz_per_unit": 500}}, "hz_per_unit times time_step_ms must be at most 250"),
        ({"network": {"kind": "recurrent"}, "rule": {"name": "rflo"}}, "set network.kind to feedforward"),
        ({"spiking": {"settling_ms": 400}}, "settling_ms must be less than trial_ms"),
        ({"spiking": {"probe_settling_ms": 150}}, "settling_ms must be more than probe_settling_ms"),
        ({"spiking": {"trial_ms": 420}}, "trial_ms must be a multiple of bin_ms"),
        ({"spiking": {"time_step_ms": 10}}, "time_step_ms must be at most a quarter"),
        ({"spiking": {"inputs": "bursts"}}, "spiking.inputs must be 'regular' or 'poisson'"),
    ],
)
def test_what_is_not_built_is_refused_with_a_remedy(changes, told):
    with pytest.raises(ProtocolError, match=told):
        small(changes)


def test_an_analysis_of_spikes_is_refused_before_rates_are_simulated(tmp_path):
    own = {"engine": {"kind": "rate"}, "analyses": ["spiking_agreement"]}
    with pytest.raises(ProtocolError, match="spiking_agreement needs a group whose engine.kind is spiking"):
        run(small(own), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_ports_may_learn_by_any_rule():
    assert small({"spiking": {"use": "port"}, "rule": {"name": "kp", "optimiser": "adam"}}).spiking.use == "port"


@installed
def test_private_stimuli_are_refused():
    stimuli = {"kind": "uniform_samples", "units": 20, "samples": 5}
    values = {name: value for name, value in SMALL.items() if name != "stimuli"} | {"stimuli": stimuli}
    values["schedule"] = values["schedule"] | {"batch_size": 0}
    with pytest.raises(ConfigError, match="'uniform_samples' has synapses of its own for every stimulus"):
        simulate(protocol_from(values))


def test_without_the_extra_one_sentence_says_how_to_install_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "brian2", None)
    with pytest.raises(ConfigError, match=r'install it with: pip install "neurofa\[spiking\]"'):
        simulate(small())
    file = tmp_path / "spikes.toml"
    file.write_text(protocol_text(small()), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["neurofa", "run", str(file), "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert 'pip install "neurofa[spiking]"' in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
    # nothing else notices
    recording = simulate(small({"engine": {"kind": "rate"}}))
    assert "spike_count" not in recording["probe"]


@installed
def test_recordings_of_spikes_say_when_bins_were_and_are_analysed_as_others():
    recording = simulate(small({"cohort": {"animals": 1}, "spiking": {"use": "port"}}))
    bins = recording["probe"].to_dataset()["spike_bin"]
    np.testing.assert_allclose(bins, 25 + 50 * np.arange(7))
    assert (bins.attrs["units"], bins.attrs["counted_for_rates_from_ms"]) == ("ms", 50)
    assert "population_vector_correlation" in analyse(recording, ["drift_over_days"])["drift_over_days"]


@installed
@pytest.mark.parametrize("use", ["port", "learning"])
def test_nights_with_replay_are_lived_in_spikes_too(use):
    own = {"spiking": {"use": use}, "cohort": {"animals": 2}, "rule": {"name": "fa"}, "network": {"hidden": [10]}}
    runs = [simulate(small(own, {"overnight": {"offline_replay": {"passes": passes}}})) for passes in (0, 3, 3)]
    without, once, again = (one["probe"]["rate_network_rate"].values for one in runs)
    np.testing.assert_array_equal(once, again)
    assert np.abs(once[:, 1] - without[:, 1]).max() > 1e-3
    if use == "port":
        rates = simulate(small(own, {"engine": {"kind": "rate"}, "overnight": {"offline_replay": {"passes": 3}}}))
        np.testing.assert_array_equal(once, rates["probe"]["true_rate"].values)
