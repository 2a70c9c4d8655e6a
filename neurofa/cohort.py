"""The animals of a batch as tensors: how they are born, what they are shown, what happens to them overnight."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurofa.catalogue import blamed_on
from neurofa.draws import Draws
from neurofa.errors import ConfigError, DivergenceError
from neurofa.learning import reports
from neurofa.members import Member, animal_stimuli, is_number, is_on, refuse_unequal
from neurofa.networks import Layer, Network, forward, propagate, respond
from neurofa.rules.rule import Rates, Rule
from neurofa.settings import overnight_process


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
        self.device = _device(engine.device)
        self.seed = self.protocol.cohort.seed
        sets = [animal_stimuli(member) for member in members]
        refuse_unequal(self.protocol.stimuli.kind, sets)
        self.labels = sets[0].labels
        self.stimuli = self._tensor(np.stack([own.inputs for own in sets]))
        self.targets = self._tensor(np.stack([own.targets for own in sets]))
        acceptable = [own.acceptable for own in sets if own.acceptable is not None]
        self.acceptable = torch.from_numpy(np.stack(acceptable)).to(self.device) if acceptable else None
        self.rates = Rates(
            hidden=self.numbers(attrgetter("rule.learning_rate"), 3),
            readout=self.numbers(attrgetter("rule.readout_learning_rate"), 3),
            readout_step_bound=self.numbers(attrgetter("rule.readout_step_bound"), 3),
            target_scale=self.numbers(attrgetter("rule.target_scale"), 3),
            noise_amplitude=self.numbers(attrgetter("rule.noise_amplitude"), 3),
            walk_per_update=self.numbers(attrgetter("rule.walk_per_update"), 3),
            feedback_scale=self.numbers(attrgetter("rule.feedback_scale"), 3),
        )
        signal, pathway, feedback = self.protocol.rule.choices()
        self.build_rule: Callable[[Rates], Rule] = partial(
            _rule, signal, pathway, feedback, self.protocol.rule.network_units
        )
        self.network = self._birth()
        self._processes = self._overnight_processes()
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
        sd = self.numbers(attrgetter("stimuli.session_gain_sd"), 2)
        gains = torch.exp(sd * draws.normal(("input gains",), (self.stimuli.shape[2],)) - sd**2 / 2)
        return self.stimuli * gains.unsqueeze(1)

    def probe(self, stimuli: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """
        Rates and reports while nothing is learned.

        Parameters
        ----------
        stimuli : torch.Tensor
            (animal, stimulus, input).

        Returns
        -------
        tuple of numpy.ndarray
            Rates (animal, stimulus, unit), all hidden layers one after the other, a.u.; output (animal, stimulus,
            output); correct (animal, stimulus): 1, 0 or NaN.
        """
        activity = forward(self.network, stimuli)
        rates = torch.cat(activity.rates[1:], dim=2)
        correct = reports(activity.output, self.acceptable)
        return rates.cpu().numpy(), activity.output.cpu().numpy(), correct.cpu().numpy()

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
        DivergenceError
            Where weights become infinite or not a number.
        """
        for name, process, values in self._processes:
            with blamed_on(name, "overnight process"):
                returned: Any = process(self.network, days, draws, **values)
            if returned is not None:
                raise ConfigError(
                    f"overnight process '{name}' must change the networks in place and return nothing, "
                    f"got {type(returned).__name__}"
                )
            broken = self.broken_animals()
            if broken:
                raise DivergenceError(
                    f"overnight process '{name}' made weights infinite in {', '.join(broken)}; lower its parameters"
                )

    def broken_animals(self) -> list[str]:
        """
        Animals whose state is infinite or not a number.

        Returns
        -------
        list of str
            Their names, such as ``"fa-3"``.
        """
        fine = torch.ones(len(self.members), dtype=torch.bool, device=self.device)
        for tensor in self.network.state().values():
            fine &= torch.isfinite(tensor).flatten(1).all(1)
        return [f"{self.members[n].group}-{self.members[n].index}" for n in (~fine).nonzero().flatten().tolist()]

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

    def _overnight_processes(self) -> list[tuple[str, Callable[..., None], dict[str, Any]]]:
        """Name, function and parameters of every process, numbers as tensors with one value per animal."""
        found: list[tuple[str, Callable[..., None], dict[str, Any]]] = []
        of_members = [member.protocol.overnight.processes() for member in self.members]
        for name, parameters in of_members[0].items():
            values: dict[str, Any] = {}
            for key, value in parameters.items():
                own = [processes[name][key] for processes in of_members]
                if is_number(value):
                    own = [
                        one[m.index] if isinstance(one, list) else one for one, m in zip(own, self.members, strict=True)
                    ]
                    values[key] = self._tensor(np.array(own, dtype=float))
                else:
                    values[key] = value
            found.append((name, overnight_process(name, self.protocol.overnight.folder), values))
        return found

    def _birth(self) -> Network:
        """Weights, gains, thresholds and feedback that the animals are born with."""
        own, draws = self.protocol.network, self.draws("birth")
        sizes = [self.stimuli.shape[2], *own.hidden, self.targets.shape[2]]
        layers = []
        for number, (pre, post) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            readout = number == len(sizes) - 2
            scale = self.numbers(attrgetter("network.readout_scale" if readout else "network.weight_scale"), 3)
            weights = draws.normal(("weights", number), (post, pre)) * scale / pre**0.5
            bias = torch.zeros_like(weights[:, :, 0]) if own.biases else None
            layers.append(Layer(weights=weights, bias=bias))
        network = Network(layers, own.activation, own.loss)
        gains = is_on(own.gain_sd)
        rates = self.stimuli
        for number, layer in enumerate(layers[:-1]):
            drive = propagate(layer, rates)
            layer.drive_mean, layer.drive_square = drive.mean(1), drive.square().mean(1)
            shape = (layer.weights.shape[1],)
            if gains:
                sd = self.numbers(attrgetter("network.gain_sd"), 2)
                layer.gain = torch.exp(sd * draws.normal(("gain", number), shape) - sd**2 / 2)
            if is_on(own.active_fraction):
                fraction = self.numbers(attrgetter("network.active_fraction"), 2)
                spread = self.numbers(attrgetter("network.active_fraction_spread"), 2)
                logit = torch.logit(fraction) + spread * draws.normal(("active fraction", number), shape)
                layer.target_active = torch.sigmoid(logit)
                layer.threshold = _quantile(drive, 1 - fraction)
            rates = respond(layer, drive, own.activation)[2]
        self.build_rule(self.rates).birth(network, draws)
        if self.protocol.rule.choices()[0] == "centred_target":
            network.memory["target_sum"] = torch.zeros_like(self.targets[:, :1])
            network.memory["target_count"] = torch.zeros_like(self.rates.hidden)
            network.memory["performance"] = torch.zeros_like(self.rates.hidden)
        return network

    def _tensor(self, values: np.ndarray) -> Tensor:
        """Tensor of this cohort's precision on its device."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(dtype=self.dtype, device=self.device)


def _rule(signal: str, pathway: str, feedback: str, network_units: int, rates: Rates) -> Rule:
    """Rule with its numbers as the last argument, for functools.partial."""
    return Rule(signal, pathway, feedback, rates, network_units)


def _quantile(drive: Tensor, fraction: Tensor) -> Tensor:
    """Quantile over trials (axis 1) at one fraction per animal, linearly interpolated: (animal, unit)."""
    ordered = drive.sort(dim=1).values
    place = fraction.reshape(-1, 1, 1) * (drive.shape[1] - 1)
    below = place.floor().long().clamp(0, drive.shape[1] - 1)
    above = (below + 1).clamp(max=drive.shape[1] - 1)
    shape = (-1, -1, drive.shape[2])
    low, high = ordered.gather(1, below.expand(*shape)), ordered.gather(1, above.expand(*shape))
    return (low + (high - low) * (place - below)).squeeze(1)


def _device(name: str) -> torch.device:
    """A device that is there."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"engine.device '{name}' is not available here; use cpu, or install torch for that device"
        ) from error
    return device
