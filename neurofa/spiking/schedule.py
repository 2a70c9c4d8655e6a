"""Trials as bins of time, and spike counts as rates; rate networks as spiking ones, and back."""

from collections.abc import Mapping

import numpy as np

from neurofa.networks import Layer, Network
from neurofa.rules.names import Choices
from neurofa.spiking.architecture import Architecture
from neurofa.spiking.equations import at_every_update
from neurofa.spiking.neurons import Calibration, calibrate
from neurofa.spiking_settings import SpikingSettings

#: bins that a call is made for, about: long enough that starting it costs little, short enough to hold in memory
_BINS = 800


def calibration(settings: SpikingSettings) -> Calibration:
    """
    The f-I map of a protocol's neurons.

    Parameters
    ----------
    settings : SpikingSettings
        How they spike.

    Returns
    -------
    Calibration
        Fitted once per process.
    """
    own = settings
    return calibrate(own.hz_per_unit, own.membrane_ms / 1000, own.membrane_noise, own.time_step_ms / 1000)


def architecture_of(
    network: Network,
    settings: SpikingSettings,
    choices: Choices | None = None,
    batch_size: int = 1,
    homeostasis: bool = False,
) -> Architecture:
    """
    The spiking network that stands for a rate network.

    Parameters
    ----------
    network : Network
        The rate networks.
    settings : SpikingSettings
        How they spike.
    choices : Choices, optional
        How they learn; None = they do not.
    batch_size : int, optional
        Trials of an update.
    homeostasis : bool, optional
        Whether thresholds move while they learn.

    Returns
    -------
    Architecture
        The same for all animals.
    """
    fit = calibration(settings)
    constants = {
        "rho": settings.hz_per_unit,
        "rho_e": settings.error_hz,
        "sigma": settings.membrane_noise,
        "J0": fit.J0,
        "kJ": fit.kJ,
        "tau_m": settings.membrane_ms / 1000,
        "tau_s": settings.synapse_ms / 1000,
        "tau_slope": settings.slope_ms / 1000,
        "tau_e": settings.readout_ms / 1000,
        "tau_u": settings.apical_ms / 1000,
    }
    learns = choices is not None
    trial = settings.bins("trial_ms" if learns else "probe_ms")
    feedback, update_bins = "fixed", 0
    if choices is not None:
        feedback = _feedback(choices)
        update_bins = batch_size * trial if at_every_update(feedback) else 0
    unit = update_bins or trial
    return Architecture(
        sizes=(network.layers[0].weights.shape[2], *(layer.weights.shape[1] for layer in network.layers)),
        learns=learns,
        pathway=choices.pathway if choices else "layerwise",
        feedback=feedback,
        teaches_error=choices is None or choices.teaching_signal == "error",
        slope=choices.slope if choices else "derivative",
        inputs=settings.inputs,
        error=settings.error if learns else "graded",
        biases=learns and network.layers[0].bias is not None,
        homeostasis=homeostasis and network.layers[0].threshold is not None,
        spike_times=settings.spike_times and not learns,
        time_step_ms=settings.time_step_ms,
        bin_ms=settings.bin_ms,
        n_bins=unit * max(1, _BINS // unit),
        update_bins=update_bins,
        constants=tuple(sorted(constants.items())),
    )


def _feedback(choices: Choices) -> str:
    """Kind of feedback weights, as the architecture names them."""
    if choices.feedback_weights == "noisy":
        return f"noisy_{choices.noise_kind}"
    if choices.feedback_weights == "sign" and choices.sign_magnitudes == "batch":
        return "sign_batch"
    return choices.feedback_weights


def gains(layer: Layer) -> np.ndarray:
    """
    Gains of the units of one animal.

    Parameters
    ----------
    layer : Layer
        Of one animal.

    Returns
    -------
    numpy.ndarray
        (unit,), float64; 1 without gains.
    """
    gain = np.ones(layer.weights.shape[1])
    for factor in (layer.gain, layer.output_gain):
        gain = gain if factor is None else gain * factor[0].cpu().numpy().astype(np.float64)
    return gain


def folded(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """
    Weights and biases of a unit without gain and threshold that fires as the layer's units do.

    gain f(W r + b - threshold + excitability sd) = f(gain W r + gain (b - threshold + excitability sd)) for f = relu.

    Parameters
    ----------
    layer : Layer
        Of one animal.

    Returns
    -------
    tuple of numpy.ndarray
        Weights (post, pre) and biases (post,), float64.
    """
    gain = gains(layer)
    shift = np.zeros_like(gain)
    if layer.bias is not None:
        shift += layer.bias[0].cpu().numpy()
    if layer.threshold is not None:
        shift -= layer.threshold[0].cpu().numpy()
    if layer.excitability is not None:
        shift += (layer.excitability * layer.drive_sd())[0].cpu().numpy()
    return gain[:, None] * layer.weights[0].cpu().numpy().astype(np.float64), gain * shift


def in_bins(values: np.ndarray, settings: SpikingSettings, trial: str, n_bins: int) -> np.ndarray:
    """
    Values per trial as values per bin.

    Parameters
    ----------
    values : numpy.ndarray
        (trial, ...).
    settings : SpikingSettings
        How long a trial is.
    trial : str
        ``"trial_ms"`` or ``"probe_ms"``.
    n_bins : int
        Bins in all; what follows the last trial is 0.

    Returns
    -------
    numpy.ndarray
        (bin, ...).
    """
    spread = np.repeat(values, settings.bins(trial), axis=0)
    whole = np.zeros((n_bins, *values.shape[1:]))
    whole[: len(spread)] = spread
    return whole


def per_trial(results: Mapping[str, np.ndarray], layer: int, bins: int) -> np.ndarray:
    """
    Spikes in every bin of every trial.

    Parameters
    ----------
    results : mapping of str to numpy.ndarray
        Of a call.
    layer : int
        From the first hidden layer, 0, to the readout.
    bins : int
        Of a trial.

    Returns
    -------
    numpy.ndarray
        (trial, bin, unit): counts.
    """
    counts = np.diff(results[f"count {layer}"], axis=0)
    return counts.reshape(-1, bins, counts.shape[1])


def baseline(settings: SpikingSettings, targets: np.ndarray) -> float:
    """
    Rate of the readout for an output of 0: it must stay above 0 for the lowest target.

    Parameters
    ----------
    settings : SpikingSettings
        Its value for targets from 0 on.
    targets : numpy.ndarray
        (stimulus, output).

    Returns
    -------
    float
        In units of the rates.
    """
    return settings.baseline + max(0.0, -float(targets.min()))
