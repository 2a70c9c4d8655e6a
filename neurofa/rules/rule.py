"""A learning rule for several animals: three choices, composed behind two calls."""

from dataclasses import dataclass

from torch import Tensor

from neurofa.draws import Draws
from neurofa.networks import Activity, Network
from neurofa.rules import feedback_weights as kinds
from neurofa.rules.pathways import PATHWAYS
from neurofa.rules.teaching_signals import TEACHING_SIGNALS


@dataclass(frozen=True)
class Rates:
    """
    Numbers of a rule, one value per animal.

    Attributes
    ----------
    hidden : torch.Tensor
        (animal, 1, 1): learning rate of the hidden layers.
    readout : torch.Tensor
        (animal, 1, 1): learning rate of the readout; 0 = the readout is frozen.
    readout_step_bound : torch.Tensor
        (animal, 1, 1): the readout's step is at most this / its summed squared inputs; infinite = no bound.
    target_scale, noise_amplitude, walk_per_update, feedback_scale : torch.Tensor
        (animal, 1, 1): see `neurofa.protocol.RuleSettings`.
    """

    hidden: Tensor
    readout: Tensor
    readout_step_bound: Tensor
    target_scale: Tensor
    noise_amplitude: Tensor
    walk_per_update: Tensor
    feedback_scale: Tensor

    def animals(self, start: int, stop: int) -> "Rates":
        """
        Numbers of some of the animals.

        Parameters
        ----------
        start, stop : int
            Range of animals.

        Returns
        -------
        Rates
            Views.
        """
        return Rates(**{name: value[start:stop] for name, value in vars(self).items()})


class Rule:
    """
    A learning rule for several animals.

    Parameters
    ----------
    teaching_signal, pathway, feedback_weights : str
        The three choices, see `NAMED_RULES`.
    rates : Rates
        Its numbers.
    network_units : int, optional
        Units of the feedback network, where the feedback weights are ``"network"``.
    """

    def __init__(
        self, teaching_signal: str, pathway: str, feedback_weights: str, rates: Rates, network_units: int = 50
    ) -> None:
        self.rates = rates
        self.pathway_name = pathway
        self._signal = TEACHING_SIGNALS[teaching_signal]
        self._pathway = PATHWAYS[pathway]
        self.feedback = _feedback_kind(feedback_weights, rates, network_units)

    def birth(self, network: Network, draws: Draws) -> None:
        """
        Give the hidden layers the feedback weights that the rule needs.

        Parameters
        ----------
        network : Network
            The networks, changed in place.
        draws : Draws
            Random numbers of the animals' birth.
        """
        n_output = network.layers[-1].weights.shape[1]
        last = len(network.layers) - 2
        for number in range(last + 1):
            if self.pathway_name == "readout" and number < last:
                continue
            above = network.layers[number + 1].weights.shape[1]
            n_signal = above if self.pathway_name == "layerwise" else n_output
            self.feedback.birth(network, number, n_signal, self.rates.feedback_scale, draws)

    def start_session(self, network: Network, draws: Draws) -> None:
        """
        Get the random numbers of a session ready.

        Parameters
        ----------
        network : Network
            The networks.
        draws : Draws
            Random numbers of the session.
        """
        for number, layer in enumerate(network.layers[:-1]):
            if layer.feedback is not None:
                self.feedback.start_session(network, number, draws)

    def teaching_signals(self, network: Network, activity: Activity, target: Tensor, update: int) -> list[Tensor]:
        """
        What every layer learns from.

        Parameters
        ----------
        network : Network
            The networks.
        activity : Activity
            A forward pass.
        target : torch.Tensor
            (animal, trial, output).
        update : int
            Number of the update within the session; updates come in order.

        Returns
        -------
        list of torch.Tensor
            (animal, trial, unit) per layer; the readout's is its own error.
        """
        own_error = target - activity.output
        if len(network.layers) == 1:
            return [own_error]
        signal = self._signal(network.memory, activity.output, target, self.rates.target_scale)
        return [*self._pathway(network, activity, signal, self.feedback, update), own_error]

    def update(self, network: Network, activity: Activity, signals: list[Tensor]) -> None:
        """
        Change weights and biases in place: dW_l = rate * mean over trials of delta_l r_(l-1)^T.

        Parameters
        ----------
        network : Network
            The networks.
        activity : Activity
            The forward pass that the teaching signals belong to.
        signals : list of torch.Tensor
            (animal, trial, unit) per layer.
        """
        n_trials = activity.output.shape[1]
        last = len(network.layers) - 1
        for number, (layer, delta) in enumerate(zip(network.layers, signals, strict=True)):
            rates = activity.rates[number]
            rate = self.rates.hidden / n_trials
            if number == last:
                power = rates.square().sum((1, 2), keepdim=True).clamp_min(1e-30)
                rate = (self.rates.readout / n_trials).minimum(self.rates.readout_step_bound / power)
            scaled = delta * rate
            layer.weights.baddbmm_(scaled.transpose(1, 2), rates)
            if layer.bias is not None:
                layer.bias += scaled.sum(1)


def _feedback_kind(name: str, rates: Rates, network_units: int) -> kinds.FeedbackWeights:
    """Object behind a kind of feedback weights."""
    match name:
        case "transpose":
            return kinds.Transpose()
        case "fixed":
            return kinds.Fixed()
        case "noisy":
            return kinds.Noisy(rates.noise_amplitude)
        case "network":
            return kinds.FeedbackNetwork(network_units)
        case "walking":
            return kinds.Walking(rates.walk_per_update, rates.feedback_scale)
        case _:
            raise ValueError(f"unknown feedback weights '{name}'")
