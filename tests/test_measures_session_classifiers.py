"""Classifiers of sessions: against scikit-learn, by chance, and where sessions differ; growth per day."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from neurofa import measures


def responses(drift: float, seed: int, n_repeats: int = 8) -> np.ndarray:
    """(session, stimulus, repeat, unit) of three sessions."""
    rng = np.random.default_rng(seed)
    tuning = rng.standard_normal((1, 6, 1, 25)) + drift * rng.standard_normal((3, 6, 1, 25)).cumsum(axis=0)
    return 3 + tuning + rng.standard_normal((3, 6, n_repeats, 25))


def naive(a: np.ndarray, b: np.ndarray) -> float:
    """Accuracy of scikit-learn's nearest centroid, one repeat of each class left out in turn."""
    n, right = len(a), []
    for out in range(n):
        rest = np.arange(n) != out
        model = NearestCentroid().fit(np.concatenate([a[rest], b[rest]]), np.repeat([0, 1], n - 1))
        right += (model.predict(np.stack([a[out], b[out]])) == [0, 1]).tolist()
    return float(np.mean(right))


def test_equals_scikit_learns_nearest_centroid_with_gaps() -> None:
    given = responses(0.3, 1)
    given[0, :, :, 3], given[1, :, :, 7] = np.nan, np.nan
    given[1, 2, 0], given[2, 4, 1:] = np.nan, np.nan
    found = measures.session_classifiers(given)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        units = np.isfinite(given[i]).any(axis=(0, 1)) & np.isfinite(given[j]).any(axis=(0, 1))
        each = []
        for a, b in zip(given[i][..., units], given[j][..., units], strict=True):
            a, b = (one[np.isfinite(one).any(axis=1)] for one in (a, b))
            n = min(len(a), len(b))
            if n >= 2:
                each.append(naive(a[:n], b[:n]))
        assert found.between[i, j] == found.between[j, i] == pytest.approx(np.mean(each), abs=1e-12)
    own = given[0][..., np.isfinite(given[0]).any(axis=(0, 1))]
    assert found.halves[0] == pytest.approx(np.mean([naive(one[:4], one[4:]) for one in own]))
    assert found.even_odd[0] == pytest.approx(np.mean([naive(one[::2], one[1::2]) for one in own]))
    assert np.isnan(found.between[0, 0])


def test_complete_sessions_are_the_same_as_one_by_one() -> None:
    given = responses(0.3, 6)
    found = measures.session_classifiers(given).between
    for i, j in ((0, 1), (0, 2), (2, 1)):
        assert found[i, j] == pytest.approx(np.mean([naive(a, b) for a, b in zip(given[i], given[j], strict=True)]))


def test_noise_alone_is_at_chance_and_drift_is_told() -> None:
    still = [measures.session_classifiers(responses(0.0, seed)) for seed in range(40)]
    for name in ("between", "halves", "even_odd"):
        assert np.nanmean([getattr(one, name) for one in still]) == pytest.approx(0.5, abs=0.02)
    drifting = measures.session_classifiers(responses(1.0, 2))
    assert drifting.between[0, 2] > 0.95 and abs(drifting.even_odd.mean() - 0.5) < 0.15


def test_rotations_of_units_change_nothing_and_stretching_one_does() -> None:
    rng = np.random.default_rng(3)
    given = responses(0.3, 4)
    turned = np.linalg.qr(rng.standard_normal((25, 25)))[0]
    expected = measures.session_classifiers(given).between
    np.testing.assert_allclose(measures.session_classifiers(given @ turned).between, expected)
    given[..., 0] *= 30
    assert np.nanmax(np.abs(measures.session_classifiers(given).between - expected)) > 0.02


def test_single_repeats_give_nothing() -> None:
    found = measures.session_classifiers(responses(0.3, 5, n_repeats=1))
    assert all(np.isnan(each).all() for each in found)


def test_growth_per_day_is_the_slope_and_noise_adds_a_level_only() -> None:
    day = np.array([0.0, 1, 3, 6])
    lag = np.abs(day[:, None] - day)
    assert measures.growth_per_day(40 + 0.8 * lag, day) == pytest.approx(0.8)
    assert measures.growth_per_day(60 + 0.8 * lag, day) == pytest.approx(0.8)
    assert np.isnan(measures.growth_per_day(lag[:2, :2], day[:2]))
