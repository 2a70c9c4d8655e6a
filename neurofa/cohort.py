"""The animals of a protocol as tensors: who is simulated together, and how they are born."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurofa import seeds
from neurofa.draws import Draws
from neurofa.errors import ConfigError, DivergenceError
from neurofa.learning import reports
from neurofa.networks import Layer, Network, forward, propagate, respond
from neurofa.protocol import Protocol
from neurofa.rules.rule import Rates, Rule
from neurofa.settings import overnight_process, stimulus_set
from neurofa.stimuli import Stimuli


@dataclass(frozen=True)
class Member:
    """
    One animal.

    Attributes
    ----------
    group : str
        Its group.
    index : int
        Its index within the group; with the seed it decides all its random numbers.
    protocol : Protocol
        The protocol of its group.
    """

    group: str
    index: int
    protocol: Protocol


def batches(protocol: Protocol) -> list[list[Member]]:
    """
    Animals that can be simulated as one tensor: their protocols differ in numbers only.

    Parameters
    ----------
    protocol : Protocol
        With its groups.

    Returns
    -------
    list of list of Member
        Each inner list is one batch; animals of a group stay together, in order.
    """
    found: dict[str, list[Member]] = {}
    for name in protocol.group_names():
        own = protocol.group(name)
        animals = [Member(name, index, own) for index in range(own.cohort.animals)]
        found.setdefault(_structure(own), []).extend(animals)
    return list(found.values())


def _structure(protocol: Protocol) -> str:
    """What must be equal for two animals to share a tensor."""
    settings = protocol.as_dict()
    numbers = {"learning_rate", "readout_learning_rate", "readout_step_bound", "feedback_scale", "target_scale"}
    numbers |= {"noise_amplitude", "walk_per_update", "name", "teaching_signal", "pathway", "feedback_weights"}
    same: dict[str, Any] = {
        "network": [settings["network"][key] for key in ("hidden", "activation", "loss", "biases")],
        "thresholds": _is_on(protocol.network.active_fraction),
        "gains": _is_on(protocol.network.gain_sd),
        "pretraining_homeostasis": protocol.network.pretraining_homeostasis,
        "rule": {key: value for key, value in settings["rule"].items() if key not in numbers},
        "choices": protocol.rule.choices(),
        "stimuli": {key: settings["stimuli"][key] for key in ("kind", *protocol.stimuli.parameters())},
        "schedule": settings["schedule"],
        "engine": settings["engine"],
        "seed": protocol.cohort.seed,
        "overnight": [
            (name, [(key, None if _is_number(value) else value) for key, value in parameters.items()])
            for name, parameters in protocol.overnight.processes().items()
        ],
    }
    return json.dumps(same, sort_keys=True)


def _is_on(value: float | tuple[float, ...]) -> bool:
    """Whether any animal has more than 0 of it."""
    return any(number > 0 for number in (value if isinstance(value, tuple) else (value,)))


def _is_number(value: Any) -> bool:
    """Whether a parameter of an overnight process is a number, or one number per animal."""
    return isinstance(value, int | float | list | tuple) and not isinstance(value, bool)


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
        _refuse_unequal(self.protocol.stimuli.kind, sets)
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
        """
        for name, process, values in self._processes:
            process(self.network, days, draws, **values)
            if not all(torch.isfinite(tensor).all() for tensor in self.network.state().values()):
                raise DivergenceError(f"overnight process '{name}' made weights infinite; lower its parameters")

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
                if _is_number(value):
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
        gains = _is_on(own.gain_sd)
        rates = self.stimuli
        for number, layer in enumerate(layers[:-1]):
            drive = propagate(layer, rates)
            layer.drive_mean, layer.drive_square = drive.mean(1), drive.square().mean(1)
            shape = (layer.weights.shape[1],)
            if gains:
                sd = self.numbers(attrgetter("network.gain_sd"), 2)
                layer.gain = torch.exp(sd * draws.normal(("gain", number), shape) - sd**2 / 2)
            if _is_on(own.active_fraction):
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


def animal_stimuli(member: Member) -> Stimuli:
    """
    Stimuli of one animal.

    Parameters
    ----------
    member : Member
        The animal.

    Returns
    -------
    Stimuli
        Drawn from the animal's own numbers.

    Raises
    ------
    ConfigError
        Where the stimulus set is not possible.
    """
    own = member.protocol.stimuli
    generator = seeds.generator(member.protocol.cohort.seed, "animal", member.index, "birth", "stimuli")
    stimuli = stimulus_set(own.kind, own.folder)(generator, **own.parameters())
    if not isinstance(stimuli, Stimuli):
        raise ConfigError(
            f"stimulus set '{own.kind}' must return neurofa.stimuli.Stimuli, got {type(stimuli).__name__}"
        )
    stimuli.check(own.kind)
    batch = member.protocol.schedule.batch_size
    if batch and stimuli.inputs.shape[0] % batch:
        raise ConfigError(
            f"schedule.batch_size {batch} does not divide the {stimuli.inputs.shape[0]} stimuli; "
            "choose a divisor, or 0 for all"
        )
    return stimuli


def _refuse_unequal(kind: str, sets: Sequence[Stimuli]) -> None:
    """Animals that share a tensor need stimuli of equal sizes and labels."""
    first = sets[0]
    for own in sets[1:]:
        sizes = [(one.inputs.shape, one.targets.shape, one.acceptable is None) for one in (first, own)]
        same = first.labels.keys() == own.labels.keys() and all(
            np.array_equal(own.labels[name], values) for name, values in first.labels.items()
        )
        if sizes[0] != sizes[1] or not same:
            raise ConfigError(
                f"stimulus set '{kind}' gave animals of one group different sizes or labels; "
                "only the values of inputs, targets and acceptable may differ between animals"
            )


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
