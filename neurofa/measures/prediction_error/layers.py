"""The units of every layer in every session of every animal: the loop that measures of events share."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from neurofa.measures.kernels import Bools, Floats
from neurofa.measures.parallel import each_animal
from neurofa.measures.prediction_error.session_events import (
    SessionEvents,
    generator_of_animal,
    plasticities,
    session_events,
)
from neurofa.measures.recorded_layers import recorded_layers

if TYPE_CHECKING:
    import xarray as xr

#: dimensions of what is measured layer by layer
LAYER_DIMS = ("variable", "animal", "layer", "condition", "session")
#: measures some units: (events, signal, which units (unit,), name of the condition, random numbers)
OfUnits = Callable[[SessionEvents, str, Bools, str, np.random.Generator], ArrayLike]


def values_of_layers(
    events: "xr.Dataset",
    of_units: OfUnits,
    signals: Sequence[str],
    shape: tuple[int, ...] = (),
    names: Sequence[str] = ("",),
) -> Floats:
    """
    Measure the units of every layer, in every session, with plasticity off and on.

    Animals are measured several at once. Random numbers depend on the seed of the run, the name of the animal and the
    session alone: all layers, signals and names of a session get the same ones, whatever else is measured.

    Parameters
    ----------
    events : xarray.Dataset
        From `events_group`.
    of_units : callable
        Takes the events of one session, a signal, (unit,) bool, a name and random numbers; gives values of `shape`.
    signals : sequence of str
        What is taken as the response, such as ``"somatic"``.
    shape : tuple of int
        Of what `of_units` gives.
    names : sequence of str
        What is told apart besides plasticity, such as pairs of conditions.

    Returns
    -------
    (*shape, variable, animal, layer, condition, session)
        Variable is the signal; condition name by name, plasticity off before on. NaN where an animal had no session.
    """
    layers, plasticity = recorded_layers(events), plasticities(events)
    n_sessions = events.sizes["session"]
    own_shape = (*shape, len(signals), len(layers), len(names), len(plasticity), n_sessions)

    def of_animal(animal: int) -> Floats:
        """Every value of one animal."""
        found = np.full(own_shape, np.nan)
        # read once for all sessions and both states of plasticity
        mine = events.isel(animal=[animal]).load()
        for session, state in np.ndindex(n_sessions, len(plasticity)):
            own = session_events(mine, 0, session, plasticity[state])
            if not own.condition.size:
                continue
            for kind, number, depth in np.ndindex(len(names), len(signals), len(layers)):
                units = own.layer == layers[depth]
                rng = generator_of_animal(events, animal, session)
                at = (..., number, depth, kind, state, session)
                found[at] = of_units(own, signals[number], units, names[kind], rng)
        return found

    each = np.stack(each_animal(of_animal, events.sizes["animal"]), axis=len(shape) + 1)
    return each.reshape(*each.shape[:-3], len(names) * len(plasticity), n_sessions)


def measures_of_layers(
    events: "xr.Dataset",
    of_units: OfUnits,
    signals: Sequence[str],
    variables: Mapping[str, tuple[str, str]],
    names: Sequence[str] = ("",),
) -> "xr.Dataset":
    """
    Measure the units of every layer, as `values_of_layers` does, and label what was found.

    Parameters
    ----------
    events, of_units, signals, names
        See `values_of_layers`; `of_units` gives one number for each of `variables`, in their order.
    variables : mapping of str to (str, str)
        Measure id to its long name and its unit.

    Returns
    -------
    xarray.Dataset
        `variables` on `LAYER_DIMS`, with the day of every session (animal, session).
    """
    import xarray as xr

    found = values_of_layers(events, of_units, signals, (len(variables),), names)
    return xr.Dataset(
        {
            name: (LAYER_DIMS, values, {"long_name": long_name, "units": units})
            for (name, (long_name, units)), values in zip(variables.items(), found, strict=True)
        },
        layer_coords(events, signals, names),
    )


def layer_coords(events: "xr.Dataset", signals: Sequence[str], names: Sequence[str] = ("",)) -> dict[str, Any]:
    """
    Coordinates of what `values_of_layers` gives.

    Parameters
    ----------
    events, signals, names
        See `values_of_layers`.

    Returns
    -------
    dict
        Of `LAYER_DIMS`, and the day of every session (animal, session).
    """
    states = [f"plasticity {'on' if on else 'off'}" for on in plasticities(events)]
    return {
        "variable": list(signals),
        "animal": events["animal"].values,
        "layer": recorded_layers(events),
        "condition": [f"{name}, {state}" if name else state for name in names for state in states],
        "session": events["session"].values if "session" in events.coords else np.arange(events.sizes["session"]),
        "day": (("animal", "session"), events["day"].values),
    }
