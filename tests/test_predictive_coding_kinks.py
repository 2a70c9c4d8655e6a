"""Equilibria of piecewise linear networks: closed form, descent, kinks at which descent never rests, and refusals."""

import numpy as np
import pytest
import torch

from neurofa import measures
from neurofa.measures.prediction_error import kinks
from neurofa.measures.prediction_error.equilibrium import relax
from neurofa.measures.prediction_error.yardstick import _ArrayLayer
from neurofa.networks import Layer
from neurofa.rules.predictive_coding import NetworkLayer
from tests.test_predictive_coding import networks

HOW = measures.Inference(tolerance=1e-9, max_steps=1500)
FEW_STEPS = measures.Inference(tolerance=1e-12, max_steps=40)


def layers_of(given, activation="relu"):
    kinds = [activation] * (len(given["weights"]) - 1) + ["identity"]
    return [
        _ArrayLayer(torch.from_numpy(weights), torch.from_numpy(bias), kind)
        for weights, bias, kind in zip(given["weights"], given["biases"], kinds, strict=True)
    ]


def shown(given):
    return torch.from_numpy(given["stimuli"]), torch.from_numpy(given["targets"])


def strong_networks(seed=0):
    """Networks in which many units are silent and many stimuli rest on a kink."""
    given = networks(np.random.default_rng(seed), n_animals=6, n_stimuli=1)
    given["weights"] = [1.5 * one for one in given["weights"]]
    return given


@pytest.mark.parametrize("precisions", [(), (1.0, 2.0, 0.5)], ids=["unit precisions", "own precisions"])
def test_linear_networks_are_solved_where_descent_has_no_time(precisions):
    given = networks(np.random.default_rng(0))
    how = FEW_STEPS._replace(precisions=precisions)
    exact = measures.linear_predictive_coding_errors(**given, precisions=precisions)
    assert not relax(layers_of(given, "identity"), *shown(given), how).converged.any()
    found = kinks.relax_exactly(layers_of(given, "identity"), *shown(given), how)
    assert found.converged.all()
    for one, other in zip(found.errors + found.rates, exact.errors + exact.rates, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.energy[:, -1].numpy(), exact.energy[:, 0], rtol=1e-12)


def test_the_same_equilibrium_as_descent_where_that_converges():
    converged = 0
    for seed in range(3):
        given = strong_networks(seed)
        layers, (stimuli, target) = layers_of(given), shown(given)
        descended = relax(layers, stimuli, target, HOW)
        found = kinks.relax_exactly(layers, stimuli, target, HOW)
        assert found.converged.all()
        for one, other in zip(found.errors, descended.errors, strict=True):
            np.testing.assert_allclose(one[descended.converged].numpy(), other[descended.converged].numpy(), atol=1e-7)
        converged += int(descended.converged.sum())
    assert converged >= 4


def test_on_a_kink_descent_never_rests_and_the_minimum_is_found():
    # one unit wants to be below silence: x2 = relu(x1), output x2, target -1, x1 is predicted to be 0.5
    layers = [
        _ArrayLayer(torch.full((1, 1, 1), weight, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64), kind)
        for weight, kind in ((0.5, "relu"), (1.0, "relu"), (1.0, "identity"))
    ]
    stimuli, target = torch.ones(1, 1, 1, dtype=torch.float64), torch.full((1, 1, 1), -2.0, dtype=torch.float64)
    how = HOW
    assert not relax(layers, stimuli, target, how).converged.any()
    found = kinks.relax_exactly(layers, stimuli, target, how)
    assert found.converged.all()
    # by hand: x1 = 0 on the kink, x2 halfway between 0 and -2; slope s balances 0 - 0.5 = -0.5 with s (x2 - 0) = -s
    np.testing.assert_allclose([float(one) for one in found.rates], [0.0, -1.0], atol=1e-12)
    assert float(found.slopes[1]) == pytest.approx(0.5, abs=1e-12)
    assert float(found.energy[0, -1]) == pytest.approx(0.125 + 0.5 + 0.5, abs=1e-12)


@pytest.mark.parametrize("precisions", [(), (0.5, 2.0, 4.0)])
def test_forces_balance_energy_never_rises_and_no_move_lowers_it(precisions):
    rng, n_on_kinks = np.random.default_rng(7), 0
    for seed in range(3):
        given, how = strong_networks(seed), HOW._replace(precisions=precisions)
        layers, (stimuli, target) = layers_of(given), shown(given)
        found = kinks.relax_exactly(layers, stimuli, target, how)
        assert found.converged.all()
        energy = found.energy.numpy()
        assert (np.diff(energy, axis=1) <= 1e-12 * energy[:, :-1]).all()
        pi = precisions or (1.0, 1.0, 1.0)
        for number in (0, 1):
            above = pi[number + 1] * found.slopes[number + 1] * found.errors[number + 1]
            down = above @ layers[number + 1].weights
            np.testing.assert_allclose(down.numpy(), (pi[number] * found.errors[number]).numpy(), atol=1e-9)
        n_on_kinks += int(((found.slopes[1] > 0) & (found.slopes[1] < 1)).sum())
        # also across kinks: the energy from its definition
        for _ in range(50):
            moved = [one + 1e-3 * torch.from_numpy(rng.standard_normal(one.shape)) for one in found.rates]
            there = sum(
                precision * layer.energy(own, layer.predict(below)[0])
                for layer, below, own, precision in zip(layers, [stimuli, *moved], [*moved, target], pi, strict=True)
            )
            assert (there >= found.energy[:, -1] - 1e-12).all()
    assert n_on_kinks > 0


def test_thresholds_gains_and_excitability_are_part_of_the_pieces():
    rng = np.random.default_rng(3)

    def drawn(*shape):
        return torch.from_numpy(rng.standard_normal(shape))

    moments = {"drive_mean": drawn(2, 5), "drive_square": 4 + drawn(2, 5) ** 2, "excitability": drawn(2, 5)}
    own = Layer(drawn(2, 5, 4), drawn(2, 5), threshold=drawn(2, 5), gain=drawn(2, 5).abs(), **moments)
    layer, below = NetworkLayer(own, "relu"), drawn(2, 3, 4)
    parts = layer.pieces()
    given = below @ parts.weights.transpose(1, 2) + parts.offset[:, None]
    rate = parts.gain[:, None] * given.relu()
    np.testing.assert_allclose(rate.numpy(), layer.predict(below)[0].numpy(), atol=1e-12)
    assert NetworkLayer(own, "tanh").pieces() is None and NetworkLayer(own, "softmax").pieces() is None


def test_other_activations_descend_as_before_and_tell_where_they_end():
    given = networks(np.random.default_rng(1))
    found = kinks.relax_exactly(layers_of(given, "tanh"), *shown(given), FEW_STEPS)
    descended = relax(layers_of(given, "tanh"), *shown(given), FEW_STEPS)
    assert not found.converged.any()
    assert torch.equal(found.energy, descended.energy)


def test_where_the_systems_do_not_suffice_descent_is_what_is_told():
    given = strong_networks()
    # one solution of a linear system is not enough for networks with kinks
    found = kinks.relax_exactly(layers_of(given), *shown(given), HOW._replace(max_steps=1))
    assert not found.converged.all()
    assert (found.n_steps[~found.converged] <= 1).all()
