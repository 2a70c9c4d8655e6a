"""Finished sessions become one recording: merged, observed and written session by session, so memory does not grow."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from neurofa.members import Member, batches, common_labels
from neurofa.observation import observe_animal
from neurofa.protocol import Protocol
from neurofa.protocol_text import protocol_text
from neurofa.recording import LEARNING_VARIABLES, OPTIONAL_VARIABLES, PROBE_VARIABLES, replace_folder, storable


@dataclass(frozen=True)
class _Sizes:
    """Sizes of the merged recording."""

    animal: int
    session: int
    stimulus: int
    repeat: int
    unit: int
    output_unit: int
    trial: int
    layer: int

    def shape(self, dims: tuple[str, ...]) -> tuple[int, ...]:
        """Shape of an array with these dimensions."""
        return tuple(int(getattr(self, dim)) for dim in dims)


def merge_sessions(protocol: Protocol, sessions: Path, store: Path, attrs: Mapping[str, Any] | None = None) -> Path:
    """
    Merge the stores of all sessions into one recording, and observe it.

    Parameters
    ----------
    protocol : Protocol
        That was simulated.
    sessions : pathlib.Path
        Folder with the stores of the sessions.
    store : pathlib.Path
        The recording to make.
    attrs : mapping, optional
        Text and numbers for the root.

    Returns
    -------
    pathlib.Path
        The recording, there whole or not at all.
    """
    found = batches(protocol)
    order = [member for name in protocol.group_names() for group in found for member in group if member.group == name]
    widths = [max(units) for units in _layers(found)]
    aside = store.with_name(f".{store.name}-{uuid.uuid4().hex[:8]}")
    sizes, stimuli = _sizes(found, len(order), sum(widths), sessions)
    coords = _coordinates(protocol, order, sizes, widths, stimuli)
    root = {"protocol": protocol_text(protocol, comments=False)} | dict(attrs or {}) | _notes(found, sessions)
    learning = coords[["animal", "group"]].assign_coords(layer=list(dict.fromkeys(coords["layer"].values.tolist())))
    tree = {"/": xr.Dataset(attrs=root), "/probe": storable(coords), "/learning": storable(learning)}
    xr.DataTree.from_dict(tree).to_zarr(aside, zarr_format=3, consolidated=False)
    optional = _optional(found, sessions)
    arrays = _allocate(aside, sizes, "float64" if protocol.engine.dtype == "float64" else "float32", optional)
    days = np.full((sizes.animal, sizes.session), np.nan)
    so_far = {name: np.zeros(days.shape, dtype=np.int64) for name in ("experience", "updates")}
    for number, members in enumerate(found):
        rows = [order.index(member) for member in members]
        for session in range(len(members[0].protocol.schedule.days)):
            with xr.open_zarr(
                sessions / f"batch-{number}-session-{session:04d}.zarr", consolidated=False, chunks=None
            ) as one:
                going_on = np.isfinite(one["true_rate"].values).all((1, 2))
                days[np.array(rows)[going_on], session] = one.attrs["day"]
                for name, values in so_far.items():
                    values[rows, session] = one.attrs[name]
                _copy_session(arrays, one, rows, session, members[0].protocol.network.hidden, widths)
    arrays["day"][...], arrays["experience"][...] = days, so_far["experience"]
    arrays["learning_updates"][...] = so_far["updates"]
    _observe(arrays, order, widths)
    replace_folder(aside, store)
    return store


def _layers(found: list[list[Member]]) -> list[list[int]]:
    """Units of each layer in every batch; missing layers are left out."""
    hidden = [members[0].protocol.network.hidden for members in found]
    depth = max(len(own) for own in hidden)
    return [[own[number] for own in hidden if len(own) > number] for number in range(depth)]


def _sizes(
    found: list[list[Member]], n_animals: int, n_units: int, sessions: Path
) -> tuple[_Sizes, dict[str, np.ndarray]]:
    """Sizes of the merged recording, and the labels of the stimuli, which all groups share."""
    labels = common_labels(found)
    n_stimuli = len(labels["stimulus"])
    repeats, outputs, trials = [], [], []
    for number, members in enumerate(found):
        with xr.open_zarr(sessions / f"batch-{number}-session-0000.zarr", consolidated=False, chunks=None) as first:
            outputs.append(first.sizes["output_unit"])
            trials.append(first.sizes["trial"])
        for member in {member.group: member for member in members}.values():
            _, duration, _ = observe_animal(member.protocol, 0, np.ones((1, n_stimuli, 2)), np.zeros(1))
            repeats.append(duration.shape[2])
    n_sessions = max(len(members[0].protocol.schedule.days) for members in found)
    n_layers = max(len(members[0].protocol.network.hidden) for members in found)
    return _Sizes(n_animals, n_sessions, n_stimuli, max(repeats), n_units, max(outputs), max(trials), n_layers), labels


def _optional(found: list[list[Member]], sessions: Path) -> set[str]:
    """Variables that the protocol asked for."""
    names: set[str] = set()
    for number in range(len(found)):
        with xr.open_zarr(sessions / f"batch-{number}-session-0000.zarr", consolidated=False, chunks=None) as first:
            names |= {str(name).removeprefix("learning_") for name in first.data_vars}
    return names & OPTIONAL_VARIABLES


def _notes(found: list[list[Member]], sessions: Path) -> dict[str, str]:
    """Which engine each group's animals learned with, and which animals were stopped and why, as JSON text."""
    engines: dict[str, list[str]] = {}
    stopped: dict[str, str] = {}
    for number, members in enumerate(found):
        for session in range(len(members[0].protocol.schedule.days)):
            path = sessions / f"batch-{number}-session-{session:04d}.zarr"
            with xr.open_zarr(path, consolidated=False, chunks=None) as one:
                stopped |= json.loads(one.attrs["stopped"])
                for group in dict.fromkeys(member.group for member in members):
                    engines.setdefault(group, []).append(one.attrs["engine"])
    used = {group: ", ".join(dict.fromkeys(name for name in names if name)) for group, names in engines.items()}
    return {"engines": json.dumps(used), "stopped": json.dumps(stopped)}


def _coordinates(
    protocol: Protocol, order: list[Member], sizes: _Sizes, widths: list[int], stimuli: dict[str, np.ndarray]
) -> xr.Dataset:
    """Everything that labels the data."""
    layer = np.repeat([f"hidden_{number}" for number in range(1, len(widths) + 1)], widths)
    return xr.Dataset(
        coords={
            "animal": [f"{member.group}-{member.index}" for member in order],
            "group": ("animal", [member.group for member in order]),
            "group_label": ("animal", [protocol.label(member.group) for member in order]),
            "control_of": (
                "animal",
                [str(protocol.groups.get(member.group, {}).get("control_of", "")) for member in order],
            ),
            "index": ("animal", [member.index for member in order]),
            "layer": ("unit", layer),
            **{name: ("stimulus", values) for name, values in stimuli.items() if name != "stimulus"},
            "stimulus": stimuli["stimulus"],
        }
    )


def _allocate(store: Path, sizes: _Sizes, precision: str, optional: set[str]) -> dict[str, Any]:
    """Empty arrays of the recording, rates as precise as run; a chunk is what is written at once, see `_chunked`."""
    arrays: dict[str, Any] = {}
    tables = {"probe": PROBE_VARIABLES, "learning": LEARNING_VARIABLES}
    plan = [
        (place, name, *text)
        for place, variables in tables.items()
        for name, text in variables.items()
        if name in optional or name not in OPTIONAL_VARIABLES
    ]
    plan += [
        ("probe", "day", ("animal", "session"), "day", "d"),
        ("probe", "experience", ("animal", "session"), "stimuli shown so far", "1"),
        ("learning", "updates", ("animal", "session"), "updates so far", "1"),
    ]
    kinds: dict[str, tuple[str, Any]] = {
        "detected": ("bool", False),
        "experience": ("int64", 0),
        "updates": ("int64", 0),
        "duration": ("float64", 0.0),
        "true_rate": (precision, np.nan),
        "latent_rate": (precision, np.nan),
        "output": (precision, np.nan),
        "loss": (precision, np.nan),
    }
    group = zarr.open_group(store, mode="r+")
    for place, name, dims, long_name, units in plan:
        dtype, fill = kinds.get(name, ("float64" if name == "day" else "float32", np.nan))
        shape, split = sizes.shape(dims), _chunked(name, dims)
        chunks = tuple(1 if dim in split else size for dim, size in zip(dims, shape, strict=True))
        arrays[name if place == "probe" else f"{place}_{name}"] = group[place].create_array(  # type: ignore[union-attr]
            name,
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            fill_value=fill,
            dimension_names=dims,
            attributes={"long_name": long_name, "units": units},
        )
    for place, names in (("probe", "day experience"), ("learning", "updates")):
        coordinates = str(group[place].attrs.get("coordinates", ""))
        group[place].attrs["coordinates"] = f"{coordinates} {names}".strip()
    return arrays


def _chunked(name: str, dims: tuple[str, ...]) -> tuple[str, ...]:
    """Dimensions along which an array is cut into chunks, so that no chunk is written twice."""
    if "unit" in dims and "stimulus" in dims:
        return ("animal", "session")
    if name in ("duration", "detected"):
        return ("animal",)
    return ("session",) if len(dims) > 2 else ()


def _copy_session(
    arrays: Mapping[str, Any],
    one: xr.Dataset,
    rows: list[int],
    session: int,
    hidden: tuple[int, ...],
    widths: list[int],
) -> None:
    """One session of one batch; the units of a layer stand at that layer's place."""
    for variable in one.data_vars:
        name, values = str(variable), one[variable].values
        if "unit" in one[name].dims:
            padded = np.full((*values.shape[:2], sum(widths)), np.nan, dtype=values.dtype)
            padded[:, :, _places(hidden, widths)] = values
            values = padded
        arrays[name].oindex[(np.array(rows), session, *(slice(size) for size in values.shape[1:]))] = values


def _places(hidden: tuple[int, ...], widths: list[int]) -> np.ndarray:
    """Where the units of an animal stand among those of all layers."""
    return np.concatenate([sum(widths[:number]) + np.arange(units) for number, units in enumerate(hidden)])


def _observe(arrays: Mapping[str, Any], order: list[Member], widths: list[int]) -> None:
    """Observed rates of every animal, session by session, as long as the animal was not stopped."""
    for row, member in enumerate(order):
        day = np.array(member.protocol.schedule.days)
        there = _places(member.protocol.network.hidden, widths)
        true_rate = arrays["true_rate"][row, : len(day)][:, :, there]
        n_sessions = int(np.isfinite(true_rate).all((1, 2)).sum())
        if n_sessions == 0:
            continue
        rates, duration, detected = observe_animal(
            member.protocol, member.index, true_rate[:n_sessions], day[:n_sessions]
        )
        n_repeats = duration.shape[2]
        arrays["duration"][row, :n_sessions, :, :n_repeats] = duration
        seen = np.zeros((n_sessions, sum(widths)), dtype=bool)
        seen[:, there] = detected
        arrays["detected"][row, :n_sessions] = seen
        for session, rate in enumerate(rates):
            full = np.full(arrays["rate"].shape[2:], np.nan, dtype=np.float32)
            full[:, :n_repeats, there] = rate
            arrays["rate"][row, session] = full
