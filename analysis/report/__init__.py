"""The report: one page that works offline and says which region of rate space to target for what."""

from analysis.report.page import build, write

__all__ = ["build", "write"]
