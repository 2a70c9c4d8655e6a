"""Several measures of pairs of sessions against lag in one figure, each with its level of chance."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from neurofa.figures import recorded as of_recorded
from neurofa.figures.curves import chance_line, decay_curve
from neurofa.figures.drawing import DOUBLE_COLUMN_MM, Drawing, new_figure, panel_letters
from neurofa.figures.palette import PUBLISHED_LOOK, styles_of
from neurofa.figures.panels import group_legend
from neurofa.figures.tables import caption_of_groups, lag_table

#: part of an axis that the word above a level of chance needs
ROOM = 0.12


def decay_panels(
    measured: xr.Dataset,
    panels: Mapping[str, tuple[str, str]],
    text: str,
    *,
    recorded: xr.Dataset | None = None,
    chances: Mapping[str, str | float] | None = None,
    published: pd.DataFrame | None = None,
    columns: int = 4,
) -> Drawing:
    """
    Draw measures of pairs of sessions against lag, one panel per measure.

    Parameters
    ----------
    measured : xarray.Dataset
        Measures on (animal, session_a, session_b), with lags as `with_lags` gives them.
    panels : mapping of str to (str, str)
        Measure id to the title of its panel and the label of its axis; measures without any value are left out.
    text : str
        What the caption says first.
    recorded : xarray.Dataset, optional
        The same of recorded animals: points.
    chances : mapping of str to str or float, optional
        Measure id to its level of chance: a number, or the measure whose mean it is.
    published : pandas.DataFrame, optional
        Published values with the columns measure (an id of `panels`), lag_days, value, lower, upper and source: open
        diamonds, named in the caption.
    columns : int
        Panels in a row.

    Returns
    -------
    Drawing
        Figure, numbers, caption.
    """
    shown = [name for name in panels if bool(measured[name].notnull().any())]
    columns = min(columns, max(len(shown), 1))
    rows = -(-len(shown) // columns)
    figure, axes = new_figure(DOUBLE_COLUMN_MM, 12 + 44 * max(rows, 1), max(rows, 1), columns, len(shown))
    styles, tables, levels = styles_of(measured), [], chances or {}
    for ax, name in zip(axes, shown, strict=True):
        points = of_recorded.values_of(recorded, name)
        decay_curve(measured[name], points, ax=ax, styles=styles)
        table = lag_table(measured[name]).assign(measure=name, source="measured")
        if name in levels:
            level = levels[name]
            value = float(measured[level].mean()) if isinstance(level, str) else float(level)
            chance_line(ax, value)
            low, high = ax.get_ylim()
            ax.set_ylim(low, max(high, value + ROOM * (high - low)))
            table = table.assign(chance=value)
        title, label = panels[name]
        ax.set_title(title)
        ax.set_ylabel(label)
        tables += [table, *of_recorded.rows_of(points, name), *_draw_published(ax, published, name)]
    if not shown:
        return Drawing(figure, pd.DataFrame(), text + " No pair of sessions has a value.")
    panel_letters(axes if len(axes) > 1 else [])
    values = None if published is None else published[published["measure"].isin(shown)]
    group_legend(figure, styles, measured, recorded, published=values is not None and len(values) > 0)
    dotted = " Dotted: level of chance." if any(name in levels for name in shown) else ""
    caption = f"{text}{dotted} {caption_of_groups(measured[shown[0]])}{of_recorded.caption_of(recorded)}"
    if values is not None and len(values):
        caption += f" Open diamonds: published, {'; '.join(dict.fromkeys(values['source']))}."
    return Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def _draw_published(ax: Axes, published: pd.DataFrame | None, name: str) -> list[pd.DataFrame]:
    """Published values of one measure with their intervals; the same as rows of the numbers."""
    if published is None:
        return []
    rows = published[published["measure"] == name]
    if rows.empty:
        return []
    for _, series in rows.groupby("source", sort=False):
        given = series[["lower", "upper"]].notna().all(axis=1)
        error = [
            (series["value"] - series["lower"]).where(given, 0.0),
            (series["upper"] - series["value"]).where(given, 0.0),
        ]
        ax.set_xlim(right=max(ax.get_xlim()[1], 1.03 * float(series["lag_days"].max())))
        (low, high), least, most = ax.get_ylim(), series["value"] - error[0], series["value"] + error[1]
        room = ROOM * (high - low)
        ax.set_ylim(min(low, float(least.min()) - room), max(high, float(most.max()) + room))
        ax.errorbar(series["lag_days"], series["value"], error, elinewidth=0.6, zorder=3, **PUBLISHED_LOOK)
    return [rows.rename(columns={"value": "mean", "source": "group"}).assign(source="published")]
