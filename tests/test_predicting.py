"""Networks that predict events: what they sense, what comes back to them, sessions, null models, refusals."""

import json
import re
import sys
from functools import partial

import numpy as np
import pytest
import torch

from neurofa import cli
from neurofa.errors import ConfigError, ProtocolError, ShapeError
from neurofa.learning import Session, learn_session
from neurofa.measures.prediction_error.observer import observer_surprise, surprise_sign
from neurofa.merging import merge_sessions
from neurofa.networks import forward
from neurofa.predicting import Stream, live_changing, live_unchanged
from neurofa.protocol import protocol_from
from neurofa.protocol_text import protocol_text
from neurofa.recording import load_recording
from neurofa.simulation import live, simulate
from neurofa.stimuli.events import Events, network_inputs, spontaneous_running
from neurofa.stimuli.oddball import BLOCKS, CONDITIONS, oddball
from tests.engine import born_rule, draws, random_network

SETTINGS = {
    "cohort": {"animals": 3, "seed": 3},
    "network": {"kind": "predicting", "hidden": [12, 8], "biases": True, "readout_scale": 0.5},
    "rule": {"learning_rate": 0.02, "readout_learning_rate": 0.02},
    "stimuli": {"kind": "oddball", "block_events": 40, "channels": 8, "control_tones": 4, "noise_sd": 0.05},
    "prediction": {"context": 2, "adaptation": 0.5},
    "schedule": {"days": [0, 1], "passes": 2, "batch_size": 1},
    "observation": {"kind": "none", "repeats": 1},
    "references": {"tables": []},
    "analyses": [],
}


def protocol(**tables):
    """A small oddball; tables are merged into `SETTINGS`."""
    values = {key: value for key, value in SETTINGS.items()}
    for name, differs in tables.items():
        values[name] = {**values.get(name, {}), **differs} if isinstance(differs, dict) else differs
    return protocol_from(values)


def names(events, what):
    """What codes of events stand for."""
    known = np.array(json.loads(events[what].attrs["names"]))
    return known[events[what].values.astype(int)]


def stream_of(blocks, seed=0, n_features=2):
    """Random events in blocks."""
    generator = np.random.default_rng(seed)
    block = np.array(blocks)
    n = len(block)
    codes = np.zeros(n, dtype=int)
    return Events(
        sensed=generator.random((n, n_features)),
        identity=codes,
        condition=codes,
        block=block,
        position=codes,
        probability=np.ones(n),
        onset=np.arange(float(n)),
        cue=generator.random((n, 1)),
    )


def test_network_senses_the_event_its_context_within_the_block_and_the_cue():
    events = stream_of([0, 0, 0, 1, 1])
    inputs = network_inputs(events, context=2)
    assert inputs.shape == (5, 7)
    np.testing.assert_array_equal(inputs[:, :2], events.sensed)
    np.testing.assert_array_equal(inputs[2, 2:6], [*events.sensed[1], *events.sensed[0]])
    np.testing.assert_array_equal(inputs[[0, 3], 2:6], 0)
    np.testing.assert_array_equal(inputs[4, 2:6], [*events.sensed[3], 0, 0])
    np.testing.assert_array_equal(inputs[:, 6], events.cue[:, 0])
    np.testing.assert_array_equal(network_inputs(events, context=2, alone=True)[:, 2:], 0)


def test_adaptation_of_a_constant_train_reaches_its_fixed_point_and_recovers_between_blocks():
    n, adaptation, recovery_s = 200, 0.4, 2.0
    codes = np.zeros(n, dtype=int)
    block = np.r_[np.zeros(n - 1, dtype=int), 1]
    events = Events(np.ones((n, 1)), codes, codes, block, codes, np.ones(n), np.arange(n) * 0.5)
    available = network_inputs(events, context=0, adaptation=adaptation, recovery_s=recovery_s)[:, 0]
    kept = np.exp(-0.5 / recovery_s)
    # a = 1 - (1 - a (1 - u)) k
    assert available[n - 2] == pytest.approx((1 - kept) / (1 - kept * (1 - adaptation)), rel=1e-9)
    assert available[0] == available[n - 1] == 1


def test_oddball_has_rare_deviants_after_enough_standards_and_equally_likely_controls():
    stimuli = oddball(np.random.default_rng(0), block_events=4000)
    events = stimuli.events(np.random.default_rng(1), 0, True)
    events.check("oddball", stimuli.event_names, *[stimuli.inputs.shape[1]] * 2)
    condition = np.array(CONDITIONS)[events.condition]
    for block in (name for name in BLOCKS if name.startswith(("oddball", "alone"))):
        here = events.block == BLOCKS.index(block)
        rare = np.isin(condition[here], ("deviant", "deviant_alone"))
        assert rare.mean() == pytest.approx(0.1, abs=0.01)
        assert events.position[here][rare].min() == 3
        # what can be told is told: chance meets probability where there is a choice
        free = events.position[here] >= 3
        assert rare[free].mean() == pytest.approx(1 / 7, abs=0.02)
        assert set(events.probability[here][rare].round(6)) == {round(1 / 7, 6)}
        assert (events.probability[here][~free] == 1).all()
    many = events.identity[events.block == BLOCKS.index("many_standards")]
    assert np.bincount(many, minlength=10)[:10] / 4000 == pytest.approx(0.1, abs=0.02)
    for block, step in (("cascade_ascending", 1), ("cascade_descending", -1)):
        own = events.identity[events.block == BLOCKS.index(block)]
        assert set(np.diff(own) % 10) == {step % 10}
    # the same two tones are deviants and controls
    assert set(events.identity[condition == "deviant"]) == set(events.identity[condition == "cascade"]) == {4, 5}
    assert set(events.identity[condition == "many_standards"]) == {4, 5}


def test_observer_expects_what_it_has_seen_and_starts_afresh_in_every_block():
    generator = np.random.default_rng(0)
    identity = (generator.random(4000) < 0.2).astype(int)
    surprise = observer_surprise(identity, np.zeros(4000, dtype=int), 2)
    late = slice(3000, None)
    for code, p in ((0, 0.8), (1, 0.2)):
        assert surprise[late][identity[late] == code].mean() == pytest.approx(-np.log(p), abs=0.1)
    assert observer_surprise([1, 0, 1], [0, 1, 2], 4).tolist() == [np.log(4)] * 3


def test_animals_run_of_themselves_where_the_paradigm_says_nothing():
    onset = np.tile(np.arange(0, 2000, 0.5), 2)
    first = onset == 0
    speed = spontaneous_running(onset, first, np.random.default_rng(0))
    assert (speed > 0).mean() == pytest.approx(0.5, abs=0.06)
    assert speed[speed > 0].mean() == pytest.approx(1, abs=0.02)
    starts = np.flatnonzero(np.diff((speed > 0).astype(int)) == 1)
    # bouts of running and of rest, in turn
    assert len(speed) * 0.5 / len(starts) == pytest.approx(20, rel=0.2)
    own = {"prediction": {"null": "running_gain", "speed_gain": 0.5}}
    events = simulate(protocol(**own))["events"].to_dataset()
    running, gains = events["speed"].values, events["rate"]
    assert 0.3 < (running > 0).mean() < 0.7
    # the same event drives all units by half as much again where the animal runs
    fast, slow = (gains.where(events["speed"] * sign > sign * 0.5).mean("event") for sign in (1, -1))
    shown = slow.values > 0.05
    assert np.nanmedian((fast / slow).values[shown]) == pytest.approx(1.5, abs=0.1)
    # without the gain nobody needs to run
    assert np.isnan(simulate(protocol())["events"]["speed"]).all()


def test_surprise_has_a_sign_where_more_or_less_comes_than_was_expected():
    # a reward that fails to come now and then, and one that comes now and then; cue 0, nothing 1, reward 2
    for p_reward in (0.8, 0.2):
        came = np.random.default_rng(0).random(500) < p_reward
        identity = np.stack([np.zeros(500, dtype=int), 1 + came], axis=1).ravel()
        amount = np.where(identity == 2, 2.0, 0.0)
        sign = surprise_sign(identity, np.zeros(1000, dtype=int), amount)
        assert (sign[200:][identity[200:] == 2] == 1).all()
        assert (sign[200:][identity[200:] == 1] == -1).all()
        # cues come always, and bring nothing
        assert (sign[400:][identity[400:] == 0] == 0).all()
    # tones that differ in kind only surprise without a sign
    tones = np.random.default_rng(1).integers(0, 4, 300)
    assert (surprise_sign(tones, np.zeros(300, dtype=int), np.full(300, 0.7)) == 0).all()
    assert surprise_sign([], [], []).tolist() == []
    with pytest.raises(ShapeError, match="amount"):
        surprise_sign([0, 1], [0, 0], [1.0])


def random_stream(n_animals=2, n_events=6, n_inputs=5, n_outputs=3):
    """Events of two blocks, as tensors."""
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(n_animals, n_events, n_inputs, generator=generator, dtype=torch.float64)
    outcomes = torch.randn(n_animals, n_events, n_outputs, generator=generator, dtype=torch.float64)
    first = torch.zeros(n_animals, n_events, dtype=torch.bool)
    first[:, [0, 3]] = True
    return Stream(inputs, inputs.clone().fill_(0.5), outcomes, first)


CHOICES = ("error", "layerwise", "fixed")


def test_feedback_at_an_event_is_the_error_of_the_prediction_made_before_it():
    network, stream = random_network([5, 4, 6, 3], n_animals=2), random_stream()
    rule = born_rule(network, *CHOICES)
    gain = torch.full((2, 1, 1), 0.7, dtype=torch.float64)
    lived = live_unchanged(network, rule, stream, gain)
    activity = forward(network, stream.inputs)
    error = stream.outcomes[:, 1:] - activity.output[:, :-1]
    np.testing.assert_allclose(lived.error[:, [1, 2, 4, 5]], error[:, [0, 1, 3, 4]])
    assert torch.isnan(lived.error[:, [0, 3]]).all() and torch.isnan(lived.feedback[:, [0, 3]]).all()
    # the top layer is reached through its own feedback weights
    top = torch.bmm(error, network.layers[1].feedback.transpose(1, 2))
    np.testing.assert_allclose(lived.feedback[:, [1, 2, 4, 5], 4:], top[:, [0, 1, 3, 4]])
    # nothing predicted, nothing comes back: the soma is as without feedback
    np.testing.assert_array_equal(lived.somatic[:, [0, 3]], lived.rates[:, [0, 3]])
    without = live_unchanged(network, rule, stream, torch.zeros_like(gain))
    np.testing.assert_array_equal(without.somatic, lived.rates)
    assert not torch.equal(lived.somatic, lived.rates)


@pytest.mark.parametrize("still", [True, False])
def test_events_lived_one_by_one_agree_with_those_lived_at_once_and_with_sessions(still):
    stream = random_stream()
    numbers = dict.fromkeys(("hidden", "readout"), 0.0 if still else 0.05)
    network = random_network([5, 4, 6, 3], n_animals=2, extras=False)
    rule = born_rule(network, *CHOICES, **numbers)
    at_once, learning = network.copy(), network.copy()
    gain = torch.ones(2, 1, 1, dtype=torch.float64)
    rule.start_session(network, draws(2))
    lived = live_changing(network, rule, stream, gain, torch.zeros(2, 1, dtype=torch.float64))
    together = live_unchanged(at_once, rule, stream, gain)
    taught = torch.tensor([0, 1, 3, 4])
    session = Session(
        stimuli=stream.inputs[:, taught],
        targets=stream.following[:, taught],
        acceptable=None,
        passes=1,
        batch_size=1,
        noise_sd=torch.zeros(2, 1, 1, dtype=torch.float64),
        homeostasis_rate=torch.zeros(2, 1, dtype=torch.float64),
        in_order=True,
    )
    learn_session(learning, partial(type(rule), rule.choices), rule.rates, session, draws(2), reference=True)
    for own, other in zip(network.layers, learning.layers, strict=True):
        np.testing.assert_allclose(own.weights, other.weights, rtol=1e-12)
    equal = [np.allclose(getattr(lived, name), getattr(together, name), equal_nan=True) for name in vars(lived)]
    assert all(equal) if still else not any(equal)


def test_sessions_in_order_are_the_same_in_both_engines():
    found = []
    for reference in (True, False):
        network = random_network([5, 4, 3], n_animals=2, activation="relu")
        rule = born_rule(network, *CHOICES)
        stream = random_stream()
        session = Session(
            stimuli=stream.inputs,
            targets=stream.outcomes,
            acceptable=None,
            passes=3,
            batch_size=1,
            noise_sd=torch.zeros(2, 1, 1, dtype=torch.float64),
            homeostasis_rate=torch.zeros(2, 1, dtype=torch.float64),
            in_order=True,
        )
        assert session.random_order(draws(2))[0].flatten().tolist() == [*range(6)] * 3
        learn_session(network, partial(type(rule), rule.choices), rule.rates, session, draws(2), reference=reference)
        found.append(network.layers[0].weights)
    np.testing.assert_allclose(*found, rtol=1e-10)


def test_activity_penalty_is_the_gradient_of_half_the_squared_rates():
    network = random_network([5, 4, 3], n_animals=2, extras=False)
    rule = born_rule(network, "none", *CHOICES[1:], activity_penalty=0.3)
    stimuli = random_stream().inputs
    weights = network.layers[0].weights.clone().requires_grad_()
    network.layers[0].weights = weights
    activity = forward(network, stimuli)
    (0.5 * 0.3 * activity.rates[1].square().sum()).backward()
    reached = rule.teaching_signals(network, activity, random_stream().outcomes, 0)
    ascent = torch.bmm(reached.deltas[0].transpose(1, 2), stimuli)
    np.testing.assert_allclose(ascent.detach(), -weights.grad)


@pytest.fixture(scope="module")
def recording():
    """Two groups that differ in a number, and three null models."""
    groups = {
        "fa": {},
        "twice": {"prediction": {"feedback_gain": 2.0}},
        **{null: {"prediction": {"null": null}} for null in ("adaptation", "untrained", "label_shuffled")},
        "regularised": {"prediction": {"null": "regularised"}, "rule": {"activity_penalty": 1.0}},
    }
    return simulate(protocol(groups=groups, prediction={"evaluation": "both"}, schedule={"passes": 1}))


def group(recording, name):
    """Events of one group."""
    events = recording["events"].to_dataset()
    return events.isel(animal=events["group"].values == name)


def test_events_are_recorded_with_plasticity_off_and_on(recording):
    events = group(recording, "fa")
    assert events["rate"].dims == ("animal", "session", "event", "unit")
    assert events.sizes["event"] == 2 * 7 * 40
    off, on = events.isel(event=slice(280)), events.isel(event=slice(280, None))
    assert (off["plasticity"] == 0).all() and (on["plasticity"] == 1).all()
    np.testing.assert_array_equal(off["identity"], on["identity"])
    assert set(np.unique(names(off, "condition"))) == set(CONDITIONS)
    first = np.isnan(off["signed_error"].values)
    assert first.sum(-1).tolist() == [[7, 7]] * 3
    assert (np.isnan(off["feedback"].values).all(-1) == first).all()
    np.testing.assert_array_equal(off["somatic"].values[first], off["rate"].values[first])
    # the first event is met by the same weights, later ones no more
    np.testing.assert_allclose(off["rate"][:, :, 0], on["rate"][:, :, 0], rtol=1e-5)
    assert not np.allclose(off["rate"][:, :, -1], on["rate"][:, :, -1], rtol=1e-3)
    assert (off["unsigned_error"].values[~first] >= np.abs(off["signed_error"].values[~first])).all()


def test_groups_hear_the_same_and_differ_in_what_they_should(recording):
    fa, twice, shuffled = (group(recording, name) for name in ("fa", "twice", "label_shuffled"))
    np.testing.assert_array_equal(fa["rate"], twice["rate"])
    np.testing.assert_array_equal(fa["feedback"], twice["feedback"])
    assert not np.array_equal(fa["somatic"], twice["somatic"])
    np.testing.assert_array_equal(fa["somatic"], shuffled["somatic"])
    assert not np.array_equal(fa["condition"], shuffled["condition"])
    np.testing.assert_array_equal(
        np.sort(fa["condition"], -1)[..., :280], np.sort(shuffled["condition"], -1)[..., :280]
    )


def test_null_models_learn_nothing_and_adaptation_gets_no_feedback(recording):
    for name in ("adaptation", "untrained"):
        rate = group(recording, name)["rate"].values
        error = group(recording, name)["unsigned_error"].mean("event")
        assert np.isfinite(rate).all() and float(np.ptp(error.values)) < 0.2
    adapting = group(recording, "adaptation")
    np.testing.assert_array_equal(adapting["somatic"], adapting["rate"])
    assert (adapting["feedback"].fillna(0) == 0).all()


def test_regularised_networks_change_without_an_error_while_their_rates_stay(recording):
    own, untrained = (group(recording, name) for name in ("regularised", "untrained"))
    last = {"session": -1, "event": slice(280)}
    rates, born = own["rate"].isel(last), untrained["rate"].isel(last)
    ratio = (rates.mean(("event", "unit")) / born.mean(("event", "unit"))).values
    assert (np.abs(np.log(ratio)) < np.log(3)).all()
    assert float(np.abs(rates - born.values).mean()) > 0.1 * float(born.mean())
    # nothing of the error is in what reaches them: it is the distance from the mean rate at birth
    first = own.isel(session=0, event=slice(280))
    sent, rate = first["feedback"].values[:, 1:], first["rate"].values[:, :-1]
    known = np.isfinite(sent).all((0, 2))
    assert np.ptp((sent + rate)[:, known], axis=1).max() < 1e-5


def test_what_is_remembered_of_birth_is_kept_and_what_is_not_is_silenced():
    means = {}
    for remembered in (True, False):
        network = random_network([5, 4, 3], n_animals=2, extras=False)
        network.layers[0].bias = torch.zeros_like(network.layers[0].weights[:, :, 0])
        rule = born_rule(network, "none", *CHOICES[1:], activity_penalty=0.5, hidden=0.1)
        stimuli = random_stream().inputs
        born = forward(network, stimuli).rates[1].mean(1, keepdim=True)
        if remembered:
            network.memory["rate at birth 0"] = born
        for update in range(400):
            activity = forward(network, stimuli)
            rule.update(
                network, activity, rule.teaching_signals(network, activity, random_stream().outcomes, 0), update
            )
        means[remembered] = forward(network, stimuli).rates[1].abs().mean()
        if remembered:
            kept = forward(network, stimuli).rates[1].mean(1, keepdim=True)
            np.testing.assert_allclose(kept, born, atol=0.1 * float(born.abs().mean()))
    assert float(means[False]) < 0.3 * float(means[True])


def test_a_run_that_was_interrupted_goes_on_bit_for_bit(tmp_path):
    own = protocol(overnight={"feedback_walk": 0.3})
    whole = simulate(own)

    class Stop(Exception):
        """As if the process had been killed."""

    def stop(done, total, what):
        if done == 1:
            raise Stop

    with pytest.raises(Stop):
        live(own, tmp_path, stop)
    live(own, tmp_path)
    again = load_recording(merge_sessions(own, tmp_path / "sessions", tmp_path / "recording.zarr"))
    for place in ("probe", "events", "learning"):
        for name, values in whole[place].data_vars.items():
            np.testing.assert_array_equal(values, again[place][name], err_msg=f"{place}/{name}")


def test_an_animal_is_the_same_alone_and_animals_that_diverge_do_not_stop_the_others():
    rule = {"learning_rate": [0.02, 1e9, 0.02], "readout_learning_rate": 0.02}
    events = simulate(protocol(rule=rule))["events"]
    alone = simulate(protocol(cohort={"animals": 1}))["events"]
    np.testing.assert_allclose(events["rate"][0], alone["rate"][0], rtol=1e-4, atol=1e-5)
    assert np.isnan(events["rate"][1].values).all() and np.isnan(events["condition"][1].values).all()
    assert np.isfinite(events["rate"][2].values).all()


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"schedule": {"batch_size": 0}}, "schedule.batch_size 1"),
        ({"network": {"kind": "feedforward"}}, "set network.kind to predicting"),
        ({"network": {"loss": "cross_entropy"}}, "squared_error"),
        (
            {"prediction": {"null": "adaptation", "adaptation": 0.0}},
            "prediction.adaptation 0; set it, for example to 0.3$",
        ),
        ({"prediction": {"null": "running_gain"}}, "prediction.speed_gain 0; set it, for example to 0.5$"),
        ({"prediction": {"null": "regularised"}}, "rule.activity_penalty 0; set it, for example to 0.01$"),
        ({"prediction": {"adaptation": 1.5}}, "must be at most 1"),
        ({"prediction": {"null": "nothing"}}, "prediction.null"),
        ({"prediction": {"feedback_gain": [1.0, 2.0]}}, "lists 2 numbers for 3 animals"),
        ({"record": {"monitors": ["performance"]}}, "which events do not have"),
        ({"record": {"teaching_signals": True}}, "recorded event by event"),
        ({"engine": {"kind": "spiking"}}, "has no predicting networks"),
        ({"stimuli": {"interval_s": -0.5}}, "interval_s must be greater than 0"),
    ],
)
def test_protocols_that_cannot_predict_are_refused(tables, words):
    with pytest.raises(ProtocolError, match=words):
        protocol(**tables)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"stimuli": {"p_deviant": 0.6}}, "violations as frequent as the standards"),
        ({"stimuli": {"p_deviant": 0.2, "min_standards": 4}}, "leaves no room"),
        ({"stimuli": {"kind": "patterns", "noise_sd": 0}, "only": ("kind", "noise_sd")}, "gives no events"),
    ],
)
def test_paradigms_that_are_not_possible_are_refused(tables, words):
    only = tables.get("only")
    own = dict(SETTINGS) | ({"stimuli": tables["stimuli"]} if only else {})
    merged = {} if only else {name: differs for name, differs in tables.items()}
    with pytest.raises(ConfigError, match=words):
        simulate(protocol_from(own) if only else protocol(**merged))


def test_events_that_do_not_fit_are_refused():
    stimuli = oddball(np.random.default_rng(0))
    events = stimuli.events(np.random.default_rng(0), 0, True)
    for changed, words in (
        ({"probability": events.probability * 0}, "probability"),
        ({"onset": -events.onset}, "onsets that do not rise"),
        ({"identity": events.identity + 100}, "no places"),
        ({"sensed": events.sensed[:, :3]}, "expected"),
        ({"sensed": events.sensed * np.nan}, "finite"),
    ):
        with pytest.raises(ConfigError, match=words):
            Events(**(vars(events) | changed)).check("oddball", stimuli.event_names, 24, 24)


def test_commands_run_show_and_report_a_predicting_cohort(tmp_path, monkeypatch, capsys):
    path, folder = tmp_path / "short.toml", tmp_path / "run"
    path.write_text(protocol_text(protocol(analyses=["drift_over_days"])), encoding="utf-8")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["neurofa", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        assert ended.value.code in (0, None), told.err
        return told.out

    assert "nan" not in call("run", path, "--out", folder)
    assert "events" in load_recording(folder).children
    page = re.sub(
        "<(style|script).*?</\\1>", " ", (folder / "report.html").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert not re.search(r"\bnan\b", re.sub("<[^>]*>", " ", page))
    assert "feedback_gain" in call("show", path)
    assert "oddball" in call("list", "stimuli")
