"""Measures of trials recorded over time: the truth is that of the same maps without time."""

import numpy as np
import pytest
import xarray as xr

import neurofa
from neurofa import measures
from tests.synthetic import make_recording

N_TIMES = 5
VARIABLES = ("rate", "true_rate", "latent_rate")


def over_time(recording: xr.DataTree) -> xr.DataTree:
    """The same rates, the five bins of each direction read as the course of one trial."""
    probe = recording["probe"].to_dataset()
    coords = {"stimulus": [0, 1], "time": 100.0 * np.arange(N_TIMES)}
    changed = {}
    for name in VARIABLES:
        folded = probe[name].values.reshape(*probe[name].shape[:2], 2, N_TIMES, *probe[name].shape[3:])
        dims = [*probe[name].dims[:3], "time", *probe[name].dims[3:]]
        changed[name] = xr.DataArray(folded, dims=dims).transpose(..., "time")
    for name in ("duration", "correct"):
        changed[name] = xr.DataArray(probe[name].values[:, :, ::N_TIMES], dims=probe[name].dims)
    kept = probe.drop_vars([*VARIABLES, "duration", "correct", "stimulus", "position", "direction"])
    return xr.DataTree.from_dict({"/probe": kept.assign(changed).assign_coords(coords)})


@pytest.fixture(scope="module")
def flat() -> xr.DataTree:
    return make_recording(n_animals=2, n_bins=N_TIMES)


def test_maps_have_a_population_vector_per_stimulus_and_bin_of_time(flat: xr.DataTree) -> None:
    timed = over_time(flat)
    assert timed["probe"]["rate"].dims[-2:] == ("unit", "time")
    for variable in VARIABLES:
        expected, found = measures.session_maps(flat, 1, variable), measures.session_maps(timed, 1, variable)
        for name in ("maps", "halves", "detected", "day", "session"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    one_layer = measures.session_maps(timed, 1, "rate", "hidden_1")
    np.testing.assert_array_equal(one_layer.maps, measures.session_maps(timed, 1).maps)


def test_durations_may_be_those_of_the_trial_or_of_every_bin(flat: xr.DataTree) -> None:
    timed = over_time(flat)["probe"].to_dataset()
    weights = np.random.default_rng(0).uniform(0.5, 2, timed["duration"].shape)
    of_trials = timed.assign(duration=timed["duration"].copy(data=weights))
    of_bins = of_trials.assign(duration=of_trials["duration"].expand_dims(time=timed["time"], axis=-1))
    expected = of_trials["rate"].weighted(of_trials["duration"]).mean("repeat").isel(animal=0)
    expected = expected.transpose("session", "stimulus", "time", "unit").values.reshape(4, 2 * N_TIMES, -1)
    for probe in (of_trials, of_bins):
        np.testing.assert_allclose(measures.session_maps(probe, 0).maps, expected, rtol=1e-6)
    assert np.nanmax(np.abs(expected - measures.session_maps(timed, 0).maps)) > 0.01


@pytest.mark.parametrize("analysis", ["drift_over_days", "cross_day_decoding"])
def test_every_measure_of_drift_and_decoding_finds_what_it_finds_without_time(flat: xr.DataTree, analysis: str) -> None:
    expected = neurofa.analyse(flat, [analysis])[analysis]
    found = neurofa.analyse(over_time(flat), [analysis])[analysis]
    compared = [
        name for name, values in expected.data_vars.items() if {"session_a", "session"} & set(map(str, values.dims))
    ]
    compared = [name for name in compared if name not in ("performance", "example_maps")]
    assert len(compared) >= 4
    for name in compared:
        assert np.isfinite(expected[name]).any(), name
        np.testing.assert_allclose(found[name].values, expected[name].values, rtol=1e-9, atol=1e-9, err_msg=str(name))


def test_angles_and_noise_corrected_correlations_find_the_known_turn_of_the_code(flat: xr.DataTree) -> None:
    measured = neurofa.analyse(over_time(make_recording(n_units=400, lost=0.0)), ["drift_over_days"])["drift_over_days"]
    day = measured["day"].values[0]
    truth = 6.0 * np.abs(day[:, None] - day)
    angle = measured["angle_unaligned_deg"].sel(variable="true_rate", layer="hidden_1").values
    np.testing.assert_allclose(angle[0], truth, atol=2.5)
    np.testing.assert_allclose(angle[-1], 0, atol=1e-3)
    corrected = measured["population_vector_correlation_noise_corrected"].sel(variable="rate", layer="hidden_1").values
    off = ~np.eye(len(day), dtype=bool)
    np.testing.assert_allclose(corrected[0][off], np.cos(np.deg2rad(truth))[off], atol=0.06)
    np.testing.assert_allclose(corrected[-1][off], 1, atol=0.03)


def test_a_code_that_moves_in_time_is_another_code(flat: xr.DataTree) -> None:
    timed = over_time(make_recording(angle_per_day_deg=0.0, lost=0.0))
    moved = timed["probe"].to_dataset()
    rolled = moved["rate"].copy()
    rolled[:, 2] = rolled[:, 2].roll(time=1)
    decoded = [measures.cross_day_decoding_of_animal(probe, 0) for probe in (timed, moved.assign(rate=rolled))]
    assert decoded[0].accuracy.min() > 0.9 and decoded[1].accuracy[0, 2] < 0.1
    # the bin before is a neighbour, except for the first bin of a trial
    assert decoded[1].accuracy_within_one[0, 2] == pytest.approx(1 - 1 / N_TIMES, abs=0.05)
    assert decoded[0].chance[0, 1] == pytest.approx(1 / (2 * N_TIMES))
