"""Colours and dashes of groups: the same group looks the same in every figure; a control is its group's pale shadow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.colors import to_hex, to_rgb

from neurofa.figures.tables import group_labels

#: a line style of matplotlib: a name, or offset and lengths of dashes and gaps in points
Dash = str | tuple[int, tuple[float, ...]]
_COLOURS = sns.color_palette("colorblind").as_hex()
#: dashes of groups, when the colours are used up once, twice and so on
ROUNDS = ("-", ":", "-.")
#: dashes of several controls of one group, as matplotlib takes them
CONTROL_DASHES: tuple[Dash, ...] = ("--", (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 3)), (0, (4, 1, 1, 1, 1, 1)))
#: seaborn's colours for colour-blind readers, those that differ most first
PALETTE = tuple(_COLOURS[number] for number in (0, 3, 2, 4, 1, 9, 8))
#: colour of what was recorded
RECORDED_COLOUR = "#000000"
#: how published values are drawn: keywords for ``Axes.errorbar`` and ``Line2D``
PUBLISHED_LOOK: Mapping[str, Any] = {
    "marker": "D",
    "markersize": 3.5,
    "color": "0.35",
    "markerfacecolor": "none",
    "linestyle": "none",
}
#: the group of recorded animals
RECORDED_GROUP = "recorded"
#: control group to the group it belongs to, for the protocols that ship with the package
CONTROLS: Mapping[str, str] = {"fixed_feedback": "feedback_walk", "no_drift": "synaptic_noise"}

_FIXED = {"feedback_walk": 0, "synaptic_noise": 1, "identity_loss": 2}


@dataclass(frozen=True)
class GroupStyle:
    """
    How a group is drawn.

    Attributes
    ----------
    colour : str
        Hexadecimal colour.
    dash : str or tuple
        Line style of matplotlib: ``"-"``, dashed for a control; several controls of one group differ in their dashes.
    control_of : str or None
        The group whose control it is.
    label : str
        Its name in legends and titles.
    """

    colour: str
    dash: Dash = "-"
    control_of: str | None = None
    label: str = ""

    @property
    def line(self) -> dict[str, Any]:
        """Keywords for ``Axes.plot``."""
        return {"color": self.colour, "linestyle": self.dash}

    @property
    def dots(self) -> dict[str, Any]:
        """Keywords for ``Axes.scatter``: opaque, those of a control hollow."""
        hollow = self.control_of is not None
        return {
            "facecolor": "white" if hollow else self.colour,
            "edgecolor": self.colour,
            "linewidth": 0.7 if hollow else 0,
        }


def group_styles(
    groups: Iterable[str], controls: Mapping[str, str] | None = None, labels: Mapping[str, str] | None = None
) -> dict[str, GroupStyle]:
    """
    Give every group its colour and dash.

    Parameters
    ----------
    groups : iterable of str
        Names, in the order of the recording.
    controls : mapping, optional
        Control group to the group it belongs to; by default those of the shipped protocols.
    labels : mapping, optional
        Group to its name in legends; by default the group's name with spaces.

    Returns
    -------
    dict of str to GroupStyle
        A control has its group's colour, paler, and a dashed line; when colours are used up, lines are dotted.

    Examples
    --------
    >>> styles = group_styles(["feedback_walk", "fixed_feedback"])
    >>> styles["feedback_walk"].dash, styles["fixed_feedback"].dash
    ('-', '--')
    """
    names = list(dict.fromkeys(str(group) for group in groups))
    pairs = {str(key): str(value) for key, value in (CONTROLS if controls is None else controls).items()}
    own = [name for name in names if pairs.get(name) not in names]
    free = [index for index in range(len(PALETTE)) if index not in {_FIXED[n] for n in own if n in _FIXED}]
    colours: dict[str, str] = {}
    rounds: dict[str, str] = {}
    for number, name in enumerate(name for name in own if name not in _FIXED):
        colours[name] = PALETTE[free[number % len(free)]]
        rounds[name] = ROUNDS[number // len(free) % len(ROUNDS)]
    colours |= {name: PALETTE[_FIXED[name]] for name in own if name in _FIXED}
    styles: dict[str, GroupStyle] = {}
    of_group: dict[str, int] = {}
    for name in names:
        text = (labels or {}).get(name) or name.replace("_", " ")
        if name == RECORDED_GROUP:
            styles[name] = GroupStyle(RECORDED_COLOUR, label=text)
        elif name in colours:
            styles[name] = GroupStyle(colours[name], rounds.get(name, "-"), label=text)
        else:
            number = of_group[pairs[name]] = of_group.get(pairs[name], -1) + 1
            dash = CONTROL_DASHES[number % len(CONTROL_DASHES)]
            styles[name] = GroupStyle(paler(colours.get(pairs[name], PALETTE[0])), dash, pairs[name], text)
    return styles


def styles_of(measured: xr.Dataset) -> dict[str, GroupStyle]:
    """
    Colours and dashes of the groups of measured results.

    Parameters
    ----------
    measured : xarray.Dataset
        With the coordinate ``group`` (animal) and, where the recording has them, ``group_label`` (animal), the name in
        figures, and ``control_of`` (animal), the group whose control it is or empty text.

    Returns
    -------
    dict of str to GroupStyle
        As `group_styles` gives them.
    """
    groups = measured.coords["group"].values.astype(str).tolist()
    controls = None
    if "control_of" in measured.coords:
        controls = dict(zip(groups, measured.coords["control_of"].values.astype(str).tolist(), strict=True))
    return group_styles(groups, controls, group_labels(measured))


def group_coords(probe: xr.Dataset) -> dict[str, tuple[str, np.ndarray]]:
    """
    Take over what `styles_of` needs from a recording.

    Parameters
    ----------
    probe : xarray.Dataset
        The group ``probe`` of a recording.

    Returns
    -------
    dict
        Coordinates for measured results.
    """
    names = [name for name in ("group", "group_label", "control_of") if name in probe.coords]
    return {name: ("animal", probe.coords[name].values.astype(str)) for name in names}


def session_coords(probe: xr.Dataset) -> dict[str, np.ndarray]:
    """
    Name the sessions of measured results, and those of pairs of sessions, as a recording does.

    Parameters
    ----------
    probe : xarray.Dataset
        The group ``probe`` of a recording.

    Returns
    -------
    dict
        Coordinates session, session_a and session_b, counted from 0 where the recording does not name its sessions.
    """
    numbers = probe["session"].values if "session" in probe.coords else np.arange(probe.sizes["session"])
    return {name: numbers for name in ("session", "session_a", "session_b")}


def paler(colour: str, by: float = 0.4) -> str:
    """
    Mix a colour with white.

    Parameters
    ----------
    colour : str
        Any colour of matplotlib.
    by : float
        0 keeps the colour, 1 gives white.

    Returns
    -------
    str
        Hexadecimal colour.

    Examples
    --------
    >>> paler("#000000", 1.0)
    '#ffffff'
    """
    red, green, blue = (channel + (1 - channel) * by for channel in to_rgb(colour))
    return to_hex((red, green, blue))


def marker_of(number: int) -> str:
    """
    Marker of one of several animals that are drawn one by one.

    Parameters
    ----------
    number : int
        0 for the first animal, and so on.

    Returns
    -------
    str
        A marker of matplotlib.
    """
    return ("o", "s", "^", "D", "v", "P")[number % 6]


def recorded_marker(number: int) -> dict[str, Any]:
    """
    Keywords for the points of one recorded animal.

    Parameters
    ----------
    number : int
        0 for the first recorded animal, and so on.

    Returns
    -------
    dict
        Keywords for ``Axes.errorbar`` and ``Line2D``.
    """
    return {"color": RECORDED_COLOUR, "marker": marker_of(number), "linestyle": "none", "markersize": 2.6}
