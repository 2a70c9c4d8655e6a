"""Compiled: animals live through updates, one animal after the other."""

from collections.abc import Callable
from functools import cache
from typing import Any

from neurofa.compiled import layout as at
from neurofa.compiled.blocks import add_pending, begin_block, end_block, keep
from neurofa.compiled.changes import change
from neurofa.compiled.compiling import borrowed, compiled, copy, fingerprint, kept, piece
from neurofa.compiled.noise import drop_synapses, drop_units, put_back_synapses, scale_teaching
from neurofa.compiled.responses import activate, drive_layer, follow_drive, prepare
from neurofa.compiled.teaching import report, teach


@compiled
def show(plan, common, first, start, stop, numbers, stimuli, targets, order, streams, desk):
    """Put the stimuli of some updates with their noise, and the targets, on the desk; streams start at the first."""
    n_inputs, n_outputs, n_trials = stimuli.shape[1], targets.shape[1], common[at.BATCH]
    for trial in range((stop - start) * n_trials):
        shown = order[start * n_trials + trial]
        inputs = piece(desk, plan[0, at.RATES] + trial * n_inputs, n_inputs)
        copy(piece(stimuli, shown * n_inputs, n_inputs), inputs)
        if common[at.NOISY]:
            update = start - first + trial // n_trials
            place = update * streams.shape[1] + trial % n_trials * n_inputs
            noise, sd = piece(streams, place, n_inputs), numbers[at.NOISE_SD]
            for unit in range(n_inputs):
                inputs[unit] += sd * noise[unit]
        target = piece(desk, common[at.TARGET] + trial * n_outputs, n_outputs)
        copy(piece(targets, shown * n_outputs, n_outputs), target)
        if common[at.LABEL_STREAM] >= 0:
            update = start - first + trial // n_trials
            place = update * streams.shape[1] + common[at.LABEL_STREAM] + trial % n_trials * n_outputs
            labels, size = piece(streams, place, n_outputs), numbers[at.LABEL_NOISE]
            for unit in range(n_outputs):
                target[unit] += size * labels[unit]


@compiled
def respond(blas, plan, common, state, numbers, stream, desk):
    """Rates of all layers, then what the drive alone changes."""
    last, n_trials = plan.shape[0] - 1, common[at.BATCH]
    for layer in range(last):
        prepare(plan, layer, state, desk)
        drive_layer(blas, plan, common, layer, n_trials, state, desk)
        activate(plan, common, layer, n_trials, desk)
        drop_units(plan, layer, n_trials, numbers, stream, desk)
        follow_drive(plan, layer, n_trials, state, numbers, desk)
    drive_layer(blas, plan, common, last, n_trials, state, desk)


@compiled
def respond_in_block(blas, plan, here, common, trial, n_trials, state, numbers, stream, desk):
    """Do the same for one trial of a block, the drive of the first layer being there."""
    last = plan.shape[0] - 1
    for layer in range(last + 1):
        if layer > 0:
            drive_layer(blas, here, common, layer, 1, state, desk)
        add_pending(plan, here, common, layer, trial, n_trials, desk)
        if layer < last:
            prepare(plan, layer, state, desk)
            activate(here, common, layer, 1, desk)
            drop_units(here, layer, 1, numbers, stream, desk)
            follow_drive(here, layer, 1, state, numbers, desk)


@compiled
def live_one(blas, plan, common, first, stop, state, numbers, stimuli, targets, order, streams, desk, choices, losses):
    """Updates of one animal from the first to before the last; streams start at the first."""
    n_trials = common[at.BATCH]
    for update in range(first, stop):
        if update == first or common[at.NOISY] or common[at.LABEL_STREAM] >= 0 or not common[at.ALL_SHOWN]:
            show(plan, common, first, update, update + 1, numbers, stimuli, targets, order, streams, desk)
        stream = piece(streams, (update - first) * streams.shape[1], streams.shape[1])
        drop_synapses(plan, state, numbers, stream, desk)
        respond(blas, plan, common, state, numbers, stream, desk)
        losses[update] = report(plan, common, n_trials, numbers, desk, piece(choices, update * n_trials, n_trials))
        teach(blas, plan, plan, common, 0, n_trials, state, numbers, stream, desk)
        put_back_synapses(plan, state, desk)
        scale_teaching(plan, n_trials, state, desk)
        change(blas, plan, common, n_trials, state, numbers, stream, desk)


@compiled
def live_one_by_blocks(
    blas,
    plan,
    common,
    here,
    shared,
    first,
    stop,
    state,
    numbers,
    stimuli,
    targets,
    order,
    streams,
    desk,
    choices,
    losses,
):
    """Do the same with one trial per update, by blocks of trials; the tables of the trial are `here` and `shared`."""
    for start in range(first, stop, common[at.BLOCK]):
        n_trials = min(common[at.BLOCK], stop - start)
        show(plan, common, first, start, start + n_trials, numbers, stimuli, targets, order, streams, desk)
        copy(piece(plan, 0, plan.size), piece(here, 0, plan.size))
        copy(common, shared)
        drive_layer(blas, plan, common, 0, n_trials, state, desk)
        begin_block(blas, plan, common, n_trials, desk)
        for trial in range(n_trials):
            update = start + trial
            stream = piece(streams, (update - first) * streams.shape[1], streams.shape[1])
            respond_in_block(blas, plan, here, shared, trial, n_trials, state, numbers, stream, desk)
            losses[update] = report(here, shared, 1, numbers, desk, piece(choices, update, 1))
            teach(blas, plan, here, shared, trial, 1, state, numbers, stream, desk)
            scale_teaching(here, 1, state, desk)
            keep(plan, here, shared, trial, numbers, desk)
        end_block(blas, plan, n_trials, state, desk)


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
        here: Any,
        shared: Any,
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
        tables = (borrowed(plan), borrowed(common))
        own_desk = borrowed(desk)
        for animal in range(states.shape[0]):
            own = (borrowed(states[animal]), borrowed(numbers[animal]), borrowed(stimuli[animal]))
            trials = (borrowed(targets[animal]), borrowed(orders[animal]), borrowed(streams[animal]))
            course = (borrowed(choices[animal]), borrowed(losses[animal]))
            if common[at.BLOCK] > 1:
                moving = (borrowed(here), borrowed(shared))
                live_one_by_blocks(blas, *tables, *moving, first, stop, *own, *trials, own_desk, *course)
            else:
                live_one(blas, *tables, first, stop, *own, *trials, own_desk, *course)

    return live
