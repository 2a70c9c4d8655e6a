"""Pictures for paradigms: random sparse patterns, each animal its own; and parts of a session put one after another."""

from collections.abc import Mapping, Sequence

import numpy as np

#: fraction of the channels that a picture drives
_ACTIVE = 0.25


def pictures(generator: np.random.Generator, number: int, channels: int) -> np.ndarray:
    """
    Draw pictures.

    Parameters
    ----------
    generator : numpy.random.Generator
        Draws them.
    number, channels : int
        How many, and of how many input channels.

    Returns
    -------
    numpy.ndarray
        (picture, channel): 1 in a quarter of the channels, at least one, 0 in the others.
    """
    active = max(1, round(_ACTIVE * channels))
    order = generator.random((number, channels)).argsort(axis=1)
    return (order < active).astype(np.float64)


def one_after_another(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """
    Put parts of a session one after another.

    Parameters
    ----------
    parts : sequence of mapping of str to (event, ...)
        With the same names.

    Returns
    -------
    dict of str to (event, ...)
        The whole.
    """
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
