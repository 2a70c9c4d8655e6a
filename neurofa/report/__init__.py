"""One self-contained HTML page per run."""

from neurofa.report.brief import brief, legend, warning
from neurofa.report.page import write_report

__all__ = ["brief", "legend", "warning", "write_report"]
