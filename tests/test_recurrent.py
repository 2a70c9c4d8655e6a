"""Recurrent networks and their rules: autograd, the published update written with loops, and what must not matter."""

import numpy as np
import pytest
import torch

from neurofa.errors import ConfigError
from neurofa.networks import Layer
from neurofa.networks.recurrent import (
    RecurrentNetwork,
    forward_in_time,
    loss_in_time,
    mean_report,
)
from neurofa.rules.names import Choices
from neurofa.rules.recurrent import RecurrentRule
from neurofa.stimuli.delayed_match_to_sample import delayed_match_to_sample
from tests.engine import draws, rates

N_ANIMALS, N_INPUTS, N_UNITS, N_OUTPUTS, N_TIMES, N_TRIALS = 3, 4, 7, 2, 9, 5
RFLO, BPTT = Choices("error", "eligibility", "fixed"), Choices("error", "through_time", "transpose")


def network(activation="tanh", loss="squared_error", *, biases=True, seed=0):
    """Random weights in every place, another time constant in every animal."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(N_ANIMALS, *shape, generator=random, dtype=torch.float64)

    hidden = Layer(torch.cat([normal(N_UNITS, N_INPUTS), 1.3 * normal(N_UNITS, N_UNITS) / N_UNITS**0.5], 2))
    readout = Layer(normal(N_OUTPUTS, N_UNITS) / 2)
    if biases:
        hidden.bias, readout.bias = normal(N_UNITS), normal(N_OUTPUTS)
    hidden.feedback = normal(N_UNITS, N_OUTPUTS)
    step = torch.tensor([0.1, 0.25, 0.5], dtype=torch.float64).reshape(-1, 1, 1)
    return RecurrentNetwork([hidden, readout], activation, loss, step=step)


def trials(loss="squared_error", seed=1):
    """Stimuli, targets (animal, time, trial, ...), and weights of moments of which some do not count."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(N_ANIMALS, N_TIMES, N_TRIALS, *shape, generator=random, dtype=torch.float64)

    target = normal(N_OUTPUTS)
    counts = (normal(1) > -0.3).to(torch.float64)
    counts[:, -1] = 1
    return normal(N_INPUTS), target.softmax(-1) if loss == "cross_entropy" else target, counts / counts.sum(1, True)


def rule(choices, **numbers):
    """A rule of so many animals."""
    return RecurrentRule(choices, rates(N_ANIMALS, **numbers))


def learned(own, choices, shown=None, **numbers):
    """One update of all trials; the change of every parameter by name."""
    stimuli, target, weight = shown or trials(own.loss)
    before = own.copy().state()
    teacher = rule(choices, **numbers)
    activity = forward_in_time(own, stimuli)
    error = teacher.errors(activity, target, weight)
    delta = teacher.signals_in_time(own, activity, error, 0)
    teacher.update_in_time(own, activity, delta, error, 0)
    return {name: value - before[name] for name, value in own.state().items()}


def online(own, choices, shown=None, **numbers):
    """The same, learning at every moment."""
    before = own.copy().state()
    rule(choices, **numbers).live_online(own, *(shown or trials(own.loss)))
    return {name: value - before[name] for name, value in own.state().items()}


def naive_forward(own, animal, stimuli):
    """Rates and drives of one trial, unit by unit."""
    step, weights = float(own.step[animal]), own.layers[0].weights[animal]
    rate, rates_found, drives = np.zeros(N_UNITS), [], []
    for time in range(N_TIMES):
        drive = np.zeros(N_UNITS)
        for i in range(N_UNITS):
            drive[i] = sum(weights[i, j] * stimuli[time, j] for j in range(N_INPUTS))
            drive[i] += sum(weights[i, N_INPUTS + j] * rate[j] for j in range(N_UNITS))
            drive[i] += own.layers[0].bias[animal, i]
        rate = rate + step * (-rate + np.tanh(drive))
        rates_found.append(rate)
        drives.append(drive)
    return np.array(rates_found), np.array(drives)


def test_forward_pass_is_the_leaky_equation_written_with_loops():
    own, (stimuli, _, _) = network(), trials()
    activity = forward_in_time(own, stimuli)
    for animal in range(N_ANIMALS):
        expected, _ = naive_forward(own, animal, stimuli[animal, :, 2].numpy())
        np.testing.assert_allclose(activity.rates[animal, 2].numpy(), expected, atol=1e-13)
        output = expected @ own.layers[1].weights[animal].numpy().T + own.layers[1].bias[animal].numpy()
        np.testing.assert_allclose(activity.output[animal, :, 2].numpy(), output, atol=1e-13)


def test_a_unit_without_input_decays_with_its_time_constant():
    own = network(biases=False)
    own.layers[0].weights[:, :, N_INPUTS:] = 0
    stimuli = trials()[0]
    stimuli[:, 1:] = 0
    found = forward_in_time(own, stimuli).rates
    decay = (1 - own.step) ** torch.arange(N_TIMES, dtype=torch.float64)[None, :, None]
    torch.testing.assert_close(found, found[:, :, :1] * decay[:, None])


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus", "identity"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_bptt_is_the_gradient_that_autograd_finds(activation, loss):
    own, (stimuli, target, weight) = network(activation, loss), trials(loss)
    parameters = [getattr(layer, name) for layer in own.layers for name in ("weights", "bias")]
    for parameter in parameters:
        parameter.requires_grad_()
    # written anew: in place operations of the forward pass are not for autograd
    state, outputs = stimuli.new_zeros(N_ANIMALS, N_TRIALS, N_UNITS), []
    weights, bias, readout, readout_bias = parameters
    act = {"tanh": torch.tanh, "relu": torch.relu, "softplus": torch.nn.functional.softplus, "identity": lambda x: x}
    for time in range(N_TIMES):
        drive = torch.cat([stimuli[:, time], state], 2) @ weights.transpose(1, 2) + bias[:, None]
        state = state + own.step * (act[activation](drive) - state)
        outputs.append(state @ readout.transpose(1, 2) + readout_bias[:, None])
    output = torch.stack(outputs, 1)
    if loss == "cross_entropy":
        each = -(target * output.log_softmax(-1)).sum(-1, keepdim=True)
    else:
        each = 0.5 * (target - output).square().sum(-1, keepdim=True)
    total = (each * weight).sum((1, 3)).mean(1)
    gradients = torch.autograd.grad(total.sum(), parameters)
    for parameter in parameters:
        parameter.requires_grad_(False)
    torch.testing.assert_close(
        loss_in_time(own, forward_in_time(own, stimuli).output, target, weight), total.detach(), rtol=1e-12, atol=0
    )
    change = learned(own, BPTT, hidden=1.0, readout=1.0)
    names = ("layer1.weights", "layer1.bias", "layer2.weights", "layer2.bias")
    for name, gradient in zip(names, gradients, strict=True):
        np.testing.assert_allclose(change[name].numpy(), -gradient.numpy(), rtol=1e-6, atol=1e-12)


def naive_rflo(own, animal, shown, feedback, rate, readout_rate, *, at_once):
    """Random feedback local online learning of one animal as published, synapse by synapse."""
    stimuli, target, weight = (tensor[animal].numpy() for tensor in shown)
    step = float(own.step[animal])
    w, b = own.layers[0].weights[animal].numpy().copy(), own.layers[0].bias[animal].numpy().copy()
    v, c = own.layers[1].weights[animal].numpy().copy(), own.layers[1].bias[animal].numpy().copy()
    start = [value.copy() for value in (w, b, v, c)]
    summed = [np.zeros_like(value) for value in (w, b, v, c)]
    rate_of_units = np.zeros((N_TRIALS, N_UNITS))
    p, q = np.zeros((N_TRIALS, *w.shape)), np.zeros((N_TRIALS, N_UNITS))
    for time in range(N_TIMES):
        change = [np.zeros_like(value) for value in (w, b, v, c)]
        for trial in range(N_TRIALS):
            before = np.concatenate([stimuli[time, trial], rate_of_units[trial]])
            drive = w @ before + b
            slope = 1 - np.tanh(drive) ** 2
            rate_of_units[trial] = rate_of_units[trial] + step * (np.tanh(drive) - rate_of_units[trial])
            error = (target[time, trial] - v @ rate_of_units[trial] - c) * weight[time, trial]
            for i in range(N_UNITS):
                q[trial, i] = (1 - step) * q[trial, i] + step * slope[i]
                signal = sum(feedback[i, k] * error[k] for k in range(N_OUTPUTS))
                change[1][i] += rate * signal * q[trial, i] / N_TRIALS
                for j in range(len(before)):
                    p[trial, i, j] = (1 - step) * p[trial, i, j] + step * slope[i] * before[j]
                    change[0][i, j] += rate * signal * p[trial, i, j] / N_TRIALS
            change[2] += readout_rate * np.outer(error, rate_of_units[trial]) / N_TRIALS
            change[3] += readout_rate * error / N_TRIALS
        if at_once:
            w, b, v, c = (value + own_change for value, own_change in zip((w, b, v, c), change, strict=True))
        summed = [total + own_change for total, own_change in zip(summed, change, strict=True)]
    return [now - then for now, then in zip((w, b, v, c), start, strict=True)] if at_once else summed


@pytest.mark.parametrize("at_once", [False, True], ids=["after the trials", "online"])
def test_rflo_is_the_published_update_written_with_loops(at_once):
    own, shown = network(), trials()
    expected = [
        naive_rflo(own, animal, shown, own.layers[0].feedback[animal].numpy(), 0.7, 0.3, at_once=at_once)
        for animal in range(N_ANIMALS)
    ]
    change = (online if at_once else learned)(own, RFLO, shown, hidden=0.7, readout=0.3)
    for animal in range(N_ANIMALS):
        for name, value in zip(
            ("layer1.weights", "layer1.bias", "layer2.weights", "layer2.bias"), expected[animal], strict=True
        ):
            np.testing.assert_allclose(change[name][animal].numpy(), value, rtol=1e-9, atol=1e-13, err_msg=name)
    assert all(np.abs(value).max() > 1e-3 for value in expected[0])


def test_online_and_accumulated_changes_agree_to_first_order_in_the_learning_rate():
    gaps = []
    for rate in (1e-2, 1e-3):
        at_once = online(network(), RFLO, hidden=rate, readout=rate)
        after = learned(network(), RFLO, hidden=rate, readout=rate)
        gaps.append(float((at_once["layer1.weights"] - after["layer1.weights"]).norm() / rate))
    assert 0 < gaps[1] < 0.15 * gaps[0]


def test_without_recurrent_weights_rflo_with_transposed_readout_is_the_gradient():
    local = Choices("error", "eligibility", "transpose")
    own = network()
    own.layers[0].weights[:, :, N_INPUTS:] = 0
    exact, found = learned(own.copy(), BPTT), learned(own.copy(), local)
    torch.testing.assert_close(found["layer1.weights"], exact["layer1.weights"], rtol=1e-10, atol=1e-14)
    exact, found = learned(network(), BPTT), learned(network(), local)
    assert float((found["layer1.weights"] - exact["layer1.weights"]).norm()) > 0.1 * float(
        exact["layer1.weights"].norm()
    )


@pytest.mark.parametrize("choices", [RFLO, BPTT], ids=["rflo", "bptt"])
def test_permuting_hidden_units_permutes_what_is_learned(choices):
    order = torch.randperm(N_UNITS, generator=torch.Generator().manual_seed(3))
    columns = torch.cat([torch.arange(N_INPUTS), N_INPUTS + order])
    own, other = network(), network()
    hidden = other.layers[0]
    hidden.weights = hidden.weights[:, order][:, :, columns]
    hidden.bias, hidden.feedback = hidden.bias[:, order], hidden.feedback[:, order]
    other.layers[1].weights = other.layers[1].weights[:, :, order]
    first, second = learned(own, choices), learned(other, choices)
    torch.testing.assert_close(first["layer1.weights"][:, order][:, :, columns], second["layer1.weights"])
    torch.testing.assert_close(first["layer2.weights"][:, :, order], second["layer2.weights"])
    assert not torch.allclose(first["layer1.weights"], second["layer1.weights"])


@pytest.mark.parametrize("live", [learned, online])
def test_order_of_trials_does_not_change_an_update_of_all_of_them(live):
    shown = trials()
    order = torch.randperm(N_TRIALS, generator=torch.Generator().manual_seed(4))
    reordered = tuple(tensor[:, :, order] for tensor in shown)
    first, second = live(network(), RFLO, shown), live(network(), RFLO, reordered)
    mixed = live(network(), RFLO, (reordered[0], *shown[1:]))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-10, atol=1e-14)
    assert not torch.allclose(mixed["layer1.weights"], first["layer1.weights"])


def test_one_animal_learns_as_it_does_among_others():
    own = network()
    alone = own.copy().animals(1, 2)
    shown = trials()
    change = learned(own, RFLO, shown)
    before = alone.copy().state()
    teacher = RecurrentRule(RFLO, rates(1))
    activity = forward_in_time(alone, shown[0][1:2])
    error = teacher.errors(activity, *(tensor[1:2] for tensor in shown[1:]))
    teacher.update_in_time(alone, activity, teacher.signals_in_time(alone, activity, error, 0), error, 0)
    for name, value in alone.state().items():
        torch.testing.assert_close(value - before[name], change[name][1:2], rtol=1e-10, atol=1e-14)


def test_feedback_weights_do_not_depend_on_what_else_is_drawn():
    plain, walking = network(), network()
    rule(RFLO).birth(plain, draws(N_ANIMALS, "birth"))
    other = RecurrentRule(Choices("error", "eligibility", "walking"), rates(N_ANIMALS))
    others = draws(N_ANIMALS, "birth")
    others.normal(("something else",), (50,))
    other.birth(walking, others)
    assert torch.equal(plain.layers[0].feedback, walking.layers[0].feedback)
    assert plain.layers[0].feedback.shape == (N_ANIMALS, N_UNITS, N_OUTPUTS)
    rule(RFLO).birth(walking, draws(N_ANIMALS, "birth", seed=6))
    assert not torch.equal(plain.layers[0].feedback, walking.layers[0].feedback)


def test_views_of_animals_share_memory_and_copies_do_not():
    own = network()
    own.animals(1, 3).layers[0].weights += 1
    assert torch.equal(own.layers[0].weights[0], network().layers[0].weights[0])
    assert not torch.equal(own.layers[0].weights[1], network().layers[0].weights[1])
    assert torch.equal(own.animals(1, 3).step, own.step[1:])
    before = own.layers[0].weights.clone()
    own.copy().layers[0].weights += 1
    assert torch.equal(own.layers[0].weights, before)
    assert torch.equal(torch.cat([own.input_weights, own.recurrent_weights], 2), own.layers[0].weights)


def test_only_moments_that_count_are_reported():
    _, target, weight = trials()
    other = torch.where(weight > 0, target, 7.0)
    torch.testing.assert_close(mean_report(other, weight), mean_report(target, weight))
    one = torch.zeros_like(weight)
    one[:, 4] = 1
    assert torch.equal(mean_report(target, one), target[:, 4])


def test_a_trial_of_delayed_match_to_sample():
    own = delayed_match_to_sample(
        np.random.default_rng(0), time_step_ms=20, samples=3, delay_ms=400, inputs=5, amplitude=2.0
    )
    own.check("delayed_match_to_sample")
    assert own.inputs.shape == (6, 5 + 15 + 20 + 15 + 10, 5)
    shown = (own.inputs != 0).any(2)
    assert (shown == shown[0]).all()
    np.testing.assert_array_equal(np.flatnonzero(np.diff(shown[0])) + 1, [5, 20, 40, 55])
    assert (own.counts == (np.arange(65) >= 55)).all()
    same = (own.inputs[:, 10] == own.inputs[:, 45]).all(1)
    np.testing.assert_array_equal(own.labels["match"] == "match", same)
    np.testing.assert_array_equal(own.acceptable[:, 0], same)
    np.testing.assert_array_equal(own.targets[:, 60], own.acceptable)


@pytest.mark.parametrize("samples", [2, 3, 5])
def test_neither_sample_nor_test_alone_gives_the_answer_away(samples):
    own = delayed_match_to_sample(np.random.default_rng(0), time_step_ms=20, samples=samples)
    for name in ("sample", "test"):
        for value in range(samples):
            assert (own.labels["match"][own.labels[name] == value] == "match").mean() == 0.5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"samples": 2, "non_matches": 2}, "stimuli.non_matches 2 needs more than 2 samples"),
        ({"test_ms": 9.0}, "stimuli.test_ms 9 is less than half a time step of 20 ms"),
    ],
)
def test_impossible_trials_are_refused(parameters, message):
    with pytest.raises(ConfigError, match=message):
        delayed_match_to_sample(np.random.default_rng(0), time_step_ms=20, **parameters)
