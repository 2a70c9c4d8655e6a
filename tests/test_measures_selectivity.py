"""Selectivity: counts by hand, chance by permutation, invariances with controls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures import drift_kurtosis, selectivity, selectivity_changes


def with_gaps(seed=1):
    """(session, unit) with missing units."""
    rng = np.random.default_rng(seed)
    index = np.clip(rng.normal(0, 0.5, (1, 60)) + rng.normal(0, 0.3, (4, 60)), -1, 1)
    index[rng.random((4, 60)) < 0.2] = np.nan
    return index


def test_counts_equal_a_loop_over_units():
    index = with_gaps()
    found = selectivity_changes(index, 0.25)
    for i in range(4):
        for j in range(4):
            both = np.isfinite(index[[i, j]]).all(0)
            a, b = index[i, both], index[j, both]
            a, b = np.where(np.abs(a) > 0.25, np.sign(a), 0), np.where(np.abs(b) > 0.25, np.sign(b), 0)
            chosen = a != 0
            expected = [
                (a == b)[chosen].mean(),
                (b == 0)[chosen].mean(),
                (a == -b)[chosen].mean(),
                (b != 0)[~chosen].mean(),
            ]
            np.testing.assert_allclose([each[i, j] for each in found[:4]], expected, atol=1e-12)
            assert found.correlation[i, j] == pytest.approx(np.corrcoef(index[i, both], index[j, both])[0, 1])
    np.testing.assert_allclose(found.consistent + found.lost + found.switched, 1)
    np.testing.assert_allclose(np.diag(found.consistent), 1)


def test_chance_is_the_mean_over_permutations_of_units():
    rng = np.random.default_rng(2)
    index = with_gaps()[:2]
    index = index[:, np.isfinite(index).all(0)]
    found = selectivity_changes(index)
    draws = [selectivity_changes(np.stack([index[0], rng.permutation(index[1])])) for _ in range(3000)]
    for name in ("consistent", "lost", "switched", "gained"):
        mean = np.mean([getattr(draw, name)[0, 1] for draw in draws])
        assert getattr(found, f"{name}_chance")[0, 1] == pytest.approx(mean, abs=0.01)


def test_selectivity_by_hand_with_gaps():
    maps = np.array([[[3.0, 0, 1, 2], [1, 0, 3, 2], [1, 0, 3, 2]], [[3, 1, 1, 2], [9, 9, 9, 9], [1, 1, 0, 2]]])
    maps[1, 1] = np.nan
    maps[:, :, 3] = np.nan
    found = selectivity(maps, [True, False, False])
    np.testing.assert_allclose(found[:, :3], [[0.5, 0, -0.5], [0.5, 0, 1]])
    assert np.isnan(found[:, 3]).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 10))
def test_gain_and_order_of_units_do_not_matter_and_an_offset_does(seed, gain):
    rng = np.random.default_rng(seed)
    maps = rng.gamma(1.0, 1.0, (3, 6, 20))
    chosen = np.arange(6) < 3
    found = selectivity(maps, chosen)
    np.testing.assert_allclose(selectivity(gain * maps, chosen), found, atol=1e-12)
    order = rng.permutation(20)
    first, second = selectivity_changes(found), selectivity_changes(found[:, order])
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
    assert np.abs(selectivity(maps + 5, chosen) - found).max() > 0.05


def test_kurtosis_of_changes_of_selectivity_is_that_of_drift():
    rng = np.random.default_rng(3)
    start = rng.uniform(-0.3, 0.3, 4000)
    heavy, normal = (
        np.stack([start, start + 0.05 * rng_draw]) for rng_draw in (rng.laplace(size=4000), rng.normal(size=4000))
    )
    assert drift_kurtosis(heavy[:, None])[0, 1] == pytest.approx(3, abs=1)
    assert drift_kurtosis(normal[:, None])[0, 1] == pytest.approx(0, abs=0.3)


def test_what_cannot_be_read_is_refused():
    with pytest.raises(ConfigError, match="group and others"):
        selectivity(np.ones((1, 2, 3)), [True, True])
    with pytest.raises(ShapeError, match="one entry per stimulus"):
        selectivity(np.ones((1, 2, 3)), [True])
    with pytest.raises(ShapeError, match="0 or above"):
        selectivity(-np.ones((1, 2, 3)), [True, False])
    with pytest.raises(ConfigError, match="threshold"):
        selectivity_changes(np.zeros((2, 3)), 1.0)
    with pytest.raises(ShapeError, match="session, unit"):
        selectivity_changes(np.zeros(3))
    assert np.isnan(selectivity_changes(np.zeros((2, 3))).lost).all()
