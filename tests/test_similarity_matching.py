"""Lateral inhibition that settles, and similarity matching: oracles, closed forms, noise that drifts, refusals."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor

from neurofa.draws import Draws
from neurofa.errors import ConfigError, NeurofaError, ProtocolError
from neurofa.learning import Session, learn_session
from neurofa.networks import Layer, Network, forward
from neurofa.networks.lateral import largest_eigenvalue, settle
from neurofa.protocol import protocol_from
from neurofa.rules.learning_noise import LearningNoise
from neurofa.rules.names import Choices, Matching
from neurofa.rules.similarity_matching import SimilarityMatching
from neurofa.simulation import simulate
from tests.engine import draws, rates, small

N_STIMULI, N_INPUTS = 24, 20


def inhibition(n_units: int = 30, n_animals: int = 2) -> Tensor:
    """Lateral weights as they are learned: a covariance of rates, and a leak."""
    random = torch.Generator().manual_seed(0)
    own = torch.randn(n_animals, 12, n_units, generator=random, dtype=torch.float64).clamp_min(0)
    return torch.bmm(own.transpose(1, 2), own) / 12 + 0.05 * torch.eye(n_units, dtype=torch.float64)


def drives(n_units: int = 30, n_animals: int = 2, n_trials: int = 7) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(n_animals, n_trials, n_units, generator=random, dtype=torch.float64)


def matching(**numbers: float) -> SimilarityMatching:
    """The rule, with the numbers of `rates`."""
    own = Matching(offset=0.5, threshold=0.01, leak=0.1)
    return SimilarityMatching(Choices("error", "lateral", "none", matching=own), rates(2, **numbers))


def network(n_units: int = 40) -> Network:
    random = torch.Generator().manual_seed(2)
    weights = [
        torch.randn(2, post, pre, generator=random, dtype=torch.float64) / pre**0.5
        for pre, post in ((N_INPUTS, n_units), (n_units, 3))
    ]
    own = Network([Layer(one) for one in weights], "relu", "squared_error")
    matching().birth(own, draws(2, "birth"))
    return own


def stimuli() -> Tensor:
    """Bumps around a ring."""
    place = torch.arange(N_STIMULI, dtype=torch.float64)[:, None] / N_STIMULI
    centre = torch.arange(N_INPUTS, dtype=torch.float64) / N_INPUTS
    away = ((place - centre + 0.5) % 1) - 0.5
    return torch.exp(-0.5 * (away / 0.08) ** 2).repeat(2, 1, 1)


def lived(own: Network, rule: SimilarityMatching, n_updates: int) -> None:
    """So many updates over all stimuli."""
    zero = torch.zeros(2, 1, dtype=torch.float64)
    target = torch.nn.functional.one_hot(torch.arange(N_STIMULI) % 3, 3).double().repeat(2, 1, 1)
    session = Session(stimuli(), target, None, n_updates, N_STIMULI, zero.unsqueeze(2), zero)
    night = Draws(3, [0, 1], ("session", n_updates), torch.float64)
    learned = learn_session(own, lambda numbers: SimilarityMatching(rule.choices, numbers), rule.rates, session, night)
    assert "class of its own" in learned.engine


def similarities(values: Tensor) -> np.ndarray:
    return torch.bmm(values, values.transpose(1, 2))[0].numpy()


def alike(first: np.ndarray, second: np.ndarray) -> float:
    above = np.triu_indices(len(first), 1)
    return float(np.corrcoef(first[above], second[above])[0, 1])


def test_settled_rates_are_those_of_non_negative_least_squares() -> None:
    lateral, given = inhibition(), drives()
    found = settle(given, lateral, tolerance=1e-12, max_steps=100_000)
    for animal in range(2):
        root = np.linalg.cholesky(lateral[animal].numpy()).T
        for trial in range(7):
            expected, _ = nnls(root, np.linalg.solve(root.T, given[animal, trial].numpy()))
            np.testing.assert_allclose(found[animal, trial], expected, atol=1e-7)
    assert 0.05 < float((found > 0).double().mean()) < 0.9
    # where the dynamics rest, and at the default tolerance close to it
    diagonal = lateral.diagonal(dim1=1, dim2=2).unsqueeze(1)
    rest = ((given - torch.bmm(found, lateral) + found * diagonal) / diagonal).clamp_min(0)
    torch.testing.assert_close(found, rest, rtol=0, atol=1e-7)
    torch.testing.assert_close(settle(given, lateral), found, rtol=0, atol=2e-3 * float(found.max()))


def test_without_inhibition_each_unit_is_driven_alone_and_without_competition_all_take_part() -> None:
    given, leak = drives(), torch.linspace(0.5, 3, 30, dtype=torch.float64)
    alone = settle(given, torch.diag(leak).repeat(2, 1, 1), tolerance=1e-12)
    torch.testing.assert_close(alone, given.clamp_min(0) / leak, rtol=0, atol=1e-9)
    weak = torch.eye(30, dtype=torch.float64) + 0.01
    together = settle(given.abs() + 5, weak.repeat(2, 1, 1), tolerance=1e-12)
    torch.testing.assert_close(together, torch.linalg.solve(weak, (given.abs() + 5).transpose(1, 2)).transpose(1, 2))


def test_a_trial_settles_as_if_it_were_alone() -> None:
    lateral, given = inhibition(), drives()
    given[0, 0] *= 1e-3
    whole = settle(given, lateral)
    torch.testing.assert_close(settle(given[:1, :1], lateral[:1]), whole[:1, :1], rtol=0, atol=1e-15)
    torch.testing.assert_close(settle(given[1:, 3:5], lateral[1:]), whole[1:, 3:5], rtol=0, atol=1e-13)


def test_the_bound_holds_and_what_does_not_settle_is_told() -> None:
    lateral = inhibition()
    bound = largest_eigenvalue(lateral).flatten()
    largest = torch.linalg.eigvalsh(lateral)[:, -1]
    assert (bound >= largest).all() and (bound < 1.5 * largest).all()
    with pytest.warns(UserWarning, match="did not settle within 3 steps in 14 of 14 trials"):
        settle(drives(), lateral, max_steps=3)


def test_one_update_is_the_stated_one() -> None:
    own, rule = network(), matching(hidden=0.2, readout=0.3)
    own.layers[0].plasticity = torch.linspace(0.5, 2, 40, dtype=torch.float64).repeat(2, 1)
    before = own.copy()
    activity = forward(own, stimuli())
    target = torch.ones_like(activity.output)
    rule.update(own, activity, rule.teaching_signals(own, activity, target, 0))
    rate = activity.values[0]
    pace = 0.2 * own.layers[0].plasticity
    hebbian = torch.einsum("ati,atj->aij", rate, stimuli()) / N_STIMULI - before.layers[0].weights
    torch.testing.assert_close(own.layers[0].weights, before.layers[0].weights + pace.unsqueeze(2) * hebbian)
    born = torch.eye(40, dtype=torch.float64) * 1.1
    pairs = (pace.unsqueeze(2) * pace.unsqueeze(1)).sqrt()
    covariance = torch.einsum("ati,atj->aij", rate, rate) / N_STIMULI
    expected = born + pairs * (covariance + 0.1 * torch.eye(40, dtype=torch.float64) - born)
    torch.testing.assert_close(own.layers[0].lateral, expected)
    torch.testing.assert_close(own.layers[0].threshold, 0.01 + pace * 0.5 * rate.mean(1))
    error = torch.einsum("ato,ati->aoi", target - activity.output, activity.rates[1]) / N_STIMULI
    torch.testing.assert_close(own.layers[1].weights, before.layers[1].weights + 0.3 * error)


def test_similarities_of_rates_come_to_match_those_of_stimuli_and_weights_their_own_averages() -> None:
    own, rule = network(), matching(hidden=0.2)
    wanted = similarities(stimuli()) - 0.5
    start = similarities(forward(own, stimuli()).values[0])
    lived(own, rule, 400)
    activity = forward(own, stimuli())
    rate, layer = activity.values[0], own.layers[0]
    assert alike(similarities(rate), wanted) > 0.98 > 0.9 > alike(start, wanted)
    torch.testing.assert_close(layer.weights, torch.bmm(rate.transpose(1, 2), stimuli()) / N_STIMULI, rtol=0, atol=0.02)
    covariance = torch.bmm(rate.transpose(1, 2), rate) / N_STIMULI + 0.1 * torch.eye(40, dtype=torch.float64)
    torch.testing.assert_close(layer.lateral, covariance, rtol=0, atol=0.02)
    # stimuli less alike than the offset share no unit
    far = wanted < -0.3
    assert similarities(rate)[far].max() < 0.05 * similarities(rate).max()


def test_noise_turns_the_code_and_leaves_its_similarities() -> None:
    found = {}
    for noise in (0.0, 0.05):
        own, rule = network(), matching(hidden=0.1, update_noise=noise)
        lived(own, rule, 250)
        before = forward(own, stimuli()).values[0].clone()
        lived(own, rule, 251)
        after = forward(own, stimuli()).values[0]
        turned = [np.corrcoef(*pair)[0, 1] for pair in zip(before[0], after[0], strict=True)]
        found[noise] = float(np.mean(turned)), alike(similarities(before), similarities(after))
        lateral = own.layers[0].lateral
        torch.testing.assert_close(lateral, lateral.transpose(1, 2), rtol=0, atol=1e-12)
        assert float(lateral.min()) == 0
    assert found[0.0][0] > 0.93
    assert found[0.05][0] < 0.75 < 0.9 < found[0.05][1]


def test_noise_of_lateral_weights_has_the_stated_sd_and_is_the_same_both_ways() -> None:
    own = network(120)
    numbers = rates(2, update_noise=0.4)
    noise = LearningNoise(own, numbers, 5, draws(2, "session"))
    zero = torch.zeros(2, 120, 120, dtype=torch.float64)
    first, second = noise.lateral_ascent(0, zero, 0), noise.lateral_ascent(0, zero, 1)
    assert torch.equal(first, first.transpose(1, 2)) and not torch.allclose(first, second)
    above = first[:, *np.triu_indices(120, 1)]
    assert float(above.std()) == pytest.approx(0.4, rel=0.02)


SM = {
    "rule": {
        "name": "similarity_matching",
        "learning_rate": 0.1,
        "readout_learning_rate": 0.3,
        "update_noise": 0.02,
        "matching_offset": 0.5,
    },
    "network": {"active_fraction": 0.0, "weight_scale": 1.0, "hidden": [60]},
    "stimuli": {"session_gain_sd": 0.0, "inputs": 90},
}


def test_it_runs_in_a_protocol_beside_the_family_and_drifts_with_experience_alone() -> None:
    off = {"overnight": {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0}}
    long = {"schedule": {"passes": 40, "pretraining_passes": 80}}
    recording = simulate(small(off, long, {"groups": {"fa": {"stimuli": {"inputs": 90}}, "matching": SM}}))
    probe = recording["probe"].to_dataset()
    assert float(probe["correct"].isel(animal=slice(4, None), session=-1).mean()) > 0.7
    again = simulate(small(off, long, SM))["probe/true_rate"].values
    np.testing.assert_allclose(probe["true_rate"].values[4:], again, rtol=1e-4, atol=1e-5)
    idle = small(off, long, SM, {"schedule": {"days": [0, 2, 40]}})
    np.testing.assert_allclose(simulate(idle)["probe/true_rate"].values, again, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"network": {"activation": "tanh"}}, "has rates that are not negative"),
        ({"network": {"active_fraction": 0.2}}, "set network.active_fraction to 0"),
        ({"network": {"biases": True}}, "has no biases, output gains or softmax"),
        ({"rule": {"optimiser": "adam"}}, "takes plain steps"),
        ({"rule": {"unit_dropout": 0.1}}, "knows no dropout"),
        ({"rule": {"learning_rate": 0.8, "lateral_rate": 2.0}}, "must be at most 1"),
        ({"rule": {"feedback_weights": "fixed"}}, "sends nothing back"),
        ({"rule": {"name": "fa", "feedback_weights": "none"}}, "sends nothing back"),
        ({"rule": {"matching_leak": 0.0}}, "matching_leak must be greater than 0"),
        ({"engine": {"kind": "spiking"}, "spiking": {"use": "port"}}, "has no lateral inhibition"),
        ({"network": {"kind": "recurrent"}}, "not to earlier moments"),
        ({"network": {"kind": "predicting"}}, "is for feedforward networks"),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_sentence(changes: dict, sentence: str) -> None:
    own = {"network": {"hidden": [8]}, "rule": {"name": "similarity_matching"}}
    for table, values in changes.items():
        own[table] = own.get(table, {}) | values
    with pytest.raises(ProtocolError, match=sentence):
        protocol_from(own)


def test_stimuli_with_synapses_of_their_own_are_refused() -> None:
    own = {"kind": "uniform_samples"}
    protocol = {"stimuli": own, "network": {"hidden": [6]}, "rule": {"name": "similarity_matching"}}
    with pytest.raises((ConfigError, NeurofaError), match="learns from the activity of inputs"):
        simulate(protocol_from(protocol | {"observation": {"kind": "none"}}))
