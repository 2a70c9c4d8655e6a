"""The waist of the engine: one call per session, networks, rule, trials and draws in, the course of learning out."""

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from neurofa.compiled import reason_not_covered
from neurofa.draws import Draws
from neurofa.networks import Network, forward, loss_per_trial
from neurofa.networks.homeostasis import follow_drive, regulate_thresholds
from neurofa.rules.learning_noise import LearningNoise
from neurofa.rules.predictive_coding import warn_not_converged
from neurofa.rules.rule import Rates, Rule

#: a chunk of animals is kept small enough that its weights and activity stay in a core's cache (numbers of values)
_CHUNK_VALUES = 2**20
#: chunks that large networks are divided into at least; a constant, so that results do not depend on the threads
_SHARES = 4


@dataclass(frozen=True)
class Session:
    """
    What happens in one session.

    Attributes
    ----------
    stimuli : torch.Tensor
        (animal, stimulus, input): with the session's input gains.
    targets : torch.Tensor
        (animal, stimulus, output).
    acceptable : torch.Tensor or None
        (animal, stimulus, report) bool: which report, see `chosen`, is correct.
    passes, batch_size : int
        How often all stimuli are shown, and how many of them make one update; passes follow each other without a gap,
        so that an update may hold the end of one and the start of the next.
    noise_sd : torch.Tensor
        (animal, 1, 1): of the noise on every input unit in every trial.
    homeostasis_rate : torch.Tensor
        (animal, 1): per update.
    threshold : float or None
        With one output: the report is yes where the output exceeds this.
    in_order : bool
        Stimuli come in the order in which they stand, every pass the same.
    """

    stimuli: Tensor
    targets: Tensor
    acceptable: Tensor | None
    passes: int
    batch_size: int
    noise_sd: Tensor
    homeostasis_rate: Tensor
    threshold: float | None = None
    in_order: bool = False

    @property
    def n_updates(self) -> int:
        """Number of updates in the session."""
        return self.passes * self.stimuli.shape[1] // self.batch_size

    def random_order(self, draws: Draws) -> Tensor:
        """
        Which stimuli make each update, every animal in its own order unless it is given, pass after pass.

        Parameters
        ----------
        draws : Draws
            Random numbers of the session.

        Returns
        -------
        torch.Tensor
            (animal, update, trial), int64.
        """
        if self.in_order:
            n_animals, n_stimuli = self.stimuli.shape[:2]
            order = torch.arange(n_stimuli, device=draws.device).repeat(n_animals, self.passes)
        else:
            order = draws.permutations(("order",), self.stimuli.shape[1], self.passes).flatten(1)
        return order[:, : self.n_updates * self.batch_size].reshape(len(order), -1, self.batch_size)

    def animals(self, start: int, stop: int) -> Self:
        """
        The session of some of the animals.

        Parameters
        ----------
        start, stop : int
            Range of animals.

        Returns
        -------
        Session
            Views.
        """
        own = {name: value[start:stop] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return type(self)(**(vars(self) | own))


@dataclass(frozen=True)
class Learned:
    """
    The course of learning in one session.

    Attributes
    ----------
    correct : torch.Tensor
        (animal, update): fraction of the update's stimuli reported correctly before the update; NaN where unknown.
    loss : torch.Tensor
        (animal, update).
    engine : str
        Which engine did it; of the reference engine also why the compiled one did not.
    course : dict of str to torch.Tensor
        (animal, update): what else the rule tells, such as the energy of predictive coding.
    """

    correct: Tensor
    loss: Tensor
    engine: str = "reference"
    course: dict[str, Tensor] = field(default_factory=dict)


def learn_session(
    network: Network,
    build_rule: Callable[[Rates], Rule],
    rates: Rates,
    session: Session,
    draws: Draws,
    threads: int = 0,
    *,
    reference: bool = False,
) -> Learned:
    """
    Live through the trials of one session; networks are changed in place.

    The compiled engine does it where it can, see `neurofa.compiled`, the reference engine in torch elsewhere. Animals
    are taken a few at a time, by several threads on a CPU, so that their weights stay in the cache; on another device
    all of them at once. The order of operations within an animal does not depend on the number of threads.

    Parameters
    ----------
    network : Network
        The networks of all animals.
    build_rule : callable
        Makes the rule from the numbers of the animals.
    rates : Rates
        Numbers of the rule.
    session : Session
        What is shown.
    draws : Draws
        Random numbers of the session.
    threads : int, optional
        Threads over animals; 0 = one per core.
    reference : bool, optional
        Whether the reference engine does it in any case.

    Returns
    -------
    Learned
        Performance and loss, update by update.
    """
    reason = "asked for" if reference else reason_not_covered(network, build_rule(rates), session)
    workers = threads or os.cpu_count() or 1
    n_animals = network.n_animals
    # the compiled engine takes animals one by one: the size of a chunk is a matter of sharing them out evenly
    size = animals_per_chunk(network, session) if reason else max(1, n_animals // (2 * workers))
    engine = _learn_chunk if reason else _learn_chunk_compiled

    def live(start: int, stop: int) -> Learned:
        own = (start, stop)
        rule = build_rule(rates.animals(*own))
        return engine(network.animals(*own), rule, session.animals(*own), draws.animals(*own))

    with contextlib.nullcontext() if reason else _one_thread():
        learned = learn_in_chunks(live, n_animals, size, workers)
    if reason:
        learned = replace(learned, engine=f"reference ({reason})")
        warn_not_converged(learned.course)
    remember_performance(network, session, learned)
    return learned


def remember_performance(network: Network, session: Session, learned: Learned) -> None:
    """
    Let networks remember how well they did in a session, where their rule needs it.

    Parameters
    ----------
    network : Network
        Its memory is changed.
    session : Session
        What was shown.
    learned : Learned
        The course of learning.
    """
    if "performance" in network.memory:
        network.memory["performance"].copy_(_performance(network, session, learned).reshape(-1, 1, 1))
        network.memory["target_sum"].zero_()
        network.memory["target_count"].zero_()


def learn_in_chunks(live: Callable[[int, int], Learned], n_animals: int, size: int, workers: int) -> Learned:
    """
    Live through a session a few animals at a time, several of these chunks at once.

    Parameters
    ----------
    live : callable
        Takes the range of animals, start and stop.
    n_animals, size, workers : int
        How many animals there are, in a chunk, and how many threads.

    Returns
    -------
    Learned
        Of all animals in their order.
    """
    starts = range(0, n_animals, size)
    stops = [min(start + size, n_animals) for start in starts]
    if workers == 1 or len(starts) == 1:
        parts = list(map(live, starts, stops))
    else:
        with ThreadPoolExecutor(workers) as pool:
            parts = list(pool.map(live, starts, stops))
    correct, loss = torch.cat([part.correct for part in parts]), torch.cat([part.loss for part in parts])
    course = {name: torch.cat([part.course[name] for part in parts]) for name in parts[0].course}
    return Learned(correct, loss, parts[0].engine, course)


def _performance(network: Network, session: Session, learned: Learned) -> Tensor:
    """Performance of every animal in a session: fraction correct, or R^2 where no report can be correct."""
    if session.acceptable is not None:
        return learned.correct.mean(1)
    if network.loss == "cross_entropy":
        return torch.zeros_like(learned.loss[:, 0])
    total = 0.5 * (session.targets - session.targets.mean(1, keepdim=True)).square().sum(2).mean(1)
    varied = total > 0
    return torch.where(varied, 1 - learned.loss.mean(1) / total.where(varied, 1), torch.zeros_like(total))


def animals_per_chunk(network: Network, session: Session) -> int:
    """
    How many animals are simulated at once.

    Parameters
    ----------
    network : Network
        The networks.
    session : Session
        What is shown.

    Returns
    -------
    int
        All of them on an accelerator; on a CPU as many as fit a core's cache, at least one.
    """
    if network.layers[0].weights.device.type != "cpu":
        return network.n_animals
    weights = sum(layer.weights[0].numel() for layer in network.layers)
    activity = 4 * session.batch_size * sum(layer.weights.shape[1] for layer in network.layers)
    values = weights + activity
    # large networks are shared out evenly over a few threads, small ones gain more from each other's company
    share = -(-network.n_animals // _SHARES) if values > _CHUNK_VALUES // 16 else network.n_animals
    return int(max(1, min(share, _CHUNK_VALUES // values)))


def _learn_chunk(network: Network, rule: Rule, session: Session, draws: Draws) -> Learned:
    """Learn all updates of a session for a few animals."""
    n_stimuli = session.stimuli.shape[1]
    whole = session.batch_size == n_stimuli
    order = None if whole else session.random_order(draws)
    noise = draws.stream(("input noise",), (session.batch_size, session.stimuli.shape[2]), "normal")
    rule.start_session(network, draws)
    disturbed = LearningNoise(network, rule.rates, session.batch_size, draws)
    noisy = bool((session.noise_sd > 0).any())
    weight = min(0.05, 0.05 * session.batch_size / n_stimuli)
    animals = torch.arange(network.n_animals, device=session.targets.device).unsqueeze(1)
    choices, losses = [], []
    for update in range(session.n_updates):
        shown = None if order is None else order[:, update]
        stimuli = session.stimuli if shown is None else session.stimuli[animals, shown]
        target = session.targets if shown is None else session.targets[animals, shown]
        if noisy:
            stimuli = torch.addcmul(stimuli, session.noise_sd, noise.at(update))
        target = disturbed.target(target, update)
        thinned = disturbed.synapses(network, update)
        activity = forward(thinned, stimuli, disturbed.units(update))
        choices.append(chosen(activity.output, session.threshold))
        losses.append(loss_per_trial(network, activity.output, target))
        reached = rule.teaching_signals(thinned, activity, target, update)
        rule.update(network, activity, reached, update, disturbed)
        for layer, drive in zip(network.layers[:-1], activity.drives, strict=True):
            follow_drive(layer, drive, weight)
            regulate_thresholds(layer, drive, session.homeostasis_rate)
    if order is None:
        shown = torch.arange(n_stimuli, device=animals.device).repeat(network.n_animals, session.n_updates)
    else:
        shown = order.flatten(1)
    correct = judge(torch.cat(choices, 1), session.acceptable, shown, session.stimuli)
    performance = correct.reshape(network.n_animals, session.n_updates, -1).mean(-1)
    course = {name: torch.stack(values, 1) for name, values in rule.course.items()}
    return Learned(performance, torch.stack(losses, 1), course=course)


def _learn_chunk_compiled(network: Network, rule: Rule, session: Session, draws: Draws) -> Learned:
    """Do the same by the compiled engine."""
    from neurofa.compiled.session import learn_chunk

    done = learn_chunk(network, rule, session, draws)
    correct = judge(done.choices, session.acceptable, done.shown, session.stimuli)
    return Learned(correct.reshape(*done.loss.shape, -1).mean(-1), done.loss, done.engine)


def _one_thread() -> contextlib.AbstractContextManager[object]:
    """One thread for the linear algebra of the compiled engine, since there are threads over animals."""
    from neurofa.compiled.session import one_thread

    return one_thread()


def chosen(output: Tensor, threshold: float | None = None) -> Tensor:
    """
    What an animal reports.

    Parameters
    ----------
    output : torch.Tensor
        (animal, trial, output).
    threshold : float, optional
        With one output: what it must exceed for a yes.

    Returns
    -------
    torch.Tensor
        (animal, trial), int64: the largest output; with a threshold 1 for a yes and 0 for a no.
    """
    return output.argmax(-1) if threshold is None else (output[..., 0] > threshold).long()


def reports(
    output: Tensor, acceptable: Tensor | None, shown: Tensor | None = None, threshold: float | None = None
) -> Tensor:
    """
    Whether an animal's report of the stimulus is acceptable.

    Parameters
    ----------
    output : torch.Tensor
        (animal, trial, output).
    acceptable : torch.Tensor or None
        (animal, stimulus, report) bool; None = the stimulus set does not say.
    shown : torch.Tensor or None
        (animal, trial): which stimuli; None = all in order.
    threshold : float, optional
        See `chosen`.

    Returns
    -------
    torch.Tensor
        (animal, trial): 1 correct, 0 not, NaN unknown.
    """
    if shown is None:
        shown = torch.arange(output.shape[1], device=output.device).expand(output.shape[:2])
    return judge(chosen(output, threshold), acceptable, shown, output)


def judge(choice: Tensor, acceptable: Tensor | None, shown: Tensor, like: Tensor) -> Tensor:
    """
    Whether a choice is an acceptable report of the stimulus.

    Parameters
    ----------
    choice, shown : torch.Tensor
        (animal, trial): what was reported, see `chosen`, and which stimulus was shown.
    acceptable : torch.Tensor or None
        (animal, stimulus, report) bool; None = the stimulus set does not say.
    like : torch.Tensor
        For the precision.

    Returns
    -------
    torch.Tensor
        (animal, trial): 1 correct, 0 not, NaN unknown.
    """
    if acceptable is None:
        return torch.full(choice.shape, torch.nan, dtype=like.dtype, device=like.device)
    animals = torch.arange(choice.shape[0], device=choice.device).unsqueeze(1)
    return acceptable[animals, shown, choice].to(like.dtype)
