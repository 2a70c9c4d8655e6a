"""Variational spaces: scikit-learn's PCA, naive loops with gaps, invariances with controls, chance by simulation."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.decomposition import PCA

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures import variational
from neurofa.measures.variational import compare_variational_spaces, participation_ratio, variational_space


def correlated(rng: np.random.Generator, shape: tuple[int, ...], units: int, decay: float = 0.6) -> np.ndarray:
    """Responses with variances decay^i along axes of their own."""
    axes = ortho_group.rvs(units, random_state=int(rng.integers(1 << 30)))
    return (rng.standard_normal((*shape, units)) * decay ** (np.arange(units) / 2)) @ axes


def with_gaps(rng: np.random.Generator) -> np.ndarray:
    """(session, stimulus, repeat, unit) with lost units, lost repeats, and stimuli with one repeat or no variance."""
    responses = 3 + correlated(rng, (4, 5, 9), 16) + 0.3 * rng.standard_normal((4, 5, 1, 16))
    responses[np.broadcast_to((rng.random((4, 16)) < 0.2)[:, None, None], responses.shape)] = np.nan
    responses[0, 1, 4:] = responses[2, 3, 1:] = responses[3, 2] = np.nan
    responses[1, 4] = responses[1, 4, :1]
    return responses


@pytest.mark.parametrize("shape", [(30, 12), (8, 50)])
def test_space_equals_scikit_learns_components(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    responses = 4 + correlated(rng, shape[:1], shape[1])
    pca = PCA(svd_solver="full").fit(responses)
    variance = pca.explained_variance_
    expected = variance.sum() ** 2 / (variance**2).sum()
    assert participation_ratio(responses) == pytest.approx(expected, rel=1e-10)
    space = variational_space(responses)
    assert space.participation_ratio == pytest.approx(expected, rel=1e-10)
    assert len(space.axes) == int(np.ceil(expected)) > 1
    np.testing.assert_allclose(space.variance_ratio, pca.explained_variance_ratio_[: len(space.axes)], atol=1e-10)
    sign = np.sign(pca.components_ @ responses.mean(axis=0))[:, None]
    np.testing.assert_allclose(space.axes, (sign * pca.components_)[: len(space.axes)], atol=1e-8)
    for share in (0.3, 0.8, 0.95):
        expected_number = PCA(n_components=share, svd_solver="full").fit(responses).n_components_
        found = variational_space(responses, share)
        assert len(found.axes) == expected_number
        assert found.variance_ratio.sum() >= share > found.variance_ratio[:-1].sum()
    whole = variational_space(responses, 1.0)
    assert len(whole.axes) == min(shape[0] - 1, shape[1])
    np.testing.assert_allclose(whole.axes @ whole.axes.T, np.eye(len(whole.axes)), atol=1e-8)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_equal_variance_along_k_axes_has_k_dimensions(dimensions: int) -> None:
    axes = ortho_group.rvs(20, random_state=2)[:dimensions]
    responses = 7 + np.concatenate([axes, -axes])
    assert participation_ratio(responses) == pytest.approx(dimensions, rel=1e-10)
    space = variational_space(responses)
    assert len(space.axes) == dimensions
    np.testing.assert_allclose(space.axes.T @ space.axes, axes.T @ axes, atol=1e-10)


def test_participation_ratio_of_many_groups_and_gaps() -> None:
    responses = with_gaps(np.random.default_rng(3))
    ratios = participation_ratio(responses)
    assert ratios.shape == (4, 5)
    for session in range(4):
        for stimulus in range(5):
            group = responses[session, stimulus]
            group = group[np.isfinite(group).any(1)][:, np.isfinite(group).any(0)]
            defined = len(group) >= 2 and np.ptp(group, axis=0).any()
            expected = np.nan
            if defined:
                variance = np.linalg.svd(group - group.mean(0), compute_uv=False) ** 2
                expected = variance.sum() ** 2 / (variance**2).sum()
            assert ratios[session, stimulus] == pytest.approx(expected, rel=1e-10, nan_ok=True)
    assert np.isnan(ratios[[2, 3, 1], [3, 2, 4]]).all() and np.isfinite(ratios).sum() == 17


def test_participation_ratio_under_rotation_scaling_and_stretching() -> None:
    rng = np.random.default_rng(4)
    responses = correlated(rng, (25,), 10)
    measured = participation_ratio(responses)
    assert participation_ratio(1e-6 * responses + 3e-6) == pytest.approx(measured, rel=1e-8)
    assert participation_ratio(responses @ ortho_group.rvs(10, random_state=5)) == pytest.approx(measured)
    assert participation_ratio(responses * np.linspace(1, 4, 10)) != pytest.approx(measured, rel=0.01)


def naive(earlier: np.ndarray, later: np.ndarray, share: float | None) -> list[float]:
    """Fields of the comparison of two sessions (stimulus, repeat, unit), from the spaces of single groups."""
    units = np.isfinite(earlier).any((0, 1)) & np.isfinite(later).any((0, 1))
    values: list[list[float]] = [[], [], [], [], []]
    for a, b in zip(earlier[:, :, units], later[:, :, units], strict=True):
        first, second = variational_space(a, share), variational_space(b, share)
        if not len(first.axes) or not len(second.axes):
            continue
        w, v, n = first.axes, second.axes, units.sum()
        drift = np.nanmean(b, axis=0) - np.nanmean(a, axis=0)
        values[0].append(len(w))
        if np.linalg.norm(drift) > 0:
            values[1].append(((w @ drift) ** 2).sum() / (drift @ drift))
            values[2].append(len(w) / n)
        values[3].append(((w @ v.T) ** 2).sum() / min(len(w), len(v)))
        values[4].append(max(len(w), len(v)) / n)
    return [float(np.mean(each)) if each else np.nan for each in values]


@pytest.mark.parametrize("share", [None, 0.9])
def test_comparison_equals_a_naive_loop_over_pairs_with_gaps(share: float | None) -> None:
    responses = with_gaps(np.random.default_rng(6))
    found = compare_variational_spaces(responses, share)
    expected = np.array([[naive(a, b, share) for b in responses] for a in responses])
    for index, matrix in enumerate(found):
        np.testing.assert_allclose(matrix, expected[:, :, index], atol=1e-8)
    np.testing.assert_allclose(np.diag(found.overlap), 1.0, atol=1e-9)
    assert np.isnan(np.diag(found.in_space_ratio)).all()


def test_without_gaps_the_same_as_with_an_unused_unit() -> None:
    responses = correlated(np.random.default_rng(7), (3, 4, 10), 12)
    padded = np.concatenate([responses, np.full((3, 4, 10, 1), np.nan)], axis=3)
    for plain, found in zip(compare_variational_spaces(responses), compare_variational_spaces(padded), strict=True):
        np.testing.assert_allclose(found, plain, atol=1e-10)


def test_drift_inside_and_outside_of_the_space() -> None:
    axes = ortho_group.rvs(30, random_state=8)
    rng = np.random.default_rng(8)
    first = rng.standard_normal((40, 2)) @ axes[:2]
    second = rng.standard_normal((40, 2)) @ axes[2:4]
    first, second = first - first.mean(0), second - second.mean(0)
    for inside in (0.0, 0.25, 1.0):
        moved = first + np.sqrt(inside) * axes[0] + np.sqrt(1 - inside) * axes[5]
        found = compare_variational_spaces(np.stack([first, moved])[:, None])
        assert found.dimensions[0, 1] == 2
        assert found.in_space_ratio[0, 1] == pytest.approx(inside, abs=1e-10)
        assert found.overlap[0, 1] == pytest.approx(1)
    assert compare_variational_spaces(np.stack([first, second])[:, None]).overlap[0, 1] == pytest.approx(0, abs=1e-12)


def test_rotation_permutation_and_scaling_of_units() -> None:
    rng = np.random.default_rng(9)
    axes = correlated(rng, (2, 3, 10), 15)[:1]
    responses = np.concatenate([axes, axes + 0.3 * rng.standard_normal(axes.shape)]) + rng.standard_normal(
        (2, 3, 1, 15)
    )
    plain = compare_variational_spaces(responses)
    order, turn = rng.permutation(15), ortho_group.rvs(15, random_state=9)
    for same in (responses[..., order], responses @ turn, 5 * responses):
        for matrix, expected in zip(compare_variational_spaces(same), plain, strict=True):
            np.testing.assert_allclose(matrix, expected, atol=1e-8)
    only_one = responses.copy()
    only_one[1] = responses[1] @ turn
    assert compare_variational_spaces(only_one).overlap[0, 1] < plain.overlap[0, 1] - 0.2


def test_levels_of_chance_by_simulation() -> None:
    rng = np.random.default_rng(10)
    n_stimuli, units = 400, 24
    responses = np.stack(
        [np.stack([correlated(rng, (20,), units, decay) for _ in range(n_stimuli)]) for decay in (0.4, 0.7)]
    )
    responses -= responses.mean(axis=2, keepdims=True)
    responses[1] += rng.standard_normal((n_stimuli, 1, units))
    found = compare_variational_spaces(responses)
    assert found.in_space_ratio[0, 1] == pytest.approx(found.in_space_chance[0, 1], abs=0.012)
    assert found.in_space_ratio[1, 0] == pytest.approx(found.in_space_chance[1, 0], abs=0.015)
    assert found.overlap[0, 1] == pytest.approx(found.overlap_chance[0, 1], abs=0.015)
    assert found.in_space_chance[1, 0] > found.in_space_chance[0, 1] + 0.03
    assert found.overlap_chance[0, 1] > found.in_space_chance[0, 1] + 0.03


def test_noise_of_trials_alone_gives_the_ratio_of_noise_not_chance() -> None:
    rng = np.random.default_rng(11)
    units, scales = 30, 0.6 ** (np.arange(30) / 2)
    responses = 5 + rng.standard_normal((2, 300, 40, units)) * scales
    found = compare_variational_spaces(responses)
    noise = rng.standard_normal((50, units)) * scales
    axes = [variational_space(group).axes for group in responses[0]]
    of_noise = np.mean([((noise @ each.T) ** 2).sum(1) / (noise**2).sum(1) for each in axes])
    assert found.in_space_ratio[0, 1] == pytest.approx(of_noise, abs=0.02)
    assert found.in_space_ratio[0, 1] > found.in_space_chance[0, 1] + 0.5


def test_errors_say_what_is_missing() -> None:
    responses = np.random.default_rng(12).standard_normal((2, 3, 5, 6))
    for share in (0.0, 1.5):
        with pytest.raises(ConfigError, match="share"):
            compare_variational_spaces(responses, share)
        with pytest.raises(ConfigError, match="share"):
            variational_space(responses[0, 0], share)
    with pytest.raises(ShapeError, match="session, stimulus, repeat, unit"):
        compare_variational_spaces(responses[0])
    with pytest.raises(ShapeError, match=r"\(repeat, unit\)"):
        variational_space(responses[0])
    with pytest.raises(ShapeError, match="repeat, unit"):
        participation_ratio(responses[0, 0, 0])
    responses[0, 1, 2, 3] = np.nan
    for measure in (compare_variational_spaces, participation_ratio):
        with pytest.raises(ShapeError, match="lack single values"):
            measure(responses)
    nothing = variational_space(responses[0, 0, :1])
    assert nothing.axes.shape == (0, 6) and np.isnan(nothing.participation_ratio)
    assert np.isnan(variational.compare_variational_spaces(np.ones((2, 3, 5, 6)))).all()
