"""One animal that learns in spikes: its trials in calls of the spiking network, what it learns back in its weights."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from neurofa.draws import Draws
from neurofa.learning import Session
from neurofa.networks import Layer, Network, forward
from neurofa.networks.homeostasis import SMALLEST_FRACTION, follow_drive
from neurofa.rules.names import Choices
from neurofa.rules.rule import Rates
from neurofa.spiking import schedule
from neurofa.spiking.architecture import Architecture
from neurofa.spiking.calling import Arrays, SpikingNetwork
from neurofa.spiking_settings import SpikingSettings


class Student:
    """One animal in one session."""

    def __init__(
        self, network: Network, choices: Choices, rates: Rates, session: Session, order: Tensor, draws: Draws,
        settings: SpikingSettings,
    ) -> None:  # fmt: skip
        self.network, self.choices, self.rates, self.session = network, choices, rates, session
        self.draws, self.settings = draws, settings
        self.shown = order[0].cpu().numpy()
        self.targets = session.targets[0].cpu().numpy().astype(np.float64)
        self.baseline = schedule.baseline(settings, self.targets)

    def live(self, simulate: SpikingNetwork) -> np.ndarray:
        """Learn all trials; the output (trial, output) in each of them, before it changes anything."""
        architecture, settings, session = simulate.architecture, self.settings, self.session
        noise = self.draws.stream(("input noise",), (session.batch_size, session.stimuli.shape[2]), "normal")
        noisy = bool((session.noise_sd > 0).any())
        bins, settling = settings.bins("trial_ms"), settings.bins("settling_ms")
        seconds = (bins - settling) * settings.bin_ms / 1000
        signals = self._signals()
        outputs = []
        for chunk, (start, stop) in enumerate(chunks(self.shown.size, architecture, settings, "trial_ms")):
            trials = self.shown.ravel()[start:stop]
            stimuli = session.stimuli[0, torch.from_numpy(trials)]
            if noisy:
                first, last = start // session.batch_size, (stop - 1) // session.batch_size + 1
                drawn = torch.cat([noise.at(update)[0] for update in range(first, last)])
                drawn = drawn[start - first * session.batch_size :][: len(trials)]
                stimuli = torch.addcmul(stimuli, session.noise_sd[0], drawn)
            shown = {
                "stimulus": stimuli.cpu().numpy().astype(np.float64),
                "target": self.targets[trials],
                "bound": self._bound(stimuli, start),
            }
            if not architecture.teaches_error:
                shown["teaching"] = signals[start:stop]
            arrays = {
                name: schedule.in_bins(values, settings, "trial_ms", architecture.n_bins)
                for name, values in shown.items()
            }
            opens = np.arange(architecture.n_bins) % bins >= settling
            arrays["gate"] = opens * (np.arange(architecture.n_bins) < len(trials) * bins)
            arrays |= folded_weights(self.network) | self._numbers(architecture, seconds)
            results = simulate.call(arrays, call_seed(self.draws, 0, chunk), len(trials) * bins)
            self._take(arrays, results)
            self._follow_drives(len(trials))
            # what is reported before anything is learned in the trial
            unlearned = slice(settings.bins("probe_settling_ms"), settling)
            counts = schedule.per_trial(results, architecture.n_hidden, bins)[:, unlearned].sum(1)
            time = (settings.settling_ms - settings.probe_settling_ms) / 1000
            outputs.append(counts / (settings.hz_per_unit * time) - self.baseline)
        return np.concatenate(outputs)

    def _numbers(self, architecture: Architecture, seconds: float) -> Arrays:
        """Learning rates, gains and feedback weights; a rate per trial becomes one per spike, or per second."""
        share = 1 / (seconds * self.session.batch_size)
        found = {"baseline": np.array(self.baseline)}
        for number, layer in enumerate(self.network.layers):
            readout = number == architecture.n_hidden
            rate = float(self.rates.readout if readout else self.rates.hidden) * share
            found[f"rate {number}"] = np.array(rate / self.settings.hz_per_unit)
            if architecture.biases:
                found[f"bias rate {number}"] = np.array(rate)
            if readout:
                continue
            gain = schedule.gains(layer)
            # what is learned by a folded weight is gain times what its weight learns
            found |= {f"gain {number}": gain, f"plasticity {number}": gain * _plasticity(layer)}
            if architecture.homeostasis:
                found |= _regulation(layer, number, gain, float(self.session.homeostasis_rate) * share)
            own = None if layer.feedback is None else layer.feedback[0].cpu().numpy().astype(np.float64)
            kind, scale = architecture.fed_back(number), float(self.rates.feedback_scale)
            if architecture.has_matrix(number) and own is not None:
                found[f"feedback {number}"] = own
                noise = float(self.rates.noise_amplitude)
                steps = {"walking": float(self.rates.walk_per_update), "fixed": 0.0}
                found[f"step {number}"] = np.array(steps.get(kind, noise))
                found[f"scale {number}"] = np.array(scale / own.shape[1] ** 0.5)
            elif kind.startswith("sign"):
                above = architecture.sizes[number + 2]
                found[f"magnitudes {number}"] = np.ones((above, len(layer.weights[0]))) if own is None else abs(own.T)
                found[f"scale {number}"] = np.array(scale / above**0.5 if own is None else 1.0)
        return found

    def _bound(self, stimuli: Tensor, start: int) -> np.ndarray:
        """
        Factor of the readout's rate of learning in every trial, from the rates that the weights promise.

        As in the rate engine, a step is at most readout_step_bound / the summed squared inputs of an update's trials.
        """
        powers = forward(self.network, stimuli.unsqueeze(0)).rates[-1][0].square().sum(1).cpu().numpy()
        size = self.session.batch_size
        update = (start + np.arange(len(powers))) // size
        update -= update[0]
        seen = np.bincount(update)
        # an update of which this chunk holds a part is judged by that part
        power = np.bincount(update, powers) * size / seen
        largest = float(self.rates.readout_step_bound) * size / np.maximum(power, 1e-30)
        factor: np.ndarray = np.minimum(1, largest / max(float(self.rates.readout), 1e-30))
        bound: np.ndarray = factor[update]
        return bound

    def _signals(self) -> np.ndarray:
        """What is sent back in every trial where it is not the error: (trial, output)."""
        targets, memory = self.targets[self.shown], self.network.memory
        if self.choices.teaching_signal != "centred_target":
            return np.concatenate(targets)
        scale = float(self.rates.target_scale) * (1 - max(0.0, float(memory["performance"])))
        if self.session.batch_size > 1:
            centred: np.ndarray = scale * np.concatenate(targets - targets.mean(1, keepdims=True))
            return centred
        # trial by trial: the mean over the session's trials so far
        so_far = np.cumsum(targets[:, 0], axis=0) / np.arange(1, len(targets) + 1)[:, None]
        centred = scale * (targets[:, 0] - so_far)
        return centred

    def _take(self, arrays: Arrays, results: Arrays) -> None:
        """Take what was learned back into the rate network."""
        for number, layer in enumerate(self.network.layers):
            gain = schedule.gains(layer)
            change = (results[f"weights {number}"] - arrays[f"weights {number}"]) / gain[:, None]
            layer.weights[0] += torch.from_numpy(change).to(layer.weights)
            if layer.bias is not None:
                change = (results[f"bias {number}"] - arrays[f"bias {number}"]) / gain
                layer.bias[0] += torch.from_numpy(change).to(layer.bias)
            if layer.threshold is not None and f"moved {number}" in results:
                layer.threshold[0] += torch.from_numpy(results[f"moved {number}"] / gain).to(layer.threshold)
            if layer.feedback is not None and f"feedback {number}" in results:
                layer.feedback[0] = torch.from_numpy(results[f"feedback {number}"]).to(layer.feedback)

    def _follow_drives(self, n_trials: int) -> None:
        """Let the moments of the drives follow what was shown, once for all updates of a call."""
        session = self.session
        weight = min(0.05, 0.05 * session.batch_size / session.stimuli.shape[1])
        kept = (1 - weight) ** (n_trials / session.batch_size)
        drives = forward(self.network, session.stimuli).drives
        for layer, drive in zip(self.network.layers[:-1], drives, strict=True):
            follow_drive(layer, drive, 1 - kept)


def chunks(
    n_trials: int, architecture: Architecture, settings: SpikingSettings, trial: str
) -> Iterator[tuple[int, int]]:
    """First and last trial of every call."""
    size = architecture.n_bins // settings.bins(trial)
    for start in range(0, n_trials, size):
        yield start, min(start + size, n_trials)


def call_seed(draws: Draws, animal: int, chunk: int) -> int:
    """Seed of one call, by name path."""
    return int(draws.generator(animal, ("spikes", chunk)).integers(2**31 - 1))


def folded_weights(network: Network) -> Arrays:
    """Weights and biases of one animal as its spiking neurons have them."""
    found = {}
    for number, layer in enumerate(network.layers):
        found[f"weights {number}"], found[f"bias {number}"] = schedule.folded(layer)
    return found


def _regulation(layer: Layer, number: int, gain: np.ndarray, rate: float) -> Arrays:
    """
    Numbers of the homeostasis of a hidden layer of one animal: see `neurofa.networks.homeostasis.regulate_thresholds`.

    `rate` is per second. A unit counts as active where its drive exceeds its threshold, whatever its excitability.
    """
    spread, fraction = layer.drive_sd()[0], layer.target_active
    wanted = np.zeros(len(gain)) if fraction is None else fraction[0].cpu().numpy().astype(np.float64)
    shift = torch.zeros_like(spread) if layer.excitability is None else layer.excitability[0] * spread
    step = spread.maximum(spread.mean()).cpu().numpy().astype(np.float64)
    return {
        f"regulation {number}": gain * rate * step / np.maximum(wanted, SMALLEST_FRACTION),
        f"fraction {number}": wanted,
        f"shift {number}": gain * shift.cpu().numpy().astype(np.float64),
    }


def _plasticity(layer: Layer) -> np.ndarray:
    """Learning rates of the units of one animal, relative to that of the rule."""
    if layer.plasticity is None:
        return np.ones(layer.weights.shape[1])
    own: np.ndarray = layer.plasticity[0].cpu().numpy().astype(np.float64)
    return own
