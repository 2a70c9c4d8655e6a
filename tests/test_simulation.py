"""Whole lives of small cohorts: the same animal whoever else is there, time, merging, rates like those of cortex."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from neurofa.cohort import Cohort
from neurofa.errors import ConfigError
from neurofa.members import batches
from neurofa.merging import merge_sessions
from neurofa.overnight import overnight_processes
from neurofa.protocol import load_protocol
from neurofa.recording import load_recording
from neurofa.simulation import live, occasions, simulate
from tests.engine import relative_difference, small

DOUBLE = {"engine": {"dtype": "float64"}}


def animal(recording: xr.DataTree, name: str) -> dict[str, np.ndarray]:
    """Everything that is recorded of one animal."""
    found = {}
    for place in ("probe", "learning"):
        dataset = recording[place].to_dataset().sel(animal=name)
        found |= {f"{place}/{key}": value.values for key, value in dataset.data_vars.items()}
    return found


def largest_difference(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> float:
    assert first.keys() == second.keys()
    return max(relative_difference(value.astype(float), second[key].astype(float)) for key, value in first.items())


def identical(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(value, second[key], equal_nan=True) for key, value in first.items()
    )


@pytest.fixture(scope="module")
def base() -> xr.DataTree:
    return simulate(small())


@pytest.fixture(scope="module")
def double() -> xr.DataTree:
    return simulate(small(DOUBLE))


def test_animals_of_cohorts_of_different_size_draw_the_same_and_agree() -> None:
    one_session = {"schedule": {"pretraining_passes": 0, "burn_in_sessions": 0, "days": [0, 2]}}
    many, few = (simulate(small(one_session, {"cohort": {"animals": n}, "network": {"hidden": [300]}})) for n in (8, 4))
    for name in ("true_rate", "latent_rate", "output"):
        first, second = (tree["probe"][name].sel(animal="protocol-3")[0].values for tree in (many, few))
        assert relative_difference(first, second) < 1e-5
    cohorts = [Cohort(batches(small({"cohort": {"animals": n}}))[0]) for n in (8, 4)]
    for name, value in cohorts[0].network.state().items():
        if name.endswith(("weights", "feedback", "gain", "target_active")):
            assert torch.equal(value[3], cohorts[1].network.state()[name][3]), name
    noise = [one.draws("session", 0).normal(("any",), (3,)) for one in cohorts]
    assert torch.equal(noise[0][3], noise[1][3]) and not torch.equal(noise[0][3], noise[0][2])


def test_in_double_precision_they_agree_to_the_end(double: xr.DataTree) -> None:
    many = simulate(small(DOUBLE, {"cohort": {"animals": 8}}))
    assert many["probe/true_rate"].dtype == np.float64
    assert largest_difference(animal(many, "protocol-3"), animal(double, "protocol-3")) < 1e-10
    assert largest_difference(animal(many, "protocol-3"), animal(double, "protocol-2")) > 0.1


def test_both_precisions_see_the_same_animals(base: xr.DataTree, double: xr.DataTree) -> None:
    for name in ("true_rate", "latent_rate"):
        first, second = (tree["probe"][name].values for tree in (base, double))
        assert relative_difference(first, second) < 1e-3


def test_adding_or_reordering_groups_changes_no_other_group() -> None:
    slow, fast = {"rule": {"learning_rate": 0.05}}, {"rule": {"learning_rate": 0.3}}
    noisy = {"overnight": {"synaptic_noise": 0.3}}
    two = {"cohort": {"animals": 2}} | DOUBLE
    alone = simulate(small(two, {"groups": {"slow": slow}}))
    both = simulate(
        small(two, {"groups": {"noisy": noisy, "fast": fast, "slow": slow, "wide": {"network": {"hidden": [50]}}}})
    )
    for index in range(2):
        first, second = animal(alone, f"slow-{index}"), animal(both, f"slow-{index}")
        for key in first:
            second[key] = second[key][tuple(slice(size) for size in first[key].shape)]
        assert largest_difference(first, second) < 1e-10
    ordered, other = (
        simulate(small(two, {"groups": dict(order)}))
        for order in ([("slow", slow), ("fast", fast)], [("fast", fast), ("slow", slow)])
    )
    assert ordered["probe"]["animal"].values.tolist() == ["slow-0", "slow-1", "fast-0", "fast-1"]
    for name in ordered["probe"]["animal"].values:
        assert largest_difference(animal(ordered, name), animal(other, name)) < 1e-10


def test_animals_of_all_groups_with_one_index_are_the_same_individual() -> None:
    groups = {"groups": {"one": {}, "other": {"rule": {"learning_rate": 0.0}}, "nf": {"rule": {"name": "nf"}}}}
    found = [Cohort(members) for members in batches(small(groups, {"cohort": {"animals": 2}}))]
    assert [len(cohort.members) for cohort in found] == [4, 2]
    weights = found[0].network.layers[0].weights
    assert torch.equal(weights[:2], weights[2:]) and torch.equal(weights[:2], found[1].network.layers[0].weights)
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(found[0].stimuli[:2], found[1].stimuli)


def test_a_process_that_is_off_changes_no_bit(base: xr.DataTree, tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(
        "def drawing(network, days, draws, *, rate: float = 0.0):\n"
        "    noise = draws.normal(('mine',), (7,))\n"
        "    network.layers[0].weights += rate.reshape(-1, 1, 1) * noise.mean()\n"
    )
    off = {"overnight": {"more.py:drawing": 0.0, "synaptic_noise": 0.0, "excitability_drift": 0.0}}
    other = simulate(small(off, folder=str(tmp_path)))
    for index in range(4):
        assert identical(animal(base, f"protocol-{index}"), animal(other, f"protocol-{index}"))


def test_excitability_in_one_group_does_not_touch_its_neighbour_in_the_tensor(base: xr.DataTree) -> None:
    drift = {"sd": 0.5, "fastest_days": 5.0, "slowest_days": 65.0}
    groups = {"groups": {"protocol": {}, "drifting": {"overnight": {"excitability_drift": drift}}}}
    other = simulate(small(groups))
    assert len(batches(small(groups))) == 1
    assert largest_difference(animal(base, "protocol-1"), animal(other, "protocol-1")) < 1e-4


def test_the_number_of_threads_changes_no_bit(base: xr.DataTree) -> None:
    wide = {"network": {"hidden": [2500]}, "schedule": {"days": [0, 2], "passes": 3, "pretraining_passes": 0}}
    one, two = (simulate(small(wide, {"engine": {"threads": threads}})) for threads in (1, 2))
    for index in range(4):
        assert identical(animal(one, f"protocol-{index}"), animal(two, f"protocol-{index}"))


def test_one_value_per_animal_equals_separate_runs() -> None:
    listed: dict[str, Any] = {
        "rule": {"learning_rate": [0.05, 0.2], "feedback_scale": [1.0, 2.0]},
        "network": {"gain_sd": [0.0, 0.4], "active_fraction": [0.2, 0.4], "weight_scale": [1.0, 2.0]},
        "stimuli": {"noise_sd": [0.0, 0.2], "session_gain_sd": [0.5, 0.1]},
        "overnight": {
            "feedback_walk": [0.1, 0.5],
            "weight_decay": [0.0, 0.3],
            "excitability_drift": {"sd": [0.0, 0.3], "fastest_days": [5.0, 3.0]},
        },
    }
    both = simulate(small(DOUBLE, {"cohort": {"animals": 2}}, listed))

    def chosen(values: Any, index: int) -> Any:
        if isinstance(values, dict):
            return {key: chosen(value, index) for key, value in values.items()}
        return values[index]

    for index in range(2):
        alone = simulate(small(DOUBLE, {"cohort": {"animals": 2}}, chosen(listed, index)))
        name = f"protocol-{index}"
        assert largest_difference(animal(both, name), animal(alone, name)) < 1e-10


def test_seeds_decide_everything(base: xr.DataTree) -> None:
    again, other = simulate(small()), simulate(small({"cohort": {"seed": 2}}))
    assert identical(animal(base, "protocol-0"), animal(again, "protocol-0"))
    assert largest_difference(animal(base, "protocol-0"), animal(other, "protocol-0")) > 0.1


def test_life_is_pretraining_burn_in_and_recorded_sessions_in_order() -> None:
    schedule = {"days": [0, 1, 9], "burn_in_sessions": 2, "burn_in_interval_days": 3, "pretraining_passes": 7}
    life = occasions(small({"schedule": schedule}))
    assert [one.day for one in life] == [-9, -6, -3, 0, 1, 9]
    assert [one.number for one in life] == [None, None, None, 0, 1, 2]
    assert [one.passes for one in life] == [7, 10, 10, 10, 10, 10]
    assert [one.homeostasis for one in life] == [3, 1, 1, 1, 1, 1]
    assert len({one.name for one in life}) == 6
    longer = occasions(small({"schedule": schedule | {"burn_in_sessions": 4}}))
    assert [one.name for one in longer[3:]] == [one.name for one in life[1:]]


def test_recorded_time_and_experience_are_those_of_the_schedule() -> None:
    schedule = {"days": [0, 1, 9], "burn_in_sessions": 2, "burn_in_interval_days": 3, "pretraining_passes": 7}
    probe = simulate(small({"schedule": schedule, "cohort": {"animals": 1}}))["probe"]
    np.testing.assert_array_equal(probe["day"].values, [[0, 1, 9]])
    np.testing.assert_array_equal(probe["experience"].values, [[370, 470, 570]])


def test_a_gap_without_sessions_applies_overnight_processes_only() -> None:
    no_learning = {"rule": {"learning_rate": 0.0, "readout_learning_rate": 0.0}}
    still = {"network": {"homeostasis_rate": 0.0}, "stimuli": {"session_gain_sd": 0.0, "noise_sd": 0.0}}
    off = {"overnight": {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0}}
    kept = simulate(small(no_learning, still, off, {"schedule": {"days": [0, 30]}}))["probe/true_rate"].values
    np.testing.assert_array_equal(kept[:, 0], kept[:, 1])
    protocol = small(no_learning, still, {"overnight": {"synaptic_noise": 0.3}}, {"schedule": {"days": [0, 8]}})
    found = simulate(protocol)["probe/latent_rate"].values
    cohort = Cohort(batches(protocol)[0])
    life = occasions(protocol)
    for before, after in zip(life[:-1], life[1:], strict=True):
        for name, numbers in protocol.overnight.processes().items():
            values = {key: torch.full((4,), float(value)) for key, value in numbers.items()}
            night = cohort.draws("night before", *after.name)
            overnight_processes()[name](cohort.network, after.day - before.day, night, **values)
        if after.number is not None:
            np.testing.assert_array_equal(cohort.probe(cohort.stimuli)[0], found[:, after.number])
    assert np.abs(found[:, 0] - found[:, 1]).max() > 0.01


def test_learning_happens_in_sessions_and_is_recorded(base: xr.DataTree) -> None:
    loss = base["learning/loss"].values
    assert loss.shape == (4, 3, 10)
    assert (loss[:, :, -1] < loss[:, :, 0]).all()
    assert base["probe/correct"].values.mean() > 0.6


def test_latent_rates_are_those_without_the_sessions_input_gains() -> None:
    steady = {"stimuli": {"session_gain_sd": 0.0}}
    found = simulate(small(steady))["probe"]
    np.testing.assert_array_equal(found["true_rate"].values, found["latent_rate"].values)
    varied = simulate(small())["probe"]
    assert np.abs(varied["true_rate"].values - varied["latent_rate"].values).max() > 0.1


@pytest.mark.parametrize("name", ["bp", "fa", "dfa", "tf", "nf", "nfa", "random_walk"])
def test_every_named_rule_runs_end_to_end(name: str) -> None:
    short = {"schedule": {"passes": 4, "pretraining_passes": 4, "burn_in_sessions": 0, "days": [0, 2]}}
    more = {"rule": {"name": name, "walk_per_update": 0.1}, "network": {"hidden": [20, 15]}}
    recording = simulate(small(short, more, {"cohort": {"animals": 2}, "schedule": {"batch_size": 2}}))
    assert np.isfinite(recording["probe/true_rate"].values).all()


def test_three_hidden_layers_are_recorded_one_after_the_other_with_their_names() -> None:
    probe = simulate(small({"network": {"hidden": [30, 20, 10]}, "cohort": {"animals": 2}}))["probe"]
    assert probe["layer"].values.tolist() == ["hidden_1"] * 30 + ["hidden_2"] * 20 + ["hidden_3"] * 10
    for layer in ("hidden_1", "hidden_2", "hidden_3"):
        rate = probe["true_rate"].values[..., probe["layer"].values == layer]
        assert np.isfinite(rate).all() and rate.min() == 0 and rate.max() > 0


def test_groups_of_different_depth_size_and_schedule_are_padded_with_nan() -> None:
    groups = {
        "deep": {"network": {"hidden": [12, 9]}, "schedule": {"days": [0, 2, 4, 6]}},
        "wide": {"network": {"hidden": [20]}, "observation": {"repeats": 5}},
        "short": {"schedule": {"days": [0, 3], "passes": 4}, "network": {"hidden": [20]}, "cohort": {"animals": 1}},
    }
    recording = simulate(small({"groups": groups, "cohort": {"animals": 2}}))
    probe = recording["probe"].to_dataset()
    assert probe["group"].values.tolist() == ["deep", "deep", "wide", "wide", "short"]
    assert probe["layer"].values.tolist() == ["hidden_1"] * 20 + ["hidden_2"] * 9
    units = {"deep": [*range(12), *range(20, 29)], "wide": range(20), "short": range(20)}
    days = {"deep": [0, 2, 4, 6], "wide": [0, 2, 4], "short": [0, 3]}
    repeats = {"deep": 3, "wide": 5, "short": 3}
    for number, name in enumerate(probe["group"].values):
        there = np.zeros((4, 29), dtype=bool)
        there[np.ix_(range(len(days[name])), list(units[name]))] = True
        for variable in ("true_rate", "latent_rate"):
            found = np.isfinite(probe[variable].values[number])
            np.testing.assert_array_equal(found.all(1), there)
            np.testing.assert_array_equal(found.any(1), there)
        day = probe["day"].values[number]
        np.testing.assert_array_equal(day[np.isfinite(day)], days[name])
        assert not (probe["detected"].values[number] & ~there).any()
        duration = probe["duration"].values[number]
        assert (duration[: len(days[name]), :, : repeats[name]] > 0).all()
        assert duration.astype(bool).sum() == len(days[name]) * 10 * repeats[name]
        rate = np.isfinite(probe["rate"].values[number])
        expected = probe["detected"].values[number][:, None, None, :] & (duration > 0)[..., None]
        np.testing.assert_array_equal(rate, expected)
    assert np.isfinite(recording["learning/loss"].values[-1]).sum() == 2 * 4


def test_groups_may_differ_in_what_is_reported_and_learn_their_own_targets() -> None:
    groups = {"narrow": {"stimuli": {"target_width": 0.05}}, "broad": {"stimuli": {"target_width": 0.5}}}
    together = simulate(small(DOUBLE, {"groups": groups, "cohort": {"animals": 1}}))
    alone = simulate(small(DOUBLE, {"groups": {"broad": groups["broad"]}, "cohort": {"animals": 1}}))
    assert largest_difference(animal(together, "broad-0"), animal(alone, "broad-0")) < 1e-10
    assert largest_difference(animal(together, "broad-0"), animal(together, "narrow-0")) > 0.1


def test_groups_with_different_stimuli_are_refused_before_anything_is_simulated(tmp_path: Path) -> None:
    protocol = small({"groups": {"five": {}, "six": {"stimuli": {"bins": 6}}}})
    with pytest.raises(ConfigError, match="groups 'five' and 'six' show stimuli with different labels"):
        live(protocol, tmp_path)
    assert not list(tmp_path.rglob("*.zarr"))


def test_progress_counts_every_session_of_every_batch() -> None:
    seen: list[tuple[int, int, str]] = []
    groups = {"groups": {"one": {}, "two": {"network": {"hidden": [10]}}}, "cohort": {"animals": 1}}
    simulate(small(groups), progress=lambda done, total, text: seen.append((done, total, text)))
    assert [done for done, _, _ in seen] == list(range(11))
    assert {total for _, total, _ in seen} == {10}
    assert seen[0][2] == "pretraining, day -2" and seen[2][2] == "day 0" and seen[-1][2] == "simulated"


def test_a_life_that_is_interrupted_goes_on_as_if_nothing_had_happened(tmp_path: Path, base: xr.DataTree) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int, text: str) -> None:
        if done == 3:
            raise Stop

    protocol = small()
    with pytest.raises(Stop):
        live(protocol, tmp_path, stop)
    assert len(list((tmp_path / "sessions").glob("*.zarr"))) == 1
    live(protocol, tmp_path)
    recording = load_recording(merge_sessions(protocol, tmp_path / "sessions", tmp_path / "recording.zarr"))
    for index in range(4):
        assert identical(animal(base, f"protocol-{index}"), animal(recording, f"protocol-{index}"))


@pytest.fixture(scope="module")
def track() -> dict[str, np.ndarray]:
    """Latent rates of the linear track's defaults, two sessions of two animals of one group."""
    few = {"schedule.days": [0, 2], "schedule.burn_in_sessions": 8, "groups": {"feedback_walk": {}}}
    protocol = load_protocol("linear_track", few, animals=2)
    probe = simulate(protocol)["probe"]
    return {"rate": probe["latent_rate"].values[:, 0], "correct": probe["correct"].values}


def test_hidden_rates_look_like_cortex(track: dict[str, np.ndarray]) -> None:
    rate = track["rate"]
    assert rate.min() >= 0
    for one in rate:
        mean = one.mean(0)
        assert (one > 0).mean() == pytest.approx(0.268, abs=0.04)
        assert (mean == 0).mean() < 0.03
        assert mean.max() / np.median(mean) > 5
        assert 0.6 < np.log(mean[mean > 0]).std() < 1.6
        sparseness = (one.mean(0) ** 2 / np.square(one).mean(0).clip(1e-12))[mean > 0]
        assert np.median(sparseness) < 0.35


def test_the_defaults_report_position_and_direction(track: dict[str, np.ndarray]) -> None:
    assert track["correct"].mean((1, 2)).min() > 0.9
