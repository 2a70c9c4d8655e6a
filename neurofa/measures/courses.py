"""From a recording to courses of learning: what was monitored at every recorded session, against updates so far."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from neurofa.errors import RecordingError

if TYPE_CHECKING:
    import xarray as xr

#: names of ``record.monitors`` to the variables of the group ``/learning`` that they make
MONITORS: Mapping[str, tuple[str, ...]] = {
    "performance": ("accuracy", "held_out_accuracy"),
    "readout": (
        "fixed_readout_mse",
        "fixed_readout_r2",
        "best_readout_mse",
        "best_readout_r2",
        "best_readout_accuracy",
    ),
    "information": ("target_information_gaussian", "target_information_binned", "target_information_binned_ceiling"),
    "alignment": ("angle_to_bp_deg", "angle_weights_feedback_deg"),
    "predictive_coding": (
        "feedback_pc_cosine",
        "feedback_pc_cosine_null",
        "feedback_pc_cosine_null_sd",
        "feedback_pc_cosine_ceiling",
        "feedback_bp_cosine",
        "feedback_pc_explained_variance",
        "feedback_pc_gain",
        "feedback_pc_gain_ratio",
        "feedback_pc_linear_cka",
        "feedback_pc_unit_correlation",
    ),
}


def courses_of_learning(
    recording: "xr.DataTree", monitors: Sequence[str], optional: Sequence[str] = ()
) -> "xr.Dataset":
    """
    What was monitored while the animals learned, step by step.

    Parameters
    ----------
    recording : xarray.DataTree
        Of simulated animals whose protocol names the monitors in ``record.monitors``.
    monitors, optional : sequence of str
        Keys of `MONITORS`: those that must be there, and those that are taken along where they are.

    Returns
    -------
    xarray.Dataset
        Their variables on (animal, layer, step) or (animal, step), coordinates animal, layer and step, the last as
        `steps_of_learning` gives it. Gaps: NaN where an animal had no session, or was stopped.

    Raises
    ------
    RecordingError
        Where a monitor is missing; it says what to put into ``record.monitors``.
    """
    learning = recording["learning"].to_dataset() if "learning" in recording.children else None
    there = set() if learning is None else {str(name) for name in learning.data_vars}
    for monitor in monitors:
        missing = [name for name in MONITORS[monitor] if name not in there]
        if missing:
            raise RecordingError(
                f"the recording has no '{missing[0]}' in its group 'learning'; "
                f'put "{monitor}" into record.monitors of the protocol and run it again'
            )
    wanted = [name for monitor in (*monitors, *optional) for name in MONITORS[monitor] if name in there]
    found = recording["learning"].to_dataset()[wanted].reset_coords(drop=True).astype(np.float64)
    found = found.drop_vars("session", errors="ignore").rename(session="step")
    animals = recording["probe"].to_dataset()["animal"].values
    found = found.assign_coords(animal=animals, step=steps_of_learning(recording))
    return found.transpose("animal", "layer", "step", missing_dims="ignore")


def steps_of_learning(recording: "xr.DataTree") -> "xr.DataArray":
    """
    Number the recorded sessions by what the animals had learned.

    Parameters
    ----------
    recording : xarray.DataTree
        Of simulated animals.

    Returns
    -------
    xarray.DataArray
        (step,): updates so far where these are the same in all animals and grow from session to session, else the
        numbers of the sessions; ``long_name`` says which.
    """
    import xarray as xr

    steps, long_name = np.arange(recording["probe"].sizes["session"]), "session"
    if "learning" in recording.children and "updates" in recording["learning"].variables:
        updates = recording["learning"]["updates"].transpose("animal", "session").values
        if (updates == updates[:1]).all() and (np.diff(updates[0]) > 0).all():
            steps, long_name = updates[0].astype(np.int64), "updates"
    return xr.DataArray(steps, dims="step", attrs={"long_name": long_name, "units": "1"})
