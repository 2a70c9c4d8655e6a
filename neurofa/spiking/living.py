"""Sessions and probes in spikes: the waist of the engine, as `neurofa.learning` is for rates."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from neurofa.draws import Draws
from neurofa.learning import Learned, Session, chosen, judge, remember_performance
from neurofa.networks import Network
from neurofa.rules.names import Choices
from neurofa.rules.rule import Rates
from neurofa.spiking import schedule
from neurofa.spiking.architecture import Architecture
from neurofa.spiking.calling import Arrays, SpikingNetwork, spiking_network
from neurofa.spiking.places import brian2_version
from neurofa.spiking.student import Student, call_seed, chunks, folded_weights
from neurofa.spiking_settings import SpikingSettings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Probed:
    """
    Spikes of one animal while nothing is learned.

    Attributes
    ----------
    counts : list of numpy.ndarray
        (trial, bin, unit) per layer, the readout last.
    spikes : tuple of numpy.ndarray
        Where times are kept: trial, unit (all hidden layers one after the other) and time since the trial's start in
        s, (spike,) each, in the order of time.
    """

    counts: list[np.ndarray]
    spikes: tuple[np.ndarray, np.ndarray, np.ndarray] = field(default_factory=lambda: (np.zeros(0),) * 3)


class Spikes:
    """
    The spiking networks of a batch of animals.

    Parameters
    ----------
    settings : SpikingSettings
        How they spike.
    workers : int
        Animals at once.
    """

    def __init__(self, settings: SpikingSettings, workers: int) -> None:
        self.settings = settings
        self.workers = workers
        self._networks: dict[Architecture, SpikingNetwork] = {}

    def engine(self, architecture: Architecture) -> str:
        """
        What simulates spikes, in words.

        Parameters
        ----------
        architecture : Architecture
            Of the network.

        Returns
        -------
        str
            Target of the code, Brian2's version, and how well the neurons follow the rates.
        """
        fit = schedule.calibration(self.settings)
        return (
            f"spiking on Brian2 {brian2_version()}, {self.network(architecture).code_target}, seeds by name path, "
            f"f-I map J0 {fit.J0:.4g}, kJ {fit.kJ:.4g}, rms {fit.rms_hz:.2g} Hz up to {fit.highest_hz:g} Hz"
        )

    def network(self, architecture: Architecture) -> SpikingNetwork:
        """
        The network of an architecture, made when it is first asked for.

        Parameters
        ----------
        architecture : Architecture
            What it consists of.

        Returns
        -------
        SpikingNetwork
            Closed by `close`.
        """
        if architecture not in self._networks:
            made = spiking_network(architecture, self.settings.code_target, self.settings.cache)
            self._networks[architecture] = made
        return self._networks[architecture]

    def close(self) -> None:
        """End what was started."""
        for network in self._networks.values():
            network.close()
        self._networks.clear()

    def each(self, live: Callable[[int], Result], n_animals: int) -> list[Result]:
        """
        Do something with every animal, several of them at once.

        Parameters
        ----------
        live : callable
            Takes the number of the animal.
        n_animals : int
            How many.

        Returns
        -------
        list
            In the order of the animals.
        """
        if self.workers == 1 or n_animals == 1:
            return [live(number) for number in range(n_animals)]
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(live, range(n_animals)))

    def learn(self, network: Network, choices: Choices, rates: Rates, session: Session, draws: Draws) -> Learned:
        """
        Live through the trials of a session in spikes; networks are changed in place.

        Trials come one after the other; those of an update each change the weights by their share of it. What is
        reported in a trial is the readout's rate between the time that probes settle in and the time that learning
        starts: a short time, so that the loss holds the noise of few spikes.

        Parameters
        ----------
        network : Network
            The networks of all animals.
        choices : Choices
            How they learn.
        rates : Rates
            Numbers of the rule.
        session : Session
            What is shown.
        draws : Draws
            Random numbers of the session.

        Returns
        -------
        Learned
            Performance and loss, update by update, from the spikes of the readout.
        """
        regulated = bool((session.homeostasis_rate > 0).any())
        architecture = schedule.architecture_of(network, self.settings, choices, session.batch_size, regulated)
        simulate = self.network(architecture)
        order = session.random_order(draws)

        def live(animal: int) -> np.ndarray:
            own = (animal, animal + 1)
            student = Student(
                network.animals(*own), choices, rates.animals(*own), session.animals(*own), order[slice(*own)],
                draws.animals(*own), self.settings,
            )  # fmt: skip
            return student.live(simulate)

        outputs = np.stack(self.each(live, network.n_animals))
        output = torch.from_numpy(outputs).to(session.stimuli)
        shown = order.flatten(1)
        animals = torch.arange(network.n_animals, device=shown.device).unsqueeze(1)
        loss = 0.5 * (session.targets[animals, shown] - output).square().sum(-1)
        correct = judge(chosen(output, session.threshold), session.acceptable, shown, session.stimuli)
        shape = (network.n_animals, session.n_updates, -1)
        learned = Learned(correct.reshape(shape).mean(-1), loss.reshape(shape).mean(-1), self.engine(architecture))
        remember_performance(network, session, learned)
        return learned

    def probe(self, network: Network, trials: Tensor, lowest: np.ndarray, draws: Draws) -> list[Probed]:
        """
        Show stimuli while nothing is learned.

        Parameters
        ----------
        network : Network
            The networks of all animals.
        trials : torch.Tensor
            (animal, trial, input).
        lowest : numpy.ndarray
            (animal,): baseline of the readout.
        draws : Draws
            Random numbers of the probe.

        Returns
        -------
        list of Probed
            Per animal.
        """
        architecture = schedule.architecture_of(network, self.settings)
        simulate = self.network(architecture)
        shown = trials.cpu().numpy().astype(np.float64)

        def live(animal: int) -> Probed:
            arrays = {"baseline": np.array(lowest[animal])} | folded_weights(network.animals(animal, animal + 1))
            parts = []
            for chunk, (start, stop) in enumerate(chunks(len(shown[animal]), architecture, self.settings, "probe_ms")):
                arrays["stimulus"] = schedule.in_bins(
                    shown[animal, start:stop], self.settings, "probe_ms", architecture.n_bins
                )
                bins = self.settings.bins("probe_ms")
                results = simulate.call(arrays, call_seed(draws, animal, chunk), (stop - start) * bins)
                parts.append(_probed(results, architecture, self.settings, start))
            return _joined(parts)

        return self.each(live, network.n_animals)


def _probed(results: Arrays, architecture: Architecture, settings: SpikingSettings, start: int) -> Probed:
    """Spikes of one call, trial by trial; `start` is the number of its first trial."""
    bins, seconds = settings.bins("probe_ms"), settings.probe_ms / 1000
    counts = [schedule.per_trial(results, layer, bins) for layer in range(architecture.n_hidden + 1)]
    if not architecture.spike_times:
        return Probed(counts)
    layers = range(architecture.n_hidden)
    first = np.cumsum([0, *architecture.sizes[1:]])
    unit = np.concatenate([results[f"spike unit {layer}"] + first[layer] for layer in layers]).astype(np.int64)
    time = np.concatenate([results[f"spike time {layer}"] for layer in layers])
    # a spike at the very start of a step belongs to it, whatever the rounding
    trial = np.floor(time / seconds + 1e-9).astype(np.int64)
    order = np.lexsort((unit, time))
    return Probed(counts, ((trial + start)[order], unit[order], (time - trial * seconds)[order]))


def _joined(parts: list[Probed]) -> Probed:
    """Calls one after the other."""
    counts = [np.concatenate(layers) for layers in zip(*(part.counts for part in parts), strict=True)]
    trial, unit, time = (np.concatenate(values) for values in zip(*(part.spikes for part in parts), strict=True))
    return Probed(counts, (trial, unit, time))
