"""What a command sets in its own process and in its workers: environment, memory, letters and lines on stderr.

Importing a module of the project sets none of it: in a notebook the process is the user's.
"""

__all__ = [
    "ENVIRONMENT",
    "THREAD_VARIABLES",
    "keep_freed_memory",
    "lines_are_shown",
    "process_settings",
    "show_lines",
    "spare_letters",
    "worker_variables",
]

import contextlib
import gc
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from hit.errors.redaction import redact

#: Environment variables that a command sets where nobody else has.
ENVIRONMENT = {
    # How long GNU OpenMP's threads spin before they sleep, read when torch is loaded. Its default has them spin for
    # good: with anything else on their cores, a step of training then takes several times as long.
    "GOMP_SPINCOUNT": "30000",
    # Our own delivery waits and retries (hit.tracking); MLflow's client would hold a question for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # stdout is for the run id, and MLflow prints the address with its password.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
#: What OpenMP and BLAS read when they are loaded, and we when a model is trained.
THREAD_VARIABLES = ("HIT_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
#: Objects after which Python looks for garbage, young, older and old. By its default of 700 it looks a thousand times
#: through what torch and MLflow make when they are imported, and that is never garbage: a fifth of the processor time
#: from the start of a training to its first step.
_GARBAGE_THRESHOLDS = (20_000, 10, 10)
_LOGGERS = ("hit", "sweeps", "analysis")
#: Loggers whose lines below a level are not shown: what they have to say, we say. MLflow resets levels when it is
#: imported, and leaves filters alone.
_QUIET = {
    "mlflow.store.db.utils": logging.CRITICAL,
    "alembic.runtime.migration": logging.WARNING,
    "alembic.runtime.plugins": logging.WARNING,
}
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's mallopt


def spare_letters() -> None:
    """Let stdout and stderr show `?` for letters that their encoding lacks: β in ASCII, σ in Windows' cp1252.

    Python itself raises UnicodeEncodeError for them on stdout. Bytes of file names that are no text (which Python holds
    as lone surrogates) go through where stdout takes them, and are replaced where it does not.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not _takes_all(stream):
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def process_settings() -> Iterator[None]:
    """Settle the process of a command, before torch and MLflow are imported; leaving it, nothing more is shown."""
    os.environ.update(ENVIRONMENT | os.environ)
    keep_freed_memory()
    thresholds = gc.get_threshold()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    try:
        with show_lines():
            yield
    finally:
        gc.set_threshold(*thresholds)


@contextlib.contextmanager
def show_lines() -> Iterator[None]:
    """Write what the packages log, from INFO on, to stderr as plain lines; credentials are left out."""
    handler = _Lines(logging.INFO)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    quiet = [(logging.getLogger(name), _From(level)) for name, level in _QUIET.items()]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    for other, silent in quiet:
        other.addFilter(silent)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        for other, silent in quiet:
            other.removeFilter(silent)


def worker_variables(threads: int) -> dict[str, str]:
    """Environment variables of a worker process; they must stand before it loads torch.

    Args:
        threads: CPU threads that it has.
    """
    settings = {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
    return settings | dict.fromkeys(THREAD_VARIABLES, str(threads))


def lines_are_shown() -> bool:
    """Whether this is a command, which shows lines."""
    return any(isinstance(handler, _Lines) for handler in logging.getLogger(_LOGGERS[0]).handlers)


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks instead of giving them back; whether it could be told.

    A training step on the CPU allocates and frees the same megabytes of activations again and again:
    given back each time, their pages are faulted in anew at every step, a third of its time.
    The process stays as large as it once was.
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return False
    kept = bool(mallopt(_M_TRIM_THRESHOLD, 1 << 30)) and bool(mallopt(_M_TOP_PAD, 1 << 26))
    return kept and bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30) or mallopt(_M_MMAP_THRESHOLD, 1 << 25))


class _Lines(logging.Handler):
    """Writes the message alone, above the progress bars that are on the screen."""

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            line = f"{line}\n{''.join(traceback.format_exception(*record.exc_info)).rstrip()}"
        with contextlib.suppress(OSError):  # nobody listens
            _write(redact(line))


class _From(logging.Filter):
    """Lets records pass from a level on."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self._level


def _takes_all(stream: io.TextIOWrapper) -> bool:
    return stream.errors == "surrogateescape" and stream.encoding.lower().replace("-", "") == "utf8"


def _write(line: str) -> None:
    bars: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if getattr(bars, "_instances", None):
        bars.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr, flush=True)
