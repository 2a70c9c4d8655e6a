"""Nulls by permutation: closed forms, false alarms at the stated rate, and claims that are true."""

import itertools

import numpy as np
import pytest

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError
from tests import recovery

DAY = 2.0 * np.arange(6)


def falling(noise: float, rng: np.random.Generator, tau: float = 8.0) -> np.ndarray:
    """A symmetric similarity that falls with lag, with noise."""
    lag = np.abs(DAY[:, None] - DAY)
    errors = noise * rng.standard_normal(lag.shape)
    return np.exp(-lag / tau) + (errors + errors.T) / 2


def test_the_p_value_is_the_rank_among_all_orders() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0])
    null = measures.permutation_null(
        lambda order: values[order[:, 2:]].sum(1), 4, np.random.default_rng(0), n_permutations=6000
    )
    exact = np.mean([sum(pair) >= 5 for pair in itertools.combinations(values, 2)])
    assert null.observed == 5.0
    assert null.p_value == pytest.approx(exact, abs=0.02)
    assert null.low == 1.0 and null.high == 5.0


def test_blocks_keep_indices_among_their_own() -> None:
    blocks = np.array(["a", "b", "a", "b", "b"])
    seen = []
    measures.permutation_null(
        lambda order: (seen.append(order), np.zeros(len(order)))[1], 5, np.random.default_rng(0), blocks=blocks
    )
    orders = np.concatenate(seen)
    assert (blocks[orders] == blocks).all()
    assert len({tuple(order) for order in orders.tolist()}) == 12


def test_order_of_sessions_is_found_and_not_found() -> None:
    rng = np.random.default_rng(1)
    found = measures.null_of_session_order(falling(0.02, rng), DAY, rng, 300)
    assert found.observed < -0.8 and found.p_value < 0.02
    p_values = []
    for _ in range(60):
        errors = rng.standard_normal((6, 6))
        p_values.append(measures.null_of_session_order(errors + errors.T, DAY, rng, 99).p_value)
    assert 0.3 < np.mean(p_values) < 0.7
    assert np.mean(np.array(p_values) < 0.1) < 0.25


def test_several_animals_are_permuted_apart_and_gaps_go_with_their_sessions() -> None:
    rng = np.random.default_rng(2)
    matrices = np.stack([falling(0.3, rng) for _ in range(4)])
    days = np.tile(DAY, (4, 1))
    days[0, 5] = np.nan
    matrices[0, 5], matrices[0, :, 5] = np.nan, np.nan
    matrices[1, 2, 3] = matrices[1, 3, 2] = np.nan
    all_animals = measures.null_of_session_order(matrices, days, rng, 300)
    one = measures.null_of_session_order(matrices[2], DAY, rng, 300)
    assert all_animals.p_value < 0.01
    assert np.std(all_animals.null) < np.std(one.null)
    assert np.isnan(measures.null_of_session_order(np.eye(2), [0, 1], rng, 10).p_value)


def test_units_that_keep_their_responses() -> None:
    rng = np.random.default_rng(3)
    maps = recovery.random_walk(rng, 80)
    found = measures.null_of_unit_identity(maps[0], maps[1], rng, 300)
    assert found.observed == pytest.approx(measures.population_vector_correlation(maps[:2])[0, 1], abs=1e-12)
    assert found.p_value < 0.01 and abs(np.mean(found.null)) < 0.1
    order = rng.permutation(80)
    by_hand = measures.population_vector_correlation(maps[:1][:, :, order], maps[1:2])[0, 0]
    shuffled = measures.null_of_unit_identity(maps[0][:, order], maps[1], rng, 10).observed
    assert shuffled == pytest.approx(by_hand, abs=1e-12)
    assert measures.null_of_unit_identity(maps[0][:, order], maps[1], rng, 300).p_value > 0.01


def test_trials_of_two_sessions_that_do_and_do_not_differ() -> None:
    rng = np.random.default_rng(4)
    maps = rng.standard_normal((5, 1, 30))
    first, second = maps + rng.standard_normal((5, 6, 30)), maps + rng.standard_normal((5, 6, 30))
    drifted = maps + 0.7 * rng.standard_normal((5, 1, 30)) + rng.standard_normal((5, 6, 30))
    same, other = (measures.null_of_trial_labels(first, one, rng, 500) for one in (second, drifted))
    expected = ((first.mean(axis=1) - second.mean(axis=1)) ** 2).mean()
    assert same.observed == pytest.approx(expected, rel=1e-9)
    assert same.p_value > 0.02 and other.p_value < 0.01
    second[:, 0], second[:, :, 3] = np.nan, np.nan
    assert 0 < measures.null_of_trial_labels(first, second, rng, 50).p_value <= 1


def test_what_does_not_fit_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="n_permutations must be 1 or more"):
        measures.permutation_null(lambda order: order[:, 0], 3, rng, n_permutations=0)
    with pytest.raises(ConfigError, match="alternative must be"):
        measures.permutation_null(lambda order: order[:, 0], 3, rng, alternative="more")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="one label for each of the 3"):
        measures.permutation_null(lambda order: order[:, 0], 3, rng, blocks=[0, 1])
    with pytest.raises(ShapeError, match="expected matrices"):
        measures.null_of_session_order(np.eye(3), [0, 1], rng)
    with pytest.raises(ShapeError, match="same shape"):
        measures.null_of_unit_identity(np.ones((2, 3)), np.ones((2, 4)), rng)
    with pytest.raises(ShapeError, match="same stimuli and units"):
        measures.null_of_trial_labels(np.ones((2, 3, 4)), np.ones((2, 3, 5)), rng)
