"""Writing one run of the store: its params, metrics, artifacts, owner, and how it ended."""

__all__ = ["RunOptions", "RunWriter"]

from hit.tracking.run_writer import RunOptions, RunWriter
