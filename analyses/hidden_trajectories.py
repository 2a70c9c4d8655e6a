"""
Hidden trajectories: how often a problem is solved, and on which paths hidden activity moves.

`measure` counts the animals of each group that report every stimulus correctly in the last session, and takes the angle
between the teaching signals of the rule and those of exact backpropagation. `plot` draws success rates and, of the
first animal of each group with two hidden units that solved the problem, the trajectories of the hidden activity of
every stimulus with the directions of both signals. With more than two hidden units no trajectories are drawn.
"""

import tomllib
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures

LAYER = "hidden_1"
#: output above which the answer is yes, by the coding of the problem
THRESHOLDS = {"plus_minus_one": 0.0, "zero_one": 0.5}
#: coordinates of the stimuli that name them
BITS = ("first_bit", "second_bit")
#: sessions at which arrows are drawn
N_ARROWS = 7
#: names of the two signals in figures
SIGNALS = {"teaching_signal": "taught by the rule", "bp_signal": "taught by backpropagation"}


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Count who solved the problem, and measure how far the teaching signals lie from backpropagation.

    Parameters
    ----------
    recording : xarray.DataTree
        With teaching signals, and with all stimuli.

    Returns
    -------
    xarray.Dataset
        `solved` (animal), 1 or 0; `success_rate` (variable, condition): condition is the group, variable the rate or an
        end of its 95 % interval (Wilson); `angle_to_bp_deg` (animal, layer, step) of the first hidden layer, over all
        stimuli as one vector.
    """
    probe = recording["probe"].to_dataset()
    missing = [name for name in SIGNALS if name not in probe]
    if missing:
        raise NeurofaError(
            f"the recording has no '{missing[0]}' in its group 'probe'; set record.teaching_signals = true in the "
            "protocol and run it again"
        )
    probe = probe.isel(unit=np.flatnonzero(probe["layer"].values.astype(str) == LAYER))
    correct = probe["correct"].transpose("animal", "session", "stimulus").values
    # animals that were stopped have no last session: they did not solve it
    solved = (correct[:, -1] == 1).all(axis=1)
    angles = [
        measures.angle_to_bp_deg(*(_filled(probe[name].isel(session=session)) for name in SIGNALS))
        for session in range(probe.sizes["session"])
    ]
    table = _success_table(probe["group"].values.astype(str), solved)
    rates = table[["rate", "lower", "upper"]].to_numpy().T
    measured = xr.Dataset(
        {
            "solved": ("animal", solved.astype(float), {"long_name": "problem solved", "units": "1"}),
            "success_rate": (("variable", "condition"), rates, {"long_name": "animals that solved it", "units": "1"}),
            "angle_to_bp_deg": (("animal", "layer", "step"), np.stack(angles, axis=1)[:, None]),
        },
        coords={
            "animal": probe["animal"].values,
            "layer": [LAYER],
            "step": measures.steps_of_learning(recording),
            "variable": ["rate", "lower", "upper"],
            "condition": table["group"].to_numpy(),
            **figures.group_coords(probe),
        },
    )
    measured["angle_to_bp_deg"].attrs = {"long_name": "angle to backpropagation", "units": "degrees"}
    return measured.merge(_examples(probe, solved)).assign_attrs(threshold=_threshold(recording))


def _filled(signals: xr.DataArray) -> np.ndarray:
    """Signals (animal, stimulus, unit), 0 for units that an animal does not have; animals without any stay NaN."""
    values = signals.transpose("animal", "stimulus", "unit").values.astype(np.float64)
    there = np.isfinite(values).any(axis=(1, 2), keepdims=True)
    return np.where(np.isfinite(values) | ~there, values, 0.0)


def _success_table(groups: np.ndarray, solved: np.ndarray) -> pd.DataFrame:
    """Animals that solved the problem, group by group, with Wilson's interval."""
    names = list(dict.fromkeys(groups.tolist()))
    successes = [int(solved[groups == name].sum()) for name in names]
    n = [int((groups == name).sum()) for name in names]
    found = measures.proportion_and_interval(successes, n)
    columns = {"rate": found.proportion, "lower": found.low, "upper": found.high}
    return pd.DataFrame({"group": names, "successes": successes, "n": n, **columns})


def _examples(probe: xr.Dataset, solved: np.ndarray) -> xr.Dataset:
    """Rates and signals of the first animal of each group with two hidden units that solved the problem."""
    groups = probe["group"].values.astype(str)
    n_units = np.isfinite(probe["true_rate"].isel(session=0, stimulus=0).transpose("animal", "unit").values).sum(axis=1)
    chosen = {}
    for group in dict.fromkeys(groups[n_units == 2].tolist()):
        found = np.flatnonzero((groups == group) & (n_units == 2) & solved)
        if len(found):
            chosen[group] = int(found[0])
    rows = list(chosen.values())
    dims = ("example_group", "session", "stimulus", "axis")
    out = xr.Dataset(coords={"example_group": list(chosen)})
    out = out.assign_coords(example_animal=("example_group", probe["animal"].values.astype(str)[rows]))
    for name in ("true_rate", *SIGNALS):
        values = probe[name].transpose("animal", "session", "stimulus", "unit").values[rows].astype(np.float64)
        two = [one[..., np.isfinite(one[0, 0])] for one in values]
        shape = (0, *values.shape[1:3], 2)
        out[f"example_{name}"] = (dims, np.stack(two) if two else np.empty(shape), {"table": 0})
    outputs = probe["output"].transpose("animal", "session", "stimulus", "output_unit").values[rows, -1]
    out["example_output"] = (("example_group", "stimulus", "output_unit"), outputs, {"table": 0})
    return out.assign_coords(stimulus_name=("stimulus", _stimulus_names(probe)))


def _stimulus_names(probe: xr.Dataset) -> list[str]:
    """The bits of each pattern, where the recording has them; else numbers."""
    numbers = range(probe.sizes["stimulus"])
    if not set(BITS) <= set(probe.coords):
        return [str(number) for number in numbers]
    return ["".join(str(int(probe[name].values[number])) for name in BITS) for number in numbers]


def _threshold(recording: xr.DataTree) -> float:
    """Output above which a single output unit says yes; NaN where the protocol does not tell."""
    stimuli: dict[str, Any] = tomllib.loads(str(recording.attrs.get("protocol", ""))).get("stimuli", {})
    return THRESHOLDS.get(str(stimuli.get("coding", "")), np.nan)


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: teaching signals have not been recorded.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    drawings = {"trajectories_success": draw_success(measured)}
    if measured.sizes["example_group"]:
        drawings["trajectories_hidden"] = draw_trajectories(measured)
    drawings["trajectories_angle"] = draw_angle(measured)
    return drawings


def draw_success(measured: xr.Dataset) -> figures.Drawing:
    """Success rates of all groups with their intervals."""
    styles = figures.styles_of(measured)
    table = _success_table(measured["group"].values.astype(str), measured["solved"].values == 1)
    width = figures.SINGLE_COLUMN_MM if len(table) <= 4 else figures.DOUBLE_COLUMN_MM
    figure, axes = figures.new_figure(width, 68)
    figures.success_rates(table, ax=axes[0], styles=styles)
    axes[0].set_ylabel("Animals that solved the problem")
    caption = (
        "Animals that report every stimulus correctly in the last session, of all animals (initialisations) of a "
        f"group, with the 95 % interval of Wilson ({figures.sizes_text(measured)}). Animals that were stopped because "
        "learning diverged count as not solved."
    )
    return figures.Drawing(figure, table, caption)


def draw_trajectories(measured: xr.Dataset) -> figures.Drawing:
    """Hidden activity of every stimulus through learning, one panel per group with two hidden units."""
    styles = figures.styles_of(measured)
    groups = measured["example_group"].values.astype(str).tolist()
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    width = figures.DOUBLE_COLUMN_MM if columns > 1 else figures.SINGLE_COLUMN_MM
    figure, axes = figures.new_figure(width, 14 + 84 * rows, rows, columns, len(groups))
    tables, bounded = [], False
    for ax, group in zip(axes, groups, strict=True):
        one = measured.sel(example_group=group).rename(axis="unit")
        rates = one["example_true_rate"]
        arrows = {text: one[f"example_{name}"] for name, text in SIGNALS.items()}
        chosen = _evenly_along(rates.values)
        boundary = _boundary(rates.values[-1], one["example_output"].values, float(measured.attrs["threshold"]))
        bounded |= boundary is not None
        names = measured["stimulus_name"].values.tolist()
        figures.hidden_trajectory(rates, arrows, sessions=chosen, labels=names, boundary=boundary, ax=ax)
        ax.set_title(f"{styles[group].label} ({one['example_animal'].item()})")
        tables.append(_trajectory_table(one, measured["step"].values).assign(group=group))
    figures.panel_letters(axes if len(axes) > 1 else [])
    handles = figures.trajectory_legend(list(SIGNALS.values()), bounded)
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if columns == 1 else 5, frameon=False)
    animals = ", ".join(measured["example_animal"].values.astype(str))
    caption = (
        "Rates of the two hidden units for every stimulus through learning (open circle: first session, filled: last; "
        "numbers: the bits of the stimulus), with the directions of the rule's teaching signal and of exact "
        "backpropagation's for the same weights and error; only directions are shown, all arrows have one length, and "
        "they stand evenly along the path. Dashed: where the network's answer changes, at the end. Not chosen by eye: "
        f"the first animal of each group that solved the problem ({animals})."
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_angle(measured: xr.Dataset) -> figures.Drawing:
    """Angle between the two signals along learning, in animals that solved the problem and in the others."""
    styles = figures.styles_of(measured)
    angles = measured["angle_to_bp_deg"].isel(layer=0)
    parts = {"Solved": measured["solved"].values == 1, "Not solved": measured["solved"].values != 1}
    parts = {title: rows for title, rows in parts.items() if bool(angles.isel(animal=rows).notnull().any())}
    width = figures.DOUBLE_COLUMN_MM if len(parts) > 1 else figures.SINGLE_COLUMN_MM
    figure, axes = figures.new_figure(width, 68, 1, len(parts))
    tables, sizes = [], []
    for ax, (title, rows) in zip(axes, parts.items(), strict=True):
        own = angles.isel(animal=rows)
        figures.course_over_steps(own, spread="quartiles", ax=ax, styles=styles)
        ax.set_title(title)
        tables.append(figures.step_table(own, "quartiles").assign(animals=title.lower()))
        sizes.append(f"{title.lower()}: {figures.sizes_text(own)}")
    figures.angle_axes(axes)
    figures.panel_letters(axes if len(axes) > 1 else [])
    figures.group_legend(figure, styles)
    caption = (
        "Angle between the teaching signals of the rule and those of exact backpropagation for the same weights and "
        "error, all stimuli as one vector; 0 for backpropagation itself. Lines: median over animals, bands: first to "
        f"third quartile, groups of fewer than three: each animal by itself ({'; '.join(sizes)})."
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def _evenly_along(rates: np.ndarray) -> list[int]:
    """Sessions about evenly along the mean path (session, stimulus, axis): the first, then each one well ahead."""
    moved = np.linalg.norm(np.diff(rates, axis=0), axis=2).mean(axis=1)
    way = np.concatenate([[0.0], np.nancumsum(moved)])
    chosen = [0]
    for session, gone in enumerate(way):
        if gone - way[chosen[-1]] >= 0.999 * way[-1] / N_ARROWS > 0:
            chosen.append(session)
    return chosen


def _boundary(rates: np.ndarray, output: np.ndarray, threshold: float) -> tuple[float, float, float] | None:
    """Line in the plane of the two units where the answer changes, from their rates and the outputs for the stimuli."""
    output = output[:, np.isfinite(output).all(axis=0)]
    if output.shape[1] == 1 and np.isfinite(threshold):
        margin = output[:, 0] - threshold
    elif output.shape[1] == 2:
        margin = output[:, 1] - output[:, 0]
    else:
        return None
    design = np.hstack([rates, np.ones((len(rates), 1))])
    weights, _, rank, _ = np.linalg.lstsq(design, margin, rcond=None)
    # the readout is linear: a fit that is not exact means that it is something else
    exact = np.abs(design @ weights - margin).max() <= 1e-3 * max(float(np.abs(margin).max()), 1e-12)
    return tuple(weights.tolist()) if rank == 3 and exact else None


def _trajectory_table(one: xr.Dataset, steps: np.ndarray) -> pd.DataFrame:
    """Rates and signals of one animal, one row per step and stimulus."""
    names = ("true_rate", *SIGNALS)
    n_sessions, n_stimuli = one["example_true_rate"].shape[:2]
    columns: dict[str, Any] = {
        "animal": one["example_animal"].item(),
        "step": np.repeat(steps, n_stimuli),
        "stimulus": np.tile(one["stimulus_name"].values, n_sessions),
    }
    for name in names:
        values = one[f"example_{name}"].values.reshape(-1, 2)
        columns |= {f"{name}_1": values[:, 0], f"{name}_2": values[:, 1]}
    return pd.DataFrame(columns)
