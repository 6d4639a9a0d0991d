"""How many CPUs there are, without importing torch to ask."""

__all__ = ["available_cpus", "default_workers"]

import os

_MOST_WORKERS = 8


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_workers() -> int:
    """Processes of a pool where nobody said how many: one a CPU, at most 8."""
    return min(_MOST_WORKERS, available_cpus())
