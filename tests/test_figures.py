"""Figures: sizes, labels, fonts, files, and that the numbers beside a figure are those in it."""

import re
import zlib

import matplotlib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from neurofa import figures
from neurofa.errors import ConfigError, ShapeError
from neurofa.measures import mean_and_interval


def matrices(n_animals=3, groups=("walk", "still"), n_sessions=4):
    """Values 1 - 0.01 animal - 0.1 lag_in_sessions, sessions two days apart."""
    animal = np.arange(n_animals * len(groups))
    session = np.arange(n_sessions)
    apart = np.abs(session[:, None] - session)
    values = 1 - 0.01 * animal[:, None, None] - 0.1 * apart
    dataset = xr.Dataset(
        {"similarity": (("animal", "session_a", "session_b"), values, {"long_name": "map similarity", "units": "1"})},
        coords={
            "animal": [f"m{number}" for number in animal],
            "group": ("animal", np.repeat(groups, n_animals)),
            "day": (("animal", "session"), np.tile(2.0 * session, (len(animal), 1))),
        },
    )
    return figures.with_lags(dataset)


def drawing():
    figure, axes = figures.new_figure(figures.SINGLE_COLUMN_MM, 50, 1, 2)
    figures.decay_curve(matrices()["similarity"], ax=axes[0])
    figures.performance_over_days(sessions(), ax=axes[1])
    figures.panel_letters(axes)
    return figures.Drawing(figure, figures.lag_table(matrices()["similarity"]), "A caption; n = 3.")


def sessions():
    dataset = matrices()
    values = np.linspace(0.5, 1, dataset["day"].size).reshape(dataset["day"].shape)
    return dataset.assign(performance=(("animal", "session"), values, {"long_name": "stimuli reported"}))["performance"]


def test_lag_table_against_hand_values():
    table = figures.lag_table(matrices()["similarity"])
    assert table["lag_days"].tolist() == [2, 4, 6, 2, 4, 6]
    assert table["group"].tolist() == ["walk"] * 3 + ["still"] * 3
    assert table["mean"].to_numpy() == pytest.approx([0.89, 0.79, 0.69, 0.86, 0.76, 0.66])
    assert table["n_animals"].tolist() == [3] * 6
    assert table["n_pairs"].tolist() == [9, 6, 3] * 2
    half = 4.302653 * 0.01 / np.sqrt(3)
    assert (table["upper"] - table["mean"]).to_numpy() == pytest.approx(np.full(6, half), rel=1e-5)
    assert table["sd_over_pairs"].to_numpy() == pytest.approx(np.full(6, 0.01 * np.sqrt(2 / 3)))


def test_lag_table_counts_each_animal_once_and_skips_gaps():
    dataset = matrices(groups=("walk",))
    values = dataset["similarity"].copy()
    values[0, 0, 1] = np.nan
    values[1, 0, 1] = 0.0
    row = figures.lag_table(values).iloc[0]
    within = [values.values[animal][[0, 1, 2], [1, 2, 3]] for animal in range(3)]
    expected = mean_and_interval([np.nanmean(one) for one in within])
    assert row["mean"] == pytest.approx(float(expected.mean))
    assert row["lower"] == pytest.approx(float(expected.low))
    assert row["n_pairs"] == 8


def test_small_groups_are_shown_animal_by_animal():
    values = matrices(n_animals=2, groups=("recorded",))["similarity"]
    table = figures.lag_table(values)
    assert table["animal"].tolist() == ["m0"] * 3 + ["m1"] * 3
    assert table["lower"].isna().all()
    assert "no interval" in figures.caption_of_groups(values)
    assert list(figures.parts_of(values.to_dataset())) == ["recorded m0", "recorded m1"]


def test_a_legend_of_many_animals_leaves_the_axes_their_height(tmp_path):
    dataset = matrices(n_animals=2, groups=("long_name_of_walk", "long_name_of_still", "a_third_long_name_of_a_group"))
    names = [f"{group}-{number % 2}" for number, group in enumerate(dataset["group"].values)]
    dataset = dataset.assign_coords(animal=names)
    figure, axes = figures.new_figure(figures.SINGLE_COLUMN_MM, 62)
    figures.decay_curve(dataset["similarity"], ax=axes[0])
    legend = figures.group_legend(figure, figures.styles_of(dataset), dataset)
    assert [text.get_text() for text in legend.get_texts()][:2] == ["long name of walk 0", "long name of walk 1"]
    figures.save(figures.Drawing(figure, pd.DataFrame(), "A caption."), tmp_path, "many")
    assert axes[0].get_window_extent().height / figure.dpi * 25.4 > 40


@pytest.mark.parametrize("title", ["", "a title"])
def test_letters_of_panels_stand_inside_the_figure(title):
    figure, axes = figures.new_figure(120, 60, 1, 2)
    for ax in axes:
        ax.set(title=title, ylabel="Correlation")
    figures.panel_letters(axes)
    figure.draw_without_rendering()
    for ax in axes:
        box = ax.texts[-1].get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1


def test_directed_matrices_keep_both_orders_and_the_diagonal():
    values = matrices(n_animals=3, groups=("walk",))["similarity"]
    values.attrs |= {"directed": 1, "diagonal": 1}
    table = figures.lag_table(values)
    assert table["lag_days"].tolist() == [0, 2, 4, 6]
    assert table["n_pairs"].tolist() == [12, 18, 12, 6]


def test_infinite_values_make_the_mean_infinite_without_an_interval():
    rows = pd.DataFrame({"animal": ["a", "b", "c"], "kind": "tau", "value": [3.0, np.inf, 5.0]})
    row = figures.mean_over_animals(rows, ["kind"]).iloc[0]
    assert np.isinf(row["mean"]) and np.isnan(row["lower"]) and row["n_animals"] == 3


def test_decay_curve_draws_the_table():
    values = matrices()["similarity"]
    recorded = pd.DataFrame({"lag_days": [2.0, 4.0], "mean": [0.5, 0.4], "sd_over_session_pairs": [0.05, 0.0]})
    ax = figures.decay_curve(values, recorded)
    table = figures.lag_table(values)
    lines = {line.get_label(): line for line in ax.get_lines() if line.get_label() in ("walk", "still")}
    for group, line in lines.items():
        rows = table[table["group"] == group]
        assert np.asarray(line.get_xdata()) == pytest.approx(rows["lag_days"].to_numpy())
        assert np.asarray(line.get_ydata()) == pytest.approx(rows["mean"].to_numpy())
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    walk = table[table["group"] == "walk"]
    assert band.min() == pytest.approx(walk["lower"].min())
    assert band.max() == pytest.approx(walk["upper"].max())
    points = [line for line in ax.get_lines() if line.get_linestyle() == "None" and line.get_color() == "#000000"]
    assert np.asarray(points[0].get_ydata()).tolist() == [0.5, 0.4]
    assert ax.get_xlabel() == "Lag (days)"
    assert ax.get_ylabel() == "Map similarity"


def test_axis_labels_carry_units():
    values = matrices()["similarity"].assign_attrs(long_name="angle", units="degrees")
    assert figures.decay_curve(values).get_ylabel() == "Angle (degrees)"


def test_performance_over_days_draws_mean_and_interval():
    ax = figures.performance_over_days(sessions())
    table = figures.day_table(sessions())
    drawn = np.concatenate([np.asarray(container.lines[0].get_ydata()) for container in ax.containers])
    assert drawn == pytest.approx(table["mean"].to_numpy())
    ends = np.concatenate([[s[:, 1] for s in c.lines[2][0].get_segments()] for c in ax.containers])
    assert ends[:, 1] == pytest.approx(table["upper"].to_numpy())
    assert ax.get_xlabel() == "Day" and ax.get_ylabel() == "Stimuli reported"


def test_session_matrix_shows_the_values_and_labels():
    values = matrices()["similarity"].mean("animal", keep_attrs=True)
    values[0, 3] = np.nan
    ax = figures.session_matrix(values, labels=["0", "2", "4", "6"])
    image = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)
    np.testing.assert_allclose(image, values.values)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "2", "4", "6"]
    assert ax.get_ylabel() == "Day"
    bar = ax.get_figure().axes[-1]
    assert bar.get_ylabel() == "Map similarity"


def test_session_matrices_share_their_colours():
    first = matrices()["similarity"].mean("animal", keep_attrs=True)
    figure, axes = figures.session_matrices({"a": first, "b": first / 2}, {"a": list("0246"), "b": list("0246")})
    assert {ax.images[0].get_clim() for ax in axes} == {(float(first.min()) / 2, float(first.max()))}
    assert figure.get_figwidth() * 25.4 == pytest.approx(figures.DOUBLE_COLUMN_MM)


def test_tuning_is_sorted_by_the_peak_of_the_first_session():
    maps = np.zeros((2, 5, 3))
    maps[0, [3, 0, 1], [0, 1, 2]] = [2.0, 4.0, 1.0]
    maps[1, :, 1] = np.nan
    values = xr.DataArray(
        maps,
        dims=("session", "stimulus", "cell"),
        coords={"day": ("session", [0.0, 2.5]), "direction": ("stimulus", list("rrrll"))},
    )
    ax = figures.tuning_across_days(values)
    image = np.ma.filled(ax.images[-1].get_array().astype(float), np.nan)
    assert image[:, :5].argmax(axis=1).tolist() == [0, 1, 3]
    assert np.isnan(image[0, 6:]).all() and not np.isnan(image[1:, 6:]).any()
    assert np.nanmax(image) == 1.0
    assert {"0", "2.5"} <= {text.get_text() for text in ax.texts}


def test_half_lives_beyond_the_axis_are_triangles_at_its_edge():
    values = xr.DataArray(
        [10.0, np.inf, 20.0, np.nan],
        dims="animal",
        coords={"animal": list("abcd"), "group": ("animal", ["walk", "walk", "walk", "still"])},
        attrs={"long_name": "half-life", "units": "days"},
    )
    ax = figures.half_life_points(values, {"walk": (15.0, 9.0, np.inf)}, longest=140)
    heights = np.concatenate([np.asarray(one.get_offsets())[:, 1] for one in ax.collections if len(one.get_offsets())])
    assert sorted(heights) == [10.0, 20.0, 140.0]
    assert ax.get_yscale() == "log" and ax.get_ylabel() == "Half-life (days)"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["walk", "still"]


def test_controls_are_pale_and_dashed_and_colours_stable():
    styles = figures.group_styles(["feedback_walk", "fixed_feedback", "other"])
    assert styles["fixed_feedback"].dash == "--" and styles["fixed_feedback"].control_of == "feedback_walk"
    assert styles["fixed_feedback"].colour == figures.paler(styles["feedback_walk"].colour)
    assert figures.group_styles(["feedback_walk"])["feedback_walk"] == styles["feedback_walk"]
    assert styles["other"].colour not in {styles["feedback_walk"].colour, styles["fixed_feedback"].colour}
    assert figures.group_styles(["recorded"])["recorded"].colour == "#000000"


def test_points_of_animals_have_the_colours_of_the_legend_and_those_of_controls_are_hollow():
    """Half transparent, a group looked like its own pale control."""
    names = ["feedback_walk", "fixed_feedback"]
    styles = figures.group_styles(names)
    values = xr.DataArray([1.0, 2.0, 3.0], dims="animal", coords={"group": ("animal", [names[0], *names])})
    for draw in (figures.animal_points, figures.half_life_points):
        dots = [one for one in draw(values, styles=styles).collections if len(one.get_offsets())]
        assert [to_hex(one.get_edgecolor()[0]) for one in dots] == [styles[name].colour for name in names]
        assert [to_hex(one.get_facecolor()[0]) for one in dots] == [styles[names[0]].colour, "#ffffff"]
        assert {float(one.get_edgecolor()[0, 3]) for one in dots} == {1.0} and {one.get_alpha() for one in dots} == {
            None
        }
        assert [float(one.get_linewidth()[0]) > 0 for one in dots] == [False, True]


def test_several_controls_of_one_group_differ_in_their_dashes():
    names = ["noise", "null_1", "null_2", "null_3", "null_4"]
    styles = figures.group_styles(names, controls={name: "noise" for name in names[1:]})
    assert len({styles[name].dash for name in names[1:]}) == 4
    ax = figures.decay_curve(matrices(groups=names)["similarity"], styles=styles)
    assert len(ax.collections) == 5, "bands"
    many = [f"group_{number}" for number in range(9)]
    assert not figures.decay_curve(matrices(groups=many)["similarity"]).collections, "bands would hide each other"
    assert "no intervals are drawn" in figures.caption_of_groups(matrices(groups=many)["similarity"])


def test_the_level_of_chance_is_named_beside_the_axes():
    ax = figures.decay_curve(matrices()["similarity"])
    figures.chance_line(ax, 0.6)
    ax.get_figure().canvas.draw()
    (name,) = [text for text in ax.texts if text.get_text() == "chance"]
    assert name.get_window_extent().x0 >= ax.bbox.x1


def test_styles_come_from_the_recordings_coordinates():
    dataset = matrices().assign_coords(
        group_label=("animal", ["Walking"] * 3 + ["Still"] * 3), control_of=("animal", [""] * 3 + ["walk"] * 3)
    )
    styles = figures.styles_of(dataset)
    assert styles["walk"].label == "Walking" and styles["still"].control_of == "walk"


def test_saved_files(tmp_path):
    one = drawing()
    files = figures.save(one, tmp_path / "figures", "decay", {"run": "track-1", "seed": 7, "version": "0.1"})
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == [
        "decay.csv",
        "decay.pdf",
        "decay.png",
        "decay.txt",
    ]
    with Image.open(files["png"]) as image:
        assert image.info["run"] == "track-1" and image.info["seed"] == "7" and image.info["version"] == "0.1"
        assert image.size[0] == pytest.approx(89 / 25.4 * 300, abs=1)
        assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)
    written = pd.read_csv(files["csv"], keep_default_na=False)
    np.testing.assert_allclose(written["mean"], one.numbers["mean"], rtol=1e-5)
    assert files["txt"].read_text() == "A caption; n = 3.\n"


def test_pdf_embeds_type_42_fonts_and_has_the_width(tmp_path):
    pdf = figures.save(drawing(), tmp_path, "decay", {"run": "track-1", "seed": 7})["pdf"].read_bytes()
    assert b"/Type3" not in pdf and b"/FontFile2" in pdf
    box = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+) *\]", pdf)
    assert box is not None
    assert float(box.group(1)) / 72 * 25.4 == pytest.approx(89, abs=0.1)
    assert b"run=track-1; seed=7" in pdf
    streams = [
        zlib.decompress(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S) if part[:1] == b"x"
    ]
    sizes = {float(size) for stream in streams for size in re.findall(rb"/F\d+ ([\d.]+) Tf", stream)}
    assert sizes == {7.0, 8.0}


def test_equal_content_gives_equal_files(tmp_path):
    first = figures.save(drawing(), tmp_path / "a", "decay", {"seed": 1})
    second = figures.save(drawing(), tmp_path / "b", "decay", {"seed": 1})
    assert {ending: file.read_bytes() for ending, file in first.items()} == {
        ending: file.read_bytes() for ending, file in second.items()
    }


def test_saving_leaves_the_drawing_as_it_was_and_no_part_behind_on_failure(tmp_path, monkeypatch):
    one = drawing()
    engine = one.figure.get_layout_engine()
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        figures.save(one, tmp_path, "decay")
    assert list(tmp_path.iterdir()) == []
    assert one.figure.get_layout_engine() is engine


def test_style_and_drawing_leave_matplotlib_alone():
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    drawing()
    with figures.style():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden"])
def test_names_that_are_no_file_names_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="plain name"):
        figures.save(drawing(), tmp_path, name)


def test_wrong_arrays_are_refused():
    values = matrices()["similarity"]
    with pytest.raises(ShapeError, match="select the others"):
        figures.lag_table(values.expand_dims(layer=["hidden_1"]))
    with pytest.raises(ShapeError, match="lag_days"):
        figures.decay_curve(values.drop_vars("lag_days"))
    with pytest.raises(ShapeError, match="session_a and session_b"):
        figures.session_matrix(values)
    with pytest.raises(ShapeError, match="session, stimulus and cell"):
        figures.tuning_across_days(values)
    with pytest.raises(ShapeError, match="'day'"):
        figures.with_lags(xr.Dataset())


def test_more_groups_than_colours_differ_in_their_dashes():
    styles = figures.group_styles([f"group_{number}" for number in range(16)], controls={})
    assert len({(style.colour, style.dash) for style in styles.values()}) == 16
