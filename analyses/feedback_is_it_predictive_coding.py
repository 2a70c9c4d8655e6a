"""
Feedback against predictive coding: whether what is fed back to hidden units is a prediction error.

`measure` takes what the monitor predictive_coding recorded. `plot` draws the cosine to the errors of predictive coding
over learning, for every group, with fresh random feedback as the null and exact backpropagation as the ceiling; and
what else there is to compare. Definitions and sources: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from neurofa import figures, measures

#: panels of the second figure: measure id to (title, label)
PANELS = {
    "feedback_bp_cosine": ("To backpropagation", "Cosine"),
    "feedback_pc_explained_variance": ("Explained variance, free gain", "Fraction"),
    "feedback_pc_gain": ("Gain that explains most", "Gain"),
    "feedback_pc_linear_cka": ("Kernel alignment (linear)", "CKA"),
    "feedback_pc_unit_correlation": ("Correlation, unit by unit", "Correlation"),
    "feedback_pc_gain_ratio": ("Size, feedback : error", "Ratio"),
}


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Take the course of the agreement between feedback and predictive coding.

    Parameters
    ----------
    recording : xarray.DataTree
        With the monitor predictive_coding.

    Returns
    -------
    xarray.Dataset
        `feedback_pc_cosine`, `feedback_pc_cosine_null`, `feedback_pc_cosine_ceiling`, `feedback_bp_cosine` and the
        other variables of the monitor on (animal, layer, step), `fixed_readout_r2` on (animal, step) where it was
        recorded.
        Gaps: NaN where feedback or errors are zero, or where inference did not converge.
    """
    measured = measures.courses_of_learning(recording, ("predictive_coding",), ("readout",))
    kept = [str(name) for name in measured.data_vars if str(name).startswith("feedback_") or name == "fixed_readout_r2"]
    for name in kept:
        measured[name].attrs = dict(recording["learning"][name].attrs)
    return measured[kept].assign_coords(figures.group_coords(recording["probe"].to_dataset()))


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
    return {"feedback_pc_cosine": draw_cosine(measured), "feedback_pc_agreement": draw_agreement(measured)}


def draw_cosine(measured: xr.Dataset) -> figures.Drawing:
    """Cosine to the predictive-coding error over learning, layer by layer from the top."""
    styles = figures.styles_of(measured)
    layers = [str(layer) for layer in measured["layer"].values][::-1][:3]
    width = figures.DOUBLE_COLUMN_MM if len(layers) > 1 else figures.SINGLE_COLUMN_MM
    figure, axes = figures.new_figure(width, 74, 1, len(layers))
    tables = []
    for ax, layer in zip(axes, layers, strict=True):
        own = measured.sel(layer=layer)
        _draw_null_and_ceiling(ax, own)
        figures.course_over_steps(own["feedback_pc_cosine"], ax=ax, styles=styles)
        ax.set_title(figures.layer_name(layer))
        ax.set_ylabel("Cosine to predictive coding" if layer == layers[0] else "")
        ax.set_ylim(min(-0.3, ax.get_ylim()[0]), 1.04)
        for name in ("feedback_pc_cosine", "feedback_pc_cosine_null", "feedback_pc_cosine_ceiling"):
            tables.append(figures.step_table(own[name]).assign(measure=name, layer=layer))
    figures.panel_letters(axes if len(axes) > 1 else [])
    figures.group_legend(figure, styles, measured)
    caption = (
        "Cosine between what reaches the rates of a layer and the errors of predictive coding at equilibrium (same "
        "weights, stimuli and targets; unit precisions unless the rule has its own), mean over stimuli. Grey band: "
        "fresh random feedback, mean over animals plus and minus two standard deviations over draws. Dashed: exact "
        "backpropagation in the same networks, mean over all animals (ceiling). Where groups coincide, the later one "
        "hides the earlier. "
    )
    caption += _numbers_text(measured, layers[0])
    caption += figures.caption_of_courses(measured["feedback_pc_cosine"].sel(layer=layers[0]))
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_agreement(measured: xr.Dataset) -> figures.Drawing:
    """The other comparisons at the top hidden layer."""
    styles = figures.styles_of(measured)
    top = str(measured["layer"].values[-1])
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 118, 2, 3)
    tables = []
    for ax, (name, (title, label)) in zip(axes, PANELS.items(), strict=True):
        values = measured[name].sel(layer=top)
        figures.course_over_steps(values, ax=ax, styles=styles)
        ax.set_title(title)
        ax.set_ylabel(label)
        tables.append(figures.step_table(values).assign(measure=name, layer=top))
        if name == "feedback_pc_gain_ratio" and bool((values > 0).any()):
            ax.set_yscale("log")
        if name == "feedback_pc_gain":
            ax.set_yscale("symlog", linthresh=1)
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    caption = (
        f"{figures.layer_name(top)}: cosine of feedback to exact backpropagation; share of the variance of the "
        "predictive-coding error that feedback explains with the gain that explains most, and this gain (below 0: "
        "feedback has the opposite sign); linear kernel alignment over stimuli; correlation over stimuli, mean over "
        "units; size of feedback relative to the error. Where groups coincide, the later one hides the earlier. "
    )
    caption += figures.caption_of_courses(measured["feedback_bp_cosine"].sel(layer=top))
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def _draw_null_and_ceiling(ax: Axes, own: xr.Dataset) -> None:
    """Band of random feedback, and the line of backpropagation."""
    steps = own["step"].values
    mean = own["feedback_pc_cosine_null"].mean("animal").values
    sd = own["feedback_pc_cosine_null_sd"].mean("animal").values
    ax.fill_between(steps, mean - 2 * sd, mean + 2 * sd, color="0.85", linewidth=0, zorder=0)
    ceiling = own["feedback_pc_cosine_ceiling"].mean("animal").values
    ax.plot(steps, ceiling, color="0.3", linestyle="--", linewidth=0.9, zorder=1)


def _numbers_text(measured: xr.Dataset, layer: str) -> str:
    """First and last cosine of every group with its interval."""
    labels = {group: look.label or group for group, look in figures.styles_of(measured).items()}
    groups = measured["group"].values.astype(str)
    values = measured["feedback_pc_cosine"].sel(layer=layer).transpose("animal", "step").values
    texts = []
    for group in dict.fromkeys(groups.tolist()):
        over = measures.mean_and_interval(values[groups == group][:, [0, -1]])
        ends = [
            f"{mean:.2f}" + (f" ({low:.2f} to {high:.2f})" if np.isfinite(low) else "")
            for mean, low, high in zip(over.mean, over.low, over.high, strict=True)
        ]
        texts.append(f"{labels[group]} {ends[0]}, then {ends[1]}")
    return f"{figures.layer_name(layer)}, first and last step, mean and 95 % interval (Student t): {'; '.join(texts)}. "
