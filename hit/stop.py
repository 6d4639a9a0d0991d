"""Requests to stop: SIGTERM, Ctrl-C, and the death of the process that started this one."""

__all__ = ["SIGNALS", "WATCHED", "StopRequest", "process_identity", "signals_held_back"]

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from hit.errors import Interrupted

#: Environment variable with the process (as `process_identity` names it) that a command does not outlive.
WATCHED = "HIT_WATCHED_PROCESS"

#: What asks a process to stop.
SIGNALS = (signal.SIGINT, signal.SIGTERM)

_SHELLS = {"bash", "sh", "dash", "zsh"}
_POLL_SECONDS = 1.0


class StopRequest:
    """Turns signals into a request that the work checks at safe points, so that nothing is cut in half.

    The first SIGTERM or SIGINT is remembered, `check` raises it; a second SIGINT interrupts at once.

    Args:
        watch_parent: stop, too, when the process that started this one is gone. `mlflow run` needs it:
            killed itself, it leaves its child behind.
        watch: stop, too, when this process (`process_identity`) is gone.
    """

    def __init__(self, *, watch_parent: bool = False, watch: str | None = None) -> None:
        self._signal = 0
        self._previous: dict[int, Any] = {}
        self._watch_parent = watch_parent
        self._watched = watch
        self._closed = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._signal != 0

    def request(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask to stop, as a signal would."""
        self._signal = self._signal or signal_number

    def check(self) -> None:
        """Return while nobody asked to stop.

        Raises:
            Interrupted: somebody did.
        """
        if self._signal:
            raise Interrupted(self._signal)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)
        if self._watch_parent or self._watched:
            ancestors = _ancestors() if self._watch_parent else None
            threading.Thread(target=self._watch, args=(ancestors,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, signal_number: int, frame: FrameType | None) -> None:
        if self._signal and signal_number == signal.SIGINT:
            raise KeyboardInterrupt
        self.request(signal_number)

    def _watch(self, ancestors: list[int] | None) -> None:
        while True:
            gone = self._watched and process_identity(int(self._watched.partition(":")[0]))[1] != self._watched
            if gone or (ancestors is not None and _ancestors() != ancestors):
                self.request(signal.SIGTERM)
                return
            if self._closed.wait(_POLL_SECONDS):
                return


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back: processes started now inherit that; this one hears them afterwards."""
    resource_tracker.ensure_running()  # starting it would let the signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def process_identity(pid: int | None = None) -> tuple[str, str]:
    """(host, process): strings that name a process of this machine for as long as the machine runs.

    The host part tells containers on one machine apart; the process part tells a reused pid apart.
    """
    pid = os.getpid() if pid is None else pid
    boot, namespace, started = "", "", ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    with contextlib.suppress(OSError, IndexError):
        # After the parenthesised name, field 22 of /proc/<pid>/stat is the start time in clock ticks.
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    host = "/".join(part for part in (socket.gethostname(), boot, namespace) if part)
    return host, f"{pid}:{started}"


def _ancestors() -> list[int]:
    """Parent, and its parent for as long as they are shells: `mlflow run` may start us through one."""
    chain = [os.getppid()]
    while chain[-1] > 1:
        name, parent = _name_and_parent(chain[-1])
        if name not in _SHELLS:
            break
        chain.append(parent)
    return chain


def _name_and_parent(pid: int) -> tuple[str, int]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat[stat.index("(") + 1 : stat.rindex(")")], int(stat.rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        pass
    with contextlib.suppress(OSError, ValueError, IndexError):  # systems without /proc
        words = subprocess.run(
            ["ps", "-o", "ppid=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return os.path.basename(words[1]).lstrip("-"), int(words[0])
    return "", 0
