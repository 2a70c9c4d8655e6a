"""Animals that switch between maps are flagged; drift, gains, noise and odd trials are not."""

import numpy as np
import pytest

from neurofa import measures
from neurofa.errors import ShapeError


def animal(kind: str, signal_to_noise: float, seed: int, n_sessions: int = 8, n_repeats: int = 5) -> np.ndarray:
    """Rates (session, stimulus, repeat, unit) with a fifth of the units lost in each session."""
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((2, 40, 200))
    kept = {"drift": 0.9, "fast drift": 0.3}.get(kind, 1.0)
    rates = np.empty((n_sessions, 40, n_repeats, 200))
    for session in range(n_sessions):
        if session:
            first = kept * first + np.sqrt(1 - kept**2) * rng.standard_normal((40, 200))
        for repeat in range(n_repeats):
            code = first
            if kind == "switching" and rng.random() < 0.35:
                code = second
            if kind == "gains":
                code = code * rng.uniform(0.3, 2.0)
            if kind == "odd trials" and (session, repeat) in ((2, 1), (5, 3)):
                code = rng.standard_normal((40, 200))
            rates[session, :, repeat] = code
    rates += rng.standard_normal(rates.shape) / np.sqrt(signal_to_noise)
    return np.where((rng.random((n_sessions, 200)) < 0.2)[:, None, None], np.nan, rates)


def detected(rates: np.ndarray) -> measures.MapSwitching:
    return measures.detect_map_switching(measures.similarity_of_trials(rates))


@pytest.mark.parametrize("signal_to_noise", [0.5, 2.0, 10.0])
def test_switching_is_flagged(signal_to_noise: float) -> None:
    found = detected(animal("switching", signal_to_noise, 1))
    assert found.switches and found.n_maps == 2 and found.n_returns > 2 and found.n_sessions_with_several > 2


@pytest.mark.parametrize("signal_to_noise", [0.1, 0.5, 10.0])
@pytest.mark.parametrize("kind", ["still", "drift", "fast drift", "gains", "odd trials"])
def test_nothing_else_is(kind: str, signal_to_noise: float) -> None:
    assert not detected(animal(kind, signal_to_noise, 2)).switches


def test_fast_drift_may_be_bimodal_but_never_returns() -> None:
    rng = np.random.default_rng(3)
    codes = np.repeat(rng.standard_normal((4, 1, 40, 1, 100)), 1, axis=0)
    rates = np.concatenate([codes[number // 2] for number in range(8)])
    rates = rates + 0.3 * rng.standard_normal((8, 40, 4, 100))
    found = detected(rates)
    assert found.bimodal and found.n_maps == 4 and found.n_returns == 0 and not found.switches


def test_similarity_is_the_correlation_over_the_units_of_both() -> None:
    rates = animal("still", 1.0, 4, n_sessions=2, n_repeats=2)
    trials = measures.similarity_of_trials(rates)
    a, b = rates[0, :, 1], rates[1, :, 0]
    shared = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    x, y = (one[:, shared] - one[:, shared].mean(axis=0) for one in (a, b))
    assert trials.similarity[1, 2] == pytest.approx((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
    assert trials.session.tolist() == [0, 0, 1, 1] and trials.repeat.tolist() == [0, 1, 0, 1]
    duration = np.ones(rates.shape[:3])
    duration[0, :, 1] = 0
    assert measures.similarity_of_trials(rates, duration).session.tolist() == [0, 1, 1]


def test_few_trials_are_not_judged() -> None:
    found = detected(animal("still", 1.0, 5, n_sessions=2, n_repeats=2))
    assert not found.switches and found.n_maps == 0 and "fewer than six trials" in found.reason
    with pytest.raises(ShapeError, match="stimulus, repeat, unit"):
        measures.similarity_of_trials(np.ones((2, 3, 4)))


def test_the_fit_of_one_normal_distribution_is_that_of_the_library() -> None:
    from sklearn.mixture import GaussianMixture

    trials = measures.similarity_of_trials(np.random.default_rng(0).random((4, 10, 5, 20)))
    values = trials.similarity[np.triu_indices(20, 1)][:, None]
    low, high = (values[(values <= np.mean([values.min(), values.max()])) == side].mean() for side in (True, False))
    start = np.array([[low], [high]])
    two = GaussianMixture(2, random_state=0, means_init=start, max_iter=500).fit(values)
    expected = GaussianMixture(1, random_state=0).fit(values).bic(values) - two.bic(values)
    assert measures.detect_map_switching(trials).delta_bic == pytest.approx(expected, rel=1e-9)
