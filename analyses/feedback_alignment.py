"""
Feedback alignment: whether what is taught turns towards backpropagation, before or after the task is learned.

`measure` takes the angles between the teaching signals and those of exact backpropagation, and between forward and
feedback weights, of every layer and step, beside accuracy; and the step at which each has made half of its change.
`plot` draws angles and accuracy against step, and angle against accuracy. Definitions and sources: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from neurofa import figures, measures

#: measure id to (long name, units)
ANGLES = {
    "angle_to_bp_deg": ("angle to backpropagation", "degrees"),
    "angle_weights_feedback_deg": ("angle between weights and feedback", "degrees"),
}
#: what stands above the panels
TITLES = {
    "angle_to_bp_deg": "teaching signal to backpropagation's",
    "angle_weights_feedback_deg": "forward to feedback weights",
}
ACCURACIES = {
    "accuracy": ("learned stimuli reported correctly", "1"),
    "held_out_accuracy": ("held-out stimuli reported correctly", "1"),
}
#: what shows learning, and whether it rises or falls
LEARNING = {"accuracy": "rise", "fixed_readout_mse": "fall"}
#: smallest changes that count as alignment, degrees, and as learning: accuracy, and fraction of the first error
LEAST_FALL_DEG, LEAST_GAIN = 5.0, 0.1


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Take angles and accuracies from the course of learning, and find out which of the two changes first.

    Parameters
    ----------
    recording : xarray.DataTree
        With the monitors alignment and performance.

    Returns
    -------
    xarray.Dataset
        Angles on (animal, layer, step), accuracies and squared error on (animal, step); `alignment_half_step` (animal,
        layer), `learning_half_step` (animal, condition) and their difference `alignment_lead_steps` (animal, layer,
        condition), where condition is what shows learning. A positive lead: alignment comes first; NaN where both lie
        between the same two steps, so that their order is not known.
    """
    courses = measures.courses_of_learning(recording, ("alignment", "performance"), ("readout",))
    kept = [name for name in (*ANGLES, *ACCURACIES, "fixed_readout_mse") if name in courses]
    measured = courses[kept].assign_coords(figures.group_coords(recording["probe"].to_dataset()))
    for name, (long_name, units) in (ANGLES | ACCURACIES).items():
        measured[name].attrs = {"long_name": long_name, "units": units}
    steps = measured["step"].values
    attrs = {"units": str(measured["step"].attrs["long_name"])}
    half_aligned = [
        measures.half_change_step(angles.values, steps, "fall", LEAST_FALL_DEG)
        for angles in measured["angle_to_bp_deg"].transpose("layer", "animal", "step")
    ]
    measured["alignment_half_step"] = (("animal", "layer"), np.stack(half_aligned, axis=1), attrs)
    conditions = [name for name in LEARNING if name in measured and bool(measured[name].notnull().any())]
    half_learned = [_half_learned(measured[name].values, steps, LEARNING[name]) for name in conditions]
    values = np.stack(half_learned, axis=1) if half_learned else np.empty((measured.sizes["animal"], 0))
    measured = measured.assign_coords(condition=np.array(conditions, dtype=str))
    measured["learning_half_step"] = (("animal", "condition"), values, attrs)
    learned, aligned = measured["learning_half_step"], measured["alignment_half_step"]
    apart = _interval(learned, steps) != _interval(aligned, steps)
    measured["alignment_lead_steps"] = (learned - aligned).where(apart)
    measured["alignment_lead_steps"].attrs = attrs
    names = {
        "alignment_half_step": "half of the alignment",
        "learning_half_step": "half of the learning",
        "alignment_lead_steps": "lead of alignment over learning",
    }
    for name, long_name in names.items():
        measured[name].attrs["long_name"] = long_name
    return measured.transpose("animal", "layer", "condition", "step", missing_dims="ignore")


def _half_learned(values: np.ndarray, steps: np.ndarray, direction: str) -> np.ndarray:
    """Step of half the gain in accuracy, or of half the fall of the error relative to its first value."""
    if direction == "fall":
        first = values[:, :1]
        values = np.divide(values, first, out=np.full(values.shape, np.nan), where=first > 0)
    return measures.half_change_step(values, steps, direction, LEAST_GAIN)


def _interval(half_step: xr.DataArray, steps: np.ndarray) -> xr.DataArray:
    """Number of the step at or after which a half was reached."""
    return half_step.copy(data=np.searchsorted(steps, half_step.values))


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
    drawings = {"alignment_angles": draw_angles(measured)}
    if bool(measured["accuracy"].notnull().any()):
        drawings["alignment_accuracy"] = draw_accuracy(measured)
        drawings["alignment_order"] = draw_order(measured)
    return drawings


def draw_angles(measured: xr.Dataset) -> figures.Drawing:
    """Angles against step, one row per angle, one column per layer."""
    styles = figures.styles_of(measured)
    shown = [
        (name, layer)
        for name in ANGLES
        for layer in measured["layer"].values
        if bool(measured[name].sel(layer=layer).notnull().any())
    ]
    columns = min(3, max(1, measured.sizes["layer"])) if measured.sizes["layer"] > 1 else min(2, max(1, len(shown)))
    rows = -(-len(shown) // columns)
    width = figures.DOUBLE_COLUMN_MM if columns > 1 else figures.SINGLE_COLUMN_MM
    figure, axes = figures.new_figure(width, 12 + 50 * rows, rows, columns, len(shown))
    tables = []
    for ax, (name, layer) in zip(axes, shown, strict=True):
        values = measured[name].sel(layer=layer)
        figures.course_over_steps(values, ax=ax, styles=styles)
        ax.set_title(f"{figures.layer_name(layer)}:\n{TITLES[name]}")
        ax.set_ylabel("Angle (degrees)")
        tables.append(figures.step_table(values).assign(measure=name, layer=layer))
    figures.angle_axes(axes)
    figures.panel_letters(axes if len(axes) > 1 else [])
    figures.group_legend(figure, styles, measured)
    caption = (
        "Angle between the teaching signals of a layer, over all stimuli as one vector, and those of exact "
        "backpropagation for the same weights and error; and, where a layer has feedback weights of that shape, angle "
        "between them and the transposed forward weights of the layer above. Dotted: right angle, nothing in common. "
    )
    caption += figures.caption_of_courses(measured["accuracy"])
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_accuracy(measured: xr.Dataset) -> figures.Drawing:
    """Accuracy against step, of learned and of held-out stimuli."""
    styles = figures.styles_of(measured)
    shown = [name for name in ACCURACIES if bool(measured[name].notnull().any())]
    width = figures.DOUBLE_COLUMN_MM if len(shown) > 1 else figures.SINGLE_COLUMN_MM
    figure, axes = figures.new_figure(width, 66, 1, len(shown))
    tables = []
    for ax, name in zip(axes, shown, strict=True):
        figures.course_over_steps(measured[name], ax=ax, styles=styles)
        tables.append(figures.step_table(measured[name]).assign(measure=name))
    lowest = min(ax.get_ylim()[0] for ax in axes)
    for ax in axes:
        ax.set_ylim(lowest, 1.02)
    figures.panel_letters(axes if len(axes) > 1 else [])
    figures.group_legend(figure, styles, measured)
    caption = "Fraction of stimuli that the network's own readout reports correctly. "
    caption += figures.caption_of_courses(measured["accuracy"])
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_order(measured: xr.Dataset) -> figures.Drawing:
    """Angle against accuracy along learning, and the steps of half alignment and half learning, layer by layer."""
    styles = figures.styles_of(measured)
    layers = [layer for layer in measured["layer"].values if _angles_of(measured, layer).notnull().any()][:3]
    columns = len(layers)
    rows_of_panels = (2, columns) if columns > 1 else (1, 2)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 10 + 60 * rows_of_panels[0], *rows_of_panels)
    tables = []
    for number, layer in enumerate(layers):
        angles = _angles_of(measured, layer)
        figures.path_of_groups(measured["accuracy"], angles, ax=axes[number], styles=styles)
        axes[number].set_title(figures.layer_name(layer))
        tables.append(figures.path_table(measured["accuracy"], angles).assign(layer=layer, panel="path"))
        rows = _half_steps(measured, layer)
        _draw_half_steps(axes[columns + number], rows, styles, measured["step"])
        tables.append(rows.assign(layer=layer, panel="half steps"))
    figures.angle_axes(axes[:columns])
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    numbers = pd.concat(tables, ignore_index=True).rename(columns={"x": "accuracy", "y": "angle_to_bp_deg"})
    caption = (
        "Order of alignment and learning. First panels: angle to backpropagation against accuracy of the learned "
        "stimuli, means over the animals of a group; open circle: first step, filled circle: last. Paths that go down "
        "before they go right align first. Last panels: step at which the angle has made half of its fall (more than "
        f"{LEAST_FALL_DEG:g} degrees) and accuracy half of its gain (more than {LEAST_GAIN:g}), one dot per animal "
        "that shows both; above the diagonal alignment comes first; open dots: both lie between the same two steps, "
        "their order is not known. "
    )
    return figures.Drawing(figure, numbers, caption + _lead_text(measured, layers))


def _angles_of(measured: xr.Dataset, layer: str) -> xr.DataArray:
    """Angle to backpropagation of one layer."""
    return measured["angle_to_bp_deg"].sel(layer=layer)


def _half_steps(measured: xr.Dataset, layer: str) -> pd.DataFrame:
    """Steps of half alignment and half learning of the animals that show both."""
    table = pd.DataFrame(
        {
            "group": measured["group"].values.astype(str),
            "animal": measured["animal"].values.astype(str),
            "alignment_half_step": measured["alignment_half_step"].sel(layer=layer).values,
            "learning_half_step": measured["learning_half_step"].sel(condition="accuracy").values,
        }
    )
    lead = measured["alignment_lead_steps"].sel(layer=layer, condition="accuracy")
    return table.assign(order_is_known=lead.notnull().values).dropna()


def _draw_half_steps(ax: Axes, rows: pd.DataFrame, styles: dict[str, figures.GroupStyle], steps: xr.DataArray) -> None:
    """One dot per animal, and the diagonal."""
    for group, own in rows.groupby("group", sort=False):
        size = 9 if len(own) <= 20 else 4
        for known, dots in own.groupby("order_is_known"):
            colour = styles[group].colour
            look = {"facecolor": colour if known else "none", "edgecolor": colour, "linewidth": 0.6, "alpha": 0.7}
            ax.scatter(dots["alignment_half_step"], dots["learning_half_step"], size, **look)
    figures.step_axis(ax, steps, "x")
    figures.step_axis(ax, steps, "y")
    values = rows[["alignment_half_step", "learning_half_step"]].to_numpy()
    longest = 1.1 * float(values.max()) if values.size else float(steps.values[-1])
    ax.plot([0, longest], [0, longest], color="0.4", linestyle=":", linewidth=0.8, zorder=1)
    ax.set_xlim(0, longest)
    ax.set_ylim(0, longest)
    ax.set_xlabel(f"Half of the alignment ({steps.attrs['long_name']})")
    ax.set_ylabel(f"Half of the learning ({steps.attrs['long_name']})")
    if not len(rows):
        ax.text(0.5, 0.5, "no animal shows both", transform=ax.transAxes, ha="center", color="0.4")


def _lead_text(measured: xr.Dataset, layers: list[str]) -> str:
    """Mean lead of alignment over learning with its interval, group by group."""
    unit = str(measured["alignment_lead_steps"].attrs["units"])
    labels = {group: look.label or group for group, look in figures.styles_of(measured).items()}
    groups = measured["group"].values.astype(str)
    texts, unknown = [], 0
    for layer in layers:
        unknown += int((~_half_steps(measured, layer)["order_is_known"]).sum())
        lead = measured["alignment_lead_steps"].sel(layer=layer, condition="accuracy").values
        for group in dict.fromkeys(groups.tolist()):
            over = measures.mean_and_interval(lead[groups == group])
            if over.n > 1:
                span = f"{_number(over.mean)} ({_number(over.low)} to {_number(over.high)})"
                texts.append(f"{labels[group]}, {figures.layer_name(layer).lower()}: {span}, n = {int(over.n)}")
    left_out = f" Left out because the order is not known: {unknown} (animal, layer)." if unknown else ""
    if not texts:
        return "No group has two animals whose order is known." + left_out
    told = f"Lead of alignment over learning in {unit}, mean and 95 % interval (Student t): {'; '.join(texts)}."
    return told + left_out


def _number(value: np.ndarray) -> str:
    """Three digits, or all digits of a large number."""
    return f"{float(value):.3g}" if abs(value) < 1000 else f"{float(value):.0f}"
