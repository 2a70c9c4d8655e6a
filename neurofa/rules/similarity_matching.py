"""Similarity matching by a Hebbian / anti-Hebbian network: a rule without any feedback, beside the family.

Units of a hidden layer inhibit each other, y_i = max(0, (sum_j W_ij x_j - theta_i - sum_(j != i) L_ij y_j) / L_ii), and
learn, with <> the mean over the trials of an update, from what they see themselves:

    dW = rate (<y x^T> - W)                        Hebbian
    dL = rate lateral_rate (<y y^T> + leak I - L)  anti-Hebbian
    d theta = rate (offset <y> + threshold - theta)

so that similarities of rates come to match those of inputs minus the offset, min over y >= 0 of
sum_(t, t') (x_t^T x_t' - offset - y_t^T y_t')^2. The solutions are as many as there are rotations that keep rates from
being negative; noise in the updates walks among them. The readout learns by the delta rule.
"""

import torch
from torch import Tensor

from neurofa.draws import Draws
from neurofa.errors import ConfigError
from neurofa.networks import Activity, Network
from neurofa.rules.learning_noise import LearningNoise
from neurofa.rules.pathways import Reached
from neurofa.rules.rule import Rule

#: weights below this are 0
TRACE = 1e-20


class SimilarityMatching(Rule):
    """
    Similarity matching with non-negative rates, behind the calls of a rule.

    ``rule.update_noise`` is the noise of all synapses, per update and before the learning rate, so that an update adds
    noise of sd rate * update_noise; the publication's sigma is sqrt(rate) * update_noise. Noise of lateral synapses is
    the same for both directions of a pair, so that rates have a state of rest, and no synapse gets below 0.

    References
    ----------
    Qin et al. 2023, 10.1038/s41593-022-01225-z.
    """

    def birth(self, network: Network, draws: Draws) -> None:
        """
        Lay lateral synapses and thresholds: L = (1 + leak) I, theta = threshold.

        Parameters
        ----------
        network : Network
            The networks, changed in place.
        draws : Draws
            Not used.

        Raises
        ------
        ConfigError
            Where stimuli have synapses of their own, which do not learn by this rule.
        """
        if network.private:
            raise ConfigError(
                "rule similarity_matching learns from the activity of inputs, which stimuli with synapses of their own "
                "do not have; choose another stimulus set, or another rule, such as fa"
            )
        matching = self.choices.matching
        for layer in network.layers[:-1]:
            n_units = layer.weights.shape[1]
            one = torch.eye(n_units, dtype=layer.weights.dtype, device=layer.weights.device)
            layer.lateral = ((1 + matching.leak) * one).repeat(network.n_animals, 1, 1)
            layer.threshold = torch.full_like(layer.weights[:, :, 0], matching.threshold)

    def fed_back_layers(self, network: Network) -> list[int]:
        """None; see `Rule.fed_back_layers`."""
        return []

    def teaching_signals(self, network: Network, activity: Activity, target: Tensor, update: int) -> Reached:
        """
        What every layer learns from; see `Rule.teaching_signals`.

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
            ``sent`` is the lateral input of the hidden layers, minus the sum over j != i of L_ij y_j; ``deltas`` are
            their rates before gains, and the error of the readout.
        """
        sent = []
        for layer, own in zip(network.layers[:-1], activity.values, strict=True):
            lateral = torch.zeros_like(own) if layer.lateral is None else torch.bmm(own, layer.lateral)
            if layer.lateral is not None:
                lateral = lateral - own * layer.lateral.diagonal(dim1=1, dim2=2).unsqueeze(1)
            sent.append(-lateral)
        return Reached(sent, [*activity.values, target - activity.output])

    def update(
        self,
        network: Network,
        activity: Activity,
        reached: Reached,
        update: int = 0,
        noise: LearningNoise | None = None,
    ) -> None:
        """
        Change weights, lateral weights and thresholds in place; see `Rule.update`.

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
        n_trials, last = activity.output.shape[1], len(network.layers) - 1
        for number in range(last):
            self._match(network, activity, number, update, noise)
        readout, below = network.layers[last], activity.rates[last]
        ascent = torch.bmm(reached.deltas[last].transpose(1, 2), below) / n_trials
        if noise is not None:
            ascent = noise.ascent(last, ascent, update)
        readout.weights += self._readout_rate(below, n_trials) * ascent

    def _match(
        self, network: Network, activity: Activity, number: int, update: int, noise: LearningNoise | None
    ) -> None:
        """Change one hidden layer."""
        matching, layer = self.choices.matching, network.layers[number]
        own, below, n_trials = activity.values[number], activity.rates[number], activity.output.shape[1]
        if layer.lateral is None or layer.threshold is None:
            return
        leak = matching.leak * torch.eye(own.shape[2], dtype=own.dtype, device=own.device)
        hebbian = torch.bmm(own.transpose(1, 2), below) / n_trials - layer.weights
        anti = torch.bmm(own.transpose(1, 2), own) / n_trials + leak - layer.lateral
        if noise is not None:
            hebbian, anti = noise.ascent(number, hebbian, update), noise.lateral_ascent(number, anti, update)
        rate = self.rates.hidden
        pace = torch.ones_like(layer.threshold) if layer.plasticity is None else layer.plasticity
        # the same for both directions of a pair of units
        of_pairs = (pace.unsqueeze(2) * pace.unsqueeze(1)).sqrt()
        layer.weights += rate * pace.unsqueeze(2) * hebbian
        layer.lateral += matching.lateral_rate * rate * of_pairs * anti
        layer.lateral.copy_(_without_traces(layer.lateral).clamp_min(0).maximum(leak))
        layer.weights.copy_(_without_traces(layer.weights))
        homeostatic = matching.offset * own.mean(1) + matching.threshold - layer.threshold
        layer.threshold += rate[:, 0] * pace * homeostatic


def _without_traces(weights: Tensor) -> Tensor:
    """Synapses of units that stay silent decay for ever: numbers too small for quick arithmetic are 0."""
    return weights.where(weights.abs() > TRACE, 0.0)
