"""Synaptic noise: weights fluctuate on their own while learning goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal
from neurofa.overnight.drift_speed import days_of_units

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def synaptic_noise(
    network: Network,
    days: float,
    draws: Draws,
    *,
    step: Tensor = per_animal(0.0, ge=0, lt=1, description="step of the walk of the hidden layers' weights, per day"),
) -> None:
    """
    Let the hidden layers' weights fluctuate: W <- rho W + sqrt(1 - rho^2) sd N, rho = (1 - step^2)^(days / 2).

    sd is that of the weights of the unit, so the spread of a unit's weights is kept. Predicts drift that loses geometry
    as well as unit-level similarity, unless learning restores the geometry.

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
    Rokni et al. 2007, 10.1016/j.neuron.2007.04.030; Qin et al. 2023, 10.1038/s41593-022-01225-z.
    """
    if not bool((step > 0).any()):
        return
    for number, layer in enumerate(network.layers[:-1]):
        rho = (1 - step**2).reshape(-1, 1, 1) ** (days_of_units(network, number, days) / 2)
        fresh = (1 - rho**2).clamp_min(0).sqrt()
        sd = layer.weights.std(2, correction=0, keepdim=True)
        noise = draws.normal(("synaptic noise", number), tuple(layer.weights.shape[1:]))
        layer.weights.mul_(rho).add_(fresh * sd * noise)
