"""
Speed of spiking networks: ``python -m tests.benchmarks.spiking``.

A 40-100-8 network that learns, as a C++ program: seconds to build it and per simulated second, processor and wall; and
the same on numpy. Goals: at most 0.02 s per simulated second, built in less than 60 s, then kept.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from neurofa.rules.names import Choices
from neurofa.spiking.calling import Compiled, Interpreted
from neurofa.spiking.places import compiler
from tests import spiking

SIZES = ([40, 100, 8], [100, 400, 8])


def timed(task: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a task gives, its wall time and the processor time of the processes that it started, s."""

    def processors() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    wall, own = time.perf_counter(), processors()
    result = task()
    return result, time.perf_counter() - wall, processors() - own


def main() -> None:
    """Measure and print."""
    table = Table(title="spiking networks that learn, FA, regular inputs, graded error")
    for column in ("network", "code", "build (s)", "its processor time (s)", "per simulated s", "processor time"):
        table.add_column(column, justify="right")
    for sizes in SIZES:
        own = spiking.architecture(sizes, Choices("error", "layerwise", "fixed"))
        given, simulated = spiking.arrays(own), own.n_bins * own.bin_ms / 1000
        name = "-".join(map(str, sizes))
        if compiler():
            with tempfile.TemporaryDirectory() as folder:
                network, *built = timed(lambda own=own, folder=folder: Compiled(own, Path(folder)))
                calls = [timed(lambda network=network, given=given, own=own: network.call(given, 1, own.n_bins))[1:]
                         for _ in range(5)]  # fmt: skip
            fastest = [f"{min(values) / simulated:.4f}" for values in zip(*calls, strict=True)]
            table.add_row(name, "cpp_standalone", *(f"{value:.1f}" for value in built), *fastest)
        network = Interpreted(own)
        network.call(given, 1, 8)
        wall = timed(lambda network=network, given=given: network.call(given, 1, 40))[1]
        network.close()
        table.add_row(name, "numpy", "", "", f"{wall / 2:.2f}", "")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
