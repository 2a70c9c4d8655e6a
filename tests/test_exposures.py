"""Days of exposure: who learns on which day, recorded or not, and what is recorded of those who do not."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurofa.errors import ProtocolError
from neurofa.merging import merge_sessions
from neurofa.protocol import protocol_from
from neurofa.protocol_text import protocol_text
from neurofa.recording import load_recording
from neurofa.schedule_settings import ScheduleSettings
from neurofa.simulation import SESSIONS, live, occasions, simulate
from tests.engine import relative_difference, small

#: nothing is random but birth, so that sessions of different names are equal
CALM: dict[str, Any] = {
    "cohort": {"animals": 2},
    "engine": {"dtype": "float64"},
    "stimuli": {"session_gain_sd": 0.0, "noise_sd": 0.0},
    "overnight": {"feedback_walk": 0.0, "weight_decay": 0.2, "readout_decay": 0.1},
    "observation": {"kind": "none"},
}


def lived(days: list[float], **schedule: Any) -> list[tuple[float, int, int | None]]:
    """Day, passes and number of the recorded session of every occasion."""
    life = occasions(small({"schedule": {"days": days, "pretraining_passes": 0, "burn_in_sessions": 0} | schedule}))
    return [(one.day, one.passes, one.number) for one in life]


def test_without_days_of_exposure_animals_learn_when_they_are_recorded() -> None:
    assert lived([0, 2, 4]) == [(0, 10, 0), (2, 10, 1), (4, 10, 2)]
    assert lived([0, 2, 4], exposure_days=[0, 2, 4]) == lived([0, 2, 4])
    assert lived([0, 2], naive_first=True) == [(0, 0, 0), (2, 10, 1)]


def test_animals_learn_on_days_of_exposure_and_only_probe_on_other_recorded_days() -> None:
    found = lived([0, 2, 4], exposure_days=[0, 1, 3.5], passes=[5, 6, 7])
    assert found == [(0, 5, 0), (1, 6, None), (2, 0, 1), (3.5, 7, None), (4, 0, 2)]
    before = lived([0, 4], exposure_days=[2], passes=[3], burn_in_sessions=2)
    assert before == [(-2, 3, None), (-1, 3, None), (0, 0, 0), (2, 3, None), (4, 0, 1)]


def test_names_of_random_numbers_are_those_of_the_day() -> None:
    """Groups that are exposed on the same days see the same noise there, whatever else they live through."""
    names = [
        [one.name for one in occasions(small({"schedule": {"days": [0, 4, 8], "exposure_days": days}}))]
        for days in ([0, 1, 4, 5], [0, 4, 5, 8])
    ]
    assert ("exposure", "5.0") in names[0] and ("exposure", "5.0") in names[1]
    assert [name for name in names[1] if name[0] == "session"] == [("session", 0), ("session", 1), ("session", 2)]
    assert all(len(set(own)) == len(own) for own in names)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"exposure_days": [0, 3, 2]}, "exposure_days must increase, got 2 after 3"),
        ({"exposure_days": [0, 3, 3]}, "exposure_days must increase, got 3 after 3"),
        ({"exposure_days": [-1, 2]}, "between day 0 and the last recorded day, 4, got -1 to 2"),
        ({"exposure_days": [0, 6]}, "between day 0 and the last recorded day, 4, got 0 to 6"),
        ({"exposure_days": [0, 1], "passes": [1, 2, 3]}, "one for each of the 2 exposure_days; got [1, 2, 3]"),
        ({"exposure_days": [0, 1], "passes": [1, 0]}, "passes must be a whole number from 1"),
        ({"exposure_days": [2], "naive_first": True}, "naive_first cannot go with exposure_days"),
        ({"exposure_days": [0, float("nan")]}, "finite number"),
    ],
)
def test_impossible_days_of_exposure_are_refused_in_one_sentence(schedule: dict[str, Any], message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol_from({"schedule": {"days": [0, 2, 4]} | schedule})
    assert message in str(caught.value) and str(caught.value).startswith("schedule")
    assert "\n" not in str(caught.value)


def test_days_of_exposure_are_written_and_read_again() -> None:
    protocol = small({"schedule": {"exposure_days": [0, 1, 2.5]}})
    assert protocol_from(tomllib.loads(protocol_text(protocol))).schedule == protocol.schedule
    assert ScheduleSettings().exposure_days == ()


def test_experience_counts_what_was_shown_between_recorded_sessions() -> None:
    schedule = {"days": [0, 2, 4], "exposure_days": [0, 1, 3], "passes": [5, 6, 7], "burn_in_sessions": 1}
    recording = simulate(small(CALM, {"schedule": schedule, "cohort": {"animals": 1}}))
    # ten stimuli; pretraining of 10 passes, one burn-in session of as many as the first
    shown = 10 * np.array([10 + 5 + 5, 10 + 5 + 5 + 6, 10 + 5 + 5 + 6 + 7])
    np.testing.assert_array_equal(recording["probe/experience"].values, [shown])
    np.testing.assert_array_equal(recording["probe/day"].values, [[0, 2, 4]])
    correct = recording["learning/correct"].values[0]
    assert np.isfinite(correct).sum(1).tolist() == [5, 0, 0]


def test_sessions_teach_the_same_whether_recorded_or_not() -> None:
    """With nothing random but birth; nights compose, so a probe in between changes nothing either."""
    every, some, probed, fewer = (
        simulate(small(CALM, {"schedule": schedule}))["probe/latent_rate"].values
        for schedule in (
            {"days": [0, 2, 4]},
            {"days": [0, 4], "exposure_days": [0, 2, 4]},
            {"days": [0, 1, 2, 4], "exposure_days": [0, 2, 4]},
            {"days": [0, 4]},
        )
    )
    assert relative_difference(some[:, -1], every[:, -1]) == 0
    assert relative_difference(probed[:, -1], every[:, -1]) < 1e-12
    assert relative_difference(fewer[:, -1], every[:, -1]) > 1e-3


def test_a_session_without_exposure_changes_nothing_and_one_with_it_does() -> None:
    still = {"overnight": {"weight_decay": 0.0, "readout_decay": 0.0}}
    only = {"days": [0, 3, 6, 9], "exposure_days": [0, 7]}
    rates = simulate(small(CALM, still, {"schedule": only}))["probe/latent_rate"].values
    np.testing.assert_array_equal(rates[:, 1], rates[:, 0])
    np.testing.assert_array_equal(rates[:, 2], rates[:, 0])
    assert relative_difference(rates[:, 3], rates[:, 0]) > 1e-3


def test_groups_may_be_exposed_on_different_days_and_recorded_on_the_same() -> None:
    groups = {
        "often": {"schedule": {"exposure_days": [0, 1, 2, 3, 4]}},
        "seldom": {},
        "alone": {"schedule": {"exposure_days": [0, 4]}},
    }
    protocol = small({"groups": groups, "schedule": {"days": [0, 4]}, "cohort": {"animals": 2}})
    recording = simulate(protocol)
    experience = recording["probe/experience"].values
    assert np.diff(experience, axis=1).ravel().tolist() == [400, 400, 100, 100, 100, 100]
    rates = recording["probe/true_rate"].values
    # the same individuals on the same days
    np.testing.assert_array_equal(rates[2:4], rates[4:6])
    assert relative_difference(rates[0:2, -1], rates[2:4, -1]) > 1e-3


def test_a_life_interrupted_between_recorded_sessions_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    protocol = small({"schedule": {"days": [0, 4], "exposure_days": [0, 1, 2, 4]}, "cohort": {"animals": 2}})
    told: list[str] = []

    def interrupt(done: int, total: int, words: str) -> None:
        told.append(words)
        if words == "exposure, day 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        live(protocol, tmp_path / "run", interrupt)
    assert told == ["pretraining, day -2", "burn in, day -1", "day 0", "exposure, day 1", "exposure, day 2"]
    again: list[str] = []
    live(protocol, tmp_path / "run", lambda done, total, words: again.append(words))
    assert again == ["exposure, day 2", "day 4", "simulated"]
    whole = simulate(protocol)
    merged = load_recording(merge_sessions(protocol, tmp_path / "run" / SESSIONS, tmp_path / "recording.zarr"))
    for name in ("true_rate", "rate", "experience"):
        np.testing.assert_array_equal(merged["probe"][name].values, whole["probe"][name].values)
