"""Verdicts on cases worked out by hand, counts of points, and runs held against recorded and simulated runs."""

import shutil
import sys
import types

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurofa import comparison, references
from neurofa.analysis import analyse, write_results
from neurofa.comparison import count_inside, curve_scorecard, published_scorecard, verdict
from neurofa.comparison.published import asked_for
from neurofa.errors import ConfigError, RecordingError, RunFolderError
from neurofa.provenance import write_provenance
from neurofa.recording import build_recording, load_recording, write_recording
from neurofa.report import brief, warning
from neurofa.report.findings import findings
from neurofa.report.tables import cards
from tests.synthetic import make_recording

NAN = float("nan")
PV = "population_vector_correlation"


def measured_from(values_by_measure, n_animals=3, days=(0.0, 2.0, 4.0), offsets=(-0.01, 0.0, 0.01), group="walk"):
    """A measured dataset in which every pair of a lag has the given value, plus one offset per animal."""
    days = np.asarray(days)
    lag = np.round(np.abs(days[None, :] - days[:, None]), 6)
    variables = {}
    for measure, values in values_by_measure.items():
        scale = 100.0 if measure.endswith("_deg") else 1.0
        if "split_half" in measure:
            one = np.full(len(days), values[0.0])
            dims = ("variable", "animal", "layer", "session")
        else:
            one = np.vectorize(lambda gap, values=values: values.get(gap, NAN), otypes=[float])(lag)
            dims = ("variable", "animal", "layer", "session_a", "session_b")
        stacked = np.stack([one + scale * offset for offset in offsets[:n_animals]])
        variables[measure] = (dims, stacked[None, :, None])
    coords = {
        "variable": ["rate"],
        "layer": ["hidden_1"],
        "animal": [f"{group}-{index}" for index in range(n_animals)],
        "group": ("animal", [group] * n_animals),
        "day": (("animal", "session"), np.tile(days, (n_animals, 1))),
    }
    return xr.Dataset(variables, coords=coords)


def curve(mean, lag_days, sd=(), n=(), measure=PV, definition="unsmoothed_maps_cells_in_both"):
    count = len(mean)
    rows = pd.DataFrame({"measure": measure, "lag_days": lag_days, "mean": mean, "definition": definition})
    rows["sd_over_session_pairs"] = sd or [0.0] * count
    rows["n_session_pairs"] = n or [1] * count
    return rows.assign(
        animal="M1", species="mouse", area="CA1", citation="Who 2020, Where", year="2020", doi="10.1/x", note=""
    )


@pytest.mark.parametrize(
    ("value", "lower", "upper", "expected"),
    [
        (0.5, 0.4, 0.6, "inside"),
        (0.4, 0.4, 0.6, "inside"),
        (0.6, 0.4, 0.6, "inside"),
        (0.1 + 0.2, 0.1, 0.3, "inside"),
        (0.39, 0.4, 0.6, "below"),
        (0.61, 0.4, 0.6, "above"),
        (0.1, NAN, 0.3, "inside"),
        (0.4, NAN, 0.3, "above"),
        (0.4, 0.5, NAN, "below"),
        (NAN, 0.4, 0.6, "not comparable"),
        (0.5, NAN, NAN, "not comparable"),
        (float("inf"), 0.4, 0.6, "above"),
        (float("-inf"), 0.4, 0.6, "below"),
    ],
)
def test_verdict(value, lower, upper, expected):
    assert verdict(value, lower, upper) == expected


def test_curve_points_are_judged_by_the_stated_tolerance():
    measured = measured_from({PV: {2.0: 0.60, 4.0: 0.50}})
    recorded = curve([0.64, 0.40, 0.30], [2.0, 4.0, 6.0])
    card = curve_scorecard(measured, recorded, {PV: 0.05})
    assert list(card.columns) == list(comparison.COLUMNS)
    assert card["verdict"].tolist() == ["inside", "above", "not comparable"]
    assert card["reason"].iloc[0] == "stated tolerance"
    assert "lag not covered: the group has lags of 2, 4 days" in card["reason"].iloc[2]
    assert card["lower"].iloc[0] == pytest.approx(0.59) and card["upper"].iloc[0] == pytest.approx(0.69)
    assert card["simulated"].iloc[0] == pytest.approx(0.60)
    # three animals at 0.59, 0.60, 0.61: sd 0.01, Student t with 2 degrees of freedom
    assert card["ci_high"].iloc[0] - 0.60 == pytest.approx(4.3027 * 0.01 / np.sqrt(3), rel=1e-4)
    assert card["reference"].iloc[0] == "M1 (Who 2020, Where)"


def test_without_a_stated_tolerance_the_pooled_spread_of_the_recorded_curve_counts():
    measured = measured_from({PV: {2.0: 0.60, 4.0: 0.50}})
    recorded = curve([0.65, 0.56], [2.0, 4.0], sd=[0.03, 0.06], n=[4, 2])
    card = curve_scorecard(measured, recorded)
    expected = np.sqrt((4 * 0.03**2 + 2 * 0.06**2) / (3 + 1))
    assert card["tolerance"].to_numpy() == pytest.approx([expected, expected])
    assert card["verdict"].tolist() == ["inside", "below"]
    assert "spread over the recorded session pairs" in card["reason"].iloc[0]


def test_curves_that_cannot_be_compared_say_why():
    measured = measured_from({PV: {2.0: 0.60}})
    single = curve_scorecard(measured, curve([0.6], [2.0]))
    assert single["verdict"].tolist() == ["not comparable"]
    assert single["reason"].iloc[0].startswith("no interval")
    assert single["group"].tolist() == ["all groups"]
    other = curve_scorecard(measured, curve([0.6], [2.0], definition="smoothed_maps"), {PV: 0.1})
    assert "other definition: 'smoothed_maps'" in other["reason"].iloc[0]
    missing = curve_scorecard(measured, curve([0.6], [2.0], measure="ensemble_rate_correlation"), {})
    assert "the run has no measure 'ensemble_rate_correlation'" in missing["reason"].iloc[0]


def test_impossible_tolerances_are_refused():
    measured, recorded = measured_from({PV: {2.0: 0.6}}), curve([0.6], [2.0])
    with pytest.raises(ConfigError, match="did you mean 'population_vector_correlation'"):
        curve_scorecard(measured, recorded, {"population_vector_corelation": 0.1})
    with pytest.raises(ConfigError, match="must be a number above 0"):
        curve_scorecard(measured, recorded, {PV: -0.1})


def shipped_curves_as_measured(shift=0.0, overlap_shift=0.0):
    curves = references.load_curves()
    values = {
        measure: dict(zip(rows["lag_days"], rows["mean"], strict=True)) for measure, rows in curves.groupby("measure")
    }
    for measure in values:
        move = overlap_shift if measure == "overlap_of_detected_cells" else shift
        values[measure] = {lag: value + move for lag, value in values[measure].items()}
    return curves, measured_from(values, days=np.arange(0.0, 16.0, 2.0))


def test_all_fifty_points_of_the_recorded_mouse_are_counted():
    curves, measured = shipped_curves_as_measured()
    counts = count_inside(curve_scorecard(measured, curves))
    assert len(counts) == 1
    row = counts.iloc[0]
    assert (row["inside"], row["of"], row["inside_without_overlap"], row["of_without_overlap"]) == (50, 50, 43, 43)
    assert row["comparable"] == 50


def test_overlap_is_counted_apart():
    curves, measured = shipped_curves_as_measured(overlap_shift=0.3)
    row = count_inside(curve_scorecard(measured, curves)).iloc[0]
    assert (row["inside"], row["inside_without_overlap"]) == (43, 43)


def test_points_without_a_lag_count_as_missed_and_each_group_on_its_own():
    curves, measured = shipped_curves_as_measured()
    short = measured.isel(session=slice(0, 5), session_a=slice(0, 5), session_b=slice(0, 5))
    row = count_inside(curve_scorecard(short, curves)).iloc[0]
    assert (row["inside"], row["of"], row["comparable"]) == (1 + 7 * 4, 50, 1 + 7 * 4)
    groups = measured.assign_coords(group=("animal", ["a", "a", "b"]))
    counts = count_inside(curve_scorecard(groups, curves))
    assert counts["group"].tolist() == ["a", "b"]
    assert (counts["of"] == 50).all()


def test_noise_corrected_measures_are_judged_but_counted_apart():
    corrected = f"{PV}_noise_corrected"
    values = {2.0: 0.60, 4.0: 0.50}
    measured = measured_from({PV: values, corrected: {2.0: 0.80, 4.0: 0.60}})
    recorded = pd.concat(
        [
            curve([0.60, 0.50], [2.0, 4.0], sd=[0.03, 0.03], n=[4, 2]),
            curve([0.83, 0.70], [2.0, 4.0], sd=[0.06, 0.06], n=[4, 2], measure=corrected),
        ]
    )
    card = curve_scorecard(measured, recorded, {PV: 0.05}, reference_kind="recorded run")
    assert card[card["measure"] == corrected]["tolerance"].tolist() == [0.05, 0.05]
    row = count_inside(card).iloc[0]
    assert (row["inside"], row["of"], row["of_without_overlap"], row["comparable"]) == (2, 2, 2, 2)
    assert (row["inside_noise_corrected"], row["of_noise_corrected"]) == (1, 2)
    own = curve_scorecard(measured, recorded, {PV: 0.05, corrected: 0.2}, reference_kind="recorded run")
    assert own[own["measure"] == corrected]["tolerance"].tolist() == [0.2, 0.2]
    free = curve_scorecard(measured, recorded, reference_kind="recorded run")
    spread = np.sqrt((4 + 2) * 0.06**2 / (3 + 1))
    assert free[free["measure"] == corrected]["tolerance"].to_numpy() == pytest.approx([spread, spread])
    without = count_inside(card[card["measure"] == PV]).iloc[0]
    assert (without["inside_noise_corrected"], without["of_noise_corrected"]) == (0, 0)


def test_animals_are_averaged_after_their_own_pairs():
    measured = measured_from({PV: {2.0: 0.0}}, n_animals=2, offsets=(0.2, 0.8))
    measured[PV].values[0, 1, 0, 1, 2] = np.nan
    means = comparison.curves_by_lag(measured)
    assert means["mean"].tolist() == pytest.approx([0.5])
    assert means["n_pairs"].tolist() == [3]


def test_layers_are_groups_of_their_own():
    one = measured_from({PV: {2.0: 0.6}})
    both = xr.concat([one, one.assign_coords(layer=["hidden_2"])], dim="layer", data_vars="minimal")
    assert set(comparison.curves_by_lag(both)["group"]) == {"walk (hidden_1)", "walk (hidden_2)"}


def statistic(**changes):
    row = references.load_references().set_index("id", drop=False).loc[["REC22-PV-S03"]].copy()
    row.loc[:, ["definition", "lag_days", "value", "lower", "upper"]] = [
        ["unsmoothed_maps_cells_in_both", 2.0, 0.55, 0.50, 0.62]
    ]
    row["condition"] = "linear track"
    for column, value in changes.items():
        row[column] = value
    return row


def test_published_statistics_of_equal_definition_area_and_lag_get_a_verdict():
    measured = measured_from({PV: {2.0: 0.60}})
    card = published_scorecard(measured, statistic(), area="CA1", species="mouse")
    assert card["verdict"].tolist() == ["inside"]
    assert card["group"].tolist() == ["walk"]
    # printed: 0.55 - 0.05 and 0.55 + 0.07 are one standard error of five mice
    assert card["lower"].iloc[0] == pytest.approx(0.55 - 2.7764 * 0.05, abs=1e-4)
    assert card["upper"].iloc[0] == pytest.approx(0.55 + 2.7764 * 0.07, abs=1e-4)
    assert "Student's t from the printed standard error (n = 5)" in card["reason"].iloc[0]
    assert card["published_n"].tolist() == ["5 animals; cells and repeats not stated"]
    narrow = published_scorecard(measured, statistic(lower=0.54, upper=0.56), area="CA1", species="mouse")
    assert narrow["verdict"].tolist() == ["above"]
    spread = published_scorecard(measured, statistic(interval_kind="spread"), area="CA1", species="mouse").iloc[0]
    assert (spread["lower"], spread["upper"], spread["interval_kind"]) == (0.50, 0.62, "spread")
    assert "not a confidence interval: inside means as a typical single animal" in spread["reason"]


@pytest.mark.parametrize(
    ("changes", "facts", "reason"),
    [
        ({}, {"area": "", "species": "mouse"}, "the protocol does not say which area it stands for"),
        ({"area": "V1"}, {"area": "CA1", "species": "mouse"}, "area differs: V1"),
        ({"species": "rat"}, {"area": "CA1", "species": "mouse"}, "species differs: rat"),
        ({"definition": "rechavi_maps"}, {"area": "CA1", "species": "mouse"}, "choice of cells"),
        ({"condition": "novel environment on day 1, sedentary mice"}, {"area": "CA1", "species": "mouse"},
         "here none are novel"),
        ({"measure": "fingerprint_auc"}, {"area": "CA1", "species": "mouse"}, "no measure of this package computes it"),
        ({"measure": "recurrence_of_place_cells"},
         {"area": "CA1", "species": "mouse"}, "see recurrence_of_tuned_units"),
        ({"measure": "cross_day_decoding_accuracy", "definition": "correlation_decoder_of_passes"},
         {"area": "CA1", "species": "mouse"}, "the run has no measure"),
        ({"lower": NAN, "upper": NAN, "interval_kind": "none"}, {"area": "CA1", "species": "mouse"}, "no interval"),
        ({"lag_days": NAN}, {"area": "CA1", "species": "mouse"}, "no lag in days"),
        ({"lag_days": 3.0}, {"area": "CA1", "species": "mouse"}, "lag not covered"),
    ],
)  # fmt: skip
def test_published_statistics_that_differ_are_not_comparable_with_the_reason(changes, facts, reason):
    card = published_scorecard(measured_from({PV: {2.0: 0.60}}), statistic(**changes), **facts)
    assert card["verdict"].tolist() == ["not comparable"]
    assert reason in card["reason"].iloc[0]
    assert card["simulated"].isna().all()


def test_nothing_of_the_shipped_table_is_bent_to_fit_a_linear_track():
    _, measured = shipped_curves_as_measured()
    card = published_scorecard(measured, references.load_references(), area="CA1", species="mouse")
    assert len(card) == 198
    assert set(card["verdict"]) == {"not comparable"}
    assert (card["reason"] != "").all()
    assert count_inside(card).empty


def rows_of(prefix):
    table = references.load_references()
    return table[table["id"].str.startswith(prefix)]


def test_selectivity_is_held_against_what_was_digitised_by_the_number_of_sessions_apart():
    measured = measured_from({"selectivity_lost": {4.0: 0.30, 8.0: 0.60}}, days=(0.0, 4.0, 8.0))
    card = published_scorecard(measured, rows_of("DRI17-F3F-LOS"), area="PPC", species="mouse")
    assert card["lag_days"].tolist() == [4.0 * apart for apart in range(1, 11)]
    assert card["verdict"].tolist() == ["inside", "above"] + ["not comparable"] * 8
    assert card["simulated"].tolist()[:2] == pytest.approx([0.30, 0.60])
    assert "here 4 days each" in card["reason"].iloc[0] and "lag not covered" in card["reason"].iloc[2]
    # one table in the report, not one per statistic
    (shown,) = cards(card, {})
    assert shown["reference"] == "Driscoll et al. 2017, Cell: virtual T-maze, 150 cells of one figure"
    assert [row["lag"] for row in shown["rows"]] == ["4", "8"]
    kurtosis = published_scorecard(measured, rows_of("DRI17-F3F-KURT"), area="PPC", species="mouse")
    assert "no interval" in kurtosis["reason"].iloc[0]


def test_time_constants_of_a_novel_environment_are_those_of_novel_animals_alone():
    parts = [measured_from({PV: {2.0: 0.6}}, group=group) for group in ("novel", "familiar")]
    measured = xr.concat(parts, dim="animal", data_vars="minimal", coords="minimal")
    curves = ["population_vector_correlation", "tuning_curve_correlation"]
    values = np.repeat([[16.0, 60.0], [20.0, 20.0]], 3, axis=0)
    dims = ("variable", "animal", "layer", "condition")
    measured["decay_time_constant_days"] = (dims, values[None, :, None])
    measured = measured.assign_coords(condition=curves)
    rows = (
        rows_of("REC22-TAU-").set_index("id", drop=False).loc[["REC22-TAU-PV-S", "REC22-TAU-TC-S", "REC22-TAU-dec-S"]]
    )
    card = published_scorecard(measured, rows, area="CA1", species="mouse", novel=["novel"])
    assert card["group"].tolist() == ["novel", "novel", "all groups"]
    assert card["verdict"].tolist() == ["inside", "above", "not comparable"]
    assert card["simulated"].tolist()[:2] == [16.0, 60.0] and card["n_animals"].tolist()[:2] == [3, 3]
    assert "no lag" not in " ".join(card["reason"])
    (shown,) = cards(card, {})
    assert [row["measure"] for row in shown["rows"]] == [
        "decay time constant days, population vector correlation",
        "decay time constant days, tuning curve correlation",
    ]
    familiar = published_scorecard(measured, rows, area="CA1", species="mouse")
    assert set(familiar["verdict"]) == {"not comparable"}
    assert familiar["reason"].str.contains("here none are novel").all()


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({"area": "V1", "species": "mouse"}, {"here", "layer"}),
        ({"area": "V1 layer 4", "species": "mouse"}, {"layer"}),
        ({"area": "V1", "species": "human", "sources": ["10.1/OTHER"]}, {"other"}),
        ({"area": "V1"}, set()),
    ],
)
def test_only_rows_of_the_area_and_species_or_of_a_source_are_asked_for(settings, ids):
    rows = [("here", "V1", "mouse", "10.1/a"), ("layer", "V1 layer 4", "mouse", "10.1/a")]
    rows += [
        ("rat", "V1", "rat", "10.1/a"),
        ("three", "V1/V2/V3", "mouse", "10.1/a"),
        ("other", "A1", "rat", "10.1/other"),
    ]
    table = pd.DataFrame(rows, columns=["id", "area", "species", "doi"])
    assert set(table["id"][asked_for(table, settings)]) == ids


# runs


def small(n_animals=2, groups=("walk", "still"), **options):
    return make_recording(n_animals=n_animals, n_sessions=4, n_bins=4, n_units=25, groups=groups, **options)


def as_recorded(n_animals=1, n_sessions=4, **options):
    """A recording without true rates, animals M0, M1, ..."""
    tree = make_recording(
        n_animals=n_animals, n_sessions=n_sessions, n_bins=4, n_units=25, groups=("recorded",), **options
    )
    probe = tree["probe"].to_dataset().drop_vars(["true_rate", "latent_rate", "correct"])
    return build_recording(
        probe.assign_coords(animal=[f"M{index}" for index in range(n_animals)]), attrs={"doi": "10.1/r"}
    )


@pytest.fixture
def undrawn(monkeypatch):
    """Figures take seconds; one test draws them."""
    monkeypatch.setattr("neurofa.comparison.runs._drawings", lambda *arguments: {})


PROTOCOL = """
name = "small"
[references]
area = "CA1"
tables = ["ca1_linear_track_curves", "drift_statistics"]
[references.tolerances]
population_vector_correlation = 0.05
"""


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "small-1"
    folder.mkdir()
    write_recording(small(), folder / "recording.zarr")
    (folder / "protocol.toml").write_text(PROTOCOL)
    return folder


@pytest.fixture
def mice(tmp_path):
    folder = tmp_path / "two mice"
    folder.mkdir()
    write_recording(as_recorded(2, seed=3), folder / "recording.zarr")
    return folder


@pytest.fixture
def observed(monkeypatch):
    """Stands for the observation: notes what it was asked for and returns the recording."""
    asked = []

    def observe(recording, like):
        asked.append(like)
        return recording

    monkeypatch.setitem(sys.modules, "neurofa.observation", types.SimpleNamespace(observe=observe))
    return asked


def test_a_run_is_held_against_the_tables_of_its_protocol(run):
    said = []
    card = comparison.compare(run, progress=said.append)
    assert said
    assert set(card["reference_kind"]) == {"recorded curve", "published statistic"}
    pv = card[(card["measure"] == PV) & (card["reference_kind"] == "recorded curve") & (card["lag_days"] == 2)]
    assert set(pv["tolerance"]) == {0.05}
    written = comparison.read_scorecard(run)
    assert len(written) == len(card)
    assert written["verdict"].tolist() == card["verdict"].tolist()
    counts = pd.read_csv(run / "counts.csv")
    assert counts["group"].tolist() == ["walk", "still"]
    assert counts.to_dict("records") == card.attrs["counts"]
    assert "do not tell the mechanisms apart" in card.attrs["interpretation"]
    assert "fitted, not predicted" in card.attrs["interpretation"]
    page = (run / "report.html").read_text()
    assert "do not tell the mechanisms apart" in page
    # of 198 statistics those of CA1 of the mouse alone; all others are one sentence
    table = references.load_references()
    here = table[(table["area"] == "CA1") & (table["species"] == "mouse")]
    told = set(card.loc[card["reference_kind"] == "published statistic", "reference"].str.partition(" ")[0])
    assert told == set(here["id"])
    assert f"{len(table) - len(here)} further rows of these tables are of other areas or species." in page
    assert comparison.further_rows(run) in page


def test_statistics_that_are_no_longer_asked_for_leave_the_scorecard(run, undrawn):
    _, measured = shipped_curves_as_measured()
    comparison.write_scorecard(run, published_scorecard(measured, references.load_references()))
    comparison.compare(run)
    kinds = comparison.read_scorecard(run)["reference_kind"]
    assert 0 < (kinds == "published statistic").sum() < 198


def test_where_a_protocol_does_not_say_what_it_stands_for_the_rows_are_counted_for_that_reason(run, undrawn):
    text = (
        PROTOCOL.replace('area = "CA1"\n', "")
        .replace('"ca1_linear_track_curves", ', "")
        .partition("[references.tol")[0]
    )
    (run / "protocol.toml").write_text(text)
    comparison.compare(run)
    assert comparison.further_rows(run) == "" and comparison.why_not_compared(run) == (
        "Nothing is compared with recordings: all 198 rows of drift_statistics are left out, for the protocol does not "
        "set references.area and references.species."
    )
    (run / "protocol.toml").write_text(text + 'area = "CA1"\n')
    comparison.write_scorecard(run, curve_scorecard(measured_from({PV: {2.0: 0.6}}), curve([0.5], [2.0], [0.1], [3])))
    assert comparison.further_rows(run) == (
        "198 further rows of these tables are left out, for the protocol does not set references.species."
    )


def test_the_summary_of_a_run_gives_the_same_scorecard_as_measuring_again(run):
    before = comparison.compare(run)
    write_results(run, analyse(load_recording(run), ["drift_over_days"]), {})
    after = comparison.compare(run)
    assert before["verdict"].tolist() == after["verdict"].tolist()
    np.testing.assert_allclose(before["simulated"], after["simulated"], atol=1e-6)


def test_every_recorded_animal_is_a_reference_and_the_run_is_observed_as_each_was(run, mice, observed):
    comparison.compare(run)
    card = comparison.compare(run, mice)
    assert [like["probe"]["animal"].values.tolist() for like in observed] == [["M0"], ["M1"]]
    assert set(card["reference"]) == {"M0 (run two mice)", "M1 (run two mice)"}
    assert set(card["doi"]) == {"10.1/r"}
    assert set(card["group"]) == {"walk", "still", "M0 (recorded)", "M1 (recorded)"}
    of_m0 = card[card["reference"] == "M0 (run two mice)"]
    assert "M0 (recorded)" not in set(of_m0["group"])
    assert {row["of"] for row in card.attrs["counts"]} == {1 + 7 * 3}
    assert {row["of_noise_corrected"] for row in card.attrs["counts"]} == {3 * 3}
    whole = comparison.read_scorecard(run)
    assert {"recorded curve", "published statistic", "recorded run"} == set(whole["reference_kind"])
    names = {file.stem for file in (run / "figures").glob("*.png")}
    assert {"drift_decay_against_two_mice_M0", "drift_decay_against_two_mice_M1"} <= names
    caption = (run / "figures" / "drift_decay_against_two_mice_M1.txt").read_text()
    assert caption.startswith("Simulated animals observed again as M1 was recorded.")


def switching_mice():
    """M0 keeps its map; M1 has, in every third trial, the map of other units."""
    tree = as_recorded(2, seed=3, n_repeats=6)
    probe = tree["probe"].to_dataset().load()
    rate = probe["rate"].transpose("animal", "session", "stimulus", "repeat", "unit").copy()
    for session in range(rate.sizes["session"]):
        for repeat in range(session % 3, rate.sizes["repeat"], 3):
            rate[1, session, :, repeat] = np.roll(rate[1, session, :, repeat].values, 7, axis=-1)
    return build_recording(probe.assign(rate=rate.transpose(*probe["rate"].dims)), attrs={"doi": "10.1/r"})


def test_a_recorded_animal_that_switches_maps_is_warned_of_wherever_it_is_compared_with(run, tmp_path, observed):
    (tmp_path / "mice").mkdir()
    write_recording(switching_mice(), tmp_path / "mice" / "recording.zarr")
    write_results(run, analyse(load_recording(run), ["drift_over_days"]), {})
    card = comparison.compare(run, tmp_path / "mice")
    told = "Not to be read as drift alone: single trials of M1 switch between maps."
    warned = card["reason"].str.contains(told.rstrip("."), regex=False)
    assert warned.tolist() == (card["reference"].str.startswith("M1") | (card["group"] == "M1 (recorded)")).tolist()
    captions = {name: (run / "figures" / f"drift_decay_against_mice_{name}.txt").read_text() for name in ("M0", "M1")}
    assert told in captions["M1"] and "switch" not in captions["M0"]
    assert warning(run) == told
    assert {"M0 run", "M1 run (switches maps)"} < set(brief(run)[0])
    of_counts = [text for _, texts in findings_of(run) for text in texts if text.startswith("Against M")]
    assert {text.split()[1]: told in text for text in of_counts} == {"M0": False, "M1": True}
    assert told in (run / "report.html").read_text(encoding="utf-8")


def test_recorded_animals_that_are_drawn_over_a_figure_are_warned_of_too(tmp_path):
    recorded = switching_mice()
    write_recording(recorded, tmp_path / "recording.zarr")
    for given in (recorded, tmp_path):
        analyse(small(), ["drift_over_days"], recorded=given, out=tmp_path / "out")
        caption = (tmp_path / "out" / "figures" / "drift_decay.txt").read_text()
        assert caption.strip().endswith("single trials of M1 switch between maps.")


def findings_of(folder):
    tables = [pd.read_csv(folder / f"{name}.csv") for name in ("measures", "counts")]
    return findings(*tables, {}, comparison.read_scorecard(folder))


def test_comparing_again_replaces_the_rows_of_the_same_reference(run, mice, observed, undrawn):
    comparison.compare(run)
    card = comparison.compare(run, mice)
    whole = comparison.read_scorecard(run)
    comparison.compare(run, mice, tolerances={PV: 9.0})
    again = comparison.read_scorecard(run)
    assert len(again) == len(whole) > len(card)
    assert (again[again["measure"] == PV].query("reference_kind == 'recorded run'")["tolerance"] == 9.0).all()


def test_a_recorded_animal_meets_itself_everywhere_and_is_not_observed_again(mice, observed, undrawn, tmp_path):
    copy = shutil.copytree(mice, tmp_path / "same mice")
    card = comparison.compare(mice, copy, out=tmp_path / "elsewhere")
    assert observed == []
    itself = card[(card["reference"] == "M0 (run same mice)") & (card["group"] == "M0 (recorded)")]
    assert set(itself["verdict"]) == {"inside"}
    assert (tmp_path / "elsewhere" / "scorecard.csv").is_file()
    assert not (mice / "scorecard.csv").exists()


def test_two_simulated_runs_are_compared_group_by_group_without_figures(run, tmp_path, observed):
    other = tmp_path / "other-1"
    other.mkdir()
    write_recording(small(seed=5), other / "recording.zarr")
    card = comparison.compare(run, other, out=tmp_path / "out")
    assert observed == []
    assert set(card["reference_kind"]) == {"simulated run"}
    assert set(card["reference"]) == {"group walk (run other-1)", "group still (run other-1)"}
    assert not (tmp_path / "out" / "figures").exists()


def test_swapped_runs_and_a_run_against_itself_are_refused(run, mice):
    with pytest.raises(RecordingError) as refused:
        comparison.compare(mice, run)
    assert str(refused.value) == (
        f"{run} is a simulated run and {mice} a recorded one; swap them: neurofa compare {run} {mice}"
    )
    for folder in (run, mice):
        with pytest.raises(RecordingError, match="cannot be compared with itself"):
            comparison.compare(folder, folder.parent / "." / folder.name)
        assert not (folder / "scorecard.csv").exists()


def test_one_animal_is_cut_out_without_the_padding_of_the_others():
    tree = as_recorded(2)
    probe = tree["probe"].to_dataset().copy(deep=True)
    probe["day"].values[1, 3] = np.nan
    probe["duration"].values[1, :, :, 3] = 0
    probe["detected"].values[1, :, 20:] = False
    alone = comparison.one_animal(build_recording(probe), 1)["probe"]
    assert dict(alone.sizes) == {"animal": 1, "session": 3, "stimulus": 8, "repeat": 3, "unit": 20}
    assert alone["animal"].values.tolist() == ["M1"]


def test_what_cannot_be_compared_is_refused_in_one_sentence(run, tmp_path, observed, undrawn):
    with pytest.raises(RunFolderError, match="there is no such folder"):
        comparison.compare(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match=r"it has no recording\.zarr"):
        comparison.compare(run, tmp_path / "empty")
    single = tmp_path / "single"
    single.mkdir()
    write_recording(as_recorded(n_sessions=1), single / "recording.zarr")
    with pytest.raises(RecordingError, match="1 session"):
        comparison.compare(run, single)
    write_provenance(single, {"started": "now"})
    with pytest.raises(RunFolderError, match="is not finished; finish it with: neurofa resume"):
        comparison.compare(run, single)
    tree = as_recorded()
    tree["events"] = xr.Dataset()
    of_events = tmp_path / "of_events"
    of_events.mkdir()
    write_recording(tree, of_events / "recording.zarr")
    with pytest.raises(RecordingError, match="holds curves of sessions and .* of events; compare runs of one kind"):
        comparison.compare(run, of_events)
    apart = tmp_path / "apart"
    apart.mkdir()
    write_recording(as_recorded(days_between=3.5, n_repeats=1), apart / "recording.zarr")
    with pytest.raises(RecordingError, match="share no measure that can be compared"):
        comparison.compare(run, apart)
    wide = tmp_path / "wide"
    wide.mkdir()
    tree = make_recording(n_animals=1, n_bins=6, n_units=20, groups=("recorded",))
    write_recording(
        build_recording(tree["probe"].to_dataset().drop_vars(["true_rate", "latent_rate"])), wide / "recording.zarr"
    )
    with pytest.raises(RecordingError, match="8 stimuli, the recording 12"):
        comparison.compare(run, wide)


def test_a_scorecard_with_other_columns_is_refused(run):
    (run / "scorecard.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RunFolderError, match="other columns than a scorecard"):
        comparison.compare(run)
