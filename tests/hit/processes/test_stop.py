"""Signals that ask to stop, in this process and at a terminal that is closed."""

import os
import pty
import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hit.processes.stop
from hit.errors import Interrupted
from hit.processes.stop import StopRequest
from tests.commands import ROOT

_AT_A_TERMINAL = """
import sys, time
from hit.processes.stop import StopRequest
with StopRequest() as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.02)
    print("a word that nobody hears", file=sys.stderr, flush=True)
    open(sys.argv[1], "w").write(str(stop.signal_number))
"""


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    with StopRequest() as stop:
        yield stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_remembered(stop: StopRequest, number: int) -> None:
    stop.check()
    signal.raise_signal(number)
    with pytest.raises(Interrupted) as caught:
        stop.check()
    assert (caught.value.signal_number, caught.value.exit_code) == (number, 128 + number)
    assert not stop.hurried


def test_a_second_ctrl_c_interrupts(stop: StopRequest) -> None:
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stop.hurried


def test_a_second_ctrl_c_waits_for_what_is_done_whole(stop: StopRequest) -> None:
    done = []
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117 - the block that it waits for
        with stop.whole():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
            with stop.whole():
                signal.raise_signal(signal.SIGINT)
            done.append("outer")
    assert done == ["inner", "outer"]


def test_a_second_ctrl_c_hurries_an_end_and_is_over_with_it(stop: StopRequest) -> None:
    signal.raise_signal(signal.SIGINT)
    with stop.whole(ends=True):
        assert not stop.hurried
        signal.raise_signal(signal.SIGINT)
        assert stop.hurried


def test_a_third_ctrl_c_cuts(stop: StopRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hit.processes.stop._MEANT_AGAIN_SECONDS", 0.0)
    signal.raise_signal(signal.SIGINT)
    stop.hurry()
    with stop.whole(ends=True), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_nohup_is_left_alone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGHUP)
            stop.check()
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_system_without_sighup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGHUP")
    names = runpy.run_path(hit.processes.stop.__file__)
    assert names["SIGNALS"] == (signal.SIGINT, signal.SIGTERM)
    with names["StopRequest"]() as stop:
        stop.check()


def test_a_closed_terminal_is_a_request_to_stop_and_takes_no_word(tmp_path: Path) -> None:
    said = tmp_path / "said"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(
            sys.executable,
            [sys.executable, "-c", _AT_A_TERMINAL, str(said)],
            {**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert b"ready" in os.read(terminal, 100)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert said.read_text() == str(int(signal.SIGHUP))
