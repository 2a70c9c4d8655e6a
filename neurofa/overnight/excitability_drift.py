"""Excitability drift: every unit's intrinsic excitability wanders at its own pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def excitability_drift(
    network: Network,
    days: float,
    draws: Draws,
    *,
    sd: Tensor = per_animal(0.0, ge=0, description="sd over units of the excitability, in sd of a unit's drive"),
    fastest_days: Tensor = per_animal(5.0, gt=0, description="time constant of the fastest units, days"),
    slowest_days: Tensor = per_animal(65.0, gt=0, description="time constant of the slowest units, days"),
) -> None:
    """
    Let excitabilities follow stationary Ornstein-Uhlenbeck processes with log-uniform time constants.

    Predicts that rates drift more than tuning does.

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
    birth = draws.at_birth()
    spread = sd.reshape(-1, 1)
    for number, layer in enumerate(network.layers[:-1]):
        shape = (layer.weights.shape[1],)
        place = torch.special.ndtr(birth.normal(("excitability time constant", number), shape))
        ratio = (slowest_days / fastest_days).reshape(-1, 1)
        rho = torch.exp(-days / (fastest_days.reshape(-1, 1) * ratio**place))
        if layer.excitability is None:
            layer.excitability = spread * birth.normal(("excitability", number), shape)
        noise = draws.normal(("excitability", number), shape)
        layer.excitability = rho * layer.excitability + spread * (1 - rho**2).clamp_min(0).sqrt() * noise
