"""
Compiled: exact online learning by blocks of trials.

Within a block the weights stay W, and what the trials before have changed is added to the drive as a sum over them:
(W + sum_s c_s delta_s r_s^T) r_t = W r_t + sum_s c_s delta_s (r_s . r_t), and likewise on the way back. At the end of
the block all changes go into the weights by one matrix product. The trajectory is that of learning trial by trial, up
to rounding; the weights are read and written once per block, and not at every trial.
"""

from neurofa.compiled import layout as at
from neurofa.compiled.changes import learning_rate
from neurofa.compiled.compiling import compiled, piece
from neurofa.compiled.products import gather, multiply


@compiled
def begin_block(blas, plan, common, n_trials, desk):
    """Overlaps of the inputs of all trials of a block with each other."""
    pre, inputs, overlap = plan[0, at.PRE], plan[0, at.RATES], common[at.OVERLAP]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    multiply(blas, False, True, n_trials, n_trials, pre, one, desk, inputs, desk, inputs, zero, desk, overlap)


@compiled
def add_pending(plan, here, common, layer, trial, n_trials, desk):
    """Add to the drive of a layer what the trials of the block before this one have changed in its weights."""
    pre, post = plan[layer, at.PRE], plan[layer, at.POST]
    drive, rates = piece(desk, here[layer, at.DRIVE], post), piece(desk, here[layer, at.RATES], pre)
    for before in range(trial):
        overlap = desk.dtype.type(0)
        if layer == 0:
            overlap = desk[common[at.OVERLAP] + trial * n_trials + before]
        else:
            earlier = piece(desk, plan[layer, at.RATES] + before * pre, pre)
            for unit in range(pre):
                overlap += earlier[unit] * rates[unit]
        if plan[layer, at.BIAS] >= 0:
            overlap += desk.dtype.type(1)
        kept = piece(desk, plan[layer, at.KEPT] + before * post, post)
        for unit in range(post):
            drive[unit] += overlap * kept[unit]


@compiled
def keep(plan, here, common, trial, numbers, desk):
    """Keep the change that a trial makes for the end of the block, and move on to the next trial's place."""
    for layer in range(plan.shape[0]):
        pre, post = plan[layer, at.PRE], plan[layer, at.POST]
        rate = learning_rate(here, common, layer, 1, numbers, desk)
        delta = piece(desk, here[layer, at.DELTA], post)
        kept = piece(desk, plan[layer, at.KEPT] + trial * post, post)
        for unit in range(post):
            kept[unit] = rate * delta[unit]
        here[layer, at.RATES] += pre
        if layer == 0:
            here[layer, at.DRIVE] += post
    common[at.TARGET] += plan[plan.shape[0] - 1, at.POST]


@compiled
def end_block(blas, plan, n_trials, state, desk):
    """Put the changes of all trials of a block into weights and biases."""
    one = desk.dtype.type(1)
    for layer in range(plan.shape[0]):
        pre, post, kept = plan[layer, at.PRE], plan[layer, at.POST], plan[layer, at.KEPT]
        weights, turned, rates = plan[layer, at.WEIGHTS], plan[layer, at.TURNED], plan[layer, at.RATES]
        gather(blas, turned, n_trials, post, pre, one, desk, kept, desk, rates, one, state, weights)
        if plan[layer, at.BIAS] >= 0:
            bias = piece(state, plan[layer, at.BIAS], post)
            for start in range(kept, kept + n_trials * post, post):
                change = piece(desk, start, post)
                for unit in range(post):
                    bias[unit] += change[unit]
