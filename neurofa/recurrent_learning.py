"""Sessions of recurrent networks: one call per session, as for feedforward networks in `neurofa.learning`."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from neurofa.draws import Draws
from neurofa.learning import Learned, Session, chosen, judge, learn_in_chunks
from neurofa.networks.recurrent import RecurrentNetwork, forward_in_time, loss_in_time, mean_report
from neurofa.rules.recurrent import RecurrentRule
from neurofa.rules.rule import Rates

#: small networks gain from each other's company: animals are taken together up to so many values
_CHUNK_VALUES = 2**22
#: chunks that a cohort is divided into at least; a constant, so that results do not depend on the threads
_SHARES = 2


@dataclass(frozen=True)
class SessionInTime(Session):
    """
    What happens in one session of trials that have a course.

    Attributes
    ----------
    stimuli : torch.Tensor
        (animal, stimulus, time, input): with the session's input gains; noise is new at every time step.
    targets : torch.Tensor
        (animal, stimulus, time, output).
    weight : torch.Tensor
        (animal, stimulus, time): share of each moment in the loss and in the report; adds up to 1 over time.
    """

    weight: Tensor = field(default_factory=lambda: torch.ones(0))


def learn_session_in_time(
    network: RecurrentNetwork,
    build_rule: Callable[[Rates], RecurrentRule],
    rates: Rates,
    session: SessionInTime,
    draws: Draws,
    threads: int = 0,
) -> Learned:
    """
    Live through the trials of one session; networks are changed in place.

    The trials of an update are lived side by side. The order of operations within an animal does not depend on the
    number of threads.

    Parameters
    ----------
    network : RecurrentNetwork
        The networks of all animals.
    build_rule : callable
        Makes the rule from the numbers of the animals.
    rates : Rates
        Numbers of the rule.
    session : SessionInTime
        What is shown.
    draws : Draws
        Random numbers of the session.
    threads : int, optional
        Threads over animals; 0 = one per core.

    Returns
    -------
    Learned
        Performance and loss, update by update.
    """

    def live(start: int, stop: int) -> Learned:
        own = (start, stop)
        rule = build_rule(rates.animals(*own))
        return _learn_chunk(network.animals(*own), rule, session.animals(*own), draws.animals(*own))

    size = _animals_per_chunk(network, session)
    return learn_in_chunks(live, network.n_animals, size, threads or os.cpu_count() or 1)


def _animals_per_chunk(network: RecurrentNetwork, session: SessionInTime) -> int:
    """How many animals are simulated at once: all of them on an accelerator, on a CPU what fits a core's cache."""
    if session.stimuli.device.type != "cpu":
        return network.n_animals
    n_times, n_units = session.stimuli.shape[2], network.layers[0].weights.shape[1]
    values = 4 * session.batch_size * n_times * n_units + 2 * network.layers[0].weights[0].numel()
    return int(max(1, min(-(-network.n_animals // _SHARES), _CHUNK_VALUES // values)))


def _learn_chunk(network: RecurrentNetwork, rule: RecurrentRule, session: SessionInTime, draws: Draws) -> Learned:
    """Learn all updates of a session for a few animals."""
    order = session.random_order(draws)
    noise = draws.stream(("input noise",), (session.batch_size, *session.stimuli.shape[2:]), "normal")
    sd = session.noise_sd.unsqueeze(3)
    rule.start_session(network, draws)
    noisy = bool((sd > 0).any())
    animals = torch.arange(network.n_animals, device=order.device).unsqueeze(1)
    choices, losses = [], []
    for update in range(session.n_updates):
        shown = order[:, update]
        stimuli = session.stimuli[animals, shown]
        if noisy:
            stimuli = torch.addcmul(stimuli, sd, noise.at(update))
        stimuli = stimuli.transpose(1, 2).contiguous()
        target = session.targets[animals, shown].transpose(1, 2)
        weight = session.weight[animals, shown].transpose(1, 2).unsqueeze(3)
        if rule.choices.online:
            activity = rule.live_online(network, stimuli, target, weight)
        else:
            activity = forward_in_time(network, stimuli)
            error = rule.errors(activity, target, weight)
            delta = rule.signals_in_time(network, activity, error, update)
            rule.update_in_time(network, activity, delta, error, update)
        choices.append(chosen(mean_report(activity.output, weight), session.threshold))
        losses.append(loss_in_time(network, activity.output, target, weight))
    correct = judge(torch.cat(choices, 1), session.acceptable, order.flatten(1), session.stimuli)
    return Learned(
        correct.reshape(network.n_animals, session.n_updates, -1).mean(-1), torch.stack(losses, 1), "recurrent"
    )
