"""Exponential decay: exact curves, noise, curves that do not decay, bootstrap over animals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError

LAG = np.arange(2.0, 15.0, 2.0)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.floats(0.01, 100.0), st.floats(1.0, 300.0))
def test_an_exact_exponential_is_found(amplitude: float, tau: float) -> None:
    fit = measures.fit_exponential(LAG, amplitude * np.exp(-LAG / tau))
    assert fit.amplitude == pytest.approx(amplitude, rel=1e-4)
    assert fit.decay_time_constant_days == pytest.approx(tau, rel=1e-3)
    assert fit.decay_half_life_days == pytest.approx(tau * np.log(2), rel=1e-3)
    assert fit.r2 == pytest.approx(1.0, abs=1e-6)
    assert fit.reason == ""


def test_least_squares_is_better_than_its_neighbours() -> None:
    values = 0.8 * np.exp(-LAG / 10) + np.random.default_rng(0).normal(0, 0.05, LAG.size)
    fit = measures.fit_exponential(LAG, values)

    def residual(amplitude: float, tau: float) -> float:
        return float(((values - amplitude * np.exp(-LAG / tau)) ** 2).sum())

    best = residual(fit.amplitude, fit.decay_time_constant_days)
    for factor in (0.97, 1.03):
        assert residual(factor * fit.amplitude, fit.decay_time_constant_days) > best
        assert residual(fit.amplitude, factor * fit.decay_time_constant_days) > best
    assert fit.r2 == pytest.approx(1 - best / ((values - values.mean()) ** 2).sum())


def test_gaps_are_left_out() -> None:
    values = np.exp(-LAG / 5)
    values[[1, 4]] = np.nan
    assert measures.fit_exponential(LAG, values).decay_time_constant_days == pytest.approx(5, rel=1e-4)


@pytest.mark.parametrize("values", [np.full(7, 0.9), 0.5 + 0.02 * LAG])
def test_a_curve_that_does_not_fall_has_no_end(values: np.ndarray) -> None:
    fit = measures.fit_exponential(LAG, values)
    assert fit.decay_time_constant_days == fit.decay_half_life_days == np.inf
    assert fit.amplitude == pytest.approx(values.mean(), rel=1e-3)
    assert "does not fall" in fit.reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full(7, np.nan), "fewer than two lags"),
        (np.array([0.5] + 6 * [np.nan]), "fewer than two lags"),
        (np.full(7, -0.1), "no value above 0"),
        (np.array([0.9] + 6 * [0.0]), "nothing is left"),
    ],
)
def test_a_curve_that_tells_no_time_constant_says_why(values: np.ndarray, reason: str) -> None:
    fit = measures.fit_exponential(LAG, values)
    assert np.isnan(fit.decay_time_constant_days)
    assert reason in fit.reason


def test_the_bootstrap_interval_covers_the_truth_and_follows_the_generator() -> None:
    rng = np.random.default_rng(1)
    taus = rng.normal(15.0, 2.0, 12)
    curves = 0.9 * np.exp(-LAG / taus[:, None]) + rng.normal(0, 0.01, (12, LAG.size))
    first = measures.bootstrap_exponential(LAG, curves, np.random.default_rng(2), n_resamples=200)
    again = measures.bootstrap_exponential(LAG, curves, np.random.default_rng(2), n_resamples=200)
    other = measures.bootstrap_exponential(LAG, curves, np.random.default_rng(3), n_resamples=200)
    low, high = first.decay_time_constant_days
    assert low < 15.0 < high
    assert low < first.fit.decay_time_constant_days < high
    assert high - low < 5.0
    assert first == again
    assert first != other
    assert first.decay_half_life_days == (pytest.approx(low * np.log(2)), pytest.approx(high * np.log(2)))
    assert (first.n_animals, first.n_failed) == (12, 0)


def test_resamples_that_do_not_fall_open_the_interval() -> None:
    curves = np.stack([0.8 * np.exp(-LAG / 8), np.full(LAG.size, 0.5), 0.5 + 0.01 * LAG, np.full(LAG.size, np.nan)])
    interval = measures.bootstrap_exponential(LAG, curves, np.random.default_rng(4), n_resamples=200)
    assert interval.n_animals == 3
    assert np.isfinite(interval.decay_time_constant_days[0])
    assert interval.decay_time_constant_days[1] == np.inf


def test_one_animal_has_no_interval() -> None:
    interval = measures.bootstrap_exponential(LAG, np.exp(-LAG / 5)[None], np.random.default_rng(5))
    assert interval.fit.decay_time_constant_days == pytest.approx(5, rel=1e-4)
    assert np.isnan(interval.decay_time_constant_days).all()
    assert interval.n_animals == 1


def test_wrong_shapes_are_refused() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(ShapeError, match="equal length"):
        measures.fit_exponential(LAG, LAG[:-1])
    with pytest.raises(ShapeError, match="7 lags"):
        measures.bootstrap_exponential(LAG, np.ones((2, 3)), rng)
    with pytest.raises(ConfigError, match="positive"):
        measures.bootstrap_exponential(LAG, np.ones((2, 7)), rng, n_resamples=0)
