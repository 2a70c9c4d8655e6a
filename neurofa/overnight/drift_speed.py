"""Drift speed: in the same night more time passes for some units than for others, and some nights bring jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurofa.checking import per_animal
from neurofa.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def drift_speed(
    network: Network,
    days: float,
    draws: Draws,
    *,
    sd: Tensor = per_animal(0.0, ge=0, description="sd over hidden units of the log of their drift speed (mean 1)"),
    excitability_correlation: Tensor = per_animal(
        0.0, ge=-1, le=1, description="of log speed with excitability; below 0: more excitable units drift less"
    ),
    jump_days: Tensor = per_animal(
        0.0, ge=0, description="days of drift that come at once, as jumps; 0 = time passes steadily"
    ),
) -> None:
    """
    Let a time of its own pass for every hidden unit: s G days in place of the calendar's, for all other processes.

    s = exp(sd z - sd^2 / 2) is the unit's speed, constant for life, z standard normal with the given correlation to the
    unit's excitability: the standardised sum of the standardised log gain and logit of the active fraction that the
    unit was born with. G is gamma-distributed with mean days and variance days * jump_days (equal to days where
    `jump_days` is 0), new in every night. G of two nights add up to that of one night as long as both, so gaps
    compose in distribution.

    Feedback walk, decay of hidden weights, synaptic noise, spine turnover, excitability and gain drift take the time of
    their units; readout decay, homeostatic scaling and replay that of the calendar.

    Predicts that stable and unstable units stay so, with correlation that the active ones are the stable ones, and with
    jumps that changes from session to session are heavy-tailed: over all units, the change of a quantity that diffuses
    has an excess kurtosis of 3 ((1 + jump_days / days) exp(sd^2) - 1), in a single unit with sd = 0 (a variance-gamma
    process). Recorded changes have such tails.

    Parameters
    ----------
    network : Network
        Its memory is changed: the time that this night is for every unit.
    days : float
        Time since the last session, in days.
    draws : Draws
        Random numbers of the night.
    sd, excitability_correlation, jump_days : torch.Tensor
        (animal,): spread of log speeds, their correlation with excitability, and clustering of drift in time, days.

    Raises
    ------
    ConfigError
        Where speed should depend on excitability but all units are equally excitable.

    References
    ----------
    Micou & O'Leary 2026, 10.1371/journal.pcbi.1014297 (jumps in recorded drift); Madan & Seneta 1990, 10.1086/296519
    (gamma-distributed time).
    """
    import torch

    if not bool(((sd > 0) | (jump_days > 0)).any()):
        return
    for number, layer in enumerate(network.layers[:-1]):
        shape = (layer.weights.shape[1],)
        speed = network.memory.get(f"drift speed {number}")
        if speed is None:
            speed = _speeds(network, number, sd.reshape(-1, 1), excitability_correlation.reshape(-1, 1), draws)
            network.memory[f"drift speed {number}"] = speed
        passed = torch.full_like(speed, days)
        for animal, jump in enumerate(jump_days.tolist()):
            if jump > 0:
                own = draws.generator(animal, ("time of units", number)).gamma(days / jump, jump, shape)
                passed[animal] = torch.from_numpy(own).to(passed)
        network.memory[f"time of units {number}"] = speed * passed


def days_of_units(network: Network, number: int, days: float, dims: int = 3) -> Tensor | float:
    """
    Time that a night is for the units of a layer.

    Parameters
    ----------
    network : Network
        The networks.
    number : int
        The hidden layer, from 0.
    days : float
        Time since the last session, in days.
    dims : int, optional
        Dimensions of the result.

    Returns
    -------
    float or torch.Tensor
        (animal, unit, 1, ...) in days, from `drift_speed`; the calendar's days where that is off.
    """
    passed = network.memory.get(f"time of units {number}")
    return days if passed is None else passed.reshape(*passed.shape, *[1] * (dims - 2))


def _speeds(network: Network, number: int, sd: Tensor, correlation: Tensor, draws: Draws) -> Tensor:
    """Speeds (animal, unit) that units are born with."""
    import torch

    layer = network.layers[number]
    independent = draws.at_birth().normal(("drift speed", number), (layer.weights.shape[1],))
    if not bool(((correlation != 0) & (sd > 0)).any()):
        return torch.exp(sd * independent - sd**2 / 2)
    parts = [torch.log(layer.gain)] if layer.gain is not None else []
    parts += [torch.logit(layer.target_active)] if layer.target_active is not None else []
    excitability = sum((_standardised(part) for part in parts), torch.zeros_like(independent))
    alike = excitability.std(1, keepdim=True) == 0
    if bool((alike & (correlation != 0) & (sd > 0)).any()):
        raise ConfigError(
            "overnight.drift_speed.excitability_correlation needs units that differ in excitability; "
            "set network.gain_sd or network.active_fraction_spread to more than 0, or the correlation to 0"
        )
    mixed = correlation * _standardised(excitability) + (1 - correlation**2).sqrt() * independent
    return torch.exp(sd * mixed - sd**2 / 2)


def _standardised(values: Tensor) -> Tensor:
    """Mean 0 and sd 1 over units (axis 1); 0 where all are the same."""
    spread = values.std(1, correction=0, keepdim=True)
    same = spread <= 1e-6 * values.abs().amax(1, keepdim=True)
    centred = values - values.mean(1, keepdim=True)
    return centred.where(~same, 0.0) / spread.where(~same, 1.0)
