"""What nights do: walks and their statistics, decay, composition, and processes of one's own."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from neurofa.cohort import Cohort
from neurofa.errors import ConfigError, ProtocolError
from neurofa.members import batches
from neurofa.networks import Network
from neurofa.overnight import overnight_processes
from neurofa.overnight.decay import readout_decay, weight_decay
from neurofa.overnight.excitability_drift import excitability_drift
from neurofa.overnight.feedback_walk import feedback_walk
from neurofa.overnight.synaptic_noise import synaptic_noise
from neurofa.simulation import simulate
from tests.engine import born_rule, draws, random_network, small


def network_with_feedback(sizes: list[int] | None = None, feedback: str = "fixed", n_animals: int = 2) -> Network:
    network = random_network(sizes or [30, 60, 40], "relu", n_animals=n_animals, extras=False)
    born_rule(network, "error", "layerwise" if feedback == "fixed" else "readout", feedback, feedback_scale=2.0)
    return network


def per_animal(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def correlation(first: Tensor, second: Tensor) -> float:
    return float(np.corrcoef(first.flatten(), second.flatten())[0, 1])


#: what excitability drift does where the protocol says no more
NORMAL_STEPS = {"log_spread": per_animal(0.0), "degrees_of_freedom": per_animal(0.0)}


def nights(process: Callable[..., None], network: Network, gaps: list[float], **numbers: Tensor) -> None:
    for number, days in enumerate(gaps):
        process(network, days, draws(network.n_animals, "night", number, *map(str, gaps)), **numbers)


@pytest.mark.parametrize("feedback", ["fixed", "network"])
def test_walk_of_the_feedback_keeps_its_norm_and_decorrelates_as_stated(feedback: str) -> None:
    network = network_with_feedback(feedback=feedback)
    layer = network.layers[0]
    names = ["feedback"] if feedback == "fixed" else ["feedback", "feedback_hidden"]
    before = {name: getattr(layer, name).clone() for name in names}
    weights = [one.weights.clone() for one in network.layers]
    nights(feedback_walk, network, [3.0], step=per_animal(0.4, 0.0))
    for name in names:
        after = getattr(layer, name)
        size = before[name][0].numel()
        assert float(after[0].norm() / before[name][0].norm()) == pytest.approx(1, abs=3 / size**0.5)
        expected = (1 - 0.4**2) ** (3 / 2)
        assert correlation(before[name][0], after[0]) == pytest.approx(expected, abs=3 / size**0.5)
        assert torch.equal(after[1], before[name][1])
    assert all(torch.equal(one.weights, old) for one, old in zip(network.layers, weights, strict=True))


@pytest.mark.parametrize("process", [feedback_walk, synaptic_noise])
def test_one_gap_of_8_days_is_8_gaps_of_1_day_in_distribution(process: Callable[..., None]) -> None:
    found = {}
    for gaps in ([8.0], [1.0] * 8):
        network = network_with_feedback([200, 300, 100], n_animals=1)
        network.layers[0].weights *= 0.3
        tensor = network.layers[0].feedback if process is feedback_walk else network.layers[0].weights
        before = tensor.clone()
        nights(process, network, gaps, step=per_animal(0.35))
        found[len(gaps)] = correlation(before, tensor), float(tensor.std() / before.std())
    assert found[1][0] == pytest.approx((1 - 0.35**2) ** 4, abs=0.02)
    assert found[8][0] == pytest.approx(found[1][0], abs=0.02)
    assert found[1][1] == pytest.approx(1, abs=0.02)
    assert found[8][1] == pytest.approx(1, abs=0.02)


def test_the_norm_of_small_feedback_returns_to_that_at_birth() -> None:
    network = network_with_feedback([2, 2, 2], n_animals=300)
    born = network.layers[0].feedback.square().mean()
    step = torch.full((300,), 0.6, dtype=torch.float64)
    nights(feedback_walk, network, [0.0] + [1.0] * 40, step=step)
    assert float(network.layers[0].feedback.square().mean() / born) == pytest.approx(1, abs=0.15)
    medians = network.layers[0].feedback.norm(dim=(1, 2)).median() ** 2
    assert float(medians) > 0.3 * 4 * float(born)


@pytest.mark.parametrize(("process", "layer"), [(weight_decay, 0), (readout_decay, -1)])
def test_decay_is_exact_in_continuous_time_and_touches_its_layers_only(
    process: Callable[..., None], layer: int
) -> None:
    network = network_with_feedback([5, 6, 7, 3])
    before = [one.weights.clone() for one in network.layers]
    nights(process, network, [0.5, 2.5], rate=per_animal(0.2, 0.0))
    decaying = [0, 1] if layer == 0 else [2]
    for number, one in enumerate(network.layers):
        factor = (1 - 0.2) ** 3.0 if number in decaying else 1.0
        torch.testing.assert_close(one.weights[0], before[number][0] * factor)
        assert torch.equal(one.weights[1], before[number][1])


def test_synaptic_noise_keeps_the_spread_of_each_units_weights_and_leaves_the_readout() -> None:
    network = random_network([2000, 20, 3], "relu", n_animals=2, extras=False)
    scale = torch.linspace(0.1, 3, 20, dtype=torch.float64)
    network.layers[0].weights *= scale.reshape(1, -1, 1)
    before, readout = network.layers[0].weights.clone(), network.layers[1].weights.clone()
    nights(synaptic_noise, network, [2.0, 2.0], step=per_animal(0.42, 0.1))
    after = network.layers[0].weights
    np.testing.assert_allclose(after.std(2), before.std(2), rtol=0.08)
    for animal, step in enumerate((0.42, 0.1)):
        assert correlation(before[animal], after[animal]) == pytest.approx((1 - step**2) ** 2, abs=0.02)
    assert torch.equal(network.layers[1].weights, readout)


def test_excitability_is_stationary_from_birth_and_forgets_at_each_units_pace() -> None:
    numbers = {"sd": per_animal(0.5), "fastest_days": per_animal(5.0), "slowest_days": per_animal(65.0)} | NORMAL_STEPS
    network = random_network([3, 6000, 2], "relu", n_animals=1, extras=False)
    nights(excitability_drift, network, [0.0], **numbers)
    born = network.layers[0].excitability.clone()
    nights(excitability_drift, network, [4.0, 6.0], **numbers)
    later = network.layers[0].excitability
    assert float(born.std()) == pytest.approx(0.5, abs=0.02)
    assert float(later.std()) == pytest.approx(0.5, abs=0.02)
    log_uniform = 5 * 13 ** np.random.default_rng(0).random(100_000)
    assert correlation(born, later) == pytest.approx(float(np.exp(-10 / log_uniform).mean()), abs=0.03)
    assert network.layers[-1].excitability is None


def test_the_first_session_has_excitabilities_already() -> None:
    off = {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0}
    still = {"overnight": off, "stimuli": {"noise_sd": 0.0, "session_gain_sd": 0.0}, "schedule": {"days": [0.0, 0.1]}}
    no_learning = {"rule": {"learning_rate": 0.0, "readout_learning_rate": 0.0}, "network": {"homeostasis_rate": 0.0}}
    drift = {"sd": 0.5, "fastest_days": 50.0, "slowest_days": 60.0}
    alone = {"schedule": {"burn_in_sessions": 0, "pretraining_passes": 0}}
    recording = simulate(small(still, no_learning, alone, {"overnight": {"excitability_drift": drift}}))
    rate = recording["probe/true_rate"].values
    assert np.corrcoef(rate[:, 0].ravel(), rate[:, 1].ravel())[0, 1] > 0.98
    without = simulate(small(still, no_learning, alone))["probe/true_rate"].values
    assert np.corrcoef(rate[:, 0].ravel(), without[:, 0].ravel())[0, 1] < 0.95


def alone(name: str, amount: Tensor) -> dict[str, Tensor]:
    """Parameters of a process that is as strong as said."""
    paces = {"sd": amount, "fastest_days": 0 * amount + 5, "slowest_days": 0 * amount + 65}
    special = {
        "feedback_walk": {"step": amount},
        "synaptic_noise": {"step": amount},
        "excitability_drift": paces | NORMAL_STEPS,
        "gain_drift": paces,
        "drift_speed": {"sd": amount, "excitability_correlation": 0 * amount, "jump_days": amount},
        "offline_replay": {"passes": amount, "noise_sd": amount, "own_reports": 0 * amount},
    }
    return special.get(name, {"rate": amount})


@pytest.mark.parametrize("name", list(overnight_processes()))
def test_a_rate_of_0_changes_nothing_at_all(name: str) -> None:
    process = overnight_processes()[name]
    zero = torch.zeros(2, dtype=torch.float64)
    numbers = alone(name, zero)
    network = network_with_feedback()
    before = {key: value.clone() for key, value in network.state().items()}
    nights(process, network, [0.0, 8.0], **numbers)
    assert network.state().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in network.state().items())


@pytest.mark.parametrize("name", [name for name in overnight_processes() if name != "offline_replay"])
def test_0_days_change_neither_weights_nor_feedback(name: str) -> None:
    process = overnight_processes()[name]
    half = torch.full((2,), 0.5, dtype=torch.float64)
    numbers = alone(name, half)
    network = network_with_feedback()
    before = {key: value.clone() for key, value in network.state().items()}
    nights(process, network, [0.0], **numbers)
    assert all(torch.equal(network.state()[key], value) for key, value in before.items())


def test_processes_act_one_after_the_other_on_the_same_network() -> None:
    cohort = Cohort(batches(small({"overnight": {"synaptic_noise": 0.3}}))[0])
    twin = Cohort(batches(small({"overnight": {"synaptic_noise": 0.3}}))[0])
    night = cohort.draws("night before", "session", 1)
    cohort.overnight(2.0, night)
    for name, numbers in twin.protocol.overnight.processes().items():
        values = {key: torch.full((4,), float(value)) for key, value in numbers.items()}
        overnight_processes()[name](twin.network, 2.0, night, **values)
    assert list(twin.protocol.overnight.processes()) == list(overnight_processes())
    for name, value in cohort.network.state().items():
        assert torch.equal(value, twin.network.state()[name]), name


USERS = '''
import torch
from neurofa.overnight import per_animal
from neurofa.stimuli import Stimuli


def silencing(network, days, draws, *, fraction=per_animal(0.1, ge=0, le=1, description="of units, per day"),
              power: float = 1.0):
    """Scale down the first layer's weights."""
    network.layers[0].weights.mul_(((1 - fraction) ** (power * days)).reshape(-1, 1, 1))


def resetting(network, days, draws):
    """Forget the readout."""
    if days > 0:
        network.layers[-1].weights.zero_()


def returning(network, days, draws):
    return network


def exploding(network, days, draws, *, animal: int = 1):
    if days > 0:
        network.layers[0].weights[int(animal[0])] = float("inf")


value = 3
'''


def users_file(folder: Path) -> str:
    (folder / "mine.py").write_text(USERS)
    return str(folder)


ALONE = {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0}


def test_a_process_from_a_file_beside_the_protocol_is_checked_and_acts(tmp_path: Path) -> None:
    folder = users_file(tmp_path)
    own = small({"overnight": ALONE | {"mine.py:silencing": 0.25}}, folder=folder)
    shipped = small({"overnight": ALONE | {"weight_decay": 0.25}})
    assert own.overnight.processes()["mine.py:silencing"] == {"fraction": 0.25, "power": 1.0}
    first, second = (simulate(one)["probe/true_rate"].values for one in (own, shipped))
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-4)
    assert not np.allclose(second, simulate(small({"overnight": ALONE}))["probe/true_rate"].values, atol=1e-2)


def test_a_process_from_a_package_and_one_without_parameters(tmp_path: Path) -> None:
    dotted = small({"overnight": ALONE | {"neurofa.overnight.decay:weight_decay": 0.25}})
    first = simulate(dotted)["probe/true_rate"].values
    second = simulate(small({"overnight": ALONE | {"weight_decay": 0.25}}))["probe/true_rate"].values
    np.testing.assert_array_equal(first, second)
    cohort = Cohort(batches(small({"overnight": {"mine.py:resetting": {}}}, folder=users_file(tmp_path)))[0])
    cohort.network.layers[-1].weights += 1
    cohort.overnight(1.0, cohort.draws("night"))
    assert cohort.network.layers[-1].weights.abs().max() == 0


@pytest.mark.parametrize(
    ("process", "message"),
    [
        ({"mine.py:silencin": 0.1}, "overnight.mine.py:silencin: 'mine.py' has no function 'silencin'"),
        ({"yours.py:silencing": 0.1}, "overnight.yours.py:silencing: no file 'yours.py' in "),
        ({"no_such_package.drift:walk": 0.1}, "cannot import 'no_such_package.drift'"),
        ({"mine.py:value": 0.1}, "has no function 'value'"),
        ({"mine.py:silencing": 1.5}, "overnight.mine.py:silencing.fraction must be at most 1, got 1.5"),
        ({"mine.py:silencing": {"fractoin": 0.5}}, "fractoin'; did you mean 'fraction'?"),
        ({"mine.py:resetting": 0.5}, "overnight.mine.py:resetting has no parameter, got 0.5; write an empty table"),
        ({"feedback_wolk": 0.1}, "overnight.feedback_wolk is unknown; did you mean"),
        ({"excitability_drift": {"sd": -1}}, "overnight.excitability_drift.sd must be at least 0, got -1"),
        ({"synaptic_noise": 1.0}, "overnight.synaptic_noise must be less than 1, got 1"),
    ],
)
def test_a_process_that_cannot_be_is_refused_in_one_sentence(
    tmp_path: Path, process: dict[str, object], message: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        small({"overnight": process}, folder=users_file(tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_process_that_returns_something_or_breaks_an_animal_is_named(tmp_path: Path) -> None:
    folder = users_file(tmp_path)
    with pytest.raises(ConfigError, match=r"'mine.py:returning' must change the networks in place.*got Network"):
        simulate(small({"overnight": {"mine.py:returning": {}}}, folder=folder))
    groups = {"groups": {"fine": {}, "broken": {"cohort": {"animals": 2}}}}
    recording = simulate(small({"overnight": {"mine.py:exploding": 2}}, groups, folder=folder))
    assert json.loads(recording.attrs["stopped"]) == {
        "fine-2": "overnight process 'mine.py:exploding' made weights infinite; lower its parameters"
    }


def test_a_file_that_changes_is_imported_anew(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    template = "from neurofa.overnight import per_animal\ndef walk(network, days, draws, *, step=per_animal({})): ...\n"
    for number, default in enumerate((0.1, 0.7)):
        file.write_text(template.format(default))
        os.utime(file, (1_700_000_000 + number, 1_700_000_000 + number))
        assert small({"overnight": {"mine.py:walk": {}}}, folder=str(tmp_path)).overnight.processes()[
            "mine.py:walk"
        ] == {"step": default}
