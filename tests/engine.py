"""Small networks and protocols for tests of the engine."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurofa.draws import Draws
from neurofa.networks import Layer, Network
from neurofa.protocol import Protocol, merge, protocol_from
from neurofa.rules.names import Choices
from neurofa.rules.rule import Rates, Rule

#: the structure of the shipped linear track, fewer units and sessions
SMALL: dict[str, Any] = {
    "cohort": {"animals": 4, "seed": 1},
    "network": {
        "hidden": [40],
        "weight_scale": 2.45,
        "gain_sd": 0.35,
        "active_fraction": 0.268,
        "active_fraction_spread": 0.5,
        "homeostasis_rate": 0.015,
        "pretraining_homeostasis": 3.0,
    },
    "rule": {"name": "fa", "learning_rate": 0.2, "readout_learning_rate": 0.03, "feedback_scale": 2.0},
    "stimuli": {"bins": 5, "inputs": 30, "noise_sd": 0.15, "session_gain_sd": 0.56},
    "schedule": {"days": [0, 2, 4], "passes": 10, "pretraining_passes": 10, "burn_in_sessions": 1},
    "overnight": {"feedback_walk": 0.35, "weight_decay": 0.2, "readout_decay": 0.1},
    "observation": {"repeats": 3, "seconds_per_stimulus": 3.0, "event_rate_hz": 0.5, "detected_fraction": 0.56},
}


def small(*changes: dict[str, Any], folder: str = "") -> Protocol:
    """The small protocol with changes."""
    values = SMALL
    for change in changes:
        values = merge(values, change)
    return protocol_from(values, folder)


def random_network(
    sizes: list[int],
    activation: str = "tanh",
    loss: str = "squared_error",
    *,
    n_animals: int = 3,
    dtype: torch.dtype = torch.float64,
    extras: bool = True,
    seed: int = 0,
) -> Network:
    """A network with random weights; `extras` = biases, gains, thresholds and excitability as well."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(n_animals, *shape, generator=random, dtype=torch.float64).to(dtype)

    layers = []
    for number, (pre, post) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        layer = Layer(normal(post, pre) / pre**0.5)
        if extras:
            layer.bias = normal(post) / 2
        if extras and number < len(sizes) - 2:
            layer.threshold, layer.gain, layer.excitability = normal(post) / 2, normal(post).exp(), normal(post) / 3
            layer.drive_mean, layer.drive_square = normal(post), 2 + normal(post).abs() * 3
            layer.drive_square = layer.drive_square + layer.drive_mean.square()
        layers.append(layer)
    return Network(layers, activation, loss)  # type: ignore[arg-type]


def rates(n_animals: int = 3, dtype: torch.dtype = torch.float64, **numbers: float) -> Rates:
    """Numbers of a rule, the same in all animals."""
    values = {
        "hidden": 0.1,
        "readout": 0.1,
        "readout_step_bound": float("inf"),
        "target_scale": 1.0,
        "noise_amplitude": 0.5,
        "walk_per_update": 0.3,
        "feedback_scale": 1.5,
        "network_scale": 1.0,
        "feedback_decay": 0.01,
        "feedback_rate": 0.05,
        "unit_dropout": 0.0,
        "weight_dropout": 0.0,
        "update_noise": 0.0,
        "label_noise": 0.0,
        "activity_penalty": 0.0,
    } | numbers
    return Rates(**{name: torch.full((n_animals, 1, 1), value, dtype=dtype) for name, value in values.items()})


def born_rule(
    network: Network, *choices: str, session: int = 0, more: dict[str, Any] | None = None, **numbers: float
) -> Rule:
    """A rule whose feedback weights are laid in the network, ready for a session; `more` choices by name."""
    dtype, n_animals = network.layers[0].weights.dtype, network.n_animals
    rule = Rule(Choices(*choices, **{"network_units": 6} | (more or {})), rates(n_animals, dtype, **numbers))
    rule.birth(network, draws(n_animals, "birth", dtype=dtype))
    rule.start_session(network, draws(n_animals, "session", session, dtype=dtype))
    return rule


def draws(n_animals: int, *occasion: str | int, seed: int = 5, dtype: torch.dtype = torch.float64) -> Draws:
    """Random numbers of so many animals."""
    return Draws(seed, range(n_animals), occasion, dtype)


def trials(network: Network, n_trials: int = 7, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Random stimuli, and targets that suit the loss."""
    random = torch.Generator().manual_seed(seed)
    first, last = network.layers[0].weights, network.layers[-1].weights
    shape = (network.n_animals, n_trials)
    stimuli = torch.randn(*shape, first.shape[2], generator=random, dtype=torch.float64)
    target = torch.randn(*shape, last.shape[1], generator=random, dtype=torch.float64)
    if network.loss == "cross_entropy":
        target = torch.softmax(2 * target, -1)
    return stimuli.to(first.dtype), target.to(first.dtype)


def relative_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Norm of the difference over the norm; infinite where values are missing in one of them only."""
    there = np.isfinite(first)
    if not np.array_equal(there, np.isfinite(second)):
        return float("inf")
    size = np.linalg.norm(first[there])
    return float(np.linalg.norm(first[there] - second[there]) / size) if size else 0.0
