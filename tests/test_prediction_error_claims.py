"""What the shipped protocols of prediction errors must show, with all their animals. Minutes; slow."""

import numpy as np
import pytest
import xarray as xr

from neurofa import analyse, load_protocol, simulate

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
