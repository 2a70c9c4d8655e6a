"""Mechanism scorecard: distances in standard errors against closed forms, calibration, equal sizes, what is said."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import neurofa
from neurofa import references
from neurofa.analysis import find_analysis
from neurofa.comparison import sizes_of
from neurofa.errors import NeurofaError
from neurofa.report.findings import findings
from neurofa.tables import tidy
from tests.engine import small

SCORECARD = find_analysis("mechanism_scorecard")
TOLERANCES = {"population_vector_correlation": 0.05, "ensemble_rate_correlation": 0.04}


@pytest.fixture(scope="module")
def recording() -> xr.DataTree:
    """Two groups of three animals on the track of the recorded curves, and one of a single animal."""
    off = {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0}
    track = {"cohort": {"animals": 3}, "stimuli": {"bins": 20, "inputs": 60}, "schedule": {"passes": 3}}
    references = {"tables": ["ca1_linear_track_curves"], "tolerances": TOLERANCES}
    groups = {
        "noisy": {"overnight": {"synaptic_noise": 0.5}, "label": "noisy synapses"},
        "still": {"control_of": "noisy"},
        "alone": {"cohort": {"animals": 1}},
    }
    return neurofa.simulate(small(track, {"overnight": off, "references": references, "groups": groups}))


@pytest.fixture(scope="module")
def measured(recording: xr.DataTree) -> xr.Dataset:
    return SCORECARD.measure(recording)


def test_distances_are_those_of_predicting_one_more_animal(recording: xr.DataTree, measured: xr.Dataset) -> None:
    drift = neurofa.analyse(recording, ["drift_over_days"])["drift_over_days"]
    matrix = drift["population_vector_correlation"].sel(variable="rate").isel(layer=0).values
    at_lag_2 = np.stack([matrix[:, 0, 1], matrix[:, 1, 2]]).mean(0)
    sd = np.sqrt((at_lag_2[:3].var() * 3 + at_lag_2[3:6].var() * 3) / 4)
    curve = references.load_curves().query("measure == 'population_vector_correlation' and lag_days == 2")
    recorded = float(curve["mean"].iloc[0])
    own = measured.isel(layer=0, point=int(np.nonzero(of(measured, "population_vector_correlation"))[0][0]))
    for group, rows in (("noisy", slice(0, 3)), ("still", slice(3, 6)), ("alone", slice(6, 7))):
        there, mean = own.sel(mechanism=group), at_lag_2[rows].mean()
        error = sd * np.sqrt(1 + 1 / (rows.stop - rows.start))
        assert float(there["simulated"]) == pytest.approx(mean, abs=1e-6)
        assert float(there["standard_error"]) == pytest.approx(error, abs=1e-6)
        assert float(there["distance"]) == pytest.approx((mean - recorded) / error, rel=1e-4)
        assert bool(there["within_tolerance"]) == (abs(mean - recorded) <= 0.05)


def of(measured: xr.Dataset, name: str) -> np.ndarray:
    return measured["point_measure"].values == name


def test_lags_that_were_not_simulated_and_tolerances_that_are_not_stated_have_no_value(measured: xr.Dataset) -> None:
    later = measured["point_lag_days"].values > 4
    assert np.isnan(measured["distance"].values[..., later]).all()
    assert np.isfinite(measured["distance"].values[..., ~later]).all()
    stated = of(measured, "population_vector_correlation") | of(measured, "ensemble_rate_correlation")
    assert np.isfinite(measured["within_tolerance"].values[..., stated & ~later]).all()
    assert np.isnan(measured["within_tolerance"].values[..., ~stated | later]).all()
    assert measured.sizes["point"] == 50


def test_the_table_and_the_figure_show_every_group_and_point(recording: xr.DataTree, measured: xr.Dataset) -> None:
    (drawing,) = SCORECARD.plot(measured).values()
    table = drawing.numbers
    assert len(table) == 3 * 50 and set(table["label"]) == {"noisy synapses", "still", "alone"}
    assert (table["met"] == (table["distance"].abs() <= 2)).all()
    ax = drawing.figure.axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["noisy synapses", "still", "alone"]
    assert len(ax.lines[0].get_xdata()) == table["met"].sum()
    assert "Explained by no mechanism:" in drawing.caption
    # of 50 points those up to the longest simulated lag
    n_there = int(np.isfinite(measured["distance"].values).any(axis=(0, 1)).sum())
    assert n_there < 50 and f"Met\nof {n_there}" in [text.get_text() for text in ax.texts]
    correct = recording["probe"]["correct"].values.astype(float)
    assert table[table["mechanism"] == "still"]["correct"].iloc[0] == pytest.approx(correct[3:6].mean(), abs=1e-6)


def test_the_standard_error_is_calibrated_and_a_shift_is_found() -> None:
    random = np.random.default_rng(0)
    n_points, sizes = 4000, (3, 3, 3, 2, 4, 3)
    groups = [random.normal(0.5, 0.1, (size, n_points)) for size in sizes]
    groups[3][0, ::7] = np.nan
    sd = SCORECARD.pooled_sd(groups)
    assert np.sqrt((sd**2).mean()) == pytest.approx(0.1, rel=0.02)
    recorded = random.normal(0.5, 0.1, n_points)
    distance = (groups[0].mean(0) - recorded) / (sd * np.sqrt(1 + 1 / 3))
    # Student t with 12 degrees of freedom
    assert (np.abs(distance) <= 2).mean() == pytest.approx(0.931, abs=0.015)
    shifted = (groups[0].mean(0) + 0.5 - recorded) / (sd * np.sqrt(1 + 1 / 3))
    assert (np.abs(shifted) <= 2).mean() < 0.05


def test_single_animals_have_no_standard_error() -> None:
    with pytest.raises(NeurofaError, match="standard errors need two animals"):
        SCORECARD.pooled_sd([np.ones((1, 5)), np.ones((1, 5))])


def test_animals_are_cut_down_to_what_was_recorded(recording: xr.DataTree) -> None:
    curves = references.load_curves()
    assert sizes_of(SCORECARD.cut_down(recording, curves)) == sizes_of(recording)
    few = curves.assign(n_cells=30.0, n_cells_per_session=15.0, n_repeats=2.0, n_sessions=2.0)
    cut = sizes_of(SCORECARD.cut_down(recording, few))
    assert all(one.n_repeats == 2 and one.n_sessions == 2 and one.n_cells <= 30 for one in cut)
    assert np.mean([one.n_cells_per_session for one in cut]) == pytest.approx(15, abs=2.5)
    unknown = curves.assign(n_cells=np.nan, n_cells_per_session=np.nan, n_repeats=np.nan, n_sessions=np.nan)
    assert sizes_of(SCORECARD.cut_down(recording, unknown)) == sizes_of(recording)


def test_the_shipped_protocol_holds_mechanisms_beside_nulls_that_are_seen_alike() -> None:
    protocol = neurofa.load_protocol("mechanisms")
    nulls = {name for name, differs in protocol.groups.items() if differs.get("control_of")}
    assert {"identity_loss", "observation_only", "bp_and_synaptic_noise"} <= nulls
    assert len(protocol.groups) - len(nulls) >= 10
    texts = [json.dumps(protocol.group(name).as_dict(), sort_keys=True) for name in protocol.groups]
    assert len(set(texts)) == len(texts)
    observed = {name: protocol.group(name).observation for name in protocol.groups}
    assert {name for name, one in observed.items() if one != protocol.observation} == {"identity_loss"}


@pytest.mark.slow
def test_the_shipped_protocol_runs_with_one_command(tmp_path: Path) -> None:
    quick = {
        "network.hidden": [40],
        "stimuli.inputs": 40,
        "schedule.days": [0, 2, 4],
        "schedule.passes": 2,
        "schedule.pretraining_passes": 2,
        "schedule.burn_in_sessions": 0,
        "groups.similarity_matching.schedule": {"passes": 2, "pretraining_passes": 4},
        "analyses": ["mechanism_scorecard"],
    }
    protocol = neurofa.load_protocol("mechanisms", quick, animals=2)
    run = neurofa.run(protocol, out=tmp_path / "run")
    table = pd.read_csv(run.folder / "figures" / "mechanism_scorecard.csv")
    assert list(dict.fromkeys(table["mechanism"])) == list(protocol.groups)
    assert table["distance"].notna().groupby(table["mechanism"]).sum().eq(1 + 7 * 2).all()
    assert (run.folder / "report.html").read_text(encoding="utf-8").count("Explained by no mechanism:") == 2


def test_a_protocol_without_recorded_curves_is_refused() -> None:
    other = neurofa.simulate(small({"cohort": {"animals": 2}}))
    with pytest.raises(NeurofaError, match="against recorded curves of as many stimuli"):
        SCORECARD.measure(other)


def test_what_is_explained_by_whom_is_said_in_words() -> None:
    names = list(SCORECARD.BLOCKS)
    points = pd.DataFrame({"measure": np.repeat(names, 4)})
    distance = np.full((4, 1, 32), 9.0)
    distance[0, 0, 4:8] = [0, 1, -2, 7]  # population vectors, by the mechanism: three of four
    distance[1, 0, 4:8] = [0, 1, 1, -1]  # and by the null
    distance[1, 0, 8:12] = 0.5  # ensemble rates, by the null alone
    distance[2, 0, 12:16] = [0, 0, 5, 5]
    distance[3] = 0.0  # everything, but the animals cannot report any more
    group = ("animal", ["walk", "lost", "noise", "ruined"])
    measured = xr.Dataset(
        {
            "distance": (("mechanism", "layer", "point"), distance),
            "correct": ("mechanism", [1.0, 0.99, 0.96, 0.5]),
        },
        coords={
            "group": group,
            "control_of": ("animal", ["", "walk", "", ""]),
            "mechanism": group[1],
            "layer": ["hidden_1"],
            "point_measure": ("point", points["measure"].to_numpy(dtype=str)),
        },
    )
    said = SCORECARD.explained(measured.isel(layer=0))
    assert "population vector by 1 of 2 mechanisms and 1 of 1 nulls;" in said[0]
    assert "ensemble rate by 0 of 2 mechanisms and 1 of 1 nulls" in said[0]
    assert said[1].startswith("Explained by no mechanism: split half, ensemble rate, tuning curves")
    assert "population vector" not in said[1] and "population vector" not in said[2]
    assert said[3] == "Closest without the overlap of detected cells: walk, 3 points; of the nulls lost, 8 points."
    assert said[4] == "Left out, with less than 95% correct: ruined."


def test_the_report_says_of_every_group_what_it_explains(measured: xr.Dataset) -> None:
    table = tidy({"mechanism_scorecard": measured})
    met = (measured["distance"].sel(mechanism="noisy").isel(layer=0).to_series().abs() <= 2).to_numpy()
    known = np.isfinite(measured["distance"].sel(mechanism="noisy").isel(layer=0).values)
    own = table[(table["group"] == "noisy") & (table["measure"] == "points_met")]
    for name, rows in own.groupby("condition"):
        assert len(rows) == 3
        np.testing.assert_allclose(rows["value"], met[of(measured, name) & known].mean())
    table.loc[:, "value"] = np.where(table["condition"] == "ensemble_rate_correlation", 0.75, 0.5)
    said = dict(findings(table, pd.DataFrame(), {}))["noisy"]
    assert "Meets three quarters or more of the recorded points of ensemble rate correlation." in said[-1]
    assert "Fewer of split half population vector correlation (50%), population vector correlation (50%)" in said[-1]
    # what no mechanism explains comes before the groups; "still" is the null
    only = table.copy()
    explained = (only["group"] == "still") & (only["condition"] == "tuning_curve_correlation")
    only.loc[explained, "value"] = 1.0
    (whole, sentences), *_ = findings(only, pd.DataFrame(), {}, nulls=["still"])
    assert whole == "All mechanisms"
    assert sentences[0].startswith("Explained by no mechanism: ") and sentences[1].startswith("Explained by no null: ")
    assert "tuning curve correlation" in sentences[0] and "tuning curve correlation" not in sentences[1]
    assert "ensemble rate correlation" not in sentences[0] + sentences[1]
    lost = pd.DataFrame({"measure": ["performance"] * 2, "group": "noisy", "animal": ["a", "b"], "value": [0.9, 0.7]})
    said = dict(findings(pd.concat([table, lost]), pd.DataFrame(), {}))["noisy"]
    assert said[-1].startswith(
        "Explains nothing, for recorded animals keep their behaviour, and this group reports 80%"
    )


def test_captions_count_the_points_that_were_simulated(measured: xr.Dataset) -> None:
    met = measured.copy(deep=True)
    met["distance"].values[np.isfinite(met["distance"].values)] = 0.0
    met["correct"].values[:] = 1.0
    (line, *_) = SCORECARD.explained(met.isel(layer=0))
    assert "population vector by 2 of 2 mechanisms and 1 of 1 nulls" in line
