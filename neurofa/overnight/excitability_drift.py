"""Excitability drift: every unit's intrinsic excitability wanders at its own pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal
from neurofa.overnight.drift_speed import days_of_units

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
    log_spread: Tensor = per_animal(
        0.0, ge=0, description="sd over units of the log time constant, then log-normal; 0 = log-uniform"
    ),
    degrees_of_freedom: Tensor = per_animal(
        0.0,
        zero_or_gt=2,  # fewer have no standard deviation
        description="of Student t steps, one a day, greater than 2; 0 = normal steps",
    ),
) -> None:
    """
    Let excitabilities e follow stationary Ornstein-Uhlenbeck processes, each unit with a time constant tau of its own.

    e <- rho e + sd sqrt(1 - rho^2) N, rho = exp(-days / tau), N standard normal. tau is log-uniform from fastest to
    slowest or, where `log_spread` is above 0, log-normal: sqrt(fastest * slowest) exp(log_spread z), z standard normal;
    a unit keeps its rank among the others.

    With `degrees_of_freedom` nu the process goes in steps of 1 day (the rest of a gap is one shorter step), and N is a
    Student t number over its sd, sqrt(nu / (nu - 2)): most days change little, some much. Gaps of whole days compose
    exactly; sd and correlations are those of normal steps, while the tails of the change over a gap become normal as
    days add up. The state at birth is normal.

    Predicts that rates drift more than tuning does; with a spread of time constants that stable and unstable units stay
    so, and with Student t steps that changes from day to day are heavy-tailed also in a single unit.

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
    log_spread : torch.Tensor
        (animal,): standard deviation over units of the natural log of the time constant; 0 for log-uniform ones.
    degrees_of_freedom : torch.Tensor
        (animal,): of the Student t distribution of steps, greater than 2; 0 for normal steps.

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
        rank = birth.normal(("excitability time constant", number), shape)
        tau = log_uniform(rank, fastest_days, slowest_days)
        if bool((log_spread > 0).any()):
            around = (fastest_days * slowest_days).sqrt().reshape(-1, 1) * torch.exp(log_spread.reshape(-1, 1) * rank)
            tau = torch.where(log_spread.reshape(-1, 1) > 0, around, tau)
        passed = days_of_units(network, number, days, dims=2)
        rho = torch.exp(-passed / tau)
        if layer.excitability is None:
            layer.excitability = spread * birth.normal(("excitability", number), shape)
        before = layer.excitability
        noise = draws.normal(("excitability", number), shape)
        layer.excitability = rho * before + spread * (1 - rho**2).clamp_min(0).sqrt() * noise
        if days > 0 and bool((degrees_of_freedom > 0).any()):
            # a unit to which more days happen has a shorter time constant in days of the calendar
            own = tau if isinstance(passed, float) else tau * days / passed.clamp_min(torch.finfo(tau.dtype).tiny)
            jumped = _daily_steps(before, days, own, spread, draws, number, degrees_of_freedom)
            layer.excitability = torch.where(degrees_of_freedom.reshape(-1, 1) > 0, jumped, layer.excitability)


def log_uniform(rank: Tensor, fastest_days: Tensor, slowest_days: Tensor) -> Tensor:
    """
    Time constants between two ends, uniform on a logarithmic scale.

    Parameters
    ----------
    rank : torch.Tensor
        (animal, unit): standard normal.
    fastest_days, slowest_days : torch.Tensor
        (animal,): the ends, in days.

    Returns
    -------
    torch.Tensor
        (animal, unit), in days.
    """
    import torch

    ratio = (slowest_days / fastest_days).reshape(-1, 1)
    tau: Tensor = fastest_days.reshape(-1, 1) * ratio ** torch.special.ndtr(rank)
    return tau


def _daily_steps(
    excitability: Tensor, days: float, tau: Tensor, spread: Tensor, draws: Draws, number: int, degrees: Tensor
) -> Tensor:
    """Excitability (animal, unit) after a gap, one step of Student t noise a day, the rest of the gap at its end."""
    import torch

    n_days = int(days)
    lengths = [1.0] * n_days + ([days - n_days] if days > n_days else [])
    pairs = draws.normal(("excitability steps", number), (len(lengths), 2, excitability.shape[1]))
    # animals with normal steps get any number here, and go without
    noise = _student(pairs, torch.where(degrees > 0, degrees, 3.0).reshape(-1, 1, 1))
    for step, length in enumerate(lengths):
        rho = torch.exp(-length / tau)
        excitability = rho * excitability + spread * (1 - rho**2).clamp_min(0).sqrt() * noise[:, step]
    return excitability


def _student(pairs: Tensor, degrees: Tensor) -> Tensor:
    """
    Student t numbers (animal, step, unit) over their sd, from pairs of normal ones (animal, step, 2, unit).

    x sqrt(nu / r^2 (exp(r^2 / nu) - 1)), r^2 = x^2 + y^2: the polar method of Bailey 1994, Mathematics of Computation
    62: 779, exact for any nu.
    """
    import torch

    square = pairs.square().sum(2).clamp_min(torch.finfo(pairs.dtype).tiny)
    return pairs[:, :, 0] * (torch.expm1(square / degrees) / square * (degrees - 2)).sqrt()
