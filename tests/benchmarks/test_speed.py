"""
How much faster a cohort learns than a plain loop in torch: ``pytest -n 0 tests/benchmarks/test_speed.py``.

Both are measured in turn within one run, so that the ratio does not depend on the machine's other work; the shortest of
several times counts. The engine is called as the simulation calls it, for whole sessions with reports, losses, random
orders, biases and running moments; "all" adds thresholds with homeostasis, gains, excitability, and noise, which the
loop then adds to its stimuli too.
"""

import math

import pytest
import torch
from rich.console import Console
from rich.table import Table

from tests.benchmarks import speed

N_ANIMALS, THREADS, REPEATS = 32, 2, 5
#: how many times faster than the plain loop, per network and update
REQUIRED = {
    ("small", 1): 250.0,
    ("medium", 1): 50.0,
    ("large", 1): 4.0,
    ("small", 16): 30.0,
    ("medium", 16): 8.0,
    ("large", 16): 1.5,
}
PASSES = {"small": 40, "medium": 10, "large": 2}
LOOP_UPDATES = {"small": 200, "medium": 200, "large": 40}
CASES = [
    (network, batch_size, rule, everything)
    for network, batch_size in REQUIRED
    for rule, everything in (("fa", False), ("bp", False), ("dfa", False), ("fa", True))
]


@pytest.fixture(scope="module")
def peaks():
    """Operations per second of large matrix products on as many threads, measured again in every round."""
    return []


@pytest.fixture(scope="module")
def rows(request):
    """Rows of the table that is printed at the end."""
    found = []
    yield found
    table = Table(title=f"{N_ANIMALS} animals, {THREADS} threads, against a plain loop in torch")
    columns = ("network", "batch", "rule", "loop", "engine", "times faster", "required", "of matrix peak", "limited by")
    for column in columns:
        table.add_column(column, justify="left" if column in ("network", "rule", "limited by") else "right")
    for row in found:
        table.add_row(*row)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        Console(width=170).print("", table)


@pytest.mark.parametrize(("network", "batch_size", "rule", "everything"), CASES)
def test_a_cohort_learns_faster_than_a_plain_loop(benchmark, rows, peaks, network, batch_size, rule, everything):
    passes = PASSES[network] * (1 if batch_size == 1 else 4)
    live, n_updates = speed.whole_session(
        network, rule, batch_size, N_ANIMALS, passes, THREADS, everything=everything, device="cpu"
    )
    engine = live().engine
    loop = speed.plain_loop(network, batch_size, LOOP_UPDATES[network], noisy=everything)
    before, loop_times = torch.get_num_threads(), []

    def in_turn():
        """One round of the loop, so that both see the same machine; not part of what is measured."""
        for threads in speed.loop_threads():
            torch.set_num_threads(threads)
            loop_times.append(speed.best_of(loop, 1) / LOOP_UPDATES[network])
        torch.set_num_threads(1)
        peaks.append(speed.matrix_peak(THREADS))

    try:
        benchmark.pedantic(live, setup=in_turn, rounds=REPEATS, warmup_rounds=1)
    finally:
        torch.set_num_threads(before)
    peak = max(peaks)
    own, of_loop = benchmark.stats.stats.min / (N_ANIMALS * n_updates), min(loop_times)
    block = int(engine.split()[-1]) if "blocks" in engine else 1
    products = speed.seconds_of_products(network, rule, batch_size, N_ANIMALS, max(8, n_updates // 8), THREADS, block)
    ratio, wanted = of_loop / own, REQUIRED[network, batch_size]
    fraction = speed.operations(network, rule, batch_size) / own / peak
    benchmark.extra_info |= {"times_faster": ratio, "of_matrix_peak": fraction, "engine": engine}
    limit = limited_by(products / own, speed.operations(network, rule, batch_size) / products / peak)
    times = [f"{seconds * 1e6:.3g} us" for seconds in (of_loop, own)]
    name = "-".join(str(size) for size in speed.SIZES[network])
    label = f"{rule}, all" if everything else rule
    rows.append((name, str(batch_size), label, *times, f"{ratio:.1f}", f"{wanted:g}", f"{fraction:.0%}", limit))
    assert math.isfinite(ratio) and ratio >= wanted


def limited_by(share_of_products, peak_of_products):
    """What limits a case, from the time that its matrix products take alone, and how near to the peak they are."""
    share = f"products are {min(share_of_products, 1):.0%} of the time"
    if share_of_products < 0.5:
        return f"work per unit and trial ({share})"
    if peak_of_products > 0.6:
        return f"arithmetic ({share})"
    return f"reading weights, small products ({share}, at {peak_of_products:.0%} of peak)"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_large_cohort_on_a_gpu(benchmark):
    n_animals = 1000
    live, n_updates = speed.whole_session("medium", "fa", 16, n_animals, 50, 1, everything=True, device="cuda")

    def synchronised():
        live()
        torch.cuda.synchronize()

    benchmark.pedantic(synchronised, rounds=REPEATS, warmup_rounds=1)
    loop = speed.best_of(speed.plain_loop("medium", 16, 200), REPEATS) / 200
    own = benchmark.stats.stats.min / (n_animals * n_updates)
    benchmark.extra_info |= {"times_faster": loop / own, "microseconds": own * 1e6}
    assert loop / own > REQUIRED["medium", 16]
