"""What a finished figure is, how it looks and how it is written: journal widths, 7-point labels, embedded fonts."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
import xarray as xr
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from neurofa.errors import ConfigError
from neurofa.figures.fonts import small_fonts
from neurofa.figures.palette import PALETTE

#: width of one journal column, mm
SINGLE_COLUMN_MM = 89.0
#: width of two journal columns, mm
DOUBLE_COLUMN_MM = 183.0

_MM_PER_INCH = 25.4
_DPI = 300
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "figure.titlesize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.labelpad": 2.5,
    "axes.titlepad": 4,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "lines.linewidth": 1.0,
    "lines.markersize": 3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=PALETTE),
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "figure.facecolor": "white",
    "savefig.bbox": None,
    "savefig.dpi": _DPI,
}


@dataclass(frozen=True)
class Drawing:
    """
    A figure with the numbers it shows and the text below it.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    numbers : pandas.DataFrame
        Every number that is drawn, one row each.
    caption : str
        What is shown, how many animals, and what kind of interval.
    """

    figure: Figure
    numbers: pd.DataFrame
    caption: str


@contextmanager
def style() -> Iterator[None]:
    """
    Draw in journal style inside the ``with`` block; matplotlib's settings are as before after it.

    Yields
    ------
    None

    Examples
    --------
    >>> import matplotlib
    >>> with style():
    ...     size = matplotlib.rcParams["font.size"]
    >>> size
    7.0
    """
    with matplotlib.rc_context(sns.axes_style("ticks") | _STYLE):
        yield


def new_figure(
    width_mm: float = SINGLE_COLUMN_MM,
    height_mm: float = 60.0,
    rows: int = 1,
    columns: int = 1,
    panels: int | None = None,
) -> tuple[Figure, npt.NDArray[np.object_]]:
    """
    Make a figure of a given size outside pyplot, so that it is freed when nobody holds it.

    Parameters
    ----------
    width_mm, height_mm : float
        Size in mm.
    rows, columns : int
        Rows and columns of panels.
    panels : int, optional
        How many of them are needed, row by row; the others are left out. By default all.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, laid out automatically.
    axes : numpy.ndarray
        Its axes, (panels,), row by row.

    Examples
    --------
    >>> figure, axes = new_figure(89, 60, 1, 2)
    >>> len(axes)
    2
    """
    with style():
        figure = Figure(figsize=(width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for spare in axes[panels:] if panels is not None else []:
            spare.remove()
    return figure, axes[:panels]


def panel_letters(axes: Iterable[Axes], left: float = 22.0) -> None:
    """
    Write a bold lower-case letter at the upper left of every panel.

    Parameters
    ----------
    axes : iterable of matplotlib.axes.Axes
        The panels in reading order.
    left : float
        How far left of the axes, points.
    """
    for letter, ax in zip("abcdefghijklmnopqrstuvwxyz", axes, strict=False):
        figure = ax.get_figure(root=True)
        if figure is None:
            continue
        if not any(ax.get_title(loc=place) for place in ("left", "center", "right")):
            # letters are no part of the layout: without a title they would stand outside the figure
            ax.set_title(" ", fontsize=8)
        shift = ScaledTranslation(-left / 72, 2 / 72, figure.dpi_scale_trans)
        ax.text(
            0, 1, letter, transform=ax.transAxes + shift, fontsize=8, fontweight="bold", va="bottom", ha="left"
        ).set_in_layout(False)


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


def layer_name(layer: object) -> str:
    """
    Name of a layer for titles and captions.

    Parameters
    ----------
    layer : str
        As in a recording.

    Returns
    -------
    str
        For example ``"Hidden layer 1"``.

    Examples
    --------
    >>> layer_name("hidden_1")
    'Hidden layer 1'
    """
    return str(layer).replace("hidden_", "Hidden layer ")


def axes_or_new(ax: Axes | None) -> Axes:
    """
    The given axes, or those of a new single-column figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        What a figure function was given.

    Returns
    -------
    matplotlib.axes.Axes
        Where to draw.
    """
    if ax is not None:
        return ax
    own: Axes = new_figure()[1][0]
    return own


def save(
    drawing: Drawing, folder: str | os.PathLike[str], name: str, metadata: Mapping[str, Any] | None = None
) -> dict[str, Path]:
    """
    Write a drawing as PNG (300 dpi), PDF (fonts embedded), CSV (its numbers) and TXT (its caption).

    Each file is written aside and renamed. Files carry no time stamp: equal content gives equal files.

    Parameters
    ----------
    drawing : Drawing
        The figure, its numbers and its caption.
    folder : path-like
        Where to write; made if it is not there.
    name : str
        File name without ending.
    metadata : mapping, optional
        What to write into the image files, for example run, seed and version.

    Returns
    -------
    dict of str to pathlib.Path
        Ending (``"png"``, ``"pdf"``, ``"csv"``, ``"txt"``) to file.

    Raises
    ------
    ConfigError
        Where `name` is not a plain file name.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise ConfigError(f"'{name}' cannot name a figure's files; expected a plain name such as 'decay_curves'")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries = {str(key): str(value) for key, value in (metadata or {}).items()}
    origin = "; ".join(f"{key}={value}" for key, value in entries.items())
    png = entries | {"Title": name, "Description": drawing.caption, "Software": "neurofa"}
    pdf = {"Title": name, "Subject": drawing.caption, "Keywords": origin, "Creator": "neurofa", "CreationDate": None}
    files = {ending: folder / f"{name}.{ending}" for ending in ("png", "pdf", "csv", "txt")}
    with style(), _fixed_layout(drawing.figure):
        with _aside(files["png"]) as aside:
            drawing.figure.savefig(aside, format="png", dpi=_DPI, metadata=png)
        with _aside(files["pdf"]) as aside, small_fonts():
            drawing.figure.savefig(aside, format="pdf", metadata=pdf)
    with _aside(files["csv"]) as aside:
        drawing.numbers.to_csv(aside, index=False, float_format="%.6g")
    with _aside(files["txt"]) as aside:
        aside.write_text(drawing.caption + "\n", encoding="utf-8")
    return files


@contextmanager
def _fixed_layout(figure: Figure) -> Iterator[None]:
    """Lay the figure out once, not again for every format."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A path to write to; renamed to `path` when the block ends well, removed when it does not."""
    aside = path.with_name(f".{path.name}.part")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
