"""The bridge: one call lives a few animals through a session by the compiled functions."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from neurofa.compiled import layout as at
from neurofa.compiled.kernels import entry
from neurofa.compiled.packing import Packed, pack
from neurofa.compiled.products import blas_addresses
from neurofa.draws import Draws, draw
from neurofa.networks import Network
from neurofa.rules.learning_noise import is_on
from neurofa.rules.rule import Rule

if TYPE_CHECKING:
    from neurofa.learning import Session

#: random numbers of a few animals that are in memory at once
_DRAWN_AT_ONCE = 2**20
#: name of a stream and the kind of its numbers, for feedback weights that need one per hidden layer
_STREAMS: dict[str, tuple[str, Literal["normal", "uniform"]]] = {
    "noisy": ("feedback noise", "uniform"),
    "walking": ("feedback steps", "normal"),
    "sign": ("feedback magnitudes", "normal"),
    "learned": ("mirror noise", "normal"),
}


@dataclass(frozen=True)
class Lived:
    """
    What a few animals did in a session.

    Attributes
    ----------
    choices, shown : torch.Tensor
        (animal, trial), int64: what was reported, and which stimulus was shown.
    loss : torch.Tensor
        (animal, update).
    engine : str
        Which way the compiled engine took.
    """

    choices: Tensor
    shown: Tensor
    loss: Tensor
    engine: str


def one_thread() -> AbstractContextManager[object]:
    """
    Limit the linear algebra to one thread.

    Returns
    -------
    context manager
        Puts the number of threads back at its end.
    """
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    """Where the threads are limited; made once the BLAS of scipy is there, since that takes milliseconds."""
    blas_addresses()
    return ThreadpoolController()


def learn_chunk(network: Network, rule: Rule, session: "Session", draws: Draws) -> Lived:
    """
    Live a few animals through a session.

    Parameters
    ----------
    network : Network
        The networks, changed in place.
    rule : Rule
        How they learn: a combination that `neurofa.compiled.reason_not_covered` has nothing against.
    session : Session
        What is shown.
    draws : Draws
        Random numbers of the session.

    Returns
    -------
    Lived
        Choices and losses.
    """
    packed = pack(network, rule.choices, rule.rates, session)
    n_animals, n_updates, n_trials = network.n_animals, session.n_updates, session.batch_size
    n_stimuli = session.stimuli.shape[1]
    if n_trials == n_stimuli:
        order = np.tile(np.arange(n_stimuli), (n_animals, n_updates))
    else:
        order = session.random_order(draws).flatten(1).numpy()
    streams = _Streams(packed, rule, session, draws)
    choices = np.zeros((n_animals, n_updates, n_trials), dtype=np.int64)
    losses = np.zeros((n_animals, n_updates), dtype=packed.states.dtype)
    live, (single, double) = entry(), blas_addresses()
    blas = single if packed.states.dtype == np.float32 else double
    orders = np.ascontiguousarray(order)
    stimuli, targets = session.stimuli.contiguous().numpy(), session.targets.contiguous().numpy()
    here, shared = packed.plan.copy(), packed.common.copy()
    for first in range(0, n_updates, streams.length):
        stop = min(first + streams.length, n_updates)
        live(
            blas,
            packed.plan,
            packed.common,
            here,
            shared,
            first,
            stop,
            packed.states,
            packed.numbers,
            stimuli,
            targets,
            orders,
            streams.next(stop - first),
            packed.desk,
            choices,
            losses,
        )
    packed.unpack()
    block = int(packed.common[at.BLOCK])
    engine = f"compiled, trials in exact blocks of {block}" if block > 1 else "compiled"
    return Lived(torch.from_numpy(choices).flatten(1), torch.from_numpy(orders), torch.from_numpy(losses), engine)


class _Streams:
    """
    Random numbers of every update: those of the input noise, then those of the feedback weights.

    A generator gives the same numbers in one block and in several.
    """

    def __init__(self, packed: Packed, rule: Rule, session: "Session", draws: Draws) -> None:
        self._kinds: list[tuple[list[np.random.Generator], int, Literal["normal", "uniform"]]] = []
        self._dtype, self._n_animals = packed.states.dtype, len(draws.indices)
        self._width = 0
        if packed.common[at.NOISY]:
            size = session.batch_size * session.stimuli.shape[2]
            self._add(draws, ("input noise",), size, "normal")
        kind = rule.choices.feedback_weights
        drawn = {
            "noisy": True,
            "walking": True,
            "sign": rule.choices.sign_magnitudes == "batch",
            "learned": rule.choices.learned_by == "weight_mirror",
        }
        if drawn.get(kind, False):
            name, numbers = _STREAMS[kind]
            if kind == "noisy":
                numbers = "normal" if rule.choices.noise_kind == "normal" else "uniform"
            for number, row in enumerate(packed.plan[:-1]):
                if not row[at.FED_BACK]:
                    continue
                size = int(row[at.POST]) if kind == "learned" else int(row[at.POST] * row[at.SIGNALS])
                row[at.STREAM] = self._width
                self._add(draws, (name, number), size, numbers)
        self._add_learning_noise(packed, rule, session, draws)
        #: updates per block
        self.length = session.n_updates
        if self._width:
            length = min(self.length, _DRAWN_AT_ONCE // (self._width * self._n_animals))
            # whole blocks of trials, so that rounding does not depend on how many are drawn at once
            block = int(packed.common[at.BLOCK])
            self.length = max(1, length // block) * block

    def _add_learning_noise(self, packed: Packed, rule: Rule, session: "Session", draws: Draws) -> None:
        """Add the streams of `neurofa.rules.learning_noise`."""
        rates, n_trials, last = rule.rates, session.batch_size, len(packed.plan) - 1
        kinds: list[tuple[str, Tensor, int, Literal["normal", "uniform"]]] = [
            ("unit dropout", rates.unit_dropout, at.UNIT_STREAM, "uniform"),
            ("weight dropout", rates.weight_dropout, at.SYNAPSE_STREAM, "uniform"),
            ("update noise", rates.update_noise, at.UPDATE_STREAM, "normal"),
        ]
        for name, amount, column, kind in kinds:
            for number, row in enumerate(packed.plan):
                if is_on(amount) and (number < last or column == at.UPDATE_STREAM):
                    row[column] = self._width
                    size = int(row[at.POST]) * (n_trials if column == at.UNIT_STREAM else int(row[at.PRE]))
                    self._add(draws, (name, number), size, kind)
        if is_on(rates.label_noise):
            packed.common[at.LABEL_STREAM] = self._width
            self._add(draws, ("label noise",), n_trials * int(packed.plan[last, at.POST]), "normal")

    def _add(self, draws: Draws, purpose: tuple[str | int, ...], size: int, kind: Literal["normal", "uniform"]) -> None:
        """Add one stream."""
        generators = [draws.generator(position, purpose) for position in range(self._n_animals)]
        self._kinds.append((generators, size, kind))
        self._width += size

    def next(self, length: int) -> np.ndarray:
        """Numbers of the next updates: (animal, update, number); (animal, 1, 0) where there are none."""
        if not self._width:
            return np.zeros((self._n_animals, 1, 0), dtype=self._dtype)
        block = np.empty((self._n_animals, length, self._width), dtype=self._dtype)
        start = 0
        for generators, size, kind in self._kinds:
            for animal, generator in enumerate(generators):
                block[animal, :, start : start + size] = draw(generator, (length, size), kind)
            start += size
        return block
