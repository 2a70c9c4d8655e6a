"""Paradigms of prediction errors: what is published of their sequences, cut-down runs of their protocols, refusals."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa import analyse
from neurofa.errors import ConfigError, NeurofaError
from neurofa.protocol import Protocol, load_protocol, merge, protocol_from
from neurofa.simulation import simulate
from neurofa.stimuli import Stimuli, stimulus_sets
from neurofa.stimuli.events import Events

#: protocol: what makes its sessions short
SHORT = {"visuomotor_mismatch": {"block_events": 300, "halts_per_minute": 15.0}}
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
}
#: protocol: groups that something else could explain the results by
NULLS = {"visuomotor_mismatch": {"uncoupled", "running_gain", "running_gain_uncoupled", "regularised"}}


def cut_down(name: str, groups: tuple[str, ...] = (), **tables: dict[str, object]) -> Protocol:
    """A shipped protocol with few units, animals, events and passes; of its groups those that are named, or all."""
    values = load_protocol(name).as_dict()
    small = {
        "cohort": {"animals": 2},
        "network": {"hidden": [12] * len(values["network"]["hidden"])},
        "schedule": {"passes": 1},
        "stimuli": SHORT[name],
    }
    values = merge(merge(values, small), tables)
    if groups:
        values["groups"] = {group: values["groups"][group] for group in groups}
    return protocol_from(values)


def stream(
    name: str, seed: int = 0, session: int = 1, evaluated: bool = True, **given: object
) -> tuple[Stimuli, Events]:
    """A paradigm and the events of one session, checked."""
    stimuli = stimulus_sets()[name](np.random.default_rng(0), **given)
    assert stimuli.events is not None
    events = stimuli.events(np.random.default_rng(seed), session, evaluated)
    events.check(name, stimuli.event_names, stimuli.inputs.shape[1], stimuli.targets.shape[1])
    return stimuli, events


def named(stimuli: Stimuli, events: Events, what: str) -> np.ndarray:
    """Names in place of codes."""
    return np.array(stimuli.event_names[what])[getattr(events, what)]


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
    measured = analyse(recording, protocol.analyses, out=tmp_path)
    assert all(len(dataset.data_vars) for dataset in measured.values())
    assert list((tmp_path / "figures").glob("*.png"))


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
        ("visuomotor", {"halts_per_minute": 40.0}, "violations as frequent as flow"),
        ("visuomotor", {"halts_per_minute": -1.0}, "must be above 0"),
        ("visuomotor", {"bout_s": 0.5}, "choose longer bouts"),
    ],
)
def test_impossible_paradigms_are_refused_in_one_sentence(name: str, given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        stimulus_sets()[name](np.random.default_rng(0), **given)


@pytest.mark.parametrize(
    ("protocol", "key"), [("visuomotor_mismatch", "interval_s"), ("visuomotor_mismatch", "bout_s")]
)
def test_negative_durations_are_refused(protocol: str, key: str) -> None:
    with pytest.raises(NeurofaError, match=f"{key} must be .*0, got -1"):
        protocol_from(merge(load_protocol(protocol).as_dict(), {"stimuli": {key: -1.0}}))
