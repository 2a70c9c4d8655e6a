"""Paradigms of prediction errors: what is published of their sequences, cut-down runs of their protocols, refusals."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xarray import DataTree

from neurofa import analyse
from neurofa.analysis import find_analysis
from neurofa.comparison import read_scorecard
from neurofa.errors import ConfigError, NeurofaError
from neurofa.job import results
from neurofa.protocol import load_protocol, merge, protocol_from
from neurofa.recording import RECORDING_STORE, write_recording
from neurofa.run_folder import store_protocol
from neurofa.simulation import simulate
from neurofa.stimuli import stimulus_sets
from neurofa.tables import tidy
from tests.paradigms import SHORT, cut_down, named, stream

#: protocol: conditions without which its measures would mean nothing
CONTROLS = {
    "visuomotor_mismatch": {
        "baseline",
        "matched",
        "mismatch",
        "playback",
        "playback_halt",
        "halt_still",
        "dark_running",
    },
    "omission": {"stimulus", "gap", "omission", "same_silence", "slow_omission"},
    "change_detection": {"familiar_change", "familiar_catch", "familiar_repeat", "novel_change", "novel_catch"},
    "global_local": {"global_oddball", "local_oddball", "random_x", "random_y", "repetition_x"},
    "cue_outcome": {"reward_25", "reward_50", "reward_75", "omission_50", "surprising_reward"},
    "repetition_probability": {"first", "repetition_expected", "repetition_unexpected", "repetition_neutral"},
    "sequence_learning": {"trained", "reversed", "slow", "omission", "grey_after_d"},
}
_NULLS = {"adaptation", "regularised", "label_shuffled"}
#: protocol: groups that something else could explain the results by
NULLS = {
    "visuomotor_mismatch": {"uncoupled", "running_gain", "running_gain_uncoupled", "regularised"},
    "omission": _NULLS | {"jittered"},
    "change_detection": _NULLS,
    "global_local": _NULLS | {"swapped"},
    "cue_outcome": _NULLS,
    "repetition_probability": _NULLS | {"not_announced"},
    "sequence_learning": {"random_order", "adaptation", "regularised"},
}


def shown(recording, what="condition"):
    """Names of what a recording shows."""
    events = recording["events"]
    names = np.array(json.loads(events[what].attrs["names"]))
    return set(names[np.unique(events[what].values).astype(int)])


@pytest.mark.parametrize("name", SHORT)
def test_protocols_have_their_controls_and_run_when_cut_down(name: str, tmp_path) -> None:
    protocol = load_protocol(name)
    assert NULLS[name] <= set(protocol.group_names())
    assert protocol.sources and protocol.references.area and protocol.references.species
    recording = simulate(cut_down(name))
    assert CONTROLS[name] <= shown(recording)
    assert np.isfinite(recording["events"]["somatic"].values).all()
    assert "plasticity" in " ".join(protocol.description.split())
    write_recording(recording, tmp_path / RECORDING_STORE)
    store_protocol(cut_down(name), tmp_path)
    results(tmp_path, protocol.analyses)
    assert set(pd.read_csv(tmp_path / "measures.csv")["analysis"]) == set(protocol.analyses)
    assert list((tmp_path / "figures").glob("*.png"))
    card = read_scorecard(tmp_path)
    assert set(card["reference_kind"]) <= {"published statistic", "ordering"} and (card["reason"] != "").all()
    # numbers that cannot be compared say so, and where a publication orders what the run measures, that is scored
    # (rows of the protocol's own area and sources: for some there are none)
    assert set(card["verdict"][card["reference_kind"] == "published statistic"]) <= {"not comparable"}
    assert ((card["reference_kind"] == "ordering") & card["simulated"].notna()).any() == (name != "global_local")


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 99),
    halts_per_minute=st.floats(1, 10),
    run_fraction=st.floats(0.15, 0.6),
    bout_s=st.floats(3, 10),
)
def test_flow_follows_running_but_in_halts_and_playback_shows_the_same_flow(
    seed: int, halts_per_minute: float, run_fraction: float, bout_s: float
) -> None:
    stimuli, events = stream(
        "visuomotor",
        seed,
        halts_per_minute=halts_per_minute,
        run_fraction=run_fraction,
        bout_s=bout_s,
        block_events=400,
    )
    condition, block = named(stimuli, events, "condition"), named(stimuli, events, "block")
    assert events.speed is not None and events.cue is not None
    coupled, playback = block == "coupled", block == "playback"
    flow, running = events.sensed[:, 0] > 0, events.speed > 0
    assert (flow[coupled] == (condition[coupled] == "matched")).all()
    assert (condition[coupled & running & ~flow] == "mismatch").all()
    assert running[condition == "mismatch"].all() and not running[condition == "halt_still"].any()
    np.testing.assert_array_equal(events.sensed[coupled], events.sensed[playback])
    assert not np.array_equal(running[coupled], running[playback])
    assert not running[condition == "playback_halt"].any() and running[condition == "playback_halt_running"].all()
    assert not flow[block == "dark"].any() and (events.sensed[block == "dark", -1] == 0).all()
    # the efference copy of the next speed, through the same channels as the flow
    np.testing.assert_allclose(
        events.cue[coupled][:-1][flow[coupled][1:]], events.sensed[coupled][1:][flow[coupled][1:], :-1]
    )
    # halts are as rare as asked for, and have that probability
    p_halt = halts_per_minute / 60
    assert set(events.probability[condition == "mismatch"].round(9)) <= {round(p_halt, 9)}
    halted = np.isin(condition, ("mismatch", "halt_still"))
    assert abs(halted[coupled].mean() - p_halt) < 5 * np.sqrt(p_halt / 400)


def test_running_takes_the_published_fraction_of_the_time_in_bouts_and_flow_has_the_probability_that_it_has() -> None:
    stimuli, events = stream("visuomotor", block_events=60_000)
    block, condition = named(stimuli, events, "block"), named(stimuli, events, "condition")
    assert events.speed is not None
    running = events.speed > 0
    assert running.mean() == pytest.approx(0.22, abs=0.02)
    ends = running[:-1] & ~running[1:]
    assert ends.sum() / running.sum() == pytest.approx(1 / 5, abs=0.02)
    assert events.speed[running].mean() == pytest.approx(1, abs=0.01)
    # of a well calibrated probability the mean surprise is the entropy: no constant does better
    for name in ("playback", "open_loop"):
        own = block == name
        seen, p = events.sensed[own, 0] > 0, events.probability[own]
        p_flow = np.where(seen, p, 1 - p)
        for low in np.arange(0, 1, 0.1):
            chosen = (p_flow >= low) & (p_flow < low + 0.1)
            if chosen.sum() > 500:
                assert seen[chosen].mean() == pytest.approx(p_flow[chosen].mean(), abs=0.03)
    assert (condition == "mismatch").sum() / 60_000 == pytest.approx(0.22 * 4 / 60, rel=0.15)


def test_rearing_differs_in_the_coupling_alone_and_can_be_restored() -> None:
    found = {}
    for rearing, session in (("coupled", 1), ("uncoupled", 1), ("uncoupled", 2)):
        _, events = stream("visuomotor", 0, session, False, rearing=rearing, coupled_from=2)
        assert events.speed is not None
        light = events.sensed[:, -1] == 1
        found[rearing, session] = np.corrcoef(events.speed[light], events.sensed[light, 0])[0, 1], light.mean()
        assert (events.sensed[light, 0] > 0).mean() == pytest.approx(0.22, abs=0.06)
    assert found["coupled", 1][0] > 0.95 and found["uncoupled", 2][0] > 0.95
    assert abs(found["uncoupled", 1][0]) < 0.15
    assert {value[1] for value in found.values()} == {0.5}


def test_coupled_rearing_gives_mismatch_units_that_playback_halts_do_not_drive() -> None:
    small = {"cohort": {"animals": 4}, "network": {"hidden": [30]}, "schedule": {"passes": 10, "days": [0, 1]}}
    groups = ("coupled", "uncoupled", "running_gain", "running_gain_uncoupled")
    recording = simulate(cut_down("visuomotor_mismatch", groups, stimuli={"block_events": 900}, **small))
    measured = analyse(recording, ["mismatch_units"])["mismatch_units"]
    last = measured.sel(variable="somatic").isel(layer=0, condition=0, session=-1)

    def of(group: str, name: str) -> np.ndarray:
        return last[name].values[last["group"].values == group]

    specific, driven = "fraction_of_coupling_specific_units", "fraction_driven_by_playback_halts"
    difference = of("coupled", specific) - of("uncoupled", specific)
    assert difference.mean() > 3 * difference.std(ddof=1) / 2  # standard error of four animals
    assert np.nanmean(of("coupled", driven)) < 0.1 < np.nanmean(of("uncoupled", driven))
    null = of("running_gain", specific) - of("running_gain_uncoupled", specific)
    assert abs(null.mean()) < 0.1 < difference.mean()
    chance = of("coupled", "fraction_negative_prediction_error_chance").mean()
    assert chance < 0.05 < of("coupled", "fraction_negative_prediction_error").mean()
    # at birth there is no difference
    first = measured[specific].sel(variable="somatic").isel(layer=0, condition=0, session=0)
    born = {group: first.values[first["group"].values == group].mean() for group in ("coupled", "uncoupled")}
    assert abs(born["coupled"] - born["uncoupled"]) < 0.08


def test_a_measure_without_its_control_is_refused_with_the_name_of_the_control() -> None:
    recording = simulate(cut_down("visuomotor_mismatch", ("coupled",)))
    events = recording["events"]
    names = json.loads(events["condition"].attrs["names"])
    code = names.index("playback_halt")
    events["condition"].values[events["condition"].values == code] = names.index("baseline")
    with pytest.raises(NeurofaError, match="'playback_halt', which was not recorded"):
        analyse(recording, ["mismatch_units"])


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("visuomotor", {"halts_per_minute": 40.0}, "violations as frequent as flow .*for example halts_per_minute 6$"),
        ("visuomotor", {"halts_per_minute": 0.0, "interval_s": 0.5}, "for example halts_per_minute 12$"),
        ("visuomotor", {"halts_per_minute": -1.0}, "must be above 0"),
        ("visuomotor", {"bout_s": 0.5}, "choose longer bouts"),
        ("omission", {"p_omission": 0.6}, "violations as frequent as the rhythm"),
        ("omission", {"p_omission": 0.4}, "at most 0.3"),
        ("change_detection", {"p_change": 0.5}, "violations as frequent as repeats"),
        ("global_local", {"p_global": 0.7}, "violations as frequent as xxxY"),
        ("cue_outcome", {"p_uncued": 0.5}, "violations as frequent as cues"),
        ("cue_outcome", {"validities": (0.5, 0.25)}, "must rise"),
        ("cue_outcome", {"validities": (0.5, 1.0)}, "every outcome happens"),
        ("repetition_probability", {"p_likely": 0.5}, "choose for example 0.75"),
    ],
)
def test_impossible_paradigms_are_refused_in_one_sentence(name: str, given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        stimulus_sets()[name](np.random.default_rng(0), **given)


@pytest.mark.parametrize(
    ("protocol", "key"),
    [
        ("visuomotor_mismatch", "interval_s"),
        ("visuomotor_mismatch", "bout_s"),
        ("omission", "bin_s"),
        ("change_detection", "period_s"),
        ("global_local", "pause_s"),
        ("cue_outcome", "delay_s"),
        ("repetition_probability", "duration_s"),
    ],
)
def test_negative_durations_are_refused(protocol: str, key: str) -> None:
    with pytest.raises(NeurofaError, match=f"{key} must be .*0, got -1"):
        protocol_from(merge(load_protocol(protocol).as_dict(), {"stimuli": {key: -1.0}}))


def test_values_that_refusals_name_are_accepted() -> None:
    rng = np.random.default_rng(0)
    for interval_s in (0.5, 1.0, 3.0):
        with pytest.raises(ConfigError) as refused:
            stimulus_sets()["visuomotor"](rng, halts_per_minute=0.0, interval_s=interval_s)
        named_value = float(str(refused.value).split()[-1])
        assert stimulus_sets()["visuomotor"](rng, halts_per_minute=named_value, interval_s=interval_s)


def last_of(measured, name: str, group: str, condition: str, session: int = -1) -> np.ndarray:
    """Values of the animals of a group in one condition, of somata."""
    own = measured.sel(variable="somatic", condition=condition).isel(layer=0, session=session)
    return own[name].values[own["group"].values == group]


def test_an_omission_answers_what_was_due_after_learning_a_rhythm_and_follows_it() -> None:
    larger = {"cohort": {"animals": 4}, "network": {"hidden": [40]}, "schedule": {"passes": 20}}
    shown_often = {"block_periods": 200, "p_omission": 0.1}
    own = cut_down("omission", ("fa", "jittered"), stimuli=shown_often, prediction={"evaluation": "off"}, **larger)
    measured = analyse(simulate(own), ["omission_responses"])["omission_responses"]
    rhythm, jittered = (last_of(measured, "omission_response", group, "plasticity off") for group in ("fa", "jittered"))
    # the same individuals, with and without anything to tell when a picture is due
    assert (rhythm - jittered).min() > 0.03 and rhythm.mean() > 2 * jittered.mean()
    assert np.nanmean(last_of(measured, "omission_locking", "fa", "plasticity off")) > 0.8
    born = last_of(measured, "omission_response", "fa", "plasticity off", 0)
    assert np.abs(born).max() < rhythm.min()


def test_units_that_rounding_or_noise_moves_do_not_respond_to_omissions() -> None:
    """Of thirty units ten have rounding of single precision at omissions, ten noise, and ten respond."""
    often = {"block_periods": 300, "p_omission": 0.1}
    own = cut_down("omission", ("fa",), stimuli=often, network={"hidden": [30]}, prediction={"evaluation": "off"})
    recording = simulate(own)
    events = recording["events"].to_dataset()
    names = np.array(json.loads(events["condition"].attrs["names"]))
    omitted = np.char.endswith(names[events["condition"].values.astype(int)], "omission")[..., None]
    after = np.char.startswith(names[events["condition"].values.astype(int)], "after")[..., None]
    omitted = omitted & ~after
    noise = 0.1 * np.random.default_rng(0).standard_normal((*omitted.shape[:3], 10))
    planted = np.concatenate([0.3 + omitted * np.spacing(np.float32(0.3)) + 0 * noise, 0.3 + noise, noise + omitted], 3)
    events["somatic"] = (("animal", "session", "event", "unit"), planted.astype(np.float32))
    recording["events"] = DataTree(events)
    measured = analyse(recording, ["omission_responses"])["omission_responses"]
    found = last_of(measured, "fraction_with_latency", "fa", "plasticity off")
    # one unit more by chance at most
    assert (found >= 10 / 30).all() and (found <= 11 / 30).all()
    np.testing.assert_allclose(last_of(measured, "omission_latency_s", "fa", "plasticity off"), 0, atol=1e-9)


def test_graded_validity_leaves_graded_errors_and_units_that_carry_them() -> None:
    larger = {"cohort": {"animals": 3}, "network": {"hidden": [30]}, "schedule": {"passes": 10}}
    own = cut_down("cue_outcome", ("fa",), stimuli={"trials": 300}, prediction={"evaluation": "off"}, **larger)
    measured = analyse(simulate(own), ["outcome_prediction_errors"])["outcome_prediction_errors"]
    errors = measured["error_of_outcomes"].isel(condition=0, session=-1).mean("animal").values
    np.testing.assert_allclose(errors, [-0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 0.9], atol=0.2)
    assert (np.diff(errors) > 0).all()
    # tables have them too, and lines that are means of groups are named by group, however few animals there are
    table = tidy({"outcome_prediction_errors": measured.isel(session=[-1], condition=[0])})
    rows = table[table["measure"].str.startswith("error_of_")].groupby("measure", sort=False)["value"].mean()
    np.testing.assert_allclose(rows[[f"error_of_{name}" for name in measured["outcome"].values]], errors)
    drawing = find_analysis("outcome_prediction_errors").plot(measured.isel(animal=[0, 1]))
    legend = drawing["outcome_prediction_errors_plasticity_off"].figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["FA"]
    for name in ("fraction_of_reward_prediction_errors", "fraction_of_inverted_prediction_errors"):
        after, before = (last_of(measured, name, "fa", "plasticity off", session) for session in (-1, 0))
        assert after.mean() > before.mean() + 0.05


@pytest.mark.parametrize(
    ("name", "control", "analysis"),
    [
        ("omission", "slow_omission", "omission_responses"),
        ("cue_outcome", "omission_25", "outcome_prediction_errors"),
        ("repetition_probability", "repetition_neutral", "expectation_and_repetition"),
    ],
)
def test_analyses_name_the_control_that_is_missing(name: str, control: str, analysis: str) -> None:
    small = {"schedule": {"days": [0, 1]}, "prediction": {"evaluation": "off"}}
    recording = simulate(cut_down(name, ("fa",), **small))
    events = recording["events"]
    names = json.loads(events["condition"].attrs["names"])
    events["condition"].attrs["names"] = json.dumps([one if one != control else "elsewhere" for one in names])
    with pytest.raises(NeurofaError, match=f"'{control}', which was not recorded"):
        analyse(recording, [analysis])
