"""Corrected measures recover drift of known truth: a small part of the grid that ``tests.recovery`` measures whole."""

import numpy as np
import pandas as pd
import pytest

from neurofa import measures
from tests import recovery

#: signal to noise, cells, repeats: corners of the ranges of validity
CORNERS = ((0.5, 50, 3), (0.5, 50, 5), (0.5, 50, 10), (3.0, 50, 10))


@pytest.fixture(scope="module", params=list(recovery.SCENARIOS))
def scenario(request):
    """Biases of one kind of drift in a few conditions."""
    rows = [row for corner in CORNERS for row in recovery.biases(request.param, *corner)]
    return request.param, pd.DataFrame(rows)


def test_corrected_measures_have_no_bias_in_their_range_and_raw_ones_do(scenario):
    name, table = scenario
    valid = table[recovery.within(table)]
    wrong = valid[(valid["corrected"].abs() >= recovery.ALLOWED) | (valid["undefined"] > 0)]
    assert wrong.empty, wrong
    assert set(valid["measure"]) == set(table["measure"])
    # negative control: outside of it, those of the drift's direction fail, as their docstrings say
    outside = table[~recovery.within(table) & table["measure"].isin(["along coding", "relative dimensions"])]
    failed = (outside["corrected"].abs() >= recovery.ALLOWED) | (outside["undefined"] > 0)
    assert outside.empty or set(outside[failed]["measure"]) == set(outside["measure"])
    raw = table[(table["measure"] == "population vector") & (table["n_repeats"] == 3)]["raw"]
    assert (raw < -recovery.ALLOWED).all(), name


def test_the_figure_is_drawn_from_a_table(tmp_path):
    rows = [row for name in recovery.SCENARIOS for row in recovery.biases(name, 10.0, 50, 3, n_animals=2)]
    numbers = tmp_path / "numbers.csv"
    pd.DataFrame(rows).to_csv(numbers, index=False)
    recovery.main(tmp_path / "figure.png", numbers)
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def seen(name, signal_to_noise=1.0, n_units=200, n_repeats=10, seed=0):
    """One animal."""
    rng = np.random.default_rng(seed)
    return recovery.observe(rng, recovery.SCENARIOS[name](rng, n_units), signal_to_noise, n_repeats)


def later(matrix):
    """Pairs of different sessions."""
    return matrix[np.triu_indices(len(matrix), 1)]


def test_without_drift_there_is_none_and_trials_alone_make_the_raw_measure_drift():
    animal = seen("no drift", signal_to_noise=0.5)
    corrected = later(measures.population_vector_correlation_noise_corrected(animal.halves))
    assert corrected.mean() == pytest.approx(1, abs=0.01)
    assert later(measures.population_vector_correlation(animal.whole)).mean() < 0.95
    assert later(measures.mean_squared_displacement_noise_corrected(animal.halves)).mean() == pytest.approx(0, abs=0.01)
    curve = measures.mean_by_lag(measures.population_vector_correlation_noise_corrected(animal.halves), animal.day)
    assert abs(np.polyfit(curve.lag, curve.mean, 1)[0]) < 0.001


def test_a_gain_of_all_is_told_to_be_a_gain():
    animal = seen("global gain")
    parts = measures.gain_and_turn_noise_corrected(animal.halves)
    changed = abs(later(measures.gain_and_turn(animal.true).gain) - 1) > 0.2
    assert later(parts.share_of_gain)[changed].min() > 0.9
    assert later(measures.population_vector_correlation_noise_corrected(animal.halves)).mean() > 0.99
    turning = measures.gain_and_turn_noise_corrected(seen("rotation").halves)
    assert later(turning.share_of_gain).max() < 0.2


def test_the_rate_of_rotation_is_recovered():
    animal = seen("rotation", n_units=1000)
    truth = later(np.cos(np.radians(6 * np.abs(animal.day[:, None] - animal.day))))
    found = later(measures.tuning_curve_correlation_noise_corrected(animal.halves))
    assert np.abs(found - truth).mean() < 0.03


def test_the_memory_of_a_random_walk_is_recovered():
    animal = seen("random walk", n_units=1000)
    curve = measures.mean_by_lag(measures.tuning_curve_correlation_noise_corrected(animal.halves), animal.day)
    np.testing.assert_allclose(curve.mean, 0.93**curve.lag, atol=0.03)


def test_turnover_at_a_known_rate_is_recovered():
    animal = seen("cell turnover", n_units=1000)
    detected = np.isfinite(animal.whole[:, 0])
    curve = measures.mean_by_lag(measures.recurrence_of_detected_cells(detected), animal.day)
    np.testing.assert_allclose(curve.mean, 0.5 + 0.5 * 0.6 ** (curve.lag / 2), atol=0.03)


def test_drift_in_a_known_space_is_found_there_and_nowhere_else():
    animal, elsewhere = seen("drift in a subspace"), seen("random walk")
    inside = measures.readout_fraction(animal.whole, animal.axes, animal.halves)
    assert later(inside.readout).mean() == pytest.approx(1, abs=0.03)
    outside = measures.readout_fraction(elsewhere.whole, elsewhere.axes, elsewhere.halves)
    assert later(outside.readout).mean() == pytest.approx(5 / 200, abs=0.02)
    dimensions = later(measures.drift_dimensions_noise_corrected(animal.halves))
    assert dimensions.mean() == pytest.approx(5, abs=1)


@pytest.mark.parametrize("kind", ["along_noise", "along_coding"])
def test_alignment_of_drift_is_recovered_where_there_is_drift_and_means_nothing_without(kind):
    drifting, nothing = seen("random walk", 3.0, 200, 10), seen("no drift", 0.5, 200, 4)
    truth = recovery.MEASURES[kind.replace("_", " ")][0](drifting)
    assert later(getattr(drifting, kind).rho_noise_corrected).mean() == pytest.approx(later(truth).mean(), abs=0.03)
    without = later(getattr(nothing, kind).rho_noise_corrected)
    assert np.isnan(without).any() and np.nanmax(without) > 0.3 > abs(later(truth)).max()


def test_dimensions_of_drift_are_recovered_where_noise_is_small_and_arbitrary_where_not():
    clear, noisy = (seen("random walk", *condition, seed=1) for condition in ((3.0, 200, 10), (0.5, 200, 3)))
    of_clear, of_noisy = (
        later(measures.drift_dimensions_noise_corrected(one.halves) / measures.drift_dimensions(one.true))
        for one in (clear, noisy)
    )
    assert of_clear.mean() == pytest.approx(1, abs=0.03) and of_clear.std() < 0.1
    assert np.isnan(of_noisy).any() and np.nanstd(of_noisy) > 0.3


def test_registration_errors_look_like_a_step_and_not_like_drift_that_grows():
    animal = seen("registration errors", n_units=1000)
    # without the first session, in which no cell is confused
    corrected = measures.population_vector_correlation_noise_corrected(animal.halves[:, 1:])
    curve = measures.mean_by_lag(corrected, animal.day[1:])
    # no neural drift at all: what is left is the price of confusing a tenth of the cells in every session anew
    assert curve.mean.min() > 0.7 and curve.mean.max() < 0.95
    assert abs(np.polyfit(curve.lag, curve.mean, 1)[0]) < 0.005
