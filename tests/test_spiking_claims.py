"""What spiking networks must show: ports agree, learning and drift go as in rates. Minutes, with a compiler; slow."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import xarray as xr

from neurofa import analyse, load_protocol, run, simulate
from neurofa.job import resume
from neurofa.protocol import Protocol, merge, protocol_from
from neurofa.spiking.places import compiler

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("brian2") is None, reason="the extra neurofa[spiking] is not installed"),
    pytest.mark.skipif(not compiler(), reason="no g++ and make here: C++ programs cannot be built"),
]

RATES = {"engine": {"kind": "rate"}}
ODOURS: dict[str, Any] = {
    "cohort": {"animals": 3, "seed": 5},
    "network": {"hidden": [100]},
    "rule": {"name": "fa", "learning_rate": 0.05, "readout_learning_rate": 0.005},
    "stimuli": {"kind": "patterns", "stimuli": 8, "inputs": 40, "classes": 8},
    "schedule": {"days": [0, 1], "passes": 10, "batch_size": 1, "naive_first": True},
    "observation": {"kind": "none", "repeats": 10},
    "engine": {"kind": "spiking"},
}


def odours(**changes: Any) -> Protocol:
    """Eight odours, learned from scratch."""
    return protocol_from(merge(ODOURS, changes))


def of_group(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Animals of one group."""
    return dataset.isel(animal=np.flatnonzero(dataset["group"].values == name))


@pytest.mark.parametrize(("inputs", "least"), [("regular", 0.99), ("poisson", 0.98)])
def test_ported_networks_fire_at_the_rates_of_their_rate_networks(inputs, least):
    recording = simulate(odours(spiking={"use": "port", "inputs": inputs}, schedule={"passes": 30}))
    found = analyse(recording, ["spiking_agreement"])["spiking_agreement"].isel(layer=0, session=1)
    assert float(found["rate_spike_correlation"].min()) > least
    if inputs == "regular":
        np.testing.assert_allclose(found["rate_spike_slope"], 1, atol=0.05)
        assert float(np.abs(found["rate_spike_offset_hz"]).max()) < 1.5
    difference = found["accuracy_in_spikes"] - found["accuracy_of_rate_network"]
    assert float(np.abs(difference).max()) <= 0.01
    assert np.isfinite(found["silent_units"]).all()
    assert np.isfinite(found["unit_correlation_median"]).all()


def test_ports_report_as_their_rate_networks_do_below_the_ceiling():
    harder = {
        "network": {"hidden": [30], "biases": True},
        "rule": {"learning_rate": 0.02},
        "stimuli": {"stimuli": 64, "orthogonal": False},
        "schedule": {"passes": 15},
        "spiking": {"use": "port"},
    }
    found = analyse(simulate(odours(**harder)), ["spiking_agreement"])["spiking_agreement"].isel(session=1)
    spikes, rates = found["accuracy_in_spikes"], found["accuracy_of_rate_network"]
    assert float(rates.min()) < 1
    assert float(np.abs(spikes - rates).max()) <= 0.01
    np.testing.assert_allclose(found["rate_spike_slope"], 1, atol=0.05)
    assert float(np.abs(found["rate_spike_offset_hz"]).max()) < 1.5


@pytest.mark.parametrize("error", ["graded", "spiking"])
def test_eight_odours_are_learned_in_ten_passes(error):
    probe = simulate(odours(spiking={"error": error}))["probe"].to_dataset()
    accuracy = probe["correct"].mean("stimulus").values
    assert (accuracy[:, 0] < 0.5).all()
    assert (accuracy[:, 1] >= 0.9).all()


def test_hard_odours_need_a_hidden_layer_that_learns():
    hard = {
        "network": {"hidden": [30], "biases": True},
        "rule": {"learning_rate": 0.02},
        "stimuli": {"stimuli": 64, "orthogonal": False},
        "schedule": {"passes": 75},
        "observation": {"repeats": 3},
        "record": {"monitors": ["alignment"]},
        "groups": {"spikes": {}, "rates": RATES, "readout_only": {"rule": {"learning_rate": 0.0}}},
    }
    recording = simulate(odours(**hard))
    probe, learning = (recording[name].to_dataset() for name in ("probe", "learning"))
    accuracy = {name: of_group(probe, name)["correct"].isel(session=1).mean() for name in hard["groups"]}
    assert accuracy["spikes"] >= 0.95
    assert accuracy["readout_only"] <= 0.85
    angle = learning["angle_weights_feedback_deg"].isel(session=1, layer=0)
    alignment = np.cos(np.deg2rad(angle)).groupby("group").mean()
    assert abs(float(alignment.sel(group="spikes") - alignment.sel(group="rates"))) < 0.1
    assert float(alignment.sel(group="spikes")) > 0.3


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path):
    protocol = odours(cohort={"animals": 2}, schedule={"days": [0, 1, 2], "passes": 2, "naive_first": False})

    def stop(done, total, what):
        if what == "day 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(protocol, tmp_path / "run", progress=stop)
    resumed = resume(tmp_path / "run").recording["probe"]["spike_count"].values
    np.testing.assert_array_equal(resumed, simulate(protocol)["probe"]["spike_count"].values)


def test_drift_in_spikes_is_that_of_rates():
    # seed 1 was used while the protocol was made
    recording = simulate(load_protocol("odors_in_spikes", ["cohort.seed=2"]))
    found = analyse(recording, ["spiking_agreement"])["spiking_agreement"].isel(layer=0)
    drift = found["population_vector_correlation"]
    since = drift.sel(variable="spikes").fillna(drift.sel(variable="rates")).isel(session_a=0)
    curves = since.groupby("group").mean()
    difference = np.abs(curves.sel(group="spikes") - curves.sel(group="rates"))
    assert float(difference.max()) < 0.05
    assert float(curves.sel(group="spikes_fixed").min()) >= 0.95
    assert float(curves.sel(group="spikes_fixed")[-1] - curves.sel(group="spikes")[-1]) >= 0.15
    assert float(recording["probe"]["correct"].mean("stimulus").groupby("group").mean().min()) >= 0.9
