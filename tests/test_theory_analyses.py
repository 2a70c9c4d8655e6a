"""Analyses of the theory on recordings whose truth is known: alignment, target information, hidden trajectories."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import binomtest

from neurofa import figures, measures
from neurofa.analysis import analyse, find_analysis
from neurofa.errors import RecordingError, ShapeError
from neurofa.recording import build_recording, load_recording, write_recording

N_STEPS, N_STIMULI = 21, 4
UPDATES = 10 * np.arange(N_STEPS)
LAYERS = ["hidden_1", "hidden_2"]
GROUPS = ("fa", "bp")
#: half-lives in updates: the angle of layer 1 falls first, then accuracy rises, then the angle of layer 2 falls
HALF = {"hidden_1": 10.0, "accuracy": 25.0, "hidden_2": 40.0}


def toward(first, last, half_life):
    """An exponential course over the steps."""
    return last + (first - last) * 0.5 ** (UPDATES / half_life)


def make(n_animals=4, n_units=(2, 8), held_out=True, seed=0):
    """Two groups with 2 or 8 units in their first hidden layer, all that can be monitored, and teaching signals."""
    rng = np.random.default_rng(seed)
    total = n_animals * len(GROUPS)
    groups = np.repeat(GROUPS, n_animals)
    width = max(n_units)
    layer = np.repeat(LAYERS, [width, 2])
    shape = (total, N_STEPS, N_STIMULI, len(layer))
    rate, signal, exact = (rng.standard_normal(shape).cumsum(axis=1) for _ in range(3))
    exact[groups == "bp"] = signal[groups == "bp"]
    for group, units in zip(GROUPS, n_units, strict=True):
        for values in (rate, signal, exact):
            values[np.ix_(groups == group, range(N_STEPS), range(N_STIMULI), range(units, width))] = np.nan
    correct = rng.random((total, N_STEPS, N_STIMULI)) < 0.6
    correct[[1, 2, 5, 6, 7], -1] = True
    correct[[0, 3, 4], -1, 0] = False
    output = np.where(np.isfinite(rate[..., :2]), rate[..., :2], 0.0).sum(axis=-1, keepdims=True) + 0.25
    dims = ("animal", "session", "stimulus", "unit")
    probe = xr.Dataset(
        {
            "rate": ((*dims[:3], "repeat", "unit"), rate[:, :, :, None]),
            "true_rate": (dims, rate),
            "latent_rate": (dims, rate),
            "duration": (("animal", "session", "stimulus", "repeat"), np.ones((*shape[:3], 1))),
            "detected": (("animal", "session", "unit"), np.isfinite(rate).all(axis=2)),
            "correct": (dims[:3], correct.astype(float)),
            "output": ((*dims[:3], "output_unit"), output),
            "teaching_signal": (dims, signal),
            "bp_signal": (dims, exact),
        },
        coords={
            "animal": [f"{group}-{index}" for group in GROUPS for index in range(n_animals)],
            "group": ("animal", groups),
            "day": (("animal", "session"), np.tile(np.arange(float(N_STEPS)), (total, 1))),
            "layer": ("unit", layer),
            "first_bit": ("stimulus", [0, 0, 1, 1]),
            "second_bit": ("stimulus", [0, 1, 0, 1]),
        },
    )
    return build_recording(probe, course(groups, rng, held_out), attrs={"protocol": '[stimuli]\ncoding = "zero_one"\n'})


def course(groups, rng, held_out):
    """The group /learning: exponential courses, some of them times a factor of the animal."""
    total = len(groups)
    teaching = np.stack([toward(90, 30, HALF[layer]) for layer in LAYERS], axis=1)
    angle = np.where((groups == "bp")[:, None, None], 0.0, teaching)
    spread = 1 + 0.1 * rng.random((total, 1, 1))
    per_layer = ("animal", "session", "layer")
    of_layers = {
        "angle_to_bp_deg": angle,
        "angle_weights_feedback_deg": np.where(np.arange(2) == 1, angle, np.nan),
        "best_readout_mse": spread * toward(0.1, 0.001, 20.0)[:, None],
        "best_readout_r2": spread * toward(0.0, 0.8, 20.0)[:, None],
        "best_readout_accuracy": spread * toward(0.5, 0.8, 20.0)[:, None],
        "target_information_gaussian": spread * toward(0.0, 3.0, 20.0)[:, None],
        "target_information_binned": np.full((total, N_STEPS, 1), 0.9),
        "target_information_binned_ceiling": np.ones((total, N_STEPS, 1)),
    }
    accuracy = np.tile(toward(0.5, 1.0, HALF["accuracy"]), (total, 1))
    of_networks = {
        "accuracy": accuracy,
        "held_out_accuracy": 0.9 * accuracy if held_out else np.full(accuracy.shape, np.nan),
        "fixed_readout_mse": np.tile(toward(0.1, 0.02, 30.0), (total, 1)),
        "fixed_readout_r2": np.tile(toward(0.0, 0.7, 30.0), (total, 1)),
    }
    variables = {name: (per_layer, np.broadcast_to(v, (total, N_STEPS, 2)).copy()) for name, v in of_layers.items()}
    variables |= {name: (per_layer[:2], values) for name, values in of_networks.items()}
    return xr.Dataset(variables, coords={"updates": (per_layer[:2], np.tile(UPDATES, (total, 1))), "layer": LAYERS})


@pytest.fixture(scope="module")
def recording():
    return make()


def without(recording, group, names):
    """The same recording without some variables."""
    parts = {name: recording[name].to_dataset() for name in ("probe", "learning")}
    parts[group] = parts[group].drop_vars(names)
    root = xr.Dataset(attrs=recording.attrs)
    return xr.DataTree.from_dict({"/": root} | {f"/{name}": part for name, part in parts.items()})


def test_monitors_and_signals_survive_the_store(recording, tmp_path):
    write_recording(recording, tmp_path / "recording.zarr")
    again = load_recording(tmp_path)
    for name in ("feedback_alignment", "target_information", "hidden_trajectories"):
        module = find_analysis(name)
        xr.testing.assert_allclose(module.measure(again), module.measure(recording))


def test_courses_are_the_monitored_values_against_updates(recording):
    found = measures.courses_of_learning(recording, ("alignment",), ("readout",))
    assert found["step"].values.tolist() == UPDATES.tolist() and found["step"].attrs["long_name"] == "updates"
    assert found["angle_to_bp_deg"].dims == ("animal", "layer", "step")
    np.testing.assert_allclose(found["angle_to_bp_deg"][0, 1], toward(90, 30, HALF["hidden_2"]))
    assert "best_readout_mse" in found and "accuracy" not in found


@pytest.mark.parametrize("change", ["differ", "stand still"])
def test_steps_are_sessions_where_updates_do_not_tell(recording, change):
    updates = np.tile(UPDATES, (8, 1))
    updates[(0, 3) if change == "differ" else (slice(None), 3)] = updates[0, 2]
    learning = recording["learning"].to_dataset().assign_coords(updates=(("animal", "session"), updates))
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": recording["probe"].to_dataset(), "/learning": learning})
    steps = measures.steps_of_learning(tree)
    assert steps.values.tolist() == list(range(N_STEPS)) and steps.attrs["long_name"] == "session"


def test_order_of_alignment_and_learning(recording):
    measured = find_analysis("feedback_alignment").measure(recording)
    # linear interpolation between steps of 10 updates
    half = {name: measures.half_change_step([toward(1, 0, life)], UPDATES, "fall")[0] for name, life in HALF.items()}
    for name, life in HALF.items():
        assert half[name] == pytest.approx(life, abs=2.5)
    fa = measured.isel(animal=slice(0, 4))
    for layer in LAYERS:
        np.testing.assert_allclose(fa["alignment_half_step"].sel(layer=layer), half[layer])
    np.testing.assert_allclose(fa["learning_half_step"].sel(condition="accuracy"), half["accuracy"])
    lead = fa["alignment_lead_steps"].sel(condition="accuracy")
    assert (lead.sel(layer="hidden_1") > 10).all() and (lead.sel(layer="hidden_2") < -10).all()
    # backpropagation is aligned from the first step on: there is nothing to fall
    bp = measured.isel(animal=slice(4, None))
    assert bp["alignment_half_step"].isnull().all() and bp["alignment_lead_steps"].isnull().all()
    assert bp["learning_half_step"].notnull().all()
    assert measured["condition"].values.tolist() == ["accuracy", "fixed_readout_mse"]


def test_an_order_within_one_step_is_not_known(recording):
    learning = recording["learning"].to_dataset().copy(deep=True)
    learning["accuracy"][:] = toward(0.5, 1.0, 15.0)
    learning["angle_to_bp_deg"][:4, :, 0] = toward(90, 30, 13.0)
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": recording["probe"].to_dataset(), "/learning": learning})
    module = find_analysis("feedback_alignment")
    measured = module.measure(tree).isel(animal=slice(0, 4))
    assert measured["alignment_half_step"].sel(layer="hidden_1").notnull().all()
    lead = measured["alignment_lead_steps"].sel(condition="accuracy")
    assert lead.sel(layer="hidden_1").isnull().all() and lead.sel(layer="hidden_2").notnull().all()
    drawing = module.plot(measured)["alignment_order"]
    shown = drawing.numbers.query("panel == 'half steps'").groupby("layer")["order_is_known"].all()
    assert not shown["hidden_1"] and shown["hidden_2"]
    assert "the order is not known: 4 (animal, layer)" in drawing.caption


def test_alignment_alone_does_without_the_readouts(recording):
    module = find_analysis("feedback_alignment")
    only = without(recording, "learning", list(measures.MONITORS["readout"] + measures.MONITORS["information"]))
    measured = module.measure(only)
    assert measured["condition"].values.tolist() == ["accuracy"]
    assert set(module.plot(measured)) == {"alignment_angles", "alignment_accuracy", "alignment_order"}


@pytest.mark.parametrize(
    ("analysis", "group", "name", "told"),
    [
        ("feedback_alignment", "learning", "angle_to_bp_deg", 'put "alignment" into record.monitors'),
        ("feedback_alignment", "learning", "accuracy", 'put "performance" into record.monitors'),
        ("target_information", "learning", "best_readout_mse", 'put "readout" into record.monitors'),
        ("target_information", "learning", "target_information_binned", 'put "information" into record.monitors'),
        ("hidden_trajectories", "probe", "bp_signal", "set record.teaching_signals = true"),
    ],
)
def test_what_is_missing_is_named(recording, analysis, group, name, told):
    with pytest.raises(Exception, match=rf"(?s)no '{name}'.*{told}") as error:
        find_analysis(analysis).measure(without(recording, group, name))
    assert type(error.value).__name__ in ("RecordingError", "NeurofaError")


def test_recorded_animals_have_no_courses(recording):
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": recording["probe"].to_dataset()})
    with pytest.raises(RecordingError, match="no 'accuracy'"):
        measures.courses_of_learning(tree, ("performance",))


def test_information_is_taken_over_step_by_step(recording, tmp_path):
    analyse(recording, ["target_information"], out=tmp_path)
    table = pd.read_csv(tmp_path / "measures.csv")
    rows = table[
        (table["measure"] == "best_readout_mse") & (table["animal"] == "fa-2") & (table["layer"] == "hidden_1")
    ]
    expected = recording["learning"]["best_readout_mse"][2, :, 0].values
    assert rows["step"].tolist() == UPDATES.tolist()
    np.testing.assert_allclose(rows["value"], expected, rtol=1e-6)
    assert {"target_information_gaussian", "target_information_binned", "fixed_readout_mse"} <= set(table["measure"])
    names = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    expected_names = {f"information_{what}_{layer}" for what in ("courses", "last_step") for layer in LAYERS}
    assert names == expected_names | {"information_accuracy"}


def test_the_last_step_shows_every_animal(recording):
    module = find_analysis("target_information")
    drawing = module.plot(module.measure(recording))["information_last_step_hidden_1"]
    shown = drawing.numbers.query("measure == 'target_information_gaussian'")
    last = recording["learning"]["target_information_gaussian"][:, -1, 0].values
    np.testing.assert_allclose(shown["value"], last)
    assert shown["animal"].tolist() == recording["probe"]["animal"].values.tolist()
    dots = [len(points.get_offsets()) for points in drawing.figure.axes[2].collections]
    assert dots == [4, 4]
    assert drawing.figure.axes[0].get_yscale() == "log" and drawing.figure.axes[2].get_yscale() == "linear"
    assert "200 updates" in drawing.caption and "fa n = 4" in drawing.caption


def test_the_binned_panel_shows_its_ceiling(recording):
    module = find_analysis("target_information")
    drawing = module.plot(module.measure(recording))["information_courses_hidden_1"]
    panel = next(ax for ax in drawing.figure.axes if ax.get_title() == "Binned estimate")
    assert any(np.allclose(line.get_ydata(), 1.0) and line.get_linestyle() == ":" for line in panel.lines)
    assert any("ceiling" in text.get_text() for text in panel.texts)


def test_infinite_information_is_left_out_and_said(recording):
    learning = recording["learning"].to_dataset().copy(deep=True)
    learning["target_information_gaussian"][0, -1] = np.inf
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": recording["probe"].to_dataset(), "/learning": learning})
    module = find_analysis("target_information")
    drawings = module.plot(module.measure(tree))
    assert "infinite (a perfect linear readout) in 1 animals" in drawings["information_last_step_hidden_1"].caption
    assert len(drawings["information_last_step_hidden_1"].figure.axes[2].collections[0].get_offsets()) == 3


def test_regression_has_no_accuracies(recording):
    learning = recording["learning"].to_dataset().copy(deep=True)
    for name in ("accuracy", "held_out_accuracy", "best_readout_accuracy"):
        learning[name][:] = np.nan
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": recording["probe"].to_dataset(), "/learning": learning})
    for name in ("target_information", "feedback_alignment"):
        module = find_analysis(name)
        assert not [figure for figure in module.plot(module.measure(tree)) if "accuracy" in figure or "order" in figure]
    assert find_analysis("feedback_alignment").measure(tree)["condition"].values.tolist() == ["fixed_readout_mse"]


@pytest.mark.parametrize("held_out", [True, False])
def test_both_readouts_are_judged_on_the_same_stimuli(held_out):
    module = find_analysis("target_information")
    drawing = module.plot(module.measure(make(held_out=held_out)))["information_accuracy"]
    own = drawing.numbers.query("readout == \"Network's own readout\" and group == 'fa'")["middle"]
    factor = 0.9 if held_out else 1.0
    np.testing.assert_allclose(own, factor * toward(0.5, 1.0, HALF["accuracy"]))
    assert ("held-out stimuli" in drawing.caption) is held_out


def test_success_rates_count_the_last_session(recording, tmp_path):
    measured = analyse(recording, ["hidden_trajectories"], out=tmp_path)["hidden_trajectories"]
    assert measured["solved"].values.tolist() == [0, 1, 1, 0, 0, 1, 1, 1]
    table = pd.read_csv(tmp_path / "measures.csv").query("measure == 'success_rate'")
    for group, wins in (("fa", 2), ("bp", 3)):
        expected = binomtest(wins, 4).proportion_ci(method="wilson")
        rows = table[table["condition"] == group].set_index("variable")["value"]
        assert rows["rate"] == wins / 4
        assert [rows["lower"], rows["upper"]] == pytest.approx([expected.low, expected.high])
    shown = pd.read_csv(tmp_path / "figures" / "trajectories_success.csv")
    assert shown["successes"].tolist() == [2, 3] and shown["n"].tolist() == [4, 4]


def test_stopped_animals_have_not_solved_it(recording):
    probe = recording["probe"].to_dataset().copy(deep=True)
    for name in ("correct", "true_rate", "teaching_signal", "bp_signal"):
        probe[name][1, 5:] = np.nan
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": probe, "/learning": recording["learning"].to_dataset()})
    module = find_analysis("hidden_trajectories")
    measured = module.measure(tree)
    assert measured["solved"].values[:3].tolist() == [0, 0, 1]
    assert measured["example_animal"].values.tolist() == ["fa-2"]
    assert measured["angle_to_bp_deg"][1, 0].notnull().values.tolist() == [True] * 5 + [False] * (N_STEPS - 5)
    module.plot(measured)


def test_angles_are_those_of_the_recorded_signals(recording):
    measured = find_analysis("hidden_trajectories").measure(recording)["angle_to_bp_deg"].isel(layer=0)
    probe = recording["probe"]
    for animal, units in ((0, 2), (5, 8)):
        signals = [probe[name].values[animal, :, :, :units] for name in ("teaching_signal", "bp_signal")]
        np.testing.assert_allclose(measured[animal], measures.angle_deg(*signals), atol=1e-9)
    assert (measured[:4] > 5).all() and (measured[4:] < 1e-6).all()


def test_the_trajectory_is_that_of_the_first_animal_that_solved_it(recording):
    module = find_analysis("hidden_trajectories")
    drawing = module.plot(module.measure(recording))["trajectories_hidden"]
    # the group with 8 units has none
    assert set(drawing.numbers["animal"]) == {"fa-1"} and "fa-1" in drawing.caption
    assert [ax.get_title() for ax in drawing.figure.axes] == ["fa (fa-1)"]
    rates = recording["probe"]["true_rate"].values[1, :, :, :2].reshape(-1, 2)
    np.testing.assert_allclose(drawing.numbers[["true_rate_1", "true_rate_2"]], rates)
    assert drawing.numbers["stimulus"].tolist()[:4] == ["00", "01", "10", "11"]
    assert drawing.numbers["step"].unique().tolist() == UPDATES.tolist()


def test_the_boundary_is_where_the_answer_changes(recording):
    module = find_analysis("hidden_trajectories")
    ax = module.plot(module.measure(recording))["trajectories_hidden"].figure.axes[0]
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1
    # output = rate 1 + rate 2 + 0.25, threshold 0.5
    np.testing.assert_allclose(np.sum(dashed[0].get_data(), axis=0), 0.25, atol=1e-6)


def test_no_boundary_where_the_threshold_is_not_known(recording):
    parts = {f"/{name}": recording[name].to_dataset() for name in ("probe", "learning")}
    module = find_analysis("hidden_trajectories")
    drawing = module.plot(module.measure(xr.DataTree.from_dict({"/": xr.Dataset()} | parts)))["trajectories_hidden"]
    assert not [line for line in drawing.figure.axes[0].lines if line.get_linestyle() == "--"]


def test_without_two_units_there_are_rates_of_success_only():
    module = find_analysis("hidden_trajectories")
    measured = module.measure(make(n_units=(3, 8)))
    assert set(module.plot(measured)) == {"trajectories_success", "trajectories_angle"}


def test_arrows_have_one_length_and_the_recorded_directions(recording):
    probe = recording["probe"].to_dataset().isel(animal=1, unit=slice(0, 2))
    signal = probe["teaching_signal"].copy()
    signal[2, 1] = 0.0
    ax = figures.hidden_trajectory(probe["true_rate"], {"signal": signal}, sessions=[0, 2])
    quiver = ax.collections[-1]
    drawn = np.stack([quiver.U, quiver.V], axis=1)
    expected = signal.values[[0, 2]].reshape(-1, 2)
    expected = expected[np.linalg.norm(expected, axis=1) > 0]
    assert len(drawn) == 7
    length = np.linalg.norm(drawn, axis=1)
    np.testing.assert_allclose(length, length[0])
    np.testing.assert_allclose(drawn / length[0], expected / np.linalg.norm(expected, axis=1, keepdims=True))
    with pytest.raises(ShapeError, match="two units, got 8"):
        figures.hidden_trajectory(recording["probe"]["true_rate"].isel(animal=5, unit=slice(0, 8)), {})


def values(n_animals, n_steps=4):
    data = np.random.default_rng(0).random((n_animals, n_steps))
    data[0, 1] = np.nan
    return xr.DataArray(
        data,
        dims=("animal", "step"),
        coords={
            "animal": [f"a-{number}" for number in range(n_animals)],
            "group": ("animal", ["a"] * n_animals),
            "step": ("step", [0, 1, 10, 1000][:n_steps], {"long_name": "updates"}),
        },
        attrs={"long_name": "something", "units": "bits"},
    )


def test_step_tables_by_hand():
    found = values(6)
    mean = figures.step_table(found)
    expected = measures.mean_and_interval(found.values)
    np.testing.assert_allclose(mean["middle"], expected.mean)
    np.testing.assert_allclose(mean["upper"], expected.high)
    assert mean["n_animals"].tolist() == [6, 5, 6, 6]
    median = figures.step_table(found, "quartiles")
    np.testing.assert_allclose(median["middle"], np.nanmedian(found, axis=0))
    np.testing.assert_allclose(median["lower"], np.nanquantile(found, 0.25, axis=0))
    alone = figures.step_table(found.isel(animal=[0, 1]), "quartiles")
    assert alone["animal"].tolist() == ["a-0"] * 3 + ["a-1"] * 4
    assert alone["lower"].isna().all()
    np.testing.assert_allclose(alone["middle"][3:], found.values[1])


def test_infinite_values_have_a_median():
    found = values(5)
    found[:3, 2] = np.inf
    row = figures.step_table(found, "quartiles").iloc[2]
    assert row["middle"] == np.inf and np.isfinite(row["lower"])


def test_uneven_steps_stand_on_a_logarithmic_axis():
    ax = figures.course_over_steps(values(4))
    assert ax.get_xscale() == "symlog" and ax.get_xlabel() == "Updates" and ax.get_ylabel() == "Something (bits)"
    even = values(4).assign_coords(step=("step", [0, 10, 20, 30], {"long_name": "session"}))
    ax = figures.course_over_steps(even)
    assert ax.get_xscale() == "linear" and ax.get_xlabel() == "Session"


def test_courses_refuse_other_dimensions():
    with pytest.raises(ShapeError, match="animal and step"):
        figures.step_table(values(4).rename(step="session"))
