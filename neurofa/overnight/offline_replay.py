"""Offline replay: between sessions animals learn from what they remember."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from neurofa.checking import per_animal
from neurofa.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from neurofa.draws import Draws
    from neurofa.networks import Network


def offline_replay(
    network: Network,
    days: float,
    draws: Draws,
    *,
    passes: Tensor = per_animal(0.0, ge=0, description="how often all stimuli are replayed, per day"),
    noise_sd: Tensor = per_animal(0.15, ge=0, description="sd of the noise on every input of a replayed stimulus"),
    own_reports: Tensor = per_animal(
        0.0, ge=0, le=1, description="share of the animal's own report in the replayed target; 0 = the true target"
    ),
    learn: Callable[[Tensor, Tensor, Tensor], None] | None = None,
) -> None:
    """
    Replay the stimuli that are learned in sessions, noisy, and learn from them by the animal's own rule.

    As many passes as the days of the gap ask for, rounded, after everything else has happened in the night; stimuli
    without the input gains of any session; networks that spike replay in spikes. The target is (1 - own_reports) times
    the true one plus own_reports times what the animal reported for the stimulus, noiseless and in rates, before the
    replay: with 1 nothing from outside teaches, and replay can only make reports robust.

    Predicts that performance outlives gaps. Where synapses are noisy it restores the report, not the units that
    carried it, so drift remains; where feedback walks it lets the code follow during the gap, so that more of it turns
    per day.

    Parameters
    ----------
    network : Network
        Changed in place.
    days : float
        Time since the last session, in days.
    draws : Draws
        Not used: learning has numbers of its own.
    passes, noise_sd, own_reports : torch.Tensor
        (animal,): passes per day, standard deviation in units of the inputs, share.
    learn : callable, optional
        From the engine: takes passes, noise and shares of all animals, and lets them learn.

    Raises
    ------
    ConfigError
        Where the animals cannot replay.

    References
    ----------
    Káli & Dayan 2004, 10.1038/nn1202 (replay that maintains memories).
    """
    if not bool((passes > 0).any()):
        return
    if learn is None:
        raise ConfigError(
            "overnight.offline_replay needs feedforward networks, and stimuli that are the same in every session; "
            "set it to 0, or choose network.kind feedforward and another stimulus set"
        )
    if days > 0:
        learn((passes * days).round(), noise_sd, own_reports)
