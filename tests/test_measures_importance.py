"""Importance of units for decoders, units that stay important, and the dimensions of drift."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError


def drifting(n_axes: int, seed: int, n_units: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Responses whose means walk in a few random directions, and what is decoded."""
    rng = np.random.default_rng(seed)
    targets = rng.standard_normal((12, 2))
    code = rng.standard_normal((2, n_units))
    axes = np.linalg.qr(rng.standard_normal((n_units, n_axes)))[0].T
    steps = rng.standard_normal((6, 12, n_axes)) * np.sqrt(n_units / n_axes) * 0.3
    means = 3 + targets @ code + np.cumsum(steps, axis=0) @ axes
    return means[:, :, None] + 0.3 * rng.standard_normal((6, 12, 6, n_units)), targets


def test_importance_is_weight_times_spread_as_scikit_learn_has_them() -> None:
    given, targets = drifting(40, 1)
    given[0, :, :, 3] = np.nan
    given[1, 2, 0] = np.nan
    found = measures.decoder_importance(given, targets)
    for session, kept in ((0, np.arange(40) != 3), (1, np.ones(40, dtype=bool))):
        samples = given[session].reshape(-1, 40)[:, kept]
        aims = np.repeat(targets, 6, axis=0)[np.isfinite(samples).all(axis=1)]
        samples = samples[np.isfinite(samples).all(axis=1)]
        model = Ridge(alpha=len(samples) * samples.var(axis=0).mean()).fit(samples, aims)
        expected = np.linalg.norm(model.coef_ / targets.std(axis=0)[:, None], axis=0) * samples.std(axis=0)
        np.testing.assert_allclose(found[session, kept], expected, rtol=1e-8)
    assert np.isnan(found[0, 3])
    np.testing.assert_allclose(measures.decoder_importance(given, 7 * targets), found, rtol=1e-8)


def test_units_that_stay_important_and_their_chance() -> None:
    rng = np.random.default_rng(2)
    stays = np.repeat(rng.random((1, 200)), 5, axis=0)
    assert measures.always_important(stays, 0.1).fraction == pytest.approx(0.1)
    shuffled = [measures.always_important(rng.random((3, 200)), 0.5) for _ in range(200)]
    assert shuffled[0].chance == pytest.approx(0.125)
    assert np.mean([one.fraction for one in shuffled]) == pytest.approx(0.125, abs=0.01)
    stays[2, :50], stays[3] = np.nan, np.nan
    gaps = measures.always_important(stays, 0.5)
    assert gaps.n_units == 150 and gaps.fraction == pytest.approx(0.5)
    assert np.isnan(measures.always_important(stays[:1]).fraction)


@pytest.mark.parametrize("n_axes", [2, 6, 20])
def test_dimensions_of_drift_are_those_it_was_confined_to(n_axes: int) -> None:
    rng = np.random.default_rng(3)
    axes = np.linalg.qr(rng.standard_normal((100, n_axes)))[0].T
    raw, corrected, truth = [], [], []
    for _ in range(6):
        first = 3 + rng.standard_normal((40, 100))
        maps = np.stack([first, first + 2 * rng.standard_normal((40, n_axes)) @ axes])
        halves = maps + 0.5 * rng.standard_normal((2, *maps.shape))
        truth.append(measures.drift_dimensions(maps)[0, 1])
        corrected.append(measures.drift_dimensions_noise_corrected(halves)[0, 1])
        raw.append(measures.drift_dimensions(halves.mean(axis=0))[0, 1])
    assert np.mean(truth) == pytest.approx(n_axes, rel=0.25)
    assert np.mean(corrected) == pytest.approx(np.mean(truth), rel=0.1)
    assert np.mean(raw) > 1.3 * n_axes


def test_dimensions_by_a_loop_with_gaps_and_of_a_common_shift() -> None:
    rng = np.random.default_rng(4)
    maps = rng.standard_normal((2, 5, 8))
    maps[0, :, 2], maps[1, 4] = np.nan, np.nan
    drift = np.delete(maps[1, :4] - maps[0, :4], 2, axis=1)
    crossed = [(drift[p] @ drift[q]) ** 2 for p in range(4) for q in range(4) if p != q]
    expected = (drift**2).sum(axis=1).mean() ** 2 / np.mean(crossed)
    assert measures.drift_dimensions(maps)[0, 1] == pytest.approx(expected)
    shift = np.stack([maps[0], maps[0] + rng.standard_normal(8)])
    assert measures.drift_dimensions(shift)[0, 1] == pytest.approx(1)
    assert np.isnan(measures.drift_dimensions(maps)[0, 0])


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ShapeError, match="session, unit"):
        measures.always_important(np.zeros(3))
    with pytest.raises(ConfigError, match="fraction must lie"):
        measures.always_important(np.zeros((2, 3)), 1.0)
    with pytest.raises(ShapeError, match="2, session, stimulus, unit"):
        measures.drift_dimensions_noise_corrected(np.zeros((3, 4, 5)))
