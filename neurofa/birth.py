"""What animals are born with: weights, gains, thresholds and feedback, from their own random numbers."""

from __future__ import annotations

from math import sqrt
from operator import attrgetter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neurofa.members import is_on
from neurofa.networks import Layer, Network, propagate, respond
from neurofa.networks.recurrent import RecurrentNetwork

if TYPE_CHECKING:
    from neurofa.cohort import Cohort


def feedforward_birth(cohort: Cohort) -> Network:
    """
    Feedforward networks of animals that have learned nothing.

    Parameters
    ----------
    cohort : Cohort
        The animals, their stimuli and the numbers of their rules.

    Returns
    -------
    Network
        Thresholds are set so that every unit is active for its fraction of the stimuli.
    """
    own, draws = cohort.protocol.network, cohort.draws("birth")
    private = cohort.first_rates is not None
    sizes = [cohort.stimuli.shape[1 if private else 2], *own.hidden, cohort.targets.shape[2]]
    layers = []
    for number, (pre, post) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        readout = number == len(sizes) - 2
        scale = cohort.numbers(attrgetter("network.readout_scale" if readout else "network.weight_scale"), 3)
        if number == 0 and cohort.first_rates is not None:
            weights = cohort.first_rates.transpose(1, 2).contiguous()
        else:
            weights = draws.normal(("weights", number), (post, pre)) * scale / pre**0.5
        bias = torch.zeros_like(weights[:, :, 0]) if own.biases else None
        layers.append(Layer(weights=weights, bias=bias))
    network = Network(layers, own.activation, own.loss, private=private)
    gains = is_on(own.gain_sd)
    rates = cohort.stimuli
    for number, layer in enumerate(layers[:-1]):
        drive = layer.weights.transpose(1, 2) if private and number == 0 else propagate(layer, rates)
        layer.drive_mean, layer.drive_square = drive.mean(1), drive.square().mean(1)
        shape = (layer.weights.shape[1],)
        if gains:
            sd = cohort.numbers(attrgetter("network.gain_sd"), 2)
            layer.gain = torch.exp(sd * draws.normal(("gain", number), shape) - sd**2 / 2)
        if is_on(cohort.protocol.rule.learning_rate_spread):
            sd = cohort.numbers(attrgetter("rule.learning_rate_spread"), 2)
            layer.plasticity = torch.exp(sd * draws.normal(("plasticity", number), shape) - sd**2 / 2)
        if own.output_gain:
            layer.output_gain = torch.ones_like(layer.weights[:, 0, :1])
        if is_on(own.active_fraction):
            fraction = cohort.numbers(attrgetter("network.active_fraction"), 2)
            spread = cohort.numbers(attrgetter("network.active_fraction_spread"), 2)
            logit = torch.logit(fraction) + spread * draws.normal(("active fraction", number), shape)
            layer.target_active = torch.sigmoid(logit)
            layer.threshold = _quantile(drive, 1 - fraction)
        rates = respond(layer, drive, own.activation)[2]
    cohort.build_rule(cohort.rates).birth(network, draws)
    return network


def recurrent_birth(cohort: Cohort) -> RecurrentNetwork:
    """
    Recurrent networks of animals that have learned nothing.

    Parameters
    ----------
    cohort : Cohort
        The animals, their stimuli and the numbers of their rules.

    Returns
    -------
    RecurrentNetwork
        Input weights normal with sd weight_scale / sqrt(inputs), recurrent ones with recurrent_scale / sqrt(units).
    """
    own, draws = cohort.protocol.network, cohort.draws("birth")
    n_inputs, n_units, n_outputs = cohort.stimuli.shape[3], own.hidden[0], cohort.targets.shape[3]

    def normal(name: str, setting: str, post: int, pre: int) -> Tensor:
        scale = cohort.numbers(attrgetter(f"network.{setting}"), 3) / sqrt(pre)
        return draws.normal((name,), (post, pre)) * scale

    into = normal("input weights", "weight_scale", n_units, n_inputs)
    within = normal("recurrent weights", "recurrent_scale", n_units, n_units)
    layers = [Layer(torch.cat([into, within], 2)), Layer(normal("readout", "readout_scale", n_outputs, n_units))]
    if own.biases:
        for layer in layers:
            layer.bias = torch.zeros_like(layer.weights[:, :, 0])
    step = own.time_step_ms / cohort.numbers(attrgetter("network.time_constant_ms"), 3)
    network = RecurrentNetwork(layers, own.activation, own.loss, step=step)
    cohort.build_rule(cohort.rates).birth(network, draws)
    return network


def _quantile(drive: Tensor, fraction: Tensor) -> Tensor:
    """Quantile over trials (axis 1) at one fraction per animal, linearly interpolated: (animal, unit)."""
    ordered = drive.sort(dim=1).values
    place = fraction.reshape(-1, 1, 1) * (drive.shape[1] - 1)
    below = place.floor().long().clamp(0, drive.shape[1] - 1)
    above = (below + 1).clamp(max=drive.shape[1] - 1)
    shape = (-1, -1, drive.shape[2])
    low, high = ordered.gather(1, below.expand(*shape)), ordered.gather(1, above.expand(*shape))
    return (low + (high - low) * (place - below)).squeeze(1)
