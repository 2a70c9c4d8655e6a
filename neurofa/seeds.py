"""Random numbers by name path: a stream depends on the seed and on its own name only.

A new consumer of random numbers gets a new name, so it never shifts the numbers of another. The group of an animal is
not part of its path: animal 3 of every group is the same individual, and comparisons between groups are paired.
"""

import hashlib

import numpy as np


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """
    Random number generator for one named purpose.

    Parameters
    ----------
    seed : int
        Seed of the whole run, not negative.
    *path : str or int
        Name of the stream, for example ``"animal", 3, "weights", "layer", 1``.

    Returns
    -------
    numpy.random.Generator
        Equal for equal ``seed`` and ``path``, independent for any other path.

    Examples
    --------
    >>> a = generator(1, "animal", 3, "weights").standard_normal()
    >>> b = generator(1, "animal", 3, "weights").standard_normal()
    >>> a == b, a == generator(1, "animal", 3, "feedback").standard_normal()
    (True, False)
    """
    name = "/".join(f"{type(part).__name__}:{part}" for part in path)
    digest = hashlib.sha256(name.encode()).digest()
    words = [int.from_bytes(digest[start : start + 4], "little") for start in range(0, 16, 4)]
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=tuple(words)))
