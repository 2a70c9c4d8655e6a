"""Cross-day decoding: a naive loop, known answers, gaps, and a recording."""

import numpy as np
import pytest
import xarray as xr

from neurofa import measures
from neurofa.errors import RecordingError, ShapeError
from tests.synthetic import make_recording

GROUP = np.repeat(["rightward", "leftward"], 4)
ORDER = np.tile(np.arange(3, 7), 2)


def noisy_rates(rng: np.random.Generator, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Rates (4 sessions, 8 stimuli, 5 repeats, 30 units) with every kind of gap, and durations."""
    maps = rng.standard_normal((1, 8, 30)) + 0.8 * rng.standard_normal((4, 8, 30))
    rates = maps[:, :, None] + noise * rng.standard_normal((4, 8, 5, 30))
    duration = rng.uniform(0.5, 2.0, (4, 8, 5))
    rates[np.broadcast_to((rng.random((4, 30)) < 0.3)[:, None, None], rates.shape)] = np.nan
    gone = rng.random((4, 8, 5)) < 0.15
    gone[1, 6] = True
    gone[2, 3, 1:] = True
    gone[3, :, 4] = True
    rates[gone], duration[gone] = np.nan, 0.0
    silent = np.isfinite(rates[0, 0, 0]) if not gone[0, 0, 0] else np.zeros(30, dtype=bool)
    rates[0, 0, 0, silent] = 0.4
    return rates, duration


def weighted(rates: np.ndarray, duration: np.ndarray) -> np.ndarray:
    if not (duration > 0).any():
        return np.full(rates.shape[1], np.nan)
    return np.average(rates[duration > 0], axis=0, weights=duration[duration > 0])


def naive(rates: np.ndarray, duration: np.ndarray, train: int, test: int) -> tuple[float, float, int]:
    """One test after the other, with corrcoef."""
    right, near, n = 0.0, 0.0, 0
    recorded = duration > 0
    if train == test:
        candidates = np.flatnonzero(recorded[train].sum(axis=1) >= 2)
    else:
        candidates = np.flatnonzero(recorded[train].any(axis=1) & recorded[test].any(axis=1))
    for stimulus in candidates:
        for repeat in np.flatnonzero(recorded[test, stimulus]):
            weights = duration[train].copy()
            if train == test:
                weights[:, repeat] = 0
            maps = np.stack([weighted(r, w) for r, w in zip(rates[train], weights, strict=True)])
            vector = rates[test, stimulus, repeat]
            units = np.isfinite(vector) & np.isfinite(maps[candidates]).any(axis=0)
            close = [c for c in candidates if GROUP[c] == GROUP[stimulus] and abs(ORDER[c] - ORDER[stimulus]) <= 1]
            n += 1
            if np.ptp(vector[units]) == 0:
                right, near = right + 1 / len(candidates), near + len(close) / len(candidates)
                continue
            scores = [
                np.corrcoef(vector[units], maps[c][units])[0, 1] for c in candidates if np.isfinite(maps[c]).any()
            ]
            kept = [c for c in candidates if np.isfinite(maps[c]).any()]
            choice = kept[int(np.argmax(scores))]
            right, near = right + (choice == stimulus), near + (choice in close)
    return right / n, near / n, n


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_naive_loop_with_gaps(seed: int) -> None:
    rates, duration = noisy_rates(np.random.default_rng(seed), noise=2.0)
    decoded = measures.cross_day_decoding(rates, duration, GROUP, ORDER)
    expected = np.array([[naive(rates, duration, train, test) for test in range(4)] for train in range(4)])
    np.testing.assert_allclose(decoded.accuracy, expected[:, :, 0], atol=1e-12)
    np.testing.assert_allclose(decoded.accuracy_within_one, expected[:, :, 1], atol=1e-12)
    np.testing.assert_array_equal(decoded.n_tests, expected[:, :, 2])


def test_a_sequence_of_sessions_is_as_good_as_an_array() -> None:
    rates, duration = noisy_rates(np.random.default_rng(4))
    whole = measures.cross_day_decoding(rates, duration, GROUP, ORDER)
    parts = measures.cross_day_decoding(list(rates), list(duration), GROUP, ORDER)
    np.testing.assert_array_equal(whole.accuracy, parts.accuracy)


def test_same_maps_are_decoded_and_shuffled_maps_are_at_chance() -> None:
    rng = np.random.default_rng(5)
    maps = rng.standard_normal((8, 60))
    others = np.stack([maps, maps, rng.standard_normal((8, 60))])
    rates = others[:, :, None] + 0.3 * rng.standard_normal((3, 8, 400, 60))
    decoded = measures.cross_day_decoding(rates, group=GROUP, order=ORDER)
    assert (decoded.accuracy[:2, :2] > 0.99).all()
    assert decoded.accuracy[2, 2] > 0.99
    unrelated = rng.standard_normal((2, 8, 400, 60))
    by_chance = measures.cross_day_decoding(unrelated, group=GROUP, order=ORDER)
    np.testing.assert_allclose(by_chance.accuracy, by_chance.chance, atol=0.03)
    np.testing.assert_allclose(by_chance.accuracy_within_one, by_chance.chance_within_one, atol=0.06)
    assert by_chance.chance[0, 0] == pytest.approx(1 / 8)
    assert by_chance.chance_within_one[0, 1] == pytest.approx((2 + 3 + 3 + 2) / 4 / 8)


def test_neighbours_count_within_their_group_only() -> None:
    maps = np.eye(8)
    shifted = np.roll(maps, 1, axis=0)
    rates = np.stack([maps, shifted])[:, :, None].repeat(2, axis=2)
    decoded = measures.cross_day_decoding(rates, group=GROUP, order=ORDER)
    assert decoded.accuracy[0, 1] == 0
    assert decoded.accuracy_within_one[0, 1] == pytest.approx(6 / 8)
    assert decoded.accuracy[1, 1] == 1
    assert np.isnan(measures.cross_day_decoding(rates).accuracy_within_one).all()


def test_a_repeat_without_events_counts_as_a_guess() -> None:
    rng = np.random.default_rng(6)
    rates = rng.random((2, 4, 3, 10))
    rates[1] = 0.0
    decoded = measures.cross_day_decoding(rates)
    assert decoded.accuracy[0, 1] == pytest.approx(0.25)
    assert decoded.accuracy[1, 0] == pytest.approx(0.25)


def test_one_repeat_has_no_same_day_accuracy() -> None:
    decoded = measures.cross_day_decoding(np.random.default_rng(7).random((2, 4, 1, 10)))
    assert np.isnan(np.diag(decoded.accuracy)).all()
    assert np.isfinite(decoded.accuracy[0, 1])


def test_a_session_without_recording_is_nan() -> None:
    rates = np.random.default_rng(8).random((3, 4, 3, 10))
    rates[1] = np.nan
    decoded = measures.cross_day_decoding(rates)
    assert np.isnan(decoded.accuracy[1]).all()
    assert np.isnan(decoded.accuracy[:, 1]).all()
    assert np.isfinite(decoded.accuracy[::2, ::2]).all()


def test_permuting_units_changes_nothing_and_permuting_them_in_one_session_does() -> None:
    rng = np.random.default_rng(9)
    rates, duration = noisy_rates(rng)
    order = rng.permutation(30)
    plain = measures.cross_day_decoding(rates, duration).accuracy
    np.testing.assert_allclose(measures.cross_day_decoding(rates[..., order], duration).accuracy, plain)
    mixed = rates.copy()
    mixed[0] = mixed[0][..., order]
    changed = measures.cross_day_decoding(mixed, duration).accuracy
    assert plain[0, 3] > 0.5
    assert changed[0, 3] < plain[0, 3] - 0.2


def test_one_animal_of_a_recording() -> None:
    recording = make_recording(noise=2.0)
    rate, duration = (recording["probe"][name].isel(animal=1).values for name in ("rate", "duration"))
    expected = measures.cross_day_decoding(rate, duration, np.repeat([0, 1], 5), np.tile(np.arange(5), 2))
    decoded = measures.cross_day_decoding_of_animal(recording, "drifting-1")
    np.testing.assert_allclose(decoded.accuracy, expected.accuracy)
    np.testing.assert_allclose(decoded.accuracy_within_one, expected.accuracy_within_one)
    numbered = recording["probe"].to_dataset().assign_coords(bin=("stimulus", np.tile([3, 4, 5, 6, 9], 2)))
    apart = measures.cross_day_decoding_of_animal(numbered, 1)
    assert apart.chance_within_one[0, 1] < expected.chance_within_one[0, 1]
    true = measures.cross_day_decoding_of_animal(recording, 1, variable="true_rate")
    assert np.isnan(np.diag(true.accuracy)).all()
    assert true.accuracy[0, 1] == 1


def test_maps_that_single_precision_cannot_tell_apart_are_decoded() -> None:
    rng = np.random.default_rng(4)
    maps = rng.standard_normal(40) + 1e-6 * rng.standard_normal((6, 40))
    rates = np.broadcast_to(maps[:, None], (2, 6, 3, 40)).copy()
    assert 1e-15 < (1 - np.corrcoef(maps)[np.triu_indices(6, 1)]).min() < 1e-10
    assert (measures.cross_day_decoding(rates).accuracy == 1).all()
    rates[1, :, :, :5] = np.nan
    assert (measures.cross_day_decoding(rates).accuracy == 1).all()


def test_wrong_shapes_are_refused() -> None:
    rates = np.random.default_rng(10).random((2, 4, 3, 10))
    with pytest.raises(ShapeError, match=r"\(stimulus, repeat, unit\)"):
        measures.cross_day_decoding(rates[0])
    with pytest.raises(ShapeError, match="durations of session 0"):
        measures.cross_day_decoding(rates, np.ones((2, 4, 2)))
    with pytest.raises(ShapeError, match="each of the 4 stimuli"):
        measures.cross_day_decoding(rates, order=[1, 2, 3])
    rates[1, 2, 1, 3] = np.nan
    with pytest.raises(ShapeError, match="session 1 lack single values"):
        measures.cross_day_decoding(rates)
    with pytest.raises(RecordingError, match="no variable"):
        measures.cross_day_decoding_of_animal(xr.Dataset(), 0)


def test_nearest_maps_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(11)
    rates = (
        rng.gamma(2.0, 1.0, (1, 8, 1, 20))
        + rng.standard_normal((3, 8, 1, 20))
        + 0.8 * rng.standard_normal((3, 8, 5, 20))
    )
    found = measures.cross_day_decoding(rates).accuracy
    for i, j in ((0, 1), (1, 0), (2, 1)):
        model = KNeighborsClassifier(1, metric="correlation").fit(rates[i].mean(axis=1), np.arange(8))
        expected = accuracy_score(np.repeat(np.arange(8), 5), model.predict(rates[j].reshape(-1, 20)))
        assert found[i, j] == pytest.approx(expected, abs=1e-12)
        assert 0.2 < expected < 1


def test_relative_accuracy_is_that_of_the_tested_day() -> None:
    nan = np.nan
    accuracy = np.array([[0.8, 0.2, nan], [0.4, 0.5, 0.3], [0.6, nan, 0.0]])
    found = measures.CrossDayDecoding(
        accuracy, accuracy, accuracy, accuracy, np.ones((3, 3), dtype=np.int64)
    ).relative_accuracy
    np.testing.assert_allclose(found, [[1, 0.4, nan], [0.5, 1, nan], [0.75, nan, nan]])
    # a noisier day lowers the accuracy, and not the relative one: maps of a quieter day are better than its own
    rng = np.random.default_rng(3)
    tuning = 3 * rng.standard_normal((6, 1, 40))
    noise = np.array([1.0, 1.0, 12.0])[:, None, None, None] * rng.standard_normal((3, 6, 40, 40))
    decoded = measures.cross_day_decoding(tuning + noise)
    assert decoded.accuracy[0, 2] < 0.9 < decoded.accuracy[0, 1]
    assert 1 <= decoded.relative_accuracy[0, 2] < 1.3
