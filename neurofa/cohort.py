"""The animals of a batch as tensors: how they are born, what they are shown, what happens to them overnight."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurofa.birth import feedforward_birth
from neurofa.catalogue import blamed_on
from neurofa.draws import Draws, noisy_trials
from neurofa.errors import ConfigError
from neurofa.learning import Learned, Session, learn_session, reports
from neurofa.members import Member, animal_stimuli, refuse_unequal
from neurofa.networks import Activity, Network, forward
from neurofa.networks.device import available_device
from neurofa.renewal import renewed
from neurofa.replay import processes_of_nights
from neurofa.rules.classes import rule_class
from neurofa.rules.rule import RATE_SETTINGS, Rates, Rule

#: name of a variable to its dimensions and values
Monitored = dict[str, tuple[tuple[str, ...], np.ndarray]]


class Cohort:
    """
    The animals of one batch: stimuli, networks and the numbers of their rules.

    Parameters
    ----------
    members : sequence of Member
        Animals with equal structure.

    Raises
    ------
    ConfigError
        Where the device is not there or the stimuli do not fit.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
        self.protocol = members[0].protocol
        engine = self.protocol.engine
        self.dtype = torch.float64 if engine.dtype == "float64" else torch.float32
        self.device = available_device(engine.device)
        self.seed = self.protocol.cohort.seed
        sets = [animal_stimuli(member) for member in members]
        refuse_unequal(self.protocol.stimuli.kind, sets)
        self.labels = sets[0].labels
        inputs = np.stack([own.inputs for own in sets])
        self.first_rates = self._tensor(inputs) if sets[0].private else None
        # with synapses of their own, stimuli are told apart by their number alone
        self.stimuli = (
            torch.zeros_like(self.first_rates[..., :1]) if self.first_rates is not None else self._tensor(inputs)
        )
        self.targets = self._tensor(np.stack([own.targets for own in sets]))
        acceptable = [own.acceptable for own in sets if own.acceptable is not None]
        self.acceptable = torch.from_numpy(np.stack(acceptable)).to(self.device) if acceptable else None
        self.threshold = sets[0].threshold
        counts = [own.counts for own in sets if own.counts is not None]
        #: (animal, stimulus, time): when the output of sequences counts; None = always, or no time
        self.counts = self._tensor(np.stack(counts)) if counts else None
        self.renewals = [own.renew for own in sets if own.renew is not None]
        held_out = sets[0].held_out
        self.held_out = None if held_out is None else torch.from_numpy(held_out).to(self.device)
        self.rates = Rates(
            **{name: self.numbers(attrgetter(f"rule.{setting}"), 3) for name, setting in RATE_SETTINGS.items()}
        )
        # a bound of 0 stands for none
        self.rates.readout_step_bound[self.rates.readout_step_bound == 0] = torch.inf
        self.build_rule = self._rule_builder()
        #: name of the session that is going on: its probes have random numbers of their own
        self.occasion: tuple[str | int, ...] = ()
        #: number of an animal to why it does not go on
        self.stopped: dict[int, str] = {}
        self.network = self._birth()
        self._processes = processes_of_nights(self)
        self.overnight(0.0, self.draws("birth"))

    def draws(self, *occasion: str | int) -> Draws:
        """
        Random numbers of these animals on one occasion.

        Parameters
        ----------
        *occasion : str or int
            For example ``"session", 4``.

        Returns
        -------
        Draws
            See :mod:`neurofa.draws`.
        """
        return Draws(self.seed, [member.index for member in self.members], occasion, self.dtype, self.device)

    def numbers(self, setting: Callable[[Any], Any], dims: int = 1) -> Tensor:
        """
        One setting of all animals.

        Parameters
        ----------
        setting : callable
            Takes a group's protocol, returns a number or one number per animal.
        dims : int, optional
            Dimensions of the result.

        Returns
        -------
        torch.Tensor
            (animal, 1, ...).
        """
        values = []
        for member in self.members:
            value = setting(member.protocol)
            values.append(value[member.index] if isinstance(value, tuple | list) else value)
        return self._tensor(np.array(values, dtype=float)).reshape(-1, *[1] * (dims - 1))

    def session_stimuli(self, draws: Draws) -> Tensor:
        """
        Stimuli with the input gains of a session: every input times exp(sd N - sd^2 / 2).

        Parameters
        ----------
        draws : Draws
            Random numbers of the session.

        Returns
        -------
        torch.Tensor
            (animal, stimulus, input).
        """
        return self.stimuli * self._input_gains(draws)

    def _input_gains(self, draws: Draws) -> Tensor:
        """Gains of the inputs in a session, to be multiplied with stimuli."""
        sd = self.numbers(attrgetter("stimuli.session_gain_sd"), 2)
        gains = torch.exp(sd * draws.normal(("input gains",), (self.stimuli.shape[-1],)) - sd**2 / 2)
        return gains.reshape(len(gains), *[1] * (self.stimuli.ndim - 2), -1)

    def session(self, stimuli: Tensor, passes: int, homeostasis: float = 1.0) -> Session:
        """
        What happens in a session: the stimuli that are learned, and how.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, input): from `session_stimuli`.
        passes : int
            How often all of them are shown.
        homeostasis : float, optional
            Speed of the threshold homeostasis, relative.

        Returns
        -------
        Session
            Without the stimuli that are held out; where stimuli are renewed, those of this session.
        """
        targets, acceptable = self.targets, self.acceptable
        if self.renewals:
            draws = self.draws(*self.occasion)
            fresh = renewed(self.members, self.renewals, draws)
            stimuli = self._tensor(fresh.inputs) * self._input_gains(draws)
            targets = self._tensor(fresh.targets)
            acceptable = None if fresh.acceptable is None else torch.from_numpy(fresh.acceptable).to(self.device)
        elif self.held_out is not None:
            learned = ~self.held_out
            stimuli, targets = stimuli[:, learned], targets[:, learned]
            acceptable = None if acceptable is None else acceptable[:, learned]
        return Session(
            stimuli=stimuli,
            targets=targets,
            acceptable=acceptable,
            passes=passes,
            batch_size=self.protocol.schedule.batch_size or stimuli.shape[1],
            noise_sd=self.numbers(attrgetter("stimuli.noise_sd"), 3),
            homeostasis_rate=self.numbers(attrgetter("network.homeostasis_rate"), 2) * homeostasis,
            threshold=self.threshold,
        )

    def learn(self, session: Session, draws: Draws) -> Learned | None:
        """
        Live through the trials of a session.

        Parameters
        ----------
        session : Session
            From `session`.
        draws : Draws
            Random numbers of the session.

        Returns
        -------
        Learned or None
            The course of learning; None where nothing is shown.
        """
        if not session.n_updates:
            return None
        return self.learn_by_trials(self.network, self.rates, session, draws)

    def learn_by_trials(self, network: Network, rates: Rates, session: Session, draws: Draws) -> Learned:
        """
        Let animals learn from what they are shown, in a session or while they replay it.

        Parameters
        ----------
        network : Network
            Networks of some or all animals, changed in place.
        rates : Rates
            Numbers of their rules.
        session : Session
            What they are shown.
        draws : Draws
            Random numbers of these animals.

        Returns
        -------
        Learned
            The course of learning.
        """
        return learn_session(network, self.build_rule, rates, session, draws, self.protocol.engine.threads)

    def probe(self, stimuli: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """
        Rates and output while nothing is learned, without noise.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, input).

        Returns
        -------
        tuple of numpy.ndarray
            Rates (animal, stimulus, unit), all hidden layers one after the other, a.u.; output (animal, stimulus,
            output).
        """
        activity = forward(self.network, stimuli)
        return torch.cat(activity.rates[1:], dim=2).cpu().numpy(), activity.output.cpu().numpy()

    def performance(self, stimuli: Tensor) -> Tensor:
        """
        How often each stimulus is reported correctly while nothing is learned.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, input).

        Returns
        -------
        torch.Tensor
            (animal, stimulus): 1 or 0, or, where ``record.noisy_trials`` is set, the fraction of so many trials with
            noise as in learning, new in every session; NaN where no report can be correct.
        """
        shown = self.noisy(stimuli) if self.protocol.record.noisy_trials else [stimuli]
        answers = (self.reporting(self.network, one).output for one in shown)
        return torch.stack([reports(one, self.acceptable, threshold=self.threshold) for one in answers]).mean(0)

    def noisy(self, stimuli: Tensor) -> Iterator[Tensor]:
        """Stimuli of the noisy trials of a probe, one trial of each after the other; see `noisy_trials`."""
        sd = self.numbers(attrgetter("stimuli.noise_sd"), stimuli.ndim)
        return noisy_trials(stimuli, sd, self.protocol.record.noisy_trials, self.draws("probe", *self.occasion))

    def reporting(self, network: Network, stimuli: Tensor) -> Activity:
        """
        Activity while the animals report, nothing being learned.

        Parameters
        ----------
        network : Network
            Theirs, or a copy.
        stimuli : torch.Tensor
            (animal, stimulus, input).

        Returns
        -------
        Activity
            Rates (animal, stimulus, unit) and output (animal, stimulus, output).
        """
        return forward(network, stimuli)

    def besides(self, stimuli: Tensor, kept: np.ndarray) -> Monitored:
        """
        What a probe of these animals shows besides rates, output and reports.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, [time,] input).
        kept : numpy.ndarray
            (kept stimulus,): stimuli that the recording keeps.

        Returns
        -------
        dict of str to tuple
            Name of a variable of the probe to its dimensions and values.
        """
        return {}

    def close(self) -> None:
        """End what was started for these animals; they can still be looked at."""
        return

    def report_targets(self) -> Tensor:
        """What the network should put out while the animals report, (animal, stimulus, output)."""
        return self.targets

    def overnight(self, days: float, draws: Draws) -> None:
        """
        Let the overnight processes act.

        Parameters
        ----------
        days : float
            Since the last session.
        draws : Draws
            Random numbers of the night.

        Raises
        ------
        ConfigError
            Where a process returns something in place of changing the networks.
        """
        for name, process, values in self._processes:
            with blamed_on(name, "overnight process"):
                returned: Any = process(self.network, days, draws, **values)
            if returned is not None:
                raise ConfigError(
                    f"overnight process '{name}' must change the networks in place and return nothing, "
                    f"got {type(returned).__name__}"
                )
            self.stop(self.broken(), f"overnight process '{name}' made weights infinite; lower its parameters")

    def broken(self) -> Tensor:
        """
        Animals whose state is infinite or not a number.

        Returns
        -------
        torch.Tensor
            (animal,) bool.
        """
        fine = torch.ones(len(self.members), dtype=torch.bool, device=self.device)
        for tensor in self.network.state().values():
            fine &= torch.isfinite(tensor).flatten(1).all(1)
        return ~fine

    def stop(self, animals: Tensor, reason: str) -> None:
        """
        Stop animals for good: their state is set to zero, so that the others can go on, and nothing more is recorded.

        Parameters
        ----------
        animals : torch.Tensor
            (animal,) bool.
        reason : str
            Kept for those that were not stopped before.
        """
        for number in animals.nonzero().flatten().tolist():
            self.stopped.setdefault(number, reason)
            for tensor in self.network.state().values():
                tensor[number] = 0

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """
        Put the networks into a stored state.

        Parameters
        ----------
        state : dict of str to numpy.ndarray
            As `Network.state` gives it.
        """
        for name, value in state.items():
            place, _, key = name.partition(".")
            tensor = torch.from_numpy(value).to(self.device)
            if place == "memory":
                self.network.memory[key] = tensor
            else:
                setattr(self.network.layers[int(place.removeprefix("layer")) - 1], key, tensor)

    def _rule_builder(self) -> Callable[[Rates], Rule]:
        """Make the rule from its numbers."""
        choices = self.protocol.rule.choices()
        return partial(rule_class(choices), choices)

    def _birth(self) -> Network:
        """Networks that the animals are born with."""
        return feedforward_birth(self)

    def _tensor(self, values: np.ndarray) -> Tensor:
        """Tensor of this cohort's precision on its device."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(dtype=self.dtype, device=self.device)
