"""One function per figure kind: arrays in, matplotlib axes out; labels come from the arrays' attributes.

`recorded` holds what turns recorded animals into points; `tables` what averages numbers over animals.
"""

from neurofa.figures import recorded, tables
from neurofa.figures.courses import (
    angle_axes,
    caption_of_courses,
    course_over_steps,
    level_line,
    path_of_groups,
    path_table,
    step_axis,
    step_table,
)
from neurofa.figures.curves import chance_line, decay_curve, half_life_points, performance_over_days
from neurofa.figures.decay_panels import decay_panels
from neurofa.figures.distributions import animal_points, chance_levels, group_axis, log_axis, success_rates
from neurofa.figures.drawing import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    Drawing,
    layer_name,
    new_figure,
    panel_letters,
    save,
    style,
)
from neurofa.figures.heatmaps import session_matrix, tuning_across_days
from neurofa.figures.palette import PALETTE, GroupStyle, group_coords, marker_of, paler, session_coords, styles_of
from neurofa.figures.palette import group_styles as group_styles
from neurofa.figures.panels import day_labels, group_legend, parts_of, session_matrices, shared_colourbar
from neurofa.figures.tables import caption_of_groups, day_table, lag_table, sizes_text, with_lags
from neurofa.figures.tables import mean_over_animals as mean_over_animals
from neurofa.figures.trajectories import hidden_trajectory, trajectory_legend

__all__ = [
    "DOUBLE_COLUMN_MM",
    "Drawing",
    "GroupStyle",
    "PALETTE",
    "SINGLE_COLUMN_MM",
    "angle_axes",
    "animal_points",
    "caption_of_courses",
    "caption_of_groups",
    "chance_levels",
    "chance_line",
    "course_over_steps",
    "day_labels",
    "day_table",
    "decay_curve",
    "decay_panels",
    "group_axis",
    "group_coords",
    "group_legend",
    "half_life_points",
    "hidden_trajectory",
    "lag_table",
    "layer_name",
    "level_line",
    "log_axis",
    "marker_of",
    "new_figure",
    "paler",
    "panel_letters",
    "parts_of",
    "path_of_groups",
    "path_table",
    "performance_over_days",
    "recorded",
    "save",
    "session_coords",
    "session_matrices",
    "session_matrix",
    "shared_colourbar",
    "sizes_text",
    "step_axis",
    "step_table",
    "style",
    "styles_of",
    "success_rates",
    "tables",
    "trajectory_legend",
    "tuning_across_days",
    "with_lags",
]
