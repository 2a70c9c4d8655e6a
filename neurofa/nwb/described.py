"""What a file that neurofa exported says about itself, so that it can be read back as it was."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr

#: name of the series of observed rates, one sample per trial, or per trial and time
RATE_SERIES = "rate"
#: table of cells where there is no microscope
CELLS_TABLE = "cells"
#: column of the table of cells: the number across sessions, as neurofa import reads it
REGISTRATION_COLUMN = "global_cell_id"
#: coordinates of the recording that belong to an animal, or to an animal's session
OF_ANIMAL, OF_SESSION = ("group", "group_label", "control_of", "index"), ("day", "experience")


def described(probe: xr.Dataset, animal: int, session: int, origin: Mapping[str, Any]) -> str:
    """
    Describe one session of one animal.

    Parameters
    ----------
    probe : xarray.Dataset
        The group ``probe`` of a simulated recording.
    animal, session : int
        Which.
    origin : mapping
        Where the recording comes from; the key ``neurofa`` is the version.

    Returns
    -------
    str
        JSON.
    """
    layers = [[name, len(list(same))] for name, same in groupby(probe["layer"].values.astype(str).tolist())]
    told = dict(origin) | {
        "animal": str(probe["animal"].values[animal]),
        "place": animal,
        "session": session,
        "of_animal": {name: _plain(probe[name].values[animal]) for name in OF_ANIMAL if name in probe.coords},
        "of_session": {
            name: _plain(probe[name].values[animal, session]) for name in OF_SESSION if name in probe.coords
        },
        "attrs": {name: _attrs(probe[name]) for name in (*OF_ANIMAL, *OF_SESSION, "layer") if name in probe.coords},
        "n_sessions": probe.sizes["session"],
        "n_repeats": probe.sizes["repeat"],
        "layers": layers,
        "rate": {name: str(probe["rate"].attrs.get(name, "")) for name in ("long_name", "units")},
        "stimulus": _labels(probe, "stimulus"),
        "time": _labels(probe, "time"),
    }
    return json.dumps(told)


def origin_of(notes: object) -> dict[str, Any] | None:
    """
    Read the description of a file.

    Parameters
    ----------
    notes : object
        Notes of an NWB file, if it has any.

    Returns
    -------
    dict or None
        As `described` wrote it; None where neurofa did not write the file.
    """
    try:
        told = json.loads(str(notes))
    except json.JSONDecodeError:
        return None
    return told if isinstance(told, dict) and "neurofa" in told else None


def labels_of(told: Mapping[str, Mapping[str, Any]], dim: str) -> dict[str, Any]:
    """
    Coordinates of one dimension.

    Parameters
    ----------
    told : mapping
        As `described` wrote it.
    dim : str
        ``"stimulus"`` or ``"time"``.

    Returns
    -------
    dict of str to tuple
        Name to dimension, values and attributes.
    """
    return {
        name: (dim, np.array(one["values"], dtype=np.dtype(one["dtype"])), one["attrs"])
        for name, one in told[dim].items()
    }


def _labels(probe: xr.Dataset, dim: str) -> dict[str, Any]:
    """Names, values and attributes of the coordinates of one dimension."""
    found = {}
    for name, values in probe.coords.items():
        if values.dims == (dim,):
            dtype = "U" if values.dtype.kind in "UTO" else values.dtype.str
            found[str(name)] = {"values": values.values.tolist(), "dtype": dtype, "attrs": _attrs(values)}
    return found


def _attrs(values: xr.DataArray) -> dict[str, Any]:
    """Attributes as JSON knows them."""
    return {str(key): _plain(value) for key, value in values.attrs.items()}


def _plain(value: Any) -> Any:
    """A numpy scalar as JSON knows it."""
    return value.item() if isinstance(value, np.generic) else value


def differing(descriptions: Sequence[Mapping[str, Any]]) -> str:
    """
    What the descriptions of files do not agree in, although one recording needs it.

    Parameters
    ----------
    descriptions : sequence of mapping
        As `described` wrote them.

    Returns
    -------
    str
        Name of the first entry that differs; empty where all agree.
    """
    shared = ("run", "seed", "n_sessions", "n_repeats", "layers", "stimulus", "time", "rate", "attrs")
    first = descriptions[0]
    return next((name for told in descriptions for name in shared if told.get(name) != first.get(name)), "")
