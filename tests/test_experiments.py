"""The shipped protocols of recorded experiments: whole, each group with its control, and quick when cut down."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurofa.checking import is_on
from neurofa.comparison.published import facts_of
from neurofa.job import compare_run, run
from neurofa.protocol import Protocol, list_protocols, load_protocol, merge, protocol_from
from neurofa.simulation import occasions, simulate
from tests.short_protocol import write_short

EXPERIMENTS = (
    "odor_familiarity",
    "t_maze_choice",
    "natural_movie_and_gratings",
    "time_versus_experience",
    "novel_environment",
)
#: tables in which a control may differ: the mechanism, not what is shown, recorded or when
MECHANISMS = {"overnight", "rule"}
CUT = {"cohort": {"animals": 1}, "network": {"hidden": [20]}, "observation": {"repeats": 2}}
CUT_SCHEDULE = {"passes": 2, "pretraining_passes": 2, "burn_in_sessions": 1}


def cut_down(name: str) -> Protocol:
    """A shipped protocol with few units, animals and passes."""
    values = merge(load_protocol(name).as_dict(), merge(CUT, {"schedule": CUT_SCHEDULE}))
    for group in values["groups"].values():
        group.pop("network", None)
        if "burn_in_sessions" in group.get("schedule", {}):
            group["schedule"] = group["schedule"] | {"burn_in_sessions": 1, "passes": 2}
    return protocol_from(values)


def learning_days(protocol: Protocol, group: str) -> list[float]:
    """Days from day 0 on on which a group learns."""
    return [one.day for one in occasions(protocol.group(group)) if one.passes and one.day >= 0]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_control_differs_from_its_group_in_the_mechanism_alone(name: str) -> None:
    protocol = load_protocol(name)
    controls = {group: own["control_of"] for group, own in protocol.groups.items() if "control_of" in own}
    assert controls
    for control, group in controls.items():
        one, other = protocol.group(control).as_dict(), protocol.group(group).as_dict()
        assert {table for table in one if one[table] != other[table]} <= MECHANISMS
        assert not is_on(protocol.group(control).overnight.feedback_walk)  # type: ignore[attr-defined]
        assert is_on(protocol.group(group).overnight.feedback_walk)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_cut_down_it_runs_and_all_groups_are_recorded_on_the_same_days(name: str) -> None:
    protocol = cut_down(name)
    recording = simulate(protocol)
    probe = recording["probe"]
    assert list(dict.fromkeys(probe["group"].values.tolist())) == protocol.group_names()
    for day in probe["day"].values:
        np.testing.assert_array_equal(day, protocol.schedule.days)
    assert np.isfinite(probe["true_rate"].values).all()
    assert protocol.references.area and protocol.references.species and protocol.sources


def test_odours_are_smelled_daily_or_every_eight_days_and_probed_on_the_same() -> None:
    protocol = load_protocol("odor_familiarity")
    assert learning_days(protocol, "every_8_days") == [0, 8, 16, 24, 32]
    assert learning_days(protocol, "daily") == list(range(33))
    for group in protocol.group_names():
        life = occasions(protocol.group(group))
        assert [one.day for one in life if one.number is not None] == [0, 8, 16, 24, 32]
        # raised for equally long, at the pace of the group
        burn_in = [one for one in life if one.name[0] == "burn in"]
        assert burn_in[0].day == -48


def test_families_of_time_versus_experience_differ_in_their_schedule_only() -> None:
    protocol = load_protocol("time_versus_experience")
    for family in ("by_day", "by_visit", "fixed"):
        groups = [f"{family}_{pace}" for pace in ("every_4_days", "every_2_days", "daily")]
        assert [len(learning_days(protocol, group)) for group in groups] == [6, 11, 21]
        first, *others = (protocol.group(group).as_dict() for group in groups)
        for other in others:
            assert {table for table in first if first[table] != other[table]} == {"schedule"}
        for group in groups:
            life = occasions(protocol.group(group))
            assert [one.day for one in life if one.number is not None] == [0, 4, 8, 12, 16, 20]
            assert next(one.day for one in life if one.name[0] == "burn in") == -32
    walks = {
        family: (
            is_on(protocol.group(f"{family}_daily").overnight.feedback_walk),  # type: ignore[attr-defined]
            protocol.group(f"{family}_daily").rule.choices().feedback_weights,
        )
        for family in ("by_day", "by_visit", "fixed")
    }
    assert walks == {"by_day": (True, "fixed"), "by_visit": (False, "walking"), "fixed": (False, "fixed")}


def test_a_novel_environment_was_not_seen_before_and_a_familiar_one_was() -> None:
    protocol = load_protocol("novel_environment")
    for group in protocol.group_names():
        before = [one for one in occasions(protocol.group(group)) if one.day < 0]
        assert bool(before) == group.startswith("familiar")


def test_the_scorecard_of_a_run_has_the_measures_of_all_its_analyses(tmp_path: Path) -> None:
    """As that of the command compare, which reads the run's summary."""
    protocol = write_short(
        tmp_path,
        "short",
        ('["drift_over_days", "cross_day_decoding"]', '["drift_over_days", "drift_geometry"]'),
        ('area = "CA1"', 'area = "V1"\nspecies = "mouse"'),
        ('["ca1_linear_track_curves", "drift_statistics"]', '["drift_statistics"]'),
    )
    folder = run(protocol, tmp_path / "run", overrides={"cohort.animals": 1, "network.hidden": [12]}).folder
    card = pd.read_csv(folder / "scorecard.csv")
    ratio = card[(card["measure"] == "participation_ratio") & (card["group"] == "walking")]
    assert np.isfinite(ratio["simulated"]).all() and set(ratio["verdict"]) <= {"inside", "below", "above"}
    again = pd.read_csv(compare_run(folder).folder / "scorecard.csv")
    pd.testing.assert_frame_equal(again, card)


def test_protocols_with_tables_of_statistics_say_which_area_and_species_they_stand_for() -> None:
    for name in list_protocols():
        settings = load_protocol(name).as_dict()["references"]
        if any(table.endswith("_statistics") for table in settings["tables"]):
            assert all(facts_of(settings).values()), name
