"""Requests to stop: SIGTERM, SIGHUP, Ctrl-C, and the death of the process that started this one."""

__all__ = ["SIGNALS", "WATCHED", "StopRequest", "signals_held_back"]

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from types import FrameType, TracebackType
from typing import Any, Self

from hit.errors import Interrupted

#: Environment variable with the process (as `process_identity` names it) that a command does not outlive.
WATCHED = "HIT_WATCHED_PROCESS"

#: What asks a process to stop; a system may lack SIGHUP, which a terminal sends when it is closed.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

_HANGUP = getattr(signal, "SIGHUP", None)
_POLL_SECONDS = 1.0
#: A Ctrl-C that comes sooner after the second one is still that: keys repeat, and a process may get it twice.
_MEANT_AGAIN_SECONDS = 1.0


class StopRequest:
    """Turns signals into a request that the work checks at safe points, so that nothing is cut in half.

    The first signal is remembered, `check` raises it. A Ctrl-C after that interrupts at once, but for `whole` work,
    which it hurries, and which only a third one cuts. SIGHUP stays ignored where `nohup` has it so.

    Args:
        watch_parent: stop, too, when the process that started this one is gone. `mlflow run` needs it:
            killed itself, it leaves its child behind.
        watch: stop, too, when this process (`process_identity`) is gone.
    """

    def __init__(self, *, watch_parent: bool = False, watch: str | None = None) -> None:
        self._signal = 0
        self._hurried_at = 0.0
        self._whole = 0
        self._counting = threading.Lock()
        self._held_back = False
        self._terminals: list[int] = []
        self._previous: dict[int, Any] = {}
        self._watch_parent = watch_parent
        self._watched = watch
        self._closed = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._signal != 0

    @property
    def hurried(self) -> bool:
        """Whether somebody asked by a second Ctrl-C to be done with it."""
        return self._hurried_at > 0

    @property
    def signal_number(self) -> int:
        """The signal that asked first; 0 where nobody did."""
        return self._signal

    def request(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask to stop, as a signal would."""
        self._signal = self._signal or signal_number

    def hurry(self) -> None:
        """Ask to be done with it, as a second Ctrl-C would; nothing is interrupted by it."""
        self.request(signal.SIGINT)
        self._hurried_at = self._hurried_at or time.monotonic()

    def check(self) -> None:
        """Return while nobody asked to stop.

        Raises:
            Interrupted: somebody did.
        """
        if self._signal:
            raise Interrupted(self._signal)

    @contextlib.contextmanager
    def whole(self, *, ends: bool = False) -> Iterator[None]:
        """Work that a second Ctrl-C does not cut in half: it interrupts once the work is done.

        Several threads may be at work that `ends`; other work is the main thread's.

        Args:
            ends: the work is what Ctrl-C asks for, an end; it is hurried, and nothing interrupts afterwards.
        """
        with self._counting:
            self._whole += 1
        try:
            yield
        finally:
            with self._counting:
                self._whole -= 1
        if not self._whole:
            held_back, self._held_back = self._held_back, False
            if held_back and not ends:
                raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._terminals = [number for number in (1, 2) if os.isatty(number)]
            for number in SIGNALS:
                if number == _HANGUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                self._previous[number] = signal.signal(number, self._handle)
        if self._watch_parent or self._watched:
            from hit.processes.identity import lineage  # not for --help

            ancestors = lineage() if self._watch_parent else None
            threading.Thread(target=self._watch, args=(ancestors,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, signal_number: int, frame: FrameType | None) -> None:
        if signal_number == _HANGUP:
            _let_go_of(self._terminals)
        if not self._signal or signal_number != signal.SIGINT:
            self.request(signal_number)
            return
        now, before = time.monotonic(), self._hurried_at
        self._hurried_at = before or now
        if self._whole and now - (before or now) < _MEANT_AGAIN_SECONDS:
            self._held_back = True
            return
        raise KeyboardInterrupt

    def _watch(self, ancestors: list[int] | None) -> None:
        from hit.processes.identity import is_running, lineage

        while True:
            gone = self._watched and not is_running(self._watched)
            if gone or (ancestors is not None and lineage() != ancestors):
                self.request(signal.SIGTERM)
                return
            if self._closed.wait(_POLL_SECONDS):
                return


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold the signals that ask to stop back: processes started now inherit that; this one hears them afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    resource_tracker.ensure_running()  # starting it lets SIGINT and SIGTERM through again
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _let_go_of(terminals: list[int]) -> None:
    """Say nothing more where nobody listens: a terminal that was closed takes every word for an error."""
    for number in terminals:
        if not os.isatty(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
