"""From the tensors of the networks to flat arrays, and back."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from neurofa.compiled import layout as at
from neurofa.networks import Network
from neurofa.networks.homeostasis import SMALLEST_FRACTION
from neurofa.rules.learning_noise import is_on
from neurofa.rules.names import Choices
from neurofa.rules.rule import RATE_AT_BIRTH, Rates

if TYPE_CHECKING:
    from neurofa.learning import Session

_VECTORS = {
    at.BIAS: "bias",
    at.THRESHOLD: "threshold",
    at.GAIN: "gain",
    at.EXCITABILITY: "excitability",
    at.DRIVE_MEAN: "drive_mean",
    at.DRIVE_SQUARE: "drive_square",
    at.TARGET_ACTIVE: "target_active",
    at.FEEDBACK_HIDDEN: "feedback_hidden",
    at.OUTPUT_GAIN: "output_gain",
    at.PLASTICITY: "plasticity",
}
_REMEMBERED = {at.WEIGHTS_FIRST: "weights", at.BIAS_FIRST: "bias", at.OUTPUT_GAIN_FIRST: "output_gain"}
_OF_READOUT = {at.TARGET_SUM: "target_sum", at.TARGET_COUNT: "target_count", at.PERFORMANCE: "performance"}
#: feedback weights that do not look at the forward weights, or only by a weighted sum
_BY_BLOCKS = ("transpose", "fixed", "noisy", "network", "walking")
#: trials in a block of online learning
_BLOCK = 8
#: places on the desk start at multiples of this, as cache lines do
_LINE = 16


@dataclass
class Packed:
    """
    The networks of a few animals in flat arrays.

    Attributes
    ----------
    plan, common : numpy.ndarray
        (layer, column) and (column,), int64: see `neurofa.compiled.layout`.
    states, numbers : numpy.ndarray
        (animal, place) and (animal, column).
    desk : numpy.ndarray
        (place,): what lives for one update.
    stored : list of tuple
        Tensor, start in the state, and whether its last two axes are turned.
    """

    plan: np.ndarray
    common: np.ndarray
    states: np.ndarray
    numbers: np.ndarray
    desk: np.ndarray
    stored: list[tuple[Tensor, int, bool]] = field(default_factory=list)

    def unpack(self) -> None:
        """Put what was learned back into the tensors of the networks."""
        for tensor, start, turned in self.stored:
            given = tensor.transpose(1, 2) if turned else tensor
            values = self.states[:, start : start + given[0].numel()]
            given.copy_(torch.from_numpy(values).view(given.shape))


def pack(network: Network, choices: Choices, rates: Rates, session: "Session") -> Packed:
    """
    Lay out the networks of a few animals, and what their updates need.

    Parameters
    ----------
    network : Network
        The networks.
    choices : Choices
        Of the rule.
    rates : Rates
        Numbers of the rule.
    session : Session
        What is shown.

    Returns
    -------
    Packed
        With copies of all that learning changes.
    """
    plan = np.full((len(network.layers), at.N_COLUMNS), -1, dtype=np.int64)
    common = _common(network, choices, rates, session)
    stored = _lay_out_state(network, choices, plan)
    size = max(start + tensor[0].numel() for tensor, start, _ in stored)
    precision = network.layers[0].weights.numpy().dtype
    states = np.zeros((network.n_animals, size), dtype=precision)
    for tensor, start, turned in stored:
        given = tensor.transpose(1, 2) if turned else tensor
        torch.from_numpy(states)[:, start : start + tensor[0].numel()] = given.reshape(network.n_animals, -1)
    desk = np.zeros(_lay_out_desk(plan, common, choices, rates), dtype=precision)
    return Packed(plan, common, states, _numbers(network, rates, session), desk, stored)


def _common(network: Network, choices: Choices, rates: Rates, session: "Session") -> np.ndarray:
    """Table of what all layers share; places on the desk come later."""
    common = np.zeros(at.N_COMMON, dtype=np.int64)
    common[at.BATCH] = session.batch_size
    common[at.N_STIMULI] = session.stimuli.shape[1]
    common[at.ALL_SHOWN] = session.batch_size == session.stimuli.shape[1]
    common[at.NOISY] = bool((session.noise_sd > 0).any())
    common[at.ACTIVATION] = at.ACTIVATIONS.index(network.activation)
    common[at.LOSS] = at.LOSSES.index(network.loss)
    common[at.SIGNAL_KIND] = at.SIGNAL_KINDS.index(choices.teaching_signal)
    common[at.PATHWAY] = at.PATHWAYS.index(choices.pathway)
    common[at.FEEDBACK_KIND] = at.FEEDBACK_KINDS.index(choices.feedback_weights)
    common[at.ONE_AS_SLOPE] = choices.slope == "one"
    common[at.MAGNITUDES] = at.MAGNITUDE_KINDS.index(choices.sign_magnitudes)
    common[at.LEARNED_BY] = at.LEARNERS.index(choices.learned_by)
    common[at.OPTIMISER] = at.OPTIMISERS.index(choices.optimiser)
    common[at.NETWORK_UNITS] = choices.network_units
    common[at.BY_THRESHOLD] = session.threshold is not None
    common[at.PRIVATE] = network.private
    common[at.LABEL_STREAM] = -1
    common[at.BLOCK] = trials_per_block(network, choices, rates, session)
    return common


def trials_per_block(network: Network, choices: Choices, rates: Rates, session: "Session") -> int:
    """
    How many trials are learned as one block, see `neurofa.compiled.blocks`.

    Parameters
    ----------
    network : Network
        The networks.
    choices : Choices
        Of the rule.
    rates : Rates
        Numbers of the rule.
    session : Session
        What is shown.

    Returns
    -------
    int
        1 where every update changes the weights at once: with batches, and where something besides the weighted sums
        needs to see the weights.
    """
    alone = any(layer.output_gain is not None for layer in network.layers) or network.private
    alone = alone or is_on(rates.weight_dropout) or is_on(rates.update_noise)
    if session.batch_size > 1 or alone or choices.optimiser != "gradient":
        return 1
    return _BLOCK if choices.feedback_weights in _BY_BLOCKS else 1


def _numbers(network: Network, rates: Rates, session: "Session") -> np.ndarray:
    """Numbers of every animal."""
    own = {
        at.HIDDEN_RATE: rates.hidden,
        at.READOUT_RATE: rates.readout,
        at.STEP_BOUND: rates.readout_step_bound,
        at.TARGET_SCALE: rates.target_scale,
        at.NOISE_AMPLITUDE: rates.noise_amplitude,
        at.WALK: rates.walk_per_update,
        at.FEEDBACK_SCALE: rates.feedback_scale,
        at.FEEDBACK_DECAY: rates.feedback_decay,
        at.FEEDBACK_RATE: rates.feedback_rate,
        at.NOISE_SD: session.noise_sd,
        at.HOMEOSTASIS_RATE: session.homeostasis_rate,
        at.UNIT_DROPOUT: rates.unit_dropout,
        at.WEIGHT_DROPOUT: rates.weight_dropout,
        at.UPDATE_NOISE: rates.update_noise,
        at.LABEL_NOISE: rates.label_noise,
        at.ACTIVITY_PENALTY: rates.activity_penalty,
    }
    dtype = network.layers[0].weights.dtype
    numbers = torch.zeros(network.n_animals, at.N_NUMBERS, dtype=dtype)
    for column, values in own.items():
        numbers[:, column] = values.flatten()
    numbers[:, at.MOMENT_WEIGHT] = min(0.05, 0.05 * session.batch_size / session.stimuli.shape[1])
    numbers[:, at.SMALLEST] = torch.finfo(dtype).tiny
    numbers[:, at.SMALLEST_FRACTION] = SMALLEST_FRACTION
    numbers[:, at.REPORT_THRESHOLD] = session.threshold or 0.0
    return numbers.numpy()


def _lay_out_state(network: Network, choices: Choices, plan: np.ndarray) -> list[tuple[Tensor, int, bool]]:
    """Give every tensor that learning reads or changes its place in the state, and write the places into the plan."""
    stored: list[tuple[Tensor, int, bool]] = []
    free = 0

    def place(number: int, column: int, tensor: Tensor | None, turned: bool = False) -> None:
        nonlocal free
        if tensor is None:
            return
        plan[number, column] = free
        stored.append((tensor, free, turned))
        free += -(-tensor[0].numel() // _LINE) * _LINE

    last = len(network.layers) - 1
    for number, layer in enumerate(network.layers):
        post, pre = layer.weights.shape[1:]
        turned = post >= pre or (network.private and number == 0)
        plan[number, at.PRE], plan[number, at.POST], plan[number, at.TURNED] = pre, post, turned
        place(number, at.WEIGHTS, layer.weights, turned)
        for column, name in _VECTORS.items():
            place(number, column, getattr(layer, name))
        for column, name in _REMEMBERED.items():
            kinds = ("velocity", "") if choices.optimiser == "momentum" else ("first moment", "second moment")
            for offset, kind in enumerate((*kinds, "steps")):
                whole = turned and column == at.WEIGHTS_FIRST and kind != "steps"
                place(number, column + offset, network.memory.get(f"{kind} {name} {number}"), whole)
        place(number, at.BORN_RATE, network.memory.get(f"{RATE_AT_BIRTH} {number}"))
        if layer.feedback is not None:
            plan[number, at.FEEDBACK_TURNED] = layer.feedback.shape[1] >= layer.feedback.shape[2]
            place(number, at.FEEDBACK, layer.feedback, bool(plan[number, at.FEEDBACK_TURNED]))
        if number < last:
            above = network.layers[number + 1].weights.shape[1]
            n_output = network.layers[last].weights.shape[1]
            plan[number, at.SIGNALS] = above if choices.pathway == "layerwise" else n_output
            plan[number, at.FED_BACK] = choices.pathway != "readout" or number == last - 1
    for column, name in _OF_READOUT.items():
        place(last, column, network.memory.get(name))
    return stored


def _lay_out_desk(plan: np.ndarray, common: np.ndarray, choices: Choices, rates: Rates) -> int:
    """Give all that lives for one update its place on the desk; returns how large the desk is."""
    free = 0

    def room(size: int) -> int:
        nonlocal free
        start = free
        free += -(-size // _LINE) * _LINE
        return start

    n_trials, block, n_outputs = int(common[at.BATCH]), int(common[at.BLOCK]), int(plan[-1, at.POST])
    for row in plan:
        post = int(row[at.POST])
        row[at.RATES] = room(block * n_trials * int(row[at.PRE]))
        for column in (at.DRIVE, at.KEPT):
            row[column] = room(block * n_trials * post)
        for column in (at.VALUE, at.SLOPE, at.SENT, at.DELTA):
            row[column] = room(n_trials * post)
        for column in (at.SHIFT, at.SCALE, at.SPREAD):
            row[column] = room(post)
    common[at.TARGET], common[at.SIGNAL] = room(block * n_trials * n_outputs), room(n_trials * n_outputs)
    common[at.OVERLAP] = room(block * block)
    sizes = [1]
    if choices.feedback_weights in ("noisy", "sign"):
        sizes += [int(row[at.POST] * row[at.SIGNALS]) for row in plan[:-1]]
    if is_on(rates.weight_dropout):
        for row in plan[:-1]:
            row[at.WHOLE] = room(int(row[at.POST] * row[at.PRE]))
    if choices.optimiser != "gradient" or is_on(rates.weight_dropout) or is_on(rates.update_noise):
        sizes += [int(row[at.POST] * row[at.PRE]) for row in plan]
    common[at.MATRIX] = room(max(sizes))
    common[at.MIDDLE] = room(n_trials * int(common[at.NETWORK_UNITS]))
    common[at.VECTOR] = room(int(plan[:, at.POST].max()))
    return free
