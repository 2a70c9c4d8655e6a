"""What contradicts what between the tables of a protocol."""

from typing import TYPE_CHECKING

from neurofa.catalogue import did_you_mean
from neurofa.prediction_settings import why_not_predicting
from neurofa.rule_settings import why_noise_illegal
from neurofa.rules.names import why_illegal
from neurofa.spiking_settings import why_not_in_spikes

if TYPE_CHECKING:
    from neurofa.protocol import Protocol


def check_whole(protocol: "Protocol") -> None:
    """
    Check what one table alone cannot know.

    Parameters
    ----------
    protocol : Protocol
        With all its tables.

    Raises
    ------
    ValueError
        With one sentence: what contradicts what, and how to mend it.
    """
    for name in protocol.groups:
        control = protocol.groups[name].get("control_of", "")
        if control and control not in protocol.groups:
            raise ValueError(
                f"groups.{name}.control_of names no group, got '{control}'; " + did_you_mean(control, protocol.groups)
            )
    illegal = why_illegal(protocol.rule.choices(), len(protocol.network.hidden), protocol.network.kind)
    illegal = illegal or why_noise_illegal(protocol.rule, protocol.network) or why_not_predicting(protocol)
    if illegal:
        raise ValueError(illegal)
    if protocol.network.kind == "recurrent" and "predictive_coding" in protocol.record.monitors:
        raise ValueError(
            "record.monitors names predictive_coding, which is for feedforward networks; leave it out, "
            "or set network.kind to feedforward"
        )
    if protocol.engine.kind == "spiking":
        impossible = why_not_in_spikes(protocol.network, protocol.rule, protocol.spiking)
        if impossible:
            raise ValueError(impossible)
    if protocol.network.kind == "recurrent" and protocol.observation.kind == "calcium":
        raise ValueError(
            "observation.kind calcium sees no time within a trial, which network.kind recurrent has; "
            "set observation.kind to none"
        )
    for name, differences in protocol.groups.items():
        if "record" in differences:
            raise ValueError(
                f"groups.{name}.record cannot differ between groups: all of them share one recording; "
                "set it in the table [record]"
            )
    animals = protocol.cohort.animals
    protocol.overnight.check_animals(animals)
    for table in ("network", "rule", "stimuli", "prediction"):
        getattr(protocol, table).check_animals(table, animals)
