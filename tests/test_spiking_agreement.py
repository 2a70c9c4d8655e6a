"""The analysis that holds spikes against rates: what it finds where the truth is known."""

import numpy as np
import pytest

from neurofa import analyse
from neurofa.errors import NeurofaError
from neurofa.recording import build_recording
from tests.synthetic import make_recording

NAME = "spiking_agreement"
HZ = 50.0


def spiking_recording(slope=1.0, offset=0.0, shuffled=False):
    """Two animals in spikes, whose spikes are a line of their rates, and one in rates; one unit is silent."""
    groups = ("spikes", "more_spikes", "rates")
    recording = make_recording(1, n_sessions=3, n_bins=6, groups=groups, angle_per_day_deg=10)
    probe = recording["probe"].to_dataset()
    rates = 10 * np.maximum(probe["true_rate"].values - 3, 0) / HZ
    rates[..., 7] = 0.0
    spikes = slope * rates + offset / HZ
    if shuffled:
        spikes = np.random.default_rng(0).permuted(spikes, axis=-1)
    spiking = np.array([True, True, False])
    of_maps, of_stimuli = ("animal", "session", "stimulus", "unit"), ("animal", "session", "stimulus")
    none = np.where(spiking, 0, np.nan)
    probe["true_rate"] = (of_maps, np.where(spiking[:, None, None, None], spikes, rates))
    probe["rate_network_rate"] = (of_maps, rates + none[:, None, None, None])
    probe["correct"] = (of_stimuli, np.full(rates.shape[:3], 0.9))
    probe["rate_network_correct"] = (of_stimuli, np.ones(rates.shape[:3]) + none[:, None, None])
    probe["hz_per_unit"] = (("animal", "session"), np.full(rates.shape[:2], HZ) + none[:, None])
    probe["spike_count"] = probe["rate"].expand_dims(spike_bin=1, axis=-1)
    return build_recording(probe)


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (1.1, 2.0)])
def test_a_line_is_found_again(slope, offset):
    measured = analyse(spiking_recording(slope, offset), [NAME])[NAME].isel(animal=[0, 1], layer=0)
    np.testing.assert_allclose(measured["rate_spike_correlation"], 1, rtol=1e-6)
    np.testing.assert_allclose(measured["rate_spike_slope"], slope, rtol=1e-6)
    np.testing.assert_allclose(measured["rate_spike_offset_hz"], offset, atol=1e-4)
    np.testing.assert_allclose(measured["unit_correlation_median"], 1, rtol=1e-6)
    np.testing.assert_allclose(measured["unit_correlation_tenth_percentile"], 1, rtol=1e-6)
    np.testing.assert_allclose(measured["population_vector_agreement"], 1, rtol=1e-6)
    np.testing.assert_array_equal(measured["accuracy_in_spikes"].round(6), 0.9)
    np.testing.assert_array_equal(measured["accuracy_of_rate_network"], 1)
    if offset == 0:
        np.testing.assert_allclose(measured["rate_spike_rmse_hz"], 0, atol=1e-4)


def test_silent_units_are_counted_and_left_out():
    measured = analyse(spiking_recording(), [NAME])[NAME].isel(animal=0, layer=0)
    expected = spiking_recording()["probe"]["rate_network_rate"].values[0]
    silent = (expected.max(axis=1) == 0).sum(axis=1)
    np.testing.assert_array_equal(measured["silent_units"], silent)
    assert silent.min() >= 1
    assert int(np.isfinite(measured["unit_correlation"].isel(session=0)).sum()) == 40 - silent[0]


def test_shuffled_units_do_not_agree_but_drift_all_the_same():
    measured = analyse(spiking_recording(shuffled=True), [NAME])[NAME].isel(animal=0, layer=0)
    assert (np.abs(measured["population_vector_agreement"]) < 0.3).all()
    assert (measured["rate_spike_correlation"] < 0.3).all()


def test_drift_of_spikes_and_rates_is_that_of_their_maps(tmp_path):
    recording = spiking_recording()
    measured = analyse(recording, [NAME], out=tmp_path)[NAME]
    drift = measured["population_vector_correlation"].isel(layer=0)
    np.testing.assert_allclose(drift.sel(variable="spikes")[:2], drift.sel(variable="same_weights")[:2], atol=1e-6)
    for variable, animal in (("rates", 0), ("spikes", 2), ("same_weights", 2)):
        assert np.isnan(drift.sel(variable=variable)[animal]).all()
    assert np.isfinite(drift.sel(variable="rates")[2]).all()
    assert float(drift.sel(variable="spikes")[0, 0, 2]) < float(drift.sel(variable="spikes")[0, 0, 1]) < 1
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == {"spiking_agreement", "spiking_drift"}


def test_a_recording_without_spikes_is_refused():
    with pytest.raises(NeurofaError, match="no spikes .* --set engine.kind=spiking"):
        analyse(make_recording(1, n_sessions=2), [NAME])
