"""
Target information: what hidden layers know about the target, whatever the network's own readout makes of it.

`measure` takes the error of the network's own readout and of the best linear readout of every layer, fitted at that
moment, and the information about the target in bits, from the course of learning. `plot` draws courses, the
distribution over animals (seeds) at the last step and, where stimuli are reported, the accuracy of both readouts.
Definitions and sources: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from neurofa import figures, measures

#: measure id to (long name, units) on (animal, layer, step)
OF_LAYERS = {
    "best_readout_mse": ("squared error, best linear readout", "a.u.²"),
    "target_information_gaussian": ("target information, Gaussian", "bits"),
    "target_information_binned": ("target information, binned", "bits"),
    "best_readout_r2": ("R², best linear readout", "1"),
    "best_readout_accuracy": ("accuracy, best linear readout", "1"),
    "target_information_binned_ceiling": ("entropy of the binned target", "bits"),
}
#: the same on (animal, step)
OF_NETWORKS = {
    "fixed_readout_mse": ("squared error, network's own readout", "a.u.²"),
    "fixed_readout_r2": ("R², network's own readout", "1"),
    "accuracy": ("accuracy, network's own readout", "1"),
    "held_out_accuracy": ("held-out accuracy, network's own readout", "1"),
}
#: measure id to (title of the panel, label of its axis)
PANELS = {
    "best_readout_mse": ("Best linear readout", "Squared error (a.u.²)"),
    "fixed_readout_mse": ("Network's own readout", "Squared error (a.u.²)"),
    "target_information_gaussian": ("Gaussian estimate", "Target information (bits)"),
    "target_information_binned": ("Binned estimate", "Target information (bits)"),
}
CEILING = "target_information_binned_ceiling"


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Take errors, accuracies and information from the course of learning.

    Parameters
    ----------
    recording : xarray.DataTree
        With the monitors readout and information.

    Returns
    -------
    xarray.Dataset
        `OF_LAYERS` on (animal, layer, step), `OF_NETWORKS` on (animal, step).
    """
    measured = measures.courses_of_learning(recording, ("readout", "information"), ("performance",))
    measured = measured.assign_coords(figures.group_coords(recording["probe"].to_dataset()))
    for name, (long_name, units) in (OF_LAYERS | OF_NETWORKS).items():
        if name in measured:
            measured[name].attrs = {"long_name": long_name, "units": units}
    return measured


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: no recorded run has targets and readouts.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    drawings: dict[str, figures.Drawing] = {}
    layers = measured["layer"].values.tolist()
    for layer in layers:
        suffix = f"_{layer}" if len(layers) > 1 else ""
        drawings[f"information_courses{suffix}"] = draw_courses(measured.sel(layer=layer))
        drawings[f"information_last_step{suffix}"] = draw_last_step(measured.sel(layer=layer))
    if "accuracy" in measured and bool(measured["best_readout_accuracy"].notnull().any()):
        drawings["information_accuracy"] = draw_accuracy(measured)
    return drawings


def draw_courses(measured: xr.Dataset) -> figures.Drawing:
    """Errors and information against step: median and quartiles over animals."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 108, 2, 2)
    tables = []
    for ax, name in zip(axes, PANELS, strict=True):
        values = measured[name].where(np.isfinite(measured[name]))
        figures.course_over_steps(values, spread="quartiles", ax=ax, styles=styles)
        table = figures.step_table(values, "quartiles")
        if name == "target_information_binned":
            ceiling = float(measured[CEILING].median())
            ax.set_ylim(0, 1.2 * ceiling)
            figures.level_line(ax, ceiling, "ceiling: entropy of the binned target")
        elif name == "target_information_gaussian":
            ax.set_ylim(bottom=0)
        elif (table[["middle", "lower"]].min() > 0).all():
            figures.log_axis(ax)
        _label_panel(ax, name)
        tables.append(table.assign(measure=name))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    layer = figures.layer_name(measured["layer"].item())
    caption = (
        f"What {layer.lower()} knows about the target. Best linear readout: regression from the layer's rates "
        "to the target, fitted at that moment. Gaussian: -1/2 log2 of the determinant of the target's unexplained "
        "variance, not bounded by the target's entropy. Binned: counts in joint bins of all units; where almost every "
        "sample has a bin of its own it lies at its ceiling whatever the units code, and shows nothing. "
    )
    caption += figures.caption_of_courses(measured["fixed_readout_mse"], "quartiles")
    caption += " Errors on logarithmic axes where all are positive." + _left_out(measured)
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_last_step(measured: xr.Dataset) -> figures.Drawing:
    """Every animal at the last step, and the median before learning."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 112, 2, 2)
    tables = []
    for ax, name in zip(axes, PANELS, strict=True):
        values = measured[name]
        last, first = _last(values), values.isel(step=0)
        before = float(first.where(np.isfinite(first)).median())
        errors = name.endswith("mse")
        figures.animal_points(last, log=errors, ax=ax, styles=styles)
        if np.isfinite(before) and not (errors and before <= 0):
            ax.axhline(before, color="0.4", linestyle=":", linewidth=0.8, zorder=1)
        if name == "target_information_binned":
            ceiling = float(measured[CEILING].median())
            ax.set_ylim(0, 1.15 * ceiling)
            ax.axhline(ceiling, color="0.4", linestyle="--", linewidth=0.8, zorder=1)
        elif not errors:
            ax.set_ylim(bottom=0)
        _label_panel(ax, name)
        table = pd.DataFrame({"group": last["group"].values, "animal": last["animal"].values, "value": last.values})
        tables.append(table.assign(measure=name, median_at_first_step=before))
    figures.panel_letters(axes, left=26)
    layer = figures.layer_name(measured["layer"].item())
    caption = (
        f"{layer} after {_step_text(measured)}: every animal (seed) is a dot, bars are "
        f"medians ({figures.sizes_text(measured)}). Dotted: median over all animals at the first step. Dashed: ceiling "
        "of the binned estimate, the entropy of the binned target. Errors on logarithmic axes where all are positive."
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + _left_out(measured))


def draw_accuracy(measured: xr.Dataset) -> figures.Drawing:
    """Accuracy of the network's own readout beside that of the best linear readout of every layer."""
    styles = figures.styles_of(measured)
    held_out = bool(measured["held_out_accuracy"].notnull().any())
    own = measured["held_out_accuracy" if held_out else "accuracy"]
    panels = {"Network's own readout": own}
    for layer in measured["layer"].values[:3]:
        title = f"Best readout of {str(layer).replace('hidden_', 'hidden layer ')}"
        panels[title] = measured["best_readout_accuracy"].sel(layer=layer)
    columns = len(panels)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 106, 2, columns)
    tables = []
    for number, (title, values) in enumerate(panels.items()):
        above, below = axes[number], axes[columns + number]
        figures.course_over_steps(values, spread="quartiles", ax=above, styles=styles)
        figures.animal_points(_last(values), ax=below, styles=styles)
        above.set_title(title)
        # the legend names the groups
        below.set_xticks([])
        for ax in (above, below):
            ax.set_ylabel("Accuracy" if number == 0 else "")
        tables.append(figures.step_table(values, "quartiles").assign(readout=title))
    for row in (axes[:columns], axes[columns:]):
        lowest, highest = min(ax.get_ylim()[0] for ax in row), max(ax.get_ylim()[1] for ax in row)
        for ax in row:
            ax.set_ylim(lowest, min(highest, 1.02))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    which = "held-out stimuli, the best readouts fitted on the learned ones" if held_out else "all stimuli"
    caption = (
        "Fraction of stimuli reported correctly by the network's own readout and by the best linear readout of each "
        f"hidden layer ({which}). Above: courses; below: every animal after {_step_text(measured)}, groups in the "
        "order of the legend, bars: medians. "
    )
    caption += figures.caption_of_courses(own, "quartiles")
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def _label_panel(ax: Axes, name: str) -> None:
    """Title and label of the panel of a measure."""
    title, label = PANELS[name]
    ax.set_title(title)
    ax.set_ylabel(label)


def _last(values: xr.DataArray) -> xr.DataArray:
    """Values at the last step."""
    return values.isel(step=-1, drop=True)


def _step_text(measured: xr.Dataset) -> str:
    """The last step, for captions."""
    name = str(measured["step"].attrs["long_name"])
    last = measured["step"].values[-1]
    return f"{last} updates" if name == "updates" else f"the last {name}"


def _left_out(measured: xr.Dataset) -> str:
    """Say where infinite values are not drawn."""
    endless = int(np.isinf(measured["target_information_gaussian"].isel(step=-1)).sum())
    if not endless:
        return ""
    return f" Gaussian information is infinite (a perfect linear readout) in {endless} animals at the end: not drawn."
