"""Animals with recurrent networks: what is theirs alone in birth, sessions and probes."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import cast

import numpy as np
import torch
from torch import Tensor

from neurofa.birth import recurrent_birth
from neurofa.cohort import Cohort, Monitored
from neurofa.draws import Draws
from neurofa.learning import Learned, Session, reports
from neurofa.members import Member, time_bins
from neurofa.networks import Activity, Network
from neurofa.networks.recurrent import RecurrentNetwork, forward_in_time, mean_report
from neurofa.predicting_cohort import PredictingCohort
from neurofa.recurrent_learning import SessionInTime, learn_session_in_time
from neurofa.rules.names import Choices
from neurofa.rules.recurrent import RecurrentRule
from neurofa.rules.rule import Rates, Rule
from neurofa.spiking_cohort import SpikingCohort


def cohort_of(members: Sequence[Member]) -> Cohort:
    """
    The animals of one batch.

    Parameters
    ----------
    members : sequence of Member
        Animals with equal structure.

    Returns
    -------
    Cohort
        A `RecurrentCohort` where their networks are recurrent, a `SpikingCohort` where they spike, a
        `PredictingCohort` where they predict events.
    """
    own = members[0].protocol
    if own.engine.kind == "spiking":
        return SpikingCohort(members)
    if own.network.kind == "predicting":
        return PredictingCohort(members)
    return RecurrentCohort(members) if own.network.kind == "recurrent" else Cohort(members)


class RecurrentCohort(Cohort):
    """
    Animals with recurrent networks, whose trials have a course; see `Cohort`.

    Stimuli are (animal, stimulus, time, input) and targets (animal, stimulus, time, output).

    Parameters
    ----------
    members : sequence of Member
        Animals with equal structure.
    """

    def session(self, stimuli: Tensor, passes: int, homeostasis: float = 1.0) -> SessionInTime:
        """Add to a session when outputs count; see `Cohort.session`."""
        own, weight = super().session(stimuli, passes, homeostasis), self.weight()
        return SessionInTime(**vars(own), weight=weight if self.held_out is None else weight[:, ~self.held_out])

    def learn(self, session: Session, draws: Draws) -> Learned | None:
        """Live through the trials of a session; see `Cohort.learn`."""
        if not session.n_updates:
            return None
        build = cast(Callable[[Rates], RecurrentRule], self.build_rule)
        threads = self.protocol.engine.threads
        return learn_session_in_time(self._in_time(), build, self.rates, cast(SessionInTime, session), draws, threads)

    def probe(self, stimuli: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """
        Rates and output while nothing is learned, without noise.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, time, input).

        Returns
        -------
        tuple of numpy.ndarray
            Rates (animal, stimulus, unit, time) and output (animal, stimulus, output, time), means over the recorded
            bins of time.
        """
        activity = forward_in_time(self._in_time(), stimuli.transpose(1, 2).contiguous())
        rates, output = self.binned(activity.states[:, 1:]), self.binned(activity.output)
        return rates.cpu().numpy(), output.cpu().numpy()

    def reporting(self, network: Network, stimuli: Tensor) -> Activity:
        """Mean activity over the time that counts, the whole stimuli as its first rates; see `Cohort.reporting`."""
        activity = forward_in_time(cast(RecurrentNetwork, network), stimuli.transpose(1, 2).contiguous())
        weight = self._weight_of_moments()
        rates = mean_report(activity.states[:, 1:], weight)
        return Activity([stimuli, rates], [], [], [], mean_report(activity.output, weight))

    def besides(self, stimuli: Tensor, kept: np.ndarray) -> Monitored:
        """Reports in time and, where asked for, rates of single noisy trials; see `Cohort.besides`."""
        in_time = self.performance_in_time(stimuli).cpu().numpy()
        found: Monitored = {"correct_in_time": (("animal", "stimulus", "time"), in_time[:, kept])}
        if self.protocol.record.noisy_trials:
            rates = self.noisy_rates(stimuli[:, kept]).cpu().numpy()
            found["rate"] = (("animal", "stimulus", "repeat", "unit", "time"), rates)
        return found

    def performance_in_time(self, stimuli: Tensor) -> Tensor:
        """
        How often the report would be correct if it were read in each recorded bin of time.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, time, input).

        Returns
        -------
        torch.Tensor
            (animal, stimulus, bin): over the noisy trials of the probe, or one without noise; NaN where there is no
            report.
        """
        correct = []
        for shown in self.noisy(stimuli) if self.protocol.record.noisy_trials else [stimuli]:
            output = self.binned(forward_in_time(self._in_time(), shown.transpose(1, 2).contiguous()).output)
            bins = [reports(one, self.acceptable, threshold=self.threshold) for one in output.unbind(3)]
            correct.append(torch.stack(bins, 2))
        return torch.stack(correct).mean(0)

    def noisy_rates(self, stimuli: Tensor) -> Tensor:
        """
        Rates of single noisy trials.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, time, input).

        Returns
        -------
        torch.Tensor
            (animal, stimulus, repeat, unit, bin): as many repeats as ``observation.repeats``, at most
            ``record.noisy_trials``.
        """
        shown = islice(self.noisy(stimuli), self.protocol.observation.repeats)
        activities = (forward_in_time(self._in_time(), one.transpose(1, 2).contiguous()) for one in shown)
        return torch.stack([self.binned(activity.states[:, 1:]) for activity in activities], 2)

    def report_targets(self) -> Tensor:
        """Mean target over the time that counts; see `Cohort.report_targets`."""
        return mean_report(self.targets.transpose(1, 2), self._weight_of_moments())

    def weight(self) -> Tensor:
        """
        Share of each moment in the loss and in the report.

        Returns
        -------
        torch.Tensor
            (animal, stimulus, time); adds up to 1 over time.
        """
        counts = torch.ones_like(self.targets[..., 0]) if self.counts is None else self.counts
        return counts / counts.sum(2, keepdim=True)

    def signals(self, stimuli: Tensor, rule: Rule) -> tuple[list[Tensor], list[Tensor]]:
        """
        Teaching signals of a rule, and those of exact backpropagation through time.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, time, input).
        rule : Rule
            Theirs.

        Returns
        -------
        tuple of list of torch.Tensor
            (animal, stimulus, unit, time): the one layer's, means over the recorded bins of time.
        """
        # feedback weights may change while they send
        network = cast(RecurrentNetwork, self.network.copy())
        activity = forward_in_time(network, stimuli.transpose(1, 2).contiguous())
        exact = RecurrentRule(Choices("error", "through_time", "transpose"), self.rates)
        found = []
        for one in (cast(RecurrentRule, rule), exact):
            error = one.errors(activity, self.targets.transpose(1, 2), self._weight_of_moments())
            found.append([self.binned(one.signals_in_time(network, activity, error, 0))])
        return found[0], found[1]

    def binned(self, values: Tensor) -> Tensor:
        """
        Means over the recorded bins of time.

        Parameters
        ----------
        values : torch.Tensor
            (animal, time, stimulus, unit).

        Returns
        -------
        torch.Tensor
            (animal, stimulus, unit, bin).
        """
        step, width = self.protocol.network.time_step_ms, self.protocol.record.time_bin_ms
        starts = time_bins(values.shape[1], step, width).tolist()
        ends = [*starts[1:], values.shape[1]]
        return torch.stack([values[:, start:end].mean(1) for start, end in zip(starts, ends, strict=True)], dim=3)

    def _weight_of_moments(self) -> Tensor:
        """Share of each moment (animal, time, stimulus, 1)."""
        return self.weight().transpose(1, 2).unsqueeze(3)

    def _in_time(self) -> RecurrentNetwork:
        """The networks, known to be recurrent."""
        return cast(RecurrentNetwork, self.network)

    def _rule_builder(self) -> Callable[[Rates], Rule]:
        """Make the rule from its numbers."""
        return partial(RecurrentRule, self.protocol.rule.choices())

    def _birth(self) -> Network:
        """Networks that the animals are born with."""
        return recurrent_birth(self)
