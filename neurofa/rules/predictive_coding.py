"""Predictive coding as a learning rule: inference to a stated tolerance, then updates that are local to each layer.

dW_l = rate * mean over trials of pi_l f'(a_l) eps_l x_(l-1)^T, with errors eps and rates x at the equilibrium.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neurofa.measures.prediction_error.equilibrium import (
    Equilibrium,
    Inference,
    relax,
    relax_fixed_prediction,
)
from neurofa.measures.prediction_error.kinks import Pieces, relax_exactly
from neurofa.networks import Activity, Layer, Network, propagate, respond
from neurofa.networks.feedforward import DERIVATIVES, scaled_by_gains
from neurofa.rules.pathways import Reached
from neurofa.rules.rule import Rule

#: numbers in the linear systems of all animals and trials, up to which relu networks are solved by them (1 GB)
EXACT_UP_TO = 2**27

#: steps of descent before these: they choose the basin, the tolerance decides; in 480 random networks 30 to 300 of them
#: led to the same equilibrium, 10 did not in 1 %
DESCENT = 30


@dataclass(frozen=True)
class NetworkLayer:
    """
    One layer of a network as inference sees it.

    Attributes
    ----------
    layer : Layer
        Weights, thresholds, gains.
    activation : str
        Of a hidden layer; ``"output"`` and ``"softmax"`` for the readout.
    private : bool
        Whether stimuli reach it through synapses of their own.
    """

    layer: Layer
    activation: str
    private: bool = False

    def predict(self, below: Tensor) -> tuple[Tensor, Tensor]:
        """
        Predict the rates of the layer.

        Parameters
        ----------
        below : torch.Tensor
            (animal, trial, pre).

        Returns
        -------
        tuple of torch.Tensor
            (animal, trial, unit): rates and their slope.
        """
        drive = self.layer.weights.transpose(1, 2) if self.private else propagate(self.layer, below)
        if self.activation in ("output", "softmax"):
            output = drive if self.activation == "output" else torch.softmax(drive, dim=-1)
            return output, torch.ones_like(output)
        given, value, rate = respond(self.layer, drive, self.activation)
        return rate, scaled_by_gains(self.layer, DERIVATIVES[self.activation](given, value))

    def pieces(self) -> Pieces | None:
        """
        Weights, offset and gain of a layer that is piecewise linear.

        Returns
        -------
        Pieces or None
            None for other activations, a softmax, lateral weights and synapses of each stimulus's own.
        """
        layer, weights = self.layer, self.layer.weights
        if self.activation not in ("relu", "identity", "output") or layer.lateral is not None or self.private:
            return None
        offset = torch.zeros_like(weights[:, :, 0]) if layer.bias is None else layer.bias
        if self.activation == "output":
            return Pieces(weights, offset, torch.ones_like(offset), False)
        nothing = torch.zeros_like(offset).unsqueeze(1)
        # without any drive the argument is what threshold and excitability add
        offset = offset + respond(layer, nothing, "identity")[0].squeeze(1)
        gain = scaled_by_gains(layer, torch.ones_like(nothing)).squeeze(1)
        return Pieces(weights, offset, gain, self.activation == "relu")

    def send_down(self, error: Tensor) -> Tensor:
        """
        Send errors through the transposed weights.

        Parameters
        ----------
        error : torch.Tensor
            (animal, trial, unit).

        Returns
        -------
        torch.Tensor
            (animal, trial, pre).
        """
        return torch.bmm(error, self.layer.weights)

    def energy(self, rates: Tensor, prediction: Tensor) -> Tensor:
        """
        Energy of the layer at precision 1, summed over trials.

        Parameters
        ----------
        rates, prediction : torch.Tensor
            (animal, trial, unit).

        Returns
        -------
        torch.Tensor
            (animal,): half the squared error; of a softmax the cross-entropy, whose gradient is the same difference.
        """
        if self.activation == "softmax":
            smallest = torch.finfo(prediction.dtype).tiny
            return -(rates * prediction.clamp_min(smallest).log()).sum((1, 2))
        return 0.5 * (rates - prediction).square().sum((1, 2))


def predicting_layers(network: Network) -> list[NetworkLayer]:
    """
    Layers of a network as inference sees them.

    Parameters
    ----------
    network : Network
        The networks.

    Returns
    -------
    list of NetworkLayer
        From the first hidden layer to the readout.
    """
    hidden = [
        NetworkLayer(layer, network.activation, network.private and number == 0)
        for number, layer in enumerate(network.layers[:-1])
    ]
    readout = "softmax" if network.loss == "cross_entropy" else "output"
    return [*hidden, NetworkLayer(network.layers[-1], readout)]


class PredictiveCoding(Rule):
    """
    Predictive coding with inference, or with fixed predictions, behind the calls of a rule.

    The course of learning of `course` has one entry per update: energy per trial at the equilibrium, steps of
    inference, and whether the tolerance was reached.

    References
    ----------
    Whittington & Bogacz 2017, Neural Computation 29:1229, doi 10.1162/NECO_a_00949; fixed predictions: Millidge et al.
    2022, Neural Computation 34:1329, doi 10.1162/neco_a_01497.
    """

    def equilibrium(self, network: Network, activity: Activity, target: Tensor) -> Equilibrium:
        """
        Look for the equilibrium.

        Parameters
        ----------
        network : Network
            The networks.
        activity : Activity
            A forward pass.
        target : torch.Tensor
            (animal, trial, output).

        Returns
        -------
        Equilibrium
            Errors and rates. In relu networks descent never comes to rest on a kink: what it does not settle is solved
            exactly, as `neurofa.measures.prediction_error.kinks.relax_exactly` does, unless network and batch are so
            large that the linear systems take more than `EXACT_UP_TO` numbers; these descend, as all others do.
        """
        layers, stimuli = predicting_layers(network), activity.rates[0]
        if self.choices.pathway == "fixed_prediction":
            return relax_fixed_prediction(layers, stimuli, target, self._inference())
        exact = network.activation == "relu" and _numbers_in_systems(network, target) <= EXACT_UP_TO
        if not exact:
            return relax(layers, stimuli, target, self._inference())
        return relax_exactly(layers, stimuli, target, self._inference(), DESCENT)

    def teaching_signals(self, network: Network, activity: Activity, target: Tensor, update: int) -> Reached:
        """
        Errors at the equilibrium; see `Rule.teaching_signals`.

        Parameters
        ----------
        network : Network
            The networks.
        activity : Activity
            A forward pass.
        target : torch.Tensor
            (animal, trial, output).
        update : int
            Number of the update within the session.

        Returns
        -------
        Reached
            ``sent`` are the precision-weighted errors of the hidden layers, ``deltas`` these times the slope;
            ``below`` are rates at the equilibrium, with fixed predictions those of the forward pass.
        """
        found = self.equilibrium(network, activity, target)
        n_trials = target.shape[1]
        self.course.setdefault("energy", []).append(found.energy[:, -1] / n_trials)
        self.course.setdefault("inference_steps", []).append(found.n_steps.to(target.dtype))
        self.course.setdefault("inference_converged", []).append(found.converged.to(target.dtype))
        precisions = self._inference().of_layers(len(network.layers))
        weighted = [precision * error for precision, error in zip(precisions, found.errors, strict=True)]
        deltas = [error * slope for error, slope in zip(weighted, found.slopes, strict=True)]
        if self.choices.pathway == "fixed_prediction":
            return Reached(weighted[:-1], deltas)
        # what a layer learns from is the activity below it at the equilibrium
        return Reached(weighted[:-1], deltas, [activity.rates[0], *found.rates])

    def _inference(self) -> Inference:
        """How the equilibrium is looked for."""
        return Inference(*self.choices.inference)


def _numbers_in_systems(network: Network, target: Tensor) -> int:
    """Numbers in the linear systems of one step: one system per animal and trial, of rates and kinks."""
    hidden = [layer.weights.shape[1] for layer in network.layers[:-1]]
    return target.shape[0] * target.shape[1] * (2 * sum(hidden) - hidden[0]) ** 2


def warn_not_converged(course: Mapping[str, Tensor]) -> None:
    """
    Warn where inference was given up in a session.

    Parameters
    ----------
    course : mapping of str to torch.Tensor
        (animal, update): what the rule told; nothing happens without inference.
    """
    converged = course.get("inference_converged")
    if converged is not None and bool((converged == 0).any()):
        warnings.warn(
            f"inference did not converge in {int((converged == 0).sum())} of {converged.numel()} updates of all "
            "animals; raise rule.inference_max_steps or rule.inference_tolerance, or lower rule.precisions",
            stacklevel=2,
        )
