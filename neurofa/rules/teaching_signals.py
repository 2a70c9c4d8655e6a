"""First choice of a learning rule: what is sent back, computed at the output.

Sources: error, Lillicrap et al. 2016 (10.1038/ncomms13276); target, Frenkel et al. 2021 (10.3389/fnins.2021.629892);
centred target, Cheng & Brown 2023 (10.48550/arXiv.2304.01406).
"""

from collections.abc import Callable

import torch
from torch import Tensor

#: (network memory, output, target, scale) -> signal, all (animal, trial, output); scale (animal, 1, 1)
TeachingSignal = Callable[[dict[str, Tensor], Tensor, Tensor, Tensor], Tensor]


def error(memory: dict[str, Tensor], output: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """
    Target minus output.

    Parameters
    ----------
    memory : dict of str to torch.Tensor
        Not used.
    output, target : torch.Tensor
        (animal, trial, output).
    scale : torch.Tensor
        Not used.

    Returns
    -------
    torch.Tensor
        (animal, trial, output).
    """
    return target - output


def target(memory: dict[str, Tensor], output: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """
    The target itself.

    Parameters
    ----------
    memory : dict of str to torch.Tensor
        Not used.
    output : torch.Tensor
        Not used.
    target : torch.Tensor
        (animal, trial, output).
    scale : torch.Tensor
        Not used.

    Returns
    -------
    torch.Tensor
        (animal, trial, output).
    """
    return target


def centred_target(memory: dict[str, Tensor], output: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """
    The target minus its mean, less of it the better the animal performs: g (y - mean y), g = scale (1 - max(P, 0)).

    In batches the mean and the performance P (R^2 over trials and outputs) are those of the batch. Trial by trial both
    would make the signal zero, so the mean is that over the session's trials so far and P that of the previous session
    (0 at first); the simulation keeps them in `memory`.

    Parameters
    ----------
    memory : dict of str to torch.Tensor
        ``target_sum`` (animal, 1, output), ``target_count`` (animal, 1, 1) and ``performance`` (animal, 1, 1).
    output, target : torch.Tensor
        (animal, trial, output).
    scale : torch.Tensor
        (animal, 1, 1).

    Returns
    -------
    torch.Tensor
        (animal, trial, output).

    References
    ----------
    Cheng & Brown 2023, 10.48550/arXiv.2304.01406.
    """
    if target.shape[1] == 1:
        memory["target_sum"] += target
        memory["target_count"] += 1
        centred = target - memory["target_sum"] / memory["target_count"]
        performance = memory["performance"]
    else:
        centred = target - target.mean(1, keepdim=True)
        performance = coefficient_of_determination(output, target)
    return scale * (1 - performance.clamp_min(0)) * centred


def none(memory: dict[str, Tensor], output: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """
    Nothing: hidden layers learn from what is local to them alone, such as a penalty on their activity.

    Parameters
    ----------
    memory : dict of str to torch.Tensor
        Not used.
    output, target : torch.Tensor
        (animal, trial, output).
    scale : torch.Tensor
        Not used.

    Returns
    -------
    torch.Tensor
        (animal, trial, output), zeros.
    """
    return torch.zeros_like(target)


def coefficient_of_determination(output: Tensor, target: Tensor) -> Tensor:
    """
    R^2 of every animal's output over trials and output units.

    Parameters
    ----------
    output, target : torch.Tensor
        (animal, trial, output).

    Returns
    -------
    torch.Tensor
        (animal, 1, 1); 0 where the target does not vary.
    """
    residual = (target - output).square().sum((1, 2), keepdim=True)
    total = (target - target.mean(1, keepdim=True)).square().sum((1, 2), keepdim=True)
    return torch.where(
        total > 0, 1 - residual / total.clamp_min(torch.finfo(total.dtype).tiny), torch.zeros_like(total)
    )


TEACHING_SIGNALS: dict[str, TeachingSignal] = {
    "error": error,
    "target": target,
    "centred_target": centred_target,
    "none": none,
}
