"""Order and day of sessions decoded from similarity; gains told from turns of the code; noise ceilings."""

import itertools

import numpy as np
import pytest

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError
from tests import recovery


@pytest.mark.parametrize("seed", range(4))
def test_the_best_order_is_the_best_of_all(seed: int) -> None:
    errors = np.random.default_rng(seed).random((6, 6))
    similarity = errors + errors.T
    best = max(np.mean(similarity[order[:-1], order[1:]]) for order in map(np.array, itertools.permutations(range(6))))
    found = measures.decode_order(similarity, np.arange(6.0))
    assert found.neighbour_similarity == pytest.approx(best)
    assert sorted(found.order.tolist()) == list(range(6))


@pytest.mark.parametrize("n_sessions", [8, 20])
def test_drift_in_one_direction_has_an_order_and_a_stable_code_has_none(n_sessions: int) -> None:
    day = np.random.default_rng(0).permutation(n_sessions).astype(float)
    lag = np.abs(day[:, None] - day)
    found = measures.decode_order(np.exp(-lag / 5), day)
    assert found.agreement == 1.0 and found.p_value < 1e-3
    assert day[found.order].tolist() in (sorted(day), sorted(day)[::-1])
    rng = np.random.default_rng(1)
    agreements = []
    for _ in range(20):
        errors = rng.random((n_sessions, n_sessions))
        agreements.append(measures.decode_order(errors + errors.T, day).agreement)
    assert np.mean(agreements) < 0.5


def test_the_day_of_a_session_is_decoded_from_half_of_its_trials() -> None:
    rng = np.random.default_rng(2)
    drifting = recovery.observe(rng, recovery.random_walk(rng, 100), 1.0, 6)
    found = measures.decode_day(drifting.halves, recovery.DAY)
    assert found.accuracy == 1.0 and found.mean_error_days == 0.0 and found.chance == pytest.approx(1 / 6)
    stable = [
        measures.decode_day(recovery.observe(rng, recovery.still(rng, 60), 1.0, 6).halves, recovery.DAY)
        for _ in range(20)
    ]
    assert np.mean([one.accuracy for one in stable]) < 0.35
    assert np.mean([one.mean_error_days for one in stable]) == pytest.approx(found.chance_error_days, abs=1.2)


def test_sessions_without_days_or_values_are_left_out() -> None:
    day = np.array([0.0, np.nan, 4.0, 2.0])
    lag = np.abs(day[:, None] - day)
    found = measures.decode_order(np.exp(-lag), day)
    assert found.order.tolist() == [0, 3, 2]
    halves = np.full((2, 4, 3, 5), np.nan)
    assert measures.decode_day(halves, day).decoded.tolist() == [-1] * 4
    with pytest.raises(ShapeError, match="one day for each"):
        measures.decode_order(np.eye(3), [0, 1])


def test_a_gain_is_a_gain_and_a_turn_is_a_turn() -> None:
    rng = np.random.default_rng(3)
    maps = rng.random((1, 10, 50)) * np.array([1.0, 2.0, 0.5])[:, None, None]
    found = measures.gain_and_turn(maps)
    np.testing.assert_allclose(found.gain[0], [1.0, 2.0, 0.5])
    np.testing.assert_allclose(found.share_of_gain[0, 1:], 1.0)
    np.testing.assert_allclose(found.energy_of_turn, 0.0, atol=1e-12)
    first, other = np.eye(4)[:2].reshape(2, 1, 4)
    turned = np.stack([first, np.cos(0.3) * first + np.sin(0.3) * other])
    found = measures.gain_and_turn(turned)
    assert found.angle_of_turn_deg[0, 1] == pytest.approx(np.degrees(0.3))
    assert found.share_of_gain[0, 1] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(found.share_of_gain[0, 0])


def test_the_parts_add_up_to_the_distance_with_gaps() -> None:
    rng = np.random.default_rng(4)
    maps = rng.random((3, 6, 20))
    maps[0][:, 3], maps[2, 1] = np.nan, np.nan
    found = measures.gain_and_turn(maps)
    kept = np.delete(np.delete(maps, 3, axis=2), 1, axis=1)
    expected = ((kept[2] - kept[0]) ** 2).sum() / (kept[0] ** 2).sum()
    assert found.energy[0, 2] == pytest.approx(expected)
    np.testing.assert_allclose(found.energy, found.energy_of_gain + found.energy_of_turn)


def test_noise_makes_neither_gain_nor_turn_after_correction() -> None:
    rng = np.random.default_rng(5)
    pairs = np.triu_indices(6, 1)
    for scenario, share in ((recovery.still, 0.0), (recovery.global_gain, 1.0)):
        seen = recovery.observe(rng, scenario(rng, 200), 0.5, 4)
        found, raw = measures.gain_and_turn_noise_corrected(seen.halves), measures.gain_and_turn(seen.whole)
        assert abs(np.mean(found.energy_of_turn[pairs])) < 0.01 < np.mean(raw.energy_of_turn[pairs])
        if share:
            assert np.mean(found.share_of_gain[pairs]) > 0.9


def test_spearman_brown_and_the_ceiling_predict_what_whole_sessions_reach() -> None:
    rng = np.random.default_rng(6)
    assert measures.spearman_brown([0.5, 0.0, np.nan]).tolist()[:2] == [pytest.approx(2 / 3), 0.0]
    assert measures.spearman_brown(measures.spearman_brown(0.3, 3), 1 / 3) == pytest.approx(0.3)
    seen = recovery.observe(rng, recovery.still(rng, 300), 0.5, 10)
    pairs = np.triu_indices(6, 1)
    for measure in (measures.population_vector_correlation, measures.tuning_curve_correlation):
        ceiling = measures.noise_ceiling(measure, seen.halves)[pairs]
        np.testing.assert_allclose(measure(seen.whole)[pairs], ceiling, atol=0.02)
        assert (ceiling < 0.95).all()
    with pytest.raises(ConfigError, match="factor must be above 0"):
        measures.spearman_brown(0.5, 0)
    with pytest.raises(ShapeError, match="2, session, stimulus, unit"):
        measures.noise_ceiling(measures.linear_cka, np.ones((3, 2, 2, 2)))


@pytest.mark.parametrize("name", ["population_vector_correlation", "ensemble_rate_correlation"])
def test_the_general_correction_is_that_of_the_special_ones_with_gaps(name: str) -> None:
    rng = np.random.default_rng(7)
    halves = recovery.observe(rng, recovery.turnover(rng, 60), 1.0, 4).halves
    own = getattr(measures, f"{name}_noise_corrected")(halves)
    np.testing.assert_allclose(measures.correct_for_noise(getattr(measures, name), halves), own, atol=1e-10)


def _one_pair_after_the_other(similarity, halves):
    """Corrected similarity and ceiling by their formulas, a pair of sessions at a time."""
    n = halves.shape[1]
    corrected, ceiling = np.full((2, n, n), np.nan)
    there = np.isfinite(halves).all(axis=0)
    for i, j in itertools.product(range(n), repeat=2):
        units, stimuli = ((there.any(axis=axis)[i] & there.any(axis=axis)[j]) for axis in (1, 2))
        a_i, a_j, b_i, b_j = (halves[half, each][stimuli][:, units] for half in (0, 1) for each in (i, j))
        across = np.mean([similarity(np.stack(two))[0, 1] for two in itertools.product((a_i, b_i), (a_j, b_j))])
        own = [similarity(np.stack(two))[0, 1] for two in ((a_i, b_i), (a_j, b_j))]
        corrected[i, j] = 1 if i == j else across / np.sqrt(own[0] * own[1])
        ceiling[i, j] = np.sqrt(np.prod([2 * r / (1 + r) for r in own]))
    return corrected, ceiling


@pytest.mark.parametrize("gaps", ["none", "turnover", "a session without some", "fewer and fewer", "stimuli"])
@pytest.mark.parametrize("name", ["representational_similarity_correlation", "linear_cka"])
def test_corrections_and_ceilings_of_all_pairs_are_those_of_single_pairs(name: str, gaps: str) -> None:
    rng = np.random.default_rng(8)
    halves = recovery.observe(
        rng, (recovery.turnover if gaps == "turnover" else recovery.still)(rng, 60), 1.0, 8
    ).halves
    if gaps == "a session without some":
        halves[:, 2, :, :9] = np.nan
    elif gaps == "fewer and fewer":
        for session in range(halves.shape[1]):
            halves[:, session, :, : 4 * session] = np.nan
    elif gaps == "stimuli":
        halves[:, 1, 5:9] = np.nan
        halves[0, 3, 2] = np.nan
    similarity, calls = getattr(measures, name), []
    found = [
        function(lambda maps: calls.append(len(maps)) or similarity(maps), halves)
        for function in (measures.correct_for_noise, measures.noise_ceiling)
    ]
    for ours, expected in zip(found, _one_pair_after_the_other(similarity, halves), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-9)
    if gaps == "none":
        assert calls == [12, 12]  # both halves of all six sessions at once
