"""One function per figure kind: arrays in, matplotlib axes out; labels come from the arrays' attributes."""

from neurofa.figures.curves import axis_label, chance_line, decay_curve, performance_over_days, recorded_curves
from neurofa.figures.drawing import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    Drawing,
    new_figure,
    panel_letters,
    save,
    style,
)
from neurofa.figures.heatmaps import session_matrix, tuning_across_days
from neurofa.figures.palette import OKABE_ITO, GroupStyle, group_legend, group_styles, paler, styles_of
from neurofa.figures.panels import day_labels, parts_of, session_matrices
from neurofa.figures.tables import (
    DAY_DECIMALS,
    caption_of_groups,
    day_table,
    group_sizes,
    lag_table,
    mean_over_animals,
    pairs_of,
    with_lags,
)

__all__ = [
    "DAY_DECIMALS",
    "DOUBLE_COLUMN_MM",
    "Drawing",
    "GroupStyle",
    "OKABE_ITO",
    "SINGLE_COLUMN_MM",
    "axis_label",
    "caption_of_groups",
    "chance_line",
    "day_labels",
    "day_table",
    "decay_curve",
    "group_legend",
    "group_sizes",
    "group_styles",
    "lag_table",
    "mean_over_animals",
    "new_figure",
    "pairs_of",
    "paler",
    "panel_letters",
    "parts_of",
    "performance_over_days",
    "recorded_curves",
    "save",
    "session_matrices",
    "session_matrix",
    "style",
    "styles_of",
    "tuning_across_days",
    "with_lags",
]
