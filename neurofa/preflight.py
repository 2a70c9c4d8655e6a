"""What a protocol names outside itself is looked up before anything is simulated."""

from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from neurofa.analysis import find_analysis
from neurofa.comparison import MEASURED_DEFINITIONS
from neurofa.draws import Draws
from neurofa.errors import MissingControlError, ProtocolError
from neurofa.members import Member, animal_stimuli
from neurofa.occupancy import occupancy_recording, recorded_frames
from neurofa.protocol import Protocol, merge, protocol_from
from neurofa.references import beside, kind_of, load_curves, load_orderings, load_references
from neurofa.settings import stimulus_set
from neurofa.spiking.places import check_installed, code_target


def check_names(protocol: Protocol) -> None:
    """
    Look up analyses, reference tables, tolerances, the recording whose occupancy is taken and Brian2, in every group.

    Parameters
    ----------
    protocol : Protocol
        That will run.

    Raises
    ------
    NeurofaError
        Where something is not there: one sentence, before any time is spent.
    """
    near = Path(protocol.folder) if protocol.folder else None
    engines = {protocol.group(name).engine.kind for name in protocol.group_names()}
    for analysis in protocol.analyses:
        needed = getattr(find_analysis(analysis, near), "ENGINE", "")
        if needed and needed not in engines:
            raise ProtocolError(
                f"the analysis {analysis} needs a group whose engine.kind is {needed}; set it for one of them ("
                f"--set engine.kind={needed} does), or leave the analysis out"
            )
    known = set(MEASURED_DEFINITIONS)
    for named in protocol.references.tables:
        table = beside(named, near)
        kind = kind_of(table)
        if kind == "curves":
            known |= set(load_curves(table)["measure"])
        else:
            (load_orderings if kind == "orderings" else load_references)(table)
    for measure in protocol.references.tolerances:
        if measure not in known:
            raise ProtocolError(
                f"references.tolerances.{measure} is the tolerance of no measure; known are {', '.join(sorted(known))}"
            )
    for name in protocol.group_names():
        own = protocol.group(name)
        if own.engine.kind == "spiking":
            check_installed()
            code_target(own.spiking.code_target)
        if own.observation.kind != "none" and own.observation.occupancy != "task":
            recorded = occupancy_recording(own.observation.occupancy, own.folder)
            n_stimuli = len(animal_stimuli(Member(name, 0, own)).inputs)
            recorded_frames(recorded, own.observation, len(own.schedule.days), n_stimuli)


def check_controls(protocol: Protocol) -> None:
    """
    Refuse analyses of events whose control conditions no animal will be shown.

    What an analysis needs its function ``require_controls(shown)`` says, where it has one; the events are those that
    the simulation will draw.

    Parameters
    ----------
    protocol : Protocol
        That will run.

    Raises
    ------
    ProtocolError
        With the name of the control, and of the setting that leaves it out.
    """
    near = Path(protocol.folder) if protocol.folder else None
    open_ones = {name: getattr(find_analysis(name, near), "require_controls", None) for name in protocol.analyses}
    open_ones = {name: require for name, require in open_ones.items() if require is not None}
    groups = [protocol.group(name) for name in protocol.group_names()]
    if not open_ones or not all(own.network.kind == "predicting" for own in groups):
        return
    shown: set[str] = set()
    refusals: dict[str, MissingControlError] = {}
    # as soon as everything was seen there is nothing more to look for
    for more in (more for own in groups for more in _conditions(own)):
        shown |= more
        refusals = {name: error for name, one in open_ones.items() if (error := _refusal(one, sorted(shown)))}
        if not refusals:
            return
    for name, error in refusals.items():
        settings = sorted({setting for own in groups for setting in _leaving_out(own, set(error.missing))})
        which = f"stimuli.kind {protocol.stimuli.kind} does not show" + (
            f" with {', '.join(settings)}" if settings else ""
        )
        mend = "change that setting" if settings else "choose another paradigm"
        raise ProtocolError(f"{error.needs}, which {which}; {mend}, or leave the analysis {name} out")


def _refusal(require: Any, shown: list[str]) -> MissingControlError | None:
    """Why an analysis would refuse; nothing where it would not."""
    try:
        require(shown)
    except MissingControlError as error:
        return error
    return None


def _conditions(own: Protocol) -> Iterator[set[str]]:
    """Conditions that the animals of a group will be shown, one recorded session after the other."""
    for index in range(own.cohort.animals):
        stimuli = animal_stimuli(Member("", index, own))
        if stimuli.events is None:
            return
        names = np.array(stimuli.event_names["condition"])
        for session in range(len(own.schedule.days)):
            generator = Draws(own.cohort.seed, [index], ("session", session)).generator(0, ("events", "evaluated"))
            yield set(names[np.unique(stimuli.events(generator, session, True).condition)].tolist())


def _leaving_out(own: Protocol, missing: set[str]) -> list[str]:
    """Settings of the stimuli that, left at their defaults, would show all that is missing."""
    defaults = signature(stimulus_set(own.stimuli.kind, own.stimuli.folder)).parameters
    found = []
    for key, value in own.stimuli.parameters().items():
        default = defaults[key].default
        if value == default:
            continue
        changed = protocol_from(merge(own.as_dict(), {"stimuli": {key: default}}), own.folder)
        if missing <= set().union(*_conditions(changed)):
            found.append(f"stimuli.{key} = {str(value).lower() if isinstance(value, bool) else value}")
    return found
