"""What all groups of a protocol have in common, since one recording holds them: times, labels, names of events."""

from collections.abc import Sequence

import numpy as np

from neurofa.errors import ConfigError
from neurofa.members import Member, animal_stimuli, kept_stimuli, time_bins
from neurofa.stimuli.events import NAMED


def common_time(found: Sequence[Sequence[Member]]) -> dict[str, np.ndarray]:
    """
    Time within a trial as recorded, which all groups share.

    Parameters
    ----------
    found : sequence of sequence of Member
        From `batches`.

    Returns
    -------
    dict of str to numpy.ndarray
        (time,) each: ``time``, the middle of every bin in ms since the start of the trial, and the labels of time as
        they are in the middle of the bin; empty where trials have no time.

    Raises
    ------
    ConfigError
        Where the trials of groups differ in their course.
    """
    times = []
    for members in found:
        stimuli, step = animal_stimuli(members[0]), members[0].protocol.network.time_step_ms
        n_times = stimuli.inputs.shape[1] if stimuli.inputs.ndim == 3 else 0
        starts = time_bins(n_times, step, members[0].protocol.record.time_bin_ms)
        ends = np.append(starts[1:], n_times)
        middle = (starts + ends - 1) // 2
        labels = {name: values[middle] for name, values in stimuli.time_labels.items()}
        times.append(({"time": (starts + ends) / 2 * step} | labels) if n_times else {})
        same = times[-1].keys() == times[0].keys() and all(
            np.array_equal(values, times[0][name]) for name, values in times[-1].items()
        )
        if not same:
            raise ConfigError(
                f"trials of groups '{found[0][0].group}' and '{members[0].group}' differ in their course; "
                "one recording needs the same times in all groups: run them as two protocols"
            )
    return times[0]


def common_labels(found: Sequence[Sequence[Member]]) -> dict[str, np.ndarray]:
    """
    Labels of the stimuli that the recording keeps, which all groups share.

    Parameters
    ----------
    found : sequence of sequence of Member
        From `batches`.

    Returns
    -------
    dict of str to numpy.ndarray
        (stimulus,) each; ``stimulus`` is their number.

    Raises
    ------
    ConfigError
        Where groups show stimuli with different labels.
    """
    labels = []
    for members in found:
        stimuli = animal_stimuli(members[0])
        every = stimuli.labels | {"stimulus": np.arange(stimuli.inputs.shape[0])}
        kept = kept_stimuli(stimuli.inputs.shape[0], members[0].protocol.record.stimuli)
        labels.append({name: values[kept] for name, values in every.items()})
        same = labels[-1].keys() == labels[0].keys() and all(
            np.array_equal(values, labels[0][name]) for name, values in labels[-1].items()
        )
        if not same:
            raise ConfigError(
                f"groups '{found[0][0].group}' and '{members[0].group}' show stimuli with different labels; "
                "one recording needs the same stimuli in all groups"
            )
    return labels[0]


def common_event_names(found: Sequence[Sequence[Member]]) -> dict[str, tuple[str, ...]]:
    """
    Names of identities, conditions and blocks of events, which all groups share.

    Parameters
    ----------
    found : sequence of sequence of Member
        From `batches`.

    Returns
    -------
    dict of str to tuple of str
        See `neurofa.stimuli.Stimuli.event_names`; empty where there are no events.

    Raises
    ------
    ConfigError
        Where groups name their events differently, or some have none.
    """
    names = [animal_stimuli(members[0]).event_names for members in found]
    for members, own in zip(found, names, strict=True):
        if own != names[0]:
            raise ConfigError(
                f"groups '{found[0][0].group}' and '{members[0].group}' name {' and '.join(NAMED)} of their events "
                "differently; one recording needs the same names in all groups: run them as two protocols"
            )
    return names[0]
