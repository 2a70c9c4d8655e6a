"""Forgetting by decay of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal

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

    Alone it predicts a loss of the code that learning repairs; with walking feedback it lets the code turn.

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
    """
    for layer in network.layers[:-1]:
        layer.weights.mul_((1 - rate).reshape(-1, 1, 1) ** days)


def readout_decay(
    network: Network,
    days: float,
    draws: Draws,
    *,
    rate: Tensor = per_animal(0.0, ge=0, lt=1, description="fraction of the readout's weights forgotten per day"),
) -> None:
    """
    Let the weights of the readout decay: W <- W (1 - rate)^days.

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
    """
    network.layers[-1].weights.mul_((1 - rate).reshape(-1, 1, 1) ** days)
