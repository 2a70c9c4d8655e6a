"""The drift index: a naive loop with the authors' algorithm, known truth, invariances with controls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures import representational_drift_index


def turning(rng, degrees, noise, n_sessions=3, n_stimuli=20, n_repeats=8, n_units=150):
    """Tuning that turns by some degrees per session, so that it correlates by the cosine; noise in every repeat."""
    first, second = rng.standard_normal((2, n_stimuli, n_units))
    for tuning in (first, second):
        tuning -= tuning.mean(axis=0)
    second -= first * (first * second).sum(axis=0) / (first**2).sum(axis=0)
    second *= np.linalg.norm(first, axis=0) / np.linalg.norm(second, axis=0)
    angle = np.deg2rad(degrees * np.arange(n_sessions))[:, None, None]
    tuning = np.cos(angle) * first + np.sin(angle) * second
    return 5 + tuning[:, :, None] + noise * rng.standard_normal((n_sessions, n_stimuli, n_repeats, n_units))


def naive(responses, rng, n_splits, i, j):
    """One pair of sessions, unit by unit and split by split."""
    units = np.isfinite(responses).any((1, 2))
    n_repeats = responses.shape[2]
    orders = [rng.permutation(n_repeats) for _ in range(n_splits)]
    values = []
    for unit in np.flatnonzero(units[i] & units[j]):
        within, between = [], []
        for order in orders:
            parts = (order[: n_repeats // 2], order[n_repeats // 2 :])
            with np.errstate(all="ignore"):
                a, b = ([mean(responses[s][:, part, unit]) for part in parts] for s in (i, j))
            own = [corr(a[0], a[1]), corr(b[0], b[1])]
            crossed = [corr(a[0], b[1]), corr(a[1], b[0])]
            within.append(rectified(own))
            between.append(rectified(crossed))
        ws, bs = np.mean(within), np.mean(between)
        ws = 0.001 if ws <= 0 else ws
        values.append((ws - bs) / (ws + bs))
    return np.mean(values)


def mean(values):
    """Over repeats that were shown; NaN without any."""
    shown = np.isfinite(values)
    return np.where(shown, values, 0).sum(1) / np.where(shown.any(1), shown.sum(1), np.nan)


def corr(x, y):
    """Over stimuli that both have; NaN for constant vectors."""
    kept = np.isfinite(x) & np.isfinite(y)
    if kept.sum() < 2 or np.ptp(x[kept]) == 0 or np.ptp(y[kept]) == 0:
        return np.nan
    return np.corrcoef(x[kept], y[kept])[0, 1]


def rectified(values):
    """Mean of what is defined, at least 0; 0 where nothing is."""
    defined = [value for value in values if np.isfinite(value)]
    return max(np.mean(defined), 0.0) if defined else 0.0


@pytest.mark.parametrize("gaps", [False, True])
def test_index_equals_the_authors_algorithm_unit_by_unit(gaps):
    rng = np.random.default_rng(1)
    responses = turning(rng, 40, 1.5, n_stimuli=7, n_repeats=5, n_units=6)
    if gaps:
        responses[0, ..., 2] = np.nan
        responses[1, 3, 1] = responses[2, 0, :] = responses[0, 5, 3:] = np.nan
        responses[1, ..., 4] = np.where(np.isfinite(responses[1, ..., 4]), 2.0, np.nan)
    found = representational_drift_index(responses, np.random.default_rng(2), n_splits=9)
    for i in range(3):
        for j in range(3):
            expected = np.nan if i == j else naive(responses, np.random.default_rng(2), 9, i, j)
            assert found.index[i, j] == pytest.approx(expected, abs=1e-10, nan_ok=True)
    assert (found.n_units[0, 1], found.n_units[1, 2]) == ((5, 6) if gaps else (6, 6))


def test_no_drift_gives_none_and_drift_gives_what_its_correlation_says():
    still = representational_drift_index(turning(np.random.default_rng(3), 0, 1.0), np.random.default_rng(0))
    assert abs(still.index[0, 1]) < 0.02
    moved = representational_drift_index(turning(np.random.default_rng(4), 60, 0.5), np.random.default_rng(0))
    assert moved.index[0, 1] == pytest.approx((1 - 0.5) / (1 + 0.5), abs=0.03)
    assert moved.index[0, 2] > moved.index[0, 1] > 0.2


def test_gain_and_offset_of_a_session_do_not_matter_and_another_order_of_stimuli_does():
    responses = turning(np.random.default_rng(5), 30, 1.0, n_units=20)
    found = representational_drift_index(responses, np.random.default_rng(0), 10).index
    scaled = responses.copy()
    scaled[1] = 3 * scaled[1] + 7
    np.testing.assert_allclose(representational_drift_index(scaled, np.random.default_rng(0), 10).index, found)
    scaled[1] = scaled[1, ::-1]
    assert representational_drift_index(scaled, np.random.default_rng(0), 10).index[0, 1] > found[0, 1] + 0.2


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_permuted_units_leave_it_unchanged(seed):
    rng = np.random.default_rng(seed)
    responses = turning(rng, 30, 1.0, n_stimuli=6, n_repeats=4, n_units=9)
    found = representational_drift_index(responses, np.random.default_rng(0), 5).index
    permuted = representational_drift_index(responses[..., rng.permutation(9)], np.random.default_rng(0), 5).index
    np.testing.assert_allclose(permuted, found, atol=1e-12)


def test_duration_weighs_repeats_and_reliable_units_can_be_chosen():
    responses = turning(np.random.default_rng(6), 30, 2.0, n_units=40)
    weights = np.ones(responses.shape[:3])
    plain = representational_drift_index(responses, np.random.default_rng(0))
    same = representational_drift_index(responses, np.random.default_rng(0), duration=2 * weights)
    np.testing.assert_allclose(same.index, plain.index)
    weights[:, :, 0] = 5.0
    other = representational_drift_index(responses, np.random.default_rng(0), duration=weights)
    assert abs(other.index[0, 1] - plain.index[0, 1]) > 1e-6
    chosen = representational_drift_index(responses, np.random.default_rng(0), reliability=0.5)
    assert 0 < chosen.n_units[0, 1] < 40 and chosen.within[0, 1] > 0.5 > plain.within[0, 1] - 0.5


def test_what_cannot_be_split_or_read_is_refused():
    responses = turning(np.random.default_rng(7), 0, 1.0, n_units=4)
    assert np.isnan(representational_drift_index(responses[:, :, :1], np.random.default_rng(0)).index).all()
    with pytest.raises(ConfigError, match="n_splits"):
        representational_drift_index(responses, np.random.default_rng(0), 0)
    with pytest.raises(ShapeError, match="session, stimulus, repeat, unit"):
        representational_drift_index(responses[0], np.random.default_rng(0))
    responses[0, 0, 0, 0] = np.nan
    with pytest.raises(ShapeError, match="single values"):
        representational_drift_index(responses, np.random.default_rng(0))
