"""Time of units: speeds and their statistics, jumps, correlation with excitability, and what takes it; gain drift."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from neurofa.cohort import Cohort
from neurofa.errors import ConfigError
from neurofa.members import batches
from neurofa.networks import Network
from neurofa.overnight.decay import decay_to_birth, weight_decay
from neurofa.overnight.drift_speed import days_of_units, drift_speed
from neurofa.overnight.excitability_drift import excitability_drift
from neurofa.overnight.feedback_walk import feedback_walk
from neurofa.overnight.gain_drift import gain_drift
from neurofa.overnight.spine_turnover import spine_turnover
from neurofa.overnight.synaptic_noise import synaptic_noise
from neurofa.simulation import simulate
from tests.engine import draws, random_network, small
from tests.test_overnight import NORMAL_STEPS, correlation, network_with_feedback, per_animal

N_UNITS = 4000


def network_of(n_inputs: int, n_units: int = N_UNITS, extras: bool = False) -> Network:
    return random_network([n_inputs, n_units, 2], "relu", n_animals=1, extras=extras)


def time_of_units(gaps: list[float], network: Network | None = None, **numbers: float) -> list[Tensor]:
    """Time (unit,) of every night."""
    network, found = network or network_of(1), []
    values = {"sd": 0.0, "excitability_correlation": 0.0, "jump_days": 0.0} | numbers
    for night, days in enumerate([0.0, *gaps]):
        drift_speed(network, days, draws(1, "night", night), **{key: per_animal(one) for key, one in values.items()})
        found.append(torch.as_tensor(days_of_units(network, 0, days, dims=2)).expand(1, N_UNITS)[0].clone())
    return found[1:]


def test_without_it_time_is_that_of_the_calendar() -> None:
    network = network_of(1)
    before = set(network.state())
    assert all((one == days).all() for one, days in zip(time_of_units([2.0, 5.0], network), (2.0, 5.0), strict=True))
    assert set(network.state()) == before


def test_speeds_are_log_normal_with_mean_1_and_last_for_life() -> None:
    first, second = time_of_units([2.0, 7.0], sd=0.6)
    torch.testing.assert_close(second, first * 3.5)
    standard = ((first / 2).log() + 0.18) / 0.6
    assert stats.kstest(standard.numpy(), "norm").pvalue > 0.01
    assert float((first / 2).mean()) == pytest.approx(1, abs=0.04)
    assert stats.kstest((first / 2).log().numpy(), "norm").pvalue < 1e-6


@pytest.mark.parametrize("jump", [0.5, 4.0])
def test_time_that_jumps_is_gamma_distributed_and_new_in_every_night(jump: float) -> None:
    first, second = time_of_units([2.0, 2.0], jump_days=jump)
    assert stats.kstest(first.numpy(), stats.gamma(2 / jump, scale=jump).cdf).pvalue > 0.01
    assert abs(correlation(first, second)) < 0.05
    # nights add up: two of a day are one of two
    parts = time_of_units([1.0, 1.0], jump_days=jump)
    assert stats.ks_2samp((parts[0] + parts[1]).numpy(), first.numpy()).pvalue > 0.01
    assert stats.ks_2samp(2 * parts[0].numpy(), first.numpy()).pvalue < 1e-6


@pytest.mark.parametrize(("sd", "jump"), [(0.0, 0.0), (0.0, 2.0), (0.5, 0.0), (0.4, 1.0)])
def test_changes_have_the_kurtosis_that_is_stated(sd: float, jump: float) -> None:
    network = random_network([40, 5000, 2], "relu", n_animals=1, extras=False)
    before = network.layers[0].weights.clone()
    numbers = {"sd": per_animal(sd), "excitability_correlation": per_animal(0.0), "jump_days": per_animal(jump)}
    for night, days in enumerate((0.0, 2.0)):
        drift_speed(network, days, draws(1, "night", night), **numbers)
        synaptic_noise(network, days, draws(1, "night", night), step=per_animal(0.05))
    sizes = before.std(2, correction=0, keepdim=True)
    change = ((network.layers[0].weights - before) / sizes)[0].numpy()
    expected = 3 * ((1 + jump / 2) * np.exp(sd**2) - 1)
    assert stats.kurtosis(change.ravel()) == pytest.approx(expected, abs=0.15 + 0.2 * expected)
    # steady units of one speed move alike; with either, the size of its step tells a unit
    spread_of_sizes = (change.std(1) / change.std()).std()
    assert (spread_of_sizes > 0.2) == (sd > 0 or jump > 0)


@pytest.mark.parametrize("wanted", [-0.7, 0.0, 0.7])
def test_speed_depends_on_excitability_as_asked(wanted: float) -> None:
    network = network_of(1, extras=True)
    layer = network.layers[0]
    random = torch.Generator().manual_seed(3)
    layer.target_active = torch.sigmoid(torch.randn(1, N_UNITS, generator=random, dtype=torch.float64) - 1)
    (passed,) = time_of_units([1.0], network, sd=0.5, excitability_correlation=wanted)
    parts = [layer.gain[0].log(), torch.logit(layer.target_active[0])]
    excitability = sum((part - part.mean()) / part.std() for part in parts)
    assert correlation(passed.log(), excitability) == pytest.approx(wanted, abs=0.04)
    assert float(passed.log().std()) == pytest.approx(0.5, abs=0.02)


def test_equal_units_cannot_differ_in_excitability() -> None:
    network = network_of(1)
    with pytest.raises(ConfigError, match="needs units that differ in excitability"):
        time_of_units([1.0], network, sd=0.5, excitability_correlation=-0.5)
    network.layers[0].target_active = torch.full((1, N_UNITS), 0.2, dtype=torch.float64)
    with pytest.raises(ConfigError, match="set network.gain_sd or network.active_fraction_spread"):
        time_of_units([1.0], network, sd=0.5, excitability_correlation=-0.5)


@pytest.mark.parametrize("process", [feedback_walk, weight_decay, decay_to_birth, synaptic_noise, spine_turnover])
def test_a_unit_to_which_twice_the_days_happen_is_where_others_are_in_twice_the_time(process) -> None:
    name = "step" if process in (feedback_walk, synaptic_noise) else "rate"
    fast, slow = (network_with_feedback([30, 60, 40], n_animals=1) for _ in range(2))
    night = draws(1, "night")
    for network in (fast, slow):
        process(network, 0.0, night, **{name: per_animal(0.2)})
        network.layers[0].weights += 1
    fast.memory["time of units 0"] = torch.tensor([[6.0] + [3.0] * 59], dtype=torch.float64)
    process(fast, 3.0, night, **{name: per_animal(0.2)})
    process(slow, 6.0, night, **{name: per_animal(0.2)})
    kind = "feedback" if process is feedback_walk else "weights"
    ours, theirs = (getattr(network.layers[0], kind) for network in (fast, slow))
    torch.testing.assert_close(ours[0, 0], theirs[0, 0])
    assert not torch.allclose(ours[0, 1:], theirs[0, 1:], atol=1e-3)


@pytest.mark.parametrize("degrees", [0.0, 4.0])
def test_excitability_of_a_fast_unit_forgets_as_in_a_longer_gap(degrees: float) -> None:
    numbers = {"sd": per_animal(0.5), "fastest_days": per_animal(20.0), "slowest_days": per_animal(20.0)} | NORMAL_STEPS
    network = network_of(1)
    numbers["degrees_of_freedom"] = per_animal(degrees)
    excitability_drift(network, 0.0, draws(1, "birth"), **numbers)
    born = network.layers[0].excitability.clone()
    speed = torch.where(torch.arange(N_UNITS) < N_UNITS // 2, 0.25, 4.0).double()
    network.memory["time of units 0"] = 5 * speed[None]
    excitability_drift(network, 5.0, draws(1, "night"), **numbers)
    later = network.layers[0].excitability
    for part in (slice(0, N_UNITS // 2), slice(N_UNITS // 2, None)):
        expected = float(torch.exp(-5 * speed[part][0] / 20))
        assert correlation(born[0, part], later[0, part]) == pytest.approx(expected, abs=0.06)


def test_gains_wander_around_those_at_birth_and_their_mean_stays() -> None:
    network = network_of(1, 20_000, extras=True)
    born = network.layers[0].gain.clone()
    bare = network_of(1, 20_000)
    numbers = {"sd": per_animal(0.4), "fastest_days": per_animal(6.0), "slowest_days": per_animal(32.0)}
    courses: list[list[Tensor]] = [[], []]
    for night, days in enumerate((0.0, 4.0, 6.0)):
        for one, course in zip((network, bare), courses, strict=True):
            gain_drift(one, days, draws(1, "night", night), **numbers)
            course.append(one.layers[0].gain.clone())
    for with_gain, without in zip(*courses, strict=True):
        torch.testing.assert_close(with_gain / born, without)
        assert float(without.log().std()) == pytest.approx(0.4, abs=0.01)
        assert float(without.mean()) == pytest.approx(1, abs=0.02)
    log_uniform = 6 * (32 / 6) ** np.random.default_rng(0).random(100_000)
    expected = float(np.exp(-10 / log_uniform).mean())
    assert correlation(courses[1][0].log(), courses[1][2].log()) == pytest.approx(expected, abs=0.03)


def test_gain_drift_changes_rates_and_not_tuning_and_excitability_both() -> None:
    off = {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0}
    still = {
        "stimuli": {"noise_sd": 0.0, "session_gain_sd": 0.0},
        "rule": {"learning_rate": 0.0, "readout_learning_rate": 0.0},
        "network": {"homeostasis_rate": 0.0},
        "schedule": {"burn_in_sessions": 0, "pretraining_passes": 0},
    }
    found = {}
    for name in ("gain_drift", "excitability_drift"):
        recording = simulate(small(still, {"overnight": off | {name: {"sd": 0.5}}}))
        found[name] = recording["probe/true_rate"].values[:, [0, 2]]
    for name, rates in found.items():
        first, last = np.moveaxis(rates, 1, 0)
        active = (first > 0).any(1) & (last > 0).any(1)
        shapes = [(one / one.sum(1, keepdims=True).clip(1e-9)).transpose(0, 2, 1)[active] for one in (first, last)]
        assert np.allclose(*shapes, atol=1e-4) == (name == "gain_drift")
        assert np.abs(np.log(last.sum(1)[active] / first.sum(1)[active])).mean() > 0.1


def test_heterogeneous_animals_live_beside_others_and_more_excitable_units_drift_less() -> None:
    off = {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0, "synaptic_noise": 0.4}
    speed = {"drift_speed": {"sd": 1.0, "excitability_correlation": -0.9}}
    large = {"network": {"hidden": [300]}, "cohort": {"animals": 2}}
    groups = {"groups": {"alike": {}, "different": {"overnight": speed}}}
    recording = simulate(small(large, {"overnight": off}, groups))
    alone = simulate(small(large, {"overnight": off}))
    rates = recording["probe/true_rate"].values
    np.testing.assert_allclose(rates[:2], alone["probe/true_rate"].values, rtol=1e-3, atol=1e-4)
    layer = Cohort(batches(small(large, {"overnight": off}))[0]).network.layers[0]
    excitability = (layer.gain.log() / 0.35 + torch.logit(layer.target_active) / 0.5).numpy()
    of_groups = []
    for group in (rates[:2], rates[2:]):
        stability, born = [], []
        for animal, own in zip(group, excitability, strict=True):
            seen = (animal[[0, -1]].std(1) > 1e-3).all(0)
            stability += [np.corrcoef(*unit)[0, 1] for unit in animal[[0, -1]][:, :, seen].transpose(2, 0, 1)]
            born += own[seen].tolist()
        of_groups.append(stats.spearmanr(stability, born).statistic)
    assert of_groups[1] > max(of_groups[0], 0) + 0.15, of_groups
