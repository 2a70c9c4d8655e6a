"""Nulls of any measure of two sessions: uniform where nothing differs, small where the claim holds, equal to others."""

import numpy as np
import pytest

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError


def sessions(drift: float, seed: int, n_repeats: int = 6, n_units: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Responses (stimulus, repeat, unit) of two sessions."""
    rng = np.random.default_rng(seed)
    tuning = 3 + rng.standard_normal((8, 1, n_units))
    later = tuning + drift * rng.standard_normal((8, 1, n_units))
    return tuple(one + rng.standard_normal((8, n_repeats, n_units)) for one in (tuning, later))


def magnitude(responses: np.ndarray) -> np.ndarray:
    return measures.drift_magnitude(np.nanmean(responses, axis=2))


def test_drift_beyond_trials_is_found_and_trials_alone_are_not() -> None:
    rng = np.random.default_rng(0)
    found = measures.null_of_pair(magnitude, *sessions(1.0, 1), rng, alternative="greater")
    assert found.p_value < 0.02 and found.observed > found.high
    p = [
        measures.null_of_pair(magnitude, *sessions(0.0, seed), rng, n_permutations=60, alternative="greater").p_value
        for seed in range(40)
    ]
    assert 0.3 < np.mean(p) < 0.7 and np.mean(np.array(p) < 0.1) < 0.3


def test_the_quicker_null_of_unit_identity_is_the_same_thing() -> None:
    a, b = sessions(0.5, 2)
    general = measures.null_of_pair(
        lambda responses: measures.population_vector_correlation(np.nanmean(responses, axis=2)),
        b,
        a,
        np.random.default_rng(3),
        shuffled="units",
        n_permutations=300,
        alternative="greater",
    )
    quick = measures.null_of_unit_identity(a.mean(axis=1), b.mean(axis=1), np.random.default_rng(3), 300)
    assert general.observed == pytest.approx(quick.observed)
    np.testing.assert_allclose(general.null, quick.null, atol=1e-12)


def test_stimuli_that_keep_their_responses_and_gaps() -> None:
    a, b = sessions(0.2, 4)
    expected = magnitude(np.stack([a[1:, 1:, 1:], b[1:, 1:, 1:]]))[0, 1]
    a[:, 0], b[:, 0], a[..., 0], b[0, 1] = np.nan, np.nan, np.nan, np.nan
    found = measures.null_of_pair(magnitude, a, b, np.random.default_rng(0), shuffled="stimuli", alternative="less")
    assert found.observed == pytest.approx(expected) and found.p_value < 0.02
    nothing = measures.null_of_pair(magnitude, a * np.nan, b, np.random.default_rng(0))
    assert np.isnan(nothing.p_value)


def test_drift_index_of_drift_and_of_none() -> None:
    drifting = measures.null_of_drift_index(*sessions(1.0, 5), np.random.default_rng(0), n_permutations=60)
    still = measures.null_of_drift_index(*sessions(0.0, 6), np.random.default_rng(0), n_permutations=60)
    assert drifting.p_value < 0.05 < still.p_value
    assert np.mean(still.null) == pytest.approx(0, abs=0.05)


def test_coordination_of_a_shared_shift_and_of_independent_drift() -> None:
    rng = np.random.default_rng(7)
    first = rng.standard_normal((6, 80))
    apart = first + rng.standard_normal((6, 80))
    together = apart + rng.standard_normal(80)
    found = measures.null_of_coordination(first, together, rng)
    assert found.p_value < 0.01
    angle = measures.angle_between_drift_vectors_deg(np.stack([first, together]))[0, 1]
    assert np.degrees(np.arccos(found.observed)) == pytest.approx(angle, abs=0.5)
    null = measures.null_of_coordination(first, apart, rng)
    assert null.p_value > 0.05 and null.low < 0 < null.high
    together[:, 3], first[2] = np.nan, np.nan
    assert measures.null_of_coordination(first, together, rng).p_value < 0.01
    assert np.isnan(measures.null_of_coordination(first, first, rng).p_value)


def test_what_does_not_fit_is_refused() -> None:
    a, b = sessions(0.0, 8)
    with pytest.raises(ConfigError, match="'trials', 'units' or 'stimuli'"):
        measures.null_of_pair(magnitude, a, b, np.random.default_rng(0), shuffled="days")
    with pytest.raises(ShapeError, match="same stimuli and units"):
        measures.null_of_pair(magnitude, a, b[:3], np.random.default_rng(0))
    with pytest.raises(ShapeError, match="same shape"):
        measures.null_of_coordination(a[:, 0], b[:3, 0], np.random.default_rng(0))
