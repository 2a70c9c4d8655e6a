"""One self-contained HTML page per run."""

from neurofa.report.page import write_report

__all__ = ["write_report"]
