"""Animals with recurrent networks through a whole protocol: what is recorded, what must not matter, what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import neurofa
from neurofa.cohort import Cohort
from neurofa.errors import ConfigError, ProtocolError
from neurofa.members import batches, time_bins
from neurofa.probing import record
from neurofa.protocol import Protocol, merge, protocol_from
from neurofa.recurrent_cohort import RecurrentCohort, cohort_of
from neurofa.simulation import SESSIONS, live, simulate

SMALL: dict[str, Any] = {
    "cohort": {"animals": 3, "seed": 1},
    "network": {"kind": "recurrent", "hidden": [30], "activation": "tanh", "biases": True},
    "rule": {"name": "rflo", "optimiser": "adam", "learning_rate": 0.002, "readout_learning_rate": 0.005},
    "stimuli": {
        "kind": "delayed_match_to_sample",
        "samples": 2,
        "baseline_ms": 40,
        "sample_ms": 100,
        "delay_ms": 100,
        "test_ms": 100,
        "response_ms": 60,
        "noise_sd": 0.2,
    },
    "schedule": {"days": [0, 1, 2], "passes": 6, "naive_first": True},
    "observation": {"kind": "none"},
    "record": {
        "monitors": ["performance", "readout", "information", "alignment"],
        "time_bin_ms": 40,
        "noisy_trials": 3,
    },
    "groups": {
        "rflo": {},
        "bptt": {"rule": {"name": "bptt"}},
        "readout_only": {"rule": {"learning_rate": 0.0}},
    },
}


def small(*changes: dict[str, Any]) -> Protocol:
    """The small protocol with changes."""
    values = SMALL
    for change in changes:
        values = merge(values, change)
    return protocol_from(values)


@pytest.fixture(scope="module")
def recording() -> xr.DataTree:
    return simulate(small({"record": {"teaching_signals": True}}))


def same(first: xr.DataTree, second: xr.DataTree) -> bool:
    """Whether two recordings hold the same numbers, bit for bit."""
    return all(first[group].to_dataset().equals(second[group].to_dataset()) for group in ("probe", "learning"))


def test_a_recording_has_the_course_of_every_trial(recording: xr.DataTree) -> None:
    probe = recording["probe"].to_dataset()
    assert probe["rate"].dims == ("animal", "session", "stimulus", "repeat", "unit", "time")
    assert probe["output"].dims[-2:] == ("output_unit", "time")
    assert probe["teaching_signal"].dims == probe["true_rate"].dims
    # 20 steps of 20 ms in bins of two
    np.testing.assert_allclose(probe["time"].values, np.arange(10) * 40 + 20)
    assert probe["time"].attrs["units"] == "ms"
    assert probe["epoch"].values.tolist()[:4] == ["baseline", "sample", "sample", "sample"]
    assert probe["epoch"].values[-1] == "response"
    assert np.isfinite(probe["rate"]).all() and np.isfinite(probe["correct_in_time"]).all()
    assert probe.sizes["repeat"] == 3 and (probe["duration"] == 1).all() and probe["detected"].all()
    assert probe["match"].values.tolist() == ["match", "non-match", "match", "non-match"]


def test_groups_are_the_same_individuals_until_they_learn(recording: xr.DataTree) -> None:
    probe = recording["probe"].to_dataset().set_index(animal="index").reset_index("animal")
    rates = {name: part["true_rate"].values for name, part in probe.groupby("group")}
    for name in ("bptt", "readout_only"):
        np.testing.assert_array_equal(rates[name][:, 0], rates["rflo"][:, 0])
    np.testing.assert_array_equal(rates["readout_only"][:, -1], rates["readout_only"][:, 0])
    assert np.abs(rates["bptt"][:, -1] - rates["rflo"][:, -1]).max() > 1e-3
    assert np.abs(rates["rflo"][0] - rates["rflo"][1]).max() > 0.1


def test_monitors_know_the_exact_gradient(recording: xr.DataTree) -> None:
    learning = recording["learning"].to_dataset()
    angle = {name: part.values[:, -1, 0] for name, part in learning["angle_to_bp_deg"].groupby("group")}
    assert angle["bptt"].max() < 1e-3 and angle["rflo"].min() > 30
    for name in ("accuracy", "best_readout_r2", "fixed_readout_r2"):
        assert learning[name].notnull().all(), name
    # more units than stimuli: any target would follow from the rates
    assert learning["target_information_gaussian"].isnull().all()
    twelfths = 12 * learning["accuracy"].values
    np.testing.assert_allclose(twelfths, twelfths.round(), atol=1e-5)
    np.testing.assert_array_equal(learning["updates"].values[0], [0, 6, 12])


def test_averages_over_bins_are_those_of_the_steps() -> None:
    coarse, fine = (
        simulate(small({"record": {"time_bin_ms": width}, "schedule": {"days": [0, 1]}}))["probe"]["true_rate"]
        for width in (140.0, 0.0)
    )
    starts = time_bins(20, 20.0, 140.0)
    assert starts.tolist() == [0, 7, 14]
    expected = np.stack([part.mean(-1) for part in np.split(fine.values, starts[1:], axis=-1)], -1)
    np.testing.assert_allclose(coarse.values, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("online", [False, True])
def test_threads_and_interruptions_change_nothing(tmp_path: Any, online: bool) -> None:
    rule = {"rule": {"online": online, "optimiser": "gradient"}} if online else {}
    groups = {"groups": {"bptt": {"rule": {"name": "rflo"}}}} if online else {}
    protocol = small(rule, groups, {"engine": {"threads": 1}})
    alone = simulate(protocol)
    assert same(alone, simulate(small(rule, groups, {"engine": {"threads": 2}})))

    def stop_in_the_middle(done: int, total: int, text: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        live(protocol, tmp_path, stop_in_the_middle)
    assert len(list((tmp_path / SESSIONS).glob("batch-0-session-*.zarr"))) == 2
    live(protocol, tmp_path)
    from neurofa.merging import merge_sessions
    from neurofa.recording import load_recording

    assert same(alone, load_recording(merge_sessions(protocol, tmp_path / SESSIONS, tmp_path / "recording.zarr")))
    assert not same(alone, simulate(small(rule, groups, {"cohort": {"seed": 2}})))


def test_an_animal_does_not_depend_on_how_many_others_there_are(recording: xr.DataTree) -> None:
    fewer = simulate(small({"cohort": {"animals": 1}}))["probe"].to_dataset()
    more = recording["probe"].to_dataset().sel(animal=fewer["animal"])
    np.testing.assert_allclose(fewer["true_rate"], more["true_rate"], rtol=2e-3, atol=2e-4)


def test_repeats_are_noisy_trials_around_the_rate_without_noise() -> None:
    common = {"cohort": {"animals": 1}, "groups": {}, "schedule": {"days": [0, 1]}, "observation": {"repeats": 30}}
    probes = {
        sd: simulate(small(common, {"record": {"noisy_trials": 30}, "stimuli": {"noise_sd": sd}}))["probe"].to_dataset()
        for sd in (0.0, 0.05)
    }
    np.testing.assert_allclose(probes[0.0]["rate"].std("repeat"), 0, atol=1e-6)
    np.testing.assert_allclose(probes[0.0]["rate"].mean("repeat"), probes[0.0]["true_rate"], atol=1e-5)
    noisy = probes[0.05]
    spread = noisy["rate"].std("repeat")
    assert float(spread.mean()) > 1e-3
    off = (noisy["rate"].mean("repeat") - noisy["true_rate"]) / (spread / 30**0.5).clip(min=1e-6)
    assert float(np.abs(off).mean()) < 1.5
    halves = neurofa.measures.session_maps(noisy, 0).halves
    # a network that does not change is as similar to itself on another day as within one: noise is new in every session
    still = simulate(small(common, {"rule": {"learning_rate": 0.0}, "record": {"noisy_trials": 30}}))
    maps = neurofa.measures.session_maps(still, 0)
    corrected = neurofa.measures.population_vector_correlation_noise_corrected(maps.halves)
    assert float(corrected[0, 1]) == pytest.approx(1, abs=0.05)
    assert np.abs(maps.maps[0] - maps.maps[1]).max() > 1e-3
    split = neurofa.measures.split_half_population_vector_correlation(halves)
    assert (split > 0.8).all() and (split < 1 - 1e-6).all()


def test_a_probe_leaves_the_animals_as_they_are() -> None:
    for feedback in ("fixed", "walking", "noisy"):
        members = batches(small({"rule": {"feedback_weights": feedback}, "record": {"teaching_signals": True}}))[0]
        cohort = cohort_of(members)
        assert isinstance(cohort, RecurrentCohort)
        before = {name: value.clone() for name, value in cohort.network.state().items()}
        record(cohort, cohort.stimuli, None, 6)
        assert all(torch.equal(value, before[name]) for name, value in cohort.network.state().items())


def test_overnight_processes_reach_recurrent_weights() -> None:
    night = {"synaptic_noise": 0.5, "feedback_walk": 0.5, "excitability_drift": {"sd": 0.5}}
    cohort = cohort_of(batches(small({"overnight": night}))[0])
    hidden = cohort.network.layers[0]
    before = {name: value.clone() for name, value in hidden.tensors()}
    rates = cohort.probe(cohort.stimuli)[0]
    cohort.overnight(1.0, cohort.draws("night"))
    for name in ("weights", "feedback", "excitability"):
        assert not torch.equal(getattr(hidden, name), before[name]), name
    assert not torch.equal(hidden.weights[:, :, 16:], before["weights"][:, :, 16:])
    assert np.abs(cohort.probe(cohort.stimuli)[0] - rates).max() > 0.01
    assert type(cohort_of(batches(protocol_from({}))[0])) is Cohort


def test_noisy_trials_judge_feedforward_networks_as_well() -> None:
    shown = {"stimuli": {"kind": "patterns", "noise_sd": 3.0}, "schedule": {"passes": 30}}
    common = {"cohort": {"animals": 2}, "observation": {"kind": "none"}}
    accuracy = {
        trials: simulate(
            protocol_from({**shown, **common, "record": {"monitors": ["performance"], "noisy_trials": trials}})
        )["learning"]["accuracy"].values[:, -1]
        for trials in (0, 40)
    }
    assert (accuracy[0] == 1).all() and (accuracy[40] < 1).all() and (accuracy[40] > 0.2).all()


def test_networks_learn_what_needs_memory_where_the_readout_alone_cannot() -> None:
    learn = {
        "cohort": {"animals": 3},
        "network": {"hidden": [60], "recurrent_scale": 0.7},
        "stimuli": {"delay_ms": 300, "noise_sd": 0.3},
        "schedule": {"days": [0, 1], "passes": 300},
        "record": {"noisy_trials": 25, "monitors": ["performance"]},
    }
    accuracy = simulate(small(learn))["learning"]["accuracy"]
    last = {name: part.values[:, -1] for name, part in accuracy.groupby("group")}
    assert last["bptt"].mean() > 0.9
    assert last["rflo"].mean() > 0.75
    assert last["readout_only"].mean() < 0.65


def test_the_analysis_of_memory_finds_when_the_report_is_ready(recording: xr.DataTree) -> None:
    known = recording["probe"].to_dataset().copy(deep=True)
    known["correct_in_time"][:] = (known["time"] > 290).astype(float).broadcast_like(known["correct_in_time"])
    tree = xr.DataTree.from_dict({"/probe": known, "/learning": recording["learning"].to_dataset()})
    measured = neurofa.analyse(tree, ["memory_in_time"])["memory_in_time"]
    np.testing.assert_array_equal(measured["accuracy_in_time"].values[0], [0] * 7 + [1] * 3)
    np.testing.assert_allclose(measured["accuracy"].values, recording["learning"]["accuracy"].values)
    assert measured["condition"].values[0] == "20 ms"
    with pytest.raises(neurofa.NeurofaError, match="no time within its trials"):
        plain = tree["probe"].to_dataset().drop_vars("correct_in_time")
        neurofa.analyse(xr.DataTree.from_dict({"/probe": plain}), ["memory_in_time"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": {"name": "fa"}}, "rule.pathway 'layerwise' leads from layer to layer.*rflo or bptt"),
        ({"rule": {"teaching_signal": "target"}}, "rule.teaching_signal 'target' has no meaning over time"),
        ({"rule": {"name": "bptt", "online": True}}, "rule.online cannot go with rule.pathway 'through_time'"),
        ({"rule": {"online": True}}, "rule.online takes plain steps.*got rule.optimiser 'adam'"),
        ({"network": {"hidden": [10, 10]}}, "network.hidden lists 2 layers, but a recurrent network has one"),
        ({"network": {"time_step_ms": 60.0}}, "network.time_step_ms must be at most half of time_constant_ms, got 60"),
        ({"network": {"time_constant_ms": [100, 30, 90]}}, "time_step_ms must be at most half.*got 20 and 30"),
        ({"network": {"gain_sd": 0.1}}, "network.gain_sd is for feedforward networks"),
        ({"observation": {"kind": "calcium"}}, "observation.kind calcium sees no time within a trial"),
        ({"stimuli": {"time_step_ms": 10.0}}, "unknown key 'stimuli.time_step_ms'"),
    ],
)
def test_what_makes_no_sense_in_time_is_refused_with_the_reason(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        small({"groups": {}}, change)


def test_recurrent_rules_need_recurrent_networks() -> None:
    for name in ("rflo", "bptt"):
        with pytest.raises(ProtocolError, match="of which a feedforward network has none.*network.kind to recurrent"):
            protocol_from({"rule": {"name": name}})
    with pytest.raises(ProtocolError, match="rule.online needs time within a trial"):
        protocol_from({"rule": {"online": True}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stimuli": {"kind": "delayed_match_to_sample"}}, "gives sequences, but a feedforward network has no time"),
        ({**SMALL, "stimuli": {"kind": "patterns"}}, "gives stimuli without time, but network.kind is recurrent"),
        ({**SMALL, "record": {"time_bin_ms": 10.0}}, "record.time_bin_ms 10 is less than network.time_step_ms 20"),
        (
            merge(SMALL, {"groups": {"bptt": {"stimuli": {"delay_ms": 200}}}}),
            "trials of groups 'rflo' and 'bptt' differ in their course",
        ),
    ],
)
def test_stimuli_and_networks_that_do_not_fit_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate(protocol_from(values))
