"""Paradigms of prediction errors in tests: cut-down protocols, and checked streams of events."""

import numpy as np

from neurofa.protocol import Protocol, load_protocol, merge, protocol_from
from neurofa.stimuli import Stimuli, stimulus_sets
from neurofa.stimuli.events import Events

#: protocol: what makes its sessions short
SHORT = {
    "visuomotor_mismatch": {"block_events": 300, "halts_per_minute": 15.0},
    "omission": {"block_periods": 40, "p_omission": 0.25},
    "change_detection": {"block_events": 40},
    "global_local": {"sequences": 20},
    "cue_outcome": {"trials": 60},
    "repetition_probability": {"pairs": 48},
    "sequence_learning": {"presentations": 60, "test_presentations": 6},
}


def cut_down(name: str, groups: tuple[str, ...] = (), **tables: dict[str, object]) -> Protocol:
    """A shipped protocol with few units, animals, events and passes; of its groups those that are named, or all."""
    values = load_protocol(name).as_dict()
    small = {
        "cohort": {"animals": 2},
        "network": {"hidden": [12] * len(values["network"]["hidden"])},
        "schedule": {"passes": 1},
        "stimuli": SHORT[name],
    }
    values = merge(merge(values, small), tables)
    if groups:
        values["groups"] = {group: values["groups"][group] for group in groups}
    return protocol_from(values)


def stream(
    name: str, seed: int = 0, session: int = 1, evaluated: bool = True, **given: object
) -> tuple[Stimuli, Events]:
    """A paradigm and the events of one session, checked."""
    stimuli = stimulus_sets()[name](np.random.default_rng(0), **given)
    assert stimuli.events is not None
    events = stimuli.events(np.random.default_rng(seed), session, evaluated)
    events.check(name, stimuli.event_names, stimuli.inputs.shape[1], stimuli.targets.shape[1])
    return stimuli, events


def named(stimuli: Stimuli, events: Events, what: str) -> np.ndarray:
    """Names in place of codes."""
    return np.array(stimuli.event_names[what])[getattr(events, what)]
