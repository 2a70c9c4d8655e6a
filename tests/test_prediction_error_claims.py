"""What the shipped protocols of prediction errors must show, with all their animals. Minutes; slow."""

import numpy as np
import pytest
import xarray as xr

from neurofa import analyse, load_protocol, measures, simulate
from neurofa.protocol import merge, protocol_from

pytestmark = pytest.mark.slow

#: rule to the range of its cosine to predictive coding at the top hidden layer after learning
COSINES = {
    "bp": (0.9, 1.0),
    "fa": (0.45, 0.75),
    "nfa": (0.45, 0.75),
    "nf": (0.45, 0.8),
    "tf": (-0.15, 0.15),
}


def of_group(values: xr.DataArray, group: str) -> np.ndarray:
    """Values of the animals of a group."""
    return values.values[values["group"].values == group]


def test_feedback_comes_to_resemble_predictive_coding_but_not_that_of_tf():
    protocol = load_protocol("feedback_is_it_predictive_coding")
    assert protocol.cohort.animals == 10
    recording = simulate(protocol)
    measured = analyse(recording, list(protocol.analyses))["feedback_is_it_predictive_coding"]
    cosine = measured["feedback_pc_cosine"].isel(layer=-1).transpose("animal", "step")
    assert set(cosine["group"].values.tolist()) == set(COSINES)
    for group, (low, high) in COSINES.items():
        own = of_group(cosine, group)
        assert own.shape[0] == 10 and np.isfinite(own).all()
        before, after = own[:, 0].mean(), own[:, -1].mean()
        assert group == "bp" or abs(before) < 0.15, (group, before)
        assert low < after < high, (group, after)


def test_coupled_rearing_alone_gives_mismatch_units_that_playback_halts_do_not_drive():
    """Differences between rearings within individuals: after learning they are there, with running gain alone not."""
    shipped = load_protocol("visuomotor_mismatch").as_dict()
    kept = ("coupled", "uncoupled", "running_gain", "running_gain_uncoupled")
    changes = {"prediction": {"evaluation": "off"}}
    values = merge(shipped, changes) | {"groups": {name: shipped["groups"][name] for name in kept}}
    measured = analyse(simulate(protocol_from(values)), ["mismatch_units"])["mismatch_units"]
    last = measured.sel(variable="somatic", condition="plasticity off").isel(layer=0, session=-1)
    for name in ("fraction_of_coupling_specific_units", "fraction_negative_prediction_error"):
        null = of_group(last[name], "running_gain") - of_group(last[name], "running_gain_uncoupled")
        over = measures.mean_and_interval(null)
        assert null.shape == (8,) and float(over.low) <= 0 <= float(over.high), name
    specific = last["fraction_of_coupling_specific_units"]
    effect = measures.mean_and_interval(of_group(specific, "coupled") - of_group(specific, "uncoupled"))
    # the negative control of the interval above: where something is learned it does not include 0
    assert float(effect.low) > 0.05
    driven = {group: of_group(last["fraction_driven_by_playback_halts"], group) for group in ("coupled", "uncoupled")}
    assert np.nanmean(driven["coupled"]) < 0.1 < np.nanmean(driven["uncoupled"])
