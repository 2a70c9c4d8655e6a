"""Averages around events, and units that tell violations from their control."""

import numpy as np
import pytest
import xarray as xr

from neurofa.analysis import find_analysis
from tests.event_recordings import events_of, events_recording

NAMES = ("standard", "deviant", "many_standards")


@pytest.fixture(scope="module")
def analysis():
    return find_analysis("prediction_error_responses")


def planted(effect=3.0):
    """Every fifth event is a deviant that a quarter of the units answers, and another quarter is silenced by."""
    generator = np.random.default_rng(0)
    label = np.array((["standard"] * 4 + ["deviant"]) * 20 + ["many_standards"] * 40)
    condition = np.broadcast_to(label, (3, 1, label.size))
    effects = np.repeat([effect, -effect, 0.0, 0.0], 10)
    response = 10 + generator.standard_normal((3, 1, label.size, 40)) + effects * (condition == "deviant")[..., None]
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


def test_fractions_of_an_animal_do_not_depend_on_its_place(analysis):
    """Weak effects: many units are near the level of the test, so that other permutations give other fractions."""
    recording = planted(effect=0.8)
    alone = events_of(recording, [2])
    whole, own = (analysis.measure(one).isel(animal=[-1]) for one in (recording, alone))
    xr.testing.assert_equal(whole, own)
    alone.attrs["seed"] = 1
    assert not analysis.measure(alone)["fraction_responding_more_chance"].equals(own["fraction_responding_more_chance"])


def test_groups_share_the_scale_of_a_signal_and_what_a_null_does_not_have_is_not_drawn(analysis):
    recording = planted()
    events = recording["events"].to_dataset()
    # the last three of six animals: rates a tenth as large, and no teaching signal
    factor = xr.DataArray([1.0] * 3 + [0.1] * 3, dims="animal")
    both = xr.concat(
        [events, events.assign_coords(animal=["b-0", "b-1", "b-2"], group=("animal", ["b"] * 3))], "animal"
    )
    both = both.assign({name: both[name] * factor for name in ("rate", "somatic")})
    both = both.assign(feedback=both["feedback"] * (factor == 1))
    drawing = analysis.plot(analysis.measure(xr.DataTree.from_dict({"/events": both})))["event_responses"]
    axes = drawing.figure.axes
    for row in range(3):
        first, second = axes[2 * row : 2 * row + 2]
        assert first.get_ylim() == second.get_ylim()
        largest = [max((line.get_ydata().max() for line in ax.lines[:-1]), default=0) for ax in (first, second)]
        assert largest[1] < 0.15 * largest[0] <= 0.15 * first.get_ylim()[1]
    none = axes[5]
    assert [text.get_text() for text in none.texts] == ["none"] and len(none.lines) == 1
    # three conditions: a band over animals for each line
    assert len(axes[0].collections) == 3 and "bands: 95 % interval" in drawing.caption
    assert not drawing.numbers["lower"].isna().all()


def test_fractions_have_intervals_and_their_level_of_chance(analysis):
    measured = analysis.measure(planted())
    for name in ("more", "less"):
        own = {end: measured[f"fraction_responding_{name}{end}"] for end in ("", "_lower", "_upper", "_chance")}
        assert (own["_lower"] < own[""]).all() and (own[""] < own["_upper"]).all()
        # Wilson's interval of 10 of 40 units is 14.2 to 40.2 %
        tenth = own[""].values == 0.25
        assert tenth.any()
        np.testing.assert_allclose(own["_lower"].values[tenth], 0.142, atol=5e-4)
        np.testing.assert_allclose(own["_upper"].values[tenth], 0.402, atol=5e-4)
        # with shuffled labels about 2.5 % pass, far fewer than with the labels as they are
        assert (own["_chance"] < own["_lower"]).all()
        assert abs(own["_chance"].mean() - 0.025) < 0.015
    table = analysis.plot(measured)["event_unit_classes"].numbers
    assert {"value", "lower", "upper", "chance"} <= set(table.columns)
    assert (table["lower"] <= table["value"]).all() and (table["value"] <= table["upper"]).all()


def test_the_same_picture_is_compared_where_it_is_expected_and_where_it_is_not():
    """Every picture has a response of its own; unexpected, it is three times as strong, in half of the units."""
    compared = find_analysis("expected_and_unexpected")
    condition = np.array((["novel_catch"] * 5 + ["novel_change"]) * 10)
    # a picture that never comes as a change has no part in the index
    identity = np.array(
        [f"picture {number % 3 if name == 'novel_change' else number % 4}" for number, name in enumerate(condition)]
    )
    own = np.array([1.0, 2.0, 4.0, 100.0])[[int(name[-1]) for name in identity]]
    gain = np.where(condition == "novel_change", 3.0, 1.0)[:, None]
    response = own[:, None] * np.concatenate([np.tile(gain, 4), np.ones((condition.size, 4))], axis=1)
    response = np.broadcast_to(response, (2, 1, *response.shape))
    shape = (2, 1, condition.size)
    recording = events_recording(
        np.broadcast_to(condition, shape),
        np.broadcast_to(identity, shape),
        {"somatic": response, "rate": response},
        names=("novel_catch", "novel_change"),
    )
    measured = compared.measure(recording)
    index = measured["stimulus_index"].sel(condition="novel: change against catch, plasticity off")
    # (3 - 1) / (3 + 1) in half of the units, 0 in the others
    np.testing.assert_allclose(index, 0.25)
    assert measured["stimulus_index"].sel(condition="all events, plasticity off").isnull().all()
    assert compared.plot(measured)
