"""Threshold homeostasis: every unit is kept active for its own fraction of the stimuli."""

from torch import Tensor

from neurofa.networks.feedforward import Layer

#: units that should almost never be active do not move faster than those active for this fraction of stimuli
SMALLEST_FRACTION = 0.03


def follow_drive(layer: Layer, drive: Tensor, weight: float) -> None:
    """
    Update the running moments of the drive.

    Parameters
    ----------
    layer : Layer
        Changed in place.
    drive : torch.Tensor
        (animal, trial, unit).
    weight : float
        Weight of the new trials, 0 to 1.
    """
    if layer.drive_mean is None or layer.drive_square is None:
        return
    layer.drive_mean.lerp_(drive.mean(1), weight)
    layer.drive_square.lerp_(drive.square().mean(1), weight)


def regulate_thresholds(layer: Layer, drive: Tensor, rate: Tensor) -> None:
    """
    Move thresholds towards the target active fraction p: th += rate s (mean(d > th) - p) / max(p, 0.03).

    s is the sd of the unit's drive, or the mean sd over the layer where that is larger: a unit that is silent learns
    nothing, so its weights decay, and a step in proportion to its own shrinking drive would never wake it up again.

    Parameters
    ----------
    layer : Layer
        Changed in place; nothing happens without a target.
    drive : torch.Tensor
        (animal, trial, unit): before the threshold.
    rate : torch.Tensor
        (animal, 1): per update.
    """
    if layer.threshold is None or layer.target_active is None:
        return
    active = (drive > layer.threshold.unsqueeze(1)).to(drive.dtype).mean(1)
    excess = (active - layer.target_active) / layer.target_active.clamp_min(SMALLEST_FRACTION)
    spread = layer.drive_sd()
    layer.threshold += rate * spread.maximum(spread.mean(1, keepdim=True)) * excess
