"""Compiled: how weights, biases and output gains change."""

import numpy as np

from neurofa.compiled import layout as at
from neurofa.compiled.compiling import compiled, copy, fill, piece
from neurofa.compiled.noise import disturb_ascent
from neurofa.compiled.products import gather, onward
from neurofa.rules.optimisers import EPSILON, FIRST_DECAY, MOMENTUM, SECOND_DECAY


@compiled
def learning_rate(plan, common, layer, n_trials, numbers, desk):
    """Learning rate of a layer; plain steps of the readout are bounded."""
    if layer < plan.shape[0] - 1:
        return numbers[at.HIDDEN_RATE]
    rate = numbers[at.READOUT_RATE]
    if common[at.OPTIMISER] != at.GRADIENT:
        return rate
    power = desk.dtype.type(0)
    for value in piece(desk, plan[layer, at.RATES], n_trials * plan[layer, at.PRE]):
        power += value * value
    smallest = desk.dtype.type(1e-30)
    bound = numbers[at.STEP_BOUND] * desk.dtype.type(n_trials) / (smallest if power < smallest else power)
    # what is not a number stays so
    return bound if not (rate <= bound) else rate


@compiled
def change(blas, plan, common, n_trials, state, numbers, stream, desk):
    """Change all that learns after one update's teaching signals."""
    share = desk.dtype.type(1) / desk.dtype.type(n_trials)
    for layer in range(plan.shape[0]):
        rate = learning_rate(plan, common, layer, n_trials, numbers, desk)
        disturbed = plan[layer, at.SYNAPSE_STREAM] >= 0 or plan[layer, at.UPDATE_STREAM] >= 0
        if common[at.OPTIMISER] == at.GRADIENT and not disturbed:
            _plain_step(blas, plan, common, layer, n_trials, rate, state, numbers, desk)
        else:
            _optimised_step(blas, plan, common, layer, n_trials, rate, state, numbers, stream, desk)
        follows = layer > 0 and plan[layer - 1, at.FED_BACK] and common[at.FEEDBACK_KIND] == at.LEARNED
        if follows and common[at.LEARNED_BY] == at.WEIGHT_MIRROR:
            _mirror(blas, plan, common, layer, state, numbers, stream, desk)
        if plan[layer, at.BIAS] >= 0:
            post, delta = plan[layer, at.POST], plan[layer, at.DELTA]
            mean = piece(desk, common[at.VECTOR], post)
            fill(desk.dtype.type(0), mean)
            for start in range(delta, delta + n_trials * post, post):
                own = piece(desk, start, post)
                for unit in range(post):
                    mean[unit] += own[unit] * share
            _climb(plan, common, layer, at.BIAS, at.BIAS_FIRST, rate, state, mean)
        if plan[layer, at.OUTPUT_GAIN] >= 0:
            _change_output_gain(plan, common, layer, n_trials, rate, state, desk)


@compiled
def _plain_step(blas, plan, common, layer, n_trials, rate, state, numbers, desk):
    """Plain gradient step of the weights, and what Kolen and Pollack's feedback weights do with it."""
    post, pre, weights = plan[layer, at.POST], plan[layer, at.PRE], plan[layer, at.WEIGHTS]
    delta, rates, turned = plan[layer, at.DELTA], plan[layer, at.RATES], plan[layer, at.TURNED]
    if layer == 0 and common[at.PRIVATE]:
        own, ascent = piece(state, weights, n_trials * post), piece(desk, delta, n_trials * post)
        for place in range(n_trials * post):
            own[place] += rate * ascent[place]
        return
    alpha, kept = rate / desk.dtype.type(n_trials), desk.dtype.type(1)
    follows = layer > 0 and plan[layer - 1, at.FED_BACK] and common[at.FEEDBACK_KIND] == at.LEARNED
    if follows and common[at.LEARNED_BY] == at.KOLEN_POLLACK:
        kept -= numbers[at.FEEDBACK_DECAY]
        feedback, other = plan[layer - 1, at.FEEDBACK], plan[layer - 1, at.FEEDBACK_TURNED]
        size = alpha * kept
        gather(blas, other, n_trials, pre, post, size, desk, rates, desk, delta, kept, state, feedback)
    gather(blas, turned, n_trials, post, pre, alpha * kept, desk, delta, desk, rates, kept, state, weights)


@compiled
def _optimised_step(blas, plan, common, layer, n_trials, rate, state, numbers, stream, desk):
    """Step of the weights with momentum, Adam or noise, and what Kolen and Pollack's feedback weights do with it."""
    post, pre, matrix = plan[layer, at.POST], plan[layer, at.PRE], common[at.MATRIX]
    delta, rates, turned = plan[layer, at.DELTA], plan[layer, at.RATES], plan[layer, at.TURNED]
    one, zero = desk.dtype.type(1), desk.dtype.type(0)
    if layer == 0 and common[at.PRIVATE]:
        copy(piece(desk, delta, n_trials * post), piece(desk, matrix, n_trials * post))
    else:
        share = one / desk.dtype.type(n_trials)
        gather(blas, turned, n_trials, post, pre, share, desk, delta, desk, rates, zero, desk, matrix)
    disturb_ascent(plan, layer, numbers, stream, piece(desk, matrix, post * pre))
    _climb(plan, common, layer, at.WEIGHTS, at.WEIGHTS_FIRST, rate, state, piece(desk, matrix, post * pre))
    follows = layer > 0 and plan[layer - 1, at.FED_BACK] and common[at.FEEDBACK_KIND] == at.LEARNED
    if follows and common[at.LEARNED_BY] == at.KOLEN_POLLACK:
        kept = one - numbers[at.FEEDBACK_DECAY]
        for row in range(post):
            for column in range(pre):
                own = column * post + row if turned else row * pre + column
                other = row * pre + column if plan[layer - 1, at.FEEDBACK_TURNED] else column * post + row
                place = plan[layer - 1, at.FEEDBACK] + other
                state[place] = kept * (state[place] + desk[matrix + own])
                state[plan[layer, at.WEIGHTS] + own] *= kept


@compiled
def _mirror(blas, plan, common, layer, state, numbers, stream, desk):
    """Mirror the weights of a layer once in the feedback weights of the layer below."""
    post, pre, noise = plan[layer, at.POST], plan[layer, at.PRE], plan[layer - 1, at.STREAM]
    above, rate = common[at.VECTOR], numbers[at.FEEDBACK_RATE]
    feedback, turned = plan[layer - 1, at.FEEDBACK], plan[layer - 1, at.FEEDBACK_TURNED]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    weights = plan[layer, at.WEIGHTS]
    onward(blas, plan[layer, at.TURNED], 1, post, pre, stream, noise, state, weights, zero, desk, above)
    gather(blas, turned, 1, pre, post, rate, stream, noise, desk, above, one - rate, state, feedback)


@compiled
def _change_output_gain(plan, common, layer, n_trials, rate, state, desk):
    """Step of the gain that all rates of a layer share."""
    post = plan[layer, at.POST]
    ascent = desk.dtype.type(0)
    for start in range(0, n_trials * post, post):
        sent, value = piece(desk, plan[layer, at.SENT] + start, post), piece(desk, plan[layer, at.VALUE] + start, post)
        if plan[layer, at.GAIN] >= 0:
            gain = piece(state, plan[layer, at.GAIN], post)
            for unit in range(post):
                ascent += sent[unit] * value[unit] * gain[unit]
        else:
            for unit in range(post):
                ascent += sent[unit] * value[unit]
    mean = piece(desk, common[at.VECTOR], 1)
    mean[0] = ascent / desk.dtype.type(n_trials)
    _climb(plan, common, layer, at.OUTPUT_GAIN, at.OUTPUT_GAIN_FIRST, rate, state, mean)


@compiled
def _climb(plan, common, layer, column, memory, rate, state, ascent):
    """Change a parameter; in place of the ascent, the change stands there afterwards."""
    size = ascent.shape[0]
    parameter = piece(state, plan[layer, column], size)
    one = ascent.dtype.type(1)
    if common[at.OPTIMISER] == at.MOMENTUM:
        velocity, kept = piece(state, plan[layer, memory], size), ascent.dtype.type(MOMENTUM)
        for n in range(size):
            velocity[n] = kept * velocity[n] + ascent[n]
            ascent[n] = velocity[n]
    elif common[at.OPTIMISER] == at.ADAM:
        first, second = piece(state, plan[layer, memory], size), piece(state, plan[layer, memory + 1], size)
        steps = piece(state, plan[layer, memory + 2], 1)
        steps[0] += one
        old, older = ascent.dtype.type(FIRST_DECAY), ascent.dtype.type(SECOND_DECAY)
        new, newer = ascent.dtype.type(1 - FIRST_DECAY), ascent.dtype.type(1 - SECOND_DECAY)
        unbiased, least = one - older ** steps[0], ascent.dtype.type(EPSILON)
        scale = one / (one - old ** steps[0])
        for n in range(size):
            first[n] = old * first[n] + new * ascent[n]
            second[n] = older * second[n] + newer * ascent[n] * ascent[n]
            ascent[n] = first[n] * scale / (np.sqrt(second[n] / unbiased) + least)
    for n in range(size):
        ascent[n] *= rate
        parameter[n] += ascent[n]
