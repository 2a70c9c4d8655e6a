"""One value per animal, groups side by side; and how many animals of each group do something."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from neurofa.figures.drawing import axes_or_new, axis_label, style
from neurofa.figures.palette import GroupStyle, group_styles
from neurofa.figures.tables import group_sizes
from neurofa.measures import mean_of_finite

#: how far dots of a group lie from its middle at most; the distance of groups is 1
_WIDTH = 0.32
#: steps of the golden ratio spread dots evenly without chance
_GOLDEN = 0.5 * (np.sqrt(5) - 1)


def animal_points(
    values: xr.DataArray,
    *,
    log: bool = False,
    bounds: tuple[xr.DataArray, xr.DataArray] | None = None,
    ax: Axes | None = None,
    styles: Mapping[str, GroupStyle] | None = None,
) -> Axes:
    """
    Draw one value per animal as dots, groups side by side, with the median of each group; dots of controls are hollow.

    Parameters
    ----------
    values : xarray.DataArray
        (animal,) with the coordinate ``group``; attributes ``long_name`` and ``units`` label the axis. Gaps: animals
        without a finite value are left out.
    log : bool
        Logarithmic axis, where all values are positive.
    bounds : tuple of xarray.DataArray, optional
        Lower and upper end of the interval of every animal's own value, (animal,) each; thin lines.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    styles : mapping, optional
        Colours; by default those of `group_styles`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    styles = group_styles(group_sizes(values)) if styles is None else styles
    groups, numbers = values["group"].values.astype(str), values.values
    with style():
        ax = axes_or_new(ax)
        for place, group in enumerate(group_sizes(values)):
            there = (groups == group) & np.isfinite(numbers)
            own = numbers[there]
            beside = place + _WIDTH * (2 * (np.arange(len(own)) * _GOLDEN % 1) - 1)
            if bounds is not None:
                low, high = (one.values[there] for one in bounds)
                ax.vlines(beside, low, high, color=styles[group].colour, linewidth=0.5)
            few = len(own) <= 20
            ax.scatter(
                beside, own, 9 if few else 3, rasterized=len(own) > 500, zorder=4 if few else 2, **styles[group].dots
            )
            if len(own):
                ends = [place - 1.2 * _WIDTH, place + 1.2 * _WIDTH]
                ax.plot(ends, [np.median(own)] * 2, color="black", linewidth=1.2, solid_capstyle="butt", zorder=3)
        if log and (numbers[np.isfinite(numbers)] > 0).all():
            log_axis(ax)
        group_axis(ax, styles, list(group_sizes(values)))
        ax.set_ylabel(axis_label(values))
    return ax


def chance_levels(values: xr.DataArray, *, ax: Axes, styles: Mapping[str, GroupStyle]) -> None:
    """
    Draw the mean level of chance of every group, dotted, among the points of `animal_points`.

    Parameters
    ----------
    values : xarray.DataArray
        (animal,) with the coordinate ``group``. Gaps: animals without a finite value are left out.
    ax : matplotlib.axes.Axes
        Where the points are.
    styles : mapping
        Groups in the order of the points.
    """
    groups = values["group"].values.astype(str)
    for place, group in enumerate(styles):
        level = mean_of_finite(values.values[groups == group])
        ax.plot([place - 0.3, place + 0.3], [level] * 2, color="0.4", linestyle=":", linewidth=1.2)


def success_rates(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    styles: Mapping[str, GroupStyle] | None = None,
) -> Axes:
    """
    Draw the fraction of animals of each group that succeeded, with its interval, and the counts above.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``group``, ``successes``, ``n``, ``rate``, ``lower``, ``upper``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    styles : mapping, optional
        Colours; by default those of `group_styles`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    groups = table["group"].astype(str).tolist()
    styles = group_styles(groups) if styles is None else styles
    with style():
        ax = axes_or_new(ax)
        for place, row in enumerate(table.itertuples(index=False)):
            rate, lower, upper = (float(getattr(row, name)) for name in ("rate", "lower", "upper"))
            error = [[max(rate - lower, 0.0)], [max(upper - rate, 0.0)]]
            colour = styles[groups[place]].colour
            ax.errorbar([place], [rate], error, color=colour, marker="o", markersize=4, elinewidth=1.0)
            text: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 6}
            ax.annotate(f"{row.successes}/{row.n}", (place, upper), (0, 2), textcoords="offset points", **text)
        ax.set_ylim(-0.03, 1.1)
        ax.set_yticks(np.linspace(0, 1, 6))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, 0))
        group_axis(ax, styles, groups)
    return ax


def group_axis(ax: Axes, styles: Mapping[str, GroupStyle], groups: list[str]) -> None:
    """
    Name groups that stand side by side below the axis.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    styles : mapping
        As `styles_of` gives them.
    groups : list of str
        From left to right.
    """
    names = [styles[group].label or group.replace("_", " ") for group in groups]
    # upright in a few lines where they fit one beside the other, else turned
    room = max(1, int(_characters(ax) / max(1, len(groups))))
    wrapped = [textwrap.fill(name, room, break_long_words=False, break_on_hyphens=False) for name in names]
    turned = any(len(line) > room for name in wrapped for line in name.split("\n"))
    names = [textwrap.fill(name, 18) for name in names] if turned else wrapped
    ax.set_xticks(range(len(groups)), names)
    if turned:
        for text in ax.get_xticklabels():
            text.set(rotation=45, ha="right", va="top", rotation_mode="anchor")
    ax.set_xlim(-0.6, len(groups) - 0.4)
    ax.set_xlabel("")


def log_axis(ax: Axes) -> None:
    """
    Make the vertical axis logarithmic, with plain numbers.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    """
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    wide = high / low > 50
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _characters(ax: Axes) -> float:
    """How many characters of 7 points fit below an axis, about."""
    figure = ax.get_figure(root=True)
    columns = max(1, ax.get_subplotspec().get_gridspec().ncols) if ax.get_subplotspec() is not None else 1  # type: ignore[union-attr]
    inches = figure.get_figwidth() if figure is not None else 3.5
    return 0.8 * inches / columns * 72 / 4.0
