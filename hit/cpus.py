"""How many CPUs there are, without importing torch to ask."""

__all__ = ["available_cpus", "default_workers", "threads_of_each"]

import os
import sys

_MOST_WORKERS = 8


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_workers() -> int:
    """Processes of a pool where nobody said how many: one a CPU, at most 8."""
    return min(_MOST_WORKERS, available_cpus())


def threads_of_each(workers: int, asked: int = 0) -> int:
    """CPU threads of each of some processes: this machine's CPUs divided, or as many as asked for.

    More threads than CPUs make every step several times slower: that is done, and said on stderr.
    """
    cpus = available_cpus()
    if asked * workers > max(cpus, asked):
        print(
            f"{workers} workers with threads={asked} each are more than this machine's {cpus} CPUs: every step will "
            f"take longer (threads=0 divides them)",
            file=sys.stderr,
            flush=True,
        )
    return asked or max(1, cpus // workers)
