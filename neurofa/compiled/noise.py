"""Compiled: noise while learning, see `neurofa.rules.learning_noise`."""

from neurofa.compiled import layout as at
from neurofa.compiled.compiling import compiled, copy, piece


@compiled
def drop_units(plan, layer, n_trials, numbers, stream, desk):
    """Silence some units of a hidden layer in every trial, and scale up the rates and slopes of the others."""
    if plan[layer, at.UNIT_STREAM] < 0:
        return
    size = n_trials * plan[layer, at.POST]
    uniform = piece(stream, plan[layer, at.UNIT_STREAM], size)
    rate, value = piece(desk, plan[layer + 1, at.RATES], size), piece(desk, plan[layer, at.VALUE], size)
    slope = piece(desk, plan[layer, at.SLOPE], size)
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    bound = numbers[at.UNIT_DROPOUT] - desk.dtype.type(0.5)
    scale = one / (one - numbers[at.UNIT_DROPOUT])
    for place in range(size):
        factor = scale if uniform[place] >= bound else zero
        rate[place] *= factor
        value[place] *= factor
        slope[place] *= factor


@compiled
def drop_synapses(plan, state, numbers, stream, desk):
    """Put whole weights of the hidden layers aside; some fail, and the others are scaled up."""
    for layer in range(plan.shape[0] - 1):
        if plan[layer, at.SYNAPSE_STREAM] >= 0:
            size = plan[layer, at.POST] * plan[layer, at.PRE]
            weights = piece(state, plan[layer, at.WEIGHTS], size)
            copy(weights, piece(desk, plan[layer, at.WHOLE], size))
            _drop(plan, layer, numbers, stream, weights)


@compiled
def put_back_synapses(plan, state, desk):
    """Put the whole weights back."""
    for layer in range(plan.shape[0] - 1):
        if plan[layer, at.SYNAPSE_STREAM] >= 0:
            size = plan[layer, at.POST] * plan[layer, at.PRE]
            copy(piece(desk, plan[layer, at.WHOLE], size), piece(state, plan[layer, at.WEIGHTS], size))


@compiled
def disturb_ascent(plan, layer, numbers, stream, ascent):
    """Let synapses that failed learn nothing, then add noise."""
    if plan[layer, at.SYNAPSE_STREAM] >= 0:
        _drop(plan, layer, numbers, stream, ascent)
    if plan[layer, at.UPDATE_STREAM] >= 0:
        post, pre, sd = plan[layer, at.POST], plan[layer, at.PRE], numbers[at.UPDATE_NOISE]
        noise = piece(stream, plan[layer, at.UPDATE_STREAM], post * pre)
        if plan[layer, at.TURNED]:
            for column in range(pre):
                own, given = piece(ascent, column * post, post), noise[column::pre]
                for row in range(post):
                    own[row] += sd * given[row]
        else:
            for place in range(post * pre):
                ascent[place] += sd * noise[place]


@compiled
def _drop(plan, layer, numbers, stream, matrix):
    """Set values of a matrix, stored as the weights of the layer are, to zero, and scale up the others."""
    post, pre = plan[layer, at.POST], plan[layer, at.PRE]
    uniform = piece(stream, plan[layer, at.SYNAPSE_STREAM], post * pre)
    zero, one = matrix.dtype.type(0), matrix.dtype.type(1)
    bound = numbers[at.WEIGHT_DROPOUT] - matrix.dtype.type(0.5)
    scale = one / (one - numbers[at.WEIGHT_DROPOUT])
    if plan[layer, at.TURNED]:
        for column in range(pre):
            own, given = piece(matrix, column * post, post), uniform[column::pre]
            for row in range(post):
                own[row] *= scale if given[row] >= bound else zero
    else:
        for place in range(post * pre):
            matrix[place] *= scale if uniform[place] >= bound else zero


@compiled
def scale_teaching(plan, n_trials, state, desk):
    """Multiply the teaching signal of every unit by its own learning rate."""
    for layer in range(plan.shape[0] - 1):
        if plan[layer, at.PLASTICITY] >= 0:
            post, delta = plan[layer, at.POST], plan[layer, at.DELTA]
            plasticity = piece(state, plan[layer, at.PLASTICITY], post)
            for start in range(delta, delta + n_trials * post, post):
                own = piece(desk, start, post)
                for unit in range(post):
                    own[unit] *= plasticity[unit]
