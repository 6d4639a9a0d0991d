"""The report: one page that works offline and says which region of rate space to target for what."""

from analysis.report.page import LOCAL_UI, build, write

__all__ = ["LOCAL_UI", "build", "write"]
