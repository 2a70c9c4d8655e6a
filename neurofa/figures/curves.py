"""Curves against lag and against day: means over animals with 95 % intervals, recorded points over them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from neurofa.figures.drawing import new_figure, style
from neurofa.figures.palette import GroupStyle, group_styles, recorded_marker
from neurofa.figures.tables import MIN_ANIMALS_FOR_INTERVAL, day_table, lag_table


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
        animals; smaller ones: points with their standard deviation over session pairs.
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
        ax = _axes(ax)
        _draw_table(ax, lag_table(values), "lag_days", styles)
        for number, (_, points) in enumerate(recorded_curves(recorded).items()):
            ax.errorbar(
                points["lag_days"],
                points["mean"],
                points["sd_over_session_pairs"],
                elinewidth=0.6,
                zorder=4,
                **recorded_marker(number),
            )
        ax.set_xlabel("Lag (days)")
        ax.set_ylabel(axis_label(values))
    return ax


def performance_over_days(
    values: xr.DataArray, *, ax: Axes | None = None, styles: Mapping[str, GroupStyle] | None = None
) -> Axes:
    """
    Draw a quantity of sessions, such as task performance, against day.

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
        ax = _axes(ax)
        _draw_table(ax, day_table(values), "day", styles)
        ax.set_xlabel("Day")
        ax.set_ylabel(axis_label(values))
    return ax


def chance_line(ax: Axes, chance: float) -> None:
    """
    Draw the level that guessing would reach.

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
        xytext=(-1, 1.5),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=7,
        color="0.4",
    )


def recorded_curves(recorded: xr.DataArray | pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """
    Curves of recorded animals, one table per animal.

    Parameters
    ----------
    recorded : xarray.DataArray or pandas.DataFrame or None
        As `decay_curve` takes it.

    Returns
    -------
    dict of str to pandas.DataFrame
        Animal (empty text for a table without a column ``animal``) to columns ``lag_days``, ``mean`` and
        ``sd_over_session_pairs``.
    """
    if recorded is None:
        return {}
    curves: dict[str, pd.DataFrame] = {}
    if isinstance(recorded, pd.DataFrame):
        named = recorded if "animal" in recorded else recorded.assign(animal="")
        for name, rows in named.sort_values("lag_days").groupby("animal", sort=False):
            curves[str(name)] = rows[["lag_days", "mean", "sd_over_session_pairs"]].reset_index(drop=True)
        return curves
    for number in range(recorded.sizes["animal"]):
        table = lag_table(recorded.isel(animal=[number])).rename(columns={"sd_over_pairs": "sd_over_session_pairs"})
        if len(table):
            curves[str(recorded["animal"].values[number])] = table[["lag_days", "mean", "sd_over_session_pairs"]]
    return curves


def axis_label(values: xr.DataArray) -> str:
    """
    Label of an axis from the attributes of an array.

    Parameters
    ----------
    values : xarray.DataArray
        With ``long_name`` and ``units`` in its attributes; units ``"1"`` are left out.

    Returns
    -------
    str
        For example ``"Angle (degrees)"``.

    Examples
    --------
    >>> axis_label(xr.DataArray(0.0, attrs={"long_name": "angle", "units": "degrees"}))
    'Angle (degrees)'
    """
    name = str(values.attrs.get("long_name", values.name or "value")).replace("_", " ")
    units = str(values.attrs.get("units", "1"))
    return name[:1].upper() + name[1:] + ("" if units in ("1", "") else f" ({units})")


def _draw_table(ax: Axes, table: pd.DataFrame, column: str, styles: Mapping[str, GroupStyle] | None) -> None:
    """One line per group, with a band over animals or with the spread over pairs."""
    groups = list(dict.fromkeys(table["group"]))
    styles = group_styles(groups) if styles is None else styles
    for group in groups:
        rows = table[table["group"] == group]
        line = styles[group].line
        if rows["n_animals"].max() >= MIN_ANIMALS_FOR_INTERVAL:
            ax.plot(rows[column], rows["mean"], marker=".", markersize=2.5, label=group, **line)
            ax.fill_between(rows[column], rows["lower"], rows["upper"], color=line["color"], alpha=0.18, linewidth=0)
        else:
            spread = np.where(rows["n_pairs"] > rows["n_animals"], rows["sd_over_pairs"], np.nan)
            ax.errorbar(rows[column], rows["mean"], spread, marker="o", elinewidth=0.6, label=group, **line)


def _axes(ax: Axes | None) -> Axes:
    """The given axes, or those of a new single-column figure."""
    if ax is not None:
        return ax
    own: Axes = new_figure()[1][0]
    return own
