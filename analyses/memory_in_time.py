"""
Memory in time: how well animals with recurrent networks learn to report, and when in the trial the report is ready.

`measure` takes the fraction of trials reported correctly from session to session, what it would be if the output were
read at each time of the last session's trials, and the angle between the teaching signals and those of exact
backpropagation through time. `plot` draws the three. For protocols with `network.kind = "recurrent"`.
"""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from neurofa import NeurofaError, figures, measures

#: measure id to (long name, units)
LABELS = {
    "accuracy": ("fraction of trials reported correctly", "1"),
    "accuracy_in_time": ("fraction of trials correct if the output were read at that time", "1"),
    "angle_to_bp_deg": ("angle to exact backpropagation through time", "deg"),
}


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Take performance and alignment from the course of learning, and performance within the trial.

    Parameters
    ----------
    recording : xarray.DataTree
        Of recurrent networks, with the monitor performance, and alignment for the angle.

    Returns
    -------
    xarray.Dataset
        ``accuracy`` on (animal, step), ``accuracy_in_time`` on (animal, condition) for the last session, condition
        being the time in the trial, and, where it was monitored, ``angle_to_bp_deg`` on (animal, layer, step).

    Raises
    ------
    NeurofaError
        Where trials were not recorded over time, or performance was not monitored.
    """
    probe = recording["probe"].to_dataset()
    if "correct_in_time" not in probe:
        raise NeurofaError(
            "the recording has no time within its trials, which this analysis is about; "
            'run a protocol with network.kind = "recurrent", such as delayed_match_to_sample'
        )
    measured = measures.courses_of_learning(recording, ("performance",), ("alignment",))
    measured = measured[[name for name in LABELS if name in measured]]
    measured = measured.assign_coords(figures.group_coords(probe))
    in_time = probe["correct_in_time"].transpose("animal", "session", "stimulus", "time").values.mean(2)
    recorded = np.isfinite(in_time).all(2)
    last = [
        values[np.flatnonzero(there)[-1]] if there.any() else values[-1]
        for values, there in zip(in_time, recorded, strict=True)
    ]
    times = probe["time"].values.astype(np.float64)
    measured["accuracy_in_time"] = (("animal", "condition"), np.stack(last))
    measured = measured.assign_coords(
        condition=[f"{time:g} ms" for time in times],
        time=("condition", times, {"long_name": "time in the trial (ms)"}),
    )
    if "epoch" in probe.coords:
        measured = measured.assign_coords(epoch=("condition", probe["epoch"].values.astype(str)))
    for name, (long_name, units) in LABELS.items():
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
        Not used.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    styles = figures.styles_of(measured)
    angles = "angle_to_bp_deg" in measured
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 70, 1, 3 if angles else 2)
    steps = measured["accuracy"].dropna("step", how="all")
    within = measured["accuracy_in_time"].swap_dims(condition="time").rename(time="step")
    within["step"].attrs = dict(measured["time"].attrs)
    tables = []
    for ax, values, title in ((axes[0], steps, "Learning"), (axes[1], within, "Within trials of the last session")):
        figures.course_over_steps(values, ax=ax, styles=styles)
        ax.set(title=title, ylim=(0, 1.04), ylabel="Fraction correct")
        tables.append(figures.step_table(values).assign(measure=values.name))
    _mark_epochs(axes[1], measured)
    if angles:
        values = measured["angle_to_bp_deg"].isel(layer=0).dropna("step", how="all")
        figures.course_over_steps(values, ax=axes[2], styles=styles)
        axes[2].set(title="Teaching signal", ylabel="Angle to exact gradient (deg)")
        figures.angle_axes([axes[2]])
        tables.append(figures.step_table(values).assign(measure=values.name))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    caption = (
        "(a) Fraction of trials reported correctly. (b) The same if the output were read at each time of the trial, in "
        "the last session of each animal; grey: sample and test. "
    )
    if angles:
        caption += (
            "(c) Angle between the teaching signals of all units, trials and times and those of exact backpropagation "
            "through time, computed for the same activity. "
        )
    caption += figures.caption_of_courses(measured["accuracy"])
    return {"memory_in_time": figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)}


def _mark_epochs(ax: Axes, measured: xr.Dataset) -> None:
    """Shade the bins in which a stimulus is shown, where epochs are known."""
    if "epoch" not in measured.coords or measured.sizes["condition"] < 2:
        return
    times, epochs = measured["time"].values, measured["epoch"].values
    half = np.diff(times).min() / 2
    for epoch in ("sample", "test"):
        shown = times[epochs == epoch]
        if len(shown):
            ax.axvspan(shown[0] - half, shown[-1] + half, color="0.9", linewidth=0, zorder=0)
            ax.annotate(epoch, ((shown[0] + shown[-1]) / 2, 0.02), ha="center", fontsize=7, color="0.4")
