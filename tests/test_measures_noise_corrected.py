"""Ground truth: rates whose drift is known, seen through trial noise and lost cells."""

import numpy as np
import pytest

from neurofa import measures
from neurofa.errors import ShapeError

CORRECTED = {
    "population": (
        measures.population_vector_correlation,
        measures.population_vector_correlation_noise_corrected,
    ),
    "tuning": (measures.tuning_curve_correlation, measures.tuning_curve_correlation_noise_corrected),
    "ensemble": (measures.ensemble_rate_correlation, measures.ensemble_rate_correlation_noise_corrected),
}
DAY = 2.0 * np.arange(8)
DEGREES_PER_DAY = 5.0


def drifting_animal(
    rng: np.random.Generator, signal_to_noise: float = 1.0, n_repeats: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Noise-free maps (8 sessions, 40 stimuli, 300 units) that turn by a known angle, and rates of single repeats."""
    start, end = rng.standard_normal((2, 40, 300))
    angle = np.radians(DEGREES_PER_DAY * DAY)[:, None, None]
    true = 3 + np.cos(angle) * start + np.sin(angle) * end
    noise = rng.standard_normal((8, 40, n_repeats, 300)) / np.sqrt(signal_to_noise)
    lost = (rng.random((8, 300)) < 0.2)[:, None, :]
    return np.where(lost, np.nan, true), np.where(lost[:, :, None], np.nan, true[:, :, None] + noise)


def halves_of(rates: np.ndarray) -> np.ndarray:
    return np.stack([rates[:, :, half::2].mean(axis=2) for half in (0, 1)])


@pytest.fixture(scope="module", params=[1.0, 4.0])
def cohort(request: pytest.FixtureRequest) -> tuple[float, list[tuple[np.ndarray, np.ndarray]]]:
    """Twelve animals at a signal-to-noise ratio (of variances, in one repeat) of 1 and of 4."""
    return request.param, [drifting_animal(np.random.default_rng(seed), request.param) for seed in range(12)]


@pytest.mark.parametrize("name", CORRECTED)
def test_recovers_the_true_decay_and_the_raw_measure_does_not(
    name: str, cohort: tuple[float, list[tuple[np.ndarray, np.ndarray]]]
) -> None:
    raw, corrected = CORRECTED[name]
    signal_to_noise, animals = cohort
    truth = np.mean([measures.mean_by_lag(raw(true), DAY).mean for true, _ in animals], axis=0)
    found = np.mean([measures.mean_by_lag(corrected(halves_of(rates)), DAY).mean for _, rates in animals], axis=0)
    biased = np.mean([measures.mean_by_lag(raw(rates.mean(axis=2)), DAY).mean for _, rates in animals], axis=0)
    np.testing.assert_allclose(truth, np.cos(np.radians(DEGREES_PER_DAY * DAY[1:])), atol=0.05)
    np.testing.assert_allclose(found, truth, atol=0.02)
    np.testing.assert_allclose(biased, truth / (1 + 1 / (10 * signal_to_noise)), atol=0.02)
    assert biased[0] - truth[0] < (-0.05 if signal_to_noise == 1 else -0.015)


@pytest.mark.parametrize("name", ["population", "tuning"])
def test_recovers_every_single_pair(name: str, cohort: tuple[float, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    raw, corrected = CORRECTED[name]
    error = np.array([corrected(halves_of(rates)) - raw(true) for true, rates in cohort[1][:4]])
    assert np.abs(error).max() < 0.02


def test_a_mean_of_ratios_would_fail() -> None:
    """The negative control: at low signal to noise the ratio of means holds where a mean of ratios does not."""
    true, rates = drifting_animal(np.random.default_rng(5), 0.1, 4)
    a, b = halves_of(rates)
    right = measures.population_vector_correlation_noise_corrected(np.stack([a, b]))
    truth = measures.population_vector_correlation(true)
    each = []
    for stimulus in range(40):
        one = np.stack([a, b])[:, :, [stimulus]]
        each.append(measures.population_vector_correlation_noise_corrected(one))
    off_diagonal = ~np.eye(8, dtype=bool)
    assert abs((right - truth)[off_diagonal].mean()) < 0.02
    assert abs((np.nanmean(each, axis=0) - truth)[off_diagonal].mean()) > 0.04


@pytest.mark.parametrize("name", CORRECTED)
def test_equals_the_formula_over_the_cells_and_stimuli_of_the_pair(name: str) -> None:
    raw, corrected = CORRECTED[name]
    rng = np.random.default_rng(6)
    common = rng.gamma(2.0, 1.0, (1, 1, 9, 25))
    halves = common + 0.5 * rng.gamma(2.0, 1.0, (2, 4, 9, 25))
    halves[np.broadcast_to((rng.random((4, 25)) < 0.3)[:, None], halves.shape)] = np.nan
    halves[0, 1, 4] = np.nan
    measured = corrected(halves)
    for s in range(4):
        for t in range(4):
            pair = np.where(np.isfinite(halves[:, [s, t]]).all(axis=(0, 1)), halves[:, [s, t]], np.nan)
            across = np.mean([raw(pair[a], pair[b])[0, 1] for a in (0, 1) for b in (0, 1)])
            reliability = [raw(pair[0], pair[1])[k, k] for k in (0, 1)]
            expected = 1.0 if s == t else across / np.sqrt(reliability[0] * reliability[1])
            assert measured[s, t] == pytest.approx(expected, abs=1e-10)


def test_units_silent_in_one_half_leave_every_term_of_the_tuning_correlation() -> None:
    true, rates = drifting_animal(np.random.default_rng(7))
    halves = halves_of(rates)
    silent = halves.copy()
    silent[1, 2, :, :20] = np.where(np.isfinite(silent[1, 2, :, :20]), 0.3, np.nan)
    without = halves.copy()
    without[:, 2, :, :20] = np.nan
    np.testing.assert_allclose(
        measures.tuning_curve_correlation_noise_corrected(silent),
        measures.tuning_curve_correlation_noise_corrected(without),
        atol=1e-12,
    )


@pytest.mark.parametrize("name", CORRECTED)
def test_undefined_with_one_repeat_and_without_reliability(name: str) -> None:
    corrected = CORRECTED[name][1]
    rng = np.random.default_rng(8)
    maps = rng.random((1, 3, 6, 20))
    assert np.isnan(corrected(np.concatenate([maps, np.full_like(maps, np.nan)]))).all()
    contrary = np.concatenate([maps, maps])
    contrary[1, 1] = 1 - contrary[0, 1]
    measured = corrected(contrary)
    assert np.isnan(measured[1]).all()
    assert np.isnan(measured[:, 1]).all()
    assert np.isfinite(measured[[0, 2]][:, [0, 2]]).all()
    np.testing.assert_allclose(measured, measured.T)


@pytest.mark.parametrize("name", CORRECTED)
def test_without_noise_nothing_is_corrected(name: str) -> None:
    raw, corrected = CORRECTED[name]
    true, _ = drifting_animal(np.random.default_rng(9))
    np.testing.assert_allclose(corrected(np.stack([true, true])), raw(true), atol=1e-10)


def test_wrong_shapes_are_refused() -> None:
    for _, corrected in CORRECTED.values():
        with pytest.raises(ShapeError, match=r"\(2, session, stimulus, unit\)"):
            corrected(np.zeros((3, 2, 4, 5)))
        with pytest.raises(ShapeError, match="single values"):
            halves = np.random.default_rng(0).random((2, 2, 4, 5))
            halves[0, 1, 2, 3] = np.nan
            corrected(halves)
