"""Several animals measured at once."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


#: numbers in the maps of all animals that are measured at once: many sessions need more memory, not more of it at once
AT_ONCE = 2**21


def each_animal(
    function: Callable[[int], Result], n_animals: int, threads: int | None = None, map_size: int = 0
) -> list[Result]:
    """
    Call a function for every animal, several animals at once.

    numpy and zarr let other threads work while they do. Every animal is measured by itself, so that results do not
    depend on the number of threads, and no more animals than threads are in memory.

    Parameters
    ----------
    function : callable
        Takes the position of an animal; should change nothing that other animals use.
    n_animals : int
        How many there are.
    threads : int, optional
        Animals at once; by default as many as there are processors for this process, fewer where maps are large.
    map_size : int, optional
        Numbers in one animal's maps: sessions x stimuli x units.

    Returns
    -------
    list
        One result per animal, in the order of the animals.

    Raises
    ------
    Exception
        What `function` raises for the first animal for which it does.

    Examples
    --------
    >>> each_animal(lambda animal: animal**2, 4)
    [0, 1, 4, 9]
    """
    workers = min(threads or min(_processors(), max(1, AT_ONCE // max(map_size, 1))), n_animals)
    if workers < 2:
        return [function(animal) for animal in range(n_animals)]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, range(n_animals)))


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
