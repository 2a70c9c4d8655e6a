"""What activity tells about the target: closed forms, nulls, saturation, invariances, negative controls, oracles."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.cross_decomposition import CCA
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score, r2_score

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError


def channel(n_samples=20_000, r2=0.75, n_units=3, seed=0):
    """Activity of which one direction carries a Gaussian target with the given R^2; the rest is noise."""
    rng = np.random.default_rng(seed)
    target = rng.standard_normal((n_samples, 1))
    hidden = rng.standard_normal((n_samples, n_units))
    hidden[:, 0] = np.sqrt(r2) * target[:, 0] + np.sqrt(1 - r2) * hidden[:, 0]
    return hidden @ ortho_group.rvs(n_units, random_state=seed), target


def regression(seed=0, n_samples=300, n_units=7, n_outputs=3):
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((n_samples, n_units)) + 5
    return hidden, hidden @ rng.standard_normal((n_units, n_outputs)) + 2 * rng.standard_normal((n_samples, n_outputs))


def test_the_readout_is_scikit_learns_linear_regression():
    hidden, target = regression()
    found = measures.best_linear_readout(hidden, target)
    predicted = LinearRegression().fit(hidden, target).predict(hidden)
    assert found.mse == pytest.approx(np.mean((predicted - target) ** 2), rel=1e-9)
    assert found.r2 == pytest.approx(r2_score(target, predicted, multioutput="variance_weighted"), rel=1e-8)
    assert found.accuracy == pytest.approx(np.mean(predicted.argmax(1) == target.argmax(1)))
    assert 0.4 < found.accuracy < 1 and 0.3 < found.r2 < 1


def test_it_is_fitted_on_some_samples_and_tested_on_others():
    hidden, target = regression()
    fitted = np.arange(len(hidden)) % 2 == 0
    found = measures.best_linear_readout(hidden, target, fitted, ~fitted)
    predicted = LinearRegression().fit(hidden[fitted], target[fitted]).predict(hidden[~fitted])
    assert found.mse == pytest.approx(np.mean((predicted - target[~fitted]) ** 2), rel=1e-9)
    assert found.r2 == pytest.approx(r2_score(target[~fitted], predicted, multioutput="variance_weighted"), rel=1e-8)
    assert measures.best_linear_readout(hidden, target, fitted) == measures.best_linear_readout(
        hidden[fitted], target[fitted]
    )


def test_held_out_samples_show_overfitting():
    rng = np.random.default_rng(1)
    hidden, target = rng.standard_normal((120, 50)), rng.standard_normal((120, 1))
    fitted = np.arange(120) < 60
    assert measures.best_linear_readout(hidden, target, fitted).r2 > 0.6
    assert measures.best_linear_readout(hidden, target, fitted, ~fitted).r2 < 0


@pytest.mark.parametrize("n_samples", [4, 300])
def test_singular_activity_is_no_error(n_samples):
    hidden, target = regression(n_samples=n_samples)
    plain = measures.best_linear_readout(hidden, target)
    constant = np.hstack(
        [hidden, hidden[:, :2] - hidden[:, 2:4], np.full((n_samples, 1), 3.0), np.zeros((n_samples, 1))]
    )
    again = measures.best_linear_readout(constant, target)
    assert again.mse == pytest.approx(plain.mse, rel=1e-6, abs=1e-12)
    assert again.r2 == pytest.approx(plain.r2, abs=1e-9)
    silent = measures.best_linear_readout(np.zeros((n_samples, 3)), target)
    assert silent.r2 == pytest.approx(0, abs=1e-12) and silent.mse == pytest.approx(target.var(axis=0).mean())


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_ridge_does_not_see_the_scale_of_single_units(scale):
    hidden, target = regression()
    scaled = hidden * np.where(np.arange(7) < 3, scale, 1.0)
    assert measures.best_linear_readout(scaled, target).mse == pytest.approx(
        measures.best_linear_readout(hidden, target).mse, rel=1e-6
    )


def test_what_counts_as_right():
    target = np.repeat(np.eye(3), [4, 4, 4], axis=0)
    hidden = np.repeat(np.arange(3.0), 4)[:, None]
    # one axis cannot single out the class in the middle
    assert measures.best_linear_readout(hidden, target).accuracy == pytest.approx(8 / 12)
    acceptable = target.astype(bool) | np.array([True, False, True])
    assert measures.best_linear_readout(hidden, target, acceptable=acceptable).accuracy == 1
    one = target[:, :1]
    assert np.isnan(measures.best_linear_readout(hidden, one).accuracy)
    assert measures.best_linear_readout(hidden, one, threshold=0.5).accuracy == 1
    assert measures.best_linear_readout(hidden, one, threshold=2.0).accuracy == 1
    wrong = np.hstack([one > 0.5, one <= 0.5])
    assert measures.best_linear_readout(hidden, one, threshold=0.5, acceptable=wrong).accuracy == 0


def test_a_constant_target_has_no_r2():
    found = measures.best_linear_readout(regression()[0], np.full(300, 0.3))
    assert np.isnan(found.r2) and found.mse == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("r2", [0.1, 0.75, 0.99])
def test_gaussian_channel(r2):
    hidden, target = channel(r2=r2)
    truth = -0.5 * np.log2(1 - r2)
    gaussian = measures.target_information_gaussian(hidden, target)
    assert gaussian == pytest.approx(truth, abs=0.03)
    found = measures.best_linear_readout(hidden, target).r2
    assert gaussian == pytest.approx(-0.5 * np.log2(1 - found), abs=1e-9)


def test_several_outputs_are_canonical_correlations():
    hidden, target = regression()
    x, y = CCA(3, max_iter=5000, tol=1e-12).fit_transform(hidden, target)
    rho = [np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(3)]
    expected = -0.5 * np.log2(1 - np.square(rho)).sum()
    assert measures.target_information_gaussian(hidden, target) == pytest.approx(expected, rel=1e-6)
    covariance = np.cov(np.hstack([hidden, target]).T)
    dets = [np.linalg.slogdet(part)[1] for part in (covariance[:7, :7], covariance[7:, 7:], covariance)]
    assert expected == pytest.approx(0.5 * (dets[0] + dets[1] - dets[2]) / np.log(2), rel=1e-6)


def test_classes_are_wilks_lambda():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 500)
    hidden = rng.standard_normal((500, 5)) + 2 * rng.standard_normal((4, 5))[labels]
    centred = hidden - hidden.mean(0)
    within = hidden - np.stack([hidden[labels == k].mean(0) for k in range(4)])[labels]
    wilks = np.linalg.det(within.T @ within) / np.linalg.det(centred.T @ centred)
    found = measures.target_information_gaussian(hidden, labels)
    assert found == pytest.approx(-0.5 * np.log2(wilks), rel=1e-6)
    assert found == pytest.approx(measures.target_information_gaussian(hidden, np.eye(4)[labels]), rel=1e-9)
    assert found == pytest.approx(
        measures.target_information_gaussian(hidden, np.array(list("dbca"))[labels]), rel=1e-9
    )
    assert found > 2  # above H(Y): the Gaussian form knows no ceiling


@pytest.mark.parametrize("estimator", ["gaussian", "neighbours"])
@pytest.mark.parametrize("kind", ["values", "labels"])
def test_permuted_targets_carry_nothing(estimator, kind):
    hidden, target = channel(n_samples=1000)
    target = target if kind == "values" else (target[:, 0] > 0).astype(int)
    measure = getattr(measures, f"target_information_{estimator}")
    rng = np.random.default_rng(3)
    null = [measure(hidden, rng.permutation(target)) for _ in range(20)]
    assert measure(hidden, target) > 10 * max(null)
    if estimator == "gaussian":
        bias = 3 / (2 * np.log(2) * 1000)
        assert np.mean(null) == pytest.approx(bias, rel=0.5)


@pytest.mark.parametrize("n_units", [1, 6])
def test_the_binned_estimate_saturates_with_units_not_with_information(n_units):
    rng = np.random.default_rng(4)
    hidden, target = rng.random((20_000, n_units)) - 0.5, rng.random((20_000, 1)) - 0.5
    found = measures.target_information_binned(hidden, target)
    assert found.ceiling == pytest.approx(np.log2(10), abs=0.001)
    if n_units == 1:
        assert found.information < 0.01
    else:
        assert found.information > 0.99 * found.ceiling
    assert measures.target_information_gaussian(hidden, target) < 0.001


def test_the_binned_estimate_against_counted_tables():
    rng = np.random.default_rng(5)
    hidden, target = rng.standard_normal((400, 2)), rng.standard_normal((400, 1))
    target += hidden[:, :1]
    joint = [f"{np.floor(a / 0.5)} {np.floor(b / 0.5)}" for a, b in hidden]
    expected = mutual_info_score(joint, np.floor(target[:, 0] / 0.5)) / np.log(2)
    found = measures.target_information_binned(hidden, target, 0.5)
    assert found.information == pytest.approx(expected, rel=1e-9)
    labels = (target[:, 0] > 0).astype(int)
    expected = mutual_info_score(joint, labels) / np.log(2)
    assert measures.target_information_binned(hidden, labels, 0.5).information == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("width", [0.1, 1e-4])
def test_many_units_need_more_labels_than_a_number_holds(width):
    rng = np.random.default_rng(6)
    few = np.repeat(rng.standard_normal((8, 300)), 5, axis=0)
    target = np.tile(np.arange(5), 8)
    target[:20] = 0
    found = measures.target_information_binned(few, target, width)
    expected = mutual_info_score(np.repeat(np.arange(8), 5), target) / np.log(2)
    assert found.information == pytest.approx(expected, rel=1e-9)
    assert found.information < 0.9 * found.ceiling


def test_a_perfect_code_reaches_the_ceiling():
    labels = np.repeat(np.arange(4), 25)
    found = measures.target_information_binned(np.eye(4)[labels] + 0.05, labels)
    assert found.information == found.ceiling == pytest.approx(2)


def test_the_gaussian_estimate_stays_under_invertible_maps_and_the_binned_one_does_not():
    hidden, target = channel(n_samples=2000)
    rng = np.random.default_rng(7)
    turn, other = rng.standard_normal((3, 3)), np.array([[-3.0]])
    before = measures.target_information_gaussian(hidden, target)
    assert measures.target_information_gaussian(hidden @ turn + 4, target @ other - 1) == pytest.approx(
        before, rel=1e-7
    )
    assert abs(measures.target_information_gaussian(np.tanh(2 * hidden), target) - before) > 0.01
    binned = measures.target_information_binned(hidden, target, 0.5).information
    assert abs(measures.target_information_binned(hidden @ turn, target, 0.5).information - binned) > 0.1


def test_a_target_that_follows_from_activity_is_infinite_for_the_gaussian_form():
    hidden = regression()[0]
    assert measures.target_information_gaussian(hidden, hidden @ np.arange(7.0)) == np.inf
    assert np.isnan(measures.target_information_gaussian(hidden, np.zeros(300)))
    assert measures.target_information_gaussian(np.full((300, 2), 0.3), hidden) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("r2", [0.0, 0.5, 0.9])
def test_neighbours_in_a_gaussian_channel(r2):
    hidden, target = channel(n_samples=3000, r2=r2, n_units=2, seed=1)
    truth = -0.5 * np.log2(1 - r2)
    assert measures.target_information_neighbours(hidden, target) == pytest.approx(truth, abs=0.08)


def test_neighbours_see_what_no_linear_readout_sees():
    rng = np.random.default_rng(8)
    hidden = rng.uniform(-1, 1, (2000, 2))
    target = np.sign(hidden[:, 0] * hidden[:, 1])
    assert measures.target_information_gaussian(hidden, target) < 0.01
    assert measures.target_information_neighbours(hidden, target.astype(int)) == pytest.approx(1, abs=0.08)
    assert measures.target_information_neighbours(hidden, target + 0.01 * rng.random(2000)) > 0.6


@pytest.mark.parametrize("neighbours", [1, 3, 7])
def test_neighbours_against_scikit_learn(neighbours):
    hidden, target = channel(n_samples=400, n_units=1)
    theirs = mutual_info_regression(hidden, target[:, 0], n_neighbors=neighbours, random_state=0)[0]
    assert measures.target_information_neighbours(hidden, target, neighbours) == pytest.approx(
        theirs / np.log(2), abs=1e-6
    )
    labels = np.digitize(target[:, 0], [-1.0, 0.5])
    labels[0] = 7  # occurs once
    theirs = mutual_info_classif(hidden, labels, n_neighbors=neighbours, random_state=0)[0]
    assert measures.target_information_neighbours(hidden, labels, neighbours) == pytest.approx(
        theirs / np.log(2), abs=1e-6
    )


def test_neighbours_do_not_see_the_scale_of_units_nor_constant_ones():
    hidden, target = channel(n_samples=500)
    found = measures.target_information_neighbours(hidden, target)
    scaled = np.hstack([hidden * [1e-3, 1, 1e3], np.full((500, 1), 2.0)])
    assert measures.target_information_neighbours(scaled, 100 * target) == pytest.approx(found, rel=1e-6)
    assert np.isnan(measures.target_information_neighbours(np.zeros((500, 2)), target))
    assert np.isnan(measures.target_information_neighbours(hidden[:3], target[:3]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_nan_everywhere(bad):
    hidden, target = regression()
    hidden[3, 1] = bad
    assert np.isnan(measures.best_linear_readout(hidden, target)).all()
    assert np.isnan(measures.target_information_gaussian(hidden, target))
    assert np.isnan(measures.target_information_binned(hidden, target)).all()
    assert np.isnan(measures.target_information_neighbours(hidden, target))


def test_what_does_not_fit_is_refused():
    hidden, target = regression()
    for measure in (
        measures.best_linear_readout,
        measures.target_information_gaussian,
        measures.target_information_binned,
        measures.target_information_neighbours,
    ):
        with pytest.raises(ShapeError, match=r"\(300, 7\) and \(299, 3\)|\(299, 3\)"):
            measure(hidden, target[1:])
    with pytest.raises(ShapeError, match="fitted_on must be one bool per sample"):
        measures.best_linear_readout(hidden, target, np.arange(10))
    with pytest.raises(ShapeError, match="acceptable must be"):
        measures.best_linear_readout(hidden, target, acceptable=np.ones((300, 2), dtype=bool))
    with pytest.raises(ShapeError, match="a threshold needs one output"):
        measures.best_linear_readout(hidden, target, threshold=0.0)
    with pytest.raises(ConfigError, match="width"):
        measures.target_information_binned(hidden, target, 0.0)
    with pytest.raises(ConfigError, match="one neighbour"):
        measures.target_information_neighbours(hidden, target, 0)


def test_gaussian_information_of_no_more_samples_than_free_numbers_is_not_told():
    generator = np.random.default_rng(0)
    for n_samples, told in ((6, False), (7, True)):
        hidden, target = generator.standard_normal((n_samples, 5)), generator.standard_normal(n_samples)
        assert np.isfinite(measures.target_information_gaussian(hidden, target)) == told
