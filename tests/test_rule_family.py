"""Rules beyond the theory's own: autograd with replaced backward weights, closed forms, optimisers, invariances."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neurofa.learning import Session, learn_session
from neurofa.networks import Layer, Network, forward
from neurofa.rules import NAMED_RULES, PATHWAYS
from neurofa.rules.feedback_weights import feedback_of
from neurofa.rules.names import Choices
from neurofa.rules.rule import Rule
from tests.engine import born_rule, draws, random_network, rates, trials

SIZES = [5, 6, 4, 3]


class ReplacedBackward(torch.autograd.Function):
    """A linear map whose backward pass uses other weights: the textbook form of feedback alignment."""

    @staticmethod
    def forward(context, rates, weights, backward):  # type: ignore[no-untyped-def]
        context.save_for_backward(rates, backward)
        return rates @ weights.T

    @staticmethod
    def backward(context, gradient):  # type: ignore[no-untyped-def]
        rates, backward = context.saved_tensors
        return gradient @ backward, gradient.T @ rates, None


class Straight(torch.autograd.Function):
    """tanh whose derivative is taken as 1."""

    @staticmethod
    def forward(context, values):  # type: ignore[no-untyped-def]
        return torch.tanh(values)

    @staticmethod
    def backward(context, gradient):  # type: ignore[no-untyped-def]
        return gradient


class Tap(torch.autograd.Function):
    """Passes values on; what is fed back is replaced by a random projection of the output's error (DFA)."""

    @staticmethod
    def forward(context, values, output_error, feedback):  # type: ignore[no-untyped-def]
        context.save_for_backward(output_error, feedback)
        return values.clone()

    @staticmethod
    def backward(context, gradient):  # type: ignore[no-untyped-def]
        output_error, feedback = context.saved_tensors
        return output_error @ feedback.T, None, None


def gradients_by_autograd(
    weights: list[Tensor], stimuli: Tensor, target: Tensor, loss: str, backward: list[Tensor], activation=torch.tanh
) -> list[Tensor]:
    """Ascent directions of one animal's weights, `backward` in place of the weights of the layers above the first."""
    weights = [one.clone().requires_grad_() for one in weights]
    hidden = stimuli
    for number, own in enumerate(weights):
        replaced = own.detach() if number == 0 else backward[number - 1]
        drive = ReplacedBackward.apply(hidden, own, replaced)
        hidden = activation(drive) if number < len(weights) - 1 else drive
    return [-one for one in torch.autograd.grad(loss_of(hidden, target, loss), weights)]


def loss_of(drive: Tensor, target: Tensor, loss: str) -> Tensor:
    """Mean loss over trials."""
    if loss == "cross_entropy":
        return -(target * drive.log_softmax(-1)).sum(-1).mean()
    return ((target - drive) ** 2).sum(-1).mean() / 2


def changes(network: Network, rule: Rule, stimuli: Tensor, target: Tensor) -> list[Tensor]:
    """How one update of the engine changes the weights."""
    before = [layer.weights.clone() for layer in network.layers]
    activity = forward(network, stimuli)
    rule.update(network, activity, rule.teaching_signals(network, activity, target, 0))
    return [layer.weights - old for layer, old in zip(network.layers, before, strict=True)]


def named(name: str, **changed: object) -> tuple[tuple[str, str, str], dict[str, object]]:
    """Choices of a named rule, for `born_rule`."""
    row = NAMED_RULES[name]
    more = {"slope": row.slope, "sign_magnitudes": row.sign_magnitudes, "learned_by": row.learned_by} | changed
    return (row.teaching_signal, row.pathway, row.feedback_weights), more


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("name", ["bp", "fa", "usf", "frsf", "brsf", "kp", "wm", "infomax", "linbp"])
def test_layerwise_rules_are_autograd_with_replaced_backward_weights(name: str, loss: str) -> None:
    network = random_network(SIZES, "tanh", loss, extras=False)
    choices, more = named(name)
    rule = born_rule(network, *choices, more=more, feedback_decay=0.0)
    stimuli, target = trials(network)
    weights = [layer.weights.clone() for layer in network.layers]
    magnitudes = [None if layer.feedback is None else layer.feedback.clone() for layer in network.layers]
    found = changes(network, rule, stimuli, target)
    for animal in range(3):
        backward = []
        for number in range(2):
            above = weights[number + 1][animal]
            if name in ("bp", "linbp"):
                backward.append(above)
            elif name == "usf":
                backward.append(above.sign() * 1.5 / above.shape[0] ** 0.5)
            elif name == "brsf":
                drawn = draws(3, "session", 0).generator(animal, ("feedback magnitudes", number))
                block = (min(64, 2**20 // above.numel()), above.shape[1], above.shape[0])
                first = torch.from_numpy(drawn.standard_normal(block, dtype=np.float32)[0]).double()
                backward.append(above.sign() * first.T.abs() * 1.5 / above.shape[0] ** 0.5)
            else:
                own = magnitudes[number][animal].T
                backward.append(own.abs() * above.sign() if name == "frsf" else own)
        activation = Straight.apply if name == "linbp" else torch.tanh
        own = [one[animal] for one in weights]
        expected = gradients_by_autograd(own, stimuli[animal], target[animal], loss, backward, activation)
        for got, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(got[animal], 0.1 * wanted, rtol=1e-6, atol=1e-9)
        if name not in ("bp",):
            exact = gradients_by_autograd(own, stimuli[animal], target[animal], loss, own[1:])
            assert (found[0][animal] - 0.1 * exact[0]).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["dfa", "drtp"])
def test_direct_rules_are_autograd_with_the_signal_tapped_in(name: str) -> None:
    network = random_network(SIZES, "tanh", extras=False)
    rule = born_rule(network, *named(name)[0])
    stimuli, target = trials(network)
    state = [(layer.weights.clone(), layer.feedback) for layer in network.layers]
    output = forward(network, stimuli).output
    found = changes(network, rule, stimuli, target)
    for animal in range(3):
        weights = [one[animal].clone().requires_grad_() for one, _ in state]
        sent = target[animal] - output[animal] if name == "dfa" else target[animal]
        hidden = stimuli[animal]
        for number, own in enumerate(weights[:-1]):
            hidden = Tap.apply(torch.tanh(hidden @ own.T), -sent / len(sent), state[number][1][animal])
        expected = torch.autograd.grad(loss_of(hidden @ weights[-1].T, target[animal], "squared_error"), weights)
        for got, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(got[animal], -0.1 * wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_optimisers_are_those_of_torch(name: str) -> None:
    network = random_network(SIZES, "tanh", n_animals=2)
    for layer in network.layers[:-1]:
        layer.threshold = layer.gain = layer.excitability = None
    rule = born_rule(network, "error", "layerwise", "transpose", more={"optimiser": name})
    stimuli, target = trials(network)
    twins = []
    for animal in range(2):
        parameters = [
            getattr(layer, key)[animal].clone().requires_grad_()
            for layer in network.layers
            for key in ("weights", "bias")
        ]
        kinds = {
            "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
            "adam": lambda p: torch.optim.Adam(p, 0.1),
        }
        optimiser = kinds[name](parameters)
        for _ in range(5):
            hidden = stimuli[animal]
            for number in range(3):
                drive = hidden @ parameters[2 * number].T + parameters[2 * number + 1]
                hidden = torch.tanh(drive) if number < 2 else drive
            optimiser.zero_grad()
            loss_of(hidden, target[animal], "squared_error").backward()
            optimiser.step()
        twins.append([one.detach() for one in parameters])
    for update in range(5):
        activity = forward(network, stimuli)
        rule.update(network, activity, rule.teaching_signals(network, activity, target, update), update)
    for animal, twin in enumerate(twins):
        for number, layer in enumerate(network.layers):
            torch.testing.assert_close(layer.weights[animal], twin[2 * number], rtol=1e-6, atol=1e-9)
            torch.testing.assert_close(layer.bias[animal], twin[2 * number + 1], rtol=1e-6, atol=1e-9)


def test_output_gains_learn_down_the_gradient() -> None:
    network = random_network(SIZES, "tanh")
    for number, layer in enumerate(network.layers[:-1]):
        layer.output_gain = torch.full((3, 1), 0.7 + number, dtype=torch.float64)
    stimuli, target = trials(network)
    gains = [layer.output_gain.clone().requires_grad_() for layer in network.layers[:-1]]
    twin = network.copy()
    for layer, gain in zip(twin.layers, gains, strict=False):
        layer.output_gain = gain
    loss = ((target - forward(twin, stimuli).output) ** 2).sum(-1).mean(1).sum() / 2
    expected = torch.autograd.grad(loss, gains)
    before = [layer.output_gain.clone() for layer in network.layers[:-1]]
    changes(network, born_rule(network, "error", "layerwise", "transpose"), stimuli, target)
    for layer, old, gradient in zip(network.layers, before, expected, strict=False):
        torch.testing.assert_close(layer.output_gain, old - 0.1 * gradient, rtol=1e-6, atol=1e-12)
        assert gradient.abs().min() > 1e-4


def test_kolen_pollack_brings_feedback_and_forward_weights_together_at_the_rate_of_the_decay() -> None:
    network = random_network([5, 8, 3], "tanh", extras=False)
    rule = born_rule(network, *named("kp")[0], more=named("kp")[1], feedback_decay=0.02)
    stimuli, target = trials(network)
    apart = network.layers[0].feedback - network.layers[1].weights.transpose(1, 2)
    for update in range(50):
        activity = forward(network, stimuli)
        rule.update(network, activity, rule.teaching_signals(network, activity, target, update), update)
    now = network.layers[0].feedback - network.layers[1].weights.transpose(1, 2)
    torch.testing.assert_close(now, apart * (1 - 0.02) ** 50, rtol=1e-9, atol=1e-12)


def angle_of(first: Tensor, second: Tensor) -> np.ndarray:
    """Degrees between flattened tensors, per animal."""
    cosine = torch.nn.functional.cosine_similarity(first.flatten(1), second.flatten(1))
    return torch.rad2deg(torch.acos(cosine)).numpy()


def test_a_weight_mirror_learns_the_transpose_and_without_noise_it_would_not() -> None:
    network = random_network([5, 20, 6], "tanh", extras=False)
    rule = born_rule(network, *named("wm")[0], more=named("wm")[1], feedback_rate=0.01)
    transposed = network.layers[1].weights.transpose(1, 2)
    assert (angle_of(network.layers[0].feedback, transposed) > 70).all()
    for update in range(2000):
        rule.feedback.learn(network, 0, torch.zeros_like(network.layers[1].weights), update)
    assert (angle_of(network.layers[0].feedback, transposed) < 25).all()
    np.testing.assert_allclose(network.layers[0].feedback.norm(dim=(1, 2)), transposed.norm(dim=(1, 2)), rtol=0.25)


def log_determinant(feedback: Tensor, covariance: Tensor) -> Tensor:
    """Of the covariance of the signal that arrives, in the directions that it can have."""
    inner = covariance @ feedback.transpose(1, 2) @ feedback
    power = inner.detach().diagonal(dim1=1, dim2=2).mean(1).reshape(-1, 1, 1)
    return torch.logdet(inner + 1e-3 * power * torch.eye(inner.shape[1], dtype=inner.dtype))


def test_informative_feedback_climbs_the_log_determinant_keeps_its_norm_and_follows_autograd() -> None:
    network = random_network([5, 12, 4], "tanh", extras=False)
    rule = born_rule(network, *named("infomax")[0], more=named("infomax")[1], feedback_rate=1e-4)
    mixing = torch.randn(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    signal = torch.randn(3, 400, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64) @ mixing
    before = network.layers[0].feedback.clone()
    rule.feedback.send(network, 0, signal, 0)
    rule.feedback.learn(network, 0, signal[:, :0], 0)
    covariance = network.memory["signal covariance 0"]
    torch.testing.assert_close(covariance, 0.05 * signal.transpose(1, 2) @ signal / 400)
    step = network.layers[0].feedback - before
    leaf = before.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(log_determinant(leaf, covariance).sum(), leaf)
    # the norm is kept, so the step is the part of the gradient that is at right angles to the weights
    along = (gradient * before).sum((1, 2), keepdim=True) / before.square().sum((1, 2), keepdim=True)
    assert (angle_of(step, gradient - along * before) < 0.1).all()
    assert (angle_of(step, torch.roll(gradient - along * before, 1, 1)) > 30).all()
    rule.rates.feedback_rate.fill_(0.01)
    for update in range(1, 60):
        rule.feedback.send(network, 0, signal, update)
        rule.feedback.learn(network, 0, signal[:, :0], update)
    whole = signal.transpose(1, 2) @ signal / 400
    assert (log_determinant(network.layers[0].feedback, whole) > log_determinant(before, whole) + 0.1).all()
    torch.testing.assert_close(network.layers[0].feedback.norm(dim=(1, 2)), before.norm(dim=(1, 2)))


def test_synapses_of_their_own_are_a_one_hot_input_whose_mean_is_not_taken() -> None:
    n_stimuli, units = 6, 4
    first = random_network([n_stimuli, units, 2], "tanh", extras=False)
    private = first.copy()
    private.private = True
    target = trials(first, n_stimuli)[1]
    dense = torch.eye(n_stimuli, dtype=torch.float64).expand(3, -1, -1)
    blank = torch.zeros(3, n_stimuli, 1, dtype=torch.float64)
    steep = born_rule(first, "error", "layerwise", "fixed", hidden=0.1 * n_stimuli)
    plain = born_rule(private, "error", "layerwise", "fixed", hidden=0.1)
    torch.testing.assert_close(forward(private, blank).output, forward(first, dense).output)
    for got, wanted in zip(changes(private, plain, blank, target), changes(first, steep, dense, target), strict=True):
        torch.testing.assert_close(got, wanted)
        assert wanted.abs().max() > 1e-4


def session_of(network: Network, batch_size: int, n_stimuli: int = 12) -> Session:
    """A few passes over random stimuli."""
    stimuli, targets = trials(network, n_stimuli)
    n_animals = network.n_animals
    return Session(
        stimuli,
        targets,
        None,
        3,
        batch_size,
        torch.full((n_animals, 1, 1), 0.1, dtype=torch.float64),
        torch.zeros(n_animals, 1, dtype=torch.float64),
    )


def learned_network(network: Network, name: str, batch_size: int, more: dict[str, object] | None = None) -> Network:
    """After one session of a named rule."""
    choices, options = named(name, **(more or {}))
    rule = Choices(*choices, **options)  # type: ignore[arg-type]
    own = rates()
    if all(layer.feedback is None for layer in network.layers):
        Rule(rule, own).birth(network, draws(3, "birth"))
    learn_session(network, lambda some: Rule(rule, some), own, session_of(network, batch_size), draws(3, "session", 0))
    return network


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["bp", "fa", "dfa", "tf", "nf", "drtp", "frsf", "usf", "kp", "infomax", "linbp"]),
    seed=st.integers(0, 10_000),
)
def test_renaming_hidden_units_renames_the_result(name: str, seed: int) -> None:
    network = random_network([5, 6, 3], "tanh", seed=seed % 50)
    choices, more = named(name)
    Rule(Choices(*choices, **more), rates()).birth(network, draws(3, "birth"))  # type: ignore[arg-type]
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    renamed = network.copy()
    hidden, above = renamed.layers
    for key, value in list(hidden.tensors()):
        if key != "feedback_hidden":
            setattr(hidden, key, value[:, order].clone())
    above.weights = above.weights[:, :, order].clone()
    for layer in (*network.layers, *renamed.layers):
        layer.target_active = None
    one, other = (learned_network(each, name, 4) for each in (network, renamed))
    torch.testing.assert_close(one.layers[0].weights[:, order], other.layers[0].weights, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(one.layers[1].weights[:, :, order], other.layers[1].weights, rtol=1e-8, atol=1e-10)
    if not torch.equal(order, torch.arange(6)):
        assert not torch.allclose(one.layers[0].weights, other.layers[0].weights)


def test_the_order_of_a_whole_batch_changes_nothing_and_that_of_small_batches_does() -> None:
    for batch_size, same in ((12, True), (3, False)):
        results = []
        for order in (torch.arange(12), torch.arange(12).flip(0)):
            network = random_network([5, 6, 3], "tanh")
            born = Choices("error", "layerwise", "fixed")
            Rule(born, rates()).birth(network, draws(3, "birth"))
            session = session_of(network, batch_size)
            quiet = Session(**(vars(session) | {"noise_sd": torch.zeros(3, 1, 1, dtype=torch.float64)}))
            turned = Session(**(vars(quiet) | {"stimuli": quiet.stimuli[:, order], "targets": quiet.targets[:, order]}))
            learn_session(network, lambda some, born=born: Rule(born, some), rates(), turned, draws(3, "session", 0))
            results.append(network.layers[0].weights)
        assert torch.allclose(*results, rtol=1e-10, atol=1e-12) is same


def test_random_numbers_of_one_purpose_do_not_shift_when_another_is_drawn() -> None:
    # nfa draws noise for its feedback, fa does not: with noise of size 0 both see the same input noise and order
    results = []
    for name in ("fa", "nfa", "brsf"):
        network = random_network([5, 6, 3], "tanh")
        before = draws(3, "session", 0).stream(("input noise",), (4,), "normal").at(0)
        choices, more = named(name)
        rule = Choices(*choices, **more)  # type: ignore[arg-type]
        Rule(rule, rates()).birth(network, draws(3, "birth"))
        own = rates(noise_amplitude=0.0, hidden=0.1 if name != "brsf" else 0.0)
        learn_session(
            network, lambda some, rule=rule: Rule(rule, some), own, session_of(network, 4), draws(3, "session", 0)
        )
        after = draws(3, "session", 0).stream(("input noise",), (4,), "normal").at(0)
        assert torch.equal(before, after)
        results.append(network)
    torch.testing.assert_close(results[0].layers[0].weights, results[1].layers[0].weights, rtol=1e-12, atol=1e-14)
    assert not torch.allclose(results[0].layers[1].weights, results[2].layers[1].weights)


def test_one_output_unit_and_one_trial_at_a_time_learn_with_every_rule() -> None:
    layered = [(name, row) for name, row in NAMED_RULES.items() if row.pathway in PATHWAYS]
    assert len(layered) == 15
    for (name, row), optimiser in itertools.product(layered, ("gradient", "adam")):
        network = random_network([3, 4, 1], "tanh")
        network = learned_network(network, name, 1, {"optimiser": optimiser})
        assert torch.isfinite(network.layers[0].weights).all(), (name, row)
        assert not torch.equal(network.layers[0].weights, random_network([3, 4, 1], "tanh").layers[0].weights), name


def test_noise_of_feedback_may_be_normal() -> None:
    network = random_network([4, 40, 30], "tanh", extras=False)
    rule = born_rule(network, "error", "readout", "noisy", more={"noise_kind": "normal"}, noise_amplitude=1.0)
    unit = torch.eye(30, dtype=torch.float64).expand(3, -1, -1)
    noise = rule.feedback.send(network, 0, unit, 0) - feedback_of(network.layers[0]).transpose(1, 2)
    np.testing.assert_allclose(noise.std((1, 2)), 1.0, rtol=0.08)
    assert (noise.abs() > 0.5).any()


def test_layers_keep_what_they_know_when_copied() -> None:
    network = random_network([4, 5, 2])
    network.layers[0] = Layer(**dict(network.layers[0].tensors()))
    copy = network.copy()
    copy.layers[0].weights += 1
    assert not torch.equal(copy.layers[0].weights, network.layers[0].weights)
    assert copy.state().keys() == network.state().keys()


def test_kolen_pollack_leaves_frozen_weights_as_they_are() -> None:
    network = random_network([5, 8, 3], "tanh", extras=False)
    before = network.layers[1].weights.clone()
    feedback = learned_network(network, "kp", 4).layers[0].feedback
    assert not torch.equal(network.layers[1].weights, before)
    frozen = random_network([5, 8, 3], "tanh", extras=False)
    choices, more = named("kp")
    rule = Choices(*choices, **more)  # type: ignore[arg-type]
    own = rates(readout=0.0)
    Rule(rule, own).birth(frozen, draws(3, "birth"))
    born = frozen.layers[0].feedback.clone()
    learned = learn_session(frozen, lambda some: Rule(rule, some), own, session_of(frozen, 4), draws(3, "session", 0))
    assert torch.equal(frozen.layers[1].weights, before)
    assert torch.equal(frozen.layers[0].feedback, born) and not torch.equal(feedback, born)
    assert "frozen" in learned.engine
