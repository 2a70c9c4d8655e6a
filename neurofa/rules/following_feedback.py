"""Feedback weights that follow something: the signs of the forward weights, their changes, or the signal sent."""

import torch
from torch import Tensor

from neurofa.draws import Draws, Stream
from neurofa.networks import Network
from neurofa.rules.feedback_weights import FeedbackWeights, Fixed, feedback_of

#: share of a new update in the running covariance of the signal sent
_COVARIANCE_SHARE = 0.05


class SignSymmetric(FeedbackWeights):
    """
    Weights with the signs of W^T (Liao et al. 2016, arXiv 1510.05067; Moskovitz et al. 2018, arXiv 1812.06488).

    Magnitudes: ``unit``, all equal; ``batch``, absolute normal numbers drawn at every update; ``fixed``, absolute
    normal numbers drawn at birth. Their root mean square is ``scale / sqrt(n_signal)``, as with random weights.
    """

    def __init__(self, magnitudes: str, scale: Tensor) -> None:
        self.magnitudes = magnitudes
        self.scale = scale
        self._drawn: dict[int, Stream] = {}

    def birth(self, network: Network, number: int, n_signal: int, scale: Tensor, draws: Draws) -> None:
        """Draw magnitudes where they are fixed; see `FeedbackWeights.birth`."""
        if self.magnitudes == "fixed":
            super().birth(network, number, n_signal, scale, draws)

    def start_session(self, network: Network, number: int, draws: Draws) -> None:
        """Get the magnitudes of the session ready; see `FeedbackWeights.start_session`."""
        if self.magnitudes == "batch":
            above, own = network.layers[number + 1].weights.shape[1:]
            self._drawn[number] = draws.stream(("feedback magnitudes", number), (own, above), "normal")

    def send(self, network: Network, number: int, signal: Tensor, update: int) -> Tensor:
        """Send through magnitudes with the signs of W^T; see `FeedbackWeights.send`."""
        signs = network.layers[number + 1].weights.sign()
        if self.magnitudes == "fixed":
            return torch.bmm(signal, feedback_of(network.layers[number]).abs().transpose(1, 2) * signs)
        if self.magnitudes == "batch":
            signs = signs * self._drawn[number].at(update).abs().transpose(1, 2)
        sent: Tensor = torch.bmm(signal, signs) * (self.scale / signs.shape[1] ** 0.5)
        return sent

    def matrix(self, network: Network, number: int) -> Tensor | None:
        """Give the signs, with magnitudes that stay; see `FeedbackWeights.matrix`."""
        signs = network.layers[number + 1].weights.sign().transpose(1, 2)
        if self.magnitudes == "fixed":
            return feedback_of(network.layers[number]).abs() * signs
        signs *= self.scale / signs.shape[2] ** 0.5
        return signs


class KolenPollack(Fixed):
    """
    Weights that change as W^T does, while both decay, so that they meet: F - W^T shrinks by 1 - decay per update.

    Where the forward weights are frozen (a learning rate of 0) neither decays.

    Parameters
    ----------
    decay : torch.Tensor
        (animal, 1, 1): per update.
    hidden, readout : torch.Tensor
        (animal, 1, 1): learning rates of the hidden layers and of the readout.

    References
    ----------
    Kolen & Pollack 1994, 10.1109/ICNN.1994.374486; Akrout et al. 2019, arXiv 1904.05391.
    """

    def __init__(self, decay: Tensor, hidden: Tensor, readout: Tensor) -> None:
        self.decay = decay
        self.learns = (hidden > 0, readout > 0)

    def learn(self, network: Network, number: int, change: Tensor, update: int) -> None:
        """Follow the forward weights, then let both decay; see `FeedbackWeights.learn`."""
        feedback = feedback_of(network.layers[number])
        kept = 1 - self.decay * self.learns[number + 2 == len(network.layers)]
        feedback += change.transpose(1, 2)
        feedback *= kept
        network.layers[number + 1].weights.mul_(kept)


class WeightMirror(Fixed):
    """
    Weights that learn from noise sent through the layer above: F <- (1 - rate) F + rate n (W n)^T, n normal.

    The expectation of n (W n)^T is W^T. One noise pattern per update; the drive that it causes above is taken without
    bias and nonlinearity.

    References
    ----------
    Akrout et al. 2019, arXiv 1904.05391.
    """

    def __init__(self, rate: Tensor) -> None:
        self.rate = rate
        self._noise: dict[int, Stream] = {}

    def start_session(self, network: Network, number: int, draws: Draws) -> None:
        """Get the noise of the session ready; see `FeedbackWeights.start_session`."""
        n_units = network.layers[number + 1].weights.shape[2]
        self._noise[number] = draws.stream(("mirror noise", number), (n_units, 1), "normal")

    def learn(self, network: Network, number: int, change: Tensor, update: int) -> None:
        """Mirror the forward weights once; see `FeedbackWeights.learn`."""
        feedback = feedback_of(network.layers[number])
        noise = self._noise[number].at(update)
        above = torch.bmm(network.layers[number + 1].weights, noise)
        feedback *= 1 - self.rate
        feedback.baddbmm_(self.rate * noise, above.transpose(1, 2))


class Informative(Fixed):
    """
    Weights that climb log det(F C F^T + eps), C the running covariance of the signal; their norm is kept.

    The gradient is 2 F (C F^T F + eps)^-1 C, with eps a thousandth of the mean variance of F C F^T; it is scaled to
    the norm of F, so that the rate is the relative size of a step.

    References
    ----------
    Explored by Cheng & Brown 2023, arXiv 2304.01406.
    """

    def __init__(self, rate: Tensor) -> None:
        self.rate = rate
        self._sent: dict[int, Tensor] = {}

    def birth(self, network: Network, number: int, n_signal: int, scale: Tensor, draws: Draws) -> None:
        """Draw the weights, and remember no covariance yet; see `FeedbackWeights.birth`."""
        super().birth(network, number, n_signal, scale, draws)
        empty = torch.zeros_like(feedback_of(network.layers[number])[:, :1, :1])
        network.memory[f"signal covariance {number}"] = empty.repeat(1, n_signal, n_signal)

    def send(self, network: Network, number: int, signal: Tensor, update: int) -> Tensor:
        """Send through F, and remember what was sent; see `FeedbackWeights.send`."""
        self._sent[number] = signal
        return super().send(network, number, signal, update)

    def learn(self, network: Network, number: int, change: Tensor, update: int) -> None:
        """Climb one step; see `FeedbackWeights.learn`."""
        feedback, signal = feedback_of(network.layers[number]), self._sent[number]
        covariance = network.memory[f"signal covariance {number}"]
        covariance.lerp_(torch.bmm(signal.transpose(1, 2), signal) / signal.shape[1], _COVARIANCE_SHARE)
        sent = torch.bmm(covariance, torch.bmm(feedback.transpose(1, 2), feedback))
        n_signal = sent.shape[1]
        power = sent.diagonal(dim1=1, dim2=2).sum(1).reshape(-1, 1, 1) / n_signal
        identity = torch.eye(n_signal, dtype=sent.dtype, device=sent.device)
        tiny = torch.finfo(sent.dtype).tiny ** 0.5
        gradient = torch.bmm(feedback, torch.linalg.solve(sent + (1e-3 * power + tiny) * identity, covariance))
        norm = feedback.square().sum((1, 2), keepdim=True).sqrt()
        steepness = gradient.square().sum((1, 2), keepdim=True).sqrt().clamp_min(tiny)
        feedback += self.rate * norm / steepness * gradient
        feedback *= norm / feedback.square().sum((1, 2), keepdim=True).sqrt().clamp_min(tiny)
