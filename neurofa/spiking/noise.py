"""
Noise of the membranes: a function of seed, layer, unit and time step, the same in numpy and in C++.

Nothing is kept from one number to the next, so that a compiler works out those of many units at once: a generator of
normal numbers took half of the time of a network. Bits are those of SplitMix64 (Steele, Lea & Flood 2014,
10.1145/2660193.2660195) at a place of its sequence; four pieces of 16 bits are added up, which makes the sum nearly a
normal number; over the time constant of a membrane some twenty of these are added up again.
"""

import numpy as np

#: multipliers of SplitMix64, and how far its state moves at every number
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
#: mean of the sum of four numbers from 0 to 65535, and 1 / its standard deviation
_MEAN, _SCALE = 131070.0, float(np.sqrt(3 / (65536.0**2 - 1)))

#: the same in C++
IN_C = f"""
static inline uint64_t neurofa_mixed(uint64_t z) {{
    z = (z ^ (z >> 30)) * {_FIRST:#x}ULL;
    z = (z ^ (z >> 27)) * {_SECOND:#x}ULL;
    return z ^ (z >> 31);
}}
static inline double membrane_noise(int64_t step, int64_t unit, int64_t seed, int64_t layer) {{
    const uint64_t start = neurofa_mixed(((uint64_t)seed << 16 | (uint64_t)layer) * {_STEP:#x}ULL);
    const uint64_t z = neurofa_mixed(start + ((uint64_t)step << 24 | (uint64_t)unit) * {_STEP:#x}ULL);
    const int32_t sum = (int32_t)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48));
    return ((double)sum - {_MEAN!r}) * {_SCALE!r};
}}
"""


def membrane_noise(step: np.ndarray, unit: np.ndarray, seed: np.ndarray, layer: int) -> np.ndarray:
    """
    Independent numbers of mean 0 and variance 1, near normal (excess kurtosis -0.3).

    Parameters
    ----------
    step, unit, seed : numpy.ndarray of int
        Broadcast against each other: of time, from 0; of the layer, from 0 to 2**24 - 1; of the call, from 0 on.
    layer : int
        From 0 to 2**16 - 1.

    Returns
    -------
    numpy.ndarray
        In the shape that the three have together, at least one-dimensional.
    """
    times, units, seeds = (np.atleast_1d(np.asarray(values)).astype(np.uint64) for values in (step, unit, seed))
    start = _mixed((seeds << np.uint64(16) | np.uint64(layer)) * np.uint64(_STEP))
    bits = _mixed(start + (times << np.uint64(24) | units) * np.uint64(_STEP))
    total = sum((bits >> np.uint64(16 * piece) & np.uint64(0xFFFF)).astype(np.float64) for piece in range(4))
    return (np.asarray(total) - _MEAN) * _SCALE


def _mixed(state: np.ndarray) -> np.ndarray:
    """Scramble 64 bits; multiplication wraps around."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND)
    mixed: np.ndarray = state ^ (state >> np.uint64(31))
    return mixed
