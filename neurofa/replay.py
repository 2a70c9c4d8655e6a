"""What acts overnight on the animals of a cohort; processes that ask for it let them replay their stimuli."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from inspect import signature
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from neurofa.draws import Draws
from neurofa.members import is_number
from neurofa.networks import Network, forward
from neurofa.settings import overnight_process

if TYPE_CHECKING:
    from neurofa.cohort import Cohort


def processes_of_nights(cohort: Cohort) -> list[tuple[str, Callable[..., None], dict[str, Any]]]:
    """
    What acts on the animals of a cohort overnight.

    Parameters
    ----------
    cohort : Cohort
        The animals.

    Returns
    -------
    list of tuple
        Name, function and parameters of every process, numbers as tensors (animal,).
    """
    found: list[tuple[str, Callable[..., None], dict[str, Any]]] = []
    of_members = [member.protocol.overnight.processes() for member in cohort.members]
    for name, parameters in of_members[0].items():
        values: dict[str, Any] = {}
        for key, value in parameters.items():
            if is_number(value):
                given = [processes[name][key] for processes in of_members]
                each = zip(given, cohort.members, strict=True)
                own = [one[member.index] if isinstance(one, list) else one for one, member in each]
                values[key] = torch.from_numpy(np.array(own, dtype=float)).to(cohort.device, cohort.dtype)
            else:
                values[key] = value
        process = learning_offline(overnight_process(name, cohort.protocol.overnight.folder), cohort)
        found.append((name, process, values))
    return found


def learning_offline(process: Callable[..., Any], cohort: Cohort) -> Callable[..., Any]:
    """
    Give an overnight process what lets animals learn, where it asks for it.

    Parameters
    ----------
    process : callable
        An overnight process.
    cohort : Cohort
        The animals.

    Returns
    -------
    callable
        The process itself, or with its parameter `learn` filled in: None where these animals cannot replay.
    """
    if "learn" not in signature(process).parameters:
        return process

    def with_learning(network: Network, days: float, draws: Draws, **values: Any) -> Any:
        able = cohort.protocol.network.kind == "feedforward"
        learn = partial(replay, cohort, draws) if able and not cohort.renewals else None
        return process(network, days, draws, learn=learn, **values)

    return with_learning


def replay(cohort: Cohort, draws: Draws, passes: Tensor, noise_sd: Tensor, own_reports: Tensor) -> None:
    """
    Let animals learn from their stimuli, without input gains of a session.

    Parameters
    ----------
    cohort : Cohort
        Its networks are changed in place.
    draws : Draws
        Random numbers of the night.
    passes : torch.Tensor
        (animal,): whole numbers, how often all stimuli are replayed.
    noise_sd, own_reports : torch.Tensor
        (animal,): noise on every input, and share of the animal's own report in the target.
    """
    whole = cohort.session(cohort.stimuli, 1)
    reported = forward(cohort.network, whole.stimuli).output
    share = own_reports.reshape(-1, 1, 1)
    targets = (1 - share) * whole.targets + share * reported
    own_draws = Draws(draws.seed, draws.indices, ("replay", *draws.occasion), draws.dtype, draws.device)
    start = 0
    # animals with as many passes learn together
    for n_passes, alike in groupby(passes.long().tolist()):
        own = (start, start + len(list(alike)))
        start = own[1]
        if n_passes:
            session = replace(whole, targets=targets, passes=n_passes, noise_sd=noise_sd.reshape(-1, 1, 1))
            some = (cohort.network.animals(*own), cohort.rates.animals(*own), session.animals(*own))
            cohort.learn_by_trials(*some, own_draws.animals(*own))
