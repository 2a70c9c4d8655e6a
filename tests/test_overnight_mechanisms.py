"""Spine turnover, homeostatic scaling, pace and steps of excitability: closed forms, composition, recurrence."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from neurofa import cli
from neurofa.draws import Draws
from neurofa.members import batches
from neurofa.networks import Network
from neurofa.overnight import overnight_processes
from neurofa.overnight.excitability_drift import excitability_drift
from neurofa.overnight.homeostatic_scaling import homeostatic_scaling
from neurofa.overnight.spine_turnover import spine_turnover
from neurofa.recurrent_cohort import cohort_of
from neurofa.simulation import simulate
from tests.engine import draws, random_network, small
from tests.test_overnight import correlation, nights, per_animal
from tests.test_recurrent_runs import small as small_recurrent

#: where two samples of one distribution must not be told apart; all numbers come from fixed seeds
LEAST_P = 0.01


def network_of(n_inputs: int, n_units: int, n_animals: int = 1) -> Network:
    return random_network([n_inputs, n_units, 4], "relu", n_animals=n_animals, extras=False)


def excitability(**numbers: float) -> dict[str, Tensor]:
    """Parameters of excitability drift with defaults, one animal."""
    values = {"sd": 0.5, "fastest_days": 5.0, "slowest_days": 65.0, "log_spread": 0.0, "degrees_of_freedom": 0.0}
    return {name: per_animal(value) for name, value in (values | numbers).items()}


def drifted(gaps: list[float], n_units: int = 20_000, **numbers: float) -> list[Tensor]:
    """Excitability (unit,) at birth and after every gap."""
    network, found = network_of(1, n_units), []
    for number, days in enumerate([0.0, *gaps]):
        excitability_drift(network, days, draws(1, "night", number, *map(str, gaps)), **excitability(**numbers))
        found.append(network.layers[0].excitability[0].clone())
    return found


@pytest.mark.parametrize("gaps", [[8.0], [1.0] * 8, [0.5, 2.5, 5.0]])
def test_the_fraction_of_synapses_replaced_is_that_of_all_days_together(gaps: list[float]) -> None:
    network = network_of(200, 300, 2)
    before = [layer.weights.clone() for layer in network.layers]
    nights(spine_turnover, network, gaps, rate=per_animal(0.1, 0.02))
    for animal, rate in enumerate((0.1, 0.02)):
        replaced = network.layers[0].weights[animal] != before[0][animal]
        expected = 1 - (1 - rate) ** 8
        assert float(replaced.double().mean()) == pytest.approx(expected, abs=4 * (expected / 60_000) ** 0.5)
        # those that are left are as they were, so similarity falls as their number does
        kept = correlation(before[0][animal], network.layers[0].weights[animal])
        assert kept == pytest.approx(1 - expected, abs=0.02)
    assert torch.equal(network.layers[1].weights, before[1])


def test_one_gap_of_8_days_leaves_the_weights_distributed_as_8_days_do() -> None:
    found = []
    for gaps in ([8.0], [1.0] * 8):
        network = network_of(400, 100)
        before = network.layers[0].weights.clone()
        nights(spine_turnover, network, gaps, rate=per_animal(0.15))
        found.append((network.layers[0].weights - before)[0].flatten().numpy())
    changed = [change[change != 0] for change in found]
    assert stats.ks_2samp(*changed).pvalue > LEAST_P
    shorter = network_of(400, 100)
    nights(spine_turnover, shorter, [8.0], rate=per_animal(0.05))
    assert stats.ks_2samp(found[0], (shorter.layers[0].weights - before)[0].flatten().numpy()).pvalue < 1e-6


def test_new_synapses_have_log_normal_sizes_with_the_moments_and_signs_of_the_old() -> None:
    network = network_of(20_000, 3)
    weights = network.layers[0].weights
    weights[0, 1] = weights[0, 1].abs() * 3
    # 7 of 10 positive, whatever their size
    weights[0, 2] = torch.where(torch.arange(20_000) % 10 < 7, weights[0, 2].abs(), -weights[0, 2].abs())
    before = weights.clone()[0].numpy()
    nights(spine_turnover, network, [1.0], rate=per_animal(0.9))
    after = weights[0].numpy()
    for unit in range(3):
        new = after[unit][after[unit] != before[unit]]
        old = np.abs(before[unit])
        log_sd = np.log((old**2).mean() / old.mean() ** 2) ** 0.5
        standard = (np.log(np.abs(new)) - np.log(old.mean()) + log_sd**2 / 2) / log_sd
        assert stats.kstest(standard, "norm").pvalue > LEAST_P
        # log sizes of the normal weights that were there are not normal
        assert stats.kstest((np.log(old) - np.log(old).mean()) / np.log(old).std(), "norm").pvalue < 1e-6
        assert (new > 0).mean() == pytest.approx((before[unit] > 0).mean(), abs=0.015)
        assert after[unit].mean() == pytest.approx(before[unit].mean(), abs=0.03 * before[unit].std())
        assert after[unit].std() == pytest.approx(before[unit].std(), rel=0.05)
        assert correlation(torch.from_numpy(np.abs(before[unit])), torch.from_numpy(np.abs(after[unit]))) < 0.2
    assert (after[1] > 0).all()
    assert float(stats.kurtosis(after[0])) > 1.5 > 0.3 > float(stats.kurtosis(before[0]))


def test_where_there_is_no_synapse_none_grows_and_silent_animals_stay_silent() -> None:
    network = network_of(100, 50, 2)
    weights = network.layers[0].weights
    weights[0, :, ::3] = 0
    weights[1] = 0
    nights(spine_turnover, network, [0.0, 20.0], rate=per_animal(0.3, 0.3))
    assert ((weights[0] == 0) == (torch.arange(100) % 3 == 0)).all()
    assert torch.equal(weights[1], torch.zeros_like(weights[1]))
    assert torch.isfinite(weights).all()


def test_both_precisions_lose_and_grow_the_same_synapses() -> None:
    found = []
    for dtype in (torch.float32, torch.float64):
        network = random_network([50, 60, 3], "relu", n_animals=2, extras=False, dtype=dtype)
        rate = torch.full((2,), 0.2, dtype=dtype)
        spine_turnover(network, 2.0, draws(2, "night", dtype=dtype), rate=rate)
        found.append(network.layers[0].weights.double())
    np.testing.assert_allclose(found[0], found[1], rtol=2e-5)


@pytest.mark.parametrize("gaps", [[3.0], [1.0, 1.0, 1.0], [0.25, 2.75]])
def test_norms_return_exponentially_to_those_at_birth_and_ratios_stay(gaps: list[float]) -> None:
    network = random_network([30, 20, 10, 4], "relu", n_animals=2, extras=False)
    born = [layer.weights.norm(dim=2) for layer in network.layers]
    nights(homeostatic_scaling, network, [0.0], rate=per_animal(0.3, 0.0))
    for layer in network.layers:
        layer.weights *= torch.linspace(0.2, 4, layer.weights.shape[1], dtype=torch.float64).reshape(1, -1, 1)
    before = [layer.weights.clone() for layer in network.layers]
    nights(homeostatic_scaling, network, gaps, rate=per_animal(0.3, 0.0))
    for number, layer in enumerate(network.layers):
        assert torch.equal(layer.weights[1], before[number][1])
        if number == 2:
            assert torch.equal(layer.weights, before[number])
            continue
        distance = before[number].norm(dim=2)[0] - born[number][0]
        torch.testing.assert_close(layer.weights.norm(dim=2)[0], born[number][0] + distance * 0.7**3)
        direction = torch.nn.functional.normalize(layer.weights[0], dim=1)
        torch.testing.assert_close(direction, torch.nn.functional.normalize(before[number][0], dim=1))


def test_scaling_leaves_units_without_weights_and_holds_those_whose_synapses_turn_over() -> None:
    network = network_of(20, 400)
    born = network.layers[0].weights.norm(dim=2)
    alone = network.copy()
    nights(homeostatic_scaling, network, [0.0], rate=per_animal(0.5))
    network.layers[0].weights[:, 0] = 0
    for night in range(60):
        for one in (network, alone):
            spine_turnover(one, 1.0, draws(1, "turnover", night), rate=per_animal(0.2))
        homeostatic_scaling(network, 1.0, draws(1, "night", night), rate=per_animal(0.5))
    assert torch.equal(network.layers[0].weights[:, 0], torch.zeros(1, 20, dtype=torch.float64))
    held, wandering = (one.layers[0].weights.norm(dim=2) / born for one in (network, alone))
    # half of what one night does alone is undone at once: the spread does not add up over nights
    assert float(held[:, 1:].log().std()) < 0.2 < 0.4 < float(wandering.log().std())
    assert float(wandering.median()) < 0.85 < 0.95 < float(held[:, 1:].median()) < 1.05


def test_at_its_defaults_excitability_is_what_it_was_before_it_had_choices() -> None:
    network, twin = network_of(3, 50), None
    for night, days in enumerate((0.0, 1.0, 6.5)):
        own = draws(1, "night", night)
        excitability_drift(network, days, own, **excitability())
        birth = own.at_birth()
        place = torch.special.ndtr(birth.normal(("excitability time constant", 0), (50,)))
        rho = torch.exp(-days / (per_animal(5.0).reshape(-1, 1) * per_animal(13.0).reshape(-1, 1) ** place))
        twin = 0.5 * birth.normal(("excitability", 0), (50,)) if twin is None else twin
        twin = rho * twin + 0.5 * (1 - rho**2).clamp_min(0).sqrt() * own.normal(("excitability", 0), (50,))
        assert torch.equal(network.layers[0].excitability, twin)


def test_time_constants_are_log_normal_around_the_middle_of_the_range_and_units_keep_their_rank() -> None:
    born, later = drifted([10.0], log_spread=1.0)
    rank = draws(1, "birth").normal(("excitability time constant", 0), (20_000,))[0]
    tau = (5 * 65) ** 0.5 * rank.exp()
    assert float(later.std()) == pytest.approx(0.5, abs=0.02)
    for part in (rank < -0.67, rank.abs() < 0.67, rank > 0.67):
        expected = float(torch.exp(-10 / tau[part]).mean())
        assert correlation(born[part], later[part]) == pytest.approx(expected, abs=0.04)
    fast, slow = rank < -0.67, rank > 0.67
    assert correlation(born[fast], later[fast]) < 0.2 < 0.7 < correlation(born[slow], later[slow])
    split = drifted([4.0, 6.0], log_spread=1.0)[-1]
    assert correlation(born, split) == pytest.approx(float(torch.exp(-10 / tau).mean()), abs=0.03)


@pytest.mark.parametrize("degrees", [2.5, 4.0, 30.0])
def test_daily_steps_are_student_t_with_the_sd_of_normal_ones(degrees: float) -> None:
    paces = {"fastest_days": 10.0, "slowest_days": 10.0}
    rho = float(np.exp(-0.1))
    steps = {}
    for given in (degrees, 0.0):
        born, later = drifted([1.0], degrees_of_freedom=given, **paces)
        steps[given] = ((later - rho * born) / (0.5 * (1 - rho**2) ** 0.5)).numpy()
    student = stats.t(degrees, scale=((degrees - 2) / degrees) ** 0.5)
    assert stats.kstest(steps[degrees], student.cdf).pvalue > LEAST_P
    assert stats.kstest(steps[0.0], "norm").pvalue > LEAST_P
    if degrees < 10:
        assert stats.kstest(steps[0.0], student.cdf).pvalue < 1e-6


def test_student_t_steps_add_up_to_gaps_and_keep_the_sd() -> None:
    numbers = {"degrees_of_freedom": 3.0, "fastest_days": 30.0, "slowest_days": 30.0}
    changes = []
    for gaps in ([6.0], [1.0] * 6, [2.0, 4.0]):
        course = drifted(gaps, **numbers)
        changes.append((course[-1] - course[0]).numpy())
        assert float(course[-1].std()) == pytest.approx(0.5, rel=0.05)
        assert correlation(course[0], course[-1]) == pytest.approx(np.exp(-6 / 30), abs=0.03)
    assert stats.ks_2samp(changes[0], changes[1]).pvalue > LEAST_P
    assert stats.ks_2samp(changes[0], changes[2]).pvalue > LEAST_P
    born, later = drifted([2.4], **numbers)
    assert correlation(born, later) == pytest.approx(np.exp(-2.4 / 30), abs=0.03)
    assert float(later.std()) == pytest.approx(0.5, rel=0.05)
    still = drifted([0.0], **numbers)
    assert torch.equal(still[0], still[1])


def parameters(process: Callable[..., None]) -> dict[str, Tensor]:
    """Parameters of three animals that differ in all of them, and one switched off in each of the others."""
    if process is not excitability_drift:
        return {"rate": per_animal(0.0, 0.2, 0.4)}
    return {
        "sd": per_animal(0.3, 0.5, 0.0),
        "fastest_days": per_animal(2.0, 5.0, 8.0),
        "slowest_days": per_animal(30.0, 65.0, 8.0),
        "log_spread": per_animal(0.0, 0.7, 0.2),
        "degrees_of_freedom": per_animal(5.0, 0.0, 3.0),
    }


@pytest.mark.parametrize("process", [spine_turnover, homeostatic_scaling, excitability_drift])
def test_the_numbers_of_one_animal_do_not_depend_on_the_others(process: Callable[..., None]) -> None:
    together = random_network([12, 20, 15, 3], "relu", n_animals=3, extras=False)
    alone = [together.animals(number, number + 1).copy() for number in range(3)]
    numbers = parameters(process)
    untouched = together.layers[0].weights[0].clone()
    for night, days in enumerate((0.0, 1.0, 3.5)):
        process(together, days, draws(3, "night", night), **numbers)
        for number, one in enumerate(alone):
            own = {name: value[number : number + 1] for name, value in numbers.items()}
            process(one, days, Draws(5, [number], ("night", night), torch.float64), **own)
            if night == 0:
                one.layers[0].weights *= 1.5
        if night == 0:
            together.layers[0].weights *= 1.5
    for number, one in enumerate(alone):
        for mine, common in zip(one.layers, together.layers, strict=True):
            assert torch.equal(mine.weights[0], common.weights[number])
            if mine.excitability is not None:
                assert torch.equal(mine.excitability[0], common.excitability[number])
    if process is not excitability_drift:
        assert torch.equal(together.layers[0].weights[0], untouched * 1.5)
        assert not torch.equal(together.layers[0].weights[1], together.layers[0].weights[0])


def test_mechanisms_act_in_a_run_each_alone_and_together() -> None:
    off = {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0}
    plain = simulate(small({"overnight": off}))["probe/true_rate"].values
    own: dict[str, object] = {
        "spine_turnover": 0.3,
        "homeostatic_scaling": 0.3,
        "excitability_drift": {"sd": 0.4, "log_spread": 0.8, "degrees_of_freedom": 4.0},
    }
    found = [simulate(small({"overnight": off | {name: value}})) for name, value in own.items()]
    found.append(simulate(small({"overnight": off | own})))
    rates = [plain, *(recording["probe/true_rate"].values for recording in found)]
    assert all(np.isfinite(one).all() for one in rates)
    for number, one in enumerate(rates):
        for other in rates[:number]:
            assert not np.allclose(one[:, 1:], other[:, 1:], atol=1e-3)
    assert np.array_equal(simulate(small({"overnight": off | own}))["probe/true_rate"].values, rates[-1])


def test_inputs_and_recurrent_synapses_turn_over_and_are_scaled_together() -> None:
    protocol = small_recurrent({"overnight": {"spine_turnover": 0.5, "homeostatic_scaling": 0.3}})
    cohort = cohort_of(batches(protocol)[0])
    weights = cohort.network.layers[0].weights
    n_inputs = weights.shape[2] - weights.shape[1]
    before, born = weights.clone(), weights.norm(dim=2)
    night = cohort.draws("night")
    spine_turnover(cohort.network, 1.0, night, rate=torch.full((len(weights),), 0.5))
    there = before != 0
    for part in (slice(0, n_inputs), slice(n_inputs, None)):
        replaced = (weights != before)[:, :, part][there[:, :, part]]
        assert float(replaced.float().mean()) == pytest.approx(0.5, abs=0.06)
    norm = weights.norm(dim=2)
    homeostatic_scaling(cohort.network, 2.0, night, rate=torch.full((len(weights),), 0.3))
    torch.testing.assert_close(weights.norm(dim=2), born + (norm - born) * 0.7**2)
    recording = simulate(protocol)
    assert np.isfinite(recording["probe/true_rate"].values).all()
    still = simulate(small_recurrent())["probe/true_rate"].values
    assert not np.allclose(recording["probe/true_rate"].values[:, -1], still[:, -1], atol=1e-3)


def test_the_list_shows_mechanisms_with_their_parameters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["neurofa", "list", "overnight"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    printed = " ".join(capsys.readouterr().out.split())
    assert all(name in printed for name in overnight_processes())
    for text in (
        "synapses replaced per day [0]",
        "weights go per day [0]",
        "0 = log-uniform [0]",
        "0 = normal steps [0]",
    ):
        assert text in printed, text
