"""Predictive coding: closed form, energy, limit of backpropagation, fixed predictions; as yardstick and as rule."""

import numpy as np
import pytest
import torch

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError

SIZES = (10, 24, 16, 5)
TIGHT = measures.Inference(tolerance=1e-11, max_steps=5000)


def networks(rng: np.random.Generator, n_animals: int = 3, n_stimuli: int = 7) -> dict[str, list[np.ndarray]]:
    """Weights, biases, stimuli and targets of random networks."""
    pairs = list(zip(SIZES[:-1], SIZES[1:], strict=True))
    return {
        "weights": [rng.standard_normal((n_animals, post, pre)) / np.sqrt(pre) for pre, post in pairs],
        "biases": [0.1 * rng.standard_normal((n_animals, post)) for _, post in pairs],
        "stimuli": rng.standard_normal((n_animals, n_stimuli, SIZES[0])),
        "targets": rng.standard_normal((n_animals, n_stimuli, SIZES[-1])),
    }


def backpropagation(given: dict) -> list[np.ndarray]:
    """What reaches the rates of every layer by autograd, (animal, stimulus, unit), hidden layers and output."""
    below = torch.from_numpy(given["stimuli"])
    rates = []
    for number, (weights, bias) in enumerate(zip(given["weights"], given["biases"], strict=True)):
        below = below @ torch.from_numpy(weights).transpose(1, 2) + torch.from_numpy(bias)[:, None]
        if number < len(given["weights"]) - 1:
            below = below.tanh()
        rates.append(below.requires_grad_() if not rates else below)
        rates[-1].retain_grad()
    (0.5 * (torch.from_numpy(given["targets"]) - below).square().sum()).backward()
    return [-one.grad.numpy() for one in rates]


@pytest.mark.parametrize("precisions", [(), (1.0, 2.0, 0.5)], ids=["unit precisions", "own precisions"])
def test_linear_networks_reach_the_closed_form(precisions: tuple[float, ...]) -> None:
    given = networks(np.random.default_rng(0))
    exact = measures.linear_predictive_coding_errors(**given, precisions=precisions)
    how = TIGHT._replace(precisions=precisions)
    found = measures.predictive_coding_errors(**given, activation="identity", inference=how)
    assert found.converged.all()
    for one, other in zip(found.errors + found.rates, exact.errors + exact.rates, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.energy[:, -1], exact.energy[:, 0], rtol=1e-12)
    # the balance itself: every hidden error is what comes down from above
    pi = precisions or (1.0, 1.0, 1.0)
    for number in range(2):
        down = pi[number + 1] * exact.errors[number + 1] @ given["weights"][number + 1]
        np.testing.assert_allclose(pi[number] * exact.errors[number], down, atol=1e-12)


@pytest.mark.parametrize("step", [0.05, 0.5, 50.0])
def test_energy_never_rises_and_large_steps_are_made_smaller(step: float) -> None:
    given = networks(np.random.default_rng(1))
    found = measures.predictive_coding_errors(**given, inference=TIGHT._replace(step=step, tolerance=1e-9))
    assert found.converged.all() and found.energy.shape[1] > 10
    assert (np.diff(found.energy, axis=1) <= 1e-12 * found.energy[:, :-1]).all()
    assert (found.energy[:, -1] < found.energy[:, 0]).all()


def test_towards_small_output_precision_predictive_coding_becomes_backpropagation() -> None:
    given = networks(np.random.default_rng(2))
    exact = backpropagation(given)[:-1]
    distances, cosines = {}, {}
    for precision in (1e-3, 1e-4):
        # errors are that small beside rates of 1: rounding leaves 1e-12 of them
        how = TIGHT._replace(precisions=(1.0, 1.0, precision), tolerance=1e-9)
        found = [error / precision for error in measures.predictive_coding_errors(**given, inference=how).errors[:-1]]
        ours, theirs = (np.concatenate([one.ravel() for one in values]) for values in (found, exact))
        distances[precision] = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        cosines[precision] = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert distances[1e-3] / distances[1e-4] == pytest.approx(10, abs=1)
    assert 1 - cosines[1e-4] < 1e-6 and cosines[1e-3] < cosines[1e-4]
    # precision is what matters: at unit precision it is something else
    unit = measures.predictive_coding_errors(**given).errors[0]
    assert 0.5 < measures.feedback_against_prediction_error(exact[0], unit).cosine.mean() < 0.995


def test_what_has_not_converged_is_told_and_one_animal_does_not_depend_on_others() -> None:
    given = networks(np.random.default_rng(3))
    given["weights"][1][1] *= 1.5
    with pytest.warns(UserWarning, match="not found in 3 of 3 animals within 20 steps; allow more max_steps"):
        short = measures.predictive_coding_errors(**given, inference=measures.Inference(tolerance=1e-12, max_steps=20))
    assert not short.converged.any()
    together = measures.predictive_coding_errors(**given)
    assert together.converged.all()
    alone = {name: [one[1:2] for one in value] for name, value in given.items() if isinstance(value, list)}
    alone |= {name: given[name][1:2] for name in ("stimuli", "targets")}
    np.testing.assert_allclose(measures.predictive_coding_errors(**alone).errors[0][0], together.errors[0][1])
    # nothing to explain: no errors, at once
    right = measures.predictive_coding_errors(**(given | {"targets": _output(given)}))
    assert right.converged.all() and right.energy.shape[1] == 1


def _output(given: dict) -> np.ndarray:
    """Output of a forward pass."""
    below = given["stimuli"]
    for number, (weights, bias) in enumerate(zip(given["weights"], given["biases"], strict=True)):
        below = below @ weights.swapaxes(1, 2) + bias[:, None]
        below = np.tanh(below) if number < len(given["weights"]) - 1 else below
    return below


def test_bad_input_is_refused() -> None:
    given = networks(np.random.default_rng(4))
    with pytest.raises(ConfigError, match="precisions must be 3 positive numbers"):
        measures.predictive_coding_errors(**given, inference=measures.Inference(precisions=(1.0, 0.0, 1.0)))
    for name, value in (("step", 0.0), ("step", -0.1), ("tolerance", 0.0), ("tolerance", -1e-9), ("max_steps", 0)):
        how = measures.Inference()._replace(**{name: value})
        for activation in ("tanh", "relu"):
            with pytest.raises(ConfigError, match=f"{name} of inference must be above 0 and finite, got {value:g}"):
                measures.predictive_coding_errors(**given, activation=activation, inference=how)
    with pytest.raises(ConfigError, match="step of inference"):
        measures.predictive_coding_errors(**given, inference=measures.Inference(step=float("nan")))
    with pytest.raises(ConfigError, match="did you mean 'tanh'"):
        measures.predictive_coding_errors(**given, activation="tan")
    with pytest.raises(ShapeError, match="follow each other"):
        measures.predictive_coding_errors(**(given | {"weights": given["weights"][::-1]}))
    with pytest.raises(ShapeError, match="must be finite"):
        measures.linear_predictive_coding_errors(**(given | {"targets": given["targets"] * np.nan}))
