"""Days told from visits in simulated animals whose weights walk by one of the two; mice with one map and several."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neurofa import analyse, figures, import_nwb, load_protocol, simulate
from neurofa.analysis import find_analysis
from neurofa.errors import NeurofaError
from neurofa.tables import tidy
from tests.synthetic import make_recording

RECORDED = Path(os.environ.get("NEUROFA_RECORDED", Path(__file__).parents[2] / "shared" / "recorded"))
TRACK = RECORDED / "ca1_linear_track"
NAME = "time_or_experience"

#: weights walk per day in one pair of groups, per update in the other; in each pair one group has more passes
WALKS = """
title = "Days against visits"
[cohort]
animals = 3
[network]
hidden = [60]
active_fraction = 0.3
homeostasis_rate = 0.01
[rule]
learning_rate = 0.1
feedback_scale = 2.0
[stimuli]
kind = "linear_track"
bins = 12
inputs = 40
[schedule]
days = [0, 4, 5, 9, 10, 14]
passes = 5
pretraining_passes = 30
burn_in_sessions = 6
burn_in_interval_days = 2
[observation]
kind = "none"
[groups.days_few]
overnight.synaptic_noise = 0.1
[groups.days_many]
overnight.synaptic_noise = 0.1
schedule.passes = 15
[groups.updates_few]
rule.update_noise = 0.1
[groups.updates_many]
rule.update_noise = 0.1
schedule.passes = 15
"""


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    """What was measured of animals whose weights walk, and the folder with its figures."""
    folder = tmp_path_factory.mktemp("walks")
    (folder / "walks.toml").write_text(WALKS, encoding="utf-8")
    return folder, analyse(simulate(load_protocol(folder / "walks.toml")), [NAME], out=folder)[NAME]


@pytest.mark.parametrize(("family", "truth"), [("days_few", "days"), ("updates_few", "visits")])
def test_a_walk_per_day_and_a_walk_per_update_are_told_apart(walks, family, truth):
    part = walks[1].isel(variable=0, layer=0)
    for what in ("population vector", "tuning"):
        fit = part.sel(condition=f"{what}: {family}")
        assert fit["prevails"].item() == truth
        share, other = ("share_of_days", "share_of_visits")[:: 1 if truth == "days" else -1]
        assert fit[share] > 0.7 and fit[share] > 2 * fit[other]


def test_groups_that_differ_in_their_schedule_only_are_fitted_together(walks):
    folder, dataset = walks
    assert set(dataset["family"].values) == {"days_few", "updates_few"}
    caption = (folder / "figures" / f"{NAME}.txt").read_text()
    assert "Regression on both" in caption and "per thousand stimuli shown (" in caption
    drawing = find_analysis(NAME).plot(dataset)[NAME]
    furthest = float(dataset["visits"].max() - dataset["visits"].min()) / 1000
    below = [ax for ax in drawing.figure.axes if ax.get_xlabel() == "Lag (thousand stimuli shown)"]
    assert len(below) == 3 and below[0].get_xlim()[1] < 1.2 * furthest
    assert {"share_of_days", "order_agreement"} <= set(tidy({NAME: dataset})["measure"])


def test_a_family_of_groups_is_called_by_what_their_names_share():
    labels = ["walk per day, a visit in 4 days", "walk per day, a visit in 2 days", "still", "frozen"]
    measured = xr.Dataset(
        coords={"group": ("animal", list("abcd")), "family_of_animal": ("animal", ["a", "a", "c", "c"])}
    )
    styles = figures.group_styles("abcd", {}, dict(zip("abcd", labels, strict=True)))
    named = [find_analysis(NAME)._family_name(measured, family, styles) for family in ("a", "c")]
    assert named == ["walk per day", "still / frozen"]


def test_one_visit_per_day_cannot_be_told_and_order_can():
    dataset = analyse(make_recording(n_sessions=5, n_units=80, angle_per_day_deg=10), [NAME])[NAME]
    assert (dataset["depends_on"] == "cannot be told").all()
    np.testing.assert_allclose(dataset["correlation_of_days_and_visits"], 1)
    agreement = dataset["order_agreement"].isel(variable=0, layer=0)
    assert (agreement[:2] == 1).all()
    assert (dataset["switches_maps"] == 0).all()


def test_single_repeats_are_measured_and_one_session_is_refused():
    dataset = analyse(make_recording(n_sessions=5, n_repeats=1, n_units=80), [NAME])[NAME]
    change = dataset["population_vector_change"].isel(variable=0, layer=0, session_a=0, session_b=-1)
    assert (change[:2] > change[2:].max() + 0.1).all()
    with pytest.raises(NeurofaError, match="two sessions"):
        analyse(make_recording(n_animals=1, n_sessions=1), [NAME])


@pytest.mark.skipif(not TRACK.is_dir(), reason="the recorded mice are not on this machine")
def test_the_mouse_that_switches_maps_is_flagged_and_the_other_is_not(tmp_path):
    recording = import_nwb(TRACK)
    found = analyse(recording, [NAME, "drift_over_days"], out=tmp_path)
    for dataset in found.values():
        flags = dataset["switches_maps"].isel(variable=0, missing_dims="ignore").isel(layer=0)
        assert flags.sel(animal="C11M1") == 1 and flags.sel(animal="C6M4") == 0
    for name in (NAME, "drift_decay"):
        caption = (tmp_path / "figures" / f"{name}.txt").read_text()
        assert caption.count("Not to be read as drift alone: single trials of C11M1 switch between maps.") == 1
    drawn = (tmp_path / "figures" / f"{NAME}.csv").read_text()
    assert "C6M4" in drawn and "C11M1" not in drawn
    assert set(find_analysis(NAME).families(recording).values()) == {"recorded"}
    alone = found[NAME].sel(shown_animal=["C11M1"]).isel(animal=found[NAME]["animal"].values == "C11M1")
    assert set(find_analysis(NAME).plot(alone)) == {f"{NAME}_trials"}
