"""Familiarity: ratios of rates of drift are found where they are known, and taken between the right groups."""

import numpy as np
import pytest
import xarray as xr

from neurofa import analyse
from neurofa.errors import NeurofaError
from neurofa.recording import build_recording
from neurofa.tables import summarise, tidy
from tests.synthetic import make_recording

NAME = "familiarity"
#: group to rate of drift per day, and stimuli shown between two sessions
GROUPS = {"seldom": (0.08, 100), "often": (0.04, 800), "seldom_still": (0.02, 100), "often_still": (0.01, 800)}
PROTOCOL = """
[references]
area = "piriform cortex"
[groups.seldom]
label = "smelled seldom"
[groups.often]
schedule.exposure_days = [0, 1]
[groups.seldom_still]
control_of = "seldom"
overnight.feedback_walk = 0.0
[groups.often_still]
control_of = "often"
overnight.feedback_walk = 0.0
schedule.exposure_days = [0, 1]
"""


def drifting(protocol: str = PROTOCOL, n_animals: int = 3) -> xr.DataTree:
    """Maps whose correlation over units falls as exp(-rate x days)."""
    plain = make_recording(n_animals, n_sessions=5, n_bins=6, n_units=400, n_repeats=4, groups=tuple(GROUPS), lost=0.0)
    probe, rng = plain["probe"].to_dataset(), np.random.default_rng(1)
    rate, days = probe["rate"].values, probe["day"].values[0]
    groups = probe["group"].values.astype(str)
    for animal, group in enumerate(groups):
        rho = np.exp(-GROUPS[group][0] * np.diff(days))
        maps = rng.standard_normal((12, 400))
        for session in range(len(days)):
            if session:
                fresh = rng.standard_normal(maps.shape)
                maps = rho[session - 1] * maps + np.sqrt(1 - rho[session - 1] ** 2) * fresh
            rate[animal, session] = 5 + maps[:, None] + 0.2 * rng.standard_normal((12, 4, 400))
    shown = np.array([GROUPS[group][1] for group in groups])[:, None] * np.arange(5)
    control = {"seldom_still": "seldom", "often_still": "often"}
    probe = probe.assign(rate=(probe["rate"].dims, rate)).assign_coords(
        experience=(("animal", "session"), shown),
        index=("animal", np.tile(np.arange(n_animals), len(GROUPS))),
        control_of=("animal", [control.get(group, "") for group in groups]),
    )
    return build_recording(probe, attrs={"protocol": protocol})


def of_group(found: xr.Dataset, name: str, group: str) -> np.ndarray:
    """Values of the animals of one group."""
    return found[name].isel(variable=0, layer=0).values[found["group"].values == group]


def test_rates_and_their_ratios_are_those_of_the_recording(tmp_path) -> None:
    found = analyse(drifting(), (NAME,), out=tmp_path)[NAME]
    for group, (rate, shown) in GROUPS.items():
        np.testing.assert_allclose(of_group(found, "drift_rate_per_day", group), rate, rtol=0.15, atol=0.003)
        np.testing.assert_allclose(of_group(found, "exposures_per_day", group), shown / 2)
    np.testing.assert_allclose(of_group(found, "drift_rate_ratio", "often"), 0.5, atol=0.08)
    np.testing.assert_allclose(of_group(found, "drift_rate_ratio_beyond_control", "often"), 0.5, atol=0.1)
    for group in ("seldom", "seldom_still"):
        assert np.isnan(of_group(found, "drift_rate_ratio", group)).all()
    assert np.isnan(of_group(found, "drift_rate_ratio_beyond_control", "often_still")).all()
    table = summarise(tidy({NAME: found}))
    mean = table[(table["measure"] == "drift_rate_ratio") & (table["group"] == "often")]["mean"].item()
    assert mean == pytest.approx(of_group(found, "drift_rate_ratio", "often").mean())
    caption = (tmp_path / "figures" / "familiarity.txt").read_text()
    assert "often: rate x 0." in caption and "dashed: 0.5, Schoonover et al. 2021" in caption
    assert "often still" not in caption


def test_rates_are_divided_by_those_of_the_same_individual() -> None:
    found = analyse(drifting(), (NAME,))[NAME]
    ratio = of_group(found, "drift_rate_per_day", "often") / of_group(found, "drift_rate_per_day", "seldom")
    np.testing.assert_allclose(of_group(found, "drift_rate_ratio", "often"), ratio)


def test_without_groups_that_differ_in_their_schedule_only_it_is_refused() -> None:
    other = PROTOCOL.replace("schedule.exposure_days = [0, 1]", "rule.learning_rate = 0.3")
    other = other.replace(
        '[groups.often_still]\ncontrol_of = "often"\novernight.feedback_walk = 0.0', "[groups.often_still]"
    )
    with pytest.raises(NeurofaError, match="there are no two of these; give the protocol some"):
        analyse(drifting(other), (NAME,))


def test_recordings_that_do_not_tell_what_was_shown_are_refused() -> None:
    recording = make_recording(n_animals=1, n_sessions=3)
    probe = recording["probe"].to_dataset().drop_vars("experience", errors="ignore")
    bare = build_recording(probe, recording["learning"].to_dataset(), attrs=recording.attrs)
    with pytest.raises(NeurofaError, match="number of stimuli shown before each session, which imported"):
        analyse(bare, ["familiarity"])
