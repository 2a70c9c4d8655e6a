"""The table of a protocol that says how networks predict events, and what does not go with it."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from neurofa.checking import PerAnimal, Settings, is_on, per_animal

if TYPE_CHECKING:
    from neurofa.protocol import Protocol

#: monitors that are measured over the recorded events
_MONITORS = ("readout", "alignment", "predictive_coding")
#: null models in which nothing is learned and nothing comes back
WITHOUT_PREDICTION = ("adaptation", "running_gain")


class PredictionSettings(Settings):
    """How events are predicted, where network.kind is predicting."""

    context: int = Field(2, ge=0, le=50, description="events before the current one that the network still senses")
    context_strength: PerAnimal = per_animal(
        1.0, ge=0, description="of earlier events as inputs; the event itself has 1"
    )
    feedback_gain: PerAnimal = per_animal(
        1.0, ge=0, description="of the feedback of the error as a further input of the soma; 0 = the soma sees none"
    )
    evaluation: Literal["off", "on", "both"] = Field(
        "off", description="plasticity while events are recorded: off, on (in a copy of the networks), or both in turn"
    )
    evaluated: Literal["after", "before"] = Field(
        "after", description="whether events are recorded after or before what is learned in the session"
    )
    adaptation: PerAnimal = per_animal(
        0.0, ge=0, le=1, description="fraction of the response to a feature of strength 1 that an event takes away"
    )
    recovery_s: PerAnimal = per_animal(1.0, gt=0, description="time constant of the recovery from it, s")
    speed_gain: PerAnimal = per_animal(
        0.0, ge=0, description="rates times 1 + this times running speed, which is spontaneous in paradigms without any"
    )
    null: Literal["none", "adaptation", "running_gain", "untrained", "label_shuffled", "regularised"] = Field(
        "none",
        description="null model; regularised = activity towards mean rates at birth, without any error",
    )


def why_not_predicting(protocol: "Protocol") -> str:
    """
    Reason why a protocol cannot predict events.

    Parameters
    ----------
    protocol : Protocol
        With all its tables.

    Returns
    -------
    str
        What contradicts what and how to mend it; empty where all is well.
    """
    own = protocol.prediction
    if protocol.network.kind != "predicting":
        changed = [name for name, info in type(own).model_fields.items() if getattr(own, name) != info.default]
        if not changed:
            return ""
        return f"prediction.{changed[0]} is for networks that predict events; set network.kind to predicting"
    if protocol.schedule.batch_size != 1:
        return (
            "network.kind predicting learns event by event, which needs schedule.batch_size 1; "
            f"got {protocol.schedule.batch_size}"
        )
    if protocol.network.loss != "squared_error":
        return "network.kind predicting puts out features, not probabilities; set network.loss to squared_error"
    if protocol.record.teaching_signals or protocol.record.noisy_trials:
        return (
            "record.teaching_signals and record.noisy_trials are for networks without events, whose feedback is "
            "recorded event by event; set them to false and 0"
        )
    for monitor in protocol.record.monitors:
        if monitor not in _MONITORS:
            return f"record.monitors names {monitor}, which events do not have; choose from {', '.join(_MONITORS)}"
    return _why_no_null(protocol)


def _why_no_null(protocol: "Protocol") -> str:
    """Reason why a null model would be empty; empty where it is not."""
    own, rule = protocol.prediction, protocol.rule
    for null, setting, value, usual in (
        ("adaptation", "prediction.adaptation", own.adaptation, 0.3),
        ("running_gain", "prediction.speed_gain", own.speed_gain, 0.5),
        ("regularised", "rule.activity_penalty", rule.activity_penalty, 0.01),
    ):
        if own.null == null and not is_on(value):
            return f"prediction.null {null} has no effect with {setting} 0; set it, for example to {usual:g}"
    if own.null == "regularised" and rule.teaching_signal not in ("", "none"):
        return (
            "prediction.null regularised sends no error, but rule.teaching_signal is "
            f"'{rule.teaching_signal}'; leave it out"
        )
    return ""
