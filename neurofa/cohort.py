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
from neurofa.errors import ConfigError
from neurofa.learning import Learned, Session, learn_session, reports
from neurofa.members import Member, animal_stimuli, is_number, is_on, refuse_unequal
from neurofa.networks import Layer, Network, forward, propagate, respond
from neurofa.rules.rule import Rates, Rule
from neurofa.settings import overnight_process

#: numbers of a rule and the settings that give them
_RATES = {
    "hidden": "learning_rate",
    "readout": "readout_learning_rate",
    "readout_step_bound": "readout_step_bound",
    "target_scale": "target_scale",
    "noise_amplitude": "noise_amplitude",
    "walk_per_update": "walk_per_update",
    "feedback_scale": "feedback_scale",
    "network_scale": "network_scale",
    "feedback_decay": "feedback_decay",
    "feedback_rate": "feedback_rate",
}


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
        held_out = sets[0].held_out
        self.held_out = None if held_out is None else torch.from_numpy(held_out).to(self.device)
        self.rates = Rates(**{name: self.numbers(attrgetter(f"rule.{setting}"), 3) for name, setting in _RATES.items()})
        # a bound of 0 stands for none
        self.rates.readout_step_bound[self.rates.readout_step_bound == 0] = torch.inf
        self.build_rule: Callable[[Rates], Rule] = partial(Rule, self.protocol.rule.choices())
        #: number of an animal to why it does not go on
        self.stopped: dict[int, str] = {}
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
            Without the stimuli that are held out.
        """
        targets, acceptable = self.targets, self.acceptable
        if self.held_out is not None:
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
        return learn_session(self.network, self.build_rule, self.rates, session, draws, self.protocol.engine.threads)

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
        correct = reports(activity.output, self.acceptable, threshold=self.threshold)
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

    def name(self, number: int) -> str:
        """
        Name of one animal.

        Parameters
        ----------
        number : int
            In this cohort.

        Returns
        -------
        str
            Such as ``"fa-3"``.
        """
        return f"{self.members[number].group}-{self.members[number].index}"

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
        private = self.first_rates is not None
        sizes = [self.stimuli.shape[1 if private else 2], *own.hidden, self.targets.shape[2]]
        layers = []
        for number, (pre, post) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            readout = number == len(sizes) - 2
            scale = self.numbers(attrgetter("network.readout_scale" if readout else "network.weight_scale"), 3)
            if number == 0 and self.first_rates is not None:
                weights = self.first_rates.transpose(1, 2).contiguous()
            else:
                weights = draws.normal(("weights", number), (post, pre)) * scale / pre**0.5
            bias = torch.zeros_like(weights[:, :, 0]) if own.biases else None
            layers.append(Layer(weights=weights, bias=bias))
        network = Network(layers, own.activation, own.loss, private=private)
        gains = is_on(own.gain_sd)
        rates = self.stimuli
        for number, layer in enumerate(layers[:-1]):
            drive = layer.weights.transpose(1, 2) if private and number == 0 else propagate(layer, rates)
            layer.drive_mean, layer.drive_square = drive.mean(1), drive.square().mean(1)
            shape = (layer.weights.shape[1],)
            if gains:
                sd = self.numbers(attrgetter("network.gain_sd"), 2)
                layer.gain = torch.exp(sd * draws.normal(("gain", number), shape) - sd**2 / 2)
            if own.output_gain:
                layer.output_gain = torch.ones_like(layer.weights[:, 0, :1])
            if is_on(own.active_fraction):
                fraction = self.numbers(attrgetter("network.active_fraction"), 2)
                spread = self.numbers(attrgetter("network.active_fraction_spread"), 2)
                logit = torch.logit(fraction) + spread * draws.normal(("active fraction", number), shape)
                layer.target_active = torch.sigmoid(logit)
                layer.threshold = _quantile(drive, 1 - fraction)
            rates = respond(layer, drive, own.activation)[2]
        self.build_rule(self.rates).birth(network, draws)
        return network

    def _tensor(self, values: np.ndarray) -> Tensor:
        """Tensor of this cohort's precision on its device."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(dtype=self.dtype, device=self.device)


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
