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

from neurofa.common import common_event_names, common_labels, common_time
from neurofa.event_group import EVENT_COORDINATES, EVENT_VARIABLES
from neurofa.members import Member, batches
from neurofa.observation import observe_animal
from neurofa.protocol import Protocol
from neurofa.protocol_text import protocol_text
from neurofa.recording import (
    LEARNING_VARIABLES,
    OPTIONAL_VARIABLES,
    OVER_TIME,
    PROBE_VARIABLES,
    TIME_ATTRS,
    replace_folder,
    storable,
)

#: arrays up to this size are held in memory while sessions are merged, and written whole in chunks of about that size
_HELD_BYTES, _CHUNK_BYTES = 2**25, 2**20


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
    #: 0 = trials are not recorded over time
    time: int
    #: bins of spike counts; 0 = there are none
    spike_bin: int = 0
    #: spikes of which times are kept, most in any session
    spike: int = 0
    #: 0 = there are no events
    event: int = 0

    def dims(self, name: str, dims: tuple[str, ...]) -> tuple[str, ...]:
        """Dimensions of a variable of the probe: time comes last, where there is any."""
        return (*dims, "time") if self.time and name in OVER_TIME else dims

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
    time = common_time(found)
    sizes, stimuli = _sizes(found, len(order), sum(widths), sessions, len(time.get("time", ())))
    coords = _coordinates(protocol, order, widths, stimuli, time)
    root = {"protocol": protocol_text(protocol, comments=False)} | dict(attrs or {})
    learning = coords[["animal", "group"]].assign_coords(layer=list(dict.fromkeys(coords["layer"].values.tolist())))
    tree = {"/": xr.Dataset(attrs=root), "/probe": storable(coords), "/learning": storable(learning)}
    if sizes.event:
        labels = ["animal", "group", "group_label", "control_of", "index", "layer"]
        tree["/events"] = storable(coords[labels])
    xr.DataTree.from_dict(tree).to_zarr(aside, zarr_format=3, consolidated=False)
    store_of = _Store(aside, sizes, "float64" if protocol.engine.dtype == "float64" else "float32")
    store_of.allocate(_optional(found, sessions), common_event_names(found))
    engines: dict[str, dict[str, None]] = {name: {} for name in protocol.group_names()}
    stopped: dict[str, str] = {}
    days = np.full((sizes.animal, sizes.session), np.nan)
    so_far = {name: np.zeros(days.shape, dtype=np.int64) for name in ("experience", "updates")}
    for number, members in enumerate(found):
        rows = [order.index(member) for member in members]
        for session in range(len(members[0].protocol.schedule.days)):
            with xr.open_zarr(
                sessions / f"batch-{number}-session-{session:04d}.zarr", consolidated=False, chunks=None
            ) as one:
                true_rate = one["true_rate"].values
                going_on = np.isfinite(true_rate.reshape(len(true_rate), -1)).all(1)
                days[np.array(rows)[going_on], session] = one.attrs["day"]
                for name, values in so_far.items():
                    values[rows, session] = one.attrs[name]
                stopped |= json.loads(one.attrs["stopped"])
                for member in members:
                    engines[member.group] |= {one.attrs["engine"]: None}
                _copy_session(store_of, one, rows, session, members[0].protocol.network.hidden, widths)
    store_of.put("day", ..., days)
    if sizes.event:
        store_of.put("events_day", ..., days)
    store_of.put("experience", ..., so_far["experience"])
    store_of.put("learning_updates", ..., so_far["updates"])
    _observe(store_of, order, widths)
    used = {group: ", ".join(name for name in names if name) for group, names in engines.items()}
    store_of.finish({"engines": json.dumps(used), "stopped": json.dumps(stopped)})
    replace_folder(aside, store)
    return store


def _layers(found: list[list[Member]]) -> list[list[int]]:
    """Units of each layer in every batch; missing layers are left out."""
    hidden = [members[0].protocol.network.hidden for members in found]
    depth = max(len(own) for own in hidden)
    return [[own[number] for own in hidden if len(own) > number] for number in range(depth)]


def _sizes(
    found: list[list[Member]], n_animals: int, n_units: int, sessions: Path, n_times: int
) -> tuple[_Sizes, dict[str, np.ndarray]]:
    """Sizes of the merged recording, and the labels of the stimuli, which all groups share."""
    labels = common_labels(found)
    n_stimuli = len(labels["stimulus"])
    repeats, outputs, trials, bins = [], [], [], [0]
    for number, members in enumerate(found):
        with xr.open_zarr(sessions / f"batch-{number}-session-0000.zarr", consolidated=False, chunks=None) as first:
            outputs.append(first.sizes["output_unit"])
            trials.append(first.sizes["trial"])
            bins.append(first.sizes.get("spike_bin", 0))
            n_trials_recorded = first.sizes.get("repeat", 0)
        for member in {member.group: member for member in members}.values():
            rates = np.ones((1, n_stimuli, 2, n_times)[: 4 if n_times else 3])
            _, duration, _ = observe_animal(member.protocol, 0, rates, np.zeros(1))
            repeats.append(max(duration.shape[2], n_trials_recorded))
    n_sessions = max(len(members[0].protocol.schedule.days) for members in found)
    n_layers = max(len(members[0].protocol.network.hidden) for members in found)
    n_repeats, n_outputs, n_trials = max(repeats), max(outputs), max(trials)
    sizes = (n_animals, n_sessions, n_stimuli, n_repeats, n_units, n_outputs, n_trials, n_layers, n_times, max(bins))
    n_spikes = _most(found, sessions, "spike") if max(bins) else 0
    return _Sizes(*sizes, spike=n_spikes, event=_most(found, sessions, "event")), labels


def _most(found: list[list[Member]], sessions: Path, dim: str) -> int:
    """Largest number of spikes or events in a session, where there are any that may differ between sessions."""
    most = 0
    for number, members in enumerate(found):
        own = members[0].protocol
        there = own.spiking.spike_times if dim == "spike" else own.network.kind == "predicting"
        for session in range(len(own.schedule.days) if there else 0):
            path = sessions / f"batch-{number}-session-{session:04d}.zarr"
            with xr.open_zarr(path, consolidated=False, chunks=None) as one:
                most = max(most, one.sizes.get(dim, 0))
    return most


def _optional(found: list[list[Member]], sessions: Path) -> set[str]:
    """Variables that the protocol asked for."""
    names: set[str] = set()
    for number in range(len(found)):
        with xr.open_zarr(sessions / f"batch-{number}-session-0000.zarr", consolidated=False, chunks=None) as first:
            names |= {str(name).removeprefix("learning_") for name in first.data_vars}
    return names & OPTIONAL_VARIABLES


def _coordinates(
    protocol: Protocol,
    order: list[Member],
    widths: list[int],
    stimuli: dict[str, np.ndarray],
    time: dict[str, np.ndarray],
) -> xr.Dataset:
    """Everything that labels the data."""
    layer = np.repeat([f"hidden_{number}" for number in range(1, len(widths) + 1)], widths)
    return xr.Dataset(
        coords={
            "animal": [member.name for member in order],
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
            **{name: ("time", values, TIME_ATTRS if name == "time" else {}) for name, values in time.items()},
            **_bins_of_spikes(order),
        }
    )


def _bins_of_spikes(order: list[Member]) -> dict[str, Any]:
    """Time of the bins that spikes are counted in, where there are any and all groups have the same."""
    spiking = [member.protocol.spiking for member in order if member.protocol.engine.kind == "spiking"]
    if len({(one.bin_ms, one.probe_ms, one.probe_settling_ms) for one in spiking}) != 1:
        return {}
    middles = (np.arange(spiking[0].bins("probe_ms")) + 0.5) * spiking[0].bin_ms
    attrs = {
        "long_name": "time since the start of the trial, middle of the bin",
        "units": "ms",
        "bin_ms": spiking[0].bin_ms,
        "counted_for_rates_from_ms": spiking[0].probe_settling_ms,
    }
    return {"spike_bin": ("spike_bin", middles, attrs)}


class _Store:
    """
    The arrays of a recording while it is merged.

    Large arrays are written part by part, a chunk being what is written at once; small ones are held in memory and
    written whole: a recording of many animals would else consist of a file per animal and session.
    """

    def __init__(self, path: Path, sizes: _Sizes, precision: str) -> None:
        self.path = path
        self.sizes = sizes
        self.precision = precision
        self._written: dict[str, Any] = {}
        self._held: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}

    def allocate(self, optional: set[str], event_names: Mapping[str, tuple[str, ...]]) -> None:
        """Make empty arrays, rates as precise as run."""
        tables = {"probe": PROBE_VARIABLES, "learning": LEARNING_VARIABLES}
        plan = [
            (place, name, self.sizes.dims(name, dims) if place == "probe" else dims, long_name, units)
            for place, variables in tables.items()
            for name, (dims, long_name, units) in variables.items()
            if name in optional or name not in OPTIONAL_VARIABLES
        ]
        plan += [
            ("probe", "day", ("animal", "session"), "day", "d"),
            ("probe", "experience", ("animal", "session"), "stimuli shown so far", "1"),
            ("learning", "updates", ("animal", "session"), "updates so far", "1"),
        ]
        if self.sizes.event:
            of_events = {**EVENT_VARIABLES, **EVENT_COORDINATES, "day": (("animal", "session"), "day", "d")}
            plan += [("events", name, *described) for name, described in of_events.items()]
        kinds: dict[str, tuple[str, Any]] = {
            "detected": ("bool", False),
            "experience": ("int64", 0),
            "updates": ("int64", 0),
            "day": ("float64", np.nan),
            "duration": ("float64", 0.0),
            "rate": ("float32", np.nan),
            "correct": ("float32", np.nan),
            "spike_count": ("float32", np.nan),
            "spike_time": ("float64", np.nan),
            "spike_unit": ("int32", -1),
            "spike_stimulus": ("int32", -1),
            "spike_repeat": ("int32", -1),
        }
        for place, name, dims, long_name, units in plan:
            dtype, fill = kinds.get(name, (self.precision, np.nan))
            shape = self.sizes.shape(dims)
            kept = name if place == "probe" else f"{place}_{name}"
            attributes = {"long_name": long_name, "units": units}
            if place == "events":
                dtype = "float64" if name == "day" else "float32"
                attributes |= {"names": json.dumps(event_names[name])} if name in event_names else {}
            how = {"fill_value": fill, "dimension_names": dims, "attributes": attributes}
            if np.prod(shape) * np.dtype(dtype).itemsize <= _HELD_BYTES:
                self._held[kept] = (np.full(shape, fill, dtype=dtype), {"place": place, "name": name, **how})
                continue
            split = ("animal", "session") if {"unit", "stimulus"} <= {*dims} or "event" in dims else ("animal",)
            chunks = tuple(1 if dim in split else size for dim, size in zip(dims, shape, strict=True))
            group: Any = zarr.open_group(self.path, mode="r+")[place]
            self._written[kept] = group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, **how)

    def put(self, name: str, index: Any, values: np.ndarray) -> None:
        """Put values where they belong."""
        target = self._held[name][0] if name in self._held else self._written[name].oindex
        target[index] = values

    def part(self, name: str, index: Any) -> np.ndarray:
        """Give back what was put."""
        values: np.ndarray = (self._held[name][0] if name in self._held else self._written[name])[index]
        return values

    def finish(self, attrs: dict[str, str]) -> None:
        """Write what was held in memory, and what there is to say about the whole."""
        root: Any = zarr.open_group(self.path, mode="r+")
        for values, how in self._held.values():
            animals = max(1, min(len(values), _CHUNK_BYTES * len(values) // max(values.nbytes, 1)))
            where = {key: how[key] for key in ("fill_value", "dimension_names", "attributes")}
            array = root[how["place"]].create_array(
                how["name"], shape=values.shape, chunks=(animals, *values.shape[1:]), dtype=values.dtype, **where
            )
            array[...] = values
        labelled = {"probe": "day experience", "learning": "updates"}
        if self.sizes.event:
            labelled["events"] = " ".join(["day", *EVENT_COORDINATES])
        for place, names in labelled.items():
            coordinates = str(root[place].attrs.get("coordinates", ""))
            root[place].attrs["coordinates"] = f"{coordinates} {names}".strip()
        root.attrs.update(attrs)


def _copy_session(
    store: _Store, one: xr.Dataset, rows: list[int], session: int, hidden: tuple[int, ...], widths: list[int]
) -> None:
    """One session of one batch; the units of a layer stand at that layer's place."""
    for variable in one.data_vars:
        name, values = str(variable), one[variable].values
        if name == "spike_unit":
            # from the units of these animals to those of all layers
            values = np.append(_places(hidden, widths), -1)[values]
        if "unit" in one[name].dims:
            axis = one[name].dims.index("unit")
            padded = np.full((*values.shape[:axis], sum(widths), *values.shape[axis + 1 :]), np.nan, values.dtype)
            np.moveaxis(padded, axis, 0)[_places(hidden, widths)] = np.moveaxis(values, axis, 0)
            values = padded
        store.put(name, (np.array(rows), session, *(slice(size) for size in values.shape[1:])), values)


def _places(hidden: tuple[int, ...], widths: list[int]) -> np.ndarray:
    """Where the units of an animal stand among those of all layers."""
    return np.concatenate([sum(widths[:number]) + np.arange(units) for number, units in enumerate(hidden)])


def _observe(store: _Store, order: list[Member], widths: list[int]) -> None:
    """Observed rates of every animal, session by session, as long as the animal was not stopped."""
    for row, member in enumerate(order):
        day = np.array(member.protocol.schedule.days)
        there = _places(member.protocol.network.hidden, widths)
        true_rate = store.part("true_rate", (row, slice(len(day))))[:, :, there]
        n_sessions = int(np.isfinite(true_rate.reshape(len(true_rate), -1)).all(1).sum())
        if n_sessions == 0:
            continue
        rates, duration, detected = observe_animal(
            member.protocol, member.index, true_rate[:n_sessions], day[:n_sessions]
        )
        recorded = slice(n_sessions)
        noisy = np.isfinite(store.part("rate", (row, 0))[:, :, there]).reshape(len(duration[0]), store.sizes.repeat, -1)
        n_repeats = max(duration.shape[2], int(noisy.any((0, 2)).sum()))
        duration = np.broadcast_to(duration, (*duration.shape[:2], n_repeats))
        store.put("duration", (row, recorded, slice(None), slice(n_repeats)), duration)
        seen = np.zeros((n_sessions, sum(widths)), dtype=bool)
        seen[:, there] = detected
        store.put("detected", (row, recorded), seen)
        if noisy.any():
            # the trials themselves were recorded
            continue
        for session, rate in enumerate(rates):
            full = np.full((len(rate), store.sizes.repeat, sum(widths), *rate.shape[3:]), np.nan, dtype=np.float32)
            full[:, :n_repeats, there] = rate
            store.put("rate", (row, session), full)
