"""Forms of decay: exact curves are found, the right form is told where it can be, and is not where it cannot."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError

LAG = 2.0 * np.arange(1, 11)
CURVES = {
    "linear": 0.8 - 0.03 * LAG,
    "exponential": 0.9 * np.exp(-LAG / 6),
    "power law": 0.9 * LAG**-0.6,
    "asymptotic": 0.5 * np.exp(-LAG / 4) + 0.3,
}


@pytest.mark.parametrize("form", CURVES)
def test_an_exact_curve_is_found_and_told_from_the_others(form: str) -> None:
    fit = measures.fit_decay(LAG, CURVES[form], form)
    np.testing.assert_allclose(fit.curve(LAG), CURVES[form], atol=1e-6)
    noise = 1e-3 * np.random.default_rng(0).standard_normal((8, len(LAG)))
    comparison = measures.compare_decay_forms(LAG, CURVES[form] + noise)
    assert comparison.criterion == "animals left out"
    assert comparison.supported[0] == form or form in comparison.supported
    assert set(comparison.supported) <= {form, "asymptotic"}
    assert measures.compare_decay_forms(LAG, CURVES[form] + noise.mean(axis=0)).criterion == "AICc"


def test_the_asymptotic_fit_is_scipys_and_the_exponential_is_that_of_fit_exponential() -> None:
    noisy = CURVES["asymptotic"] + 0.02 * np.random.default_rng(1).standard_normal(len(LAG))
    weights = np.arange(10, 0, -1.0)
    best, _ = curve_fit(lambda t, a, tau, c: a * np.exp(-t / tau) + c, LAG, noisy, (0.5, 4, 0.3), sigma=weights**-0.5)
    fit = measures.fit_decay(LAG, noisy, "asymptotic", weights)
    np.testing.assert_allclose(list(fit.parameters.values()), best, rtol=1e-3)
    plain, other = measures.fit_decay(LAG, noisy, "exponential"), measures.fit_exponential(LAG, noisy)
    assert plain.parameters["decay_time_constant_days"] == pytest.approx(other.decay_time_constant_days, rel=1e-4)


def test_noise_and_few_lags_cannot_be_told() -> None:
    rng = np.random.default_rng(2)
    comparison = measures.compare_decay_forms(LAG[:7], CURVES["exponential"][:7] + 0.05 * rng.standard_normal((6, 7)))
    assert comparison.verdict == "cannot be told" and len(comparison.supported) > 1
    nothing = measures.compare_decay_forms([2.0, 4.0], [0.5, 0.4])
    assert nothing.verdict == "cannot be told" and nothing.supported == () and nothing.n_points == 2


def test_the_wrong_form_is_rarely_told() -> None:
    told = []
    for seed in range(30):
        noise = 0.03 * np.random.default_rng(seed).standard_normal((6, len(LAG)))
        told.append(measures.compare_decay_forms(LAG, CURVES["exponential"] + noise).verdict)
    assert np.mean([verdict not in ("exponential", "cannot be told") for verdict in told]) <= 0.1


def test_aicc_in_closed_form_and_rising_curves_do_not_decay() -> None:
    noisy = CURVES["linear"] + 0.01 * np.random.default_rng(3).standard_normal(len(LAG))
    fit = measures.fit_decay(LAG, noisy, "linear")
    slope, intercept = np.polyfit(LAG, noisy, 1)
    assert fit.parameters["slope_per_day"] == pytest.approx(slope)
    assert fit.parameters["intercept"] == pytest.approx(intercept)
    residual, n, k = ((noisy - intercept - slope * LAG) ** 2).sum(), 10, 3
    assert fit.aicc == pytest.approx(n * np.log(residual / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))
    rising = measures.fit_decay(LAG, CURVES["linear"][::-1], "exponential")
    assert np.isinf(rising.parameters["decay_time_constant_days"])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="form must be one of linear"):
        measures.fit_decay(LAG, LAG, "cubic")
    with pytest.raises(ShapeError, match="equal length"):
        measures.fit_decay(LAG, LAG[:3], "linear")
    with pytest.raises(ShapeError, match="with 10 lags"):
        measures.compare_decay_forms(LAG, np.ones((3, 4)))


def test_a_drop_and_a_steady_loss_are_told_apart() -> None:
    lag = np.array([0.0, 1, 2, 5, 9])
    found = measures.two_stage_decay(lag, np.where(lag > 0, 0.6 - 0.01 * (lag - 1), 1.0))
    assert (found.first_day_drop, found.loss_per_day, found.r2) == pytest.approx((0.4, 0.01, 1))
    steady = measures.two_stage_decay(lag, 1 - 0.02 * lag)
    assert (steady.first_day_drop, steady.loss_per_day) == pytest.approx((0.02, 0.02))  # no drop beyond that of a day
    later = measures.two_stage_decay([0.5, 3, np.nan, 7], [0.0, 0.58, 5.0, 0.54])
    assert (later.first_day_drop, later.loss_per_day, later.n_points) == pytest.approx((0.4, 0.01, 2))
    assert np.isnan(measures.two_stage_decay([0, 1, 1], [1, 0.5, 0.6]).first_day_drop)
    assert np.isnan(measures.two_stage_decay([1, 2], [0.5, 0.5]).r2)
    with pytest.raises(ShapeError, match="equal length"):
        measures.two_stage_decay([1, 2], [1.0])
