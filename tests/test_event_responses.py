"""Averages around events, and units that tell violations from their control."""

import numpy as np
import pytest

from neurofa.analysis import find_analysis
from tests.event_recordings import events_recording

NAMES = ("standard", "deviant", "many_standards")


@pytest.fixture(scope="module")
def analysis():
    return find_analysis("prediction_error_responses")


def planted():
    """Every fifth event is a deviant that a quarter of the units answers, and another quarter is silenced by."""
    generator = np.random.default_rng(0)
    label = np.array((["standard"] * 4 + ["deviant"]) * 20 + ["many_standards"] * 40)
    condition = np.broadcast_to(label, (3, 1, label.size))
    effect = np.repeat([3.0, -3.0, 0.0, 0.0], 10)
    response = 10 + generator.standard_normal((3, 1, label.size, 40)) + effect * (condition == "deviant")[..., None]
    units = {"rate": response, "somatic": response, "feedback": 10 - response, "baseline": 0 * response}
    return events_recording(condition, np.full(condition.shape, "tone"), units, names=NAMES)


def test_averages_are_aligned_to_their_event_and_planted_units_are_counted(analysis):
    measured = analysis.measure(planted())
    own = measured["event_response"].sel(variable="feedback", condition="deviant").mean(("animal", "layer"))
    assert own["step"].values.tolist() == [-2, -1, 0, 1, 2, 3]
    # the size of the teaching signal: noise alone but at the event itself
    assert float(own.sel(step=0)) > 1.4 * float(own.sel(step=[-2, -1, 1, 2, 3]).max())
    assert measured["fraction_responding_more"].attrs["pair"] == "deviant against many_standards"
    for name in ("more", "less"):
        found = measured[f"fraction_responding_{name}"].sel(variable="somatic")
        np.testing.assert_allclose(found, 0.25, atol=0.08)
    assert set(analysis.plot(measured)) == {"event_responses", "event_unit_classes"}


def test_without_a_control_nothing_is_classified(analysis):
    shown = np.full((2, 1, 12), "standard")
    units = {name: np.ones((2, 1, 12, 3)) for name in ("rate", "somatic", "feedback", "baseline")}
    measured = analysis.measure(events_recording(shown, shown, units, names=NAMES))
    assert measured["fraction_responding_more"].isnull().all()
    assert set(analysis.plot(measured)) == {"event_responses"}
