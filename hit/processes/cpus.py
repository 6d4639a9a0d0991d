"""How many CPUs there are, without importing torch to ask."""

__all__ = ["available_cpus", "threads_of_each", "worker_count"]

import logging

_MOST_WORKERS = 8
_LOG = logging.getLogger(__name__)


def available_cpus() -> int:
    """CPUs that this process may use: those of its affinity, within the quota of its container."""
    from joblib import cpu_count  # takes a while to import

    return int(cpu_count())


def worker_count(asked: int) -> int:
    """Processes of a pool: as many as asked for; where that is 0, one a CPU, at most 8."""
    return asked or min(_MOST_WORKERS, available_cpus())


def threads_of_each(workers: int, asked: int = 0) -> int:
    """CPU threads of each of some processes: this machine's CPUs divided, or as many as asked for.

    More threads than CPUs make every step several times slower: that is done, and a line says so.
    """
    cpus = available_cpus()
    if asked * workers > max(cpus, asked):
        _LOG.warning(
            "%d workers with threads=%d each are more than this machine's %d CPUs: every step will take longer "
            "(threads=0 divides them)",
            workers,
            asked,
            cpus,
        )
    return asked or max(1, cpus // workers)
