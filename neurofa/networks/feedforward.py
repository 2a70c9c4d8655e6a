"""Feedforward rate networks of a whole cohort: the first axis of every tensor is the animal.

Layer l: drive d = W r + b, input a = d - threshold + excitability * sd(d), rate r = gain * f(a), times the layer's
trainable output gain where it has one; with lateral weights f(a) is where the layer settles, see
`neurofa.networks.lateral`. The last layer is the readout: no threshold, gain 1, output linear (squared error) or
softmax (cross-entropy).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import torch
from torch import Tensor

from neurofa.networks.lateral import settle

Activation = Literal["tanh", "relu", "softplus", "identity"]
Loss = Literal["squared_error", "cross_entropy"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softplus": torch.nn.functional.softplus,
    "identity": lambda value: value,
}

#: derivative of each activation, given its input and its value
DERIVATIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "tanh": lambda _, value: 1 - value * value,
    "relu": lambda given, _: (given > 0).to(given.dtype),
    "softplus": lambda given, _: torch.sigmoid(given),
    "identity": lambda given, _: torch.ones_like(given),
}


@dataclass
class Layer:
    """
    State of one layer in all animals.

    Attributes
    ----------
    weights : torch.Tensor
        (animal, post, pre).
    bias : torch.Tensor or None
        (animal, post).
    threshold, gain, excitability : torch.Tensor or None
        (animal, post); None in the readout. The excitability is in units of the sd of the drive.
    drive_mean, drive_square : torch.Tensor or None
        (animal, post): running mean of the drive and of its square over stimuli.
    target_active : torch.Tensor or None
        (animal, post): fraction of stimuli for which homeostasis wants the unit active; None without homeostasis.
    feedback : torch.Tensor or None
        (animal, post, signal): what brings a teaching signal to this layer, where the rule has such weights.
    feedback_hidden : torch.Tensor or None
        (animal, feedback unit, signal): first stage of a feedback network.
    output_gain : torch.Tensor or None
        (animal, 1): trainable gain of all rates of the layer.
    plasticity : torch.Tensor or None
        (animal, post): learning rate of each unit, relative; None = 1.
    lateral : torch.Tensor or None
        (animal, post, post): inhibition of each unit by each other, and on the diagonal its own leak.
    """

    weights: Tensor
    bias: Tensor | None = None
    threshold: Tensor | None = None
    gain: Tensor | None = None
    excitability: Tensor | None = None
    drive_mean: Tensor | None = None
    drive_square: Tensor | None = None
    target_active: Tensor | None = None
    feedback: Tensor | None = None
    feedback_hidden: Tensor | None = None
    output_gain: Tensor | None = None
    plasticity: Tensor | None = None
    lateral: Tensor | None = None

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """
        All tensors that this layer has.

        Yields
        ------
        tuple of (str, torch.Tensor)
            Name and tensor.
        """
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None:
                yield entry.name, value

    def drive_sd(self) -> Tensor:
        """
        Standard deviation of the drive over stimuli, from the running moments.

        Returns
        -------
        torch.Tensor
            (animal, post).
        """
        if self.drive_mean is None or self.drive_square is None:
            return torch.ones_like(self.weights[:, :, 0])
        return (self.drive_square - self.drive_mean**2).clamp_min(0).sqrt()


@dataclass
class Network:
    """
    Feedforward networks of all animals.

    Attributes
    ----------
    layers : list of Layer
        From the first hidden layer to the readout.
    activation : str
        Of the hidden layers.
    loss : str
        ``"squared_error"`` or ``"cross_entropy"``.
    memory : dict of str to torch.Tensor
        What rules and overnight processes remember from session to session, (animal, ...).
    private : bool
        Every stimulus has synapses of its own onto the first hidden layer: its weights are (animal, post, stimulus),
        all stimuli are shown in every trial block, and what they hold besides their number does not matter.
    """

    layers: list[Layer]
    activation: Activation
    loss: Loss
    memory: dict[str, Tensor] = field(default_factory=dict)
    private: bool = False

    @property
    def n_animals(self) -> int:
        """Number of animals."""
        return self.layers[0].weights.shape[0]

    def state(self) -> dict[str, Tensor]:
        """
        All tensors by name, for checkpoints.

        Returns
        -------
        dict of str to torch.Tensor
            Names such as ``layer1.weights``; the tensors themselves, not copies.
        """
        named = {
            f"layer{number}.{name}": value
            for number, layer in enumerate(self.layers, start=1)
            for name, value in layer.tensors()
        }
        return named | {f"memory.{name}": value for name, value in self.memory.items()}

    def animals(self, start: int, stop: int) -> "Network":
        """
        Some of the animals, as views: what is learned in them is learned here.

        Parameters
        ----------
        start, stop : int
            Range of animals.

        Returns
        -------
        Network
            Shares memory with this one.
        """
        layers = [Layer(**{name: value[start:stop] for name, value in layer.tensors()}) for layer in self.layers]
        memory = {name: value[start:stop] for name, value in self.memory.items()}
        return Network(layers, self.activation, self.loss, memory, self.private)

    def copy(self) -> "Network":
        """
        Copy that shares no memory with this one: what is tried on it leaves the animals as they are.

        Returns
        -------
        Network
            Equal in everything.
        """
        layers = [Layer(**{name: value.clone() for name, value in layer.tensors()}) for layer in self.layers]
        memory = {name: value.clone() for name, value in self.memory.items()}
        return Network(layers, self.activation, self.loss, memory, self.private)


@dataclass
class Activity:
    """
    One forward pass.

    Attributes
    ----------
    rates : list of torch.Tensor
        (animal, trial, unit), from the stimulus to the last hidden layer.
    inputs : list of torch.Tensor
        (animal, trial, unit): the argument of the activation, per hidden layer.
    drives : list of torch.Tensor
        (animal, trial, unit): before threshold and excitability, per hidden layer.
    values : list of torch.Tensor
        (animal, trial, unit): the activation before the gain, per hidden layer.
    output : torch.Tensor
        (animal, trial, output): after the softmax where the loss is cross-entropy.
    dropout : list of torch.Tensor
        (animal, trial, unit): what the rates and their slopes are multiplied by, per hidden layer; empty = 1.
    """

    rates: list[Tensor]
    inputs: list[Tensor]
    drives: list[Tensor]
    values: list[Tensor]
    output: Tensor
    dropout: Sequence[Tensor] = ()


def forward(network: Network, stimuli: Tensor, dropout: Sequence[Tensor] = ()) -> Activity:
    """
    Rates of all layers for given stimuli.

    Parameters
    ----------
    network : Network
        The networks.
    stimuli : torch.Tensor
        (animal, trial, input).
    dropout : sequence of torch.Tensor, optional
        See `Activity`.

    Returns
    -------
    Activity
        Everything that learning needs of the forward pass.
    """
    activity = Activity([stimuli], [], [], [], stimuli, dropout)
    for number, layer in enumerate(network.layers[:-1]):
        private = network.private and number == 0
        # a copy: what is seen of this pass later must not change with the weights
        drive = layer.weights.transpose(1, 2).clone() if private else propagate(layer, activity.rates[-1])
        given, value, rate = respond(layer, drive, network.activation)
        activity.drives.append(drive)
        activity.inputs.append(given)
        activity.values.append(value)
        activity.rates.append(rate * dropout[number] if dropout else rate)
    output = propagate(network.layers[-1], activity.rates[-1])
    activity.output = torch.softmax(output, dim=-1) if network.loss == "cross_entropy" else output
    return activity


def respond(layer: Layer, drive: Tensor, activation: str) -> tuple[Tensor, Tensor, Tensor]:
    """
    Response of a hidden layer to its drive.

    Parameters
    ----------
    layer : Layer
        The layer.
    drive : torch.Tensor
        (animal, trial, unit).
    activation : str
        Of the layer.

    Returns
    -------
    tuple of torch.Tensor
        (animal, trial, unit) each: argument of the activation, activation, rate.
    """
    given = drive
    if layer.threshold is not None:
        given = drive - layer.threshold.unsqueeze(1)
    if layer.excitability is not None:
        given = given + (layer.excitability * layer.drive_sd()).unsqueeze(1)
    value = ACTIVATIONS[activation](given) if layer.lateral is None else settle(given, layer.lateral)
    return given, value, scaled_by_gains(layer, value)


def scaled_by_gains(layer: Layer, value: Tensor) -> Tensor:
    """
    Activation, or its slope, times the gains of the layer.

    Parameters
    ----------
    layer : Layer
        A hidden layer.
    value : torch.Tensor
        (animal, trial, unit).

    Returns
    -------
    torch.Tensor
        (animal, trial, unit).
    """
    if layer.gain is not None:
        value = value * layer.gain.unsqueeze(1)
    return value if layer.output_gain is None else value * layer.output_gain.unsqueeze(1)


def propagate(layer: Layer, rates: Tensor) -> Tensor:
    """
    Weighted sum that reaches a layer.

    Parameters
    ----------
    layer : Layer
        The layer that receives.
    rates : torch.Tensor
        (animal, trial, pre).

    Returns
    -------
    torch.Tensor
        (animal, trial, post).
    """
    weights = layer.weights.transpose(1, 2)
    if layer.bias is None:
        return torch.bmm(rates, weights)
    return torch.baddbmm(layer.bias.unsqueeze(1), rates, weights)


def loss_per_trial(network: Network, output: Tensor, target: Tensor) -> Tensor:
    """
    Loss of every animal, averaged over trials.

    Parameters
    ----------
    network : Network
        Says which loss.
    output, target : torch.Tensor
        (animal, trial, output).

    Returns
    -------
    torch.Tensor
        (animal,): half the summed squared error, or the cross-entropy in nats.
    """
    if network.loss == "cross_entropy":
        smallest = torch.finfo(output.dtype).tiny
        return -(target * output.clamp_min(smallest).log()).sum(-1).mean(-1)
    return 0.5 * (target - output).square().sum(-1).mean(-1)
