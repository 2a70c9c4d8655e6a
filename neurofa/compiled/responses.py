"""Compiled: from stimuli to rates, and what the drive alone changes (running moments, thresholds)."""

import math

import numpy as np
from numba import types
from numba.extending import overload

from neurofa.compiled import layout as at
from neurofa.compiled.compiling import compiled, copy, fill, piece
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
    post = plan[layer, at.POST]
    spread = piece(desk, plan[layer, at.SPREAD], post)
    zero = desk.dtype.type(0)
    if plan[layer, at.DRIVE_MEAN] < 0 or plan[layer, at.DRIVE_SQUARE] < 0:
        fill(desk.dtype.type(1), spread)
        return
    mean, square = piece(state, plan[layer, at.DRIVE_MEAN], post), piece(state, plan[layer, at.DRIVE_SQUARE], post)
    for unit in range(post):
        variance = square[unit] - mean[unit] * mean[unit]
        spread[unit] = np.sqrt(zero if variance < zero else variance)


@compiled
def prepare(plan, layer, state, desk):
    """Put on the desk what is added to the drive of every unit, and what its rates are multiplied by."""
    post = plan[layer, at.POST]
    shift, scale = piece(desk, plan[layer, at.SHIFT], post), piece(desk, plan[layer, at.SCALE], post)
    if plan[layer, at.THRESHOLD] >= 0:
        threshold = piece(state, plan[layer, at.THRESHOLD], post)
        for unit in range(post):
            shift[unit] = -threshold[unit]
    else:
        fill(desk.dtype.type(0), shift)
    if plan[layer, at.GAIN] >= 0:
        copy(piece(state, plan[layer, at.GAIN], post), scale)
    else:
        fill(desk.dtype.type(1), scale)
    if plan[layer, at.OUTPUT_GAIN] >= 0:
        own = state[plan[layer, at.OUTPUT_GAIN]]
        for unit in range(post):
            scale[unit] *= own
    if plan[layer, at.EXCITABILITY] >= 0:
        spread_of_drive(plan, layer, state, desk)
        excitability = piece(state, plan[layer, at.EXCITABILITY], post)
        spread = piece(desk, plan[layer, at.SPREAD], post)
        for unit in range(post):
            shift[unit] += excitability[unit] * spread[unit]


@compiled
def drive_layer(blas, plan, common, layer, n_trials, state, desk):
    """Drive of a layer, from its inputs on the desk: W r + b."""
    pre, post, drive = plan[layer, at.PRE], plan[layer, at.POST], plan[layer, at.DRIVE]
    weights, turned, rates = plan[layer, at.WEIGHTS], plan[layer, at.TURNED], plan[layer, at.RATES]
    if layer == 0 and common[at.PRIVATE]:
        copy(piece(state, weights, n_trials * post), piece(desk, drive, n_trials * post))
        return
    beta = desk.dtype.type(0)
    if plan[layer, at.BIAS] >= 0:
        beta = desk.dtype.type(1)
        bias = piece(state, plan[layer, at.BIAS], post)
        for start in range(drive, drive + n_trials * post, post):
            copy(bias, piece(desk, start, post))
    onward(blas, turned, n_trials, post, pre, desk, rates, state, weights, beta, desk, drive)


@compiled
def activate(plan, common, layer, n_trials, desk):
    """Activation and slope of a hidden layer from its drive, and rates as the inputs of the layer above."""
    post = plan[layer, at.POST]
    shift, scale = piece(desk, plan[layer, at.SHIFT], post), piece(desk, plan[layer, at.SCALE], post)
    for start in range(0, n_trials * post, post):
        given = piece(desk, plan[layer, at.DRIVE] + start, post)
        value = piece(desk, plan[layer, at.VALUE] + start, post)
        slope = piece(desk, plan[layer, at.SLOPE] + start, post)
        rate = piece(desk, plan[layer + 1, at.RATES] + start, post)
        _values_and_slopes(common[at.ACTIVATION], given, shift, value, slope)
        if common[at.ONE_AS_SLOPE]:
            copy(scale, slope)
        else:
            for unit in range(post):
                slope[unit] *= scale[unit]
        for unit in range(post):
            rate[unit] = value[unit] * scale[unit]


@compiled
def _values_and_slopes(kind, given, shift, value, slope):
    """Activation of every unit, and its derivative."""
    zero, one, linear = given.dtype.type(0), given.dtype.type(1), given.dtype.type(_LINEAR)
    n_units = given.shape[0]
    if kind == at.TANH:
        for unit in range(n_units):
            y = tanh(given[unit] + shift[unit])
            value[unit] = y
            slope[unit] = one - y * y
    elif kind == at.RELU:
        for unit in range(n_units):
            x = given[unit] + shift[unit]
            # what is not a number stays so
            value[unit] = zero if x < zero else x
            slope[unit] = one if x > zero else zero
    elif kind == at.SOFTPLUS:
        for unit in range(n_units):
            x = given[unit] + shift[unit]
            value[unit] = x if x > linear else np.log1p(np.exp(x))
            slope[unit] = one / (one + np.exp(-x))
    else:
        for unit in range(n_units):
            value[unit] = given[unit] + shift[unit]
            slope[unit] = one


@compiled
def follow_drive(plan, layer, n_trials, state, numbers, desk):
    """Running moments of the drive, then thresholds: see `neurofa.networks.homeostasis`."""
    post = plan[layer, at.POST]
    if plan[layer, at.DRIVE_MEAN] >= 0 and plan[layer, at.DRIVE_SQUARE] >= 0:
        mean, square = piece(state, plan[layer, at.DRIVE_MEAN], post), piece(state, plan[layer, at.DRIVE_SQUARE], post)
        weight = numbers[at.MOMENT_WEIGHT]
        if n_trials == 1:
            drive = piece(desk, plan[layer, at.DRIVE], post)
            for unit in range(post):
                mean[unit] += weight * (drive[unit] - mean[unit])
                square[unit] += weight * (drive[unit] * drive[unit] - square[unit])
        else:
            _follow_many(plan, layer, n_trials, mean, square, weight, desk)
    if plan[layer, at.THRESHOLD] >= 0 and plan[layer, at.TARGET_ACTIVE] >= 0:
        _regulate(plan, layer, n_trials, state, numbers, desk)


@compiled
def _follow_many(plan, layer, n_trials, mean, square, weight, desk):
    """Running moments from the mean over trials; where shift and scale stood on the desk, sums stand now."""
    post, drive = plan[layer, at.POST], plan[layer, at.DRIVE]
    first, second = piece(desk, plan[layer, at.SHIFT], post), piece(desk, plan[layer, at.SCALE], post)
    share = desk.dtype.type(1) / desk.dtype.type(n_trials)
    fill(desk.dtype.type(0), first)
    fill(desk.dtype.type(0), second)
    for start in range(drive, drive + n_trials * post, post):
        given = piece(desk, start, post)
        for unit in range(post):
            first[unit] += given[unit]
            second[unit] += given[unit] * given[unit]
    for unit in range(post):
        mean[unit] += weight * (first[unit] * share - mean[unit])
        square[unit] += weight * (second[unit] * share - square[unit])


@compiled
def _regulate(plan, layer, n_trials, state, numbers, desk):
    """Move thresholds towards the active fraction that homeostasis wants."""
    post, drive = plan[layer, at.POST], plan[layer, at.DRIVE]
    threshold, wanted = piece(state, plan[layer, at.THRESHOLD], post), piece(state, plan[layer, at.TARGET_ACTIVE], post)
    spread, active = piece(desk, plan[layer, at.SPREAD], post), piece(desk, plan[layer, at.SHIFT], post)
    rate, smallest = numbers[at.HOMEOSTASIS_RATE], numbers[at.SMALLEST_FRACTION]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    share = one / desk.dtype.type(n_trials)
    spread_of_drive(plan, layer, state, desk)
    typical = zero
    for unit in range(post):
        typical += spread[unit]
    typical /= desk.dtype.type(post)
    fill(zero, active)
    for start in range(drive, drive + n_trials * post, post):
        given = piece(desk, start, post)
        for unit in range(post):
            active[unit] += one if given[unit] > threshold[unit] else zero
    for unit in range(post):
        fraction = wanted[unit]
        excess = (active[unit] * share - fraction) / (smallest if fraction < smallest else fraction)
        size = typical if spread[unit] < typical else spread[unit]
        threshold[unit] += rate * size * excess
