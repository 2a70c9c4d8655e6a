"""A learning rule for several animals: three choices, composed behind two calls."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurofa.draws import Draws
from neurofa.networks import Activity, Network
from neurofa.rules import feedback_weights as kinds
from neurofa.rules import following_feedback as following
from neurofa.rules import optimisers
from neurofa.rules.learning_noise import LearningNoise
from neurofa.rules.names import Choices
from neurofa.rules.pathways import PATHWAYS, SLOPES, Reached
from neurofa.rules.teaching_signals import TEACHING_SIGNALS

#: numbers of a rule and the settings that give them
RATE_SETTINGS = {
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
    "unit_dropout": "unit_dropout",
    "weight_dropout": "weight_dropout",
    "update_noise": "update_noise",
    "label_noise": "label_noise",
    "activity_penalty": "activity_penalty",
}

#: of networks that remember it layer by layer, (animal, 1, unit): mean rate that regularisation of activity keeps
RATE_AT_BIRTH = "rate at birth"


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
        (animal, 1, 1): a plain step of the readout is at most this / its summed squared inputs; infinite = no bound.
    target_scale, noise_amplitude, walk_per_update, feedback_scale, network_scale, feedback_decay, feedback_rate
        (animal, 1, 1): see `neurofa.rule_settings.RuleSettings`.
    unit_dropout, weight_dropout, update_noise, label_noise
        (animal, 1, 1): see `neurofa.rules.learning_noise`.
    activity_penalty : torch.Tensor
        (animal, 1, 1): what reaches the rates of a hidden layer is less by this times the rates themselves, the
        gradient of half their summed squares; or their distance from `RATE_AT_BIRTH`, where networks remember it.
    """

    hidden: Tensor
    readout: Tensor
    readout_step_bound: Tensor
    target_scale: Tensor
    noise_amplitude: Tensor
    walk_per_update: Tensor
    feedback_scale: Tensor
    network_scale: Tensor
    feedback_decay: Tensor
    feedback_rate: Tensor
    unit_dropout: Tensor
    weight_dropout: Tensor
    update_noise: Tensor
    label_noise: Tensor
    activity_penalty: Tensor

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
    choices : Choices
        Teaching signal, pathway, feedback weights, and what else is not a number.
    rates : Rates
        Its numbers.
    """

    def __init__(self, choices: Choices, rates: Rates) -> None:
        self.choices = choices
        self.rates = rates
        self._signal = TEACHING_SIGNALS[choices.teaching_signal]
        # rules of classes of their own need no pathway
        self._pathway = PATHWAYS.get(choices.pathway, PATHWAYS["layerwise"])
        self._slope = SLOPES[choices.slope]
        self._optimiser = optimisers.OPTIMISERS[choices.optimiser]
        self.feedback = _feedback_kind(choices, rates)
        #: name to values (animal,) of every update: what else of the course of learning is recorded
        self.course: dict[str, list[Tensor]] = {}
        #: plain steps of the forward weights need not be known to anything but the weights
        self._fused = choices.optimiser == "gradient" and choices.feedback_weights not in ("learned", "informative")

    def birth(self, network: Network, draws: Draws) -> None:
        """
        Give the networks the feedback weights and the memory that the rule needs.

        Parameters
        ----------
        network : Network
            The networks, changed in place.
        draws : Draws
            Random numbers of the animals' birth.
        """
        n_output = network.layers[-1].weights.shape[1]
        for number in self.fed_back_layers(network):
            above = network.layers[number + 1].weights.shape[1]
            n_signal = above if self.choices.pathway == "layerwise" else n_output
            self.feedback.birth(network, number, n_signal, self.rates.feedback_scale, draws)
        if self.choices.teaching_signal == "centred_target":
            count = torch.zeros_like(self.rates.hidden)
            network.memory["target_sum"] = count.repeat(1, 1, n_output)
            network.memory["target_count"] = count
            network.memory["performance"] = count.clone()
        optimisers.birth(network, self.choices.optimiser)

    def fed_back_layers(self, network: Network) -> list[int]:
        """
        Hidden layers that the rule's feedback weights lead to.

        Parameters
        ----------
        network : Network
            The networks.

        Returns
        -------
        list of int
            From 0; on the pathway ``readout`` the last one only.
        """
        n_hidden = len(network.layers) - 1
        return list(range(n_hidden))[-1:] if self.choices.pathway == "readout" else list(range(n_hidden))

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
        for number in self.fed_back_layers(network):
            self.feedback.start_session(network, number, draws)

    def teaching_signals(self, network: Network, activity: Activity, target: Tensor, update: int) -> Reached:
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
        Reached
            ``deltas`` (animal, trial, unit) per layer, the readout's is its own error; ``sent`` per hidden layer.
        """
        own_error = target - activity.output
        if len(network.layers) == 1:
            return Reached([], [own_error])
        signal = self._signal(network.memory, activity.output, target, self.rates.target_scale)
        reached = self._pathway(network, activity, signal, self.feedback, self._slope, update)
        if bool((self.rates.activity_penalty > 0).any()):
            reached = self._penalised(network, activity, reached)
        return Reached(reached.sent, [*reached.deltas, own_error])

    def _penalised(self, network: Network, activity: Activity, reached: Reached) -> Reached:
        """
        What reaches the hidden layers, less the penalty on their own activity.

        Of networks that remember their rates at birth, the distance from these is pulled on instead, whether a unit is
        active or not, so that dW = rate * penalty * (rate at birth - rate) r_below: mean rates stay, as in Vogels et
        al. 2011, Inhibitory plasticity balances excitation and inhibition, https://doi.org/10.1126/science.1211095.
        """
        sent, deltas = [], []
        for number, rates in enumerate(activity.rates[1:]):
            born = network.memory.get(f"{RATE_AT_BIRTH} {number}")
            pull = self.rates.activity_penalty * (-rates if born is None else born - rates)
            sent.append(reached.sent[number] + pull)
            slope = self._slope(network, activity, number) if born is None else 1.0
            deltas.append(reached.deltas[number] + pull * slope)
        return Reached(sent, deltas)

    def update(
        self,
        network: Network,
        activity: Activity,
        reached: Reached,
        update: int = 0,
        noise: LearningNoise | None = None,
    ) -> None:
        """
        Change weights, biases and output gains in place: dW_l = rate * mean over trials of delta_l r_(l-1)^T.

        Parameters
        ----------
        network : Network
            The networks.
        activity : Activity
            The forward pass that the teaching signals belong to.
        reached : Reached
            From `teaching_signals`.
        update : int
            Number of the update within the session.
        noise : LearningNoise, optional
            Of the session.
        """
        n_trials = activity.output.shape[1]
        disturbed = noise is not None and noise.disturbs_ascent
        last = len(network.layers) - 1
        below = activity.rates if reached.below is None else reached.below
        fed_back = self.fed_back_layers(network)
        for number, (layer, delta) in enumerate(zip(network.layers, reached.deltas, strict=True)):
            rate = self.rates.hidden
            if layer.plasticity is not None:
                delta = delta * layer.plasticity.unsqueeze(1)
            if number == last:
                rate = self._readout_rate(below[number], n_trials)
            if number == 0 and network.private:
                # every stimulus has synapses of its own: there is nothing to average over
                ascent = delta.transpose(1, 2)
                if noise is not None and disturbed:
                    ascent = noise.ascent(number, ascent, update)
                layer.weights += self._optimiser(network, "weights 0", ascent, rate)
            elif self._fused and not disturbed:
                layer.weights.baddbmm_((delta * (rate / n_trials)).transpose(1, 2), below[number])
            else:
                ascent = torch.bmm(delta.transpose(1, 2), below[number]) / n_trials
                if noise is not None and disturbed:
                    ascent = noise.ascent(number, ascent, update)
                change = self._optimiser(network, f"weights {number}", ascent, rate)
                layer.weights += change
                if number - 1 in fed_back:
                    self.feedback.learn(network, number - 1, change, update)
            if layer.bias is not None:
                layer.bias += self._optimiser(network, f"bias {number}", delta.mean(1), rate[:, 0])
            if layer.output_gain is not None:
                value = activity.values[number] if layer.gain is None else activity.values[number] * layer.gain[:, None]
                value = value * activity.dropout[number] if activity.dropout else value
                ascent = (reached.sent[number] * value).sum(2).mean(1, keepdim=True)
                layer.output_gain += self._optimiser(network, f"output_gain {number}", ascent, rate[:, 0])

    def _readout_rate(self, inputs: Tensor, n_trials: int) -> Tensor:
        """Learning rate of the readout, (animal, 1, 1): plain steps are bounded."""
        if self.choices.optimiser != "gradient":
            return self.rates.readout
        power = inputs.square().sum((1, 2), keepdim=True).clamp_min(1e-30)
        return self.rates.readout.minimum(self.rates.readout_step_bound * n_trials / power)


def _feedback_kind(choices: Choices, rates: Rates) -> kinds.FeedbackWeights:
    """Object behind a kind of feedback weights."""
    match choices.feedback_weights:
        case "transpose" | "none":
            return kinds.Transpose()
        case "fixed":
            return kinds.Fixed()
        case "noisy":
            return kinds.Noisy(rates.noise_amplitude, "normal" if choices.noise_kind == "normal" else "uniform")
        case "network":
            return kinds.FeedbackNetwork(choices.network_units, rates.network_scale)
        case "walking":
            return kinds.Walking(rates.walk_per_update, rates.feedback_scale)
        case "sign":
            return following.SignSymmetric(choices.sign_magnitudes, rates.feedback_scale)
        case "learned" if choices.learned_by == "kolen_pollack":
            return following.KolenPollack(rates.feedback_decay, rates.hidden, rates.readout)
        case "learned":
            return following.WeightMirror(rates.feedback_rate)
        case "informative":
            return following.Informative(rates.feedback_rate)
        case unknown:
            raise ValueError(f"unknown feedback weights '{unknown}'")
