"""Second choice of a learning rule: the way that a teaching signal takes through the layers.

Every function returns, from the first hidden layer to the last, what reaches the rates of the layer, and the same
multiplied by the slope of the rates: the teaching signal of the layer.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from neurofa.networks import Activity, Network
from neurofa.networks.feedforward import DERIVATIVES, scaled_by_gains
from neurofa.rules.feedback_weights import FeedbackWeights


class Reached(NamedTuple):
    """
    What a rule brings to the layers.

    Attributes
    ----------
    sent : list of torch.Tensor
        (animal, trial, unit) per hidden layer: what reaches the rates.
    deltas : list of torch.Tensor
        (animal, trial, unit): the same times the slope of the rates, which is the teaching signal of the layer.
    below : list of torch.Tensor or None
        (animal, trial, pre): rates below every layer that its weights learn from; None = those of the forward pass.
    """

    sent: list[Tensor]
    deltas: list[Tensor]
    below: list[Tensor] | None = None


#: (network, activity, signal at the output, feedback, slope, number of the update) -> what reaches the hidden layers
Pathway = Callable[[Network, Activity, Tensor, FeedbackWeights, "Slope", int], Reached]
#: (network, activity, number of the hidden layer) -> (animal, trial, unit)
Slope = Callable[[Network, Activity, int], Tensor]


def derivative(network: Network, activity: Activity, number: int) -> Tensor:
    """
    Derivative of the rates of a hidden layer by their input: gain * f'(a).

    Parameters
    ----------
    network : Network
        The networks.
    activity : Activity
        A forward pass.
    number : int
        The hidden layer, from 0.

    Returns
    -------
    torch.Tensor
        (animal, trial, unit).
    """
    value = DERIVATIVES[network.activation](activity.inputs[number], activity.values[number])
    return _scaled(network, activity, number, value)


def one(network: Network, activity: Activity, number: int) -> Tensor:
    """
    The gain alone: f' replaced by 1 (linear backpropagation, Li et al. 2021, arXiv 2112.11018).

    Parameters
    ----------
    network : Network
        The networks.
    activity : Activity
        A forward pass.
    number : int
        The hidden layer, from 0.

    Returns
    -------
    torch.Tensor
        (animal, trial, unit).
    """
    return _scaled(network, activity, number, torch.ones_like(activity.values[number]))


def _scaled(network: Network, activity: Activity, number: int, value: Tensor) -> Tensor:
    """Slope times the gains of the layer, and nothing where a unit was dropped."""
    scaled = scaled_by_gains(network.layers[number], value)
    return scaled * activity.dropout[number] if activity.dropout else scaled


def layerwise(
    network: Network, activity: Activity, signal: Tensor, feedback: FeedbackWeights, slope: Slope, update: int
) -> Reached:
    """
    From layer to layer: delta_l = slope_l * F_l delta_(l+1).

    Parameters
    ----------
    network : Network
        The networks.
    activity : Activity
        A forward pass.
    signal : torch.Tensor
        (animal, trial, output): what is sent back at the output.
    feedback : FeedbackWeights
        How it is carried.
    slope : callable
        `derivative` or `one`.
    update : int
        Number of the update within the session.

    Returns
    -------
    Reached
        From the first hidden layer to the last.
    """
    sent, deltas = [], []
    for number in reversed(range(len(network.layers) - 1)):
        sent.append(feedback.send(network, number, signal, update))
        signal = sent[-1] * slope(network, activity, number)
        deltas.append(signal)
    return Reached(sent[::-1], deltas[::-1])


def direct(
    network: Network, activity: Activity, signal: Tensor, feedback: FeedbackWeights, slope: Slope, update: int
) -> Reached:
    """
    From the output straight to every layer: delta_l = slope_l * F_l signal (Nokland 2016, arXiv 1609.01596).

    Parameters
    ----------
    network : Network
        The networks.
    activity : Activity
        A forward pass.
    signal : torch.Tensor
        (animal, trial, output).
    feedback : FeedbackWeights
        How it is carried.
    slope : callable
        `derivative` or `one`.
    update : int
        Number of the update within the session.

    Returns
    -------
    Reached
        From the first hidden layer to the last.
    """
    hidden = range(len(network.layers) - 1)
    sent = [feedback.send(network, number, signal, update) for number in hidden]
    return Reached(sent, [sent[number] * slope(network, activity, number) for number in hidden])


def readout(
    network: Network, activity: Activity, signal: Tensor, feedback: FeedbackWeights, slope: Slope, update: int
) -> Reached:
    """
    Random feedback to the last hidden layer only, the exact gradient of that signal below it (Cheng & Brown 2023).

    Parameters
    ----------
    network : Network
        The networks.
    activity : Activity
        A forward pass.
    signal : torch.Tensor
        (animal, trial, output).
    feedback : FeedbackWeights
        How it is carried to the last hidden layer.
    slope : callable
        `derivative` or `one`.
    update : int
        Number of the update within the session.

    Returns
    -------
    Reached
        From the first hidden layer to the last.
    """
    last = len(network.layers) - 2
    sent, deltas = [], []
    for number in reversed(range(last + 1)):
        if number == last:
            sent.append(feedback.send(network, number, signal, update))
        else:
            sent.append(torch.bmm(signal, network.layers[number + 1].weights))
        signal = sent[-1] * slope(network, activity, number)
        deltas.append(signal)
    return Reached(sent[::-1], deltas[::-1])


SLOPES: dict[str, Slope] = {"derivative": derivative, "one": one}
PATHWAYS: dict[str, Pathway] = {"layerwise": layerwise, "direct": direct, "readout": readout}
