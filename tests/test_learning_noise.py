"""Noise while learning: dropout of units and weights, noise of updates and labels, learning rates of units."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from neurofa.citations import bibliography
from neurofa.errors import ProtocolError
from neurofa.learning import Session, learn_session
from neurofa.members import batches
from neurofa.networks import Network, forward
from neurofa.recurrent_cohort import cohort_of
from neurofa.rules.learning_noise import LearningNoise
from neurofa.rules.names import LEARNING_NOISE
from neurofa.rules.rule import Rule
from neurofa.run_folder import store_protocol
from neurofa.simulation import simulate
from tests.engine import draws, random_network, rates, relative_difference, small, trials
from tests.test_compiled import EXACT, assert_equal, born, lived, named, shown

#: strength of each kind
SOME = {"unit_dropout": 0.3, "weight_dropout": 0.2, "update_noise": 0.5, "label_noise": 0.4}


@pytest.mark.parametrize("batch_size", [1, 4, 6])
@pytest.mark.parametrize("kind", [*SOME, "all"])
def test_both_engines_learn_alike_with_noise(kind: str, batch_size: int) -> None:
    own = SOME if kind == "all" else {kind: SOME[kind]}
    for rule in ("fa", "bp", "kp", "usf", "nfa"):
        network = born(named(rule), [4, 7, 5, 3], torch.float64)
        for layer in network.layers[:-1]:
            layer.plasticity = torch.linspace(0.5, 2.0, layer.weights.shape[1], dtype=torch.float64).repeat(3, 1)
        assert_equal(network, named(rule), shown(network, batch_size), EXACT, **own)


@pytest.mark.parametrize("optimiser", ["momentum", "adam"])
def test_both_engines_learn_alike_with_noise_and_optimisers(optimiser: str) -> None:
    choices = named("fa", optimiser=optimiser)
    network = born(choices, [4, 7, 5, 3], torch.float64)
    assert_equal(network, choices, shown(network, 2), EXACT, **SOME)


def test_online_blocks_are_exact_with_dropout_of_units_and_noise_of_labels() -> None:
    choices = named("bp")
    network = born(choices, [4, 7, 5, 3], torch.float64, output_gain=False)
    what = shown(network, 1)
    own = {"unit_dropout": 0.3, "label_noise": 0.4}
    assert_equal(network, choices, what, EXACT, **own)
    assert "blocks" in lived(network, choices, what, **own)[1].engine
    # what looks at the weights between two trials takes no blocks
    assert lived(network, choices, what, weight_dropout=0.2)[1].engine == "compiled"


def noise_of(network: Network, n_trials: int, **numbers: float) -> LearningNoise:
    own = rates(network.n_animals, **numbers)
    return LearningNoise(network, own, n_trials, draws(network.n_animals, "session"))


def test_dropout_keeps_the_mean_and_drops_the_fraction_that_it_says() -> None:
    network = random_network([50, 60, 40, 3], n_animals=2, extras=False)
    noise = noise_of(network, 30, unit_dropout=0.3, weight_dropout=0.2)
    ones = network.copy()
    for layer in ones.layers:
        layer.weights.fill_(1.0)
    synapses = [layer.weights for layer in noise.synapses(ones, 0).layers[:-1]]
    for factors, dropped in ((noise.units(0), 0.3), (synapses, 0.2)):
        assert len(factors) == 2
        for factor in factors:
            assert set(np.unique(factor.numpy().round(9))) == {0.0, round(1 / (1 - dropped), 9)}
            error = (dropped * (1 - dropped) / factor.numel()) ** 0.5
            assert float((factor == 0).double().mean()) == pytest.approx(dropped, abs=4 * error)
    # new in every trial and update, and in every animal
    first, second = noise.units(1)[0], noise.units(2)[0]
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])
    assert not torch.equal(first[:, 0], first[:, 1])
    # the readout is whole, and the mean drive of many updates is that of the whole network
    stimuli = trials(network, 5)[0]
    drives = []
    for update in range(1, 801):
        thinned = noise.synapses(network, update)
        assert thinned.layers[-1] is network.layers[-1]
        drives.append(forward(thinned, stimuli).drives[0])
    mean, spread = torch.stack(drives).mean(0), torch.stack(drives).std(0)
    assert float(((mean - forward(network, stimuli).drives[0]) / spread * 800**0.5).abs().max()) < 5


def test_a_dropped_unit_learns_nothing_and_tells_nothing() -> None:
    network = random_network([6, 20, 3], n_animals=2, extras=False)
    stimuli, target = trials(network, 1)
    rule, own = Rule(named("bp"), rates(2)), network.copy()
    noise = noise_of(network, 1, unit_dropout=0.5)
    kept = noise.units(0)
    activity = forward(network, stimuli, kept)
    rule.update(network, activity, rule.teaching_signals(network, activity, target, 0), 0, noise)
    silent = (kept[0] == 0)[:, 0]
    changed = (network.layers[0].weights != own.layers[0].weights).any(2)
    assert torch.equal(changed, ~silent)
    assert torch.equal((network.layers[1].weights != own.layers[1].weights).any(1), ~silent)
    assert 0 < int(silent.sum()) < silent.numel()


def test_gradients_with_dropout_are_those_of_autograd() -> None:
    network = random_network([6, 10, 8, 3], "tanh", n_animals=2, extras=False)
    stimuli, target = trials(network, 4)
    noise = noise_of(network, 4, unit_dropout=0.4, weight_dropout=0.3)
    units, thinned = noise.units(0), noise.synapses(network, 0)
    leaves = [layer.weights.clone().requires_grad_() for layer in network.layers]
    value = stimuli
    for number, weights in enumerate(leaves[:-1]):
        value = torch.tanh(value @ (weights * noise._kept[number]).transpose(1, 2)) * units[number]
    output = value @ leaves[-1].transpose(1, 2)
    (((target - output) ** 2).sum(2).mean(1).sum() / 2).backward()
    before = [layer.weights.clone() for layer in network.layers]
    rule = Rule(named("bp"), rates(2, hidden=0.1, readout=0.1))
    activity = forward(thinned, stimuli, units)
    torch.testing.assert_close(activity.output, output.detach())
    rule.update(network, activity, rule.teaching_signals(thinned, activity, target, 0), 0, noise)
    for layer, leaf, old in zip(network.layers, leaves, before, strict=True):
        torch.testing.assert_close(layer.weights - old, -0.1 * leaf.grad)


def still(network: Network, passes: int) -> Session:
    """Nothing is shown and nothing wanted: weights change by noise alone."""
    stimuli = torch.zeros(network.n_animals, 2, network.layers[0].weights.shape[2], dtype=torch.float64)
    targets = torch.zeros(network.n_animals, 2, network.layers[-1].weights.shape[1], dtype=torch.float64)
    none = torch.zeros(network.n_animals, 1, dtype=torch.float64)
    return Session(stimuli, targets, None, passes, 2, none.unsqueeze(2), none)


def test_update_noise_adds_up_as_a_random_walk_of_the_stated_size() -> None:
    network = random_network([20, 300, 3], n_animals=2, extras=False)
    before = [layer.weights.clone() for layer in network.layers]
    own = rates(2, update_noise=0.5, hidden=0.2, readout=0.0)
    learn_session(network, lambda some: Rule(named("fa"), some), own, still(network, 25), draws(2, "night"), 1)
    change = (network.layers[0].weights - before[0]).flatten()
    assert float(change.std()) == pytest.approx(0.2 * 0.5 * 25**0.5, rel=0.03)
    assert float(change.mean()) == pytest.approx(0, abs=0.02)
    assert stats.kstest((change / change.std()).numpy(), "norm").pvalue > 0.01
    # a frozen readout stays
    assert torch.equal(network.layers[1].weights, before[1])


def test_label_noise_moves_the_readout_by_the_stated_variance() -> None:
    network = random_network([4, 500, 3], "identity", n_animals=1, extras=False)
    network.layers[-1].weights.zero_()
    what = still(network, 1)
    what.stimuli[:] = 1.0
    hidden = forward(network, what.stimuli).rates[1][0, 0]
    found: list[Tensor] = []
    for session in range(200):
        twin = network.copy()
        own = rates(1, label_noise=0.4, hidden=0.0, readout=0.01)
        learn_session(twin, lambda some: Rule(named("fa"), some), own, what, draws(1, "session", session), 1)
        found.append(twin.layers[-1].weights[0] @ hidden)
    # two trials are averaged: change = rate * mean of two labels * |h|^2
    expected = 0.01 * 0.4 / 2**0.5 * float(hidden.square().sum())
    assert float(torch.stack(found).std()) == pytest.approx(expected, rel=0.1)
    assert float(torch.stack(found).mean()) == pytest.approx(0, abs=0.2 * expected)


@pytest.mark.parametrize("kind", SOME)
def test_zero_is_off_to_the_bit_also_beside_groups_with_noise(kind: str) -> None:
    plain = simulate(small())["probe/true_rate"].values
    groups: dict[str, Any] = {"off": {"rule": {kind: 0.0}}, "on": {"rule": {kind: SOME[kind] / 4}}}
    both = simulate(small({"groups": groups}))
    found = both["probe/true_rate"].values
    assert np.array_equal(found[:4], plain)
    assert relative_difference(found[4:], plain) > 1e-3
    assert np.isfinite(found).all()
    engines = json.loads(both.attrs["engines"])
    assert engines and "compiled" in str(engines) and "reference" not in str(engines)


def test_kinds_compose_and_none_shifts_the_numbers_of_another() -> None:
    network = random_network([5, 6, 3], n_animals=2, extras=False)
    alone = {kind: noise_of(network, 4, **{kind: amount}) for kind, amount in SOME.items()}
    together = noise_of(network, 4, **SOME)
    blank = torch.zeros(2, 4, 3, dtype=torch.float64)
    seen: dict[str, Callable[[LearningNoise], list[Tensor]]] = {
        "unit_dropout": lambda noise: noise.units(0),
        "weight_dropout": lambda noise: [layer.weights for layer in noise.synapses(network, 0).layers],
        "label_noise": lambda noise: [noise.target(blank, 0)],
    }
    for kind, look in seen.items():
        for first, second in zip(look(alone[kind]), look(together), strict=True):
            assert torch.equal(first, second)


def test_learning_rates_of_units_are_log_normal_with_mean_one() -> None:
    spread = {"rule": {"learning_rate_spread": 0.8}, "network": {"hidden": [400]}, "cohort": {"animals": 2}}
    cohort = cohort_of(batches(small(spread))[0])
    plasticity = cohort.network.layers[0].plasticity
    assert plasticity is not None and cohort.network.layers[-1].plasticity is None
    assert stats.kstest((plasticity.log().flatten().double().numpy() + 0.32) / 0.8, "norm").pvalue > 0.01
    assert float(plasticity.mean()) == pytest.approx(1, abs=0.1)
    # to first order the change of a unit's weights is in proportion
    before = cohort.network.layers[0].weights.clone()
    slow = cohort.network.copy()
    slow.layers[0].plasticity = None
    session = cohort.session(cohort.stimuli, 1)
    changes = []
    for network in (cohort.network, slow):
        learn_session(network, cohort.build_rule, cohort.rates, session, cohort.draws("session"), 1)
        changes.append((network.layers[0].weights - before).norm(dim=2))
    moved = changes[1] > 1e-3 * changes[1].max()
    torch.testing.assert_close((changes[0] / changes[1])[moved], plasticity[moved], rtol=2e-3, atol=0)


def test_what_cannot_be_is_refused_in_one_sentence() -> None:
    with pytest.raises(ProtocolError, match=r"rule\.unit_dropout must be less than 1, got 1"):
        small({"rule": {"unit_dropout": 1.0}})
    with pytest.raises(ProtocolError, match="no effect with optimiser adam"):
        small({"rule": {"learning_rate_spread": 0.3, "optimiser": "adam"}})
    with pytest.raises(ProtocolError, match=r"rule\.label_noise .*squared_error"):
        small({"rule": {"label_noise": 0.3}, "network": {"loss": "cross_entropy"}})
    recurrent = {"network": {"kind": "recurrent", "hidden": [20], "gain_sd": 0.0, "active_fraction": 0.0}}
    recurrent["network"] |= {"homeostasis_rate": 0.0}
    for kind, amount in SOME.items():
        with pytest.raises(ProtocolError, match=rf"rule\.{kind} is for feedforward networks"):
            small(recurrent, {"rule": {"name": "rflo", kind: amount}, "observation": {"kind": "none"}})


def test_runs_cite_the_noise_that_they_learn_with(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    store_protocol(small(), tmp_path / "plain")
    assert "1010716" not in bibliography(tmp_path / "plain")
    for kind, (_, source) in LEARNING_NOISE.items():
        folder = tmp_path / kind
        folder.mkdir()
        store_protocol(small({"rule": {kind: SOME[kind]}}), folder)
        cited = bibliography(folder)
        assert f"noise while learning, rule.{kind}" in cited
        assert source.split(", ")[1].split(";")[0] in cited
