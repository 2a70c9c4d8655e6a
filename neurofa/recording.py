"""The one data format, for simulated and for recorded animals: an :class:`xarray.DataTree`, kept as zarr.

Group ``/probe`` holds what was recorded while nothing was learned; ``/learning`` the course of learning. Dimensions
are padded where animals differ in cells, repeats or sessions: what was not recorded is NaN in ``rate``, False in
``detected`` and 0 in ``duration``.
"""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurofa.errors import RecordingError

RECORDING_STORE = "recording.zarr"

#: dimensions and attributes of every variable of the group ``/probe``
PROBE_VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "rate": (("animal", "session", "stimulus", "repeat", "unit"), "observed rate", "Hz"),
    "true_rate": (("animal", "session", "stimulus", "unit"), "true rate in the session", "a.u."),
    "latent_rate": (("animal", "session", "stimulus", "unit"), "true rate without the session's input gains", "a.u."),
    "duration": (("animal", "session", "stimulus", "repeat"), "time recorded per stimulus and repeat", "s"),
    "detected": (("animal", "session", "unit"), "unit detected in the session", "1"),
    "output": (("animal", "session", "stimulus", "output_unit"), "output of the network", "a.u."),
    "correct": (("animal", "session", "stimulus"), "stimulus reported correctly by the animal's output", "1"),
    "spike_count": (
        ("animal", "session", "stimulus", "repeat", "unit", "spike_bin"),
        "spikes in bins of a trial",
        "1",
    ),
    "spike_time": (("animal", "session", "spike"), "time of each spike since the start of its trial", "s"),
    "spike_unit": (("animal", "session", "spike"), "number of the unit that fired it, -1 = no spike", "1"),
    "spike_stimulus": (("animal", "session", "spike"), "number of the stimulus that was shown, -1 = no spike", "1"),
    "spike_repeat": (("animal", "session", "spike"), "number of the repeat, -1 = no spike", "1"),
    "rate_network_rate": (
        ("animal", "session", "stimulus", "unit"),
        "rate of the rate network with the same weights",
        "a.u.",
    ),
    "rate_network_correct": (
        ("animal", "session", "stimulus"),
        "stimulus reported correctly by the rate network with the same weights",
        "1",
    ),
    "hz_per_unit": (("animal", "session"), "spikes per second per unit of a rate", "Hz"),
    "correct_in_time": (
        ("animal", "session", "stimulus"),
        "stimulus reported correctly if the output were read at that time",
        "1",
    ),
    "teaching_signal": (("animal", "session", "stimulus", "unit"), "teaching signal of the rule", "a.u."),
    "bp_signal": (("animal", "session", "stimulus", "unit"), "teaching signal of exact backpropagation", "a.u."),
}

#: what the monitor ``predictive_coding`` measures of what reaches the rates of a hidden layer: long name and unit
FEEDBACK_AGREEMENT: Mapping[str, tuple[str, str]] = {
    "feedback_pc_cosine": ("cosine of feedback to the predictive-coding error, mean over stimuli", "1"),
    "feedback_pc_cosine_null": ("the same of fresh random feedback, mean over draws", "1"),
    "feedback_pc_cosine_null_sd": ("the same of fresh random feedback, sd over draws", "1"),
    "feedback_pc_cosine_ceiling": ("the same of exact backpropagation", "1"),
    "feedback_bp_cosine": ("cosine of feedback to exact backpropagation, mean over stimuli", "1"),
    "feedback_pc_explained_variance": ("variance of the predictive-coding error that feedback explains", "1"),
    "feedback_pc_gain": ("gain with which feedback explains it", "1"),
    "feedback_pc_gain_ratio": ("size of feedback relative to the predictive-coding error", "1"),
    "feedback_pc_linear_cka": ("kernel alignment of feedback and predictive-coding error", "1"),
    "feedback_pc_unit_correlation": ("correlation of both over stimuli, mean over units", "1"),
}

#: the same for the group ``/learning``
LEARNING_VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "correct": (("animal", "session", "trial"), "fraction of stimuli reported correctly", "1"),
    "loss": (("animal", "session", "trial"), "loss per stimulus", "a.u."),
    "energy": (("animal", "session", "trial"), "energy of predictive coding per stimulus at its equilibrium", "a.u."),
    "inference_steps": (("animal", "session", "trial"), "steps of inference", "1"),
    "inference_converged": (("animal", "session", "trial"), "inference reached its tolerance", "1"),
    "accuracy": (("animal", "session"), "fraction of the learned stimuli reported correctly", "1"),
    "held_out_accuracy": (("animal", "session"), "fraction of the held-out stimuli reported correctly", "1"),
    "fixed_readout_mse": (("animal", "session"), "squared error of the network's own readout", "a.u.^2"),
    "fixed_readout_r2": (("animal", "session"), "R^2 of the network's own readout", "1"),
    "best_readout_mse": (("animal", "session", "layer"), "squared error of the best linear readout", "a.u.^2"),
    "best_readout_r2": (("animal", "session", "layer"), "R^2 of the best linear readout", "1"),
    "best_readout_accuracy": (
        ("animal", "session", "layer"),
        "fraction of stimuli that the best linear readout reports correctly",
        "1",
    ),
    "target_information_gaussian": (("animal", "session", "layer"), "information about the target, Gaussian", "bit"),
    "target_information_binned": (("animal", "session", "layer"), "information about the target, binned", "bit"),
    "target_information_binned_ceiling": (
        ("animal", "session", "layer"),
        "entropy of the binned target, which the binned information cannot exceed",
        "bit",
    ),
    "angle_to_bp_deg": (
        ("animal", "session", "layer"),
        "angle between the teaching signal and that of exact backpropagation",
        "deg",
    ),
    "angle_weights_feedback_deg": (
        ("animal", "session", "layer"),
        "angle between the forward weights of the layer above, transposed, and the feedback weights",
        "deg",
    ),
    **{name: (("animal", "session", "layer"), *described) for name, described in FEEDBACK_AGREEMENT.items()},
}
#: variables of the group ``/probe`` that have the last dimension ``time`` where trials are recorded over time
OVER_TIME = frozenset({"correct_in_time", "rate", "true_rate", "latent_rate", "output", "teaching_signal", "bp_signal"})
#: attributes of the coordinate ``time``
TIME_ATTRS = {"long_name": "time in the trial", "units": "ms"}
#: variables that a recording has only where its protocol asks for them, see the table ``[record]``
OPTIONAL_VARIABLES = frozenset(
    {
        "correct_in_time",
        "spike_count",
        "spike_time",
        "spike_unit",
        "spike_stimulus",
        "spike_repeat",
        "rate_network_rate",
        "rate_network_correct",
        "hz_per_unit",
        "teaching_signal",
        "bp_signal",
        *(name for name in LEARNING_VARIABLES if name not in ("correct", "loss")),
    }
)


def label(dataset: xr.Dataset, variables: Mapping[str, tuple[tuple[str, ...], str, str]]) -> xr.Dataset:
    """
    Give every variable its dimensions' order and, where they are missing, ``long_name`` and ``units``.

    Parameters
    ----------
    dataset : xarray.Dataset
        A group of a recording.
    variables : mapping
        Name to (dimensions, long name, unit), for example `PROBE_VARIABLES`.

    Returns
    -------
    xarray.Dataset
        The same values, labelled.
    """
    labelled = dataset.copy()
    for name in labelled.data_vars:
        if name in variables:
            dims, long_name, units = variables[str(name)]
            labelled[name] = labelled[name].transpose(*dims, ...)
            labelled[name].attrs = {"long_name": long_name, "units": units} | labelled[name].attrs
    return labelled


def build_recording(
    probe: xr.Dataset, learning: xr.Dataset | None = None, attrs: Mapping[str, Any] | None = None
) -> xr.DataTree:
    """
    Assemble a recording from its groups and check it.

    Parameters
    ----------
    probe : xarray.Dataset
        Variables as in `PROBE_VARIABLES`, at least ``rate``, ``duration`` and ``detected``; coordinates ``group`` on
        animal and ``day`` on (animal, session), in days since the first session.
    learning : xarray.Dataset, optional
        Variables as in `LEARNING_VARIABLES`.
    attrs : mapping, optional
        Attributes of the root; values that are not text or numbers are kept as JSON.

    Returns
    -------
    xarray.DataTree
        The recording.

    Raises
    ------
    RecordingError
        Where something is missing or has other dimensions than the format says.
    """
    groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=_plain(attrs or {}))}
    groups["/probe"] = label(probe, PROBE_VARIABLES)
    if learning is not None:
        groups["/learning"] = label(learning, LEARNING_VARIABLES)
    recording = xr.DataTree.from_dict(groups)
    check_recording(recording)
    return recording


def check_recording(recording: xr.DataTree) -> None:
    """
    Check that a tree follows the format.

    Parameters
    ----------
    recording : xarray.DataTree
        What should be a recording.

    Raises
    ------
    RecordingError
        With one sentence that names what is missing or different.
    """
    if "probe" not in recording.children:
        raise RecordingError("this is not a recording: the group 'probe' is missing; make one with run or import")
    probe = recording["probe"]
    for name in ("rate", "duration", "detected"):
        if name not in probe.data_vars:
            raise RecordingError(
                f"the recording's group 'probe' has no variable '{name}'; make it anew with run or import"
            )
    for name, (dims, _, _) in PROBE_VARIABLES.items():
        if name in probe.data_vars:
            given = tuple(str(dim) for dim in probe[name].dims)
            if tuple(dim for dim in given if dim != "time") != dims:
                raise RecordingError(f"probe/{name} must have the dimensions {dims}, got {given}")
    for name, dims in (("group", ("animal",)), ("day", ("animal", "session"))):
        if name not in probe.coords or probe.coords[name].dims != dims:
            raise RecordingError(f"the recording's group 'probe' needs a coordinate '{name}' on {dims}")


def write_recording(recording: xr.DataTree, path: str | os.PathLike[str]) -> Path:
    """
    Write a recording as one zarr store: aside first, then renamed, so that it is there whole or not at all.

    Parameters
    ----------
    recording : xarray.DataTree
        The recording.
    path : path-like
        The store to make, for example ``runs/c6m4/recording.zarr``; one that is there is replaced.

    Returns
    -------
    pathlib.Path
        The store.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    stored = storable_tree(recording)
    stored.attrs.pop("folder", None)
    stored.to_zarr(aside, zarr_format=3, consolidated=False, encoding=_encoding(recording))
    replace_folder(aside, path)
    return path


def load_recording(path: str | os.PathLike[str]) -> xr.DataTree:
    """
    Open a recording; values are read from disk when they are used.

    Parameters
    ----------
    path : path-like
        A run folder or a zarr store.

    Returns
    -------
    xarray.DataTree
        The recording: groups ``probe`` and, for simulated animals, ``learning``; ``attrs["folder"]`` is where the
        store lies now, and the protocol's files beside it.

    Raises
    ------
    RecordingError
        Where there is no recording at the path, or the store does not follow the format.
    """
    path = Path(path)
    store = path if path.suffix == ".zarr" else path / RECORDING_STORE
    if not store.is_dir():
        raise RecordingError(f"no recording at {path}: expected a run folder with {RECORDING_STORE}, or a .zarr store")
    try:
        recording = xr.open_datatree(store, engine="zarr", consolidated=False, zarr_format=3)
    except (OSError, KeyError, ValueError) as error:
        raise RecordingError(f"{store} cannot be read as a recording ({error}); run or import it again") from error
    check_recording(recording)
    readable = xr.map_over_datasets(_readable, recording)
    readable.attrs["folder"] = str(store.parent.resolve())
    return readable


def told_stopped(stopped: Mapping[str, str]) -> str:
    """
    Say which animals were stopped, and why.

    Parameters
    ----------
    stopped : mapping of str to str
        Name of the animal to what happened and, after a semicolon, how to mend it.

    Returns
    -------
    str
        For example ``"learning diverged on day 4 in fa-1, fa-3; lower rule.learning_rate"``; empty for none.
    """
    by_reason: dict[str, list[str]] = {}
    for name, why in stopped.items():
        by_reason.setdefault(why, []).append(name)
    told = []
    for why, names in by_reason.items():
        what, _, remedy = why.partition("; ")
        told.append(f"{what} in {', '.join(names)}; {remedy}")
    return "; ".join(told)


def replace_folder(aside: Path, path: Path) -> None:
    """
    Put a finished folder where it belongs, in place of what is there.

    Parameters
    ----------
    aside : pathlib.Path
        The finished folder, on the same file system.
    path : pathlib.Path
        Where it belongs.
    """
    if path.exists():
        old = path.with_name(f".{path.name}-old-{uuid.uuid4().hex[:8]}")
        path.rename(old)
        aside.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        aside.rename(path)


def storable_tree(recording: xr.DataTree) -> xr.DataTree:
    """
    Give text coordinates the variable-length dtype that zarr 3 stores without a warning.

    Parameters
    ----------
    recording : xarray.DataTree
        Any tree.

    Returns
    -------
    xarray.DataTree
        The same tree, text as :class:`numpy.dtypes.StringDType`.
    """
    return xr.map_over_datasets(storable, recording)


def storable(dataset: xr.Dataset) -> xr.Dataset:
    """
    Give text coordinates of one dataset the dtype that zarr 3 stores without a warning.

    Parameters
    ----------
    dataset : xarray.Dataset
        Any dataset.

    Returns
    -------
    xarray.Dataset
        The same values.
    """
    return _with_text_as(dataset, np.dtypes.StringDType())


def _readable(dataset: xr.Dataset) -> xr.Dataset:
    """Text of a store as ordinary numpy text."""
    return _with_text_as(dataset, np.dtype(str))


def _with_text_as(dataset: xr.Dataset, dtype: np.dtype[Any]) -> xr.Dataset:
    """Text coordinates with another dtype; nothing else is touched."""
    text = {
        name: (variable.dims, np.array(variable.values.tolist(), dtype=dtype))
        for name, variable in dataset.coords.items()
        if variable.dtype.kind in "UTO"
    }
    return dataset.assign_coords(text)


def _encoding(recording: xr.DataTree) -> dict[str, dict[str, Any]]:
    """One chunk per animal and session for the large variables."""
    encoding: dict[str, dict[str, Any]] = {}
    for node in recording.subtree:
        chunks = {
            str(name): {
                "chunks": tuple(1 if dim in ("animal", "session") else size for dim, size in variable.sizes.items())
            }
            for name, variable in node.data_vars.items()
            if "unit" in variable.dims and "stimulus" in variable.dims
        }
        if chunks:
            encoding[node.path] = chunks
    return encoding


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as text and numbers; the rest as JSON text."""
    return {key: value if isinstance(value, str | int | float) else json.dumps(value) for key, value in attrs.items()}
