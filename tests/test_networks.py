"""Forward pass against torch's own layers, views of animals, homeostasis, losses."""

import numpy as np
import pytest
import torch

from neurofa.networks import forward, loss_per_trial
from neurofa.networks.feedforward import ACTIVATIONS, DERIVATIVES
from neurofa.networks.homeostasis import SMALLEST_FRACTION, follow_drive, regulate_thresholds
from tests.engine import random_network, trials

OURS = sorted(ACTIVATIONS)


@pytest.mark.parametrize("activation", OURS)
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_forward_equals_the_equations_animal_by_animal(activation: str, loss: str) -> None:
    network = random_network([5, 4, 3, 2], activation, loss)
    stimuli, target = trials(network)
    activity = forward(network, stimuli)
    for animal in range(network.n_animals):
        rate = stimuli[animal]
        for number, layer in enumerate(network.layers[:-1]):
            drive = torch.nn.functional.linear(rate, layer.weights[animal], layer.bias[animal])
            sd = (layer.drive_square[animal] - layer.drive_mean[animal] ** 2).sqrt()
            given = drive - layer.threshold[animal] + layer.excitability[animal] * sd
            rate = layer.gain[animal] * ACTIVATIONS[activation](given)
            torch.testing.assert_close(activity.rates[number + 1][animal], rate)
        output = torch.nn.functional.linear(rate, network.layers[-1].weights[animal], network.layers[-1].bias[animal])
        if loss == "cross_entropy":
            expected = torch.nn.functional.cross_entropy(output, target[animal])
            output = output.softmax(-1)
        else:
            expected = torch.nn.functional.mse_loss(output, target[animal], reduction="sum") / (2 * len(output))
        torch.testing.assert_close(activity.output[animal], output)
        torch.testing.assert_close(loss_per_trial(network, activity.output, target)[animal], expected)


@pytest.mark.parametrize("activation", OURS)
def test_derivatives_are_those_of_autograd(activation: str) -> None:
    given = torch.linspace(-3, 3, 40, dtype=torch.float64, requires_grad=True)
    value = ACTIVATIONS[activation](given)
    (slope,) = torch.autograd.grad(value.sum(), given)
    torch.testing.assert_close(DERIVATIVES[activation](given.detach(), value.detach()), slope)


def test_views_of_animals_share_memory_and_states_name_every_tensor() -> None:
    network = random_network([4, 3, 2])
    network.memory["performance"] = torch.zeros(3, 1, 1)
    part = network.animals(1, 3)
    part.layers[0].weights += 1
    part.memory["performance"] += 2
    whole = network.layers[0].weights
    torch.testing.assert_close(part.layers[0].weights, whole[1:])
    assert network.memory["performance"].flatten().tolist() == [0, 2, 2]
    names = set(network.state())
    assert {"layer1.weights", "layer1.threshold", "layer2.bias", "memory.performance"} <= names
    assert "layer2.threshold" not in names and network.state()["layer1.weights"] is whole


def test_cross_entropy_of_an_output_that_underflows_is_large_but_finite() -> None:
    network = random_network([2, 3, 2], "relu", "cross_entropy", n_animals=1, dtype=torch.float32)
    loss = loss_per_trial(network, torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]]))
    assert 80 < float(loss) < 120


def test_running_moments_of_the_drive_follow_new_trials() -> None:
    layer = random_network([4, 3, 2]).layers[0]
    mean, square = layer.drive_mean.clone(), layer.drive_square.clone()
    drive = torch.randn(3, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    follow_drive(layer, drive, 0.05)
    torch.testing.assert_close(layer.drive_mean, 0.95 * mean + 0.05 * drive.mean(1))
    torch.testing.assert_close(layer.drive_square, 0.95 * square + 0.05 * drive.square().mean(1))
    torch.testing.assert_close(layer.drive_sd(), (layer.drive_square - layer.drive_mean**2).sqrt())


def test_thresholds_move_by_the_formula_and_not_at_all_without_a_target() -> None:
    layer = random_network([4, 3, 2]).layers[0]
    before = layer.threshold.clone()
    drive = torch.randn(3, 20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    rate = torch.tensor([[0.1], [0.0], [0.3]], dtype=torch.float64)
    regulate_thresholds(layer, drive, rate)
    torch.testing.assert_close(layer.threshold, before)
    layer.target_active = torch.tensor([[0.01, 0.2, 0.9]], dtype=torch.float64).expand(3, 3)
    regulate_thresholds(layer, drive, rate)
    active = (drive > before.unsqueeze(1)).double().mean(1)
    excess = (active - layer.target_active) / layer.target_active.clamp_min(SMALLEST_FRACTION)
    sd = layer.drive_sd()
    spread = torch.where(sd > sd.mean(1, keepdim=True), sd, sd.mean(1, keepdim=True))
    torch.testing.assert_close(layer.threshold, before + rate * spread * excess)
    np.testing.assert_array_equal(layer.threshold[1], before[1])


def test_a_silent_unit_whose_weights_decay_wakes_up_again() -> None:
    layer = random_network([4, 50, 2], n_animals=1).layers[0]
    random = torch.Generator().manual_seed(1)
    drive = torch.randn(1, 200, 50, dtype=torch.float64, generator=random)
    layer.threshold = torch.full((1, 50), 0.8, dtype=torch.float64)
    layer.target_active = torch.full((1, 50), 0.2, dtype=torch.float64)
    layer.threshold[0, 0] = 20.0
    rate = torch.full((1, 1), 0.015, dtype=torch.float64)
    woken = False
    for _ in range(60):
        drive[:, :, 0] *= 0.6
        for _ in range(40):
            follow_drive(layer, drive, 0.05)
            regulate_thresholds(layer, drive, rate)
            woken = woken or bool((drive[0, :, 0] > layer.threshold[0, 0]).any())
    assert woken


def test_homeostasis_reaches_its_target_from_far_away() -> None:
    layer = random_network([4, 50, 2], n_animals=2).layers[0]
    random = torch.Generator().manual_seed(1)
    drive = torch.randn(2, 200, 50, dtype=torch.float64, generator=random)
    layer.threshold = torch.full((2, 50), 3.0, dtype=torch.float64)
    layer.target_active = torch.rand(2, 50, dtype=torch.float64, generator=random) * 0.5 + 0.1
    rate = torch.full((2, 1), 0.015, dtype=torch.float64)
    for _ in range(1500):
        follow_drive(layer, drive, 0.05)
        regulate_thresholds(layer, drive, rate)
    active = (drive > layer.threshold.unsqueeze(1)).double().mean(1)
    assert (active - layer.target_active).abs().max() < 0.02
