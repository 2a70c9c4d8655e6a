"""Means and intervals over animals, pairs of sessions by lag."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_is_scipys_t_interval_over_the_animals_that_have_a_value(level: float) -> None:
    values = np.random.default_rng(0).random((6, 4))
    values[0, 1] = values[3, 1] = values[1:, 2] = values[:, 3] = np.nan
    interval = measures.mean_and_interval(values, axis=0, level=level)
    np.testing.assert_array_equal(interval.n, [6, 4, 1, 0])
    for column in (0, 1):
        kept = values[np.isfinite(values[:, column]), column]
        low, high = stats.t.interval(level, len(kept) - 1, kept.mean(), stats.sem(kept))
        assert interval.mean[column] == pytest.approx(kept.mean())
        assert (interval.low[column], interval.high[column]) == (pytest.approx(low), pytest.approx(high))
    assert interval.mean[2] == pytest.approx(values[0, 2])
    assert np.isnan([interval.low[2], interval.high[2], interval.mean[3], interval.low[3]]).all()
    turned = measures.mean_and_interval(values.T, axis=-1, level=level)
    np.testing.assert_allclose(turned, interval)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    samples = np.random.default_rng(1).normal(2.0, 3.0, (5, 4000))
    interval = measures.mean_and_interval(samples)
    covered = np.mean((interval.low < 2.0) & (interval.high > 2.0))
    assert covered == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("sizes", [(5, 9), (8, 3)])
def test_the_difference_of_independent_groups_has_scipys_welch_interval(sizes: tuple[int, int]) -> None:
    generator = np.random.default_rng(2)
    first, second = generator.normal(1, 2, sizes[0]), generator.normal(0, 0.5, sizes[1])
    over = measures.difference_and_interval([*first, np.nan], second)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert (float(over.low), float(over.high)) == pytest.approx(tuple(expected))
    assert float(over.mean) == pytest.approx(first.mean() - second.mean()) and over.n == min(sizes)
    alone = measures.difference_and_interval(first[:1], second)
    assert np.isnan(alone.low) and np.isfinite(alone.mean)
    same = measures.difference_and_interval([2.0, 2.0], [1.0, 1.0])
    assert (float(same.low), float(same.high)) == (1.0, 1.0)


def test_pairs_by_lag_are_each_pair_once_earlier_first() -> None:
    matrix = np.arange(16.0).reshape(4, 4)
    pairs = measures.pairs_by_lag(matrix, [4.0, 0.0, 2.0, np.nan])
    np.testing.assert_array_equal(pairs.lag, [2, 2, 4])
    np.testing.assert_array_equal(pairs.session_a, [1, 2, 1])
    np.testing.assert_array_equal(pairs.session_b, [2, 0, 0])
    np.testing.assert_array_equal(pairs.value, [6, 8, 4])
    matrix[1, 2] = np.nan
    assert len(measures.pairs_by_lag(matrix, [4.0, 0.0, 2.0, 6.0]).lag) == 5


def test_lags_that_differ_by_rounding_are_one() -> None:
    day = np.array([0.0, 0.1, 0.2, 0.3])
    curve = measures.mean_by_lag(np.ones((4, 4)), day)
    np.testing.assert_allclose(curve.lag, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(curve.n, [3, 2, 1])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=7), st.integers(0, 1000))
def test_mean_by_lag_equals_a_loop(day: list[int], seed: int) -> None:
    matrix = np.random.default_rng(seed).random((len(day), len(day)))
    by_lag: dict[int, list[float]] = {}
    for i in range(len(day)):
        for j in range(i + 1, len(day)):
            a, b = (i, j) if day[i] <= day[j] else (j, i)
            by_lag.setdefault(day[b] - day[a], []).append(matrix[a, b])
    curve = measures.mean_by_lag(matrix, day)
    assert curve.lag.tolist() == sorted(by_lag)
    np.testing.assert_allclose(curve.mean, [np.mean(by_lag[lag]) for lag in sorted(by_lag)])
    np.testing.assert_allclose(curve.sd, [np.std(by_lag[lag]) for lag in sorted(by_lag)], atol=1e-12)


def test_every_animal_has_its_own_curve() -> None:
    matrices = np.stack([np.full((3, 3), value) for value in (0.2, 0.6)])
    days = np.array([[0.0, 2.0, 4.0], [0.0, 3.0, np.nan]])
    lag, values = measures.curves_of_animals(matrices, days)
    np.testing.assert_array_equal(lag, [2, 3, 4])
    np.testing.assert_allclose(values, [[0.2, np.nan, 0.2], [np.nan, 0.6, np.nan]])


def test_one_session_has_no_pairs() -> None:
    assert len(measures.mean_by_lag([[1.0]], [0.0]).lag) == 0


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="one day for each"):
        measures.pairs_by_lag(np.ones((3, 2)), [0, 1, 2])
    with pytest.raises(ConfigError, match="between 0 and 1"):
        measures.mean_and_interval([1.0, 2.0], level=95)
