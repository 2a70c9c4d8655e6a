"""Equilibria of predictive coding against those of the library pcx, where it is installed (pip install pcx==0.6.3)."""

import numpy as np
import pytest
import torch

from neurofa.measures import Inference
from neurofa.measures.prediction_error.equilibrium import Equilibrium
from neurofa.measures.prediction_error.kinks import relax_exactly
from neurofa.networks import Layer, Network, forward
from neurofa.rules.predictive_coding import predicting_layers

pytest.importorskip("pcx", reason="the optional peer pcx is not installed (pip install pcx==0.6.3)")

SIZES = (5, 6, 4, 3)
N_STIMULI = 20


def network(activation: str, loss: str) -> Network:
    """One random network in double precision."""
    rng = np.random.default_rng(5)
    layers = [
        Layer(
            weights=torch.from_numpy(1.2 * rng.standard_normal((1, post, pre)) / np.sqrt(pre)),
            bias=torch.from_numpy(0.3 * rng.standard_normal((1, post))),
        )
        for pre, post in zip(SIZES[:-1], SIZES[1:], strict=True)
    ]
    return Network(layers, activation, loss)


def shown(loss: str) -> tuple[np.ndarray, np.ndarray]:
    """Stimuli and targets, of cross-entropy probabilities."""
    rng = np.random.default_rng(6)
    stimuli, targets = rng.standard_normal((N_STIMULI, SIZES[0])), rng.standard_normal((N_STIMULI, SIZES[-1]))
    if loss == "cross_entropy":
        targets = np.exp(targets) / np.exp(targets).sum(1, keepdims=True)
    return stimuli, targets


def ours_at_rest(own: Network, stimuli: np.ndarray, targets: np.ndarray) -> Equilibrium:
    """The equilibrium of this package, which has converged."""
    how = Inference(tolerance=1e-11, max_steps=20_000)
    found = relax_exactly(predicting_layers(own), torch.from_numpy(stimuli)[None], torch.from_numpy(targets)[None], how)
    assert found.converged.all()
    return found


def peer_states(own: Network, stimuli: np.ndarray, targets: np.ndarray) -> tuple[list[np.ndarray], float, float]:
    """Hidden states, energy and largest force where the peer's own nodes and optimiser come to rest."""
    import jax
    import optax
    import pcx.functional as pxf
    import pcx.nn as pxnn
    import pcx.predictive_coding as pxc
    import pcx.utils as pxu

    activation = {"identity": lambda x: x, "tanh": jax.numpy.tanh, "relu": jax.nn.relu}[own.activation]
    output_energy = pxc.ce_energy if own.loss == "cross_entropy" else pxc.se_energy

    class Peer(pxc.EnergyModule):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [pxnn.Linear(pre, post) for pre, post in zip(SIZES[:-1], SIZES[1:], strict=True)]
            self.vodes = [pxc.Vode(), pxc.Vode(), pxc.Vode(output_energy)]
            self.vodes[-1].h.frozen = True
            for layer, ours in zip(self.layers, own.layers, strict=True):
                layer.nn.weight.set(jax.numpy.asarray(ours.weights[0].numpy()))
                layer.nn.bias.set(jax.numpy.asarray(ours.bias[0].numpy()))

        def __call__(self, x, y=None):
            for number, (layer, vode) in enumerate(zip(self.layers, self.vodes, strict=True)):
                x = vode(layer(x) if number == len(self.layers) - 1 else activation(layer(x)))
            if y is not None:
                self.vodes[-1].set("h", y)
            return self.vodes[-1].get("u")

    of_stimuli = pxu.M(pxc.VodeParam | pxc.VodeParam.Cache).to((None, 0))

    @pxf.vmap(of_stimuli, in_axes=(0, 0), out_axes=0)
    def first_pass(x, y, *, model):
        return model(x, y)

    @pxf.vmap(of_stimuli, in_axes=(0,), out_axes=(None, 0), axis_name="stimulus")
    def energy(x, *, model):
        output = model(x)
        return jax.lax.psum(model.energy(), "stimulus"), output

    gradient = pxf.value_and_grad(pxu.M_hasnot(pxc.VodeParam, frozen=True).to((False, True)), has_aux=True)(energy)

    @pxf.jit()
    def descend(x, *, model, optimiser):
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            (value, _), found = gradient(x, model=model)
        optimiser.step(model, found["model"])
        forces = [vode.h.get() for vode in found["model"].vodes[:-1]]
        return value, jax.numpy.stack([abs(one).max() for one in forces]).max()

    with jax.experimental.enable_x64():
        model, x = Peer(), jax.numpy.asarray(stimuli)
        with pxu.step(model, pxc.STATUS.INIT, clear_params=pxc.VodeParam.Cache):
            first_pass(x, jax.numpy.asarray(targets), model=model)
        optimiser = pxu.Optim(lambda: optax.sgd(0.1), pxu.M_hasnot(pxc.VodeParam, frozen=True)(model))
        for _ in range(3000):
            value, force = descend(x, model=model, optimiser=optimiser)
            if force < 1e-12:
                break
        return [np.asarray(vode.h.get()) for vode in model.vodes[:-1]], float(value), float(force)


@pytest.mark.parametrize(
    ("activation", "loss"),
    [("identity", "squared_error"), ("tanh", "squared_error"), ("relu", "squared_error"), ("tanh", "cross_entropy")],
)
def test_states_at_the_equilibrium_are_those_of_the_peer(activation: str, loss: str) -> None:
    own, (stimuli, targets) = network(activation, loss), shown(loss)
    if activation == "relu":
        # stimuli that come to rest on a kink are left out: there the peer's descent never rests
        slopes = ours_at_rest(own, stimuli, targets).slopes[1][0]
        away = ((slopes == 0) | (slopes == 1)).all(1).numpy()
        assert away.sum() >= 8 and (slopes[away] == 0).any() and (slopes[away] == 1).any()
        stimuli, targets = stimuli[away], targets[away]
    found = ours_at_rest(own, stimuli, targets)
    states, energy, force = peer_states(own, stimuli, targets)
    assert force < 1e-11
    for ours, theirs in zip(found.rates, states, strict=True):
        assert theirs.dtype == np.float64
        np.testing.assert_allclose(ours[0].numpy(), theirs, rtol=0, atol=1e-8)
    assert float(found.energy[0, -1]) == pytest.approx(energy, rel=1e-10)
    # inference has moved them: they are not the states of the forward pass
    for ours, first in zip(found.rates, forward(own, torch.from_numpy(stimuli)[None]).rates[1:], strict=False):
        assert float((ours - first).abs().max()) > 0.01
