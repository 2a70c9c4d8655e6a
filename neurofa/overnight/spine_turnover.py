"""Spine turnover: synapses are lost, and others grow in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal
from neurofa.overnight.drift_speed import days_of_units

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def spine_turnover(
    network: Network,
    days: float,
    draws: Draws,
    *,
    rate: Tensor = per_animal(0.0, ge=0, lt=1, description="fraction of the hidden layers' synapses replaced per day"),
) -> None:
    """
    Replace each synapse of the hidden layers with probability q = 1 - (1 - rate)^days by one of log-normal size.

    A new weight is s exp(m + v z): z is standard normal, v^2 = log(<w^2> / <|w|>^2), m = log(<|w|>) - v^2 / 2, and the
    sign s is positive with probability <w > 0>, where <> is the mean over the synapses that the unit has at that time
    (those of inputs and recurrent ones together). Thus new synapses have the mean size and the mean square of those
    that were there, and their signs in the same proportion; where size does not depend on sign, mean and sd of a unit's
    weights are kept in expectation. Weights of exactly 0 are no synapses, and stay so. Single days add up to a gap as
    far as the fraction replaced is concerned, and in the distribution of sizes as far as a unit's moments are stable;
    those of units with few synapses wander, and without learning their norm tends to shrink, which
    `homeostatic_scaling` prevents.

    Predicts drift of tuning in jumps: most synapses keep their weights exactly while some change at once, so that for
    equal loss of similarity the changes of single weights are heavier-tailed than with synaptic noise. Spines of CA1
    live for 1 to 2 weeks on average (Attardo 2015), rates of 0.07 to 0.13 per day.

    Parameters
    ----------
    network : Network
        Changed in place.
    days : float
        Time since the last session, in days.
    draws : Draws
        Random numbers of the night.
    rate : torch.Tensor
        (animal,): fraction per day, 0 to 1.

    References
    ----------
    Attardo et al. 2015, 10.1038/nature14467 (turnover in CA1); Kappel et al. 2015, 10.1371/journal.pcbi.1004485
    (rewiring of networks that learn); Loewenstein et al. 2011, 10.1523/JNEUROSCI.6130-10.2011 (log-normal sizes).
    """
    import torch

    if days <= 0 or not bool((rate > 0).any()):
        return
    smallest = torch.finfo(rate.dtype).tiny
    for number, layer in enumerate(network.layers[:-1]):
        weights = layer.weights
        passed = days_of_units(network, number, days)
        replaced = -torch.expm1(passed * torch.log1p(-rate).reshape(-1, 1, 1))
        there = weights != 0
        n_synapses = there.sum(2, keepdim=True).clamp_min(1)
        size = (weights.abs().sum(2, keepdim=True) / n_synapses).clamp_min(smallest)
        root = (weights.square().sum(2, keepdim=True) / n_synapses).sqrt().clamp_min(smallest)
        positive = (weights > 0).sum(2, keepdim=True) / n_synapses
        variance = 2 * (root / size).log().clamp_min(0)
        shape = tuple(weights.shape[1:])
        # uniform; below q in synapses that are lost, and there below q <w > 0> where the new one is positive
        place = torch.special.ndtr(draws.normal(("spine turnover", number), shape))
        grown = size * torch.exp(variance.sqrt() * draws.normal(("spine size", number), shape) - variance / 2)
        grown = torch.where(place < replaced * positive, grown, -grown)
        weights.copy_(torch.where(there & (place < replaced), grown, weights))
