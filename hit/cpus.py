"""How many CPUs there are, without importing torch to ask."""

__all__ = ["available_cpus"]

import os


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
