"""Angles of teaching signals, and the order of alignment and learning: hand values, invariances, negative controls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.floats(0, 180), st.floats(-150, 150), st.integers(2, 40))
def test_a_known_angle_is_found_whatever_the_size(angle: float, exponent: float, size: int) -> None:
    axes = ortho_group.rvs(size, random_state=size)
    other = np.cos(np.deg2rad(angle)) * axes[0] + np.sin(np.deg2rad(angle)) * axes[1]
    found = measures.angle_deg(10.0**exponent * axes[:1], other[None])
    assert found[0] == pytest.approx(angle, abs=1e-9)


def test_each_animal_is_one_long_vector() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 5, 4))
    cosine = [np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y)) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(measures.angle_deg(a, b), np.degrees(np.arccos(cosine)))
    np.testing.assert_allclose(measures.angle_to_bp_deg(a, b), measures.angle_deg(a, b))
    # not the mean over stimuli of the angles of single ones
    single = measures.angle_deg(a.reshape(15, 4), b.reshape(15, 4)).reshape(3, 5).mean(axis=1)
    assert np.abs(measures.angle_deg(a, b) - single).max() > 1


def test_equal_and_opposite_vectors_are_exact_also_in_single_precision() -> None:
    a = np.random.default_rng(1).standard_normal((2, 300)).astype("float32")
    assert measures.angle_deg(a, 3 * a).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert measures.angle_deg(a, a).tolist() == [0, 0]
    assert measures.angle_deg(a, -a).tolist() == [180, 180]


def test_angles_stay_under_a_common_rotation_but_not_under_a_rotation_of_one() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 4, 10, 6))
    turn = ortho_group.rvs(6, random_state=0)
    np.testing.assert_allclose(measures.angle_to_bp_deg(a @ turn, b @ turn), measures.angle_to_bp_deg(a, b))
    assert np.abs(measures.angle_to_bp_deg(a @ turn, b) - measures.angle_to_bp_deg(a, b)).min() > 1


def test_random_high_dimensional_signals_are_nearly_at_right_angles() -> None:
    a, b = np.random.default_rng(3).standard_normal((2, 20, 10_000))
    angles = measures.angle_deg(a, b)
    assert np.abs(angles - 90).max() < 3 and np.abs(angles - 90).min() > 0


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_zero_and_not_finite_signals_have_no_angle(bad: float) -> None:
    a = np.ones((2, 3))
    a[0] = [bad, 0, 0]
    found = measures.angle_deg(a, np.ones((2, 3)))
    assert np.isnan(found[0]) and found[1] == 0


def test_weights_are_transposed_before_they_are_held_against_feedback() -> None:
    weights = np.random.default_rng(4).standard_normal((3, 2, 5))
    feedback = weights.transpose(0, 2, 1)
    assert measures.angle_weights_feedback_deg(weights, 2 * feedback) == pytest.approx(np.zeros(3), abs=1e-9)
    assert measures.angle_weights_feedback_deg(weights, -feedback) == pytest.approx(np.full(3, 180.0))
    square = np.random.default_rng(5).standard_normal((3, 4, 4))
    assert measures.angle_weights_feedback_deg(square, square).min() > 10


def test_feedback_of_another_shape_has_no_angle() -> None:
    assert np.isnan(measures.angle_weights_feedback_deg(np.ones((2, 8, 12)), np.ones((2, 12, 2)))).all()
    with pytest.raises(ShapeError, match=r"same animals, got shapes \(2, 8, 12\) and \(3, 12, 8\)"):
        measures.angle_weights_feedback_deg(np.ones((2, 8, 12)), np.ones((3, 12, 8)))


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((3,), (3,))])
def test_angles_refuse_what_does_not_fit(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ShapeError, match=r"same shape \(animal, \.\.\.\)"):
        measures.angle_deg(np.ones(shapes[0]), np.ones(shapes[1]))


STEPS = np.array([0.0, 10, 20, 50, 100])


def test_half_of_a_fall_by_hand() -> None:
    courses = [
        [90, 70, 50, 30, 30],  # the middle, 60, lies between 10 and 20
        [90, 95, 60, 20, 40],  # settles at the last value, not at the lowest: the middle, 65, between 10 and 20
        [90, 30, 90, 30, 30],  # first passage counts
        [90, 60, 30, 30, 30],  # exactly at a step
    ]
    found = measures.half_change_step(courses, STEPS, "fall")
    np.testing.assert_allclose(found, [15, 10 + 10 * 30 / 35, 5, 10])


def test_noise_on_a_plateau_does_not_shift_the_half() -> None:
    rng = np.random.default_rng(7)
    steps = np.arange(200.0)
    course = 30 + 60 * np.exp(-steps / 20) + np.where(steps > 60, rng.normal(0, 8, (50, 200)), 0)
    found = measures.half_change_step(course, steps, "fall")
    assert np.median(found) == pytest.approx(20 * np.log(2), abs=1)


def test_a_rise_is_the_fall_of_the_opposite() -> None:
    courses = np.random.default_rng(6).random((5, STEPS.size))
    rise = measures.half_change_step(courses, STEPS, "rise")
    np.testing.assert_allclose(rise, measures.half_change_step(3 - 2 * courses, STEPS, "fall"))
    assert np.isfinite(rise).any()


def test_an_exponential_is_halfway_at_its_half_life() -> None:
    steps = np.linspace(0, 1000, 5001)
    tau = np.array([5.0, 20.0, 40.0])
    course = 30 + 60 * np.exp(-steps / tau[:, None])
    np.testing.assert_allclose(measures.half_change_step(course, steps, "fall"), tau * np.log(2), atol=1e-3)


def test_no_fall_no_step() -> None:
    courses = [[90, 90, 90, 90, 90], [60, 70, 80, 90, 95], [np.nan] * 5, [90, np.nan, np.nan, np.nan, np.nan]]
    assert np.isnan(measures.half_change_step(courses, STEPS, "fall")).all()
    small = [[90, 89, 88, 87, 86]]
    assert measures.half_change_step(small, STEPS, "fall")[0] == 20
    assert np.isnan(measures.half_change_step(small, STEPS, "fall", least=5)[0])


def test_gaps_are_skipped() -> None:
    found = measures.half_change_step([[np.nan, 90, np.nan, 30, 30]], STEPS, "fall")
    assert found[0] == pytest.approx(30)


def test_half_change_refuses_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="'fall' or 'rise', got 'down'"):
        measures.half_change_step([[1, 0]], [0, 1], "down")  # type: ignore[arg-type]
    for steps in ([0, 1, 2], [1, 0], [0, 0]):
        with pytest.raises(ShapeError, match="ascending steps"):
            measures.half_change_step([[1, 0]], steps, "fall")
