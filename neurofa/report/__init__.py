"""One self-contained HTML page per run."""

from neurofa.report.brief import LEGEND, brief
from neurofa.report.page import write_report

__all__ = ["LEGEND", "brief", "write_report"]
