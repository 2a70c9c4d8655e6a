"""The stimulus sets of recorded experiments other than the linear track: odours, a T-maze, a movie."""

import numpy as np
import pytest

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli
from neurofa.stimuli.natural_movie_and_gratings import natural_movie_and_gratings
from neurofa.stimuli.odors import odors
from neurofa.stimuli.t_maze import t_maze


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def cosines(patterns: np.ndarray) -> np.ndarray:
    """Cosines between all pairs of patterns."""
    unit = patterns / np.linalg.norm(patterns, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(unit), 1)]


def test_an_odour_activates_its_fraction_of_the_glomeruli_at_equal_norm() -> None:
    task = odors(random(), odors=8, glomeruli=50, activated=0.3)
    task.check("odors")
    assert task.inputs.shape == (8, 50) and (task.inputs >= 0).all()
    assert ((task.inputs > 0).sum(1) == 15).all()
    np.testing.assert_allclose(np.linalg.norm(task.inputs, axis=1), 50**0.5)
    np.testing.assert_array_equal(task.targets, np.eye(8))
    assert task.labels["odour"].tolist() == list(range(1, 9))
    even = odors(random(), log_sd=0.0).inputs
    assert len(np.unique(even[even > 0].round(9))) == 1


def test_odours_differ_between_animals_and_overlap_as_chance_has_it() -> None:
    one, other = (odors(random(seed), glomeruli=2000, activated=0.2, log_sd=0.0).inputs for seed in (1, 2))
    assert not np.array_equal(one, other)
    assert cosines(one).mean() == pytest.approx(0.2, abs=0.01)


def test_a_shared_part_makes_odours_alike() -> None:
    apart, near, same = (cosines(odors(random(), shared=shared).inputs) for shared in (0.0, 0.5, 1.0))
    assert apart.mean() < 0.3 < near.mean() < 0.9
    np.testing.assert_allclose(same, 1)


def test_an_odour_without_glomeruli_is_refused() -> None:
    with pytest.raises(ConfigError, match="activated 0.01 of 40 glomeruli is none; raise it to at least 0.025"):
        odors(random(), glomeruli=40, activated=0.01)


def test_places_of_the_stem_look_alike_unless_the_cue_is_seen_and_arms_do_not() -> None:
    task = t_maze(random(), bins=20, inputs=4000, cue_selective=0.4, arm=0.25)
    task.check("t_maze")
    left, right = task.inputs[:20], task.inputs[20:]
    assert task.labels["choice"].tolist() == ["left"] * 20 + ["right"] * 20
    in_arm = task.labels["part"][:20] == "arm"
    assert in_arm.sum() == 5 and in_arm[-5:].all()
    alike = np.array([np.corrcoef(one, other)[0, 1] for one, other in zip(left, right, strict=True)])
    # far from the arms: units that see both cues have equal rates, the others are silent on one side
    both = (left[:10] > 0.5) & (right[:10] > 0.5)
    seen = (left[:10] > 0.5) | (right[:10] > 0.5)
    assert both.sum() / seen.sum() == pytest.approx(0.6, abs=0.05)
    np.testing.assert_array_equal(left[:10][both], right[:10][both])
    assert alike[:10].min() > 0.4 > 0.0 > alike[17:].max()


def test_without_other_inputs_than_the_cue_sides_are_apart_from_the_start() -> None:
    task = t_maze(random(), inputs=2000, cue_selective=1.0)
    assert (task.inputs[:20] * task.inputs[20:] == 0).all()


def test_the_right_report_is_the_right_side_at_the_right_place() -> None:
    task = t_maze(random(), bins=10, tolerance_bins=1)
    assert task.acceptable is not None
    best = task.targets.argmax(1)
    np.testing.assert_array_equal(best, np.arange(20))
    assert task.acceptable[np.arange(20), best].all()
    assert not task.acceptable[:10, 10:].any() and not task.acceptable[10:, :10].any()
    assert task.acceptable[5].sum() == 3 and task.acceptable[0].sum() == 2


@pytest.mark.parametrize(("arm", "words"), [(0.01, "in the arms"), (0.99, "on the stem")])
def test_a_maze_without_stem_or_arms_is_refused(arm: float, words: str) -> None:
    with pytest.raises(ConfigError, match=f"stimuli.arm {arm} of 5 bins leaves no bin {words}; choose it between 0.1"):
        t_maze(random(), bins=5, arm=arm)


def filters_seen(seed: int = 0, **parameters: float) -> Stimuli:
    """The movie and gratings as one animal sees them."""
    return natural_movie_and_gratings(random(seed), **parameters)  # type: ignore[arg-type]


def test_frames_follow_each_other_and_orientations_are_a_circle() -> None:
    task = filters_seen(inputs=600)
    task.check("natural_movie_and_gratings")
    kind = task.labels["stimulus_kind"]
    assert (kind == "movie").sum() == 30 and (kind == "grating").sum() == 12
    assert task.labels["frame"].tolist() == [*range(30), *[-1] * 12]
    np.testing.assert_allclose(task.labels["orientation_deg"][30:], 15 * np.arange(12))
    unit = task.inputs / np.linalg.norm(task.inputs, axis=1, keepdims=True)
    alike = unit @ unit.T
    gratings = alike[30:, 30:]
    # neighbours are alike, also across 180 degrees, and those at right angles are most different
    assert gratings[0, 11] == pytest.approx(gratings[0, 1], abs=0.05)
    assert gratings[0].argmin() in (5, 6, 7) and gratings[0, 1] > 0.8 > 0.3 > gratings[0, 6]
    neighbours = np.delete(np.diag(alike[:30, :30], 1), 14)
    assert neighbours.mean() > alike[:15, 15:30].mean() + 0.2


def test_a_grating_is_seen_by_filters_of_its_orientation() -> None:
    from neurofa.stimuli.natural_movie_and_gratings import _filters, _gratings, _seen

    generator = random()
    angle = np.pi * np.arange(12) / 12
    seen = _seen(_gratings(angle, 6.0), _filters(generator, 400))
    orientation = random()
    orientation.random((400, 1, 1))
    orientation.random((400, 1, 1))
    own = np.pi * orientation.random((400, 1, 1)).ravel()
    best = angle[seen.argmax(0)]
    apart = np.abs((best - own + np.pi / 2) % np.pi - np.pi / 2)
    clear = seen.max(0) > 0.5 * seen.max()
    # gratings are 15 degrees apart; a filter at the edge of the field of view is cut, and so a little turned
    assert clear.sum() > 50
    assert np.quantile(np.degrees(apart[clear]), 0.95) < 9 and np.degrees(apart[clear]).max() < 25


def test_animals_see_the_same_movie_through_their_own_filters() -> None:
    one, again, other = filters_seen(1), filters_seen(1), filters_seen(2)
    np.testing.assert_array_equal(one.inputs, again.inputs)
    assert not np.array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.targets, other.targets)
    np.testing.assert_allclose(np.linalg.norm(one.inputs, axis=1), 150**0.5)


def test_reports_are_of_the_same_kind_and_gratings_go_round() -> None:
    task = filters_seen(frames=6, orientations=4)
    assert task.acceptable is not None
    assert not task.acceptable[:6, 6:].any() and not task.acceptable[6:, :6].any()
    assert task.acceptable[0].sum() == 2 and task.acceptable[2].sum() == 3
    assert task.acceptable[6].tolist() == [False] * 6 + [True, True, False, True]
    np.testing.assert_array_equal(task.targets.argmax(1), np.arange(10))


def test_gratings_too_fine_to_be_seen_are_refused() -> None:
    with pytest.raises(ConfigError, match="stimuli.cycles 20 is too fine for a field of view of 48 pixels"):
        filters_seen(cycles=20.0)
