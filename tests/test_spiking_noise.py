"""Noise of the membranes: independent over steps, units, layers and seeds; near normal; bits of SplitMix64."""

import numpy as np
import pytest
from scipy import stats

from neurofa.spiking.noise import membrane_noise

STEPS, UNITS = np.arange(400)[:, None], np.arange(300)[None]


def correlation(first, second):
    """Of two arrays of equal shape."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def test_moments_are_those_of_four_uniform_numbers():
    drawn = membrane_noise(STEPS, UNITS, 5, 0)
    assert drawn.shape == (400, 300)
    error = drawn.size**-0.5
    assert abs(drawn.mean()) < 4 * error
    assert drawn.var() == pytest.approx(1, abs=6 * error)
    assert stats.skew(drawn.ravel()) == pytest.approx(0, abs=10 * error)
    assert stats.kurtosis(drawn.ravel()) == pytest.approx(-0.3, abs=20 * error)


def test_numbers_are_independent_and_equal_only_for_all_equal():
    drawn = membrane_noise(STEPS, UNITS, 5, 0)
    error = drawn.size**-0.5
    for other in (
        membrane_noise(STEPS, UNITS, 6, 0),
        membrane_noise(STEPS, UNITS, 5, 1),
        membrane_noise(STEPS + 1, UNITS, 5, 0),
        membrane_noise(STEPS, UNITS + 1, 5, 0),
    ):
        assert abs(correlation(drawn, other)) < 4 * error
    assert np.unique(drawn).size > drawn.size / 3
    np.testing.assert_array_equal(drawn, membrane_noise(STEPS, UNITS, 5, 0))
    # neighbours in time of one unit, and the same step read as the next one: the measure sees what is shared
    np.testing.assert_array_equal(drawn[1:], membrane_noise(STEPS + 1, UNITS, 5, 0)[:-1])


def test_membranes_see_a_normal_process():
    drawn = membrane_noise(np.arange(4000)[:, None], UNITS, 1, 0)
    potential, kept = np.zeros(UNITS.size), []
    for step, noise in enumerate(drawn):
        potential += -potential / 20 + np.sqrt(2 / 20) * noise
        if step % 100 == 99:
            kept.append(potential.copy())
    settled = np.concatenate(kept[1:])
    # Euler's method: variance 1 / (1 - dt / (2 tau))
    assert settled.var() == pytest.approx(1 / (1 - 1 / 40), rel=0.04)
    assert stats.kurtosis(settled) == pytest.approx(0, abs=0.12)
    normal = stats.norm.cdf(settled / settled.std())
    assert stats.kstest(normal, "uniform").pvalue > 1e-3


def test_bits_are_those_of_splitmix():
    # SplitMix64 from state 0: its first number, by Python's own integers
    whole = 2**64 - 1

    def mixed(state):
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & whole
        state = (state ^ state >> 27) * 0x94D049BB133111EB & whole
        return state ^ state >> 31

    assert mixed(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF
    start = mixed((7 << 16 | 2) * 0x9E3779B97F4A7C15 & whole)
    bits = mixed(start + (3 << 24 | 4) * 0x9E3779B97F4A7C15 & whole)
    total = sum(bits >> 16 * piece & 0xFFFF for piece in range(4))
    expected = (total - 131070) / np.sqrt((65536**2 - 1) / 3)
    assert membrane_noise(3, 4, 7, 2)[0] == pytest.approx(expected, rel=1e-14)
