"""Compiled: animals live through updates, one animal after the other."""

from collections.abc import Callable
from functools import cache
from typing import Any

from neurofa.compiled import layout as at
from neurofa.compiled.changes import change
from neurofa.compiled.compiling import compiled, fingerprint, kept, piece
from neurofa.compiled.responses import activate, drive_layer, follow_drive, prepare
from neurofa.compiled.teaching import report, teach


@compiled
def show(plan, common, first, n_trials, again, numbers, stimuli, targets, order, stream, desk):
    """Put stimuli with their noise, and targets, on the desk; those of the whole set stay there (`again`)."""
    if again and not common[at.NOISY]:
        return
    n_inputs, n_outputs = stimuli.shape[1], targets.shape[1]
    for trial in range(n_trials):
        shown = trial if common[at.ALL_SHOWN] else order[first + trial]
        inputs = piece(desk, plan[0, at.RATES] + trial * n_inputs, n_inputs)
        inputs[:] = piece(stimuli, shown * n_inputs, n_inputs)
        if common[at.NOISY]:
            noise, sd = piece(stream, trial * n_inputs, n_inputs), numbers[at.NOISE_SD]
            for unit in range(n_inputs):
                inputs[unit] += sd * noise[unit]
        piece(desk, common[at.TARGET] + trial * n_outputs, n_outputs)[:] = piece(targets, shown * n_outputs, n_outputs)


@compiled
def respond(blas, plan, common, n_trials, state, numbers, desk):
    """Rates of all layers, then what the drive alone changes."""
    last = plan.shape[0] - 1
    for layer in range(last):
        prepare(plan, layer, state, desk)
        drive_layer(blas, plan, common, layer, n_trials, state, desk)
        activate(plan, common, layer, n_trials, desk)
        follow_drive(plan, layer, n_trials, state, numbers, desk)
    drive_layer(blas, plan, common, last, n_trials, state, desk)


@compiled
def live_one(blas, plan, common, first, stop, state, numbers, stimuli, targets, order, streams, desk, choices, losses):
    """Updates of one animal from the first to before the last; streams start at the first."""
    n_trials = common[at.BATCH]
    for update in range(first, stop):
        stream = piece(streams, (update - first) * streams.shape[1], streams.shape[1])
        again = common[at.ALL_SHOWN] and update > first
        place = update * n_trials
        show(plan, common, place, n_trials, again, numbers, stimuli, targets, order, stream, desk)
        respond(blas, plan, common, n_trials, state, numbers, desk)
        losses[update] = report(plan, common, n_trials, numbers, desk, piece(choices, place, n_trials))
        teach(blas, plan, common, n_trials, state, numbers, stream, desk)
        change(blas, plan, common, n_trials, state, numbers, stream, desk)


@cache
def entry() -> Callable[..., None]:
    """
    Give the function that Python calls.

    Returns
    -------
    callable
        See `live` in this function; the first axis of all but the tables and the desk is the animal.
    """
    version = fingerprint()

    @kept
    def live(
        blas: int,
        plan: Any,
        common: Any,
        first: int,
        stop: int,
        states: Any,
        numbers: Any,
        stimuli: Any,
        targets: Any,
        orders: Any,
        streams: Any,
        desk: Any,
        choices: Any,
        losses: Any,
    ) -> None:
        """Some updates of several animals."""
        if len(version) == 0:
            return
        for animal in range(states.shape[0]):
            live_one(
                blas,
                plan,
                common,
                first,
                stop,
                states[animal],
                numbers[animal],
                stimuli[animal],
                targets[animal],
                orders[animal],
                streams[animal],
                desk,
                choices[animal],
                losses[animal],
            )

    return live
