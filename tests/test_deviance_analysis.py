"""Deviance taken apart in a recording: planted responses, the null model of adaptation, and refusals."""

import numpy as np
import pytest

from neurofa import simulate
from neurofa.analysis import find_analysis
from neurofa.errors import RecordingError
from neurofa.protocol import load_protocol
from neurofa.tables import summarise, tidy
from tests.event_recordings import events_recording

NAMES = ("standard", "deviant", "many_standards", "cascade")
SMALL = {
    "cohort.animals": 3,
    "stimuli.block_events": 200,
    "schedule.passes": 1,
    "prediction.evaluation": "off",
    "network.hidden": [40, 40],
}


@pytest.fixture(scope="module")
def analysis():
    return find_analysis("deviance_decomposition")


def planted(gains, silent=()):
    """Responses to two tones as planted in every condition, equal in all units but the silent ones."""
    condition = np.repeat(NAMES, 8).reshape(1, 1, -1).repeat(2, 0).repeat(2, 1)
    identity = np.tile(["low", "high"], 16).reshape(1, 1, -1).repeat(2, 0).repeat(2, 1)
    rate = np.vectorize(gains.get)(condition)[..., None] * np.ones(6)
    rate[..., list(silent)] = 0
    units = {"rate": 2.0 + rate, "baseline": 2.0 + 0 * rate, "somatic": 2.0 + 2 * rate, "feedback": -rate}
    return events_recording(condition, identity, units, names=NAMES, layer=["hidden_1"] * 3 + ["hidden_2"] * 3)


def test_planted_responses_come_back_as_their_indices(analysis):
    gains = {"standard": 1.0, "deviant": 4.0, "many_standards": 2.0, "cascade": 2.5}
    measured = analysis.measure(planted(gains, silent=(0,)))
    assert measured["i_mm"].dims == ("animal", "variable", "layer", "condition", "step")
    assert measured["condition"].values.tolist() == ["cascade, plasticity off", "many standards, plasticity off"]
    for place, control in enumerate(("cascade", "many_standards")):
        size = np.sqrt(16 + 1 + gains[control] ** 2)
        own = measured.isel(condition=place)
        # of the teaching signal the size counts, whatever its sign
        np.testing.assert_allclose(own["i_mm"], 3 / size)
        np.testing.assert_allclose(own["i_pe"], (4 - gains[control]) / size)
        np.testing.assert_allclose(own["i_mm"], own["i_pe"] + own["i_rs"], rtol=1e-12)
    np.testing.assert_allclose(measured["common_contrast_index"], 0.6)
    drawings = analysis.plot(measured)
    kinds = ("deviance", "deviance_differences", "deviance_hierarchy")
    assert set(drawings) == {f"{kind}_{control}" for kind in kinds for control in ("cascade", "many_standards")}
    assert "Parras" in drawings["deviance_cascade"].caption
    table = summarise(tidy({"deviance_decomposition": measured}))
    differences = {"deviance_detection", "stimulus_specific_adaptation"}
    assert set(table["measure"]) == {"i_mm", "i_pe", "i_rs", "common_contrast_index"} | differences


def test_differences_keep_the_size_of_responses_and_silent_units_count(analysis):
    gains = {"standard": 1.0, "deviant": 4.0, "many_standards": 2.0, "cascade": 2.5}
    own = analysis.measure(planted(gains, silent=(0,))).isel(step=-1).sel(condition="cascade, plasticity off")
    # one of the three units of the lower layer is silent; somata answer twice as much as rates
    for signal, scale in (("rate", 1), ("somatic", 2), ("feedback", 1)):
        found = own.sel(variable=signal)
        np.testing.assert_allclose(found["deviance_detection"], np.tile([scale * 1.0, scale * 1.5], (2, 1)))
        np.testing.assert_allclose(found["stimulus_specific_adaptation"], np.tile([scale * 1.0, scale * 1.5], (2, 1)))
    assert own["deviance_detection"].attrs["units"] == "a.u."


def test_a_prediction_error_that_rises_along_layers_is_told_from_one_that_falls(analysis):
    recording = planted({"standard": 1.0, "deviant": 2.0, "many_standards": 1.5, "cascade": 1.5})
    events = recording["events"].to_dataset()
    deviant = events["condition"].values == NAMES.index("deviant")
    upper = events["layer"].values == "hidden_2"
    for signal, change in (("somatic", 3.0), ("rate", -0.5)):
        values = events[signal].values.copy()
        values += change * (deviant[..., None] & upper)
        events[signal] = (events[signal].dims, values)
    recording["events"] = events
    measured = analysis.measure(recording)
    along = measured["i_pe_rank_correlation_with_layer"]
    assert along.dims == ("animal", "variable", "condition", "step")
    assert (along.sel(variable="somatic") == 1).all() and (along.sel(variable="rate") == -1).all()
    # nothing rises where all layers are alike
    assert along.sel(variable="feedback").isnull().all()
    table = analysis.plot(measured)["deviance_hierarchy_cascade"].numbers
    rising = table[(table["measure"] == "i_pe") & (table["variable"] == "somatic")].iloc[0]
    layers = measured["i_pe"].sel(variable="somatic", condition="cascade, plasticity off").isel(step=-1, animal=0)
    assert rising["slope_per_layer"] == pytest.approx(float(layers[1] - layers[0]))
    # published medians along three stations: iPE rises by 0.19 and 0.24, half as much per station
    recorded = table[(table["measure"] == "i_pe") & table["group"].str.startswith("recorded")]
    assert sorted(recorded["slope_per_layer"].round(3)) == [0.095, 0.12]


def test_adaptation_alone_makes_a_mismatch_without_a_prediction_error(analysis):
    """The null model: one group of the shipped protocol, smaller."""
    own = load_protocol("oddball", SMALL).group("adaptation")
    measured = analysis.measure(simulate(own)).isel(step=-1)
    for control in measured["condition"].values:
        somatic = measured.sel(variable="somatic", condition=control)
        assert (somatic["i_mm"] > 0.1).all(), control
        assert (somatic["i_pe"].mean("animal") < 0).all(), control
        # nothing comes back
        assert np.isnan(measured["i_mm"].sel(variable="feedback", condition=control)).all()


def test_shuffled_labels_leave_nothing(analysis):
    own = load_protocol("oddball", SMALL | {"cohort.animals": 4}).group("label_shuffled")
    measured = analysis.measure(simulate(own)).sel(variable=["rate", "somatic"])
    assert abs(float(measured["i_mm"].mean())) < 0.06
    assert abs(float(measured["i_pe"].mean())) < 0.06


def test_a_missing_control_is_named(analysis):
    own = load_protocol("oddball", SMALL | {"stimuli.controls": False, "cohort.animals": 1}).group("adaptation")
    with pytest.raises(RecordingError, match="i_pe needs the control condition 'cascade'"):
        analysis.measure(simulate(own))
    gains = dict.fromkeys(NAMES, 1.0)
    without = planted(gains)
    del without["events"]
    with pytest.raises(RecordingError, match="no events"):
        analysis.measure(without)
