"""Several animals at once, many curves at once, and the parts of matplotlib's files that are left out."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from fontTools import subset

from neurofa import measures
from neurofa.analysis import analyse, find_analysis
from neurofa.errors import RecordingError, ShapeError
from neurofa.figures.fonts import small_fonts
from tests.synthetic import make_recording

LAG = np.arange(2.0, 15.0, 2.0)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_animals(threads: int) -> None:
    def slower_at_first(animal: int) -> int:
        time.sleep(0.002 * (6 - animal))
        return 10 * animal

    assert measures.each_animal(slower_at_first, 6, threads) == [0, 10, 20, 30, 40, 50]
    assert measures.each_animal(slower_at_first, 0, threads) == []


def test_no_more_animals_at_once_than_threads_and_really_several() -> None:
    lock, both = threading.Lock(), threading.Barrier(2, timeout=10)
    now: list[int] = []
    most: list[int] = []

    def watched(animal: int) -> None:
        with lock:
            now.append(animal)
            most.append(len(now))
        both.wait()
        with lock:
            now.remove(animal)

    measures.each_animal(watched, 6, 2)
    assert max(most) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_the_error_of_the_first_animal_that_fails_is_raised(threads: int) -> None:
    def fails(animal: int) -> None:
        if animal >= 1:
            raise RecordingError(f"animal {animal}")

    with pytest.raises(RecordingError, match="animal 1"):
        measures.each_animal(fails, 4, threads)


@pytest.mark.parametrize("name", ["drift_over_days", "cross_day_decoding"])
def test_analyses_give_the_same_whatever_the_number_of_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, found = make_recording(n_animals=3), []
    for threads in (1, 4):
        monkeypatch.setattr("neurofa.measures.parallel._processors", lambda threads=threads: threads)
        found.append(find_analysis(name).measure(recording))
    xr.testing.assert_identical(*found)


def test_analyses_run_with_one_thread_of_blas(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import threadpoolctl, xarray\n"
        "def measure(recording):\n"
        "    pools = [p for p in threadpoolctl.threadpool_info() if p['user_api'] == 'blas']\n"
        "    return xarray.Dataset({'threads': max(p['num_threads'] for p in pools)})\n"
        "def plot(measured, recorded=None):\n"
        "    return {}\n"
    )
    measured = analyse(make_recording(), ["mine.py"], near=tmp_path)
    assert int(measured["mine"]["threads"]) == 1


def test_many_curves_are_fitted_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    curves = 0.8 * np.exp(-LAG / rng.uniform(2, 60, (50, 1))) + rng.normal(0, 0.03, (50, LAG.size))
    curves[rng.random(curves.shape) < 0.1] = np.nan
    curves[:4] = [np.full(7, 0.5), np.full(7, np.nan), np.full(7, -1.0), 0.3 + 0.01 * LAG]
    alone = [measures.fit_exponential(LAG, curve).decay_time_constant_days for curve in curves]
    together = measures.decay_time_constants(LAG, curves)
    np.testing.assert_allclose(together, alone, rtol=1e-9)
    assert np.isinf(together[[0, 3]]).all() and np.isnan(together[[1, 2]]).all()
    with pytest.raises(ShapeError, match="7 lags"):
        measures.decay_time_constants(LAG, curves[:, 1:])


def test_the_best_fit_is_found_among_several_local_ones() -> None:
    from scipy.optimize import brute

    rng = np.random.default_rng(1)
    for curve in rng.uniform(-0.2, 0.6, (20, LAG.size)):
        fit = measures.fit_exponential(LAG, curve)
        if np.isnan(fit.decay_time_constant_days):
            continue

        def residual(parameters: np.ndarray, curve: np.ndarray = curve) -> float:
            return float(((curve - parameters[0] * np.exp(-parameters[1] * LAG)) ** 2).sum())

        best = brute(residual, ((0, 3), (0, 1)), Ns=60, full_output=True, finish=None)[1]
        found = residual(np.array([fit.amplitude, 1 / fit.decay_time_constant_days]))
        assert found <= best + 1e-12


def test_options_of_fonts_are_as_before_after_writing() -> None:
    before = list(subset.Options().drop_tables)
    with pytest.raises(OSError, match="disk full"), small_fonts():
        assert "GPOS" in subset.Options().drop_tables
        raise OSError("disk full")
    assert subset.Options().drop_tables == before
