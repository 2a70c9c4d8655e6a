"""Lateral inhibition within a layer: the rates at which inhibition balances what a layer is driven by."""

import warnings

import torch
from torch import Tensor

#: a rate has settled when it moves by less than this part of the largest of its trial
TOLERANCE = 1e-5
#: when it is given up, which is told
MAX_STEPS = 5000
_STEPS_PER_CHECK = 5


def settle(given: Tensor, lateral: Tensor, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS) -> Tensor:
    """
    Rates of a layer whose units inhibit each other: y_i = max(0, (d_i - sum_(j != i) L_ij y_j) / L_ii).

    These are where the neural dynamics of Hebbian / anti-Hebbian networks come to rest. For symmetric L without
    negative entries they minimise y^T L y / 2 - d^T y over rates that are not negative, which is looked for by
    accelerated projected descent with restarts (O'Donoghue & Candes 2015, 10.1007/s10208-013-9150-3), every trial of
    every animal for itself.

    Parameters
    ----------
    given : torch.Tensor
        (animal, trial, unit): d, drive minus threshold.
    lateral : torch.Tensor
        (animal, unit, unit): L, symmetric, not negative, its diagonal positive.
    tolerance : float, optional
        Largest movement of a step, relative to the trial's largest rate, at which a trial has settled.
    max_steps : int, optional
        When the search is given up; a warning says how many trials had not settled.

    Returns
    -------
    torch.Tensor
        (animal, trial, unit).
    """
    step = 1 / largest_eigenvalue(lateral)
    rates = (given * step).clamp_min(0)
    ahead, settled = rates, torch.zeros_like(given[..., :1], dtype=torch.bool)
    pace = torch.ones_like(given[..., :1])
    for number in range(1, max_steps + 1):
        new = (ahead + step * (given - torch.bmm(ahead, lateral))).clamp_min_(0)
        # what has settled stays, so that a trial does not depend on the others
        new = torch.where(settled, rates, new)
        moved = new - rates
        # against the way it came: start anew
        back = ((ahead - new) * moved).sum(2, keepdim=True) > 0
        pace = torch.where(back, 1.0, pace)
        faster = (1 + (1 + 4 * pace**2).sqrt()) / 2
        ahead = new + moved * torch.where(back, 0.0, (pace - 1) / faster)
        pace, rates = faster, new
        if number % _STEPS_PER_CHECK == 0:
            settled = settled | (moved.abs().amax(2, keepdim=True) <= tolerance * new.amax(2, keepdim=True))
            if bool(settled.all()):
                return rates
    warnings.warn(
        f"lateral inhibition did not settle within {max_steps} steps in {int((~settled).sum())} of {settled.numel()} "
        "trials; lower rule.update_noise, or raise rule.matching_leak",
        stacklevel=2,
    )
    return rates


def largest_eigenvalue(lateral: Tensor, n_steps: int = 8) -> Tensor:
    """
    Upper bound of the largest eigenvalue of matrices without negative entries (Collatz and Wielandt).

    Parameters
    ----------
    lateral : torch.Tensor
        (animal, unit, unit): not negative, its diagonal positive.
    n_steps : int, optional
        Steps of the power method from which the bound is made.

    Returns
    -------
    torch.Tensor
        (animal, 1, 1).
    """
    vector = torch.ones_like(lateral[:, :, :1])
    bound = torch.full_like(lateral[:, :1, :1], torch.inf)
    smallest = torch.finfo(lateral.dtype).tiny
    for _ in range(n_steps):
        new = torch.bmm(lateral, vector)
        bound = bound.minimum((new / vector).amax(1, keepdim=True))
        vector = (new / new.amax(1, keepdim=True)).clamp_min(smallest)
    return bound
