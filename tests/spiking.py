"""Spiking networks and protocols for tests."""

from typing import Any

import numpy as np

from neurofa.networks import Network
from neurofa.protocol import Protocol, merge, protocol_from
from neurofa.rules.names import Choices
from neurofa.spiking.architecture import Architecture
from neurofa.spiking.schedule import architecture_of
from neurofa.spiking_settings import SpikingSettings
from tests.engine import random_network

#: few units and trials: seconds on numpy
SMALL: dict[str, Any] = {
    "cohort": {"animals": 2, "seed": 3},
    "network": {"hidden": [20]},
    "rule": {"name": "fa", "learning_rate": 0.02, "readout_learning_rate": 0.02},
    "stimuli": {"kind": "patterns", "stimuli": 3, "inputs": 10, "classes": 3},
    "schedule": {"days": [0, 1], "passes": 2, "batch_size": 1},
    "observation": {"kind": "none", "repeats": 2},
    "engine": {"kind": "spiking", "threads": 1},
    "spiking": {"code_target": "numpy"},
}


def small(*changes: dict[str, Any]) -> Protocol:
    """The small protocol with changes."""
    values = SMALL
    for change in changes:
        values = merge(values, change)
    return protocol_from(values)


def architecture(
    sizes: list[int], choices: Choices | None = None, batch_size: int = 1, homeostasis: bool = False, **settings: Any
) -> Architecture:
    """Architecture of a network of these sizes."""
    return architecture_of(relu(sizes, homeostasis), SpikingSettings(**settings), choices, batch_size, homeostasis)


def relu(sizes: list[int], extras: bool = False) -> Network:
    """A random network of one animal; `extras` = with biases, gains, thresholds and excitability."""
    return random_network(sizes, "relu", n_animals=1, extras=extras)


def arrays(own: Architecture, seed: int = 0) -> dict[str, np.ndarray]:
    """Random arguments of a call: one trial after the other, the gate open in their last five bins."""
    random = np.random.default_rng(seed)
    bins = 8 if own.learns else 7
    found: dict[str, np.ndarray] = {}
    constants = {"baseline": 0.25, "rate": 0.02, "bias rate": 0.2, "step": 0.1, "scale": 0.5}
    constants |= {"regulation": 0.5, "fraction": 0.3, "shift": 0.0}
    for name, shape in own.shapes().items():
        key = name.rstrip(" 0123456789")
        trials = -(-own.n_bins // bins)
        if key in constants:
            found[name] = np.full(shape, constants[key])
        elif key in ("stimulus", "target", "teaching"):
            found[name] = np.repeat(random.uniform(0, 1.5, (trials, shape[1])), bins, axis=0)[: own.n_bins]
        elif key == "gate":
            found[name] = np.array(np.arange(own.n_bins) % bins >= 3, dtype=float)
        elif key in ("bound", "gain", "plasticity"):
            found[name] = np.ones(shape)
        else:
            found[name] = random.normal(size=shape) / (shape[-1] ** 0.5 if len(shape) == 2 else 4)
    return found


def call(own: Architecture, given: dict[str, np.ndarray], seed: int = 1, n_bins: int = 0) -> dict[str, np.ndarray]:
    """One call on numpy."""
    from neurofa.spiking.calling import spiking_network

    network = spiking_network(own, "numpy")
    try:
        return network.call(given, seed, n_bins or own.n_bins)
    finally:
        network.close()
