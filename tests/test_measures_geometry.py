"""Geometry of drift: closed forms, naive loops with gaps, oracles, invariances with controls, chance levels."""

import numpy as np
import pytest
from scipy.stats import kurtosis, ortho_group

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures import displacement, geometry

MATRICES = {
    "magnitude": geometry.drift_magnitude,
    "angle": geometry.angle_between_population_vectors_deg,
    "cka": geometry.linear_cka,
    "msd": displacement.mean_squared_displacement,
    "kurtosis": displacement.drift_kurtosis,
    "top_share": displacement.drift_share_of_top_units,
}
#: what a rotation of the units leaves as it is, and what the units' own axes matter to
ROTATABLE, OF_UNITS = ("magnitude", "angle", "cka", "msd"), ("kurtosis", "top_share")


def maps_with_gaps(rng: np.random.Generator, sessions: int = 5, stimuli: int = 7, units: int = 34) -> np.ndarray:
    """Maps with lost units, stimuli that were not shown, a silent unit and a silent population."""
    maps = rng.gamma(2.0, 1.0, (stimuli, units)) + rng.gamma(2.0, 1.0, (sessions, stimuli, units))
    maps[:, :, 3] = 0.0
    maps[1, 2] = 0.0
    maps[np.broadcast_to((rng.random((sessions, units)) < 0.3)[:, None], maps.shape)] = np.nan
    maps[0, 5] = maps[-1, 1] = np.nan
    return maps


def pair_of(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both maps over the units and stimuli that both have."""
    units = np.isfinite(first).any(0) & np.isfinite(second).any(0)
    stimuli = np.isfinite(first).any(1) & np.isfinite(second).any(1)
    return first[np.ix_(stimuli, units)], second[np.ix_(stimuli, units)]


def cka_of_features(a: np.ndarray, b: np.ndarray) -> float:
    """The formula in unit space, the code's is in stimulus space."""
    a, b = a - a.mean(0), b - b.mean(0)
    return float(np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))


def naive(name: str, first: np.ndarray, second: np.ndarray) -> float:
    a, b = pair_of(first, second)
    drift = b - a
    if name == "cka":
        return cka_of_features(a, b)
    if name == "msd":
        return float((drift**2).mean())
    if name == "top_share":
        energy = np.sort((drift**2).sum(0))[::-1]
        return float(energy[: int(np.ceil(0.1 * len(energy)))].sum() / energy.sum()) if energy.any() else np.nan
    values = []
    for x, y in zip(a, b, strict=True):
        if name == "magnitude" and x.any():
            values.append(np.linalg.norm(y - x) / np.linalg.norm(x))
        elif name == "angle" and x.any() and y.any():
            cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
            values.append(np.degrees(np.arccos(min(cosine, 1.0))))
        elif name == "kurtosis" and np.ptp(y - x) > 0:
            values.append(kurtosis(y - x, bias=False))
    return float(np.mean(values)) if values else np.nan


@pytest.mark.parametrize("name", MATRICES)
def test_equals_a_naive_loop_over_pairs_with_gaps(name: str) -> None:
    rng = np.random.default_rng(1)
    maps, other = maps_with_gaps(rng), maps_with_gaps(rng)[:4]
    expected = [[naive(name, a, b) for b in other] for a in maps]
    np.testing.assert_allclose(MATRICES[name](maps, other), expected, rtol=0, atol=1e-9)
    expected = [[naive(name, a, b) for b in maps] for a in maps]
    np.testing.assert_allclose(MATRICES[name](maps), expected, rtol=0, atol=1e-5 if name == "angle" else 1e-9)


@pytest.mark.parametrize("name", MATRICES)
def test_nothing_in_common_is_missing(name: str) -> None:
    maps = np.random.default_rng(0).standard_normal((2, 5, 12))
    maps[0, :, :6] = maps[1, :, 6:] = np.nan
    assert np.isnan(MATRICES[name](maps)[0, 1])
    with pytest.raises(ShapeError):
        MATRICES[name](maps[0])
    maps[0, 0, 8] = np.nan
    with pytest.raises(ShapeError, match="lack single values"):
        MATRICES[name](maps)


def test_drift_vectors_in_closed_form() -> None:
    nan = np.nan
    earlier = [[3.0, 4.0, 9.0, nan], [0.0, 0.0, 1.0, nan], [1.0, 1.0, 1.0, nan], [nan] * 4]
    later = [[6.0, 8.0, nan, 2.0], [0.0, 2.0, nan, 2.0], [1.0, 1.0, nan, 2.0], [1.0, 1.0, nan, 2.0]]
    drift = geometry.drift_vectors(earlier, later)
    np.testing.assert_array_equal(drift.vector[:, :2], [[3, 4], [0, 2], [0, 0], [nan, nan]])
    np.testing.assert_allclose(drift.direction[:, :2], [[0.6, 0.8], [0, 1], [nan, nan], [nan, nan]])
    assert np.isnan(drift.vector[:, 2:]).all() and np.isnan(drift.direction[:, 2:]).all()
    np.testing.assert_array_equal(drift.magnitude, [5, 2, 0, nan])
    np.testing.assert_array_equal(drift.relative_magnitude, [1, nan, 0, nan])
    with pytest.raises(ShapeError, match="same dimensions"):
        geometry.drift_vectors(earlier, later[:2])


def test_drift_vectors_agree_with_the_matrix_and_reverse_their_sign() -> None:
    maps = maps_with_gaps(np.random.default_rng(3))
    forth, back = geometry.drift_vectors(maps[0], maps[1]), geometry.drift_vectors(maps[1], maps[0])
    assert np.nanmean(forth.relative_magnitude) == pytest.approx(geometry.drift_magnitude(maps)[0, 1])
    np.testing.assert_array_equal(forth.direction, -back.direction)
    assert np.nanmean(back.relative_magnitude) != pytest.approx(np.nanmean(forth.relative_magnitude), rel=1e-3)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 30.0, 90.0, 180.0])
def test_angle_and_size_of_a_rotation_of_known_angle(angle: float) -> None:
    turned = np.deg2rad(angle)
    maps = np.array([[[2.0, 0.0]], [[2 * np.cos(turned), 2 * np.sin(turned)]]])
    assert geometry.angle_between_population_vectors_deg(maps)[0, 1] == pytest.approx(angle, rel=1e-9, abs=1e-12)
    assert geometry.drift_magnitude(maps)[0, 1] == pytest.approx(2 * np.sin(turned / 2), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", MATRICES)
def test_rotation_permutation_and_scaling_of_units(name: str) -> None:
    rng = np.random.default_rng(4)
    maps, measure = rng.laplace(size=(3, 9, 20)), MATRICES[name]
    measured, off = measure(maps), ~np.eye(3, dtype=bool)
    order = rng.permutation(20)
    np.testing.assert_allclose(measure(maps[:, :, order]), measured, atol=1e-9)
    np.testing.assert_allclose(measure(maps[:, rng.permutation(9)]), measured, atol=1e-9)
    np.testing.assert_allclose(measure(3 * maps), (9 if name == "msd" else 1) * measured, rtol=1e-9, atol=1e-12)
    rotated = measure(maps @ ortho_group.rvs(20, random_state=5))
    if name in ROTATABLE:
        np.testing.assert_allclose(rotated, measured, atol=1e-6)
    else:
        assert name in OF_UNITS and (np.abs(rotated - measured)[off] > 1e-3).all()
    # one session alone: only the geometry of the stimuli does not care
    shuffled, grown = maps.copy(), maps.copy()
    shuffled[1], grown[1] = maps[1][:, order], 3 * maps[1]
    changed = np.abs(measure(shuffled) - measured)[0, 1]
    assert changed < 1e-9 if name == "cka" else changed > 1e-3
    changed = np.abs(measure(grown) - measured)[0, 1]
    assert changed < 1e-9 if name in ("cka", "angle") else changed > 1e-3


def test_cka_equals_rsatoolbox_and_ignores_offsets() -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    rng = np.random.default_rng(6)
    maps = rng.standard_normal((9, 25)) + rng.standard_normal((3, 9, 25))
    rdms = rsatoolbox.rdm.calc_rdm([rsatoolbox.data.Dataset(each) for each in maps], method="euclidean")
    expected = rsatoolbox.rdm.compare(rdms, rdms, method="cosine_cov")
    np.testing.assert_allclose(geometry.linear_cka(maps), expected, atol=1e-8)
    np.testing.assert_allclose(geometry.linear_cka(maps + 100 * rng.standard_normal((3, 1, 25))), expected, atol=1e-8)
    assert np.isnan(geometry.linear_cka(np.ones((2, 9, 25)))).all()


@pytest.mark.parametrize(("n_units", "n_stimuli"), [(40, 40), (400, 20), (20, 100)])
def test_cka_of_unrelated_maps(n_units: int, n_stimuli: int) -> None:
    maps = np.random.default_rng(7).standard_normal((12, n_stimuli, n_units))
    chance = geometry.linear_cka(maps)[np.triu_indices(12, 1)].mean()
    assert chance == pytest.approx(n_units / (n_units + n_stimuli), abs=0.01)


def halves_of(rng: np.random.Generator, true: np.ndarray, noise: float) -> np.ndarray:
    return true + noise * rng.standard_normal((2, *true.shape))


def test_noise_of_trials_is_no_drift_after_correction() -> None:
    rng = np.random.default_rng(8)
    true = np.broadcast_to(2 + rng.standard_normal((30, 200)), (10, 30, 200))
    halves, off = halves_of(rng, true, 1.0), np.triu_indices(10, 1)
    corrected = displacement.mean_squared_displacement_noise_corrected(halves)[off]
    raw = displacement.mean_squared_displacement(halves.mean(axis=0))[off]
    assert raw.mean() == pytest.approx(1.0, abs=0.05)
    assert abs(corrected.mean()) < 0.02
    assert geometry.drift_magnitude_noise_corrected(halves)[off].mean() < 0.1
    assert geometry.drift_magnitude(halves.mean(axis=0))[off].mean() > 0.4


def test_size_of_known_drift_below_noise_is_recovered() -> None:
    rng = np.random.default_rng(9)
    first = rng.standard_normal((40, 300))
    true = np.stack([first, first + 0.5 * rng.standard_normal((40, 300))])
    relative = np.linalg.norm(true[1] - true[0]) / np.linalg.norm(true[0])
    square = ((true[1] - true[0]) ** 2).mean()
    measured = [
        (
            geometry.drift_magnitude_noise_corrected(halves)[0, 1],
            displacement.mean_squared_displacement_noise_corrected(halves)[0, 1],
        )
        for halves in (halves_of(rng, true, 1.0) for _ in range(20))
    ]
    magnitudes, squares = np.transpose(measured)
    assert magnitudes.mean() == pytest.approx(relative, abs=0.02)
    assert squares.mean() == pytest.approx(square, abs=0.02)
    exact = np.stack([true, true])
    assert geometry.drift_magnitude_noise_corrected(exact)[0, 1] == pytest.approx(relative)
    maps = np.stack([maps_with_gaps(np.random.default_rng(1))] * 2)
    np.testing.assert_allclose(
        displacement.mean_squared_displacement_noise_corrected(maps), displacement.mean_squared_displacement(maps[0])
    )
    for measure in (
        geometry.drift_magnitude_noise_corrected,
        displacement.mean_squared_displacement_noise_corrected,
    ):
        with pytest.raises(ShapeError, match="halves"):
            measure(true)


def test_halves_that_lack_different_units_use_those_of_both() -> None:
    halves = np.random.default_rng(14).standard_normal((2, 3, 5, 12))
    both = halves[:, :, 1:, 2:]
    halves[1, 0, :, :2] = halves[0, 1, 0] = halves[0, 2, 0] = halves[1, 0, 0] = np.nan
    for measure in (
        geometry.drift_magnitude_noise_corrected,
        displacement.mean_squared_displacement_noise_corrected,
    ):
        np.testing.assert_allclose(measure(halves)[0], measure(both)[0], atol=1e-12)
        assert measure(halves)[1, 2] != pytest.approx(measure(both)[1, 2], rel=1e-6)


def curve_by_lag(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lags = np.arange(1, len(matrix) // 2)
    return lags.astype(float), np.array([np.diagonal(matrix, lag).mean() for lag in lags])


def walks(rng: np.random.Generator, exponent: float, constant: float, sessions: int = 24) -> np.ndarray:
    """Gaussian motion (session, stimulus, unit) with stationary increments and MSD = 2 constant lag^exponent."""
    t = np.arange(sessions, dtype=float)
    apart = np.abs(t[:, None] - t[None])
    covariance = constant * (t[:, None] ** exponent + t[None] ** exponent - apart**exponent)
    root = np.linalg.cholesky(covariance[1:, 1:])
    moves = np.einsum("st,tkn->skn", root, rng.standard_normal((sessions - 1, 10, 400)))
    return 5 + np.concatenate([np.zeros((1, 10, 400)), moves])


@pytest.mark.parametrize(("exponent", "constant"), [(1.0, 0.3), (0.5, 0.3), (1.5, 0.05)])
def test_walks_of_known_exponent_and_diffusion_are_recovered(exponent: float, constant: float) -> None:
    rng = np.random.default_rng(10)
    maps = walks(rng, exponent, constant)
    fit = displacement.fit_diffusion(*curve_by_lag(displacement.mean_squared_displacement(maps)))
    assert fit.exponent == pytest.approx(exponent, abs=0.03)
    assert fit.diffusion_constant == pytest.approx(constant, rel=0.03)
    fixed = displacement.fit_diffusion(*curve_by_lag(displacement.mean_squared_displacement(maps)), exponent=exponent)
    assert fixed.diffusion_constant == pytest.approx(constant, rel=0.05)
    # noise of the trials slows the walk, halves take it out
    halves = halves_of(rng, maps, 2 * np.sqrt(constant))
    raw = displacement.fit_diffusion(*curve_by_lag(displacement.mean_squared_displacement(halves.mean(axis=0))))
    half = displacement.fit_diffusion(*curve_by_lag(displacement.mean_squared_displacement_noise_corrected(halves)))
    assert raw.exponent < 0.85 * exponent
    assert half.exponent == pytest.approx(exponent, abs=0.04)
    assert half.diffusion_constant == pytest.approx(constant, rel=0.06)


def test_a_step_by_step_walk_has_exponent_one() -> None:
    steps = np.random.default_rng(11).standard_normal((30, 8, 300)) * 0.2
    maps = np.cumsum(steps, axis=0)
    fit = displacement.fit_diffusion(*curve_by_lag(displacement.mean_squared_displacement(maps)))
    assert fit.exponent == pytest.approx(1.0, abs=0.03)
    assert fit.diffusion_constant == pytest.approx(0.02, rel=0.03)


def test_fit_of_diffusion_says_what_it_left_out() -> None:
    fit = displacement.fit_diffusion([0, 1, 2, 4, 8, 16], [0.0, 2.0, 4.0, -1.0, np.nan, 32.0])
    assert (fit.n_points, fit.n_left_out) == (3, 1)
    assert (fit.exponent, fit.diffusion_constant, fit.r2) == pytest.approx((1, 1, 1))
    for none in ([3.0, 3.0], [3.0, 4.0]):
        assert np.isnan(displacement.fit_diffusion(none, [1.0, 2.0 if none[1] == 3 else -1.0]).exponent)
    assert np.isnan(displacement.fit_diffusion([1, 2], [3.0, 3.0]).r2)
    assert displacement.fit_diffusion([1, 2], [3.0, 3.0]).exponent == pytest.approx(0, abs=1e-12)
    with pytest.raises(ShapeError):
        displacement.fit_diffusion([1, 2], [3.0])


@pytest.mark.parametrize(("family", "excess"), [("normal", 0.0), ("laplace", 3.0), ("uniform", -1.2)])
@pytest.mark.parametrize("n_units", [12, 400])
def test_kurtosis_of_known_steps(family: str, excess: float, n_units: int) -> None:
    rng = np.random.default_rng(12)
    steps = getattr(rng, family)(size=(4000 if n_units == 12 else 400, n_units))
    maps = np.stack([np.zeros_like(steps), steps])
    # without bias at any number of units for normal steps; for others only with many
    if n_units == 400 or family == "normal":
        assert displacement.drift_kurtosis(maps)[0, 1] == pytest.approx(excess, abs=0.2)
    assert displacement.drift_kurtosis(5 + 3 * maps)[0, 1] == pytest.approx(displacement.drift_kurtosis(maps)[0, 1])
    assert np.isnan(displacement.drift_kurtosis(maps)[0, 0])
    assert np.isnan(displacement.drift_kurtosis(maps[:, :, :3])).all()
    assert np.isnan(displacement.drift_kurtosis(np.stack([steps, steps + 1]))[0, 1])


@pytest.mark.parametrize("n_stimuli", [1, 5, 40])
@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_share_of_top_units_at_chance_and_in_the_extremes(n_stimuli: int, fraction: float) -> None:
    rng = np.random.default_rng(13)
    maps = rng.standard_normal((2, n_stimuli, 20_000))
    measured = displacement.drift_share_of_top_units(maps, fraction=fraction)[0, 1]
    assert measured == pytest.approx(displacement.top_share_of_normal_drift(n_stimuli, fraction), abs=0.01)
    even = np.stack([np.zeros((n_stimuli, 50)), np.ones((n_stimuli, 50))])
    assert displacement.drift_share_of_top_units(even, fraction=fraction)[0, 1] == pytest.approx(fraction)
    one = even * (np.arange(50) == 7)
    assert displacement.drift_share_of_top_units(one, fraction=fraction)[0, 1] == 1
    assert np.isnan(displacement.drift_share_of_top_units(one, fraction=fraction)[0, 0])


def test_fractions_that_are_none_are_refused() -> None:
    for fraction in (0.0, 1.0):
        with pytest.raises(ConfigError, match="fraction"):
            displacement.drift_share_of_top_units(np.zeros((2, 3, 4)), fraction=fraction)
        with pytest.raises(ConfigError, match="fraction"):
            displacement.top_share_of_normal_drift(3, fraction)
    with pytest.raises(ConfigError, match="n_stimuli"):
        displacement.top_share_of_normal_drift(0)


def test_the_mean_squared_rotation_is_the_square_of_a_known_angle_and_sees_no_gain() -> None:
    rng = np.random.default_rng(11)
    start, end = (np.linalg.qr(rng.standard_normal((40, 2)))[0].T for _ in range(2))
    start, end = start[0], end[0] - (end[0] @ start[0]) * start[0]
    end /= np.linalg.norm(end)
    angle = 0.03 * np.arange(8)
    maps = np.cos(angle)[:, None, None] * start + np.sin(angle)[:, None, None] * end
    found = displacement.mean_squared_rotation(maps)
    np.testing.assert_allclose(found, (angle[:, None] - angle) ** 2, atol=1e-12)
    gains = np.linspace(1, 3, 8)[:, None, None]
    np.testing.assert_allclose(displacement.mean_squared_rotation(gains * maps), found, atol=1e-12)
    assert not np.allclose(displacement.mean_squared_displacement(gains * maps), found / 40)
    fit = displacement.fit_diffusion(*curve_by_lag(found))
    assert (fit.exponent, fit.diffusion_constant) == pytest.approx((2, 0.03**2 / 2))


def test_a_walk_on_the_sphere_diffuses_with_exponent_one_and_gaps_are_left_out() -> None:
    rng = np.random.default_rng(12)
    maps = [rng.standard_normal((30, 300))]
    for _ in range(9):
        maps.append(maps[-1] + 0.05 * rng.standard_normal((30, 300)))
    values = np.stack(maps)
    found = displacement.mean_squared_rotation(values)
    fit = displacement.fit_diffusion(*curve_by_lag(found))
    assert (fit.exponent, fit.diffusion_constant) == pytest.approx((1, 0.05**2 / 2), rel=0.05)
    gaps = values.copy()
    gaps[2, :, :40], gaps[5, 3] = np.nan, np.nan
    with_gaps = displacement.mean_squared_rotation(gaps)
    common = displacement.mean_squared_rotation(np.delete(values[[2, 5]][:, :, 40:], 3, axis=1))
    assert with_gaps[2, 5] == pytest.approx(common[0, 1])
    assert np.isnan(displacement.mean_squared_rotation(np.zeros((2, 3, 4)))).all()
