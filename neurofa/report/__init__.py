"""One self-contained HTML page per run."""

from neurofa.report.brief import brief, legend, told_nulls, told_orderings, warning
from neurofa.report.page import write_report

__all__ = ["brief", "legend", "told_nulls", "told_orderings", "warning", "write_report"]
