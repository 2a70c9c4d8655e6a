"""Several panels at once: groups and recorded animals side by side."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from neurofa.figures.drawing import DOUBLE_COLUMN_MM, SINGLE_COLUMN_MM, axis_label, new_figure, panel_letters, style
from neurofa.figures.heatmaps import session_matrix
from neurofa.figures.palette import PUBLISHED_LOOK, GroupStyle, marker_of, recorded_marker, styles_of
from neurofa.figures.recorded import names_of
from neurofa.figures.tables import group_sizes, short_names, small_groups

#: height of a row of a legend, mm
_LEGEND_ROW_MM = 3.8
#: characters of a title that fit above a panel of a matrix
_TITLE_CHARACTERS = 26


def parts_of(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, xr.Dataset]:
    """
    Split measured results into one part per group, and one per recorded animal.

    Animals of groups of fewer than three are parts of their own.

    Parameters
    ----------
    measured : xarray.Dataset
        With the coordinate ``group`` (animal).
    recorded : xarray.Dataset, optional
        The same of a recorded run.

    Returns
    -------
    dict of str to xarray.Dataset
        Title of a panel, with the number of animals, to its part.
    """
    styles, names = styles_of(measured), short_names(measured)
    groups, small = measured["group"].values.astype(str), small_groups(measured)
    parts: dict[str, xr.Dataset] = {}
    for group, size in group_sizes(measured).items():
        place = np.flatnonzero(groups == group)
        if group in small:
            parts |= {names[str(measured["animal"].values[one])]: measured.isel(animal=[one]) for one in place}
        else:
            parts[f"{styles[group].label} (n = {size})"] = measured.isel(animal=place)
    if recorded is not None:
        for number, name in enumerate(recorded["animal"].values.astype(str)):
            parts[f"recorded {name}"] = recorded.isel(animal=[number])
    return parts


def day_labels(part: xr.Dataset) -> list[str]:
    """
    Label sessions by their days.

    Parameters
    ----------
    part : xarray.Dataset
        With the coordinate ``day`` (animal, session), in days.

    Returns
    -------
    list of str
        One per session: the mean day where the animals' days differ, empty where no animal had the session.
    """
    days = np.atleast_2d(part["day"].transpose("animal", "session").values)
    counts = np.isfinite(days).sum(axis=0)
    means = np.where(np.isfinite(days), days, 0.0).sum(axis=0) / np.maximum(counts, 1)
    return [f"{mean:.3g}" if count else "" for mean, count in zip(means, counts, strict=True)]


def session_matrices(
    matrices: Mapping[str, xr.DataArray], labels: Mapping[str, Sequence[str]]
) -> tuple[Figure, npt.NDArray[np.object_]]:
    """
    Draw several session matrices with the same colours and one colour bar.

    Parameters
    ----------
    matrices : mapping
        Title of a panel to (session_a, session_b), as `session_matrix` takes it.
    labels : mapping
        Title of a panel to its tick labels.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.
    axes : numpy.ndarray
        Its axes, one per matrix.
    """
    values = np.concatenate([matrix.values.ravel() for matrix in matrices.values()])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    columns = min(3, len(matrices))
    rows = -(-len(matrices) // columns)
    size = (DOUBLE_COLUMN_MM, (58.0 if columns == 3 else 78.0) * rows) if columns > 1 else (SINGLE_COLUMN_MM, 72.0)
    figure, axes = new_figure(*size, rows, columns, panels=len(matrices))
    with style():
        for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
            session_matrix(matrix, ax=ax, labels=labels[title], vmin=low, vmax=high, colourbar=False)
            ax.set_title(textwrap.fill(title, _TITLE_CHARACTERS))
    shared_colourbar(figure, axes, axis_label(next(iter(matrices.values()))))
    panel_letters(axes if len(axes) > 1 else [])
    return figure, axes


def group_legend(
    figure: Figure,
    styles: Mapping[str, GroupStyle],
    measured: xr.Dataset | None = None,
    recorded: xr.Dataset | pd.DataFrame | None = None,
    *,
    published: bool = False,
) -> Legend:
    """
    Put one legend for all panels below the figure, in as many rows as its width needs; the figure grows with them.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    styles : mapping
        As `styles_of` gives them.
    measured : xarray.Dataset, optional
        Measured results: groups of fewer than three animals are named animal by animal, as they are drawn.
    recorded : xarray.Dataset or pandas.DataFrame, optional
        What was recorded, where its points are drawn.
    published : bool
        Whether published values are drawn.

    Returns
    -------
    matplotlib.legend.Legend
        The legend.
    """
    handles = []
    small = {} if measured is None else small_groups(measured)
    short = {} if measured is None else short_names(measured)
    for name, look in styles.items():
        label = look.label or name
        if name in small:
            for number, animal in enumerate(small[name]):
                handles.append(Line2D([], [], label=short[animal], marker=marker_of(number), **look.line))
        else:
            handles.append(Line2D([], [], label=label, **look.line))
    for number, name in enumerate(names_of(recorded)):
        handles.append(Line2D([], [], label=f"recorded {name}".strip(), **recorded_marker(number)))
    if published:
        handles.append(Line2D([], [], label="published", **PUBLISHED_LOOK))
    for rows in range(1, len(handles) + 1):
        columns = -(-len(handles) // rows)
        legend = figure.legend(
            handles=handles, loc="outside lower center", ncols=columns, fontsize=7, frameon=False, columnspacing=1.5
        )
        if legend.get_window_extent().width <= 0.98 * figure.bbox.width or columns == 1:
            break
        legend.remove()
    # one row has its place in the figure's size; each further one is added to it
    figure.set_figheight(figure.get_figheight() + (rows - 1) * _LEGEND_ROW_MM / 25.4)
    return legend


def shared_colourbar(figure: Figure, axes: npt.NDArray[np.object_], label: str) -> None:
    """
    Draw one colour bar for several heat maps that share their limits.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    axes : numpy.ndarray
        Its panels, each with an image.
    label : str
        What the colours mean.
    """
    with style():
        bar = figure.colorbar(axes[0].images[-1], ax=axes.tolist(), shrink=0.6, pad=0.02, aspect=25, label=label)
        bar.outline.set_visible(False)
