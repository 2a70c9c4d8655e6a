"""Random numbers of a cohort: one block per animal and purpose, drawn on the CPU from each animal's own seed."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from neurofa import seeds

_BLOCK = 2**20


class Draws:
    """
    Random numbers for one occasion (birth, a session, a night) in the life of several animals.

    Parameters
    ----------
    seed : int
        Seed of the run.
    indices : sequence of int
        Index of every animal within its group.
    occasion : tuple of str or int
        For example ``("session", 4)``.
    dtype : torch.dtype
        Of the tensors.
    device : torch.device
        Of the tensors.
    """

    def __init__(
        self,
        seed: int,
        indices: Sequence[int],
        occasion: tuple[str | int, ...],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.seed = seed
        self.indices = tuple(indices)
        self.occasion = occasion
        self.dtype = dtype
        self.device = torch.device(device)

    def animals(self, start: int, stop: int) -> "Draws":
        """
        Random numbers of some of the animals on the same occasion.

        Parameters
        ----------
        start, stop : int
            Range of animals.

        Returns
        -------
        Draws
            The same numbers as theirs here.
        """
        return Draws(self.seed, self.indices[start:stop], self.occasion, self.dtype, self.device)

    def at_birth(self) -> "Draws":
        """
        What the same animals were born with.

        Returns
        -------
        Draws
            For the occasion ``("birth",)``.
        """
        return Draws(self.seed, self.indices, ("birth",), self.dtype, self.device)

    def generator(self, position: int, purpose: tuple[str | int, ...]) -> np.random.Generator:
        """
        One animal's generator for one purpose.

        Parameters
        ----------
        position : int
            Position of the animal in this cohort.
        purpose : tuple of str or int
            Name of what is drawn.

        Returns
        -------
        numpy.random.Generator
            Depends on seed, index of the animal, occasion and purpose only.
        """
        return seeds.generator(self.seed, "animal", self.indices[position], *self.occasion, *purpose)

    def normal(self, purpose: tuple[str | int, ...], shape: tuple[int, ...]) -> Tensor:
        """
        Standard normal numbers.

        Parameters
        ----------
        purpose : tuple of str or int
            Name of what is drawn.
        shape : tuple of int
            Shape per animal.

        Returns
        -------
        torch.Tensor
            (animal, *shape).
        """
        return self._tensor([draw(self.generator(n, purpose), shape, "normal") for n in range(len(self.indices))])

    def permutations(self, purpose: tuple[str | int, ...], n_items: int, n_permutations: int) -> Tensor:
        """
        Random orders.

        Parameters
        ----------
        purpose : tuple of str or int
            Name of what is drawn.
        n_items, n_permutations : int
            Items to order, and how many orders.

        Returns
        -------
        torch.Tensor
            (animal, permutation, item), int64.
        """
        base = np.tile(np.arange(n_items), (n_permutations, 1))
        orders = [self.generator(n, purpose).permuted(base, axis=1) for n in range(len(self.indices))]
        return torch.from_numpy(np.stack(orders)).to(self.device)

    def stream(
        self, purpose: tuple[str | int, ...], shape: tuple[int, ...], kind: Literal["normal", "uniform"]
    ) -> "Stream":
        """
        Numbers for every update of a session, drawn in blocks of updates.

        Parameters
        ----------
        purpose : tuple of str or int
            Name of what is drawn.
        shape : tuple of int
            Shape per animal and update.
        kind : str
            ``"normal"`` (standard) or ``"uniform"`` (from -1/2 to 1/2).

        Returns
        -------
        Stream
            Gives the numbers of an update.
        """
        return Stream(self, purpose, shape, kind)

    def _tensor(self, arrays: list[np.ndarray]) -> Tensor:
        """One tensor from the arrays of all animals."""
        return torch.from_numpy(np.stack(arrays)).to(dtype=self.dtype, device=self.device)


class Stream:
    """
    Random numbers update by update; the size of the blocks depends on the shape per update only.

    Parameters
    ----------
    draws : Draws
        Whose numbers.
    purpose : tuple of str or int
        Name of what is drawn.
    shape : tuple of int
        Shape per animal and update.
    kind : str
        ``"normal"`` or ``"uniform"``.
    """

    def __init__(
        self, draws: Draws, purpose: tuple[str | int, ...], shape: tuple[int, ...], kind: Literal["normal", "uniform"]
    ) -> None:
        self._draws = draws
        self._shape = shape
        self._kind = kind
        self._length = max(1, min(64, _BLOCK // max(1, int(np.prod(shape)))))
        self._generators = [draws.generator(n, purpose) for n in range(len(draws.indices))]
        self._first = 0
        self._block: Tensor | None = None

    def at(self, update: int) -> Tensor:
        """
        Numbers of one update; updates are asked for in order.

        Parameters
        ----------
        update : int
            Number of the update within the session, from 0.

        Returns
        -------
        torch.Tensor
            (animal, *shape).
        """
        if self._block is None or update >= self._first + self._length:
            shape = (self._length, *self._shape)
            arrays = [draw(generator, shape, self._kind) for generator in self._generators]
            self._first = 0 if self._block is None else self._first + self._length
            self._block = self._draws._tensor(arrays)
        return self._block[:, update - self._first]


def noisy_trials(stimuli: Tensor, sd: Tensor, n_trials: int, draws: Draws) -> Iterator[Tensor]:
    """
    Show stimuli again and again with fresh noise.

    Parameters
    ----------
    stimuli : torch.Tensor
        (animal, stimulus, ...).
    sd : torch.Tensor
        (animal, 1, ...): of the noise.
    n_trials : int
        How often.
    draws : Draws
        Random numbers of the occasion.

    Yields
    ------
    torch.Tensor
        Shaped like the stimuli.
    """
    noise = draws.stream(("input noise",), tuple(stimuli.shape[1:]), "normal")
    for trial in range(n_trials):
        yield torch.addcmul(stimuli, sd, noise.at(trial))


def draw(generator: np.random.Generator, shape: tuple[int, ...], kind: Literal["normal", "uniform"]) -> np.ndarray:
    """
    Numbers in single precision, whatever the precision of the network: both precisions see the same animal.

    Parameters
    ----------
    generator : numpy.random.Generator
        Where they come from.
    shape : tuple of int
        How many.
    kind : str
        ``"normal"`` or ``"uniform"``.

    Returns
    -------
    numpy.ndarray
        float32.
    """
    if kind == "normal":
        return generator.standard_normal(shape, dtype=np.float32)
    return generator.random(shape, dtype=np.float32) - np.float32(0.5)
