"""One session of the engine: what is learned, in which order, by how many threads, and what it keeps for the next."""

import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from neurofa.analysis import analyse
from neurofa.cohort import Cohort
from neurofa.errors import DivergenceError
from neurofa.learning import Learned, Session, animals_per_chunk, learn_session, reports
from neurofa.members import batches
from neurofa.merging import merge_sessions
from neurofa.networks import forward, loss_per_trial
from neurofa.networks.homeostasis import follow_drive, regulate_thresholds
from neurofa.recording import load_recording
from neurofa.rules.names import Choices
from neurofa.rules.rule import Rule
from neurofa.shares import Share
from neurofa.simulation import _live_occasion, occasions, simulate
from tests.engine import draws, random_network, rates, small


def session(n_animals: int = 3, n_stimuli: int = 6, n_input: int = 4, n_output: int = 2, **given: object) -> Session:
    random = torch.Generator().manual_seed(4)
    made = {
        "stimuli": torch.randn(n_animals, n_stimuli, n_input, generator=random, dtype=torch.float64),
        "targets": torch.randn(n_animals, n_stimuli, n_output, generator=random, dtype=torch.float64),
        "acceptable": None,
        "passes": 3,
        "batch_size": n_stimuli,
        "noise_sd": torch.zeros(n_animals, 1, 1, dtype=torch.float64),
        "homeostasis_rate": torch.full((n_animals, 1), 0.01, dtype=torch.float64),
    }
    return Session(**(made | given))  # type: ignore[arg-type]


def learn(what: Session, network=None, choices=("error", "layerwise", "fixed"), threads=1, **numbers) -> tuple:  # type: ignore[no-untyped-def, type-arg]
    network = network or random_network([4, 5, 2], "tanh")
    for layer in network.layers[:-1]:
        layer.target_active = torch.full_like(layer.threshold, 0.4)
    own = rates(**numbers)
    Rule(Choices(*choices), own).birth(network, draws(3, "birth"))
    learned = learn_session(
        network, lambda some: Rule(Choices(*choices), some), own, what, draws(3, "session", 0), threads
    )
    return network, learned


def test_a_session_is_the_steps_that_the_equations_say_one_after_the_other() -> None:
    what = session()
    network, learned = learn(what)
    twin = random_network([4, 5, 2], "tanh")
    layer = twin.layers[0]
    layer.target_active = torch.full_like(layer.threshold, 0.4)
    rule = Rule(Choices("error", "layerwise", "fixed"), rates())
    rule.birth(twin, draws(3, "birth"))
    for update in range(3):
        activity = forward(twin, what.stimuli)
        torch.testing.assert_close(learned.loss[:, update], loss_per_trial(twin, activity.output, what.targets))
        rule.update(twin, activity, rule.teaching_signals(twin, activity, what.targets, update))
        follow_drive(layer, activity.drives[0], 0.05)
        regulate_thresholds(layer, activity.drives[0], what.homeostasis_rate)
    for name, value in network.state().items():
        torch.testing.assert_close(value, twin.state()[name], msg=name)
    assert torch.isnan(learned.correct).all()


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_smaller_batches_show_every_stimulus_once_per_pass_each_animal_in_its_own_order(batch_size: int) -> None:
    shown: list[torch.Tensor] = []

    class Watching(Rule):
        def teaching_signals(self, network, activity, target, update):  # type: ignore[no-untyped-def]
            shown.append(target[:, :, 0].clone())
            return super().teaching_signals(network, activity, target, update)

    what = session(batch_size=batch_size)
    assert what.n_updates == 3 * 6 // batch_size
    own, network = rates(), random_network([4, 5, 2], "tanh")
    learned = learn_session(
        network,
        lambda some: Watching(Choices("error", "layerwise", "transpose"), some),
        own,
        what,
        draws(3, "session", 0),
        1,
    )
    assert learned.loss.shape == (3, what.n_updates)
    seen = torch.cat(shown, 1).reshape(3, 3, 6)
    for animal in range(3):
        for one_pass in range(3):
            expected = what.targets[animal, :, 0].sort().values
            torch.testing.assert_close(seen[animal, one_pass].sort().values, expected)
    ranks = seen.argsort(-1)
    assert not torch.equal(ranks[:, 0], ranks[:, 1])
    assert not torch.equal(ranks[0], ranks[1])


def test_stimuli_and_targets_stay_together_in_small_batches() -> None:
    network = random_network([4, 30, 2], "tanh", extras=False)
    what = session(batch_size=2, passes=800)
    own = rates(hidden=0.05, readout=0.05)
    learn_session(
        network, lambda some: Rule(Choices("error", "layerwise", "transpose"), some), own, what, draws(3, "s"), 1
    )
    assert loss_per_trial(network, forward(network, what.stimuli).output, what.targets).max() < 0.05


def test_input_noise_has_its_sd_and_is_fresh_in_every_trial() -> None:
    seen: list[torch.Tensor] = []

    class Watching(Rule):
        def teaching_signals(self, network, activity, target, update):  # type: ignore[no-untyped-def]
            seen.append(activity.rates[0].clone())
            return super().teaching_signals(network, activity, target, update)

    sd = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64).reshape(-1, 1, 1)
    what = session(noise_sd=sd, passes=200)
    learn_session(
        random_network([4, 5, 2]),
        lambda some: Watching(Choices("error", "layerwise", "transpose"), some),
        rates(hidden=0.0, readout=0.0),
        what,
        draws(3, "session", 0),
        1,
    )
    noise = torch.stack(seen, 1) - what.stimuli.unsqueeze(1)
    assert noise[0].abs().max() == 0
    np.testing.assert_allclose(noise[1:].std((1, 2, 3)), [0.5, 2.0], rtol=0.05)
    assert np.abs(np.corrcoef(noise[1].reshape(200, -1))[np.triu_indices(200, 1)]).mean() < 0.3


def test_the_number_of_threads_changes_no_bit() -> None:
    found = []
    for threads in (1, 2, 3):
        network = random_network([60, 1500, 2], "relu", extras=True)
        what = session(n_input=60)
        network, learned = learn(what, network, threads=threads)
        assert animals_per_chunk(network, what) < 3
        found.append(network.state() | {"loss": learned.loss})
    for other in found[1:]:
        assert all(torch.equal(value, other[name]) for name, value in found[0].items())


def test_reports_are_right_where_the_largest_output_is_acceptable() -> None:
    output = torch.tensor([[[0.1, 0.9, 0.0], [0.8, 0.1, 0.1]], [[0.5, 0.4, 0.1], [0.0, 0.2, 0.8]]])
    acceptable = torch.tensor([[[0, 1, 1], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]]], dtype=torch.bool)
    assert reports(output, acceptable).tolist() == [[1, 0], [1, 1]]
    shown = torch.tensor([[1, 1], [1, 0]])
    assert reports(output, acceptable, shown).tolist() == [[1, 0], [0, 0]]
    assert reports(output, acceptable).mean(1).tolist() == [0.5, 1.0]
    assert torch.isnan(reports(output, None)).all()


@pytest.mark.parametrize("with_report", [True, False])
def test_the_centred_target_remembers_the_last_sessions_performance(with_report: bool) -> None:
    network = random_network([4, 5, 2], "tanh")
    network.memory |= {
        "target_sum": torch.ones(3, 1, 2, dtype=torch.float64),
        "target_count": torch.ones(3, 1, 1, dtype=torch.float64),
        "performance": torch.zeros(3, 1, 1, dtype=torch.float64),
    }
    acceptable = torch.rand(3, 6, 2, generator=torch.Generator().manual_seed(1)) > 0.5 if with_report else None
    what = session(batch_size=1, acceptable=acceptable)
    network, learned = learn(what, network, ("centred_target", "readout", "fixed"))
    found = network.memory["performance"].flatten()
    if with_report:
        torch.testing.assert_close(found, learned.correct.mean(1))
    else:
        spread = (what.targets - what.targets.mean(1, keepdim=True)).square().sum(2).mean(1)
        torch.testing.assert_close(found, 1 - 2 * learned.loss.mean(1) / spread)
    assert found.abs().min() > 0
    assert network.memory["target_sum"].abs().max() == 0 and network.memory["target_count"].abs().max() == 0


def test_learned_is_per_animal_and_update() -> None:
    _, learned = learn(session(passes=5))
    assert isinstance(learned, Learned) and learned.loss.shape == learned.correct.shape == (3, 5)


STEEP = {"cohort": {"animals": 3}, "rule": {"learning_rate": [0.1, 1e18, 0.1]}, "network": {"homeostasis_rate": 0}}


def test_an_animal_that_diverges_is_stopped_and_named_and_the_others_live_on_unchanged() -> None:
    forgetting_nothing = {"overnight": {"weight_decay": 0.0}}
    recording = simulate(small(STEEP, forgetting_nothing))
    stopped = json.loads(recording.attrs["stopped"])
    assert list(stopped) == ["protocol-1"]
    assert re.fullmatch(r"learning diverged on .*; lower rule.learning_rate or .*", stopped["protocol-1"])
    probe = recording["probe"]
    assert np.isnan(probe["day"].values[1]).all() and np.isnan(probe["rate"].values[1]).all()
    assert not probe["detected"].values[1].any()
    calm = simulate(small(STEEP, forgetting_nothing, {"rule": {"learning_rate": 0.1}}))
    assert json.loads(calm.attrs["stopped"]) == {}
    for animal in (0, 2):
        np.testing.assert_array_equal(probe["true_rate"].values[animal], calm["probe"]["true_rate"].values[animal])
        np.testing.assert_array_equal(probe["day"].values[animal], [0, 2, 4])


def test_what_was_recorded_before_an_animal_was_stopped_is_kept() -> None:
    protocol = small({"overnight": {"weight_decay": 0.0}})
    with tempfile.TemporaryDirectory() as folder:
        cohort = Cohort(batches(protocol)[0])
        sessions = Path(folder)
        share = Share(sessions, 0, cohort.members, alone=True)
        life = [one for one in occasions(protocol) if one.number is not None]
        for position in range(len(life)):
            if position == 2:
                cohort.rates.hidden[3] = 1e30
            number, recorded = _live_occasion(cohort, life, position)
            share.keep_session(recorded, number, cohort.stopped)
        store = merge_sessions(protocol, sessions, sessions / "recording.zarr")
        probe = load_recording(store)["probe"].load()
    np.testing.assert_array_equal(probe["day"].values[3], [0, 2, np.nan])
    assert np.isfinite(probe["true_rate"].values[3, :2]).all() and np.isnan(probe["true_rate"].values[3, 2]).all()
    assert probe["detected"].values[3, :2].any() and not probe["detected"].values[3, 2].any()
    assert (probe["duration"].values[3, :2] > 0).any() and (probe["duration"].values[3, 2] == 0).all()


def test_where_all_animals_diverge_the_run_fails_and_names_them() -> None:
    with pytest.raises(DivergenceError, match=r"learning diverged on .* in protocol-0, protocol-1.*; lower rule.learn"):
        simulate(small({"cohort": {"animals": 2}, "rule": {"learning_rate": 1e18}, "network": {"homeostasis_rate": 0}}))


def test_a_group_whose_animals_all_diverge_does_not_take_the_others_with_it() -> None:
    groups = {
        "groups": {"calm": {"rule": {"learning_rate": 0.1}}, "wild": {"rule": {"name": "bp", "learning_rate": 1e18}}}
    }
    quiet = {"network": {"homeostasis_rate": 0}, "overnight": {"weight_decay": 0.0}}
    recording = simulate(small(groups, quiet))
    assert sorted(json.loads(recording.attrs["stopped"])) == [f"wild-{number}" for number in range(4)]
    probe = recording["probe"]
    assert np.isfinite(probe["day"].values[:4]).all() and np.isnan(probe["day"].values[4:]).all()
    measured = analyse(recording, ["drift_over_days", "cross_day_decoding"])["drift_over_days"]
    correlation = measured["population_vector_correlation"].sel(variable="rate")
    assert np.isfinite(correlation[:4]).any() and np.isnan(correlation[4:]).all()


def test_weights_that_break_in_the_last_update_are_noticed() -> None:
    protocol = small({"schedule": {"pretraining_passes": 1}})
    cohort = Cohort(batches(protocol)[0])
    cohort.rates.hidden[2] = float("inf")
    assert _live_occasion(cohort, occasions(protocol), 0) is None
    assert list(cohort.stopped) == [2]
    assert all(torch.isfinite(value).all() for value in cohort.network.state().values())
