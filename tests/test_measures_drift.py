"""Correlations, angles and overlap between sessions: naive loops, invariances with negative controls, gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group, pearsonr

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError

CORRELATIONS = {
    "population": measures.population_vector_correlation,
    "tuning": measures.tuning_curve_correlation,
    "ensemble": measures.ensemble_rate_correlation,
    "similarity": measures.representational_similarity_correlation,
}
ANGLES = {
    "unaligned": measures.angle_unaligned_deg,
    "procrustes": measures.angle_procrustes_deg,
    "procrustes_units": lambda maps, other=None: measures.angle_procrustes_deg(maps, other, rotated="unit"),
}
MATRICES = CORRELATIONS | ANGLES


def maps_with_gaps(rng: np.random.Generator, sessions: int = 5, stimuli: int = 8, units: int = 30) -> np.ndarray:
    """Maps around 1000 with lost units, stimuli that were not shown, a silent unit and a flat population."""
    common = rng.gamma(2.0, 1.0, (stimuli, units))
    maps = 1000 + common + rng.gamma(2.0, 1.0, (sessions, stimuli, units))
    maps[:, :, 3] = 0.0
    maps[1, 2] = 7.0
    maps[np.broadcast_to((rng.random((sessions, units)) < 0.3)[:, None], maps.shape)] = np.nan
    maps[0, 5] = maps[-1, 1] = np.nan
    return maps


def pair_of(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both maps over the units and stimuli that both have."""
    units = np.isfinite(first).any(0) & np.isfinite(second).any(0)
    stimuli = np.isfinite(first).any(1) & np.isfinite(second).any(1)
    return first[np.ix_(stimuli, units)], second[np.ix_(stimuli, units)]


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return np.nan if np.ptp(x) == 0 or np.ptp(y) == 0 else pearsonr(x, y).statistic


def similarity(maps: np.ndarray) -> np.ndarray:
    entries = [correlation(maps[i], maps[j]) for i in range(len(maps)) for j in range(i + 1, len(maps))]
    return np.array(entries)


def centred(maps: np.ndarray) -> np.ndarray:
    maps = maps - maps.mean(0)
    return maps / np.linalg.norm(maps)


def naive(name: str, first: np.ndarray, second: np.ndarray) -> float:
    a, b = pair_of(first, second)
    if name == "population":
        return float(np.nanmean([correlation(x, y) for x, y in zip(a, b, strict=True)]))
    if name == "tuning":
        return float(np.nanmean([correlation(x, y) for x, y in zip(a.T, b.T, strict=True)]))
    if name == "ensemble":
        return correlation(a.mean(0), b.mean(0))
    if name == "similarity":
        x, y = similarity(a), similarity(b)
        kept = np.isfinite(x) & np.isfinite(y)
        return correlation(x[kept], y[kept])
    a, b = centred(a), centred(b)
    if name == "unaligned":
        cosine = (a * b).sum()
    elif name == "procrustes":
        rotation, _ = orthogonal_procrustes(a.T, b.T)
        cosine = ((a.T @ rotation) * b.T).sum()
    else:
        rotation, _ = orthogonal_procrustes(a, b)
        cosine = ((a @ rotation) * b).sum()
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


@pytest.mark.parametrize("name", MATRICES)
def test_equals_a_naive_loop_over_pairs_with_gaps(name: str) -> None:
    rng = np.random.default_rng(1)
    maps, other = maps_with_gaps(rng), maps_with_gaps(rng)[:4]
    expected = [[naive(name, a, b) for b in other] for a in maps]
    np.testing.assert_allclose(MATRICES[name](maps, other), expected, rtol=0, atol=1e-7)
    expected = [[naive(name, a, b) for b in maps] for a in maps]
    tolerance = 1e-5 if name in ANGLES else 1e-9
    np.testing.assert_allclose(MATRICES[name](maps), expected, rtol=0, atol=tolerance)


def test_procrustes_on_units_equals_scipys_disparity() -> None:
    from scipy.spatial import procrustes

    rng = np.random.default_rng(2)
    maps = rng.standard_normal((2, 12, 12))
    angle = measures.angle_procrustes_deg(maps, rotated="unit")[0, 1]
    assert np.sin(np.radians(angle)) ** 2 == pytest.approx(procrustes(*maps)[2], abs=1e-10)


def test_similarity_equals_rsatoolbox() -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    rng = np.random.default_rng(3)
    maps = rng.standard_normal((3, 10, 25))
    rdms = rsatoolbox.rdm.calc_rdm([rsatoolbox.data.Dataset(each) for each in maps], method="correlation")
    expected = rsatoolbox.rdm.compare(rdms, rdms, method="corr")
    np.testing.assert_allclose(measures.representational_similarity_correlation(maps), expected, atol=1e-10)


@pytest.mark.parametrize("name", MATRICES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_permuting_units_or_stimuli_or_sessions_changes_nothing_else(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = maps_with_gaps(rng, sessions=3, stimuli=6, units=12)
    measured = MATRICES[name](maps)
    np.testing.assert_allclose(MATRICES[name](maps[:, :, rng.permutation(12)]), measured, atol=1e-5)
    np.testing.assert_allclose(MATRICES[name](maps[:, rng.permutation(6)]), measured, atol=1e-5)
    order = rng.permutation(3)
    np.testing.assert_allclose(MATRICES[name](maps[order]), measured[np.ix_(order, order)], atol=1e-5)
    np.testing.assert_allclose(measured, measured.T, atol=1e-5)
    low, high = (-1, 1) if name in CORRELATIONS else (0, 180)
    assert np.nanmin(measured) >= low
    assert np.nanmax(measured) <= high


@pytest.mark.parametrize("name", CORRELATIONS)
def test_permuting_the_units_of_one_session_only_lowers_correlations_over_units(name: str) -> None:
    rng = np.random.default_rng(4)
    maps = np.repeat(rng.gamma(1.0, 1.0, (1, 10, 60)), 2, axis=0)
    maps[1] = maps[1][:, rng.permutation(60)]
    value = CORRELATIONS[name](maps)[0, 1]
    if name == "similarity":
        assert value == pytest.approx(1.0)
    else:
        assert abs(value) < 0.5


@pytest.mark.parametrize("name", MATRICES)
def test_a_gain_of_a_whole_session_changes_nothing(name: str) -> None:
    rng = np.random.default_rng(5)
    maps = maps_with_gaps(rng)
    gains = np.array([1e-6, 0.5, 1.0, 3.0, 1e6])
    np.testing.assert_allclose(MATRICES[name](maps * gains[:, None, None]), MATRICES[name](maps), atol=1e-5)


def test_gains_of_units_change_correlations_over_units_but_not_over_stimuli() -> None:
    rng = np.random.default_rng(6)
    maps = maps_with_gaps(rng)
    gained = maps * rng.lognormal(0, 1, (5, 1, 30))
    np.testing.assert_allclose(
        measures.tuning_curve_correlation(gained), measures.tuning_curve_correlation(maps), atol=1e-9
    )
    change = measures.population_vector_correlation(gained) - measures.population_vector_correlation(maps)
    assert np.abs(change).max() > 0.1


def test_a_session_against_itself() -> None:
    maps = maps_with_gaps(np.random.default_rng(7))
    for name, measure in MATRICES.items():
        np.testing.assert_allclose(np.diag(measure(maps)), 1.0 if name in CORRELATIONS else 0.0, atol=2e-5)


def test_what_each_procrustes_angle_ignores() -> None:
    rng = np.random.default_rng(8)
    maps = rng.standard_normal((10, 20))
    maps -= maps.mean(axis=0)
    turned_units = np.stack([maps, maps @ ortho_group.rvs(20, random_state=rng)])
    moved_along_the_track = np.stack([maps, np.roll(maps, 3, axis=0)])
    for pair, ignores, keeps in (
        (turned_units, "unit", "stimulus"),
        (moved_along_the_track, "stimulus", None),
    ):
        assert measures.angle_procrustes_deg(pair, rotated=ignores)[0, 1] == pytest.approx(0.0, abs=1e-4)
        assert measures.angle_unaligned_deg(pair)[0, 1] > 60
        if keeps:
            assert measures.angle_procrustes_deg(pair, rotated=keeps)[0, 1] > 20
    bent = np.stack([maps, maps**3])
    assert measures.angle_procrustes_deg(bent, rotated="unit")[0, 1] > 10
    assert measures.angle_procrustes_deg(bent, rotated="stimulus")[0, 1] > 10


@pytest.mark.parametrize("angle", [0.0, 10.0, 60.0, 90.0, 150.0])
def test_a_known_angle(angle: float) -> None:
    rng = np.random.default_rng(9)
    first, second = (centred(rng.standard_normal((6, 40))).ravel() for _ in range(2))
    second -= first * (first @ second)
    second /= np.linalg.norm(second)
    turned = np.cos(np.radians(angle)) * first + np.sin(np.radians(angle)) * second
    maps = 5 + np.stack([first, turned]).reshape(2, 6, 40)
    assert measures.angle_unaligned_deg(maps)[0, 1] == pytest.approx(angle, abs=1e-5)


def test_constant_vectors_are_left_out_of_the_means() -> None:
    maps = np.random.default_rng(10).random((2, 4, 9))
    expected = measures.population_vector_correlation(maps[:, 1:])
    maps[0, 0] = 0.1 + 0.2
    maps[1, 0, :] = 0.3
    np.testing.assert_allclose(measures.population_vector_correlation(maps), expected, atol=1e-12)
    maps[:, :, 4] = 0.7
    expected = measures.tuning_curve_correlation(np.delete(maps, 4, axis=2))
    np.testing.assert_allclose(measures.tuning_curve_correlation(maps), expected, atol=1e-12)


def test_constant_only_over_the_units_of_the_pair_is_constant() -> None:
    maps = np.full((2, 1, 6), 0.1)
    maps[0, 0, :2] = [5.0, 9.0]
    maps[1, 0] = [np.nan, np.nan, 1.0, 2.0, 3.0, 4.0]
    assert np.isnan(measures.population_vector_correlation(maps)[0, 1])
    assert np.isnan(measures.ensemble_rate_correlation(maps)[0, 1])


def test_nothing_in_common_is_nan_without_a_warning() -> None:
    maps = np.random.default_rng(11).random((2, 5, 8))
    maps[0, :, :4] = maps[1, :, 4:] = np.nan
    for measure in MATRICES.values():
        assert np.isnan(measure(maps)[0, 1])
        assert np.isfinite(measure(maps)[0, 0])
    gone = np.full((2, 5, 8), np.nan)
    for measure in MATRICES.values():
        assert np.isnan(measure(gone)).all()
    assert np.isnan(measures.overlap_of_detected_cells(np.zeros((2, 8), dtype=bool))).all()


@pytest.mark.parametrize("name", MATRICES)
def test_no_session_gives_no_pair(name: str) -> None:
    assert MATRICES[name](np.empty((0, 10, 40))).shape == (0, 0)


def test_large_offsets_do_not_cancel_digits() -> None:
    maps = np.random.default_rng(12).random((3, 6, 40))
    for name, measure in MATRICES.items():
        np.testing.assert_allclose(measure(maps + 1e6), measure(maps), atol=1e-4 if name in ANGLES else 1e-7)


def test_long_computations_are_cut_into_blocks_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = maps_with_gaps(np.random.default_rng(13))
    whole = [measures.population_vector_correlation(maps), measures.tuning_curve_correlation(maps)]
    monkeypatch.setattr("neurofa.measures.kernels.BLOCK", 400)
    parts = [measures.population_vector_correlation(maps), measures.tuning_curve_correlation(maps)]
    np.testing.assert_allclose(parts, whole, atol=1e-12)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=5))
def test_overlap_and_recurrence_count_cells(rows: list[list[bool]]) -> None:
    sets = [{cell for cell, there in enumerate(row) if there} for row in rows]
    overlap = measures.overlap_of_detected_cells(rows)
    recurrence = measures.recurrence_of_detected_cells(rows)
    for i, a in enumerate(sets):
        for j, b in enumerate(sets):
            assert overlap[i, j] == (
                pytest.approx(len(a & b) / len(a | b)) if a | b else pytest.approx(np.nan, nan_ok=True)
            )
            assert recurrence[i, j] == (pytest.approx(len(a & b) / len(a)) if a else pytest.approx(np.nan, nan_ok=True))


def test_split_half_is_the_correlation_of_the_halves() -> None:
    rng = np.random.default_rng(14)
    halves = np.stack([maps_with_gaps(rng), maps_with_gaps(rng)])
    expected = [naive("population", a, b) for a, b in zip(*halves, strict=True)]
    np.testing.assert_allclose(measures.split_half_population_vector_correlation(halves), expected, atol=1e-10)
    assert np.isnan(measures.split_half_population_vector_correlation(np.full((2, 1, 3, 4), np.nan))).all()


def test_wrong_shapes_and_single_gaps_are_refused() -> None:
    maps = np.random.default_rng(15).random((2, 4, 5))
    for measure in MATRICES.values():
        with pytest.raises(ShapeError, match=r"\(session, stimulus, unit\)"):
            measure(maps[0])
        with pytest.raises(ShapeError, match="same stimuli and units"):
            measure(maps, maps[:, :3])
    maps[1, 2, 3] = np.nan
    for measure in MATRICES.values():
        with pytest.raises(ShapeError, match="session 1 lack single values"):
            measure(maps)
    with pytest.raises(ShapeError, match=r"\(session, unit\)"):
        measures.overlap_of_detected_cells([True, False])
    with pytest.raises(ShapeError, match="2, session"):
        measures.split_half_population_vector_correlation(maps)
    with pytest.raises(ConfigError, match="'stimulus' or 'unit'"):
        measures.angle_procrustes_deg(maps, rotated="session")  # type: ignore[arg-type]
