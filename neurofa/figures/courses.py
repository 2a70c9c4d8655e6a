"""Courses of learning: a quantity of animals against the updates so far, or against another quantity."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from neurofa.errors import ShapeError
from neurofa.figures.drawing import axes_or_new, axis_label, style
from neurofa.figures.palette import GroupStyle, group_styles
from neurofa.figures.tables import MIN_ANIMALS_FOR_INTERVAL, group_labels, group_sizes, small_groups
from neurofa.measures import mean_and_interval

Spread = Literal["interval", "quartiles"]
#: steps are drawn on a logarithmic axis where the last is more than so many times the median one
_UNEVEN = 8.0


def step_table(values: xr.DataArray, spread: Spread = "interval") -> pd.DataFrame:
    """
    Table of a quantity against step.

    Parameters
    ----------
    values : xarray.DataArray
        (animal, step) with the coordinates ``group`` (animal) and ``step``. Gaps: NaN is left out.
    spread : {"interval", "quartiles"}
        "interval": mean over animals and its 95 % interval (Student t); "quartiles": median over animals, and first
        and third quartile.

    Returns
    -------
    pandas.DataFrame
        Columns ``group``, ``animal``, ``step``, ``middle``, ``lower``, ``upper``, ``n_animals``; groups as in the
        recording. Animals of groups of fewer than three have rows of their own, without lower and upper end; else
        ``animal`` is empty.

    Raises
    ------
    ShapeError
        Where a dimension or the coordinate ``group`` is missing.
    """
    if set(values.dims) != {"animal", "step"} or "group" not in values.coords:
        raise ShapeError(f"courses need the dimensions animal and step and the coordinate group, got {values.dims}")
    values = values.transpose("animal", "step")
    groups, small = values["group"].values.astype(str), small_groups(values)
    names = values["animal"].values.astype(str)
    tables = []
    for group in group_sizes(values):
        rows = np.flatnonzero(groups == group)
        for name, chosen in [(names[row], [row]) for row in rows] if group in small else [("", rows)]:
            middle, lower, upper = _summary(values.values[chosen], spread)
            found = {"step": values["step"].values, "middle": middle, "lower": lower, "upper": upper}
            n_animals = np.isfinite(values.values[chosen]).sum(axis=0)
            tables.append(pd.DataFrame({"group": group, "animal": name, **found, "n_animals": n_animals}))
    table = pd.concat(tables, ignore_index=True)
    return table[table["n_animals"] > 0].reset_index(drop=True)


def course_over_steps(
    values: xr.DataArray,
    *,
    spread: Spread = "interval",
    ax: Axes | None = None,
    styles: Mapping[str, GroupStyle] | None = None,
) -> Axes:
    """
    Draw a quantity of animals against step, one line and band per group.

    Parameters
    ----------
    values : xarray.DataArray
        (animal, step), as `step_table` takes it; attributes ``long_name`` and ``units`` label the axis. Unevenly spaced
        steps stand on an axis that is logarithmic beyond the first of them.
    spread : {"interval", "quartiles"}
        What line and band are, see `step_table`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    styles : mapping, optional
        Colours and dashes; by default those of `group_styles`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    table = step_table(values, spread)
    styles = group_styles(group_sizes(values)) if styles is None else styles
    with style():
        ax = axes_or_new(ax)
        for (group, animal), rows in table.groupby(["group", "animal"], sort=False):
            line = styles[str(group)].line
            ax.plot(rows["step"], rows["middle"], linewidth=0.7 if animal else 1.0, **line)
            ax.fill_between(rows["step"], rows["lower"], rows["upper"], color=line["color"], alpha=0.18, linewidth=0)
        step_axis(ax, values["step"])
        ax.set_ylabel(axis_label(values))
    return ax


def step_axis(ax: Axes, steps: xr.DataArray, axis: Literal["x", "y"] = "x") -> None:
    """
    Scale and label an axis of steps.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    steps : xarray.DataArray
        (step,), ascending; ``long_name`` in its attributes labels the axis.
    axis : {"x", "y"}
        Which.
    """
    at = np.asarray(steps.values, dtype=np.float64)
    positive = at[at > 0]
    mine = ax.xaxis if axis == "x" else ax.yaxis
    with style():
        if positive.size > 2 and positive[-1] > _UNEVEN * np.median(positive):
            scale: Any = ax.set_xscale if axis == "x" else ax.set_yscale
            scale("symlog", linthresh=float(positive[0]), linscale=0.5)
            powers = [10.0**power for power in range(12) if positive[0] <= 10.0**power <= positive[-1]]
            mine.set_ticks([*at[at == 0].tolist(), *powers])
            mine.set_minor_locator(NullLocator())
        else:
            mine.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
        mine.set_major_formatter(FuncFormatter(_short_number))
        name = str(steps.attrs.get("long_name", "step"))
        label = name[:1].upper() + name[1:]
        ax.set_xlabel(label) if axis == "x" else ax.set_ylabel(label)


def path_of_groups(
    x: xr.DataArray,
    y: xr.DataArray,
    *,
    ax: Axes | None = None,
    styles: Mapping[str, GroupStyle] | None = None,
) -> Axes:
    """
    Draw two quantities of animals against each other along the steps: the mean over animals of each group.

    An open circle marks the first step, a filled one the last, dots the steps between them.

    Parameters
    ----------
    x, y : xarray.DataArray
        (animal, step) with the coordinate ``group`` (animal); attributes ``long_name`` and ``units`` label the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    styles : mapping, optional
        Colours and dashes; by default those of `group_styles`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    both = path_table(x, y)
    styles = group_styles(group_sizes(x)) if styles is None else styles
    with style():
        ax = axes_or_new(ax)
        for (group, _), rows in both.groupby(["group", "animal"], sort=False):
            line = styles[str(group)].line
            ax.plot(rows["x"], rows["y"], marker=".", markersize=2.5, **line)
            ends: dict[str, Any] = {
                "marker": "o",
                "markersize": 4.5,
                "linestyle": "none",
                "clip_on": False,
                "zorder": 3,
            }
            ax.plot(rows["x"].iloc[:1], rows["y"].iloc[:1], color=line["color"], markerfacecolor="white", **ends)
            ax.plot(rows["x"].iloc[-1:], rows["y"].iloc[-1:], color=line["color"], **ends)
        ax.set_xlabel(axis_label(x))
        ax.set_ylabel(axis_label(y))
    return ax


def path_table(x: xr.DataArray, y: xr.DataArray) -> pd.DataFrame:
    """
    Table of two quantities along the steps.

    Parameters
    ----------
    x, y : xarray.DataArray
        As `path_of_groups` takes them.

    Returns
    -------
    pandas.DataFrame
        Columns ``group``, ``animal`` (empty for means over animals), ``step``, ``x``, ``y``, each a mean over the
        animals that have both.
    """
    both = x.notnull() & y.notnull()
    keys = ["group", "animal", "step"]
    left, right = step_table(x.where(both)), step_table(y.where(both))
    return left.assign(x=left["middle"])[[*keys, "x"]].merge(right.assign(y=right["middle"])[[*keys, "y"]], on=keys)


def level_line(ax: Axes, level: float, text: str) -> None:
    """
    Draw a level to compare with, such as a right angle, and name it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    level : float
        The level.
    text : str
        A few words, written at the right end.
    """
    ax.axhline(level, color="0.4", linestyle=":", linewidth=0.8, zorder=1)
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    look: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": 7, "color": "0.4"}
    drawn = ax.annotate(text, (1, level), xytext=(-1, 1.5), **place, **look)
    drawn.set_path_effects([withStroke(linewidth=1.5, foreground="white")])


def angle_axes(axes: Iterable[Axes]) -> None:
    """
    Give vertical axes of angles the same limits and ticks of 30 degrees, and mark the right angle.

    Parameters
    ----------
    axes : iterable of matplotlib.axes.Axes
        Panels whose values are degrees.
    """
    panels = list(axes)
    highest = min(180.0, max(100.0, *(ax.get_ylim()[1] for ax in panels)))
    for ax in panels:
        ax.set_ylim(-3, highest)
        ax.set_yticks(np.arange(0, highest + 1, 30))
        level_line(ax, 90, "right angle")


def caption_of_courses(values: xr.DataArray, spread: Spread = "interval") -> str:
    """
    Say for a caption what lines and bands of courses are, and how many animals they stand for.

    Parameters
    ----------
    values : xarray.DataArray
        Has the coordinate ``group`` (animal).
    spread : {"interval", "quartiles"}
        As drawn.

    Returns
    -------
    str
        One or two sentences.

    Examples
    --------
    >>> caption_of_courses(xr.DataArray([0.0] * 3, dims="animal", coords={"group": ("animal", ["a"] * 3)}))
    'Lines: mean over animals; bands: 95 % interval of the mean (Student t); a n = 3.'
    """
    labels = group_labels(values)
    sizes = {f"{labels[name]} n = {size}": size for name, size in group_sizes(values).items()}
    large = [text for text, size in sizes.items() if size >= MIN_ANIMALS_FOR_INTERVAL]
    small = [text for text, size in sizes.items() if size < MIN_ANIMALS_FOR_INTERVAL]
    what = "mean over animals; bands: 95 % interval of the mean (Student t)"
    if spread == "quartiles":
        what = "median over animals; bands: first to third quartile"
    sentences = [f"Lines: {what}; {', '.join(large)}."] if large else []
    if small:
        sentences.append(f"Each animal by itself: {', '.join(small)}.")
    return " ".join(sentences)


def _summary(values: np.ndarray, spread: Spread) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle, lower and upper end over animals (first axis) at every step; ends NaN for one animal."""
    if spread == "interval":
        over = mean_and_interval(values, axis=0)
        return over.mean, over.low, over.high
    found = np.full((3, values.shape[1]), np.nan)
    for step, column in enumerate(values.T):
        finite = column[~np.isnan(column)]
        if finite.size:
            # infinite values have ranks, but no mean with their neighbours
            found[:, step] = np.quantile(
                finite, [0.5, 0.25, 0.75], method="nearest" if np.isinf(finite).any() else "linear"
            )
    if len(values) == 1:
        found[1:] = np.nan
    return found[0], found[1], found[2]


def _short_number(value: float, _: Any = None) -> str:
    """A number of steps in few characters: 2000 as 2k."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
