"""Teaching signals and updates: backpropagation against autograd, feedback alignment against BP and closed forms."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from neurofa.networks import Network, forward
from neurofa.rules import FEEDBACK_WEIGHTS, NAMED_RULES, PATHWAYS, PATHWAYS_IN_TIME, TEACHING_SIGNALS
from neurofa.rules import feedback_weights as kinds
from neurofa.rules import pathways as pathway_module
from neurofa.rules import teaching_signals as signal_module
from neurofa.rules.names import LATERAL, NO_FEEDBACK, PATHWAYS_BY_INFERENCE, Choices, why_illegal
from neurofa.rules.rule import Rule
from tests.engine import born_rule, draws, random_network, rates, trials

ACTIVATIONS = ("tanh", "relu", "softplus", "identity")
LOSSES = ("squared_error", "cross_entropy")
SHAPES = {
    "one hidden layer": [5, 4, 3],
    "two hidden layers": [5, 6, 4, 3],
    "three hidden layers": [5, 6, 4, 7, 3],
    "layers of width 1": [3, 1, 1, 2],
    "one input, one output": [1, 3, 1],
    "no hidden layer": [4, 3],
}


def autograd_step(network: Network, stimuli: Tensor, target: Tensor, rate: float) -> dict[str, Tensor]:
    """Weights and biases after one step down the gradient of the mean loss, by torch."""
    state = {name: value.clone() for name, value in network.state().items()}
    learned = {name: value.requires_grad_() for name, value in state.items() if name.endswith(("weights", "bias"))}
    for name, value in learned.items():
        place, _, key = name.partition(".")
        setattr(network.layers[int(place.removeprefix("layer")) - 1], key, value)
    hidden = stimuli
    for layer in network.layers:
        drive = hidden @ layer.weights.transpose(1, 2)
        drive = drive if layer.bias is None else drive + layer.bias[:, None]
        if layer is network.layers[-1]:
            break
        drive = drive if layer.threshold is None else drive - layer.threshold[:, None]
        if layer.excitability is not None:
            drive = drive + (layer.excitability * layer.drive_sd())[:, None]
        functions = {"softplus": torch.nn.functional.softplus, "identity": lambda value: value}
        hidden = functions.get(network.activation, getattr(torch, network.activation, None))(drive)
        hidden = hidden if layer.gain is None else hidden * layer.gain[:, None]
    if network.loss == "cross_entropy":
        loss = -(target * drive.log_softmax(-1)).sum(-1).mean(1).sum()
    else:
        loss = ((target - drive) ** 2).sum(-1).mean(1).sum() / 2
    gradients = torch.autograd.grad(loss, list(learned.values()))
    return {
        name: (value - rate * slope).detach() for (name, value), slope in zip(learned.items(), gradients, strict=True)
    }


def step(network: Network, rule: Rule, stimuli: Tensor, target: Tensor, update: int = 0) -> dict[str, Tensor]:
    """Weights and biases after one update of the engine."""
    activity = forward(network, stimuli)
    rule.update(network, activity, rule.teaching_signals(network, activity, target, update))
    return {name: value for name, value in network.state().items() if name.endswith(("weights", "bias"))}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_bp_equals_autograd(shape: str, activation: str, loss: str) -> None:
    for extras, n_trials, dtype in itertools.product((True, False), (7, 1), (torch.float64, torch.float32)):
        made = {"dtype": dtype, "extras": extras, "seed": 3}
        network = random_network(SHAPES[shape], activation, loss, **made)
        stimuli, target = trials(network, n_trials)
        expected = autograd_step(random_network(SHAPES[shape], activation, loss, **made), stimuli, target, 0.1)
        rule = born_rule(network, "error", "layerwise", "transpose")
        found = step(network, rule, stimuli, target)
        assert found.keys() == expected.keys()
        tolerance = 1e-6 if dtype == torch.float64 else 1e-4
        for name, value in found.items():
            torch.testing.assert_close(value, expected[name], rtol=tolerance, atol=tolerance / 10, msg=name)


def test_the_test_of_bp_notices_a_wrong_slope() -> None:
    network = random_network(SHAPES["two hidden layers"], "tanh")
    stimuli, target = trials(network)
    expected = autograd_step(random_network(SHAPES["two hidden layers"], "tanh"), stimuli, target, 0.1)
    network.activation = "identity"
    found = step(network, born_rule(network, "error", "layerwise", "transpose"), stimuli, target)
    assert (found["layer1.weights"] - expected["layer1.weights"]).abs().max() > 1e-3


def with_transposed_feedback(network: Network) -> Network:
    """Feedback weights that equal the transposed forward weights of the layer above."""
    for layer, above in zip(network.layers[:-1], network.layers[1:], strict=True):
        if layer.feedback is not None:
            layer.feedback = above.weights.transpose(1, 2).clone()
    return network


@pytest.mark.parametrize("shape", ["one hidden layer", "two hidden layers", "three hidden layers"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("pathway", ["layerwise", "readout"])
def test_fa_with_transposed_weights_is_bp_exactly(shape: str, loss: str, pathway: str) -> None:
    results = []
    for feedback in ("transpose", "fixed"):
        network = random_network(SHAPES[shape], "tanh", loss)
        rule = born_rule(network, "error", pathway if feedback == "fixed" else "layerwise", feedback)
        stimuli, target = trials(network)
        results.append(step(with_transposed_feedback(network), rule, stimuli, target))
    for name, value in results[0].items():
        assert torch.equal(value, results[1][name]), name


def test_readout_pathway_with_transpose_is_bp_too() -> None:
    results = []
    for pathway in ("layerwise", "readout"):
        network = random_network(SHAPES["three hidden layers"], "relu")
        stimuli, target = trials(network)
        results.append(step(network, born_rule(network, "error", pathway, "transpose"), stimuli, target))
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


def test_with_one_hidden_layer_direct_layerwise_and_readout_are_one_rule_and_with_two_they_differ() -> None:
    for shape, same in (("one hidden layer", True), ("two hidden layers", False)):
        signals = []
        for pathway in ("layerwise", "direct", "readout"):
            network = random_network(SHAPES[shape], "tanh")
            rule = born_rule(network, "error", pathway, "fixed")
            stimuli, target = trials(network)
            signals.append(rule.teaching_signals(network, forward(network, stimuli), target, 0).deltas[0])
        assert torch.equal(signals[0], signals[1]) is same
        assert torch.equal(signals[0], signals[2]) is same
        assert torch.equal(signals[1], signals[2]) is same


def numpy_of(network: Network, animal: int) -> dict[str, np.ndarray]:
    """State of one animal."""
    return {name: value[animal].numpy().copy() for name, value in network.state().items()}


@pytest.mark.parametrize("name", ["fa", "dfa", "tf", "nf", "nfa", "random_walk", "drtp"])
def test_signals_of_three_layers_are_the_closed_forms(name: str) -> None:
    choices = ("target", "direct", "fixed") if name == "drtp" else tuple(NAMED_RULES[name][:3])
    network = random_network([4, 5, 3, 2], "tanh")
    rule = born_rule(network, *choices)
    stimuli, target = trials(network, 6)
    before = [numpy_of(network, animal) for animal in range(3)]
    purpose = {"nfa": "feedback noise", "random_walk": "feedback steps"}.get(name)
    activity = forward(network, stimuli)
    signals = rule.teaching_signals(network, activity, target, 0).deltas
    for animal, state in enumerate(before):
        y = target[animal].numpy()
        out = activity.output[animal].numpy()
        slopes = [(1 - activity.values[n][animal].numpy() ** 2) * state[f"layer{n + 1}.gain"] for n in range(2)]
        e = y - out
        random = {}
        for n in range(2):
            if purpose and f"layer{n + 1}.feedback" in state:
                shape = state[f"layer{n + 1}.feedback"].shape
                generator = draws(3, "session", 0).generator(animal, (purpose, n))
                block = (min(64, max(1, 2**20 // int(np.prod(shape)))), *shape)
                random[n] = (
                    generator.random(block, dtype=np.float32) - np.float32(0.5)
                    if name == "nfa"
                    else generator.standard_normal(block, dtype=np.float32)
                )[0].astype(float)
        w3 = state.get("layer2.weights")
        if name in ("fa", "random_walk"):
            f1, f2 = state["layer1.feedback"], state["layer2.feedback"]
            if name == "random_walk":
                f2 = np.sqrt(1 - 0.3**2) * f2 + 0.3 * 1.5 / np.sqrt(2) * random[1]
                f1 = np.sqrt(1 - 0.3**2) * f1 + 0.3 * 1.5 / np.sqrt(3) * random[0]
            second = e @ f2.T * slopes[1]
            first = second @ f1.T * slopes[0]
        elif name in ("dfa", "drtp"):
            sent = e if name == "dfa" else y
            first = sent @ state["layer1.feedback"].T * slopes[0]
            second = sent @ state["layer2.feedback"].T * slopes[1]
        else:
            if name == "tf":
                performance = 1 - (e**2).sum() / ((y - y.mean(0)) ** 2).sum()
                back = 1.0 * (1 - max(performance, 0)) * (y - y.mean(0)) @ state["layer2.feedback"].T
            elif name == "nf":
                back = np.tanh(e @ state["layer2.feedback_hidden"].T) @ state["layer2.feedback"].T
            else:
                back = e @ (state["layer2.feedback"] + 0.5 * random[1]).T
            second = back * slopes[1]
            first = second @ w3 * slopes[0]
        for found, expected in zip(signals, (first, second, e), strict=True):
            np.testing.assert_allclose(found[animal].numpy(), expected, rtol=1e-10, atol=1e-12)


def test_centred_target_falls_with_performance_and_is_silent_at_perfection() -> None:
    _, target = trials(random_network([4, 3, 2]), 8)
    scale = torch.tensor([0.01, 1.0, 2.0], dtype=torch.float64).reshape(-1, 1, 1)
    perfect = signal_module.centred_target({}, target, target, scale)
    assert perfect.abs().max() == 0
    centred = target - target.mean(1, keepdim=True)
    halfway = signal_module.centred_target({}, target - centred / 2, target, scale)
    torch.testing.assert_close(halfway, scale * 0.25 * centred)
    worse_than_the_mean = signal_module.centred_target({}, target + 10 * centred, target, scale)
    torch.testing.assert_close(worse_than_the_mean, scale * centred)


def test_centred_target_trial_by_trial_uses_the_mean_so_far_and_the_last_sessions_performance() -> None:
    _, target = trials(random_network([4, 3, 2]), 8)
    memory = {
        "target_sum": torch.zeros(3, 1, 2, dtype=torch.float64),
        "target_count": torch.zeros(3, 1, 1, dtype=torch.float64),
        "performance": torch.tensor([0.0, 0.6, -1.0], dtype=torch.float64).reshape(-1, 1, 1),
    }
    scale = torch.full((3, 1, 1), 0.5, dtype=torch.float64)
    for trial in range(8):
        now = target[:, trial : trial + 1]
        found = signal_module.centred_target(memory, torch.zeros_like(now), now, scale)
        less = torch.tensor([1.0, 0.4, 1.0], dtype=torch.float64).reshape(-1, 1, 1)
        torch.testing.assert_close(found, scale * less * (now - target[:, : trial + 1].mean(1, keepdim=True)))
    assert found.abs().max() > 0


def test_r_squared_of_a_constant_target_is_0_not_nan() -> None:
    target = torch.ones(2, 4, 3)
    assert signal_module.coefficient_of_determination(target + 1, target).tolist() == [[[0.0]], [[0.0]]]


def test_the_readouts_step_is_bounded_by_the_power_of_its_inputs() -> None:
    for bound, bounded in ((1e9, False), (1e-4, True)):
        network = random_network([4, 5, 2], "tanh")
        rule = born_rule(network, "error", "layerwise", "fixed", readout_step_bound=bound)
        stimuli, target = trials(network)
        activity = forward(network, stimuli)
        before = network.layers[-1].weights.clone()
        rule.update(network, activity, rule.teaching_signals(network, activity, target, 0))
        for animal in range(3):
            hidden, error = activity.rates[-1][animal], (target - activity.output)[animal]
            factor = min(0.1 / 7, bound / float((hidden**2).sum()))
            assert (factor < 0.1 / 7) is bounded
            torch.testing.assert_close(network.layers[-1].weights[animal], before[animal] + factor * error.T @ hidden)


def test_with_the_bound_a_huge_learning_rate_of_the_readout_does_not_diverge() -> None:
    losses = {}
    for bound in (0.8, float("inf")):
        network = random_network([4, 30, 2], "relu")
        rule = born_rule(network, "error", "layerwise", "fixed", hidden=0.0, readout=50.0, readout_step_bound=bound)
        stimuli, target = trials(network)
        for update in range(30):
            step(network, rule, stimuli, target, update)
        losses[bound] = float((target - forward(network, stimuli).output).square().mean())
    assert losses[0.8] < 1
    assert not losses[float("inf")] < 1e6


def test_a_frozen_readout_keeps_its_weights_and_the_hidden_layers_learn_all_the_same() -> None:
    network = random_network([4, 5, 3, 2], "tanh")
    before = {name: value.clone() for name, value in network.state().items()}
    found = step(network, born_rule(network, "error", "layerwise", "fixed", readout=0.0), *trials(network))
    assert torch.equal(found["layer3.weights"], before["layer3.weights"])
    assert torch.equal(found["layer3.bias"], before["layer3.bias"])
    assert not torch.equal(found["layer1.weights"], before["layer1.weights"])
    assert not torch.equal(found["layer2.weights"], before["layer2.weights"])


def test_feedback_weights_are_born_with_the_spread_that_the_settings_say() -> None:
    network = random_network([4, 300, 200, 10], "tanh")
    for pathway, n_signal in (("layerwise", 200), ("direct", 10)):
        born_rule(network, "error", pathway, "fixed", feedback_scale=2.0)
        first = network.layers[0].feedback
        assert first.shape == (3, 300, n_signal)
        np.testing.assert_allclose(first.std((1, 2)), 2 / n_signal**0.5, rtol=0.05)
    assert network.layers[2].feedback is None


def test_noise_of_feedback_is_fresh_at_every_update_and_the_weights_stay() -> None:
    network = random_network([4, 5, 2], "tanh")
    rule = born_rule(network, "error", "readout", "noisy")
    weights = network.layers[0].feedback.clone()
    stimuli, target = trials(network)
    activity = forward(network, stimuli)
    first, second = (rule.teaching_signals(network, activity, target, update).deltas[0] for update in (0, 1))
    assert not torch.equal(first, second)
    assert torch.equal(network.layers[0].feedback, weights)
    quiet = born_rule(network, "error", "readout", "noisy", noise_amplitude=0.0)
    fixed = born_rule(network, "error", "readout", "fixed")
    found = [rule.teaching_signals(network, activity, target, 0).deltas[0] for rule in (quiet, fixed)]
    assert torch.equal(*found)


def test_feedback_that_walks_at_every_update_keeps_its_norm_and_forgets_as_it_should() -> None:
    network = random_network([4, 80, 60], "tanh", extras=False)
    rule = born_rule(network, "error", "layerwise", "walking", walk_per_update=0.2)
    before = network.layers[0].feedback.clone()
    signal = torch.zeros(3, 1, 60, dtype=torch.float64)
    for update in range(20):
        rule.feedback.send(network, 0, signal, update)
    after = network.layers[0].feedback
    np.testing.assert_allclose(after.norm(dim=(1, 2)), before.norm(dim=(1, 2)), rtol=0.05)
    for animal in range(3):
        found = np.corrcoef(before[animal].flatten(), after[animal].flatten())[0, 1]
        assert found == pytest.approx((1 - 0.2**2) ** (20 / 2), abs=0.04)


def test_numbers_of_a_rule_act_in_each_animal_alone() -> None:
    alone = []
    for rate in (0.0, 0.1, 0.4):
        network = random_network([4, 5, 2], "tanh")
        alone.append(step(network, born_rule(network, "error", "layerwise", "fixed", hidden=rate), *trials(network)))
    network = random_network([4, 5, 2], "tanh")
    rule = born_rule(network, "error", "layerwise", "fixed")
    together = Rule(Choices("error", "layerwise", "fixed"), rates())
    together.rates.hidden[:, 0, 0] = torch.tensor([0.0, 0.1, 0.4])
    assert rule.rates.hidden.flatten().tolist() == [0.1, 0.1, 0.1]
    found = step(network, together, *trials(network))
    for animal in range(3):
        torch.testing.assert_close(found["layer1.weights"][animal], alone[animal]["layer1.weights"][animal])


def test_the_table_of_names_and_the_code_know_the_same_choices() -> None:
    assert set(TEACHING_SIGNALS) == set(signal_module.TEACHING_SIGNALS)
    assert set(PATHWAYS) == set(pathway_module.PATHWAYS)
    for kind in FEEDBACK_WEIGHTS:
        assert isinstance(Rule(Choices("error", "layerwise", kind), rates()).feedback, kinds.FeedbackWeights)
    for name, row in NAMED_RULES.items():
        assert row.teaching_signal in TEACHING_SIGNALS and row.pathway in (
            *PATHWAYS,
            *PATHWAYS_IN_TIME,
            *PATHWAYS_BY_INFERENCE,
            LATERAL,
        ), name
        assert row.feedback_weights in (*FEEDBACK_WEIGHTS, NO_FEEDBACK) and row.equation and row.source, name


def test_every_legal_combination_of_choices_learns_and_every_other_is_refused_with_the_reason() -> None:
    learned = 0
    signals = [signal for signal in TEACHING_SIGNALS if signal != "none"]
    for signal, pathway, feedback in itertools.product(signals, PATHWAYS, FEEDBACK_WEIGHTS):
        choices = Choices(signal, pathway, feedback)
        illegal = pathway == "direct" and feedback in ("transpose", "sign", "learned")
        assert bool(why_illegal(choices, 2)) is illegal, choices
        assert why_illegal(choices, 1) == ""
        assert "hidden is empty" in why_illegal(choices, 0)
        if illegal:
            continue
        for optimiser in ("gradient", "momentum", "adam"):
            network = random_network([4, 5, 3, 2], "tanh")
            before = network.layers[0].weights.clone()
            rule = born_rule(network, signal, pathway, feedback, more={"optimiser": optimiser})
            found = step(network, rule, *trials(network))
            assert torch.isfinite(found["layer1.weights"]).all()
            assert not torch.equal(found["layer1.weights"], before), (choices, optimiser)
            learned += 1
    assert learned == 3 * 3 * (3 * 8 - 3)


@pytest.mark.parametrize("pathway", PATHWAYS)
def test_without_a_teaching_signal_hidden_layers_learn_nothing_and_the_readout_its_own_error(pathway: str) -> None:
    network = random_network([4, 5, 3, 2], "tanh")
    before = [layer.weights.clone() for layer in network.layers]
    step(network, born_rule(network, "none", pathway, "fixed"), *trials(network))
    changed = [not torch.equal(layer.weights, old) for layer, old in zip(network.layers, before, strict=True)]
    assert changed == [False, False, True]
