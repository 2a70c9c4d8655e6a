"""The f-I map: how a noisy leaky integrate-and-fire neuron must be driven to fire like a rectified linear unit."""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import least_squares

#: activations over which the map is fitted: most units stay below 2, the most active ones of the shipped protocols
#: reach 7; not closer to one spike per time step, where every neuron ends, than this share of it
LOWEST, HIGHEST, SHARE_OF_FASTEST = -1.0, 6.0, 0.75
#: copies of a neuron, the seconds that it is simulated for, and the seconds before anything is counted
_COPIES, _SECONDS, _SETTLING = 60, 2.0, 0.2


class Calibration(NamedTuple):
    """
    The map from an activation to the drive of a neuron: J0 + kJ a.

    Attributes
    ----------
    J0, kJ : float
        Drive at activation 0, and per unit of activation, in units of the threshold.
    rms_hz : float
        Root mean square difference between the rate and rho max(a, 0) over the fitted activations, Hz.
    highest_hz : float
        Rate up to which it was fitted, Hz.
    """

    J0: float
    kJ: float
    rms_hz: float
    highest_hz: float


@cache
def calibrate(rho: float, tau_m: float, sigma: float, dt: float) -> Calibration:
    """
    Fit the f-I map of a neuron with membrane noise that is reset by subtraction.

    Parameters
    ----------
    rho : float
        Spikes per second per unit of activation, Hz.
    tau_m : float
        Membrane time constant, s.
    sigma : float
        Standard deviation of the membrane noise, in units of the threshold.
    dt : float
        Time step, s.

    Returns
    -------
    Calibration
        The same in every process.
    """
    most = min(HIGHEST, SHARE_OF_FASTEST / (rho * dt))
    lowest, highest = 0.5 + rho * tau_m * LOWEST, 1.0 + rho * tau_m * most * 1.1
    drive = np.union1d(np.linspace(max(lowest, -1.0), 1.5, 40), np.linspace(1.5, max(highest, 2.0), 25))
    rate = PchipInterpolator(drive, firing_rate(drive, tau_m, sigma, dt))
    activation = np.linspace(LOWEST, most, 281)
    wanted = rho * np.maximum(activation, 0)

    def miss(numbers: np.ndarray) -> np.ndarray:
        given = np.clip(numbers[0] + numbers[1] * activation, drive[0], drive[-1])
        difference: np.ndarray = rate(given) - wanted
        return difference

    found = least_squares(miss, [0.6, rho * tau_m], diff_step=1e-3)
    return Calibration(float(found.x[0]), float(found.x[1]), float(np.sqrt(np.mean(found.fun**2))), rho * most)


def firing_rate(drive: np.ndarray, tau_m: float, sigma: float, dt: float) -> np.ndarray:
    """
    Simulate neurons at constant drives, by Euler's method as the network does.

    Parameters
    ----------
    drive : numpy.ndarray
        (neuron,): in units of the threshold.
    tau_m, sigma, dt : float
        See `calibrate`.

    Returns
    -------
    numpy.ndarray
        (neuron,): mean rate, Hz.
    """
    generator = np.random.default_rng(0)
    potential = np.zeros((_COPIES, len(drive)))
    spikes = np.zeros(len(drive))
    settling, steps = round(_SETTLING / dt), round(_SECONDS / dt)
    for step in range(settling + steps):
        noise = generator.standard_normal(potential.shape)
        potential += (drive - potential) * (dt / tau_m) + sigma * np.sqrt(2 * dt / tau_m) * noise
        fired = potential > 1
        potential -= fired
        if step >= settling:
            spikes += fired.sum(0)
    return spikes / (_COPIES * steps * dt)
