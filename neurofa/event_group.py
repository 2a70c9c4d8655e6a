"""The group ``/events`` of a recording: what happened, event by event, and what the units made of it.

Every variable is padded with NaN where an animal or a session has fewer events than another.
"""

_EVENT = ("animal", "session", "event")
_UNITS = (*_EVENT, "unit")

#: dimensions, long name and unit of what is measured at every event
EVENT_VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "rate": (_UNITS, "rate before feedback", "a.u."),
    "baseline": (_UNITS, "rate just before the event, in its context", "a.u."),
    "feedback": (_UNITS, "teaching signal that reaches the rate of the unit", "a.u."),
    "somatic": (_UNITS, "rate with the feedback as a further input of the soma", "a.u."),
    "surprise_process": (_EVENT, "surprise under the process that generates the events", "nat"),
    "surprise_observer": (_EVENT, "surprise of an observer that counts transitions within the block", "nat"),
    "surprise_sign": (_EVENT, "more (1), less (-1) or as much (0) as that observer expected", "1"),
    "signed_error": (_EVENT, "outcome minus prediction, mean over outputs", "a.u."),
    "unsigned_error": (_EVENT, "size of outcome minus prediction, mean over outputs", "a.u."),
}
#: the same of what labels the events; names stand in the attribute ``names`` of the first three, as JSON
EVENT_COORDINATES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "identity": (_EVENT, "what was shown, place in names", "1"),
    "condition": (_EVENT, "condition, place in names", "1"),
    "block": (_EVENT, "block, place in names", "1"),
    "position": (_EVENT, "position in the sequence", "1"),
    "exposure": (_EVENT, "how often the event has been met in the session", "1"),
    "speed": (_EVENT, "running speed", "a.u."),
    "onset": (_EVENT, "onset in the session", "s"),
    "plasticity": (_EVENT, "weights change while the events are recorded", "1"),
}
#: what stands before the names of these variables in the store of a session
PREFIX = "events_"
