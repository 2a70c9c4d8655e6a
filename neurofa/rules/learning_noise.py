"""Noise while learning, besides that of the input: each kind is one setting of a rule, and 0 switches it off.

All kinds keep the mean of what they disturb, and none acts while nothing is learned: what is recorded is the whole
network. `neurofa.rules.names.LEARNING_NOISE` has their sources, and what each predicts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from neurofa.draws import Draws, Stream
from neurofa.networks import Network

if TYPE_CHECKING:
    from neurofa.rules.rule import Rates


class LearningNoise:
    """
    Noise of one session of learning.

    Dropout of units: in every trial a hidden unit is silent with probability p, and the rate of the others is divided
    by 1 - p; so is the slope by which a teaching signal becomes a change of weights. Dropout of weights: the same for
    every synapse onto the hidden layers, for all trials of an update. Update noise: the ascent of every weight that
    learns is disturbed by normal noise before the learning rate and the optimiser act on it, so that a plain step adds
    noise with a variance of (rate * sd)^2 and a frozen weight stays. Label noise: every value of a target is disturbed
    by normal noise, new in every trial; the course of the loss is that of the targets that were learned.

    Parameters
    ----------
    network : Network
        The networks.
    rates : Rates
        How much of each kind there is.
    n_trials : int
        Trials of an update.
    draws : Draws
        Random numbers of the session.

    References
    ----------
    Aitken et al. 2022, 10.1371/journal.pcbi.1010716 (dropout); Srivastava et al. 2014, Journal of Machine Learning
    Research 15: 1929 (scaling up of what is left); Ratzon et al. 2024, 10.7554/eLife.90069 (update and label noise).
    """

    def __init__(self, network: Network, rates: Rates, n_trials: int, draws: Draws) -> None:
        self._rates = rates
        hidden = [layer.weights.shape[1:] for layer in network.layers[:-1]]
        every = [layer.weights.shape[1:] for layer in network.layers]
        n_outputs = every[-1][0]
        self._units: list[Stream] = []
        self._synapses: list[Stream] = []
        self._updates: list[Stream] = []
        self._labels: list[Stream] = []
        self._lateral: dict[int, Stream] = {}
        if is_on(rates.unit_dropout):
            shapes = [(n_trials, int(shape[0])) for shape in hidden]
            self._units = [draws.stream(("unit dropout", n), shape, "uniform") for n, shape in enumerate(shapes)]
        if is_on(rates.weight_dropout):
            self._synapses = [draws.stream(("weight dropout", n), tuple(s), "uniform") for n, s in enumerate(hidden)]
        if is_on(rates.update_noise):
            self._updates = [draws.stream(("update noise", n), tuple(s), "normal") for n, s in enumerate(every)]
            for n, layer in enumerate(network.layers[:-1]):
                if layer.lateral is not None:
                    shape = tuple(layer.lateral.shape[1:])
                    self._lateral[n] = draws.stream(("lateral update noise", n), shape, "normal")
        if is_on(rates.label_noise):
            self._labels = [draws.stream(("label noise",), (n_trials, int(n_outputs)), "normal")]
        self._kept: list[Tensor] = []
        #: whether the ascent of the weights is not that of the mean over trials
        self.disturbs_ascent = bool(self._synapses or self._updates)

    def units(self, update: int) -> list[Tensor]:
        """
        What the rates of the hidden layers are multiplied by.

        Parameters
        ----------
        update : int
            Number of the update within the session; updates come in order.

        Returns
        -------
        list of torch.Tensor
            (animal, trial, unit) per hidden layer; empty without dropout of units.
        """
        return [_kept(stream.at(update), self._rates.unit_dropout) for stream in self._units]

    def synapses(self, network: Network, update: int) -> Network:
        """
        Networks in which some synapses onto the hidden layers fail, and the others are scaled up.

        Parameters
        ----------
        network : Network
            The networks, not changed.
        update : int
            Number of the update within the session; updates come in order.

        Returns
        -------
        Network
            Shares everything else with the networks; these themselves without dropout of weights.
        """
        if not self._synapses:
            return network
        self._kept = [_kept(stream.at(update), self._rates.weight_dropout) for stream in self._synapses]
        layers = [
            replace(layer, weights=layer.weights * kept)
            for layer, kept in zip(network.layers[:-1], self._kept, strict=True)
        ]
        return replace(network, layers=[*layers, network.layers[-1]])

    def target(self, target: Tensor, update: int) -> Tensor:
        """
        Targets as they are learned.

        Parameters
        ----------
        target : torch.Tensor
            (animal, trial, output).
        update : int
            Number of the update within the session; updates come in order.

        Returns
        -------
        torch.Tensor
            (animal, trial, output).
        """
        for stream in self._labels:
            target = target + self._rates.label_noise * stream.at(update)
        return target

    def ascent(self, number: int, ascent: Tensor, update: int) -> Tensor:
        """
        Disturb the ascent of the weights of a layer.

        Parameters
        ----------
        number : int
            The layer, from 0.
        ascent : torch.Tensor
            (animal, post, pre): from the networks that `synapses` gave.
        update : int
            Number of the update within the session; updates come in order.

        Returns
        -------
        torch.Tensor
            (animal, post, pre).
        """
        if self._synapses and number < len(self._kept):
            ascent = ascent * self._kept[number]
        if self._updates:
            ascent = ascent + self._rates.update_noise * self._updates[number].at(update)
        return ascent

    def lateral_ascent(self, number: int, ascent: Tensor, update: int) -> Tensor:
        """
        Disturb the ascent of the lateral weights of a hidden layer, both directions of a pair of units alike.

        Parameters
        ----------
        number : int
            The layer, from 0.
        ascent : torch.Tensor
            (animal, unit, unit).
        update : int
            Number of the update within the session; updates come in order.

        Returns
        -------
        torch.Tensor
            (animal, unit, unit).
        """
        if number not in self._lateral:
            return ascent
        drawn = self._lateral[number].at(update)
        return ascent + self._rates.update_noise * (drawn + drawn.transpose(1, 2)) / 2**0.5


def is_on(amount: Tensor) -> bool:
    """
    Whether there is any noise of a kind.

    Parameters
    ----------
    amount : torch.Tensor
        (animal, 1, 1).

    Returns
    -------
    bool
        True where it is above 0 in any animal.
    """
    return bool((amount > 0).any())


def _kept(uniform: Tensor, dropped: Tensor) -> Tensor:
    """1 / (1 - p) where kept, 0 where dropped; from numbers between -1/2 and 1/2."""
    return (uniform >= dropped - 0.5).to(uniform.dtype) / (1 - dropped)
