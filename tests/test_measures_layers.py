"""The loop over sessions and layers that measures of events share: places, gaps, random numbers, and what was shown."""

import numpy as np

from neurofa import measures
from tests.event_recordings import events_recording

LAYERS = ["hidden_1"] * 2 + ["hidden_2"] * 3


def recorded(plasticity=(0.0, 1.0)):
    """Two animals, three sessions, events with plasticity off and on; rates tell where they were recorded."""
    condition = np.full((2, 3, 8), "a")
    animal, session, event, unit = np.ogrid[:2, :3, :8, :5]
    rate = 1000.0 * animal + 100 * session + 10 * (event >= 4) + (unit >= 2)
    tree = events_recording(condition, condition, {"somatic": rate}, names=("a", "b"), layer=LAYERS)
    events = measures.events_group(tree)
    return events.assign_coords(
        plasticity=(("animal", "session", "event"), np.tile(np.repeat(plasticity, 4), (2, 3, 1)))
    )


def mean_rate(own, signal, units, name, rng):
    return [own.units[signal][:, units].mean(), len(name), rng.random()]


def test_every_value_stands_in_its_place_and_names_come_before_plasticity() -> None:
    variables = {"rate": ("Mean rate", "a.u."), "letters": ("Letters", "1"), "draw": ("Draw", "1")}
    found = measures.measures_of_layers(recorded(), mean_rate, ("somatic",), variables, ("one", "three"))
    assert found["condition"].values.tolist() == [
        f"{name}, plasticity {state}" for name in ("one", "three") for state in ("off", "on")
    ]
    assert found["rate"].attrs == {"long_name": "Mean rate", "units": "a.u."}
    rate = found["rate"].sel(variable="somatic", condition="three, plasticity on")
    for animal, session, depth in np.ndindex(2, 3, 2):
        assert rate.isel(animal=animal, session=session, layer=depth) == 1000 * animal + 100 * session + 10 + depth
    assert found["letters"].sel(condition="three, plasticity off").values.ravel().tolist() == [5.0] * 12
    # sessions and animals have random numbers of their own
    first = found["draw"].isel(variable=0, layer=0, condition=0).values.ravel()
    assert len(set(first.tolist())) == 6


def test_random_numbers_of_a_session_belong_to_the_animal_whatever_else_is_measured() -> None:
    events = recorded()
    draw = measures.values_of_layers(events, mean_rate, ("somatic", "rate"), (3,), ("one", "three"))[2]
    # (variable, animal, layer, condition, session): the same for all signals, layers and names
    assert (draw == draw[:1, :, :1, :1]).all()
    alone = measures.values_of_layers(events.isel(animal=[1]), mean_rate, ("rate",), (3,))[2]
    assert (alone[0, 0, 0, 0] == draw[0, 1, 0, 0]).all() and (alone[0, 0, 0, 0] != draw[0, 0, 0, 0]).all()
    # the same individual in another group has the same numbers
    group = events.isel(animal=[1]).assign_coords(animal=["null-1"], group=("animal", ["null"]))
    assert (measures.values_of_layers(group, mean_rate, ("rate",), (3,))[2] == alone).all()
    other = measures.values_of_layers(events.assign_attrs(seed=2), mean_rate, ("rate",), (3,))[2]
    assert (other != draw[:1, :, :, :2]).all()


def test_a_session_that_an_animal_did_not_have_is_a_gap() -> None:
    events = recorded()
    events["plasticity"].values[1, 2] = np.nan
    events["condition"].values[1, 2] = np.nan
    found = measures.values_of_layers(events, mean_rate, ("somatic",), (3,))
    assert found.shape == (3, 1, 2, 2, 2, 3)
    missing = np.isnan(found)
    assert missing[:, :, 1, :, :, 2].all() and missing.sum() == 3 * 2 * 2


def test_what_was_shown_is_told_apart_from_what_has_a_name() -> None:
    events = recorded()
    assert measures.event_names(events, "condition") == ["a", "b"]
    assert measures.shown_conditions(events) == ["a"]
    assert measures.recorded_layers(events) == ["hidden_1", "hidden_2"]


def test_events_are_chosen_evenly_and_none_is_invented() -> None:
    assert measures.evenly_chosen(np.arange(100), 3).tolist() == [0, 50, 99]
    assert measures.evenly_chosen(np.arange(3), 200).tolist() == [0, 1, 2]
    assert measures.evenly_chosen(np.empty((0, 4)), 5).shape == (0, 4)
