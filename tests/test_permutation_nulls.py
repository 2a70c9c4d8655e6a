"""The analysis of permutation nulls, on synthetic animals whose truth is known."""

import numpy as np
import pytest

from neurofa import analyse
from neurofa.errors import RecordingError
from tests.synthetic import make_recording

NAME = "permutation_nulls"
#: the smallest two-sided p that 100 permutations can give
SMALLEST = 2 / 101
SIMILARITIES = (
    "population_vector_correlation",
    "tuning_curve_correlation",
    "population_vector_correlation_noise_corrected",
)
SIZES = ("drift_magnitude_relative", "angle_unaligned_deg", "representational_drift_index", "mean_squared_displacement")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The analysis of two drifting and two stable animals, drawn too."""
    out = tmp_path_factory.mktemp("run")
    recording = make_recording(
        n_animals=2, n_sessions=4, n_bins=6, n_repeats=6, n_units=60, angle_per_day_deg=10, lost=0.1
    )
    return out, analyse(recording, [NAME], out=out)[NAME]


def of_group(measured, name, shuffled, group):
    """Values of the animals of a group."""
    values = measured[name].sel(variable="rate", condition=shuffled).isel(layer=0)
    return values.values[values["group"].values == group]


def test_trials_tell_drift_from_none(found):
    _, measured = found
    for name in (*SIMILARITIES, *SIZES):
        assert (of_group(measured, f"{name}_p_value", "trials", "drifting") <= SMALLEST + 1e-12).all(), name
        sign = -1 if name in SIMILARITIES else 1
        assert (sign * of_group(measured, f"{name}_distance", "trials", "drifting") > 3).all(), name
        stable = of_group(measured, f"{name}_p_value", "trials", "stable")
        assert stable.max() > 0.05, name


def test_units_keep_what_they_do_and_stimuli_their_relations(found):
    _, measured = found
    for group in ("drifting", "stable"):
        assert (of_group(measured, "population_vector_correlation_distance", "units", group) > 3).all()

    # of those that turn, not all stimuli are alike any more
    assert (of_group(measured, "representational_similarity_correlation_distance", "stimuli", "stable") > 3).all()


def test_the_observed_value_is_that_of_the_measure(found):
    _, measured = found
    recording = make_recording(
        n_animals=2, n_sessions=4, n_bins=6, n_repeats=6, n_units=60, angle_per_day_deg=10, lost=0.1
    )
    whole = analyse(recording, ["drift_over_days"])["drift_over_days"]["tuning_curve_correlation"]
    ends = whole.sel(variable="rate").isel(layer=0, session_a=0, session_b=-1).values
    own = measured["tuning_curve_correlation_observed"].sel(variable="rate", condition="trials").isel(layer=0).values
    np.testing.assert_allclose(own, ends, atol=1e-12)


def test_what_a_shuffle_says_nothing_about_is_left_out(found):
    out, measured = found
    assert np.isnan(measured["linear_cka_p_value"].sel(condition="units")).all()
    assert (out / "figures" / "permutation_nulls.png").is_file()


def test_single_repeats_and_single_sessions_are_refused():
    with pytest.raises(RecordingError, match="observation.repeats"):
        analyse(make_recording(n_animals=1, n_sessions=2, n_repeats=1), [NAME])
    with pytest.raises(RecordingError, match="two sessions"):
        analyse(make_recording(n_animals=1, n_sessions=1), [NAME])
