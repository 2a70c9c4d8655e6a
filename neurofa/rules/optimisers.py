"""How an ascent direction becomes a step: plain gradient steps, momentum or Adam; state in the networks' memory."""

from collections.abc import Callable

import torch
from torch import Tensor

from neurofa.networks import Network

#: share of the old velocity that is kept; decay of Adam's first and second moments, and what keeps it finite
MOMENTUM, FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.9, 0.999, 1e-8

#: (network, name of the parameter, ascent direction, rate) -> change; all shaped like the parameter, rate broadcasts
Optimiser = Callable[[Network, str, Tensor, Tensor], Tensor]


def gradient(network: Network, name: str, ascent: Tensor, rate: Tensor) -> Tensor:
    """
    Plain step: rate * ascent.

    Parameters
    ----------
    network : Network
        Not used.
    name : str
        Not used.
    ascent : torch.Tensor
        (animal, ...): direction in which the loss falls.
    rate : torch.Tensor
        (animal, 1, ...).

    Returns
    -------
    torch.Tensor
        (animal, ...): the change.
    """
    return rate * ascent


def momentum(network: Network, name: str, ascent: Tensor, rate: Tensor) -> Tensor:
    """
    Step with momentum: v <- 0.9 v + ascent, change rate * v (Polyak 1964, 10.1016/0041-5553(64)90137-5).

    Parameters
    ----------
    network : Network
        Its memory holds the velocity.
    name : str
        Of the parameter.
    ascent : torch.Tensor
        (animal, ...): direction in which the loss falls.
    rate : torch.Tensor
        (animal, 1, ...).

    Returns
    -------
    torch.Tensor
        (animal, ...): the change.
    """
    velocity = network.memory[f"velocity {name}"]
    velocity.mul_(MOMENTUM).add_(ascent)
    return rate * velocity


def adam(network: Network, name: str, ascent: Tensor, rate: Tensor) -> Tensor:
    """
    Step of Adam with bias correction (Kingma & Ba 2015, arXiv 1412.6980).

    Parameters
    ----------
    network : Network
        Its memory holds the moments, and the number of steps so far.
    name : str
        Of the parameter.
    ascent : torch.Tensor
        (animal, ...): direction in which the loss falls.
    rate : torch.Tensor
        (animal, 1, ...).

    Returns
    -------
    torch.Tensor
        (animal, ...): the change.
    """
    first, second = network.memory[f"first moment {name}"], network.memory[f"second moment {name}"]
    steps = network.memory[f"steps {name}"]
    steps += 1
    count = steps.reshape(-1, *[1] * (ascent.ndim - 1))
    first.mul_(FIRST_DECAY).add_(ascent, alpha=1 - FIRST_DECAY)
    second.mul_(SECOND_DECAY).addcmul_(ascent, ascent, value=1 - SECOND_DECAY)
    size = (second / (1 - SECOND_DECAY**count)).sqrt() + EPSILON
    return rate * first / (1 - FIRST_DECAY**count) / size


OPTIMISERS: dict[str, Optimiser] = {"gradient": gradient, "momentum": momentum, "adam": adam}
#: what each of them remembers of a parameter
REMEMBERED: dict[str, tuple[str, ...]] = {
    "gradient": (),
    "momentum": ("velocity",),
    "adam": ("first moment", "second moment"),
}


def birth(network: Network, optimiser: str) -> None:
    """
    Give the networks the memory that an optimiser needs.

    Parameters
    ----------
    network : Network
        Changed in place.
    optimiser : str
        Its name.
    """
    for number, layer in enumerate(network.layers):
        for key in ("weights", "bias", "output_gain"):
            parameter = getattr(layer, key)
            if parameter is None:
                continue
            for kind in REMEMBERED[optimiser]:
                network.memory[f"{kind} {key} {number}"] = torch.zeros_like(parameter)
            if optimiser == "adam":
                network.memory[f"steps {key} {number}"] = torch.zeros_like(parameter.flatten(1)[:, :1])
