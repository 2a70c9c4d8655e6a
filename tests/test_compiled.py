"""The compiled engine does what the reference engine does: rule by rule, over whole sessions, up to rounding."""

import copy
import math
from collections.abc import Callable

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa.compiled import compiling, packing, reason_not_covered, session
from neurofa.compiled.products import blas_addresses, multiply
from neurofa.compiled.responses import tanh
from neurofa.draws import Draws
from neurofa.learning import Learned, Session, learn_session
from neurofa.networks import Network
from neurofa.rules.names import NAMED_RULES, Choices, why_illegal
from neurofa.rules.rule import RATE_AT_BIRTH, Rule
from tests.engine import draws, random_network, rates, trials

EXACT, SINGLE = 1e-10, 1e-5
COVERED = [
    name
    for name, row in NAMED_RULES.items()
    if row.pathway in ("layerwise", "direct", "readout") and row.feedback_weights != "informative"
]
#: small enough that the errors of rounding do not grow from update to update
NUMBERS = {"hidden": 0.002, "readout": 0.01, "readout_step_bound": 0.1, "noise_amplitude": 0.1, "walk_per_update": 0.1}
FEEDBACK: list[dict[str, object]] = [
    {"feedback_weights": "transpose"},
    {"feedback_weights": "transpose", "slope": "one"},
    {"feedback_weights": "fixed"},
    {"feedback_weights": "noisy"},
    {"feedback_weights": "noisy", "noise_kind": "normal"},
    {"feedback_weights": "network", "network_units": 6},
    {"feedback_weights": "walking"},
    {"feedback_weights": "sign"},
    {"feedback_weights": "sign", "sign_magnitudes": "batch"},
    {"feedback_weights": "sign", "sign_magnitudes": "fixed"},
    {"feedback_weights": "learned"},
    {"feedback_weights": "learned", "learned_by": "weight_mirror"},
]


def named(name: str, **more: object) -> Choices:
    """The choices of a named rule, with changes."""
    row = NAMED_RULES[name]
    own = {key: getattr(row, key) for key in ("slope", "sign_magnitudes", "learned_by")}
    first = (row.teaching_signal, row.pathway, row.feedback_weights)
    return Choices(*first, **own | {"network_units": 6} | more)  # type: ignore[arg-type]


def born(
    choices: Choices, sizes: list[int], dtype: torch.dtype, *, output_gain: bool = True, **given: object
) -> Network:
    """Networks with everything that the engine knows, of a size at which learning neither explodes nor stalls."""
    network = random_network(sizes, dtype=dtype, **given)  # type: ignore[arg-type]
    for layer in network.layers[:-1]:
        if layer.threshold is not None and layer.gain is not None:
            layer.gain = layer.gain**0.3
            layer.target_active = torch.sigmoid(layer.threshold)
            layer.output_gain = torch.full_like(layer.threshold[:, :1], 0.5) if output_gain else None
    numbers = rates(network.n_animals, dtype)
    Rule(choices, numbers).birth(network, draws(network.n_animals, "birth", dtype=dtype))
    return network


def shown(network: Network, batch_size: int, n_stimuli: int = 6, **given: object) -> Session:
    """A session with noise, homeostasis and reports."""
    stimuli, targets = trials(network, n_stimuli)
    n_animals, dtype = network.n_animals, stimuli.dtype
    acceptable = torch.rand(targets.shape, generator=torch.Generator().manual_seed(3)) > 0.5
    stimuli, targets = stimuli / 2, targets / 2 if network.loss == "squared_error" else targets
    noise = torch.linspace(0.0, 0.3, n_animals, dtype=dtype).reshape(-1, 1, 1)
    homeostasis = torch.full((n_animals, 1), 0.01, dtype=dtype)
    return Session(stimuli, targets, acceptable, 8, batch_size, noise, homeostasis, **given)  # type: ignore[arg-type]


def lived(
    network: Network, choices: Choices, what: Session, *, reference: bool = False, threads: int = 1, **numbers: float
) -> tuple[dict[str, torch.Tensor], Learned]:
    """State after a session, and its course; the network itself stays as it is."""
    network = copy.deepcopy(network)
    dtype, n_animals = what.stimuli.dtype, network.n_animals
    own = rates(n_animals, dtype, **NUMBERS | numbers)
    drawn = draws(n_animals, "session", 0, dtype=dtype)
    learned = learn_session(network, lambda some: Rule(choices, some), own, what, drawn, threads, reference=reference)
    assert learned.engine.startswith("reference" if reference else "compiled"), learned.engine
    return network.state(), learned


def difference(first: torch.Tensor, second: torch.Tensor) -> float:
    """Largest difference, relative to the largest value of either."""
    assert bool(torch.isfinite(first).all()) and bool(torch.isfinite(second).all())
    size = max(float(first.abs().max()), float(second.abs().max()))
    return float((first - second).abs().max()) / size if size else 0.0


def assert_equal(network: Network, choices: Choices, what: Session, tolerance: float, **numbers: float) -> None:
    """Both engines agree, in what was learned and in its course, and what learns has moved by far more than that."""
    born_as = copy.deepcopy(network.state())
    state, learned = lived(network, choices, what, **numbers)
    expected, course = lived(network, choices, what, reference=True, **numbers)
    found = {name: difference(value, expected[name]) for name, value in state.items()}
    assert {name: value for name, value in found.items() if value > tolerance} == {}
    assert difference(learned.loss, course.loss) <= tolerance
    torch.testing.assert_close(learned.correct, course.correct, equal_nan=True, atol=1e-6, rtol=0)
    changing = (".weights", ".bias", ".threshold", ".output_gain", ".drive_mean", ".drive_square")
    still = [
        name
        for name, value in expected.items()
        if name.endswith(changing) and difference(value, born_as[name]) < 30 * tolerance
    ]
    assert still == []


@pytest.mark.parametrize("batch_size", [1, 2, 4, 6])
@pytest.mark.parametrize("name", COVERED)
def test_every_named_rule_learns_as_in_the_reference_engine(name: str, batch_size: int) -> None:
    choices = named(name)
    network = born(choices, [4, 7, 5, 3], torch.float64)
    assert_equal(network, choices, shown(network, batch_size), EXACT)


@pytest.mark.parametrize("name", COVERED)
def test_online_learning_by_blocks_is_that_trial_by_trial(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for block in (1, 3, 8, 100):
        monkeypatch.setattr(packing, "_BLOCK", block)
        choices = named(name)
        network = born(choices, [4, 7, 5, 3], torch.float64, output_gain=False)
        what = shown(network, 1)
        assert_equal(network, choices, what, EXACT)
        found.append(lived(network, choices, what)[1].engine)
    by_blocks = choices.feedback_weights not in ("sign", "learned")
    assert found[0] == "compiled"
    assert found[1:] == [f"compiled, trials in exact blocks of {n}" if by_blocks else "compiled" for n in (3, 8, 100)]


@pytest.mark.parametrize("more", FEEDBACK, ids=lambda more: "-".join(str(value) for value in more.values()))
@pytest.mark.parametrize("optimiser", ["gradient", "momentum", "adam"])
def test_every_combination_of_choices_learns_as_in_the_reference_engine(optimiser: str, more: dict[str, str]) -> None:
    tried = 0
    for signal in ("error", "target", "centred_target"):
        for pathway in ("layerwise", "direct", "readout"):
            if signal == "centred_target" and "slope" in more:
                # linear all the way: what biases learn sums up to zero, and would be errors of rounding alone
                continue
            choices = Choices(signal, pathway, **more | {"optimiser": optimiser})  # type: ignore[arg-type]
            sizes = [4, 3, 2] if why_illegal(choices, 2) else [4, 3, 6, 2]
            for batch_size in (1, 6):
                network = born(choices, sizes, torch.float64)
                assert_equal(network, choices, shown(network, batch_size), EXACT)
                tried += 1
    assert tried == (12 if "slope" in more else 18)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus", "identity"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_activation_loss_and_precision(dtype: torch.dtype, activation: str, loss: str) -> None:
    for extras in (True, False):
        for batch_size in (1, 3, 6):
            choices = named("bp" if batch_size == 3 else "fa")
            given = {"activation": activation, "loss": loss, "extras": extras}
            network = born(choices, [9, 20, 16, 3], dtype, output_gain=batch_size > 1, **given)
            tolerance = SINGLE if dtype == torch.float32 else EXACT
            assert_equal(network, choices, shown(network, batch_size), tolerance, hidden=2e-3)


@given(
    sizes=st.lists(st.integers(1, 40), min_size=3, max_size=5),
    n_stimuli=st.integers(1, 9),
    batch_size=st.integers(1, 9),
    name=st.sampled_from(COVERED),
    activation=st.sampled_from(["tanh", "softplus"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_shape(sizes: list[int], n_stimuli: int, batch_size: int, name: str, activation: str, seed: int) -> None:
    choices = named(name)
    if why_illegal(choices, len(sizes) - 2):
        return
    network = born(choices, sizes, torch.float64, activation=activation, seed=seed, output_gain=bool(seed % 2))
    what = shown(network, min(batch_size, n_stimuli), n_stimuli)
    states = [lived(network, choices, what, reference=reference) for reference in (False, True)]
    for name, value in states[0][0].items():
        assert difference(value, states[1][0][name]) < 1e-8, name
    assert difference(states[0][1].loss, states[1][1].loss) < 1e-8


def test_a_frozen_readout_stays_and_rates_bounds_and_scales_are_those_of_each_animal() -> None:
    choices = named("fa")
    network = born(choices, [4, 7, 3], torch.float64)
    what = shown(network, 2)
    state, _ = lived(network, choices, what, readout=0.0)
    assert torch.equal(state["layer2.weights"], network.layers[1].weights)
    assert not torch.equal(state["layer1.weights"], network.layers[0].weights)
    together = copy.deepcopy(network), copy.deepcopy(network)
    for each, reference in zip(together, (True, False), strict=True):
        own = rates()
        for place, value in enumerate(vars(own).values()):
            value[:] = torch.tensor([0.01, 0.05, 0.1]).reshape(-1, 1, 1) * (1 + place / 10)
        learn_session(each, lambda some: Rule(choices, some), own, what, draws(3, "session", 0), 1, reference=reference)
    for name, value in together[0].state().items():
        assert difference(value, together[1].state()[name]) < EXACT, name


@pytest.mark.parametrize("remembers", [False, True])
@pytest.mark.parametrize("signal", ["error", "none"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_penalty_on_activity(batch_size: int, signal: str, remembers: bool) -> None:
    changes: list[dict[str, str]] = [{}, {"feedback_weights": "transpose"}, {"slope": "one"}]
    for more in changes:
        choices = named("fa")._replace(teaching_signal=signal, **more)
        network = born(choices, [4, 7, 5, 3], torch.float64, activation="relu", output_gain=False)
        if remembers:
            for number, layer in enumerate(network.layers[:-1]):
                rates_at_birth = torch.rand(
                    3, 1, layer.weights.shape[1], generator=torch.Generator().manual_seed(number)
                )
                network.memory[f"{RATE_AT_BIRTH} {number}"] = rates_at_birth.double()
        what = shown(network, batch_size)
        assert_equal(network, choices, what, EXACT, activity_penalty=2.0)
        # it changes more than the engines differ by
        with_penalty, _ = lived(network, choices, what, activity_penalty=2.0)
        without, _ = lived(network, choices, what)
        assert difference(with_penalty["layer1.weights"], without["layer1.weights"]) > 30 * EXACT


def test_synapses_of_their_own_for_every_stimulus() -> None:
    for choices in (named("fa"), named("bp", optimiser="momentum"), named("kp", optimiser="adam")):
        network = born(choices, [6, 8, 5, 3], torch.float64)
        network.private = True
        what = shown(network, 6)
        what = Session(**vars(what) | {"stimuli": torch.zeros(3, 6, 1, dtype=torch.float64)})
        network.layers[0].bias = None
        assert_equal(network, choices, what, EXACT)


def test_reports_by_a_threshold() -> None:
    network = born(named("fa"), [4, 7, 1], torch.float64)
    what = shown(network, 2, threshold=0.3)
    acceptable = torch.rand(3, 6, 2, generator=torch.Generator().manual_seed(2)) > 0.5
    what = Session(**vars(what) | {"acceptable": acceptable})
    assert_equal(network, named("fa"), what, EXACT)
    _, learned = lived(network, named("fa"), what)
    assert 0 < learned.correct.mean() < 1


@pytest.mark.parametrize("name", ["fa", "nfa", "wm"])
@pytest.mark.parametrize("batch_size", [1, 16, 48])
def test_threads_and_company_change_no_bit(name: str, batch_size: int) -> None:
    choices = named(name)
    network = born(choices, [30, 130, 70, 10], torch.float32, n_animals=7, output_gain=False)
    what = shown(network, batch_size, 48)
    expected, course = lived(network, choices, what)
    for threads in (2, 3):
        state, learned = lived(network, choices, what, threads=threads)
        assert all(torch.equal(value, expected[key]) for key, value in state.items())
        assert torch.equal(learned.loss, course.loss)
    alone = copy.deepcopy(network).animals(4, 5)
    numbers = rates(1, torch.float32, **NUMBERS)
    own = Draws(5, [4], ("session", 0), torch.float32)
    learned = learn_session(alone, lambda some: Rule(choices, some), numbers, what.animals(4, 5), own, 1)
    assert all(torch.equal(value[0], expected[key][4]) for key, value in alone.state().items())
    assert torch.equal(learned.loss[0], course.loss[4])
    assert not torch.equal(learned.loss[0], course.loss[3])


@pytest.mark.parametrize("batch_size", [1, 2])
def test_how_many_random_numbers_are_drawn_at_once_changes_no_bit(
    batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for choices in (named("nfa"), named("brsf"), named("random_walk"), named("wm"), named("fa")):
        network = born(choices, [4, 7, 5, 3], torch.float64, output_gain=False)
        found = []
        for at_once in (2**20, 500, 1):
            monkeypatch.setattr(session, "_DRAWN_AT_ONCE", at_once)
            found.append(lived(network, choices, shown(network, batch_size))[0])
        for other in found[1:]:
            assert all(torch.equal(value, other[name]) for name, value in found[0].items())


@pytest.mark.parametrize("name", ["fa", "linbp"])
def test_weights_that_explode_are_not_finite_in_both_engines(name: str) -> None:
    network = born(named(name), [4, 7, 5, 3], torch.float32, activation="identity")
    what = shown(network, 2)
    for reference in (True, False):
        _, learned = lived(network, named(name), what, reference=reference, hidden=1e9)
        assert not torch.isfinite(learned.loss).all(1).any()
    broken = copy.deepcopy(network)
    broken.layers[0].weights[1, 0, 0] = torch.nan
    _, learned = lived(broken, named(name), what)
    assert torch.isfinite(learned.loss).all(1).tolist() == [True, False, True]


class _Own(Rule):
    """A rule that the compiled engine cannot know."""


class _OwnNetwork(Network):
    """Networks that the compiled engine cannot know."""


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("feedback weights informative", lambda network, numbers: (network, Rule(named("infomax"), numbers))),
        ("rule of a class of its own, _Own", lambda network, numbers: (network, _Own(named("fa"), numbers))),
        (
            "networks of a class of their own, _OwnNetwork",
            lambda network, numbers: (_OwnNetwork(network.layers, "tanh", "squared_error"), Rule(named("fa"), numbers)),
        ),
        (
            "no hidden layer",
            lambda network, numbers: (
                Network(network.layers[-1:], "tanh", "squared_error"),
                Rule(named("fa"), numbers),
            ),
        ),
    ],
)
def test_what_is_not_covered_is_done_by_the_reference_engine_and_the_reason_is_told(
    reason: str, change: Callable[..., tuple[Network, Rule]]
) -> None:
    network, rule = change(random_network([4, 5, 5, 3]), rates())
    what = shown(network, 2)
    assert reason_not_covered(network, rule, what) == reason
    before = copy.deepcopy(network.state())
    rule.birth(network, draws(3, "birth"))
    learned = learn_session(
        network, lambda some: type(rule)(rule.choices, some), rates(), what, draws(3, "session", 0), 1
    )
    assert learned.engine == f"reference ({reason})"
    assert not torch.equal(network.layers[-1].weights, before[f"layer{len(network.layers)}.weights"])


def test_precisions_that_the_compiled_engine_does_not_know_are_not_covered() -> None:
    network = random_network([4, 5, 3], dtype=torch.float16)
    what = shown(network, 2)
    assert reason_not_covered(network, Rule(named("fa"), rates()), what) == "precision torch.float16"


@given(
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
    turn_a=st.booleans(),
    turn_b=st.booleans(),
    large=st.booleans(),
    double=st.booleans(),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_products_of_pieces(sizes: tuple[int, int, int], turn_a: bool, turn_b: bool, large: bool, double: bool) -> None:
    m, n, k = (size * 8 for size in sizes) if large else sizes
    dtype = np.dtype("f8" if double else "f4")
    random = np.random.default_rng(m * n * k)
    a, b, c = (random.standard_normal(size).astype(dtype) for size in (m * k + 5, k * n + 7, m * n + 9))
    left = a[3 : 3 + m * k].reshape((k, m) if turn_a else (m, k))
    right = b[7:].reshape((n, k) if turn_b else (k, n))
    expected = c.copy()
    product = (left.T if turn_a else left).astype(float) @ (right.T if turn_b else right).astype(float)
    expected[4 : 4 + m * n] = 0.5 * product.ravel() + 2 * c[4 : 4 + m * n]
    address = blas_addresses()[int(double)]
    multiply(address, turn_a, turn_b, m, n, k, dtype.type(0.5), a, 3, b, 7, dtype.type(2), c, 4)
    tolerance = (1e-14 if double else 1e-6) * math.sqrt(k) * 10
    np.testing.assert_allclose(c, expected, rtol=0, atol=tolerance)
    assert np.array_equal(c[:4], expected[:4]) and np.array_equal(c[4 + m * n :], expected[4 + m * n :])


def test_tanh_of_single_precision_is_right_to_a_few_units_in_the_last_place() -> None:
    @numba.njit
    def of_all(values, out):  # type: ignore[no-untyped-def]
        for place in range(len(values)):
            out[place] = tanh(values[place])

    values = np.concatenate([np.linspace(-12, 12, 200_001), np.logspace(-30, 1, 1000), [np.inf, -np.inf, np.nan, 0]])
    values = values.astype(np.float32)
    found = np.empty_like(values)
    of_all(values, found)
    expected = np.tanh(values.astype(float))
    there = np.isfinite(values) & (values != 0)
    assert np.abs(found[there] / expected[there] - 1).max() < 4e-7
    assert np.isnan(found[-2]) and found[-1] == 0
    np.testing.assert_allclose(found[-4:-2], [1, -1], rtol=4e-7)


def test_the_desk_and_the_state_overlap_nowhere() -> None:
    choices = named("wm", optimiser="adam")
    network = born(choices, [4, 7, 5, 3], torch.float64)
    packed = packing.pack(network, choices, rates(), shown(network, 2))
    taken = np.zeros(packed.states.shape[1], dtype=int)
    for tensor, start, _ in packed.stored:
        taken[start : start + tensor[0].numel()] += 1
    assert taken.max() == 1
    packed.states += 1
    packed.unpack()
    again = packing.pack(network, choices, rates(), shown(network, 2))
    there = taken > 0
    np.testing.assert_array_equal(again.states[:, there], packed.states[:, there])


def test_machine_code_is_kept_where_there_is_a_place_and_known_by_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def njit(**options: object) -> Callable[[object], object]:
        asked.append(bool(options.get("cache")))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available for file")
        return lambda function: function

    monkeypatch.setattr(compiling.numba, "njit", njit)
    assert compiling.kept(len) is len
    assert asked == [True, False]
    before = compiling.fingerprint()
    assert before == compiling.fingerprint()
    monkeypatch.setattr(compiling, "__file__", session.__file__.replace("compiled/session.py", "rules/rule.py"))
    assert compiling.fingerprint() != before
