"""Gain drift: how strongly every unit responds wanders at its own pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal
from neurofa.overnight.drift_speed import days_of_units
from neurofa.overnight.excitability_drift import log_uniform

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def gain_drift(
    network: Network,
    days: float,
    draws: Draws,
    *,
    sd: Tensor = per_animal(0.0, ge=0, description="sd over units of the log gain's wandering part"),
    fastest_days: Tensor = per_animal(6.0, gt=0, description="time constant of the fastest units, days"),
    slowest_days: Tensor = per_animal(32.0, gt=0, description="time constant of the slowest units, days"),
) -> None:
    """
    Let gains wander: gain = gain at birth * exp(e - sd^2 / 2), e stationary Ornstein-Uhlenbeck processes.

    e <- rho e + sd sqrt(1 - rho^2) N, rho = exp(-days / tau), N standard normal, tau log-uniform from fastest to
    slowest: the multiplicative form of `excitability_drift`, which adds to a unit's drive.

    Predicts that rates drift while tuning stays exactly as it is: the shape of a unit's rate over stimuli does not
    depend on its gain. What tuning changes nevertheless comes from learning, which sees other rates.

    Parameters
    ----------
    network : Network
        Changed in place; at birth the stationary state is drawn.
    days : float
        Time since the last session, in days.
    draws : Draws
        Random numbers of the night.
    sd, fastest_days, slowest_days : torch.Tensor
        (animal,): standard deviation over units, and range of the time constants in days.

    References
    ----------
    Delamare et al. 2024, 10.7554/eLife.88053 (excitability as the driver of drifting ensembles).
    """
    import torch

    if not bool((sd > 0).any()):
        return
    birth, spread = draws.at_birth(), sd.reshape(-1, 1)
    for number, layer in enumerate(network.layers[:-1]):
        shape = (layer.weights.shape[1],)
        tau = log_uniform(birth.normal(("gain time constant", number), shape), fastest_days, slowest_days)
        state = network.memory.get(f"gain drift {number}")
        if layer.gain is None:
            layer.gain = torch.ones_like(layer.weights[:, :, 0])
        if state is None:
            state = spread * birth.normal(("gain drift", number), shape)
            network.memory[f"gain drift {number}"] = state
            layer.gain.mul_(torch.exp(state - spread**2 / 2))
        rho = torch.exp(-days_of_units(network, number, days, dims=2) / tau)
        noise = draws.normal(("gain drift", number), shape)
        change = rho * state + spread * (1 - rho**2).clamp_min(0).sqrt() * noise - state
        layer.gain.mul_(torch.exp(change))
        state.add_(change)
