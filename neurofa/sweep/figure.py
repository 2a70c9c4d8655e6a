"""The figure of a sweep: performance and drift of every condition, groups side by side."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from neurofa.figures.drawing import DOUBLE_COLUMN_MM, Drawing, new_figure, panel_letters, style
from neurofa.figures.palette import GroupStyle, group_styles
from neurofa.figures.panels import group_legend
from neurofa.figures.tables import MIN_ANIMALS_FOR_INTERVAL
from neurofa.sweep.conditions import short_names

_PANELS = (
    ("correct", "", "Stimuli reported correctly"),
    ("correlation", "rate", "Correlation of population\nvectors, observed"),
    ("correlation", "latent_rate", "The same without observation\nand input gains"),
)
#: places on the axis that the groups of one condition take up, of the 1 from one condition to the next
_SPREAD = 0.6
#: letters in a line below an axis
_LABEL_LETTERS = 32


def draw(
    overview: pd.DataFrame,
    conditions: pd.DataFrame,
    keys: Sequence[str],
    labels: Mapping[str, str],
    controls: Mapping[str, str],
) -> Drawing | None:
    """
    Draw the conditions of a sweep side by side.

    Parameters
    ----------
    overview : pandas.DataFrame
        Columns ``run``, ``group``, ``quantity``, ``variable``, ``lag_days``, ``mean``, ``lower``, ``upper``,
        ``n_animals``.
    conditions : pandas.DataFrame
        One row per condition: ``run``, the swept keys, ``state``.
    keys : sequence of str
        The swept keys.
    labels, controls : mapping of str to str
        Group to its name in figures, and to the group whose control it is or empty text.

    Returns
    -------
    Drawing or None
        None where nothing that is drawn was measured.
    """
    panels = [panel for panel in _PANELS if len(_rows(overview, *panel[:2]))]
    if not panels:
        return None
    groups = list(dict.fromkeys(overview["group"]))
    styles = group_styles(groups, controls, labels)
    names = _names(conditions, keys)
    longest = max(map(len, names))
    figure, axes = new_figure(DOUBLE_COLUMN_MM, 55 + min(40.0, 0.9 * longest), 1, len(panels))
    with style():
        for ax, (quantity, variable, label) in zip(axes, panels, strict=True):
            _panel(ax, _rows(overview, quantity, variable), conditions, groups, styles)
            ax.set_ylabel(label)
            # room for the letters of the panels
            ax.set_title(" ")
            ax.set_ylim(*((-0.03, 1.05) if quantity == "correct" else (None, min(1.02, ax.get_ylim()[1]))))
            turn: dict[str, Any] = {"rotation": 45, "ha": "right", "va": "top", "rotation_mode": "anchor"}
            ax.set_xticks(range(len(names)), names, **(turn if longest > 4 else {}))
            ax.set_xlim(-0.6, len(names) - 0.4)
            ax.set_xlabel(textwrap.fill(", ".join(short_names(keys).values()), _LABEL_LETTERS))
        panel_letters(axes)
        if len(groups) > 1:
            group_legend(figure, styles)
    caption = (
        f"Every condition of the sweep over {', '.join(keys)}, in this order. Mean over animals with its 95 % interval "
        f"(Student t), from {MIN_ANIMALS_FOR_INTERVAL} animals on. Correlations: open at the shortest lag, filled at "
        "the longest, joined by a line; of the last hidden layer."
    )
    failed = int((conditions["state"] == "failed").sum())
    caption += f" Crosses: conditions that failed, {failed} of {len(conditions)}." if failed else ""
    return Drawing(figure, overview, caption)


def _panel(
    ax: Axes, rows: pd.DataFrame, conditions: pd.DataFrame, groups: Sequence[str], styles: Mapping[str, GroupStyle]
) -> None:
    """One quantity of all conditions."""
    step = _SPREAD / max(len(groups), 2)
    for place, condition in enumerate(conditions["run"]):
        if conditions["state"].iloc[place] == "failed":
            ax.plot([place], [0.03], "x", color="0.4", transform=ax.get_xaxis_transform(), clip_on=False)
        for number, group in enumerate(groups):
            own = rows[(rows["run"] == condition) & (rows["group"] == group)].sort_values("lag_days")
            at = place + (number - (len(groups) - 1) / 2) * step
            colour = styles[group].colour
            ax.plot([at] * len(own), own["mean"], color=colour, linewidth=0.8)
            for turn, (_, row) in enumerate(own.iterrows()):
                ends = [[row["mean"] - row["lower"]], [row["upper"] - row["mean"]]]
                ax.errorbar(
                    [at],
                    [row["mean"]],
                    ends if row["n_animals"] >= MIN_ANIMALS_FOR_INTERVAL else None,
                    color=colour,
                    marker="o",
                    markersize=3.5,
                    markerfacecolor="white" if turn < len(own) - 1 else colour,
                    elinewidth=0.8,
                )


def _rows(overview: pd.DataFrame, quantity: str, variable: str) -> pd.DataFrame:
    """Rows of one panel."""
    return overview[(overview["quantity"] == quantity) & (overview["variable"] == variable)]


def _names(conditions: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Short names of the conditions."""
    rows = conditions[list(keys)].astype(str).to_numpy()
    return [", ".join(row) for row in rows]
