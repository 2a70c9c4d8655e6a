"""Coordination of drift and drift along components: naive loops, scikit-learn's PCA, known truth, controls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures import (
    angle_between_drift_vectors_deg,
    angle_between_drift_vectors_deg_noise_corrected,
    drift_along_components,
    participation_ratio,
    variation_within_sessions,
)


def drifting(rng, shared, n_sessions=3, n_stimuli=6, n_units=200, n_repeats=10, noise=0.0):
    """(session, stimulus, repeat, unit): steps of which a part `shared` of the variance is common to all stimuli."""
    start = rng.standard_normal((n_stimuli, n_units))
    own = rng.standard_normal((n_sessions, n_stimuli, n_units))
    common = rng.standard_normal((n_sessions, 1, n_units))
    steps = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    steps[0] = 0
    means = start + np.cumsum(steps, axis=0)
    return means[:, :, None] + noise * rng.standard_normal((n_sessions, n_stimuli, n_repeats, n_units))


def halves_of(responses):
    """Maps of every second repeat."""
    return np.stack([responses[:, :, ::2].mean(2), responses[:, :, 1::2].mean(2)])


def test_angle_equals_a_naive_loop_with_gaps_and_groups():
    rng = np.random.default_rng(1)
    maps = drifting(rng, 0.3, n_units=12)[:, :, 0]
    maps[0, :, 3] = maps[2, 4] = np.nan
    labels = np.array(["a", "a", "b", "b", "c", "d"])
    for group in (None, labels):
        found = angle_between_drift_vectors_deg(maps, group)
        for i in range(3):
            for j in range(3):
                angles = []
                means = maps if group is None else np.stack([maps[:, labels == x].mean(1) for x in "abcd"], axis=1)
                d = means[j] - means[i]
                d = d[np.isfinite(d).any(1)][:, np.isfinite(d).any(0)]
                for p in range(len(d)):
                    for q in range(p + 1, len(d)):
                        if i != j:
                            angles.append(np.arccos(d[p] @ d[q] / np.linalg.norm(d[p]) / np.linalg.norm(d[q])))
                expected = np.degrees(np.mean(angles)) if angles else np.nan
                assert found[i, j] == pytest.approx(expected, abs=1e-8, nan_ok=True)


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_correction_finds_the_truth_where_noise_hides_it(shared):
    rng = np.random.default_rng(2)
    responses = drifting(rng, shared, n_units=600, noise=3.0)
    truth = np.degrees(np.arccos(shared))
    raw = angle_between_drift_vectors_deg(responses.mean(axis=2))[0, 1]
    corrected = angle_between_drift_vectors_deg_noise_corrected(halves_of(responses))[0, 1]
    assert corrected == pytest.approx(truth, abs=18 if shared == 1 else 5)
    assert raw > truth + (5 if shared else -3)
    clean = drifting(rng, shared, n_units=600)
    exact = angle_between_drift_vectors_deg_noise_corrected(halves_of(clean))[0, 1]
    assert exact == pytest.approx(truth, abs=4)


def test_rotation_of_units_and_scale_change_nothing_and_stretching_one_unit_does():
    rng = np.random.default_rng(3)
    maps = drifting(rng, 0.5, n_units=10)[:, :, 0]
    rotation = np.linalg.qr(rng.standard_normal((10, 10)))[0]
    found = angle_between_drift_vectors_deg(maps)
    np.testing.assert_allclose(angle_between_drift_vectors_deg(2 * maps @ rotation), found, atol=1e-6)
    stretched = maps * np.where(np.arange(10) == 0, 20, 1)
    assert abs(angle_between_drift_vectors_deg(stretched)[0, 1] - found[0, 1]) > 3


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_permuted_units_leave_all_unchanged(seed):
    rng = np.random.default_rng(seed)
    responses = drifting(rng, 0.5, n_units=9, n_repeats=4, noise=1.0)
    permuted = responses[..., rng.permutation(9)]
    for measure in (
        lambda x: angle_between_drift_vectors_deg(x.mean(axis=2)),
        lambda x: angle_between_drift_vectors_deg_noise_corrected(halves_of(x)),
        lambda x: variation_within_sessions(x).variance_in_space,
        lambda x: drift_along_components(x, 2).angle_deg,
    ):
        np.testing.assert_allclose(measure(permuted), measure(responses), atol=1e-6)


def test_variation_within_sessions_equals_pca():
    rng = np.random.default_rng(4)
    responses = drifting(rng, 0.5, n_units=30, n_repeats=8, noise=1.0) * np.linspace(0.2, 3, 30)
    responses[1, ..., :5] = responses[0, 2, 5:] = responses[2, 1, 1:] = np.nan
    found = variation_within_sessions(responses)
    for session in range(3):
        ratios, held = [], []
        for group in responses[session]:
            kept = group[np.isfinite(group).any(1)][:, np.isfinite(group).any(0)]
            if len(kept) > 1:
                share = PCA(svd_solver="full").fit(kept).explained_variance_ratio_
                ratios.append(1 / (share**2).sum())
                held.append(share[: int(np.ceil(ratios[-1]))].sum())
        assert found.participation_ratio[session] == pytest.approx(np.mean(ratios), rel=1e-8)
        assert found.participation_ratio[session] == pytest.approx(np.nanmean(participation_ratio(responses[session])))
        assert found.variance_in_space[session] == pytest.approx(np.mean(held), rel=1e-8)
        n_units = 25 if session == 1 else 30
        assert found.participation_ratio_per_cell[session] == pytest.approx(np.mean(ratios) / n_units)


def test_drift_along_components_equals_pca_and_finds_drift_put_there():
    rng = np.random.default_rng(5)
    responses = drifting(rng, 0.0, n_sessions=2, n_stimuli=3, n_units=8, n_repeats=9, noise=1.0) + 2
    found = drift_along_components(responses, 4)
    size, angle = [], []
    for before, after in zip(*responses, strict=True):
        axes = PCA(4, svd_solver="full").fit(before).components_
        axes *= np.sign(axes @ before.mean(0))[:, None]
        d = after.mean(0) - before.mean(0)
        d /= np.linalg.norm(d)
        size.append(np.abs(axes @ d))
        angle.append(np.degrees(np.arccos(axes @ d)))
    np.testing.assert_allclose(found.size[0, 1], np.mean(size, axis=0), atol=1e-8)
    np.testing.assert_allclose(found.angle_deg[0, 1], np.mean(angle, axis=0), atol=1e-6)
    # drift down along the first component of every stimulus
    noise = rng.standard_normal((1, 1, 9, 1)) * np.eye(8)[0] * 5 + 0.1 * rng.standard_normal((1, 1, 9, 8))
    noise -= noise.mean(axis=2, keepdims=True)
    start = np.full((1, 1, 1, 8), 3.0)
    along = drift_along_components(np.concatenate([start + noise, start - np.eye(8)[0] + noise]), 2)
    assert along.size[0, 1, 0] == pytest.approx(1, abs=0.01) and along.angle_deg[0, 1, 0] > 170
    assert along.size[0, 1, 1] < 0.1 and along.chance[0, 1] == pytest.approx(np.sqrt(2 / np.pi / 8))


def test_chance_of_components_is_that_of_random_drift():
    rng = np.random.default_rng(6)
    vectors = rng.standard_normal((20000, 50))
    simulated = (np.abs(vectors[:, 0]) / np.linalg.norm(vectors, axis=1)).mean()
    responses = rng.standard_normal((2, 1, 4, 50))
    assert drift_along_components(responses, 1).chance[0, 1] == pytest.approx(simulated, rel=0.02)


def test_what_cannot_be_read_is_refused():
    maps = np.zeros((2, 3, 4))
    assert np.isnan(angle_between_drift_vectors_deg(maps)).all()
    with pytest.raises(ShapeError, match="label"):
        angle_between_drift_vectors_deg(maps, ["a", "b"])
    with pytest.raises(ShapeError, match="halves"):
        angle_between_drift_vectors_deg_noise_corrected(maps)
    with pytest.raises(ConfigError, match="n_components"):
        drift_along_components(np.zeros((2, 3, 4, 5)), 0)
