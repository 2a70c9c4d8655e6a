"""Readouts under drift: scikit-learn's ridge, dense solutions, naive online learning, known truth, controls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures import (
    adapting_readout,
    constrained_decoders,
    decoder_weights,
    random_drift,
    readout_fraction,
    session_decoders,
)
from neurofa.measures.adapting_readouts import RATES
from neurofa.measures.decoders_over_days import STIFFNESS
from neurofa.measures.readouts import all_sessions
from neurofa.measures.ridge import ridge_penalty

TARGETS = np.stack([np.linspace(-1, 1, 8), np.tile([1.0, -1.0], 4)], axis=1)


def made(rng, drift=0.5, noise=0.5, n_sessions=4, n_repeats=6, n_units=15, inside=True):
    """Units that code TARGETS linearly; steps of `drift` in all directions, or only where TARGETS are not read."""
    code = rng.standard_normal((2, n_units))
    null = np.eye(n_units) - np.linalg.pinv(code) @ code
    steps = drift * rng.standard_normal((n_sessions, 8, n_units))
    steps[0] = 0
    steps = steps if inside else steps @ null
    means = 4 + TARGETS @ code + np.cumsum(steps, axis=0)
    trials = noise * rng.standard_normal((n_sessions, 8, n_repeats, n_units))
    return means[:, :, None] + trials, np.linalg.pinv(code).T


def samples(responses, session, every=False, parity=0):
    """Single repeats of a session and their targets."""
    x = responses[session] if every else responses[session][:, parity::2]
    y = np.repeat(TARGETS, x.shape[1], axis=0)
    x = x.reshape(-1, x.shape[-1])
    kept = np.isfinite(x).any(1)
    return x[kept], y[kept]


def ridge(x, y):
    """Scikit-learn's ridge with the package's penalty."""
    return Ridge(alpha=len(x) * x.var(axis=0).mean(), solver="cholesky").fit(x, y)


def test_decoder_weights_equal_scikit_learns_ridge_with_gaps():
    responses, _ = made(np.random.default_rng(1))
    responses[1, ..., 4] = responses[2, 3, 2:] = np.nan
    found = decoder_weights(responses, TARGETS)
    for session in range(4):
        x, y = samples(responses, session, every=True)
        known = np.isfinite(x).all(0)
        np.testing.assert_allclose(found[session][:, known], ridge(x[:, known], y).coef_, atol=1e-8)
        assert np.isnan(found[session][:, ~known]).all()


def test_session_decoders_equal_scikit_learns_ridge():
    responses, _ = made(np.random.default_rng(2))
    responses[0, ..., 3] = np.nan
    found = session_decoders(responses, TARGETS)
    common = np.arange(15) != 3
    assert found.n_units == 14
    for i in range(4):
        x, y = samples(responses, i)
        model = ridge(x[:, common], y)
        for j in range(4):
            test, aim = samples(responses, j, parity=1)
            expected = np.sqrt(((model.predict(test[:, common]) - aim) ** 2).mean())
            assert found.error[i, j] == pytest.approx(expected, abs=1e-8)
    every = [samples(responses, i) for i in range(4)]
    x, y = (np.concatenate(parts) for parts in zip(*every, strict=True))
    one = Ridge(alpha=len(x) * x[:, common].var(axis=0).mean(), solver="cholesky").fit(x[:, common], y)
    test, aim = samples(responses, 2, parity=1)
    assert found.error_concatenated[2] == pytest.approx(
        np.sqrt(((one.predict(test[:, common]) - aim) ** 2).mean()), abs=1e-8
    )
    assert found.error_of_mean[0] == pytest.approx(np.sqrt((TARGETS - TARGETS.mean(0)) ** 2).mean() ** 1, abs=0.2)


def test_drift_in_the_null_space_hurts_no_fixed_readout_and_other_drift_does():
    hidden, code = made(np.random.default_rng(3), drift=0.5, noise=0.2, inside=False)
    seen, other = made(np.random.default_rng(3), drift=0.5, noise=0.2, inside=True)
    maps = hidden.mean(axis=2)
    assert readout_fraction(hidden[:, :, 0] - hidden[:, :, 0] + maps, code).readout[0, 3] < 0.05
    fraction = readout_fraction(seen.mean(axis=2), other)
    assert fraction.readout[0, 3] == pytest.approx(2 / 15, abs=0.08) and fraction.chance[0, 3] == pytest.approx(2 / 15)
    quiet, loud = session_decoders(hidden, TARGETS, 0.01), session_decoders(seen, TARGETS, 0.01)
    assert quiet.error_concatenated.mean() < 1.3 * np.diag(quiet.error).mean() < loud.error_concatenated.mean()


def test_readout_fraction_equals_a_projection_and_halves_take_out_noise():
    rng = np.random.default_rng(4)
    responses, code = made(rng, drift=1.0, noise=4.0, n_units=200, inside=False)
    clean = made(np.random.default_rng(4), drift=1.0, noise=0.0, n_units=200, inside=False)[0].mean(axis=2)
    maps = responses.mean(axis=2)
    maps[1, :, 5] = np.nan
    kept = np.arange(200) != 5
    projector = np.linalg.pinv(code[:, kept]) @ code[:, kept]
    drift = (maps[1] - maps[0])[:, kept]
    found = readout_fraction(maps, code)
    assert found.readout[0, 1] == pytest.approx(((drift @ projector) ** 2).sum() / (drift**2).sum(), abs=1e-10)
    halves = np.stack([responses[:, :, ::2].mean(2), responses[:, :, 1::2].mean(2)])
    corrected = readout_fraction(responses.mean(axis=2), code, halves).readout[0, 2]
    truth = readout_fraction(clean, code).readout[0, 2]
    raw = readout_fraction(responses.mean(axis=2), code).readout[0, 2]
    assert abs(corrected - truth) < abs(raw - truth) and truth == pytest.approx(0, abs=1e-9)
    with pytest.raises(ShapeError, match="readout must have"):
        readout_fraction(maps, code[:, :3])


def test_constrained_decoders_equal_one_dense_system():
    responses, _ = made(np.random.default_rng(5), n_sessions=3, n_units=4)
    found = constrained_decoders(responses, TARGETS)
    sessions, _ = all_sessions(responses, TARGETS, 1.0)
    scale = ridge_penalty(np.mean([data.gram for data in sessions], axis=0), 1.0)[-1]
    for place, level in enumerate(STIFFNESS):
        system, right = np.zeros((15, 15)), np.zeros((15, 2))
        for d, data in enumerate(sessions):
            own = slice(5 * d, 5 * d + 5)
            system[own, own] += (1 - level) * (data.gram + np.diag(ridge_penalty(data.gram, 1.0)))
            right[own] += (1 - level) * data.product
        for d in range(2):
            a, b = slice(5 * d, 5 * d + 5), slice(5 * d + 5, 5 * d + 10)
            for first, second, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
                system[first, second] += sign * level * scale * np.eye(5)
        weights = np.linalg.solve(system, right).reshape(3, 5, 2)
        sizes = np.linalg.norm(weights[:-1, 1:], axis=(1, 2))
        change = (np.linalg.norm(np.diff(weights[:, 1:], axis=0), axis=(1, 2)) / sizes).mean()
        assert found.weight_change[place] == pytest.approx(change, rel=1e-8)
        errors = [np.sqrt(((d.target - d.test @ w) ** 2).mean()) for d, w in zip(sessions, weights, strict=True)]
        assert found.error[place] == pytest.approx(np.mean(errors), rel=1e-8)
    assert (np.diff(found.weight_change) < 0).all()


def test_without_drift_no_change_is_needed_and_with_drift_some_is():
    still = constrained_decoders(made(np.random.default_rng(6), drift=0.0)[0], TARGETS)
    assert still.weight_change_needed == 0
    moved = constrained_decoders(made(np.random.default_rng(6), drift=1.0, noise=0.1, n_units=8)[0], TARGETS, 0.01)
    assert moved.error_concatenated > 1.5 * moved.error_same_day
    assert moved.weight_change_needed > 0.1


def test_online_learning_equals_a_naive_loop():
    responses, _ = made(np.random.default_rng(7), n_sessions=3, n_units=5)
    found = adapting_readout(responses, TARGETS, [0, 2, 3])
    x, y = samples(responses, 0)
    model = ridge(x, y)
    largest = max((1 + (responses[s][:, ::2] ** 2).sum(-1)).max() for s in range(3))
    for place, rate in enumerate(RATES):
        weights, errors, changes = np.vstack([model.intercept_, model.coef_.T]), [], []
        for session, gap in ((1, 2), (2, 1)):
            before = weights.copy()
            for repeat in (0, 2, 4):
                for stimulus in range(8):
                    z = np.append(1, responses[session, stimulus, repeat])
                    weights = weights + rate / largest * np.outer(z, TARGETS[stimulus] - z @ weights)
            changes.append(np.linalg.norm((weights - before)[1:]) / np.linalg.norm(before[1:]) / gap)
            test, aim = samples(responses, session, parity=1)
            errors.append(np.sqrt(((test @ weights[1:] + weights[0] - aim) ** 2).mean()))
        assert found.error[place] == pytest.approx(np.mean(errors), rel=1e-8)
        assert found.weight_change_per_day[place] == pytest.approx(np.mean(changes), rel=1e-8)


def test_random_drift_keeps_sizes_and_costs_more_than_drift_that_is_not_read():
    rng = np.random.default_rng(8)
    responses, _ = made(rng, drift=0.7, noise=0.2, inside=False, n_units=30)
    shuffled = random_drift(responses, rng)
    np.testing.assert_allclose(shuffled[0], responses[0])
    size, other = (np.linalg.norm(np.diff(each.mean(2), axis=0), axis=1) for each in (responses, shuffled))
    np.testing.assert_allclose(np.sort(other), np.sort(size))
    assert np.abs(shuffled[1] - responses[1]).max() > 0.5
    np.testing.assert_allclose(np.ptp(shuffled, axis=2), np.ptp(responses, axis=2), atol=1e-9)
    found = adapting_readout(responses, TARGETS, np.arange(4), rng, 8)
    assert (found.error_null > found.error.min()).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31))
def test_permuted_units_leave_all_unchanged(seed):
    rng = np.random.default_rng(seed)
    responses, code = made(rng, n_sessions=3, n_units=6)
    order = rng.permutation(6)
    found, permuted = session_decoders(responses, TARGETS), session_decoders(responses[..., order], TARGETS)
    np.testing.assert_allclose(permuted.error, found.error, atol=1e-8)
    first, second = (constrained_decoders(x, TARGETS).weight_change for x in (responses, responses[..., order]))
    np.testing.assert_allclose(second, first, atol=1e-8)
    first, second = (adapting_readout(x, TARGETS, [0, 1, 2]).error for x in (responses, responses[..., order]))
    np.testing.assert_allclose(second, first, atol=1e-8)
    first = readout_fraction(responses.mean(2), code).readout
    np.testing.assert_allclose(
        readout_fraction(responses.mean(2)[..., order], code[:, order]).readout, first, atol=1e-8
    )


def test_what_cannot_be_read_is_refused_and_single_sessions_give_nothing():
    responses, _ = made(np.random.default_rng(9))
    with pytest.raises(ShapeError, match="targets"):
        session_decoders(responses, TARGETS[:3])
    with pytest.raises(ConfigError, match="penalty"):
        decoder_weights(responses, TARGETS, 0.0)
    with pytest.raises(ConfigError, match="tolerance"):
        constrained_decoders(responses, TARGETS, tolerance=-1)
    assert np.isnan(constrained_decoders(responses[:1], TARGETS).weight_change_needed)
    assert np.isnan(adapting_readout(responses[:1], TARGETS, [0]).weight_change_needed_per_day)
    alone = np.where(np.arange(15) == np.arange(4)[:, None, None, None], responses, np.nan)
    assert np.isnan(session_decoders(alone, TARGETS).error).all()
