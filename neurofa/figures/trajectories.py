"""Hidden activity as a point that moves while an animal learns, with the directions in which it is taught to move."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from neurofa.errors import ShapeError
from neurofa.figures.drawing import axes_or_new, style
from neurofa.figures.palette import PALETTE

#: length of an arrow, as a fraction of the range of the activity
_ARROW = 0.13
#: colour and width of the arrows of the first and the second direction; where they agree both are seen
_LOOKS = (("black", 0.011), ("#ff9ad5", 0.004))


def hidden_trajectory(
    rates: xr.DataArray,
    directions: Mapping[str, xr.DataArray],
    *,
    sessions: Sequence[int] = (),
    labels: Sequence[str] | None = None,
    boundary: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw how the activity of two units for each stimulus moves from session to session.

    An open circle marks the first session, a filled one the last. Arrows show directions only: all have one length.

    Parameters
    ----------
    rates : xarray.DataArray
        (session, stimulus, unit), two units, a.u.: first unit to the right, second upwards.
    directions : mapping
        Name to (session, stimulus, unit): up to two directions, such as teaching signals; zero ones are left out.
    sessions : sequence of int
        Where arrows stand.
    labels : sequence of str, optional
        Names of the stimuli, written where their trajectories begin.
    boundary : sequence of float, optional
        (first weight, second weight, offset) of a line w1 x + w2 y + offset = 0, drawn dashed.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ShapeError
        Unless there are two units.
    """
    points = rates.transpose("session", "stimulus", "unit").values
    if points.shape[2] != 2:
        raise ShapeError(f"a trajectory is drawn in the plane of two units, got {points.shape[2]}")
    finite = points[np.isfinite(points).all(axis=2)]
    low, high = finite.min(axis=0), finite.max(axis=0)
    size = float((high - low).max()) or 1.0
    middle = (low + high) / 2
    with style():
        ax = axes_or_new(ax)
        for number in range(points.shape[1]):
            _draw_path(ax, points[:, number], PALETTE[number % len(PALETTE)])
        for look, arrows in zip(_LOOKS, directions.values(), strict=False):
            _draw_arrows(ax, points, arrows.transpose("session", "stimulus", "unit").values, sessions, size, *look)
        reach = (0.5 + _ARROW + 0.04) * size
        ax.set_xlim(middle[0] - reach, middle[0] + reach)
        ax.set_ylim(middle[1] - reach, middle[1] + reach)
        for number, text in enumerate(labels if labels is not None else ()):
            ahead = [points[-1, number] - points[0, number]]
            ahead += [
                arrows.transpose("session", "stimulus", "unit").values[0, number] for arrows in directions.values()
            ]
            _name(ax, points[0, number], ahead, text)
        if boundary is not None:
            _draw_line(ax, boundary)
        ax.set_aspect("equal")
        ax.set_xlabel("Rate of unit 1 (a.u.)")
        ax.set_ylabel("Rate of unit 2 (a.u.)")
    return ax


def trajectory_legend(names: Sequence[str], boundary: bool) -> list[Line2D]:
    """
    Handles of a legend for `hidden_trajectory`.

    Parameters
    ----------
    names : sequence of str
        Of the directions, in their order.
    boundary : bool
        Whether a boundary is drawn.

    Returns
    -------
    list of matplotlib.lines.Line2D
        For ``Figure.legend``.
    """
    point: dict[str, Any] = {"color": "0.4", "marker": "o", "linestyle": "none", "markersize": 4.5}
    handles = [Line2D([], [], label="start", markerfacecolor="white", **point), Line2D([], [], label="end", **point)]
    for (colour, _), name in zip(_LOOKS, names, strict=False):
        handles.append(
            Line2D([], [], color=colour, marker=r"$\rightarrow$", markersize=10, linestyle="none", label=name)
        )
    if boundary:
        handles.append(Line2D([], [], color="0.4", linestyle="--", label="readout's boundary at the end"))
    return handles


def _draw_path(ax: Axes, points: np.ndarray, colour: str) -> None:
    """The path of one stimulus with its two ends."""
    ends: dict[str, Any] = {"marker": "o", "markersize": 4.5, "linestyle": "none", "zorder": 4}
    ax.plot(points[:, 0], points[:, 1], color=colour, linewidth=0.8, marker=".", markersize=1.5)
    ax.plot(points[:1, 0], points[:1, 1], color=colour, markerfacecolor="white", **ends)
    ax.plot(points[-1:, 0], points[-1:, 1], color=colour, **ends)


def _draw_arrows(
    ax: Axes,
    points: np.ndarray,
    arrows: np.ndarray,
    sessions: Sequence[int],
    size: float,
    colour: str,
    width: float,
) -> None:
    """Arrows of equal length at some sessions of every stimulus."""
    chosen = list(sessions)
    lengths = np.linalg.norm(arrows[chosen], axis=2, keepdims=True)
    some = np.isfinite(lengths[..., 0]) & (lengths[..., 0] > 0)
    ahead = _ARROW * size * arrows[chosen][some] / lengths[some]
    start = points[chosen][some]
    look: dict[str, Any] = {"color": colour, "angles": "xy", "scale_units": "xy", "scale": 1.0, "zorder": 5}
    look |= {"headwidth": 0.03 / width, "headlength": 0.035 / width, "headaxislength": 0.03 / width}
    ax.quiver(start[:, 0], start[:, 1], ahead[:, 0], ahead[:, 1], width=width, **look)


def _name(ax: Axes, start: np.ndarray, ahead: Sequence[np.ndarray], text: str) -> None:
    """The name of a stimulus beside the start of its path, away from where path and arrows lead."""
    away = -sum(vector / (np.linalg.norm(vector) or 1.0) for vector in ahead if np.isfinite(vector).all())
    away = 8 * np.asarray(away) / (np.linalg.norm(away) or 1.0) * np.ones(2)
    look: dict[str, Any] = {"fontsize": 6, "ha": "center", "va": "center", "zorder": 6}
    drawn = ax.annotate(text, (start[0], start[1]), (away[0], away[1]), textcoords="offset points", **look)
    drawn.set_path_effects([withStroke(linewidth=2, foreground="white")])


def _draw_line(ax: Axes, boundary: Sequence[float]) -> None:
    """The line w1 x + w2 y + offset = 0 within the axes, dashed."""
    first, second, offset = boundary
    norm = first**2 + second**2
    if not norm > 0:
        return
    foot = np.array([-first, -second]) * offset / norm
    along = np.array([-second, first]) / np.sqrt(norm)
    far = 10 * max(abs(edge) for edge in (*ax.get_xlim(), *ax.get_ylim()))
    ends = np.stack([foot - far * along, foot + far * along])
    ax.plot(ends[:, 0], ends[:, 1], color="0.4", linestyle="--", linewidth=0.8, zorder=1, scalex=False, scaley=False)
