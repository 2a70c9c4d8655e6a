"""Forgetting by decay of the weights: towards zero, or towards what an animal was born with.

The source argues that decay is a process of its own; that it is exponential, and where it ends, is chosen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal
from neurofa.overnight.drift_speed import days_of_units

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def weight_decay(
    network: Network,
    days: float,
    draws: Draws,
    *,
    rate: Tensor = per_animal(0.0, ge=0, lt=1, description="fraction of the hidden layers' weights forgotten per day"),
) -> None:
    """
    Let the weights of the hidden layers decay: W <- W (1 - rate)^days.

    Alone it predicts a loss of the code that learning repairs; with walking feedback it lets the code turn. What is not
    rehearsed for long is lost altogether, which `decay_to_birth` avoids.

    Parameters
    ----------
    network : Network
        Changed in place.
    days : float
        Time since the last session, in days.
    draws : Draws
        Not used.
    rate : torch.Tensor
        (animal,): fraction per day, 0 to 1.

    References
    ----------
    Hardt et al. 2013, 10.1016/j.tics.2013.01.001 (a brain-wide decay that forgets what is not kept).
    """
    for number, layer in enumerate(network.layers[:-1]):
        layer.weights.mul_((1 - rate).reshape(-1, 1, 1) ** days_of_units(network, number, days))


def readout_decay(
    network: Network,
    days: float,
    draws: Draws,
    *,
    rate: Tensor = per_animal(0.0, ge=0, lt=1, description="fraction of the readout's weights forgotten per day"),
) -> None:
    """
    Let the weights of the readout decay: W <- W (1 - rate)^days.

    Alone it predicts weaker reports after gaps, and a hidden code that stays; with walking feedback it lets the readout
    follow the units that carry the target now.

    Parameters
    ----------
    network : Network
        Changed in place.
    days : float
        Time since the last session, in days.
    draws : Draws
        Not used.
    rate : torch.Tensor
        (animal,): fraction per day, 0 to 1.

    References
    ----------
    Hardt et al. 2013, 10.1016/j.tics.2013.01.001 (a brain-wide decay that forgets what is not kept).
    """
    network.layers[-1].weights.mul_((1 - rate).reshape(-1, 1, 1) ** days)


def decay_to_birth(
    network: Network,
    days: float,
    draws: Draws,
    *,
    rate: Tensor = per_animal(
        0.0, ge=0, lt=1, description="part of what the hidden layers' weights have learned, forgotten per day"
    ),
) -> None:
    """
    Let what the hidden layers have learned decay: W <- B + (W - B) (1 - rate)^days, B the weights at birth.

    Alone it predicts no drift at all once learning has become stationary: what is forgotten is learned again, in the
    same units, since the feedback is the same. With walking feedback it lets the code turn like `weight_decay`, but
    around a part that each unit keeps for life, and after a long gap a code of innate tuning is left.

    Parameters
    ----------
    network : Network
        Changed in place; at birth the weights are remembered.
    days : float
        Time since the last session, in days.
    draws : Draws
        Not used.
    rate : torch.Tensor
        (animal,): fraction per day, 0 to 1.

    References
    ----------
    Hardt et al. 2013, 10.1016/j.tics.2013.01.001 (a brain-wide decay that forgets what is not kept).
    """
    if not bool((rate > 0).any()):
        return
    for number, layer in enumerate(network.layers[:-1]):
        born = network.memory.setdefault(f"weights at birth {number}", layer.weights.clone())
        kept = (1 - rate).reshape(-1, 1, 1) ** days_of_units(network, number, days)
        layer.weights.copy_(layer.weights.where(kept == 1, born + (layer.weights - born) * kept))
