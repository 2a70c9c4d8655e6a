"""Measures of prediction errors: identities, hand values, published values, refusals, nulls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.stats import ortho_group

from neurofa import measures
from neurofa.errors import ConfigError, RecordingError, ShapeError

#: Parras et al. 2017, table 1 (doi 10.1038/s41467-017-02038-6): medians over points, and iMM, iPE, iRS
STATIONS = {
    "IC lemniscal": (1.37, 1.25, 1.66),
    "AC non-lemniscal": (0.98, 0.21, 0.59),
}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(arrays(np.float64, (3, 7), elements=st.floats(allow_nan=True, allow_infinity=False)))
def test_mismatch_is_error_plus_suppression_on_any_input(values: np.ndarray) -> None:
    names = ("deviant", "standard", "many_standards")
    found = measures.deviance_decomposition(dict(zip(names, values, strict=True)))
    told = np.isfinite(found.i_mm)
    np.testing.assert_allclose(found.i_mm[told], (found.i_pe + found.i_rs)[told], rtol=0, atol=1e-12)
    silent = (values == 0).all(axis=0)
    missing = np.isnan(values).any(axis=0)
    assert found.n_silent == silent.sum() and found.n_missing == missing.sum()
    assert (~told == (silent | missing)).all()
    assert (np.abs(np.stack(found[:3]))[:, told] <= np.sqrt(2) + 1e-12).all()


@pytest.mark.parametrize("station", STATIONS)
def test_the_sign_of_the_error_in_published_medians(station: str) -> None:
    responses = dict(zip(("deviant", "standard", "cascade"), STATIONS[station], strict=True))
    found = measures.deviance_decomposition(responses, control="cascade")
    assert (found.i_pe > 0) == (station == "AC non-lemniscal")
    assert found.i_mm > 0 and found.i_rs > 0


def test_adaptation_alone_gives_mismatch_without_error() -> None:
    # every presentation takes a part of what is left, which recovers with time: no prediction anywhere
    def response(rarity: float) -> np.ndarray:
        return np.linspace(1, 5, 20) / (1 + 9 * rarity)

    responses = {"deviant": response(0.10), "standard": response(0.90), "many_standards": response(0.10)}
    found = measures.deviance_decomposition(responses)
    assert (found.i_mm > 0).all() and (found.i_pe <= 0).all()
    assert (measures.common_contrast_index([response(0.1)] * 2, [response(0.9)] * 2) > 0).all()
    differences = measures.deviance_differences(responses)
    assert (differences.deviance_detection == 0).all() and (differences.stimulus_specific_adaptation > 0).all()


def test_rectification_is_what_is_said() -> None:
    signed = {"deviant": [-0.5], "standard": [0.3], "many_standards": [-0.1]}
    half = measures.deviance_decomposition(signed, rectification="half_wave")
    assert half.i_mm[0] == -1 and half.i_pe[0] == 0 and half.i_rs[0] == -1
    whole = measures.deviance_decomposition(signed, rectification="absolute")
    assert whole.i_mm[0] == pytest.approx(0.2 / np.sqrt(0.35))
    with pytest.raises(ConfigError, match="did you mean 'half_wave'"):
        measures.deviance_decomposition(signed, rectification="half wave")  # type: ignore[arg-type]


def test_a_missing_control_is_refused_by_its_name() -> None:
    block = {"deviant": [1.0], "standard": [1.0]}
    with pytest.raises(RecordingError, match="i_pe needs the control condition 'cascade'"):
        measures.deviance_decomposition(block, control="cascade")
    with pytest.raises(RecordingError, match="'neutral'"):
        measures.suppression_and_enhancement({"expected": [1.0], "unexpected": [1.0]})
    with pytest.raises(RecordingError, match="'playback'"):
        measures.signed_error_indices({"matched": [1.0], "mismatch": [1.0]})
    with pytest.raises(RecordingError, match="'baseline'"):
        measures.classify_by_relative_change({"matched": [1.0], "mismatch": [1.0], "playback": [1.0]})


def test_one_repeat_is_refused_where_two_are_needed() -> None:
    with pytest.raises(ShapeError, match="at least 2 repeats of the condition 'unexpected', got 1"):
        measures.d_prime([[1.0]], [[1.0], [2.0]])
    with pytest.raises(ShapeError, match="at least 2 repeats of the condition 'unexpected', got 1"):
        measures.unexpected_event_index(np.ones((4, 2)), np.arange(4) < 1, np.random.default_rng(0))
    with pytest.raises(ShapeError, match="'playback', got 1"):
        phases = {"matched": np.ones((3, 1)), "mismatch": np.ones((3, 1)), "playback": np.ones((1, 1))}
        measures.classify_by_permutation(phases, np.random.default_rng(0))
    with pytest.raises(ShapeError, match="swap roles"):
        measures.common_contrast_index([1.0], [1.0])
    with pytest.raises(ShapeError, match="slower rhythm"):
        measures.omission_locking([0.3], [0.75])


def test_hand_values_of_indices() -> None:
    assert measures.stimulus_index([3.0, 0.0], [1.0, 0.0]).tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    found = measures.signed_error_indices({"matched": [1.0, 0], "mismatch": [3.0, 0], "playback": [2.0, 0]})
    np.testing.assert_allclose(found.negative, [0.2, np.nan])
    np.testing.assert_allclose(found.positive, [-0.2, np.nan])
    np.testing.assert_allclose(found.mismatch, [0.5, np.nan])
    assert measures.repetition_suppression({"first": 3.0, "repeated": 1.0}) == pytest.approx(0.5)
    both = measures.suppression_and_enhancement({"expected": 1.0, "neutral": 2.0, "unexpected": 5.0})
    assert (both.prediction_suppression, both.surprise_enhancement) == (1.0, 3.0)


def test_d_prime_has_no_small_sample_bias() -> None:
    rng = np.random.default_rng(0)
    effect, n_units = 0.8, 60_000
    unexpected, expected = effect + rng.standard_normal((5, n_units)), rng.standard_normal((12, n_units))
    raw = measures.d_prime(unexpected, expected, bias_corrected=False)
    corrected = measures.d_prime(unexpected, expected)
    error = corrected.std() / np.sqrt(n_units)
    assert raw.mean() > effect + 5 * error
    # the estimate of the degrees of freedom leaves less than 1 % of the effect
    assert abs(corrected.mean() - effect) < 3 * error + 0.01 * effect
    t = stats.ttest_ind(unexpected[:, :9], unexpected[:, 9:18]).statistic
    equal = measures.d_prime(unexpected[:, :9], unexpected[:, 9:18], bias_corrected=False)
    np.testing.assert_allclose(equal, t * np.sqrt(2 / 5))


def test_the_size_of_the_index_is_biased_and_its_correction_is_not() -> None:
    rng = np.random.default_rng(1)
    found = measures.unexpected_event_index(rng.standard_normal((40, 800)), np.arange(40) < 6, rng, 999)
    assert found.magnitude.mean() > 0.3
    assert abs(found.magnitude_corrected.mean()) < 3 * found.magnitude.std() / np.sqrt(800)


def test_permutation_p_values_agree_with_scipy_and_leave_gaps_out() -> None:
    rng = np.random.default_rng(2)
    values = rng.standard_normal((14, 3)) + np.where(np.arange(14) < 5, 0.9, 0)[:, None]
    label = np.arange(14) < 5

    def separation(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return (a.mean(axis) - b.mean(axis)) / np.sqrt((a.var(axis, ddof=1) + b.var(axis, ddof=1)) / 2)

    above, below = measures.permutation_p_values(values, label, rng, 4999)
    for unit in range(3):
        parts = (values[label, unit], values[~label, unit])
        exact = stats.permutation_test(parts, separation, n_resamples=np.inf, alternative="greater", vectorized=True)
        assert above[unit] == pytest.approx(exact.pvalue, abs=4 * np.sqrt(0.25 / 5000))
    assert (above + below >= 1).all()
    holed = np.vstack([values, np.full((4, 3), np.nan)])
    again, _ = measures.permutation_p_values(holed, np.append(label, [True, False] * 2), rng, 4999)
    np.testing.assert_allclose(again, above, atol=4 * np.sqrt(0.5 / 5000))
    few = np.where(np.arange(14)[:, None] < 4, np.nan, values)
    assert np.isnan(measures.permutation_p_values(few, label, rng, 99)[0]).all()
    assert measures.permutation_p_values(np.full((14, 1), 0.1), label, rng, 99)[0].tolist() == [1.0]


def test_shuffled_labels_give_the_nominal_fraction() -> None:
    rng = np.random.default_rng(3)
    # units share slow noise, and some respond to the unexpected: shuffling takes that away
    shared = rng.standard_normal((60, 6)).repeat(40, axis=1)
    label = np.arange(60) < 10
    responses = shared + rng.standard_normal((60, 240)) + np.where(label, 4.0, 0)[:, None] * (np.arange(240) % 3 == 0)
    found = measures.shuffled_fractions(responses, label, np.arange(240) // 40, rng, n_shuffles=200)
    assert found.above.shape == (200, 6)
    assert 0 < found.error_above < 0.01
    assert abs(found.mean_above - 0.025) < 3 * found.error_above
    assert abs(found.mean_below - 0.025) < 3 * found.error_below
    real = measures.unexpected_event_index(responses[:, :40], label, rng, 999)
    assert (real.p_above <= 0.025).mean() > 0.2


def test_expectation_dampens_or_sharpens() -> None:
    tuning = np.random.default_rng(4).uniform(0, 1, (8, 30))
    unexpected = 1 + 4 * tuning
    dampened = measures.dampening_slope({"expected": 1 + 2 * tuning, "unexpected": unexpected}, tuning)
    sharpened = measures.dampening_slope({"expected": 6 * tuning - 1, "unexpected": unexpected}, tuning)
    scaled = measures.dampening_slope({"expected": 0.9 * unexpected - 0.1, "unexpected": unexpected}, tuning)
    assert (dampened > 0).all() and (sharpened < 0).all() and (scaled > 0).all()
    np.testing.assert_allclose(dampened, 2 * np.ptp(tuning, axis=0))
    flat = measures.dampening_slope({"expected": unexpected, "unexpected": unexpected}, np.ones_like(tuning))
    assert np.isnan(flat).all()


def test_latency_ramp_and_locking_of_omissions() -> None:
    time = np.arange(-50, 150) / 100
    rates = np.where(time >= 0.25, 2 * (time - 0.25), 0.0) + np.where(np.arange(200) % 2, 0.01, -0.01)
    # before the onset sd 0.01, so that 0.03 counts: 0.01 at 0.26 s, 0.05 at 0.27 s and at 0.28 s
    assert measures.response_latency(rates, time, 0.0) == pytest.approx(0.27)
    assert np.isnan(measures.response_latency(np.zeros(200), time, 0.0))
    # rounding of a constant in single precision is no response, a hundredth of it is
    for step, found in ((np.spacing(np.float32(0.3)), np.nan), (0.003, 0.25)):
        constant = np.where(time >= 0.25, np.float32(0.3) + step, np.float32(0.3))
        np.testing.assert_allclose(measures.response_latency(constant, time, 0.0), found)
    assert measures.omission_ramp(rates, time, 0.25, 1.4) == pytest.approx(2, abs=0.01)
    locked = measures.omission_locking([[0.85, 0.3, 0.85], [1.35, 0.3, np.nan]], [0.75, 1.25])
    np.testing.assert_allclose(locked, [1, 0, np.nan], atol=1e-9)
    with pytest.raises(ConfigError, match="durations are positive"):
        measures.omission_ramp(rates, time, 0.5, 0.2)


def test_decay_of_surprise_is_found_or_said_not_to_be_identifiable() -> None:
    rng = np.random.default_rng(5)
    exposure = np.arange(30)
    noise = 0.1 * rng.standard_normal((10, 30))
    found = measures.surprise_decay(1 + 2 * np.exp(-exposure / 4) + noise, rng, interval_s=1.5)
    assert found.identifiable and found.reason == ""
    assert found.time_constant_exposures == pytest.approx(4, rel=0.1)
    assert found.time_constant_s == pytest.approx(1.5 * found.time_constant_exposures)
    assert found.time_constant_interval[0] < 4 < found.time_constant_interval[1]
    assert found.amplitude == pytest.approx(2, abs=0.15) and found.settled == pytest.approx(1, abs=0.05)
    exact = measures.surprise_decay(np.tile(1 + 2 * np.exp(-exposure / 4), (3, 1)), rng)
    assert exact.time_constant_exposures == pytest.approx(4, rel=1e-3)
    flat = measures.surprise_decay(1 + noise, rng)
    assert not flat.identifiable and "amplitude covers 0" in flat.reason and np.isnan(flat.time_constant_exposures)
    line = measures.surprise_decay(3 - 0.01 * exposure + 0.0001 * noise, rng)
    assert not line.identifiable and "beyond what these exposures can show" in line.reason
    with pytest.raises(ShapeError, match="two animals and four exposures"):
        measures.surprise_decay(np.ones((1, 30)), rng)


def test_a_time_constant_whose_interval_reaches_a_bound_of_the_fit_is_not_identifiable() -> None:
    """Some animals decay in steps that no exposure shows, others slowly: resamples of the first end at the bound."""
    exposure = np.arange(30)
    noise = 0.05 * np.random.default_rng(0).standard_normal((6, 30))
    curves = 1 + np.exp(-exposure / np.array([0.01, 0.01, 0.01, 0.01, 3.0, 3.0])[:, None]) + noise
    found = measures.surprise_decay(curves, np.random.default_rng(0))
    assert found.amplitude_interval[0] > 0
    assert not found.identifiable and "interval of the time constant reaches" in found.reason
    assert np.isnan(found.time_constant_exposures) and np.isnan(found.time_constant_interval).all()
    # with all of them slow the interval is well inside
    slow = measures.surprise_decay(curves[[4, 5, 4, 5]] + noise[:4], np.random.default_rng(0))
    assert slow.identifiable and 2 < slow.time_constant_interval[0] < slow.time_constant_interval[1] < 4


def test_signed_and_unsigned_errors_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    error, drive = rng.standard_normal(400), rng.standard_normal(400)
    noise = 0.3 * rng.standard_normal((400, 3))
    responses = noise + 2 * drive[:, None] + np.stack([error, np.abs(error), np.zeros(400)], axis=1)
    found = measures.error_correlations(responses, error, drive[:, None])
    assert found.signed[0] > 0.9 and abs(found.signed[1]) < 0.3 and abs(found.signed[2]) < 0.15
    assert found.unsigned[1] > 0.85 and found.signed_gain[0] > 0.8 > 0.05 > found.unsigned_gain[0]
    rest = [stats.linregress(drive, own) for own in (responses[:, 0], error)]
    left = [own - fit.slope * drive for own, fit in zip((responses[:, 0], error), rest, strict=True)]
    assert found.signed[0] == pytest.approx(stats.pearsonr(*left).statistic)
    assert np.isnan(measures.error_correlations(np.ones((400, 1)), error).signed[0])


def test_an_index_that_rises_along_the_layers() -> None:
    rng = np.random.default_rng(7)
    found = measures.hierarchy([[0.0, 0.1, 0.3], [0.1, 0.2, 0.4], [0.2, np.nan, 0.1]], rng)
    np.testing.assert_allclose(found.spearman, [1, 1, -1])
    assert found.slope == pytest.approx((0.15 + 0.15 - 0.05) / 3)
    assert found.low <= found.slope <= found.high
    noise = measures.hierarchy(rng.standard_normal((200, 4)), rng)
    assert noise.low < 0 < noise.high and abs(noise.spearman.mean()) < 0.15


def test_feedback_that_is_the_error_up_to_scale_agrees_fully_and_its_negative_says_so() -> None:
    rng = np.random.default_rng(8)
    error = rng.standard_normal((3, 50, 8))
    same = measures.feedback_against_prediction_error(2 * error, error)
    for values in (same.cosine, same.explained_variance, same.linear_cka, same.unit_correlation):
        np.testing.assert_allclose(values, 1)
    np.testing.assert_allclose(same.gain, 0.5)
    np.testing.assert_allclose(same.gain_ratio, 2)
    opposite = measures.feedback_against_prediction_error(-error, error)
    np.testing.assert_allclose(opposite.cosine, -1)
    np.testing.assert_allclose(opposite.explained_variance, 1)
    np.testing.assert_allclose(opposite.gain, -1)
    turned = measures.feedback_against_prediction_error(error @ ortho_group.rvs(8, random_state=1), error)
    np.testing.assert_allclose(turned.linear_cka, 1)
    assert (np.abs(turned.cosine) < 0.5).all()


def test_feedback_with_gaps_and_silence() -> None:
    rng = np.random.default_rng(9)
    error, sent = rng.standard_normal((2, 2, 20, 6))
    sent[0, 3, 2] = np.nan
    sent[1] = 0
    found = measures.feedback_against_prediction_error(sent, error)
    kept = np.arange(20) != 3
    alone = measures.feedback_against_prediction_error(sent[:1, kept], error[:1, kept])
    for name in found._fields:
        if name != "cosine_per_stimulus":
            np.testing.assert_allclose(getattr(found, name)[0], getattr(alone, name)[0])
    assert np.isnan(found.cosine[1]) and np.isnan(found.gain[1]) and found.gain_ratio[1] == 0
    assert np.isnan(found.cosine_per_stimulus[0, 3]) and np.isfinite(found.cosine_per_stimulus[0, kept]).all()


def test_random_feedback_has_no_direction() -> None:
    rng = np.random.default_rng(10)
    null = measures.random_feedback_cosine(
        rng.standard_normal((4, 60, 5)), rng.standard_normal((4, 60, 32)), rng, n_draws=400
    )
    assert null.shape == (4, 400)
    assert (np.abs(null.mean(axis=1)) < 4 * null.std(axis=1) / 20).all()
    with pytest.raises(ShapeError, match="same animals and stimuli"):
        measures.random_feedback_cosine(np.ones((4, 60, 5)), np.ones((3, 60, 32)), rng)
