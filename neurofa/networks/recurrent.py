"""Leaky recurrent rate networks of a whole cohort: the first axis of every tensor is the animal.

tau dr/dt = -r + f(W_in x + W r + b), explicit Euler steps (Murray 2019, 10.7554/eLife.43299): with step = dt / tau,
drive(t) = W_in x(t) + W r(t-1) + b, r(t) = r(t-1) + step (f(drive(t)) - r(t-1)), r(-1) = 0. The readout is
instantaneous and linear (squared error) or softmax (cross-entropy).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from neurofa.networks.feedforward import ACTIVATIONS, Layer, Network, propagate


@dataclass
class RecurrentNetwork(Network):
    """
    One recurrent layer and a readout in all animals.

    The weights of the first layer are (animal, unit, input + unit): first those of the inputs, then the recurrent ones,
    so that whatever acts on the synapses of a layer acts on both.

    Attributes
    ----------
    step : torch.Tensor
        (animal, 1, 1): time step over time constant.
    """

    step: Tensor = field(default_factory=lambda: torch.ones(1, 1, 1))

    @property
    def n_inputs(self) -> int:
        """Number of input units."""
        return self.layers[0].weights.shape[2] - self.layers[0].weights.shape[1]

    @property
    def input_weights(self) -> Tensor:
        """Weights of the inputs (animal, unit, input), a view."""
        return self.layers[0].weights[:, :, : self.n_inputs]

    @property
    def recurrent_weights(self) -> Tensor:
        """Weights within the layer (animal, post, pre), a view."""
        return self.layers[0].weights[:, :, self.n_inputs :]

    def animals(self, start: int, stop: int) -> "RecurrentNetwork":
        """Views of some of the animals; see `Network.animals`."""
        own = super().animals(start, stop)
        return RecurrentNetwork(own.layers, own.activation, own.loss, own.memory, step=self.step[start:stop])

    def copy(self) -> "RecurrentNetwork":
        """Copy that shares no memory with this one; see `Network.copy`."""
        own = super().copy()
        return RecurrentNetwork(own.layers, own.activation, own.loss, own.memory, step=self.step.clone())


@dataclass
class RecurrentActivity:
    """
    Trials of a recurrent network; time comes before the trial, as the network lives them.

    Attributes
    ----------
    stimuli : torch.Tensor
        (animal, time, trial, input).
    states : torch.Tensor
        (animal, time + 1, trial, unit): rates, the initial ones first.
    drives, values : torch.Tensor
        (animal, time, trial, unit): argument and value of the activation.
    output : torch.Tensor
        (animal, time, trial, output): after the softmax where the loss is cross-entropy.
    """

    stimuli: Tensor
    states: Tensor
    drives: Tensor
    values: Tensor
    output: Tensor

    @property
    def rates(self) -> Tensor:
        """Rates of the recurrent layer (animal, trial, time, unit), a view."""
        return self.states[:, 1:].transpose(1, 2)


def empty_activity(network: RecurrentNetwork, stimuli: Tensor) -> RecurrentActivity:
    """
    Trials that have not been lived yet, at rest.

    Parameters
    ----------
    network : RecurrentNetwork
        The networks.
    stimuli : torch.Tensor
        (animal, time, trial, input).

    Returns
    -------
    RecurrentActivity
        Initial rates 0; the rest is to be filled in.
    """
    n_animals, n_times, n_trials, _ = stimuli.shape
    n_units, n_outputs = network.layers[0].weights.shape[1], network.layers[-1].weights.shape[1]
    states = stimuli.new_empty(n_animals, n_times + 1, n_trials, n_units)
    states[:, 0] = 0
    shape = (n_animals, n_times, n_trials)
    return RecurrentActivity(
        stimuli,
        states,
        stimuli.new_empty(*shape, n_units),
        stimuli.new_empty(*shape, n_units),
        stimuli.new_empty(*shape, n_outputs),
    )


def forward_in_time(network: RecurrentNetwork, stimuli: Tensor) -> RecurrentActivity:
    """
    Live through trials; nothing is learned.

    Parameters
    ----------
    network : RecurrentNetwork
        The networks.
    stimuli : torch.Tensor
        (animal, time, trial, input).

    Returns
    -------
    RecurrentActivity
        Everything that learning needs of the forward pass.
    """
    activity = empty_activity(network, stimuli)
    drives, values, states = activity.drives, activity.values, activity.states
    weights = network.input_weights.transpose(1, 2)
    torch.bmm(stimuli.flatten(1, 2), weights, out=drives.flatten(1, 2))
    offset = unit_offset(network.layers[0])
    if offset is not None:
        drives += offset[:, None]
    recurrent = network.recurrent_weights.transpose(1, 2).contiguous()
    moments = states.unbind(1)
    activation, step = ACTIVATIONS[network.activation], network.step
    for drive, value, before, after in zip(drives.unbind(1), values.unbind(1), moments[:-1], moments[1:], strict=True):
        drive.baddbmm_(before, recurrent)
        value.copy_(activation(drive))
        torch.lerp(before, value, step, out=after)
    activity.output = read_out(network, states[:, 1:])
    return activity


def unit_offset(layer: Layer) -> Tensor | None:
    """
    What every unit of the recurrent layer gets at all times: its bias and its excitability.

    Parameters
    ----------
    layer : Layer
        The recurrent layer.

    Returns
    -------
    torch.Tensor or None
        (animal, 1, unit); None where there is neither.
    """
    offset = layer.bias
    if layer.excitability is not None:
        own = layer.excitability * layer.drive_sd()
        offset = own if offset is None else offset + own
    return None if offset is None else offset.unsqueeze(1)


def read_out(network: RecurrentNetwork, rates: Tensor) -> Tensor:
    """
    Output for given rates.

    Parameters
    ----------
    network : RecurrentNetwork
        The networks.
    rates : torch.Tensor
        (animal, time, trial, unit).

    Returns
    -------
    torch.Tensor
        (animal, time, trial, output).
    """
    output = propagate(network.layers[-1], rates.flatten(1, 2)).reshape(*rates.shape[:3], -1)
    return torch.softmax(output, dim=-1) if network.loss == "cross_entropy" else output


def mean_report(output: Tensor, weight: Tensor) -> Tensor:
    """
    Mean output over the time that counts.

    Parameters
    ----------
    output : torch.Tensor
        (animal, time, trial, output).
    weight : torch.Tensor
        (animal, time, trial, 1): share of each moment; adds up to 1 over time.

    Returns
    -------
    torch.Tensor
        (animal, trial, output).
    """
    return (output * weight).sum(1)


def loss_in_time(network: RecurrentNetwork, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """
    Loss of every animal, averaged over the time that counts and over trials.

    Parameters
    ----------
    network : RecurrentNetwork
        Says which loss.
    output, target : torch.Tensor
        (animal, time, trial, output).
    weight : torch.Tensor
        (animal, time, trial, 1): share of each moment.

    Returns
    -------
    torch.Tensor
        (animal,): half the summed squared error, or the cross-entropy in nats.
    """
    if network.loss == "cross_entropy":
        smallest = torch.finfo(output.dtype).tiny
        each = -(target * output.clamp_min(smallest).log())
    else:
        each = 0.5 * (target - output).square()
    return (each * weight).sum((1, 3)).mean(1)
