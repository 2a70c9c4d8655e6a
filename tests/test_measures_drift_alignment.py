"""Alignment of drift with noise and coding directions: the equations in a naive loop, known truth, chance by draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures import alignment_with_coding_directions, alignment_with_noise_directions
from neurofa.measures.drift_alignment import standardise


def made(rng, drift, n_stimuli=5, n_repeats=30, n_units=20, decay=0.6):
    """Two sessions whose noise has variances that fall along the units; `drift` (stimulus, unit) between them."""
    means = 3 + rng.standard_normal((n_stimuli, n_units))
    sd = decay ** (np.arange(n_units) / 2)
    noise = rng.standard_normal((2, n_stimuli, n_repeats, n_units)) * sd
    return np.stack([means, means + drift])[:, :, None] + noise


def rho_of(second_moment, drift):
    """Eqs. 3 to 5 for one stimulus."""
    largest = np.linalg.eigvalsh(second_moment)[-1]
    phi = np.sqrt(drift @ second_moment @ drift / (drift @ drift * largest))
    phi0 = np.sqrt(np.trace(second_moment) / (len(drift) * largest))
    return (phi - phi0) / (1 - phi0)


@pytest.mark.parametrize("gaps", [False, True])
def test_equals_the_equations_stimulus_by_stimulus(gaps):
    rng = np.random.default_rng(1)
    responses = made(rng, rng.standard_normal((5, 20)), n_repeats=6)
    responses = np.concatenate([responses, responses[:1] + rng.standard_normal((1, 5, 1, 20))])
    if gaps:
        responses[1, ..., 3] = responses[0, 2, 4:] = responses[2, 4] = np.nan
        responses[0, 1, 1:] = np.nan
    noise = alignment_with_noise_directions(responses).rho
    order, group = np.array([0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1])
    coding = alignment_with_coding_directions(responses, group, order).rho
    plain = alignment_with_coding_directions(responses).rho
    for i in range(3):
        for j in range(3):
            units = np.isfinite(responses[[i, j]]).any((1, 2)).all(0)
            a, b = (np.array([nanmean(trials) for trials in responses[s][:, :, units]]) for s in (i, j))
            known = np.isfinite(a).any(1)
            gradients = [a[q] - a[p] for p, q in ((0, 1), (1, 2), (3, 4)) if known[p] and known[q]]
            moment = np.mean([np.outer(g, g) for g in gradients], axis=0)
            covariance = np.cov(a[known].T)
            values = [[], [], []]
            for c in range(5):
                trials = responses[i, c][np.isfinite(responses[i, c]).any(1)][:, units]
                d = b[c] - a[c]
                if i == j or not np.isfinite(d).all():
                    continue
                if len(trials) > 1:
                    values[0].append(rho_of(np.cov(trials.T), d))
                values[1].append(rho_of(moment, d))
                values[2].append(rho_of(covariance, d))
            expected = [np.mean(each) if each else np.nan for each in values]
            np.testing.assert_allclose([noise[i, j], coding[i, j], plain[i, j]], expected, atol=1e-8)


def nanmean(trials):
    """Mean over repeats that were shown; NaN without any."""
    shown = trials[np.isfinite(trials).any(1)]
    return shown.mean(0) if len(shown) else np.full(trials.shape[1], np.nan)


def test_drift_along_the_first_noise_axis_is_1_and_random_drift_0():
    rng = np.random.default_rng(2)
    axis = 5 * np.eye(20)[:1].repeat(5, axis=0)
    assert alignment_with_noise_directions(made(rng, axis, n_repeats=300)).rho[0, 1] > 0.95
    across = 5 * np.eye(20)[-1:].repeat(5, axis=0)
    assert alignment_with_noise_directions(made(rng, across, n_repeats=300)).rho[0, 1] < -0.1
    random = 20 * rng.standard_normal((200, 20))
    found = alignment_with_noise_directions(made(rng, random, n_stimuli=200, n_repeats=40), rng)
    assert abs(found.rho[0, 1]) < 0.03 and abs(found.rho_noise_corrected[0, 1]) < 0.06
    assert found.rho[0, 1] - 0.05 < found.chance[0, 1] < 0.1


def test_correction_takes_out_the_noise_of_the_means():
    rng = np.random.default_rng(3)
    small = 0.3 * rng.standard_normal((1000, 20))
    found = alignment_with_noise_directions(made(rng, small, n_stimuli=1000, n_repeats=10))
    assert found.rho[0, 1] > 0.09 and abs(found.rho_noise_corrected[0, 1]) < 0.05


def test_corrections_hold_with_few_repeats_of_many_units():
    rng = np.random.default_rng(8)
    means = 3 + np.cumsum(rng.standard_normal((30, 300)), axis=0) / 3
    apart = np.linalg.qr(np.concatenate([means - means[0], rng.standard_normal((30, 300))]).T)[0][:, -30:].T * 12
    responses = np.stack([means, means + apart])[:, :, None] + rng.standard_normal((2, 30, 6, 300))
    coding = alignment_with_coding_directions(responses, order=np.arange(30))
    clean = alignment_with_coding_directions(np.stack([means, means + apart])[:, :, None], order=np.arange(30)).rho
    assert coding.rho[0, 1] > clean[0, 1] + 0.4 and abs(coding.rho_noise_corrected[0, 1] - clean[0, 1]) < 0.08
    noise = alignment_with_noise_directions(responses)
    assert abs(noise.rho_noise_corrected[0, 1]) < 0.05


def test_chance_is_the_quantile_of_random_drift():
    rng = np.random.default_rng(4)
    responses = made(rng, rng.standard_normal((5, 20)), n_repeats=8)
    chance = alignment_with_noise_directions(responses, rng, n_random=4000).chance[0, 1]
    exact = responses.copy()
    exact[1] = 0
    draws = []
    for _ in range(2000):
        drift = rng.standard_normal((5, 20))
        draws.append(np.mean([rho_of(np.cov(trials.T), d) for trials, d in zip(exact[0], drift, strict=True)]))
    assert chance == pytest.approx(np.quantile(draws, 0.95), abs=0.01)


def test_coding_alignment_of_drift_along_the_track_and_off_it():
    rng = np.random.default_rng(5)
    direction, other = np.linalg.qr(rng.standard_normal((30, 2)))[0].T
    track = np.arange(6)[:, None] * direction
    trials = 0.01 * rng.standard_normal((2, 6, 4, 30))
    for axis, low, high in ((direction, 0.98, 1.0), (other, -0.3, 0.0)):
        maps = np.stack([track, track + 2 * axis])
        rho = alignment_with_coding_directions(maps[:, :, None] + trials, order=np.arange(6)).rho[0, 1]
        assert low <= rho <= high


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_rotations_and_permutations_of_units_leave_it_unchanged_and_stretching_does_not(seed):
    rng = np.random.default_rng(seed)
    responses = made(rng, rng.standard_normal((5, 20)), n_repeats=5)
    rotation = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    for measure in (alignment_with_noise_directions, alignment_with_coding_directions):
        found = measure(responses).rho
        np.testing.assert_allclose(measure(responses @ rotation).rho, found, atol=1e-7)
        np.testing.assert_allclose(measure(responses[..., rng.permutation(20)]).rho, found, atol=1e-8)
        stretched = measure(responses * np.where(np.arange(20) == 0, 30, 1)).rho
        assert abs(stretched[0, 1] - found[0, 1]) > 1e-3


def test_standardised_units_have_unit_variance_and_silent_ones_are_0():
    rng = np.random.default_rng(6)
    responses = made(rng, np.zeros((5, 20)))
    responses[0, ..., 1] = np.nan
    responses[..., 2] = 4.0
    found = standardise(responses)
    assert np.isnan(found[0, ..., 1]).all() and (found[..., 2] == 0).all()
    np.testing.assert_allclose(np.nanstd(found, axis=(0, 1, 2))[[0, 1, 3]], 1, rtol=1e-10)


def test_what_cannot_be_read_is_refused():
    responses = made(np.random.default_rng(7), np.zeros((5, 20)))
    with pytest.raises(ConfigError, match="level"):
        alignment_with_noise_directions(responses, level=1.0)
    with pytest.raises(ShapeError, match="one entry for each of the 5"):
        alignment_with_coding_directions(responses, order=[1, 2])
