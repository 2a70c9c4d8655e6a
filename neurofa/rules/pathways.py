"""Second choice of a learning rule: the way that a teaching signal takes through the layers.

Every function returns, from the first hidden layer to the last, what reaches the hidden layers; multiplied by the
slope of the rates it is the teaching signal of the layer.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from neurofa.networks import Activity, Network
from neurofa.networks.feedforward import DERIVATIVES
from neurofa.rules.feedback_weights import FeedbackWeights

Pathway = Callable[[Network, Activity, Tensor, FeedbackWeights, int], list[Tensor]]


def slope(network: Network, activity: Activity, number: int) -> Tensor:
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
    gain = network.layers[number].gain
    return value if gain is None else value * gain.unsqueeze(1)


def layerwise(
    network: Network, activity: Activity, signal: Tensor, feedback: FeedbackWeights, update: int
) -> list[Tensor]:
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
    update : int
        Number of the update within the session.

    Returns
    -------
    list of torch.Tensor
        (animal, trial, unit) per hidden layer.
    """
    deltas: list[Tensor] = []
    for number in reversed(range(len(network.layers) - 1)):
        signal = feedback.send(network, number, signal, update) * slope(network, activity, number)
        deltas.append(signal)
    return deltas[::-1]


def direct(
    network: Network, activity: Activity, signal: Tensor, feedback: FeedbackWeights, update: int
) -> list[Tensor]:
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
    update : int
        Number of the update within the session.

    Returns
    -------
    list of torch.Tensor
        (animal, trial, unit) per hidden layer.
    """
    return [
        feedback.send(network, number, signal, update) * slope(network, activity, number)
        for number in range(len(network.layers) - 1)
    ]


def readout(
    network: Network, activity: Activity, signal: Tensor, feedback: FeedbackWeights, update: int
) -> list[Tensor]:
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
    update : int
        Number of the update within the session.

    Returns
    -------
    list of torch.Tensor
        (animal, trial, unit) per hidden layer.
    """
    last = len(network.layers) - 2
    deltas: list[Tensor] = []
    for number in reversed(range(last + 1)):
        if number == last:
            signal = feedback.send(network, number, signal, update)
        else:
            signal = torch.bmm(signal, network.layers[number + 1].weights)
        signal = signal * slope(network, activity, number)
        deltas.append(signal)
    return deltas[::-1]


PATHWAYS: dict[str, Pathway] = {"layerwise": layerwise, "direct": direct, "readout": readout}
