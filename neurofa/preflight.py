"""What a protocol names outside itself is looked up before anything is simulated."""

from pathlib import Path

from neurofa.analysis import find_analysis
from neurofa.comparison import MEASURED_DEFINITIONS
from neurofa.errors import ProtocolError
from neurofa.members import Member, animal_stimuli
from neurofa.occupancy import occupancy_recording, recorded_frames
from neurofa.protocol import Protocol
from neurofa.references import beside, kind_of, load_curves, load_orderings, load_references
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
    for analysis in protocol.analyses:
        find_analysis(analysis, near)
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
