"""Random walk of the feedback weights: the drift mechanism that the theory of target embedding predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal
from neurofa.overnight.drift_speed import days_of_units

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def feedback_walk(
    network: Network,
    days: float,
    draws: Draws,
    *,
    step: Tensor = per_animal(0.0, ge=0, lt=1, description="step of the walk of the feedback weights, per day"),
) -> None:
    """
    Let the feedback weights diffuse, their norm kept: F <- rho F + sqrt(1 - rho^2) N, rho = (1 - step^2)^(days / 2).

    N is normal with the standard deviation that each animal's F had at birth. Predicts that the units that carry the
    target change while the geometry of the code stays, as long as old weights are forgotten and learning goes on.

    Parameters
    ----------
    network : Network
        Changed in place.
    days : float
        Time since the last session, in days.
    draws : Draws
        Random numbers of the night.
    step : torch.Tensor
        (animal,): step per day, 0 to 1.

    References
    ----------
    Built on Cheng & Brown 2023, 10.48550/arXiv.2304.01406.
    """
    if not bool((step > 0).any()):
        return
    for number, layer in enumerate(network.layers):
        for name, weights in (("feedback", layer.feedback), ("feedback hidden", layer.feedback_hidden)):
            if weights is not None:
                # the units of a feedback network are no units of the layer
                passed = days_of_units(network, number, days) if name == "feedback" else days
                rho = (1 - step**2).reshape(-1, 1, 1) ** (passed / 2)
                fresh = (1 - rho**2).clamp_min(0).sqrt()
                sd = network.memory.get(f"{name} sd {number}")
                if sd is None:
                    sd = weights.square().mean((1, 2), keepdim=True).sqrt()
                    network.memory[f"{name} sd {number}"] = sd
                noise = draws.normal(("feedback walk", name, number), tuple(weights.shape[1:]))
                weights.mul_(rho).add_(fresh * sd * noise)
