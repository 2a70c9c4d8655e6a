"""The analyses of geometry and readout: on synthetic and recorded animals, what they find where the truth is known."""

import os
from pathlib import Path

import numpy as np
import pytest

from neurofa import analyse, import_nwb
from neurofa.analysis import find_analysis
from neurofa.errors import NeurofaError
from neurofa.tables import tidy
from tests.synthetic import make_recording

RECORDED = Path(os.environ.get("NEUROFA_RECORDED", Path(__file__).parents[2] / "shared" / "recorded"))
MOUSE = RECORDED / "ca1_linear_track" / "sub-C6M4"
NAMES = ("drift_geometry", "drift_and_readout")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Both analyses of a synthetic recording, written to a folder."""
    out = tmp_path_factory.mktemp("run")
    recording = make_recording(
        n_animals=3, n_sessions=4, n_bins=6, n_repeats=6, n_units=60, angle_per_day_deg=10, lost=0.1
    )
    rate = recording["probe"]["rate"].values
    np.maximum(rate - 3, 0, out=rate)  # sparse rates, so that some units are selective
    return out, analyse(recording, NAMES, out=out)


def of_group(dataset, name, group):
    """Mean over pairs of sessions and animals of a group."""
    values = dataset[name].sel(variable="rate").isel(layer=0)
    values = (
        values.isel(animal=values["group"].values == group).transpose("animal", ..., "session_a", "session_b").values
    )
    row, column = np.triu_indices(values.shape[-1], 1)
    return float(np.nanmean(values[..., row, column]))


def test_drifting_animals_drift_and_stable_ones_do_not(measured):
    geometry, readout = (measured[1][name] for name in NAMES)
    for name, floor in (("representational_drift_index", 0.02), ("drift_magnitude_relative_noise_corrected", 0.05)):
        assert of_group(geometry, name, "drifting") > 0.08
        assert abs(of_group(geometry, name, "stable")) < floor
    assert abs(of_group(geometry, "mean_squared_displacement_noise_corrected", "stable")) < 0.02
    exponent = geometry["diffusion_exponent"].values.ravel()[:3]
    assert (exponent > 1).all()  # maps turn at constant speed
    assert of_group(readout, "linear_decoding_error", "stable") < of_group(readout, "linear_decoding_error", "drifting")
    change = readout["readout_weight_change_per_session"].values.ravel()
    assert change[:3].mean() > change[3:].mean()


def test_all_that_is_measured_is_in_the_table_and_drawn(measured):
    out, datasets = measured
    table = tidy(datasets)
    finite = set(table["measure"])
    assert set(datasets["drift_geometry"].data_vars) | set(datasets["drift_and_readout"].data_vars) == finite
    drawn = {file.stem for file in (out / "figures").glob("*.png")}
    geometry = {f"geometry_{name}" for name in ("rotation", "spaces", "steps", "components")}
    assert geometry | {"readout_alignment", "readout_change"} == drawn
    assert (table.loc[table["measure"] == "cells_in_all_sessions", "value"] < 60).all()


def test_squared_displacements_have_the_unit_of_rates_in_their_labels(measured):
    units = measured[1]["drift_geometry"]["mean_squared_displacement"].attrs["units"]
    assert units.endswith("^2")
    drawn = find_analysis("drift_geometry").plot(measured[1]["drift_geometry"])["geometry_steps"].figure
    labels = [ax.get_ylabel() for ax in drawn.axes if ax.get_ylabel().startswith("Squared, per unit")]
    assert labels == [f"Squared, per unit ({units[:-2]}\N{SUPERSCRIPT TWO})"] * 2


def test_bounds_and_sums(measured):
    readout = measured[1]["drift_and_readout"]
    both = readout["readout_fraction"] + readout["null_space_fraction"]
    np.testing.assert_allclose(both.values[np.isfinite(both.values)], 1)


def test_stimuli_without_positions_single_repeats_and_gaps_are_measured():
    recording = make_recording(n_animals=1, n_sessions=3, n_bins=3, n_repeats=1, n_units=20)
    del recording["probe"].ds.coords["position"]
    probe = recording["probe"].to_dataset().drop_vars(["position", "direction"])
    probe["day"].values[1, 2] = np.nan
    recording["probe"] = recording["probe"].from_dict({"/": probe})
    found = analyse(recording, NAMES)
    assert np.isnan(found["drift_and_readout"]["linear_decoding_error"]).all()
    assert np.isfinite(found["drift_geometry"]["drift_magnitude_relative"].isel(session_a=0, session_b=1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_session_is_refused(name):
    with pytest.raises(NeurofaError, match="two sessions"):
        analyse(make_recording(n_animals=1, n_sessions=1), [name])


@pytest.mark.skipif(not MOUSE.is_dir(), reason="the recorded mice are not on this machine")
def test_recorded_mouse_drifts_along_noise_and_code_above_chance(tmp_path):
    recording = import_nwb(MOUSE)
    found = analyse(recording, NAMES)
    for name in ("alignment_with_noise_directions", "alignment_with_coding_directions"):
        dataset = found["drift_and_readout"]
        assert of_group(dataset, name, "recorded") > of_group(dataset, f"{name}_chance", "recorded") + 0.05
    assert of_group(found["drift_geometry"], "drift_in_variational_space", "recorded") > 0.1
