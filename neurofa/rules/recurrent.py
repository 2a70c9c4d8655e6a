"""Learning rules of recurrent networks: how the error at the output reaches earlier moments.

Both pathways share one backward sweep. Random feedback local online learning (RFLO) keeps an eligibility trace at
every synapse, p_ij(t) = (1 - step) p_ij(t-1) + step f'(drive_i(t)) r_j(t-1), and changes W_ij by F_i e(t) p_ij(t).
Summed over a trial that is sum_t delta_i(t) r_j(t-1) with

    delta(t) = step f'(drive(t)) z(t),    z(t) = (1 - step) z(t+1) + F e(t),

so the traces, local and forward in time, need not be held to sum them up. Backpropagation through time is the same with
one term more, z(t) = (1 - step) z(t+1) + W^T delta(t+1) + W_out^T e(t).
"""

import torch
from torch import Tensor

from neurofa.networks.feedforward import ACTIVATIONS, DERIVATIVES
from neurofa.networks.recurrent import RecurrentActivity, RecurrentNetwork, empty_activity, read_out, unit_offset
from neurofa.rules.names import Choices
from neurofa.rules.rule import Rates, Rule


class RecurrentRule(Rule):
    """
    A learning rule for recurrent networks of several animals.

    Parameters
    ----------
    choices : Choices
        Teaching signal ``error``; pathway ``eligibility`` or ``through_time``; any feedback weights.
    rates : Rates
        Its numbers; ``hidden`` is for input and recurrent weights.

    References
    ----------
    Murray 2019, 10.7554/eLife.43299 (RFLO); Werbos 1990, 10.1109/5.58337 (backpropagation through time).
    """

    def __init__(self, choices: Choices, rates: Rates) -> None:
        super().__init__(choices._replace(pathway="readout"), rates)
        self.choices = choices

    def errors(self, activity: RecurrentActivity, target: Tensor, weight: Tensor) -> Tensor:
        """
        Error at the output at every moment that counts.

        Parameters
        ----------
        activity : RecurrentActivity
            Of the trials.
        target : torch.Tensor
            (animal, time, trial, output).
        weight : torch.Tensor
            (animal, time, trial, 1): share of each moment; adds up to 1 over time.

        Returns
        -------
        torch.Tensor
            (animal, time, trial, output): minus the gradient of a trial's loss by the output before the softmax.
        """
        return (target - activity.output) * weight

    def signals_in_time(
        self, network: RecurrentNetwork, activity: RecurrentActivity, error: Tensor, update: int
    ) -> Tensor:
        """
        What the synapses of every unit learn from at every moment.

        Parameters
        ----------
        network : RecurrentNetwork
            The networks.
        activity : RecurrentActivity
            Of the trials.
        error : torch.Tensor
            (animal, time, trial, output): from `errors`.
        update : int
            Number of the update within the session.

        Returns
        -------
        torch.Tensor
            (animal, time, trial, unit): delta; the weights' change is rate * mean over trials of the sum over time of
            delta(t) [x(t), r(t-1)].
        """
        sent = self.feedback.send(network, 0, error.flatten(1, 2), update).reshape(*error.shape[:3], -1)
        delta = self._slopes(network, activity.drives, activity.values) * network.step.unsqueeze(1)
        keep, moments = 1 - network.step, delta.unbind(1)
        recurrent = network.recurrent_weights.contiguous() if self.choices.pathway == "through_time" else None
        later = torch.zeros_like(moments[0])
        for time, own in reversed(list(enumerate(sent.unbind(1)))):
            later = torch.addcmul(own, keep, later)
            if recurrent is not None and time + 1 < len(moments):
                later.baddbmm_(moments[time + 1], recurrent)
            moments[time].mul_(later)
        return delta

    def update_in_time(
        self, network: RecurrentNetwork, activity: RecurrentActivity, delta: Tensor, error: Tensor, update: int
    ) -> None:
        """
        Change weights and biases in place.

        Parameters
        ----------
        network : RecurrentNetwork
            The networks.
        activity : RecurrentActivity
            The trials that the teaching signals belong to.
        delta : torch.Tensor
            (animal, time, trial, unit): from `signals_in_time`.
        error : torch.Tensor
            (animal, time, trial, output): from `errors`.
        update : int
            Number of the update within the session.
        """
        n_trials = error.shape[2]
        hidden, readout = network.layers
        to_units, to_output = delta.flatten(1, 2).transpose(1, 2), error.flatten(1, 2).transpose(1, 2)
        ascent = torch.cat(
            [
                torch.bmm(to_units, activity.stimuli.flatten(1, 2)),
                torch.bmm(to_units, activity.states[:, :-1].flatten(1, 2)),
            ],
            dim=2,
        )
        above = torch.bmm(to_output, activity.states[:, 1:].flatten(1, 2)) / n_trials
        hidden.weights += self._optimiser(network, "weights 0", ascent / n_trials, self.rates.hidden)
        change = self._optimiser(network, "weights 1", above, self.rates.readout)
        readout.weights += change
        self.feedback.learn(network, 0, change, update)
        if hidden.bias is not None and readout.bias is not None:
            hidden.bias += self._optimiser(network, "bias 0", delta.sum(1).mean(1), self.rates.hidden[:, 0])
            readout.bias += self._optimiser(network, "bias 1", error.sum(1).mean(1), self.rates.readout[:, 0])

    def live_online(
        self, network: RecurrentNetwork, stimuli: Tensor, target: Tensor, weight: Tensor
    ) -> RecurrentActivity:
        """
        Live through trials and learn at every moment, as published: eligibility traces are held and used at once.

        Trials that are lived at the same time share their weights, and the changes are averaged over them. To first
        order in the learning rates the change over a trial is that of `update_in_time`.

        Parameters
        ----------
        network : RecurrentNetwork
            The networks, changed in place.
        stimuli : torch.Tensor
            (animal, time, trial, input).
        target : torch.Tensor
            (animal, time, trial, output).
        weight : torch.Tensor
            (animal, time, trial, 1): share of each moment.

        Returns
        -------
        RecurrentActivity
            Of the trials, while the weights changed.
        """
        activity = empty_activity(network, stimuli)
        hidden, readout = network.layers
        n_animals, n_times, n_trials, _ = stimuli.shape
        step, hidden_rate = network.step.unsqueeze(1), self.rates.hidden / n_trials
        readout_rate = self.rates.readout / n_trials
        traces = stimuli.new_zeros(n_animals, n_trials, *hidden.weights.shape[1:])
        slopes = stimuli.new_zeros(n_animals, n_trials, hidden.weights.shape[1])
        for time in range(n_times):
            before = torch.cat([stimuli[:, time], activity.states[:, time]], dim=2)
            drive = torch.bmm(before, hidden.weights.transpose(1, 2))
            offset = unit_offset(hidden)
            drive = drive if offset is None else drive + offset
            value = ACTIVATIONS[network.activation](drive)
            activity.drives[:, time], activity.values[:, time] = drive, value
            activity.states[:, time + 1] = torch.lerp(activity.states[:, time], value, network.step)
            activity.output[:, time] = read_out(network, activity.states[:, time + 1, None])[:, 0]
            slope = self._slopes(network, drive, value)
            traces = torch.lerp(traces, slope.unsqueeze(3) * before.unsqueeze(2), step)
            slopes = torch.lerp(slopes, slope, network.step)
            error = (target[:, time] - activity.output[:, time]) * weight[:, time]
            sent = self.feedback.send(network, 0, error, 0)
            hidden.weights += hidden_rate * (sent.unsqueeze(3) * traces).sum(1)
            readout.weights += readout_rate * torch.bmm(error.transpose(1, 2), activity.states[:, time + 1])
            if hidden.bias is not None and readout.bias is not None:
                hidden.bias += hidden_rate[:, 0] * (sent * slopes).sum(1)
                readout.bias += readout_rate[:, 0] * error.sum(1)
        return activity

    def _slopes(self, network: RecurrentNetwork, drives: Tensor, values: Tensor) -> Tensor:
        """Derivative of the activation, or 1 where the rule ignores it."""
        if self.choices.slope == "one":
            return torch.ones_like(values)
        return DERIVATIVES[network.activation](drives, values)
