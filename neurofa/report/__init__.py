"""One self-contained HTML page per run."""

from neurofa.report.brief import brief, legend
from neurofa.report.page import write_report

__all__ = ["brief", "legend", "write_report"]
