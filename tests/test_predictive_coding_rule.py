"""Predictive coding as a rule of protocols, renewed stimuli, and the monitor that holds feedback against it."""

import warnings

import numpy as np
import pytest
import torch

import neurofa
from neurofa.draws import Draws
from neurofa.errors import ProtocolError
from neurofa.learning import Session, learn_session
from neurofa.networks import Layer, Network, forward
from neurofa.protocol import protocol_from
from neurofa.rules.names import Choices, Inference
from neurofa.rules.predictive_coding import PredictiveCoding
from neurofa.rules.rule import Rates, Rule

SIZES = (6, 12, 9, 4)


def network(loss: str = "squared_error", activation: str = "tanh", n_animals: int = 2) -> Network:
    """Random networks in double precision."""
    generator = torch.Generator().manual_seed(0)
    layers = []
    for pre, post in zip(SIZES[:-1], SIZES[1:], strict=True):
        weights = torch.randn(n_animals, post, pre, generator=generator, dtype=torch.float64) / pre**0.5
        bias = 0.1 * torch.randn(n_animals, post, generator=generator, dtype=torch.float64)
        layers.append(Layer(weights=weights, bias=bias))
    return Network(layers, activation, loss)


def rates(n_animals: int = 2, rate: float = 0.1) -> Rates:
    """Learning rates, everything else 0."""
    numbers = {name: torch.zeros(n_animals, 1, 1, dtype=torch.float64) for name in Rates.__dataclass_fields__}
    numbers |= {name: torch.full((n_animals, 1, 1), rate, dtype=torch.float64) for name in ("hidden", "readout")}
    numbers["readout_step_bound"] += torch.inf
    return Rates(**numbers)


def shown(loss: str = "squared_error", n_animals: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Stimuli and targets."""
    generator = torch.Generator().manual_seed(1)
    stimuli = torch.randn(n_animals, 8, SIZES[0], generator=generator, dtype=torch.float64)
    target = torch.randn(n_animals, 8, SIZES[-1], generator=generator, dtype=torch.float64)
    return stimuli, torch.softmax(target, -1) if loss == "cross_entropy" else target


def changes(rule: Rule, loss: str) -> tuple[list[torch.Tensor], dict[str, list[torch.Tensor]]]:
    """Changes of all weights and biases in one update."""
    own, (stimuli, target) = network(loss), shown(loss)
    before = {name: value.clone() for name, value in own.state().items()}
    activity = forward(own, stimuli)
    rule.update(own, activity, rule.teaching_signals(own, activity, target, 0))
    return [value - before[name] for name, value in own.state().items()], rule.course


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_fixed_predictions_change_weights_as_backpropagation_does(loss: str) -> None:
    fixed = PredictiveCoding(
        Choices("error", "fixed_prediction", "transpose", inference=Inference(step=1.0, tolerance=1e-14)), rates()
    )
    exact = Rule(Choices("error", "layerwise", "transpose"), rates())
    ours, course = changes(fixed, loss)
    theirs, _ = changes(exact, loss)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    assert course["inference_steps"][0].tolist() == [2, 2]


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_updates_descend_the_energy_at_the_equilibrium(loss: str) -> None:
    # at the equilibrium the ascent is minus the gradient of the energy by the weights alone
    how = Inference(tolerance=1e-12, precisions=(1.0, 2.0, 0.5))
    rule = PredictiveCoding(Choices("error", "equilibrium", "transpose", inference=how), rates(rate=1.0))
    own, (stimuli, target) = network(loss), shown(loss)
    activity = forward(own, stimuli)
    found = rule.equilibrium(own, activity, target)
    assert found.converged.all() and (found.energy.diff(dim=1) <= 1e-12 * found.energy[:, :-1]).all()
    weights = [layer.weights.clone().requires_grad_() for layer in own.layers]
    energy, below = torch.zeros((), dtype=torch.float64), [stimuli, *found.rates]
    for number, (matrix, layer) in enumerate(zip(weights, own.layers, strict=True)):
        drive = below[number] @ matrix.transpose(1, 2) + layer.bias[:, None]
        if number < 2:
            error = below[number + 1] - drive.tanh()
            energy = energy + how.precisions[number] * 0.5 * error.square().sum()
        elif loss == "squared_error":
            energy = energy + how.precisions[2] * 0.5 * (target - drive).square().sum()
        else:
            energy = energy - how.precisions[2] * (target * torch.log_softmax(drive, -1)).sum()
    assert energy.item() == pytest.approx(found.energy[:, -1].sum().item())
    energy.backward()
    before = [layer.weights.clone() for layer in own.layers]
    rule.update(own, activity, rule.teaching_signals(own, activity, target, 0))
    for layer, old, matrix in zip(own.layers, before, weights, strict=True):
        torch.testing.assert_close(layer.weights - old, -matrix.grad / stimuli.shape[1], rtol=0, atol=1e-10)


def equilibrium_rule(rate: float, **how: float) -> PredictiveCoding:
    """The rule with inference."""
    return PredictiveCoding(Choices("error", "equilibrium", "transpose", inference=Inference(**how)), rates(rate=rate))


def test_relu_networks_on_kinks_descend_the_energy_at_the_equilibrium() -> None:
    rule, (stimuli, target) = equilibrium_rule(1.0, tolerance=1e-9), shown()
    own = network(activation="relu")
    activity = forward(own, stimuli)
    found = rule.equilibrium(own, activity, target)
    assert found.converged.all()
    slopes = found.slopes[1]
    assert ((slopes > 0) & (slopes < 1)).any() and (slopes == 0).any() and (slopes == 1).any()
    before = [layer.weights.clone() for layer in own.layers]
    rule.update(own, activity, rule.teaching_signals(own, activity, target, 0))
    assert rule.course["inference_converged"][0].tolist() == [1, 1]
    # by finite differences, inference anew on either side, along a random direction in every layer
    generator, small = torch.Generator().manual_seed(3), 1e-5
    for number, (layer, old) in enumerate(zip(own.layers, before, strict=True)):
        direction = torch.randn(old.shape, generator=generator, dtype=torch.float64)
        energies = []
        for sign in (1, -1):
            moved = network(activation="relu")
            moved.layers[number].weights.add_(sign * small * direction)
            energies.append(rule.equilibrium(moved, forward(moved, stimuli), target).energy[:, -1])
        slope = (energies[0] - energies[1]) / (2 * small) / stimuli.shape[1]
        torch.testing.assert_close(((layer.weights - old) * direction).sum((1, 2)), -slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("scale", [1.0, 1.4, 2.0])
def test_the_tolerance_decides_where_relu_inference_ends_not_the_steps_of_descent(
    scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stimuli, target = shown(n_animals=12)
    stimuli, target = stimuli[:, :1], target[:, :1]
    own = network(activation="relu", n_animals=12)
    for layer in own.layers:
        layer.weights.mul_(scale)
    found = {}
    for descent in (30, 300):
        monkeypatch.setattr("neurofa.rules.predictive_coding.DESCENT", descent)
        found[descent] = equilibrium_rule(1.0, tolerance=1e-9).equilibrium(own, forward(own, stimuli), target)
        assert found[descent].converged.all()
        for number in (0, 1):
            # forces balance: what comes down is what holds against it
            above = found[descent].slopes[number + 1] * found[descent].errors[number + 1]
            down = torch.bmm(above, own.layers[number + 1].weights)
            torch.testing.assert_close(down, found[descent].errors[number], rtol=0, atol=1e-7)
    for one, other in zip(found[30].rates, found[300].rates, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    # beyond the first steps there are as many as are needed, and more for a finer tolerance
    assert len(set(found[30].n_steps.tolist())) > 1
    monkeypatch.setattr("neurofa.rules.predictive_coding.DESCENT", 30)
    coarse = equilibrium_rule(1.0, tolerance=0.3).equilibrium(own, forward(own, stimuli), target)
    assert coarse.converged.all() and (coarse.n_steps < found[30].n_steps).any()
    assert (coarse.n_steps <= found[30].n_steps).all()
    given_up = equilibrium_rule(1.0, tolerance=1e-9, max_steps=2).equilibrium(own, forward(own, stimuli), target)
    assert not given_up.converged.all() and (given_up.n_steps <= 2 * 2).all()


def test_a_relu_network_learns_and_its_inference_converges(monkeypatch: pytest.MonkeyPatch) -> None:
    stimuli, target = shown()
    zero = torch.zeros(2, 1, dtype=torch.float64)
    draws = Draws(1, [0, 1], ("session", 0), torch.float64)
    choices = Choices("error", "equilibrium", "transpose", inference=Inference(max_steps=400))

    def learn(passes: int) -> dict[str, torch.Tensor]:
        session = Session(stimuli, target, None, passes, 4, zero.unsqueeze(2), zero)
        own = network(activation="relu")
        learned = learn_session(own, lambda given: PredictiveCoding(choices, given), rates(), session, draws, 1)
        return learned.course | {"loss": learned.loss}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        course = learn(25)
    assert course["inference_converged"].shape == (2, 50) and course["inference_converged"].all()
    # all stimuli come in two updates
    assert (course["loss"][:, -2:].mean(1) < 0.5 * course["loss"][:, :2].mean(1)).all()
    assert (course["energy"][:, -2:].mean(1) < 0.5 * course["energy"][:, :2].mean(1)).all()
    # networks and batches too large for linear systems descend: on kinks they do not rest, and this is told
    monkeypatch.setattr("neurofa.rules.predictive_coding.EXACT_UP_TO", 0)
    with pytest.warns(UserWarning, match="did not converge"):
        assert not learn(2)["inference_converged"].all()


def test_inference_that_is_given_up_is_told() -> None:
    stimuli, target = shown()
    zero = torch.zeros(2, 1, dtype=torch.float64)
    session = Session(stimuli, target, None, 3, 4, zero.unsqueeze(2), zero)
    draws = Draws(1, [0, 1], ("session", 0), torch.float64)

    def learn(max_steps: int) -> torch.Tensor:
        choices = Choices("error", "equilibrium", "transpose", inference=Inference(max_steps=max_steps))
        learned = learn_session(network(), lambda own: PredictiveCoding(choices, own), rates(), session, draws, 1)
        assert "class of its own" in learned.engine
        assert learned.course["energy"].shape == learned.loss.shape == (2, 6)
        return learned.course["inference_converged"]

    with pytest.warns(UserWarning, match="did not converge in 12 of 12 updates"):
        assert not learn(2).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert learn(2000).all()


PROTOCOL = {
    "cohort": {"animals": 3},
    "network": {"hidden": [16, 16], "activation": "tanh", "biases": True, "readout_scale": 1.0},
    "rule": {"learning_rate": 0.03, "readout_learning_rate": 0.03, "readout_step_bound": 0, "pathway": "readout"},
    "stimuli": {"kind": "teacher", "inputs": 5, "outputs": 3, "session_stimuli": 6400, "probe_stimuli": 64},
    "schedule": {"days": [0, 1, 2], "passes": 1, "batch_size": 16, "naive_first": True},
    "observation": {"kind": "none", "repeats": 1},
    "record": {"monitors": ["readout", "predictive_coding"]},
    "references": {"tables": []},
    "engine": {"dtype": "float64"},
    "groups": {
        "bp": {"rule": {"feedback_weights": "transpose"}},
        "fa": {},
        "predictive_coding": {
            "rule": {"name": "predictive_coding", "pathway": ""},
            "stimuli": {"session_stimuli": 640},
        },
    },
}


@pytest.fixture(scope="module")
def recording():
    """Three rules that learn from a teacher."""
    return neurofa.simulate(protocol_from(PROTOCOL))


def test_feedback_against_predictive_coding_in_a_protocol(recording) -> None:
    measured = neurofa.analyse(recording, ["feedback_is_it_predictive_coding"])["feedback_is_it_predictive_coding"]
    cosine = measured["feedback_pc_cosine"].isel(layer=-1).groupby("group").mean("animal")
    assert cosine.sel(group="predictive_coding").values == pytest.approx(1, abs=1e-3)
    assert (cosine.sel(group="bp") > 0.9).all()
    assert abs(float(cosine.sel(group="fa")[0])) < 0.35 < float(cosine.sel(group="fa")[-1])
    ceiling = measured["feedback_pc_cosine_ceiling"].isel(layer=-1).groupby("group").mean("animal")
    assert float(ceiling.sel(group="bp")[-1]) == pytest.approx(float(cosine.sel(group="bp")[-1]))
    null = measured["feedback_pc_cosine_null"]
    assert (abs(null) < 5 * measured["feedback_pc_cosine_null_sd"] / np.sqrt(20)).all()
    r2 = measured["fixed_readout_r2"].groupby("group").mean("animal")
    assert (r2[:, -1] > r2[:, 0] + 0.2).all()


def test_energy_and_convergence_are_recorded(recording) -> None:
    learning = recording["learning"].to_dataset().isel(animal=slice(6, 9), session=slice(1, None))
    there = np.isfinite(learning["energy"].values)
    assert there.sum() == 3 * 2 * 40
    assert (learning["inference_converged"].values[there] == 1).all()
    assert (learning["inference_steps"].values[there] > 5).all()
    assert (learning["energy"].values[there] <= learning["loss"].values[there]).all()
    assert np.isnan(recording["learning"]["energy"].values[:6]).all()


def test_renewed_stimuli_never_come_twice_and_belong_to_the_animal() -> None:
    from neurofa.members import batches
    from neurofa.recurrent_cohort import cohort_of

    cohort = cohort_of(batches(protocol_from(PROTOCOL | {"groups": {}}))[0])
    sessions = []
    for number in (1, 2, 1):
        cohort.occasion = ("session", number)
        sessions.append(cohort.session(cohort.session_stimuli(cohort.draws(*cohort.occasion)), 1))
    assert sessions[0].n_updates == 400 and sessions[0].stimuli.shape == (3, 6400, 5)
    assert torch.equal(sessions[0].stimuli, sessions[2].stimuli)
    everything = torch.cat([sessions[0].stimuli, sessions[1].stimuli, cohort.stimuli], 1)
    assert all(len(torch.unique(own, dim=0)) == everything.shape[1] for own in everything)
    # the teacher stays the animal's own
    drive = torch.atanh(sessions[0].targets) / 1.5
    weights = torch.linalg.lstsq(sessions[0].stimuli, drive).solution
    torch.testing.assert_close(torch.tanh(1.5 * cohort.stimuli @ weights), cohort.targets)
    assert not torch.allclose(weights[0], weights[1])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rule": {"name": "predictive_coding", "feedback_weights": "fixed"}}, "come down through the forward weights"),
        ({"rule": {"name": "predictive_coding", "precisions": [1.0, 2.0]}}, "lists 2 numbers for 2 hidden layers"),
        ({"rule": {"name": "predictive_coding", "precisions": [1.0, -2.0, 1.0]}}, "precisions must be greater than 0"),
        ({"rule": {"name": "fa", "precisions": [1.0]}}, "precisions are for predictive coding"),
        ({"rule": {"name": "predictive_coding", "unit_dropout": 0.1}}, "predictive coding knows neither"),
        ({"rule": {"name": "predictive_codin"}}, "did you mean 'predictive_coding'"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(changes: dict, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        protocol_from({"network": {"hidden": [8, 8]}} | changes)


def test_a_batch_larger_than_a_session_is_refused() -> None:
    wrong = PROTOCOL | {"groups": {}, "schedule": {"days": [0, 1], "passes": 1, "batch_size": 7000}}
    with pytest.raises(neurofa.NeurofaError, match="7000 exceeds the 6400 stimuli shown in a session"):
        neurofa.simulate(protocol_from(wrong))
