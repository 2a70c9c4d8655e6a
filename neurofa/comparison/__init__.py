"""A run held against recorded animals, published statistics or another run."""

from neurofa.comparison.definitions import CURVE_MEASURES, MEASURED_DEFINITIONS, NOISE_CORRECTED
from neurofa.comparison.files import further_rows, read_scorecard, reference_settings, why_not_compared, write_scorecard
from neurofa.comparison.orderings import ordering_scorecard, orderings_of_run
from neurofa.comparison.published import published_scorecard
from neurofa.comparison.runs import (
    compare,
    curves_of_recording,
    one_animal,
    scorecard_of_tables,
    summary_of_run,
)
from neurofa.comparison.sizes import Sizes, sizes_of, subsample, with_sizes
from neurofa.comparison.verdicts import (
    COLUMNS,
    CURVE_KINDS,
    INTERPRETATION,
    VERDICTS,
    count_inside,
    curve_scorecard,
    curves_by_lag,
    joined,
    pooled_spread,
    verdict,
)

__all__ = [
    "COLUMNS",
    "CURVE_KINDS",
    "CURVE_MEASURES",
    "INTERPRETATION",
    "MEASURED_DEFINITIONS",
    "NOISE_CORRECTED",
    "Sizes",
    "VERDICTS",
    "compare",
    "count_inside",
    "curve_scorecard",
    "curves_by_lag",
    "curves_of_recording",
    "further_rows",
    "joined",
    "one_animal",
    "ordering_scorecard",
    "orderings_of_run",
    "pooled_spread",
    "published_scorecard",
    "read_scorecard",
    "reference_settings",
    "scorecard_of_tables",
    "sizes_of",
    "subsample",
    "summary_of_run",
    "verdict",
    "why_not_compared",
    "with_sizes",
    "write_scorecard",
]
