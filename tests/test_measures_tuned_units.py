"""Tuned units: the part that passes by chance, what is found where the truth is known, recurrence by hand."""

import numpy as np
import pytest

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError


def halves(n_tuned: int, noise: float, seed: int, n_stimuli: int = 40, n_units: int = 400) -> np.ndarray:
    """Halves of 4 sessions in which the first units have smooth tuning and the others only noise."""
    rng = np.random.default_rng(seed)
    place = np.arange(n_stimuli)
    centres = rng.integers(0, n_stimuli, n_units)
    bump = np.exp(-(((place[:, None] - centres + n_stimuli / 2) % n_stimuli - n_stimuli / 2) ** 2) / 8)
    bump[:, n_tuned:] = 0
    return bump + noise * rng.standard_normal((2, 4, n_stimuli, n_units))


@pytest.mark.parametrize("circular", [True, False])
def test_as_many_pass_by_chance_as_the_level_says(circular: bool) -> None:
    found = measures.tuned_units(halves(0, 1.0, 1), np.random.default_rng(0), circular=circular)
    assert found.tuned.mean() == pytest.approx(0.05, abs=0.015)


def test_shifts_hold_their_level_where_noise_is_smooth_and_permutations_do_not() -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((2, 4, 40, 400))
    smooth = sum(np.roll(noise, shift, axis=2) for shift in range(6))
    shifts, permutations = (
        measures.tuned_units(smooth, rng, circular=circular).tuned.mean() for circular in (True, False)
    )
    assert shifts == pytest.approx(0.05, abs=0.02)
    assert permutations > 0.1


def test_tuned_units_are_found() -> None:
    found = measures.tuned_units(halves(200, 0.1, 3), np.random.default_rng(0))
    assert found.tuned[:, :200].mean() > 0.99 and found.tuned[:, 200:].mean() < 0.1
    a, b = halves(200, 0.1, 3)
    assert found.reliability[2, 5] == pytest.approx(np.corrcoef(a[2, :, 5], b[2, :, 5])[0, 1])


def test_shifts_equal_a_loop_and_gaps_are_left_out() -> None:
    given = halves(50, 0.5, 4, n_stimuli=12, n_units=60)
    given[:, 1, :, 7] = np.nan
    given[:, 2, 3] = np.nan
    given[:, 0, :, 9] = 1.0
    found = measures.tuned_units(given, np.random.default_rng(0), level=0.2)
    kept = np.delete(np.arange(12), 3)
    a, b = given[0, 2, kept, 20], given[1, 2, kept, 20]
    null = [np.corrcoef(a, np.roll(b, shift))[0, 1] for shift in range(1, 11)]
    assert found.p_value[2, 20] == pytest.approx((1 + np.sum(null >= np.corrcoef(a, b)[0, 1])) / 11)
    assert np.isnan(found.p_value[1, 7]) and not found.tuned[1, 7]
    assert np.isnan(found.p_value[0, 9]) and not found.tuned[0, 9]
    nothing = measures.tuned_units(np.full((2, 2, 5, 3), np.nan), np.random.default_rng(0))
    assert not nothing.tuned.any() and np.isnan(nothing.p_value).all()


def test_recurrence_by_hand_and_chance_by_permutation() -> None:
    rng = np.random.default_rng(5)
    detected = rng.random((2, 80)) < 0.8
    chosen = rng.random((2, 80)) < 0.4
    found = measures.recurrence_of_units(chosen, detected)
    both = detected.all(axis=0)
    a, b = chosen[0, both], chosen[1, both]
    assert found.recurrence[0, 1] == pytest.approx(b[a].mean())
    assert found.gained[0, 1] == pytest.approx(b[~a].mean())
    assert found.overlap[0, 1] == pytest.approx((a & b).sum() / (a | b).sum())
    draws = [measures.recurrence_of_units(np.stack([a, rng.permutation(b)])) for _ in range(2000)]
    assert found.chance[0, 1] == pytest.approx(np.mean([draw.recurrence[0, 1] for draw in draws]), abs=0.005)
    assert found.overlap_chance[0, 1] == pytest.approx(np.mean([draw.overlap[0, 1] for draw in draws]), abs=0.01)
    assert np.isnan(measures.recurrence_of_units(np.zeros((2, 3))).recurrence).all()


def test_what_cannot_be_read_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="level must lie"):
        measures.tuned_units(np.zeros((2, 1, 3, 4)), rng, level=0)
    with pytest.raises(ShapeError, match="2, session, stimulus, unit"):
        measures.tuned_units(np.zeros((3, 4)), rng)
    with pytest.raises(ShapeError, match="same dimensions"):
        measures.recurrence_of_units(np.zeros((2, 3)), np.zeros((2, 4)))
