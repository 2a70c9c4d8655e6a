"""Animals whose networks spike: what is theirs alone in sessions and probes."""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from neurofa.cohort import Cohort, Monitored
from neurofa.draws import Draws
from neurofa.errors import ConfigError
from neurofa.learning import Learned, Session, reports
from neurofa.members import Member
from neurofa.networks import Activity, Network, forward
from neurofa.rules.rule import Rates
from neurofa.spiking.living import Probed, Spikes
from neurofa.spiking.places import check_installed
from neurofa.spiking.schedule import architecture_of, baseline


class SpikingCohort(Cohort):
    """
    Animals whose networks spike; see `Cohort`.

    Their state is that of rate networks, so that nights, checkpoints and measures are those of rate networks too; rates
    are spikes per second over ``spiking.hz_per_unit``, the units of the rate network.

    Parameters
    ----------
    members : sequence of Member
        Animals with equal structure.

    Raises
    ------
    ConfigError
        Where Brian2 or a compiler is missing, or the stimuli cannot be shown in spikes.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        check_installed()
        super().__init__(members)
        if self.first_rates is not None:
            raise ConfigError(
                f"stimulus set '{self.protocol.stimuli.kind}' has synapses of its own for every stimulus, which no "
                "input could drive in spikes; choose another one, such as patterns, or set engine.kind to rate"
            )
        self.spiking = self.protocol.spiking
        self.spikes = Spikes(self.spiking, self.protocol.engine.threads or os.cpu_count() or 1)
        #: probes of these networks: their name, the trials and what was seen
        self._seen: list[tuple[str, Tensor, list[Probed]]] = []

    def learn(self, session: Session, draws: Draws) -> Learned | None:
        """Live through the trials of a session, in spikes or, where networks are ported, in rates; see `Cohort`."""
        self._seen.clear()
        if self.spiking.use == "port":
            learned = super().learn(session, draws)
            probes = self.spikes.engine(architecture_of(self.network, self.spiking))
            return None if learned is None else replace(learned, engine=f"{learned.engine}; probed: {probes}")
        if not session.n_updates:
            return None
        return self.learn_by_trials(self.network, self.rates, session, draws)

    def learn_by_trials(self, network: Network, rates: Rates, session: Session, draws: Draws) -> Learned:
        """Let animals learn in spikes or, where networks are ported, in rates; see `Cohort.learn_by_trials`."""
        if self.spiking.use == "port":
            return super().learn_by_trials(network, rates, session, draws)
        return self.spikes.learn(network, self.protocol.rule.choices(), rates, session, draws)

    def overnight(self, days: float, draws: Draws) -> None:
        """Let the overnight processes act; see `Cohort.overnight`."""
        self._seen = []
        super().overnight(days, draws)

    def close(self) -> None:
        """End the processes that simulate spikes."""
        self.spikes.close()

    def probe(self, stimuli: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """
        Rates and output in the probe's trials, means over them.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, input).

        Returns
        -------
        tuple of numpy.ndarray
            Rates (animal, stimulus, unit), all hidden layers one after the other, and output (animal, stimulus,
            output), in the units of the rate network.
        """
        rates, output = self._mean_rates(stimuli)
        return torch.cat(rates, dim=2).cpu().numpy(), output.cpu().numpy()

    def performance(self, stimuli: Tensor) -> Tensor:
        """How often each stimulus is reported correctly in single trials of the probe; see `Cohort.performance`."""
        if not self.protocol.record.noisy_trials:
            answers = self._outputs(self._repeated(stimuli))
        else:
            shown = torch.stack(list(self.noisy(stimuli)), 2)
            answers = self._outputs(self._probed("noisy", shown))
        right = [reports(one, self.acceptable, threshold=self.threshold) for one in answers.unbind(2)]
        return torch.stack(right).mean(0)

    def reporting(self, network: Network, stimuli: Tensor) -> Activity:
        """
        Activity while the animals report: rates and output from spikes, slopes from the rate network.

        Parameters
        ----------
        network : Network
            Theirs, or a copy.
        stimuli : torch.Tensor
            (animal, stimulus, input).

        Returns
        -------
        Activity
            See `Cohort.reporting`.
        """
        rates, output = self._mean_rates(stimuli)
        return replace(forward(network, stimuli), rates=[stimuli, *rates], output=output)

    def besides(self, stimuli: Tensor, kept: np.ndarray) -> Monitored:
        """Spike counts in bins, rates of single trials, and what the rate network would do; see `Cohort.besides`."""
        probed = self._repeated(stimuli)
        n_stimuli, n_repeats = stimuli.shape[1], self.protocol.observation.repeats
        counts = np.stack([np.concatenate(one.counts[:-1], axis=2) for one in probed])
        shape = (len(probed), n_stimuli, n_repeats, *counts.shape[2:])
        # (animal, stimulus, repeat, unit, bin)
        binned = np.moveaxis(counts.reshape(shape), 3, 4)[:, kept].astype(np.float32)
        expected = forward(self.network, stimuli)
        right = reports(expected.output, self.acceptable, threshold=self.threshold)
        rates = torch.cat(expected.rates[1:], dim=2)
        repeats = ("animal", "stimulus", "repeat", "unit")
        found: Monitored = {
            "spike_count": ((*repeats, "spike_bin"), binned),
            "rate_network_rate": (("animal", "stimulus", "unit"), rates.cpu().numpy()[:, kept]),
            "rate_network_correct": (("animal", "stimulus"), right.cpu().numpy()[:, kept]),
            "hz_per_unit": (("animal",), np.full(len(probed), self.spiking.hz_per_unit)),
        }
        if self.spiking.spike_times:
            found |= _spike_times(probed, kept, n_repeats)
        if self.protocol.observation.kind == "none":
            counted = binned[..., self.spiking.bins("probe_settling_ms") :].sum(-1)
            found["rate"] = (repeats, counted / np.float32(self.spiking.probe_seconds))
        return found

    def _mean_rates(self, stimuli: Tensor) -> tuple[list[Tensor], Tensor]:
        """Means over the probe's trials: rates per hidden layer (animal, stimulus, unit), and output."""
        probed = self._repeated(stimuli)
        layers = [self._in_units(probed, layer, stimuli.shape[1]).mean(2) for layer in range(len(self.network.layers))]
        return layers[:-1], layers[-1] - self._baselines().reshape(-1, 1, 1)

    def _outputs(self, probed: list[Probed]) -> Tensor:
        """Output (animal, stimulus, repeat, output) in every trial."""
        n_stimuli = self.targets.shape[1]
        return self._in_units(probed, -1, n_stimuli) - self._baselines().reshape(-1, 1, 1, 1)

    def _in_units(self, probed: list[Probed], layer: int, n_stimuli: int) -> Tensor:
        """Rates (animal, stimulus, repeat, unit) of a layer in the units of the rate network."""
        settling = self.spiking.bins("probe_settling_ms")
        counts = np.stack([one.counts[layer][:, settling:].sum(1) for one in probed])
        rates = counts.reshape(len(counts), n_stimuli, -1, counts.shape[2])
        return self._tensor(rates / (self.spiking.probe_seconds * self.spiking.hz_per_unit))

    def _repeated(self, stimuli: Tensor) -> list[Probed]:
        """The probe: every stimulus as often as observed."""
        n_repeats = self.protocol.observation.repeats
        return self._probed("repeats", stimuli.unsqueeze(2).expand(-1, -1, n_repeats, -1))

    def _probed(self, name: str, trials: Tensor) -> list[Probed]:
        """Show (animal, stimulus, repeat, input), or give back what was seen when the same was shown before."""
        for named, shown, seen in self._seen:
            if named == name and torch.equal(shown, trials):
                return seen
        draws = self.draws("probe", *self.occasion, name)
        probed = self.spikes.probe(self.network, trials.flatten(1, 2), self._baselines().cpu().numpy(), draws)
        self._seen.append((name, trials, probed))
        return probed

    def _baselines(self) -> Tensor:
        """Rate of each animal's readout for an output of 0, (animal,)."""
        return self._tensor(np.array([baseline(self.spiking, own.cpu().numpy()) for own in self.targets]))


def _spike_times(probed: list[Probed], kept: np.ndarray, n_repeats: int) -> Monitored:
    """Times of all spikes of hidden units while the kept stimuli were shown, and what they belong to."""
    of_animals = []
    for one in probed:
        trial, unit, time = one.spikes
        shown = np.isin(trial // n_repeats, kept)
        stimulus = np.searchsorted(kept, trial // n_repeats)
        of_animals.append([column[shown] for column in (time, unit, stimulus, trial % n_repeats)])
    shape = (len(probed), max(len(columns[0]) for columns in of_animals))
    found: Monitored = {}
    for number, name in enumerate(("spike_time", "spike_unit", "spike_stimulus", "spike_repeat")):
        values = np.full(shape, -1, dtype=np.int32) if number else np.full(shape, np.nan)
        for animal, columns in enumerate(of_animals):
            values[animal, : len(columns[number])] = columns[number]
        found[name] = (("animal", "spike"), values)
    return found
