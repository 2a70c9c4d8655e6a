"""Where tensors live."""

import torch

from neurofa.errors import ConfigError


def available_device(name: str) -> torch.device:
    """
    Look up a device.

    Parameters
    ----------
    name : str
        For example ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    torch.device
        One that is there.

    Raises
    ------
    ConfigError
        Where it is not.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"engine.device '{name}' is not available here; use cpu, or install torch for that device"
        ) from error
    return device
