"""Matrices of sessions and maps of cells across sessions, as heat maps."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from neurofa.errors import ShapeError
from neurofa.figures.drawing import axes_or_new, axis_label, style

_MISSING = "#d9d9d9"


def session_matrix(
    values: xr.DataArray,
    *,
    ax: Axes | None = None,
    labels: Sequence[str] | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    colourbar: bool = True,
) -> Axes:
    """
    Draw a measure of session pairs as a matrix of session against session.

    Parameters
    ----------
    values : xarray.DataArray
        (session_a, session_b); attributes ``long_name`` and ``units`` label the colour bar. Missing pairs are grey.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    labels : sequence of str, optional
        Tick labels, for example days; by default the numbers of the sessions.
    vmin, vmax : float, optional
        Limits of the colours.
    colourbar : bool
        Whether to draw one.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ShapeError
        Where the array has other dimensions.
    """
    if set(values.dims) != {"session_a", "session_b"}:
        raise ShapeError(f"a session matrix needs the dimensions session_a and session_b, got {tuple(values.dims)}")
    values = values.transpose("session_a", "session_b")
    names = [str(name) for name in (values["session_a"].values if labels is None else labels)]
    with style():
        ax = axes_or_new(ax)
        ax.set_facecolor(_MISSING)
        drawn = ax.imshow(values.values, cmap="viridis", vmin=vmin, vmax=vmax, interpolation="none")
        figure = ax.get_figure(root=True)
        if colourbar and figure is not None:
            figure.colorbar(drawn, ax=ax, label=axis_label(values), shrink=0.8)
        step = max(1, int(np.ceil(len(names) / 8)))
        ticks = np.arange(0, len(names), step)
        ax.set_xticks(ticks, names[::step])
        ax.set_yticks(ticks, names[::step])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        what = "Session" if labels is None else "Day"
        ax.set_xlabel(what)
        ax.set_ylabel(what)
    return ax


def tuning_across_days(maps: xr.DataArray, *, ax: Axes | None = None, colourbar: bool = False) -> Axes:
    """
    Draw the maps of cells in every session side by side, cells sorted by their peak in the first session.

    Parameters
    ----------
    maps : xarray.DataArray
        (session, stimulus, cell), rates; a coordinate ``day`` (session) titles the sessions, ``direction`` (stimulus)
        marks where the direction changes. Each cell is divided by its largest rate over all sessions; where a cell was
        not detected the row is grey.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    colourbar : bool
        Whether to draw one.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ShapeError
        Where the array has other dimensions.
    """
    if set(maps.dims) != {"session", "stimulus", "cell"}:
        raise ShapeError(f"maps need the dimensions session, stimulus and cell, got {tuple(maps.dims)}")
    maps = maps.transpose("session", "stimulus", "cell")
    n_sessions, n_stimuli, n_cells = maps.shape
    days = maps.coords["day"].values if "day" in maps.coords else np.arange(n_sessions)
    gap = max(1, n_stimuli // 20)
    image = np.full((n_cells, n_sessions * (n_stimuli + gap) - gap), np.nan)
    missing = image.copy()
    for session, one in enumerate(sorted_and_scaled(maps.values)):
        place = slice(session * (n_stimuli + gap), session * (n_stimuli + gap) + n_stimuli)
        image[:, place] = one.T
        missing[:, place] = np.where(np.isfinite(one.T), np.nan, 1.0)
    with style():
        ax = axes_or_new(ax)
        ax.imshow(missing, cmap="Greys", vmin=0, vmax=6, aspect="auto", interpolation="none")
        drawn = ax.imshow(image, cmap="magma", vmin=0, vmax=1, aspect="auto", interpolation="none")
        if colourbar:
            figure = ax.get_figure(root=True)
            if figure is not None:
                figure.colorbar(drawn, ax=ax, label="Rate / largest rate of the cell", shrink=0.8, pad=0.01)
        starts = np.arange(n_sessions) * (n_stimuli + gap) - 0.5
        for start, day in zip(starts, days, strict=True):
            ax.text(start + n_stimuli / 2, -0.8, f"{day:g}", ha="center", va="bottom")
            for change in _changes(maps):
                ax.axvline(start + change, color="white", linewidth=0.4, linestyle=":")
        ax.set_xticks([])
        ax.set_yticks([0, n_cells - 1] if n_cells > 1 else [0], ["1", str(n_cells)] if n_cells > 1 else ["1"])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_ylabel("Cell", labelpad=0)
    return ax


def sorted_and_scaled(maps: np.ndarray) -> np.ndarray:
    """
    Divide each cell by its largest rate and sort the cells by their peak in the first session they were detected in.

    Parameters
    ----------
    maps : numpy.ndarray
        (session, stimulus, cell), rates, NaN where not detected.

    Returns
    -------
    numpy.ndarray
        (session, stimulus, cell), 0 to 1; cells without a value come last.
    """
    n_sessions, n_stimuli, n_cells = maps.shape
    filled = np.where(np.isfinite(maps), maps, -np.inf)
    largest = filled.max(axis=(0, 1), initial=-np.inf)
    scaled = maps / np.where(np.isfinite(largest) & (largest > 0), largest, 1.0)
    seen = np.isfinite(maps).any(axis=1)
    first = seen.argmax(axis=0)
    peak = filled[first, :, np.arange(n_cells)].argmax(axis=1) + first * n_stimuli
    peak = np.where(seen.any(axis=0), peak, n_sessions * n_stimuli)
    sorted_maps: np.ndarray = scaled[:, :, np.argsort(peak, kind="stable")]
    return sorted_maps


def _changes(maps: xr.DataArray) -> list[int]:
    """Stimuli at which the direction changes."""
    if "direction" not in maps.coords:
        return []
    direction = maps.coords["direction"].values
    return [int(index) + 1 for index in np.nonzero(direction[1:] != direction[:-1])[0]]
