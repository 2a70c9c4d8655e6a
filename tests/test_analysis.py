"""Analyses: found by name, file or module, run on recordings of many shapes, flattened as by hand, written whole."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import neurofa
from neurofa import figures, measures
from neurofa.analysis import analyse, find_analysis
from neurofa.errors import ConfigError, NeurofaError, RecordingError, RunFolderError
from neurofa.recording import write_recording
from neurofa.tables import MEASURES_COLUMNS, SUMMARY_COLUMNS, summarise, tidy
from tests.synthetic import make_recording

USER = """
import matplotlib.figure
import xarray as xr

def measure(recording):
    rate = recording["probe"]["rate"]
    mean = rate.mean(["session", "stimulus", "repeat", "unit"])
    return xr.Dataset({"mean_rate": mean.reset_coords(drop=True)}, coords={"group": recording["probe"]["group"]})

def plot(measured, recorded=None):
    figure = matplotlib.figure.Figure()
    figure.subplots().plot(measured["mean_rate"].values)
    return figure
"""


@pytest.fixture(scope="module")
def recording():
    return make_recording(n_animals=3, n_sessions=4, n_bins=4, n_units=30)


@pytest.fixture(scope="module")
def done(recording, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    measured = analyse(recording, out=out, metadata={"run": "synthetic-1", "seed": 0, "version": "0.1.0"})
    return out, measured


def matrix(values, **attrs):
    return xr.Dataset(
        {"similarity": (("animal", "session_a", "session_b"), np.asarray(values, dtype=float), attrs)},
        coords={
            "animal": ["a", "b"],
            "group": ("animal", ["walk", "walk"]),
            "session_a": [0, 1, 2],
            "session_b": [0, 1, 2],
            "day": (("animal", "session"), [[0, 2, 4], [0, 2, 5]]),
        },
    )


VALUES = [[[1, 0.8, 0.6], [0.7, 1, 0.5], [0.4, 0.3, 1]], [[1, 0.9, np.nan], [0.9, 1, 0.2], [np.nan, 0.2, 1]]]


def test_tidy_keeps_each_pair_once():
    table = tidy({"mine": matrix(VALUES)})
    assert list(table.columns) == list(MEASURES_COLUMNS)
    rows = table[["analysis", "measure", "group", "animal", "session_a", "session_b", "lag_days", "value"]]
    assert rows.to_numpy().tolist() == [
        ["mine", "similarity", "walk", "a", 0, 1, 2.0, 0.8],
        ["mine", "similarity", "walk", "a", 0, 2, 4.0, 0.6],
        ["mine", "similarity", "walk", "a", 1, 2, 2.0, 0.5],
        ["mine", "similarity", "walk", "b", 0, 1, 2.0, 0.9],
        ["mine", "similarity", "walk", "b", 1, 2, 3.0, 0.2],
    ]


def test_tidy_keeps_both_orders_of_directed_matrices_and_the_diagonal_where_told():
    directed = tidy({"mine": matrix(VALUES, directed=1)})
    first = directed[directed["animal"] == "a"]
    assert list(zip(first["session_a"], first["session_b"], first["value"], strict=True)) == [
        (0, 1, 0.8),
        (0, 2, 0.6),
        (1, 0, 0.7),
        (1, 2, 0.5),
        (2, 0, 0.4),
        (2, 1, 0.3),
    ]
    assert (directed["lag_days"] > 0).all()
    whole = tidy({"mine": matrix(VALUES, directed=1, diagonal=1)})
    assert len(whole) == 9 + 7
    assert whole.loc[whole["session_a"] == whole["session_b"], "lag_days"].eq(0).all()


def test_tidy_of_values_of_sessions_steps_and_animals():
    dataset = matrix(VALUES).drop_vars("similarity")
    dataset["performance"] = (("animal", "session"), [[0.9, 0.8, np.nan], [0.7, 0.6, 0.5]])
    dataset["half_life"] = (("animal", "condition"), [[3.0], [np.inf]])
    dataset["course"] = ("step", [1.0, 2.0])
    dataset["examples"] = (("animal", "somewhere"), np.ones((2, 9)), {"table": 0})
    table = tidy({"mine": dataset.assign_coords(condition=["fit"], step=[10, 20])})
    assert set(table["measure"]) == {"performance", "half_life", "course"}
    performance = table[table["measure"] == "performance"]
    assert performance["session_a"].tolist() == [0, 1, 0, 1, 2]
    assert performance["lag_days"].eq(0).all() and performance["session_b"].eq("").all()
    assert table.loc[table["measure"] == "half_life", "value"].tolist() == [3.0, np.inf]
    course = table[table["measure"] == "course"]
    assert course["step"].tolist() == [10, 20] and course["lag_days"].isna().all() and course["animal"].eq("").all()


def test_tidy_refuses_dimensions_that_are_no_column():
    dataset = xr.Dataset({"x": (("animal", "unit"), np.ones((2, 3)))})
    with pytest.raises(
        NeurofaError, match=r"x of the analysis 'mine' has the dimension 'unit'; .*attrs\['table'\] = 0"
    ):
        tidy({"mine": dataset})


def test_summary_averages_within_animals_first():
    summary = summarise(tidy({"mine": matrix(VALUES)}))
    assert list(summary.columns) == list(SUMMARY_COLUMNS)
    row = summary[summary["lag_days"] == 2].iloc[0]
    expected = measures.mean_and_interval([(0.8 + 0.5) / 2, 0.9])
    assert row["mean"] == pytest.approx(0.775)
    assert row["lower"] == pytest.approx(float(expected.low)) and row["upper"] == pytest.approx(float(expected.high))
    assert (row["n_animals"], row["n_pairs"]) == (2, 3)
    lonely = summary[summary["lag_days"] == 4].iloc[0]
    assert lonely["n_animals"] == 1 and np.isnan(lonely["lower"]) and lonely["sd_over_pairs"] == 0


def test_drift_over_days_measures_what_the_functions_say(recording, done):
    measured = done[1]["drift_over_days"]
    maps = measures.session_maps(recording, 4, "rate")
    for name in ("population_vector_correlation", "angle_procrustes_deg"):
        got = measured[name].sel(variable="rate").isel(animal=4, layer=0).values
        np.testing.assert_allclose(got, getattr(measures, name)(maps.maps))
    got = measured["tuning_curve_correlation_noise_corrected"].sel(variable="rate").isel(animal=4, layer=0).values
    np.testing.assert_allclose(got, measures.tuning_curve_correlation_noise_corrected(maps.halves))
    got = measured["recurrence_of_detected_cells"].sel(variable="rate").isel(animal=4, layer=0).values
    np.testing.assert_allclose(got, measures.recurrence_of_detected_cells(maps.detected))
    np.testing.assert_allclose(measured["performance"], recording["probe"]["correct"].mean("stimulus"))


def test_drift_over_days_tells_drift_from_stability(done):
    latent = done[1]["drift_over_days"]["population_vector_correlation"].sel(variable="latent_rate").isel(layer=0)
    last = latent.values[:, 0, -1]
    assert last[:3].max() < 0.9 and last[3:].min() > 0.999


def test_written_tables_hold_the_measured_values(done):
    out, measured = done
    table = pd.read_csv(out / "measures.csv")
    assert list(table.columns) == list(MEASURES_COLUMNS)
    assert set(table["analysis"]) == {"drift_over_days", "cross_day_decoding"}
    rows = table[(table["measure"] == "overlap_of_detected_cells") & (table["animal"] == "stable-1")]
    values = (
        measured["drift_over_days"]["overlap_of_detected_cells"].sel(variable="rate", animal="stable-1").isel(layer=0)
    )
    for _, row in rows.iterrows():
        expected = float(values.sel(session_a=row["session_a"], session_b=row["session_b"]))
        assert row["value"] == pytest.approx(expected, rel=1e-8)
    assert len(rows) == 6
    decoded = table[(table["measure"] == "cross_day_decoding_accuracy") & (table["animal"] == "stable-1")]
    assert len(decoded) == 16
    summary = pd.read_csv(out / "summary.csv")
    assert list(summary.columns) == list(SUMMARY_COLUMNS)
    assert set(summary["n_animals"]) == {3}


def test_figures_are_written_with_numbers_and_captions(done):
    out, _ = done
    names = {path.stem for path in (out / "figures").iterdir()}
    assert names == {
        "drift_decay",
        "drift_sessions",
        "drift_latent_and_observed",
        "drift_half_lives",
        "drift_cells",
        "drift_performance",
        "decoding_decay",
        "decoding_sessions",
    }
    for name in names:
        assert {path.suffix for path in (out / "figures").glob(f"{name}.*")} == {".png", ".pdf", ".csv", ".txt"}
        assert "n = " in (out / "figures" / f"{name}.txt").read_text()
    assert "95 % interval" in (out / "figures" / "drift_decay.txt").read_text()
    assert "chance" in (out / "figures" / "decoding_decay.txt").read_text().lower()
    assert not [path for path in out.rglob(".*")]


def test_numbers_beside_the_decay_figure_are_those_of_the_summary(done):
    out, _ = done
    numbers = pd.read_csv(out / "figures" / "drift_decay.csv")
    summary = pd.read_csv(out / "summary.csv")
    numbers = numbers[numbers["source"] == "measured"]
    summary = summary[summary["variable"] == "rate"]
    both = numbers.merge(summary, on=["measure", "group", "lag_days"], suffixes=("", "_summary"))
    assert len(both) == len(numbers) == 8 * 2 * 3
    np.testing.assert_allclose(both["mean"], both["mean_summary"], rtol=1e-5)
    np.testing.assert_allclose(both["lower"], both["lower_summary"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("n_bins", "n_repeats", "drawn"), [(20, 4, True), (19, 4, False), (20, 1, False)])
def test_shipped_curves_are_drawn_where_named_and_comparable(n_bins, n_repeats, drawn):
    drift, decoding = find_analysis("drift_over_days"), find_analysis("cross_day_decoding")
    tree = make_recording(n_sessions=3, n_bins=n_bins, n_units=10, n_repeats=n_repeats)
    assert "recorded" not in set(drift.plot(drift.measure(tree))["drift_decay"].numbers["source"])
    tree.attrs["protocol"] = '[references]\ntables = ["ca1_linear_track_curves"]\n'
    drawings = drift.plot(drift.measure(tree)) | decoding.plot(decoding.measure(tree))
    assert ("recorded" in set((numbers := drawings["drift_decay"].numbers)["source"])) is drawn
    assert any("own session" in drawing.caption for drawing in drawings.values()) is (n_repeats > 1)
    if n_repeats == 1:
        assert "drift_half_lives" not in drawings
        assert not any("halves" in drawing.caption for drawing in drawings.values())
        assert len(drawings["drift_decay"].figure.axes) == numbers["measure"].nunique()


def test_recorded_points_are_drawn_from_the_package_or_from_a_recorded_run(recording, done):
    drift = find_analysis("drift_over_days")
    measured = done[1]["drift_over_days"].assign_attrs(curves="ca1_linear_track_curves")
    shipped = drift.plot(measured)["drift_decay"].numbers.query("source == 'recorded'")
    shipped = shipped[shipped["measure"] == "angle_unaligned_deg"]
    curves = neurofa.references.load_curves("ca1_linear_track_curves")
    expected = curves[curves["measure"] == "angle_unaligned_deg"].sort_values("lag_days")
    assert shipped["mean"].tolist() == expected["mean"].tolist()
    other = recorded_only(recording)
    drawn = drift.plot(measured, drift.measure(other))
    points = drawn["drift_decay"].numbers
    points = points[(points["source"] == "recorded") & (points["measure"] == "overlap_of_detected_cells")]
    overlap = measures.overlap_of_detected_cells(measures.session_maps(other, 0).detected)
    curve = measures.mean_by_lag(overlap, other["probe"]["day"].values[0])
    np.testing.assert_allclose(points["mean"], curve.mean)
    np.testing.assert_allclose(points["sd_over_session_pairs"], curve.sd, atol=1e-12)
    assert "recorded M1" in set(drawn["drift_sessions"].numbers["panel"])
    assert "M1" in drawn["drift_decay"].caption


def recorded_only(recording, n_animals=1):
    """What an imported recording holds: observed rates of a few animals in one group, nothing else."""
    probe = recording["probe"].to_dataset().isel(animal=slice(0, n_animals))
    probe = probe.drop_vars(["true_rate", "latent_rate", "correct", "experience"])
    names = [f"M{number + 1}" for number in range(n_animals)]
    probe = probe.assign_coords(animal=names, group=("animal", ["recorded"] * n_animals))
    return xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": probe})


@pytest.mark.parametrize("n_animals", [1, 2])
def test_recorded_animals_alone(recording, tmp_path, n_animals):
    measured = analyse(recorded_only(recording, n_animals), out=tmp_path)["drift_over_days"]
    assert measured["variable"].values.tolist() == ["rate"]
    assert "performance" not in measured
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert "drift_latent_and_observed" not in names and "drift_decay" in names
    numbers = pd.read_csv(tmp_path / "figures" / "drift_decay.csv")
    assert set(numbers["animal"]) == {f"M{number + 1}" for number in range(n_animals)}
    assert numbers["lower"].isna().all() and set(numbers["source"]) == {"measured"}


def test_padded_sessions_repeats_and_several_layers(recording, tmp_path):
    probe = recording["probe"].to_dataset().copy(deep=True)
    probe["day"][1, 2] = np.nan
    probe["rate"][1, 2] = np.nan
    probe["duration"][1, 2] = 0
    probe["detected"][1, 2] = False
    probe["rate"][2, :, :, 3] = np.nan
    probe["duration"][2, :, :, 3] = 0
    probe = probe.assign_coords(layer=("unit", np.repeat(["hidden_1", "hidden_2"], 15)), session=[10, 11, 12, 13])
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": probe})
    measured = analyse(tree, ["drift_over_days"], out=tmp_path)["drift_over_days"]
    assert np.isfinite(find_analysis("cross_day_decoding").measure(tree)["cross_day_decoding_accuracy"][0, 2]).all()
    one = measured["population_vector_correlation"].sel(variable="rate", layer="hidden_2").isel(animal=1).values
    assert np.isnan(one[2]).all() and np.isnan(one[:, 2]).all() and np.isfinite(one[np.ix_([0, 1, 3], [0, 1, 3])]).all()
    table = pd.read_csv(tmp_path / "measures.csv")
    gap = table[(table["animal"] == "drifting-1") & (table["measure"] == "population_vector_correlation")]
    assert set(gap["session_a"]) | set(gap["session_b"].astype(int)) == {10, 11, 13}
    assert sorted(set(gap["lag_days"])) == [2, 4, 6]
    assert set(gap["layer"]) == {"hidden_1", "hidden_2"}
    assert (tmp_path / "figures" / "drift_decay_hidden_2.png").exists()


def test_one_session_is_refused_in_one_sentence(recording):
    single = recording["probe"].to_dataset().isel(session=[0])
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": single})
    for name in ("cross_day_decoding", "drift_over_days"):
        with pytest.raises(NeurofaError, match="two sessions of one animal"):
            analyse(tree, [name])


def test_run_folder_is_read_and_written(recording, tmp_path):
    write_recording(recording, tmp_path / "recording.zarr")
    analyse(tmp_path, ["cross_day_decoding"])
    assert (tmp_path / "measures.csv").exists() and (tmp_path / "figures" / "decoding_decay.pdf").exists()
    with pytest.raises(RecordingError, match="no recording at"):
        analyse(tmp_path / "nowhere")


def test_rows_of_analyses_that_are_not_done_again_stay_in_a_run(recording, tmp_path):
    """Also where names look like no value, and whatever the order in which analyses were asked for."""
    write_recording(recording, tmp_path / "recording.zarr")
    for number, name in ((1, "mine"), (2, "nan")):
        (tmp_path / f"{name}.py").write_text(
            USER.replace("return xr.Dataset", f"mean = {number} * mean\n    return xr.Dataset")
        )
    tables = ("measures.csv", "summary.csv")
    analyse(tmp_path, ["nan.py"], near=tmp_path)
    first = {name: (tmp_path / name).read_text() for name in tables}
    analyse(tmp_path, ["mine.py"], near=tmp_path)
    for name, before in first.items():
        lines = (tmp_path / name).read_text().splitlines()
        assert [line for line in lines if not line.startswith("mine,")] == before.splitlines()
        assert len(lines) == 2 * len(before.splitlines()) - 1
    (tmp_path / "mine.py").write_text(USER.replace("mean_rate", "rate_on_average"))
    analyse(tmp_path, ["mine.py"], near=tmp_path)
    table = pd.read_csv(tmp_path / "measures.csv", keep_default_na=False)
    assert table.groupby("analysis")["measure"].unique().map(list).to_dict() == {
        "mine": ["rate_on_average"],
        "nan": ["mean_rate"],
    }
    analyse(recording, [tmp_path / "mine.py"], out=tmp_path)
    assert set(pd.read_csv(tmp_path / "measures.csv")["analysis"]) == {"mine"}, "of whatever recording the others were"


def test_a_table_of_other_columns_is_not_added_to(recording, tmp_path):
    write_recording(recording, tmp_path / "recording.zarr")
    (tmp_path / "mine.py").write_text(USER)
    (tmp_path / "summary.csv").write_text("analysis,mean\nother,1\n")
    with pytest.raises(RunFolderError, match=r"summary.csv has the columns analysis, mean; expected .*analyse again"):
        analyse(tmp_path, ["mine.py"], near=tmp_path)
    assert (tmp_path / "summary.csv").read_text() == "analysis,mean\nother,1\n"


def test_user_analysis_beside_a_protocol(recording, tmp_path):
    (tmp_path / "mine.py").write_text(USER)
    steps = []
    measured = analyse(recording, ["mine.py"], near=tmp_path, out=tmp_path / "out", progress=steps.append)
    assert list(measured) == ["mine"]
    table = pd.read_csv(tmp_path / "out" / "measures.csv")
    expected = float(recording["probe"]["rate"].isel(animal=0).mean())
    assert table["value"].iloc[0] == pytest.approx(expected, rel=1e-5)
    assert table["group"].iloc[0] == "drifting" and table["analysis"].eq("mine").all()
    assert (tmp_path / "out" / "figures" / "mine.png").exists()
    assert steps == ["mine: measure", "mine: draw", "write tables and figures"]
    assert analyse(recording, [tmp_path / "mine.py"])["mine"].identical(measured["mine"])


def test_a_measured_matrix_can_be_drawn_at_once():
    measured = neurofa.analyse(make_recording(), ["drift_over_days"])["drift_over_days"]
    correlation = measured["population_vector_correlation"].sel(variable="rate", layer="hidden_1")
    ax = neurofa.figures.decay_curve(correlation)
    assert [container.lines[0].get_xdata().tolist() for container in ax.containers] == [[2, 4, 6]] * 4


def test_a_bare_figure_is_laid_out_and_captioned_by_the_first_line_of_its_analysis(recording, tmp_path, monkeypatch):
    drawn, write = [], figures.save
    monkeypatch.setattr(figures, "save", lambda drawing, *where: (drawn.append(drawing), write(drawing, *where)))
    (tmp_path / "mine.py").write_text('"""\nMean rates.\n\nMore of it.\n"""\n' + USER)
    analyse(recording, [tmp_path / "mine.py"], out=tmp_path)
    assert drawn[0].figure.get_layout_engine() is not None
    assert (tmp_path / "figures" / "mine.txt").read_text() == "Mean rates.\n"


def test_user_analysis_of_a_package(tmp_path, monkeypatch):
    (tmp_path / "my_package_of_analyses").mkdir()
    (tmp_path / "my_package_of_analyses" / "__init__.py").write_text("")
    (tmp_path / "my_package_of_analyses" / "rates.py").write_text(USER)
    monkeypatch.syspath_prepend(tmp_path)
    assert callable(find_analysis("my_package_of_analyses.rates").measure)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("drift_over_day", "did you mean 'drift_over_days'.*cross_day_decoding, .*drift_over_days"),
        ("nothing_like_it", "no analysis 'nothing_like_it'.*your own"),
        ("missing.py", "no file 'missing.py'"),
        ("no_such_package.analysis", "cannot import 'no_such_package.analysis'"),
    ],
)
def test_unknown_analyses(name, match):
    with pytest.raises(ConfigError, match=match):
        find_analysis(name)


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("def measure(recording):\n    pass\n", "has no function 'plot'"),
        ("def measure(:\n", "broken.py cannot be imported: SyntaxError"),
        (USER.replace('rate = recording["probe"]["rate"]', "1 / 0"), "'broken' failed in measure.*ZeroDivisionError"),
        (USER.replace("figure = ", "figure = 1 / 0  #"), r"'broken' failed in plot\(\): ZeroDivisionError"),
        (USER.replace("return xr.Dataset(", "return dict("), "must return an xarray.Dataset, got dict"),
        (USER.replace("return figure", "return 3"), "must return a matplotlib figure.*got int"),
        (USER.replace('"unit"]', "]").replace("repeat,", "repeat"), None),
    ],
)
def test_broken_user_analyses_name_themselves(recording, tmp_path, code, match):
    (tmp_path / "broken.py").write_text(code)
    match = match or "has the dimension 'unit'"
    with pytest.raises(NeurofaError, match=match):
        analyse(recording, ["broken.py"], near=tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out" / "measures.csv").exists()


def test_an_analysis_named_twice_is_refused(recording, tmp_path):
    (tmp_path / "drift_over_days.py").write_text(USER)
    with pytest.raises(ConfigError, match="named twice"):
        analyse(recording, ["drift_over_days", "drift_over_days.py"], near=tmp_path)


def test_a_killed_writer_leaves_the_old_table_whole(recording, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(USER)
    analyse(recording, ["mine.py"], near=tmp_path, out=tmp_path)
    before = (tmp_path / "measures.csv").read_bytes()

    def half(self, path, **kwargs):
        Path(path).write_text("analysis,meas")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", half)
    with pytest.raises(RunFolderError, match="cannot write results.*disk full"):
        analyse(recording, ["mine.py"], near=tmp_path, out=tmp_path)
    assert (tmp_path / "measures.csv").read_bytes() == before
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_out_that_is_a_file_is_refused(recording, tmp_path):
    (tmp_path / "mine.py").write_text(USER)
    (tmp_path / "out").write_text("")
    with pytest.raises(RunFolderError, match="cannot write results"):
        analyse(recording, ["mine.py"], near=tmp_path, out=tmp_path / "out")


def test_without_a_folder_nothing_is_drawn(recording, monkeypatch):
    monkeypatch.setattr(figures, "save", lambda *args: pytest.fail("nothing should be written"))
    measured = analyse(recording, "cross_day_decoding")
    assert list(measured) == ["cross_day_decoding"]
