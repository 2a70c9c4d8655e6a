"""Recordings of events with planted responses."""

import json

import numpy as np
import xarray as xr

from neurofa.recording import build_recording


def events_recording(condition, identity, units, *, names, plasticity=0.0, group=None, layer=None, numbers=None):
    """
    A recording of events as in `neurofa.event_group`.

    `condition` and `identity` are (animal, session, event) text, `units` maps rate, somatic, feedback and baseline to
    (animal, session, event, unit), `names` gives all conditions; `numbers` more (animal, session, event).
    """
    condition, identity = np.asarray(condition), np.asarray(identity)
    n_animals, n_sessions, n_events = condition.shape
    n_units = next(iter(units.values())).shape[-1]
    dims = ("animal", "session", "event")

    def coded(values, known):
        codes = np.array([known.index(str(one)) for one in values.ravel()], dtype=np.float32).reshape(values.shape)
        return xr.Variable(dims, codes, {"names": json.dumps(list(known))})

    whole = np.full(condition.shape, 1.0)
    zeros = np.zeros((n_animals, n_sessions, n_events, n_units))
    values = {name: (*[()], units.get(name, zeros))[-1] for name in ("rate", "somatic", "feedback", "baseline")}
    scalars = (
        "position",
        "exposure",
        "speed",
        "onset",
        "surprise_process",
        "surprise_observer",
        "surprise_sign",
        "signed_error",
        "unsigned_error",
    )
    found = {name: (dims, (numbers or {}).get(name, whole)) for name in scalars}
    events = xr.Dataset(
        {name: ((*dims, "unit"), array) for name, array in values.items()},
        coords={
            **found,
            "identity": coded(identity, sorted(set(identity.ravel().tolist()))),
            "condition": coded(condition, list(names)),
            "block": coded(np.full(condition.shape, "all"), ["all"]),
            "plasticity": (dims, whole * plasticity),
            "animal": [f"a-{number}" for number in range(n_animals)],
            "group": ("animal", group or ["a"] * n_animals),
            "layer": ("unit", layer or ["hidden_1"] * n_units),
            "day": (("animal", "session"), np.tile(np.arange(float(n_sessions)), (n_animals, 1))),
        },
    )
    probe = xr.Dataset(
        {
            "rate": (
                ("animal", "session", "stimulus", "repeat", "unit"),
                np.ones((n_animals, n_sessions, 1, 1, n_units)),
            ),
            "duration": (("animal", "session", "stimulus", "repeat"), np.ones((n_animals, n_sessions, 1, 1))),
            "detected": (("animal", "session", "unit"), np.ones((n_animals, n_sessions, n_units), dtype=bool)),
        },
        coords={name: events[name] for name in ("animal", "group", "layer", "day")},
    )
    tree = build_recording(probe)
    tree["events"] = xr.DataTree(events)
    return tree


def events_of(recording, animals):
    """The same recording of some of its animals alone."""
    chosen = {
        path: node.to_dataset().isel(animal=animals, missing_dims="ignore")
        for path, node in recording.subtree_with_keys
    }
    return xr.DataTree.from_dict(chosen)
