"""The stimulus sets of recorded experiments other than the linear track: odours."""

import numpy as np
import pytest

from neurofa.errors import ConfigError
from neurofa.stimuli.odors import odors


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
