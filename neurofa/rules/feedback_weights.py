"""Third choice of a learning rule: the weights that carry a signal to a hidden layer.

A layer's feedback weights are (animal, post, signal): `post` the units that receive, `signal` what is sent.
"""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from neurofa.draws import Draws
from neurofa.networks import Layer, Network


class FeedbackWeights(ABC):
    """How a signal reaches one hidden layer."""

    def birth(self, network: Network, number: int, n_signal: int, scale: Tensor, draws: Draws) -> None:
        """
        Give a layer its feedback weights, normal with sd ``scale / sqrt(n_signal)``.

        Parameters
        ----------
        network : Network
            The networks.
        number : int
            The hidden layer, from 0.
        n_signal : int
            Size of the signal.
        scale : torch.Tensor
            (animal, 1, 1).
        draws : Draws
            Random numbers of the animals.
        """
        layer = network.layers[number]
        shape = (layer.weights.shape[1], n_signal)
        layer.feedback = draws.normal(("feedback", number), shape) * scale / n_signal**0.5

    def start_session(self, network: Network, number: int, draws: Draws) -> None:
        """
        Get ready for a session; most kinds need nothing.

        Parameters
        ----------
        network : Network
            The networks.
        number : int
            The hidden layer, from 0.
        draws : Draws
            Random numbers of the session.
        """
        return

    def learn(self, network: Network, number: int, change: Tensor, update: int) -> None:
        """
        Change the feedback weights after the forward weights have learned; most kinds do not.

        Parameters
        ----------
        network : Network
            The networks, their forward weights changed already.
        number : int
            The hidden layer, from 0.
        change : torch.Tensor
            (animal, post, pre): how the forward weights of the layer above were changed.
        update : int
            Number of the update within the session.
        """
        return

    def matrix(self, network: Network, number: int) -> Tensor | None:
        """
        Feedback weights as one matrix, to compare with the forward weights.

        Parameters
        ----------
        network : Network
            The networks.
        number : int
            The hidden layer, from 0.

        Returns
        -------
        torch.Tensor or None
            (animal, post, signal); None where there is none, or it is no matrix.
        """
        return network.layers[number].feedback

    @abstractmethod
    def send(self, network: Network, number: int, signal: Tensor, update: int) -> Tensor:
        """
        Bring a signal to a hidden layer.

        Parameters
        ----------
        network : Network
            The networks.
        number : int
            The hidden layer, from 0.
        signal : torch.Tensor
            (animal, trial, signal).
        update : int
            Number of the update within the session.

        Returns
        -------
        torch.Tensor
            (animal, trial, post).
        """


def feedback_of(layer: Layer) -> Tensor:
    """
    Feedback weights of a layer.

    Parameters
    ----------
    layer : Layer
        A layer that has some.

    Returns
    -------
    torch.Tensor
        (animal, post, signal).

    Raises
    ------
    ValueError
        Where the layer has none.
    """
    if layer.feedback is None:
        raise ValueError("this layer has no feedback weights")
    return layer.feedback


class Transpose(FeedbackWeights):
    """The transposed forward weights of the layer above: exact gradients."""

    def birth(self, network: Network, number: int, n_signal: int, scale: Tensor, draws: Draws) -> None:
        """Need nothing; see `FeedbackWeights.birth`."""

    def send(self, network: Network, number: int, signal: Tensor, update: int) -> Tensor:
        """Send through W^T; see `FeedbackWeights.send`."""
        return torch.bmm(signal, network.layers[number + 1].weights)

    def matrix(self, network: Network, number: int) -> Tensor | None:
        """Give W^T; see `FeedbackWeights.matrix`."""
        return network.layers[number + 1].weights.transpose(1, 2)


class Fixed(FeedbackWeights):
    """Fixed random weights (Lillicrap et al. 2016, 10.1038/ncomms13276)."""

    def send(self, network: Network, number: int, signal: Tensor, update: int) -> Tensor:
        """Send through F; see `FeedbackWeights.send`."""
        return torch.bmm(signal, feedback_of(network.layers[number]).transpose(1, 2))


class Noisy(FeedbackWeights):
    """Fixed random weights plus fresh noise at every update, uniform(-1/2, 1/2) or normal (Cheng & Brown 2023)."""

    def __init__(self, amplitude: Tensor, noise_kind: Literal["uniform", "normal"] = "uniform") -> None:
        self.amplitude = amplitude
        self.noise_kind: Literal["uniform", "normal"] = noise_kind

    def start_session(self, network: Network, number: int, draws: Draws) -> None:
        """Get the noise of the session ready; see `FeedbackWeights.start_session`."""
        shape = tuple(feedback_of(network.layers[number]).shape[1:])
        stream = draws.stream(("feedback noise", number), shape, self.noise_kind)
        self._noise = getattr(self, "_noise", {}) | {number: stream}

    def send(self, network: Network, number: int, signal: Tensor, update: int) -> Tensor:
        """Send through F + amplitude * noise; see `FeedbackWeights.send`."""
        weights = feedback_of(network.layers[number]) + self.amplitude * self._noise[number].at(update)
        return torch.bmm(signal, weights.transpose(1, 2))


class FeedbackNetwork(FeedbackWeights):
    """A fixed random network with one tanh layer: F2 tanh(F1 signal) (Cheng & Brown 2023)."""

    def __init__(self, n_units: int, second_scale: Tensor) -> None:
        self.n_units = n_units
        self.second_scale = second_scale

    def birth(self, network: Network, number: int, n_signal: int, scale: Tensor, draws: Draws) -> None:
        """Draw both stages; see `FeedbackWeights.birth`."""
        layer = network.layers[number]
        first = draws.normal(("feedback network", number, 1), (self.n_units, n_signal))
        second = draws.normal(("feedback network", number, 2), (layer.weights.shape[1], self.n_units))
        layer.feedback_hidden = first * scale / n_signal**0.5
        layer.feedback = second * scale * self.second_scale / self.n_units**0.5

    def matrix(self, network: Network, number: int) -> Tensor | None:
        """Give nothing: a network is no matrix; see `FeedbackWeights.matrix`."""
        return None

    def send(self, network: Network, number: int, signal: Tensor, update: int) -> Tensor:
        """Send through both stages; see `FeedbackWeights.send`."""
        layer = network.layers[number]
        if layer.feedback_hidden is None:
            raise ValueError("this layer has no feedback network")
        hidden = torch.tanh(torch.bmm(signal, layer.feedback_hidden.transpose(1, 2)))
        return torch.bmm(hidden, feedback_of(layer).transpose(1, 2))


class Walking(Fixed):
    """
    Random weights that diffuse at every update and keep their norm: F <- sqrt(1 - eps^2) F + eps N.

    N has the standard deviation that F had at birth.
    """

    def __init__(self, step: Tensor, scale: Tensor) -> None:
        self.step = step
        self.scale = scale

    def start_session(self, network: Network, number: int, draws: Draws) -> None:
        """Get the steps of the session ready; see `FeedbackWeights.start_session`."""
        shape = tuple(feedback_of(network.layers[number]).shape[1:])
        self._steps = getattr(self, "_steps", {}) | {number: draws.stream(("feedback steps", number), shape, "normal")}

    def send(self, network: Network, number: int, signal: Tensor, update: int) -> Tensor:
        """Take one step, then send through F; see `FeedbackWeights.send`."""
        feedback = feedback_of(network.layers[number])
        sd = self.scale / feedback.shape[2] ** 0.5
        feedback *= (1 - self.step**2).sqrt()
        feedback += self.step * sd * self._steps[number].at(update)
        return super().send(network, number, signal, update)
