"""Compiled: from stimuli to rates, and what the drive alone changes (running moments, thresholds)."""

import math

import numpy as np
from numba import types
from numba.extending import overload

from neurofa.compiled import layout as at
from neurofa.compiled.compiling import compiled
from neurofa.compiled.products import onward

#: rational approximation of tanh in single precision, odd over even: a few units in the last place (Eigen, ptanh_float)
_ODD = tuple(
    np.float32(value)
    for value in (
        -2.76076847742355e-16,
        2.00018790482477e-13,
        -8.60467152213735e-11,
        5.12229709037114e-08,
        1.48572235717979e-05,
        6.37261928875436e-04,
        4.89352455891786e-03,
    )
)
_EVEN = tuple(
    np.float32(value)
    for value in (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
)
#: where the approximation reaches 1
_SATURATED = np.float32(7.90531110763549805)
#: beyond this softplus is its input, as in torch
_LINEAR = 20


def tanh(value):
    """Hyperbolic tangent; in single precision of many numbers at a time."""
    raise NotImplementedError("for compiled functions only")


@overload(tanh)
def _tanh_of(value):
    """Tell numba what `tanh` is; not annotated, as numba compares signatures."""
    if value == types.float64:
        return lambda value: math.tanh(value)
    return _single_tanh


def _single_tanh(value):
    """Rational approximation; what is not a number stays so."""
    x = _SATURATED if value > _SATURATED else (-_SATURATED if value < -_SATURATED else value)
    s = x * x
    odd = ((((((_ODD[0] * s + _ODD[1]) * s + _ODD[2]) * s + _ODD[3]) * s + _ODD[4]) * s + _ODD[5]) * s + _ODD[6]) * x
    even = ((_EVEN[0] * s + _EVEN[1]) * s + _EVEN[2]) * s + _EVEN[3]
    return odd / even


@compiled
def spread_of_drive(plan, layer, state, desk):
    """Put the standard deviation of the drive over stimuli on the desk, from the running moments."""
    post, start = plan[layer, at.POST], plan[layer, at.SPREAD]
    mean, square = plan[layer, at.DRIVE_MEAN], plan[layer, at.DRIVE_SQUARE]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    if mean < 0 or square < 0:
        for unit in range(post):
            desk[start + unit] = one
        return
    for unit in range(post):
        variance = state[square + unit] - state[mean + unit] * state[mean + unit]
        desk[start + unit] = zero if variance < zero else variance
    for unit in range(post):
        desk[start + unit] = np.sqrt(desk[start + unit])


@compiled
def prepare(plan, layer, state, desk):
    """Put on the desk what is added to the drive of every unit, and what its rates are multiplied by."""
    post, shift, scale = plan[layer, at.POST], plan[layer, at.SHIFT], plan[layer, at.SCALE]
    threshold, gain, own = plan[layer, at.THRESHOLD], plan[layer, at.GAIN], plan[layer, at.OUTPUT_GAIN]
    excitability = plan[layer, at.EXCITABILITY]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    for unit in range(post):
        desk[shift + unit] = -state[threshold + unit] if threshold >= 0 else zero
        desk[scale + unit] = state[gain + unit] if gain >= 0 else one
    if own >= 0:
        for unit in range(post):
            desk[scale + unit] *= state[own]
    if excitability >= 0:
        spread_of_drive(plan, layer, state, desk)
        spread = plan[layer, at.SPREAD]
        for unit in range(post):
            desk[shift + unit] += state[excitability + unit] * desk[spread + unit]


@compiled
def drive_layer(blas, plan, common, layer, n_trials, state, desk):
    """Drive of a layer, from its inputs on the desk: W r + b."""
    pre, post, drive, bias = plan[layer, at.PRE], plan[layer, at.POST], plan[layer, at.DRIVE], plan[layer, at.BIAS]
    if layer == 0 and common[at.PRIVATE]:
        for place in range(n_trials * post):
            desk[drive + place] = state[plan[layer, at.WEIGHTS] + place]
        return
    beta = desk.dtype.type(0)
    if bias >= 0:
        beta = desk.dtype.type(1)
        for trial in range(n_trials):
            for unit in range(post):
                desk[drive + trial * post + unit] = state[bias + unit]
    onward(
        blas,
        plan[layer, at.TURNED],
        n_trials,
        post,
        pre,
        desk,
        plan[layer, at.RATES],
        state,
        plan[layer, at.WEIGHTS],
        beta,
        desk,
        drive,
    )


@compiled
def activate(plan, common, layer, n_trials, desk):
    """Activation and slope of a hidden layer from its drive, and rates as the inputs of the layer above."""
    post, drive, value = plan[layer, at.POST], plan[layer, at.DRIVE], plan[layer, at.VALUE]
    slope, rates = plan[layer, at.SLOPE], plan[layer + 1, at.RATES]
    shift, scale, kind = plan[layer, at.SHIFT], plan[layer, at.SCALE], common[at.ACTIVATION]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    linear = desk.dtype.type(_LINEAR)
    for trial in range(0, n_trials * post, post):
        d, v, s, r = drive + trial, value + trial, slope + trial, rates + trial
        if kind == at.TANH:
            for unit in range(post):
                y = tanh(desk[d + unit] + desk[shift + unit])
                desk[v + unit] = y
                desk[s + unit] = (one - y * y) * desk[scale + unit]
                desk[r + unit] = y * desk[scale + unit]
        elif kind == at.RELU:
            for unit in range(post):
                x = desk[d + unit] + desk[shift + unit]
                # what is not a number stays so
                y = zero if x < zero else x
                desk[v + unit] = y
                desk[s + unit] = desk[scale + unit] if x > zero else zero
                desk[r + unit] = y * desk[scale + unit]
        elif kind == at.SOFTPLUS:
            for unit in range(post):
                x = desk[d + unit] + desk[shift + unit]
                y = x if x > linear else np.log1p(np.exp(x))
                desk[v + unit] = y
                desk[s + unit] = desk[scale + unit] / (one + np.exp(-x))
                desk[r + unit] = y * desk[scale + unit]
        else:
            for unit in range(post):
                y = desk[d + unit] + desk[shift + unit]
                desk[v + unit] = y
                desk[s + unit] = desk[scale + unit]
                desk[r + unit] = y * desk[scale + unit]
        if common[at.ONE_AS_SLOPE]:
            for unit in range(post):
                desk[s + unit] = desk[scale + unit]


@compiled
def follow_drive(plan, layer, n_trials, state, numbers, desk):
    """Running moments of the drive, then thresholds: see `neurofa.networks.homeostasis`."""
    post, drive = plan[layer, at.POST], plan[layer, at.DRIVE]
    mean, square = plan[layer, at.DRIVE_MEAN], plan[layer, at.DRIVE_SQUARE]
    weight = numbers[at.MOMENT_WEIGHT]
    if mean >= 0 and square >= 0:
        if n_trials == 1:
            for unit in range(post):
                d = desk[drive + unit]
                state[mean + unit] += weight * (d - state[mean + unit])
                state[square + unit] += weight * (d * d - state[square + unit])
        else:
            _follow_many(plan, layer, n_trials, state, weight, desk)
    if plan[layer, at.THRESHOLD] >= 0 and plan[layer, at.TARGET_ACTIVE] >= 0:
        _regulate(plan, layer, n_trials, state, numbers, desk)


@compiled
def _follow_many(plan, layer, n_trials, state, weight, desk):
    """Running moments from the mean over trials; where shift and scale stood on the desk, sums stand now."""
    post, drive = plan[layer, at.POST], plan[layer, at.DRIVE]
    mean, square = plan[layer, at.DRIVE_MEAN], plan[layer, at.DRIVE_SQUARE]
    first, second = plan[layer, at.SHIFT], plan[layer, at.SCALE]
    zero = desk.dtype.type(0)
    share = desk.dtype.type(1) / desk.dtype.type(n_trials)
    for unit in range(post):
        desk[first + unit] = zero
        desk[second + unit] = zero
    for trial in range(drive, drive + n_trials * post, post):
        for unit in range(post):
            d = desk[trial + unit]
            desk[first + unit] += d
            desk[second + unit] += d * d
    for unit in range(post):
        state[mean + unit] += weight * (desk[first + unit] * share - state[mean + unit])
        state[square + unit] += weight * (desk[second + unit] * share - state[square + unit])


@compiled
def _regulate(plan, layer, n_trials, state, numbers, desk):
    """Move thresholds towards the active fraction that homeostasis wants."""
    post, drive, threshold = plan[layer, at.POST], plan[layer, at.DRIVE], plan[layer, at.THRESHOLD]
    wanted, spread, active = plan[layer, at.TARGET_ACTIVE], plan[layer, at.SPREAD], plan[layer, at.SHIFT]
    rate, smallest = numbers[at.HOMEOSTASIS_RATE], numbers[at.SMALLEST_FRACTION]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    share = one / desk.dtype.type(n_trials)
    spread_of_drive(plan, layer, state, desk)
    typical = zero
    for unit in range(post):
        typical += desk[spread + unit]
        desk[active + unit] = zero
    typical /= desk.dtype.type(post)
    for trial in range(drive, drive + n_trials * post, post):
        for unit in range(post):
            desk[active + unit] += one if desk[trial + unit] > state[threshold + unit] else zero
    for unit in range(post):
        fraction = state[wanted + unit]
        excess = (desk[active + unit] * share - fraction) / (smallest if fraction < smallest else fraction)
        size = typical if desk[spread + unit] < typical else desk[spread + unit]
        state[threshold + unit] += rate * size * excess
