"""Stimuli that are new in every session, from each animal's own random numbers."""

from collections.abc import Callable, Sequence

import numpy as np

from neurofa.catalogue import blamed_on
from neurofa.draws import Draws
from neurofa.errors import ConfigError
from neurofa.members import Member
from neurofa.stimuli import Stimuli


def renewed(
    members: Sequence[Member], renewals: Sequence[Callable[[np.random.Generator], Stimuli]], draws: Draws
) -> Stimuli:
    """
    Draw what the animals of a batch learn in one session.

    Parameters
    ----------
    members : sequence of Member
        The animals.
    renewals : sequence of callable
        ``renew`` of each animal's stimuli.
    draws : Draws
        Random numbers of the session.

    Returns
    -------
    Stimuli
        Arrays with a first axis animal.

    Raises
    ------
    ConfigError
        Where the stimuli are not possible, or differ in number between animals.
    """
    own = members[0].protocol
    sets: list[Stimuli] = []
    for position, renew in enumerate(renewals):
        with blamed_on(own.stimuli.kind, "stimulus set"):
            sets.append(renew(draws.generator(position, ("stimuli",))))
        sets[-1].check(own.stimuli.kind)
    if len({(one.inputs.shape, one.targets.shape, one.acceptable is None) for one in sets}) > 1:
        raise ConfigError(
            f"stimulus set '{own.stimuli.kind}' renews its stimuli in different sizes; give as many to all"
        )
    if own.schedule.batch_size > len(sets[0].inputs):
        raise ConfigError(
            f"schedule.batch_size {own.schedule.batch_size} exceeds the {len(sets[0].inputs)} stimuli shown in a "
            "session; choose a smaller one, or 0 for all"
        )
    acceptable = [one.acceptable for one in sets if one.acceptable is not None]
    return Stimuli(
        inputs=np.stack([one.inputs for one in sets]),
        targets=np.stack([one.targets for one in sets]),
        acceptable=np.stack(acceptable) if acceptable else None,
    )
