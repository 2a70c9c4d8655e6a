"""Homeostatic scaling: the synapses of a unit are scaled together towards the strength they had at birth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def homeostatic_scaling(
    network: Network,
    days: float,
    draws: Draws,
    *,
    rate: Tensor = per_animal(
        0.0, ge=0, lt=1, description="part of the way back to their norm at birth that a unit's weights go per day"
    ),
) -> None:
    """
    Scale the weights onto each hidden unit, w <- w n' / n, so that their norm n relaxes to the norm at birth, n0.

    n' = n0 + (n - n0) (1 - rate)^days: the distance from the norm at birth decays exponentially, whatever the gaps. All
    synapses of a unit (those of inputs and recurrent ones together) change by the same factor, so their ratios stay.
    A unit that has lost all its weights cannot be scaled, and stays as it is. The strength of a unit's synapses stands
    for the activity that the recorded neurons regulate.

    Predicts a change of gain, not of tuning: in the first layer a unit's drive keeps its shape over stimuli, and so
    does its rate as far as threshold and bias are small against the drive; recurrent activity changes in shape as well.
    Together with decay or noise it stands against silence and runaway, not against the turning of the code.

    Parameters
    ----------
    network : Network
        Changed in place; at birth the norms are remembered.
    days : float
        Time since the last session, in days.
    draws : Draws
        Not used.
    rate : torch.Tensor
        (animal,): fraction per day, 0 to 1.

    References
    ----------
    Turrigiano et al. 1998, 10.1038/36103 (multiplicative scaling).
    """
    if not bool((rate > 0).any()):
        return
    corrected = 1 - (1 - rate).reshape(-1, 1) ** days
    for number, layer in enumerate(network.layers[:-1]):
        norm = layer.weights.norm(dim=2)
        born = network.memory.setdefault(f"weight norm {number}", norm)
        factor = 1 + corrected * (born / norm.where(norm > 0, born) - 1)
        layer.weights.mul_(factor.where(norm > 0, 1.0).unsqueeze(2))
