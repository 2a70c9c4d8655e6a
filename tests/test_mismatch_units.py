"""Mismatch units in a recording: planted units of both signs come back by every classifier, beyond chance."""

import numpy as np
import pytest

from neurofa.analysis import find_analysis
from tests.event_recordings import events_recording

CONDITIONS = ("baseline", "matched", "mismatch", "playback", "playback_halt")
N_NEGATIVE, N_POSITIVE, N_OTHER = 8, 4, 28


@pytest.fixture(scope="module")
def analysis():
    return find_analysis("mismatch_units")


def planted(n_events=40, n_mismatches=40, effect=2.0):
    """Of forty units eight answer mismatch alone, four playback alone; the response is below 0.5, in whatever unit."""
    label = np.repeat(CONDITIONS, [n_events, n_events, n_mismatches, n_events, n_events])
    condition = np.broadcast_to(label, (2, 1, label.size))
    answered = np.repeat(["mismatch", "playback", "nothing"], [N_NEGATIVE, N_POSITIVE, N_OTHER])
    noise = 0.002 * np.random.default_rng(0).standard_normal((*condition.shape, answered.size))
    response = 0.1 * (1 + effect * (label[:, None] == answered)) + noise
    units = {"somatic": response, "rate": response, "feedback": 0 * response}
    return events_recording(condition, condition, units, names=CONDITIONS)


def test_every_classifier_finds_units_of_both_signs_beyond_chance_with_their_interval(analysis):
    measured = analysis.measure(planted()).sel(variable="somatic").isel(layer=0, condition=0, session=0)
    for classifier in analysis.CLASSIFIERS:
        for sign, planted_units in (("negative", N_NEGATIVE), ("positive", N_POSITIVE)):
            name = f"fraction_{sign}_{classifier}"
            # where noise alone decides, a few units more pass a test of 2.5 %, or have no response to be relative to
            np.testing.assert_allclose(measured[name], planted_units / 40, atol=2 / 40)
            assert (measured[f"{name}_lower"] < measured[name]).all() and (
                measured[name] < measured[f"{name}_upper"]
            ).all()
            assert (measured[f"{name}_chance"] < measured[f"{name}_lower"]).all()
    assert (measured["mean_negative_error_index"] > measured["mean_positive_error_index"]).all()


def test_without_an_effect_no_classifier_finds_more_than_chance(analysis):
    measured = analysis.measure(planted(effect=0.0)).sel(variable="somatic").isel(layer=0, condition=0, session=0)
    for classifier in analysis.CLASSIFIERS:
        for sign in analysis.SIGNS:
            name = f"fraction_{sign}_{classifier}"
            assert (measured[name] <= measured[f"{name}_chance"] + 3 / 40).all()
    # relative to a response that is noise alone, units pass the tolerance: its level of chance is not 0
    assert (measured["fraction_negative_by_tolerance_chance"] > 0).any()


def test_a_condition_with_a_single_event_is_a_gap_and_loses_nothing_else(analysis):
    measured = analysis.measure(planted(n_mismatches=1))
    assert all(measured[name].isnull().all() for name in analysis.VARIABLES)


def test_the_published_classifiers_are_drawn_and_the_caption_says_that_no_least_response_is_asked_for(analysis):
    drawing = analysis.plot(analysis.measure(planted()))["published_classifiers"]
    told = set(drawing.numbers["measure"])
    assert {f"mean_{sign}_error_index" for sign in analysis.SIGNS} <= told
    for name in ("fraction_positive_by_tolerance", "fraction_negative_by_relative_change"):
        assert {name + end for end in analysis.ENDS} <= told
    assert "0.5 per second is 0 here, since rates have no unit" in drawing.caption
