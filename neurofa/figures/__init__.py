"""One function per figure kind: arrays in, matplotlib axes out; labels come from the arrays' attributes."""

from neurofa.figures.curves import chance_line, decay_curve, half_life_points, performance_over_days
from neurofa.figures.drawing import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    Drawing,
    axis_label,
    new_figure,
    panel_letters,
    save,
    style,
)
from neurofa.figures.heatmaps import session_matrix, tuning_across_days
from neurofa.figures.palette import OKABE_ITO, GroupStyle, group_coords, group_legend, group_styles, paler, styles_of
from neurofa.figures.panels import day_labels, parts_of, session_matrices, shared_colourbar, used_axes
from neurofa.figures.recorded import (
    caption_of_recorded,
    observed_first_layer,
    recorded_curves,
    recorded_names,
    recorded_values,
)
from neurofa.figures.tables import (
    DAY_DECIMALS,
    caption_of_groups,
    day_table,
    group_sizes,
    lag_table,
    mean_over_animals,
    pairs_of,
    sizes_text,
    small_groups,
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
    "caption_of_recorded",
    "chance_line",
    "day_labels",
    "day_table",
    "decay_curve",
    "group_coords",
    "group_legend",
    "group_sizes",
    "group_styles",
    "half_life_points",
    "lag_table",
    "mean_over_animals",
    "new_figure",
    "observed_first_layer",
    "pairs_of",
    "paler",
    "panel_letters",
    "parts_of",
    "performance_over_days",
    "recorded_curves",
    "recorded_names",
    "recorded_values",
    "save",
    "session_matrices",
    "session_matrix",
    "shared_colourbar",
    "sizes_text",
    "small_groups",
    "style",
    "styles_of",
    "tuning_across_days",
    "used_axes",
    "with_lags",
]
