"""Curves against lag and against day: means over animals with 95 % intervals, recorded points over them."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from neurofa.figures.drawing import axes_or_new, axis_label, style
from neurofa.figures.palette import GroupStyle, group_styles, marker_of, recorded_marker
from neurofa.figures.recorded import curves_of
from neurofa.figures.tables import MOST_BANDS, day_table, group_sizes, lag_table


def decay_curve(
    values: xr.DataArray,
    recorded: xr.DataArray | pd.DataFrame | None = None,
    *,
    ax: Axes | None = None,
    styles: Mapping[str, GroupStyle] | None = None,
) -> Axes:
    """
    Draw a measure of session pairs against the days between the sessions.

    Parameters
    ----------
    values : xarray.DataArray
        (animal, session_a, session_b) with coordinates ``group`` and ``lag_days``, as `lag_table` takes it; attributes
        ``long_name`` and ``units`` label the axis. Groups of three and more animals: mean and 95 % interval over
        animals (no intervals of more than eight groups: they would hide each other); smaller ones: each animal by
        itself with its standard deviation over session pairs.
    recorded : xarray.DataArray or pandas.DataFrame, optional
        The same of recorded animals, or their curve with columns ``lag_days``, ``mean``,
        ``sd_over_session_pairs`` and, for several animals, ``animal``: drawn as black points, one marker per animal.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    styles : mapping, optional
        Colours and dashes; by default those of `group_styles`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    with style():
        ax = axes_or_new(ax)
        _draw_table(ax, lag_table(values), "lag_days", styles)
        for number, (_, points) in enumerate(curves_of(recorded).items()):
            ax.errorbar(
                points["lag_days"],
                points["mean"],
                points["sd_over_session_pairs"],
                elinewidth=0.6,
                zorder=4,
                **recorded_marker(number),
            )
        _whole_days(ax)
        ax.set_xlim(left=0 if ax.get_xlim()[0] > 0 else None)
        ax.set_xlabel("Lag (days)")
        ax.set_ylabel(axis_label(values))
    return ax


def half_life_points(
    values: xr.DataArray,
    fitted: Mapping[str, Sequence[float]] | None = None,
    *,
    longest: float = 100.0,
    ax: Axes | None = None,
    styles: Mapping[str, GroupStyle] | None = None,
) -> Axes:
    """
    Draw one time per animal, such as the half-life of a decay, on a logarithmic axis, groups side by side.

    Parameters
    ----------
    values : xarray.DataArray
        (animal,) with the coordinate ``group``, in days; attributes ``long_name`` and ``units`` label the axis.
        Infinite values and those above `longest` are drawn as triangles at the upper edge, their
        number beside them.
    fitted : mapping, optional
        Group to (fit, lower, upper): drawn beside the animals with its interval.
    longest : float
        Upper edge of the axis, days.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    styles : mapping, optional
        Colours and dashes; by default those of `group_styles`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    groups = list(group_sizes(values))
    styles = group_styles(groups) if styles is None else styles
    table = pd.DataFrame({"group": values["group"].values.astype(str), "days": values.values}).dropna()
    lowest = min([longest / 10, *table["days"], *(one[1] for one in (fitted or {}).values() if one[1] > 0)])
    with style():
        ax = axes_or_new(ax)
        _draw_times(ax, table, groups, styles, longest)
        _draw_fits(ax, {groups.index(group): fit for group, fit in (fitted or {}).items()}, longest)
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set_ylim(float(lowest) / 1.2, longest)
        ax.set_xlim(-0.5, len(groups) - 0.5)
        names = [textwrap.fill(styles[group].label or group, max(8, 60 // len(groups))) for group in groups]
        ax.set_xticks(range(len(groups)), names)
        ax.set_xlabel("")
        ax.set_ylabel(axis_label(values))
    return ax


def _draw_times(
    ax: Axes, table: pd.DataFrame, groups: list[str], styles: Mapping[str, GroupStyle], longest: float
) -> None:
    """Dots for animals; triangles at the edge for those above it, with their number."""
    for place, group in enumerate(groups):
        days = table.loc[table["group"] == group, "days"]
        within, above = days[days <= longest], days[days > longest]
        for marker, heights in (("o", within), ("^", above.clip(upper=longest))):
            ax.scatter(np.full(len(heights), place), heights, 9, marker=marker, clip_on=False, **styles[group].dots)
        if len(above):
            ax.annotate(f"{len(above)}", (place, longest), (4, 0), textcoords="offset points", va="center")


def _draw_fits(ax: Axes, fitted: Mapping[int, Sequence[float]], longest: float) -> None:
    """A bar and its interval beside the dots of each group (its place to fit, lower, upper)."""
    for place, (fit, lower, upper) in fitted.items():
        if np.isfinite(fit) and fit <= longest:
            beside = place + 0.25
            ax.plot([beside, beside], np.clip([lower, upper], None, longest), color="black", linewidth=0.8)
            ax.plot(beside, fit, color="black", marker="_", markersize=5)


def performance_over_days(
    values: xr.DataArray, *, ax: Axes | None = None, styles: Mapping[str, GroupStyle] | None = None
) -> Axes:
    """
    Draw a quantity of sessions, such as task performance, against day: mean and 95 % interval over animals.

    Groups stand side by side at each day.

    Parameters
    ----------
    values : xarray.DataArray
        (animal, session) with coordinates ``group`` and ``day``; attributes ``long_name`` and ``units`` label the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    styles : mapping, optional
        Colours and dashes; by default those of `group_styles`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    with style():
        ax = axes_or_new(ax)
        table = day_table(values)
        groups = list(dict.fromkeys(table["group"]))
        styles = group_styles(groups) if styles is None else styles
        days = np.unique(table["day"])
        step = 0.08 * float(np.diff(days).min()) if len(days) > 1 else 0.1
        for number, group in enumerate(groups):
            look = {"elinewidth": 0.6, "label": group, **styles[group].line}
            for which, (animal, rows) in enumerate(table[table["group"] == group].groupby("animal", sort=False)):
                beside = rows["day"] + (number - (len(groups) - 1) / 2) * step
                marker = {"marker": marker_of(which)} if animal else {"marker": ".", "markersize": 3}
                ax.errorbar(beside, rows["mean"], rows["upper"] - rows["mean"], **look, **marker)
        _whole_days(ax)
        ax.set_xlabel("Day")
        ax.set_ylabel(axis_label(values))
    return ax


def chance_line(ax: Axes, chance: float) -> None:
    """
    Draw the level that guessing would reach, and name it beside the axes, where no data are.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    chance : float
        The level.
    """
    ax.axhline(chance, color="0.4", linestyle=":", linewidth=0.8, zorder=1)
    ax.annotate(
        "chance",
        (1, chance),
        xycoords=("axes fraction", "data"),
        xytext=(2, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        rotation=90,
        fontsize=6,
        color="0.4",
    )


def _draw_table(ax: Axes, table: pd.DataFrame, column: str, styles: Mapping[str, GroupStyle] | None) -> None:
    """One line per group with a band over animals, or per animal with the spread over pairs."""
    groups = list(dict.fromkeys(table["group"]))
    styles = group_styles(groups) if styles is None else styles
    for group in groups:
        line = styles[group].line
        for number, (animal, rows) in enumerate(table[table["group"] == group].groupby("animal", sort=False)):
            if animal:
                spread = np.where(rows["n_pairs"] > 1, rows["sd_over_pairs"], np.nan)
                look = {"marker": marker_of(number), "elinewidth": 0.6, "label": f"{group} {animal}", **line}
                ax.errorbar(rows[column], rows["mean"], spread, **look)
            else:
                ax.plot(rows[column], rows["mean"], marker=".", markersize=2.5, label=group, **line)
                if len(groups) <= MOST_BANDS:
                    band: dict[str, Any] = {"color": line["color"], "alpha": 0.18, "linewidth": 0}
                    ax.fill_between(rows[column], rows["lower"], rows["upper"], **band)


def _whole_days(ax: Axes) -> None:
    """Ticks at whole days."""
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 4, 5, 10]))
