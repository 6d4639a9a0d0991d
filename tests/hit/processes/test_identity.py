"""Names of processes: what versions before have written is still understood, and who is gone is told as such."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from hit.processes.identity import is_running, lineage, process_identity

LINUX = pytest.mark.skipif(not psutil.LINUX, reason="compares with /proc")


def as_before(pid: int) -> str:
    """As the version before named a process: with field 22 of /proc/<pid>/stat."""
    return f"{pid}:{Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"


@LINUX
def test_a_name_is_that_of_the_version_before() -> None:
    for pid in (os.getpid(), os.getppid(), 1):
        assert process_identity(pid)[1] == as_before(pid)
        assert is_running(as_before(pid))


def test_a_name_without_a_start_is_told_by_its_pid() -> None:
    """As it is written where the system is not Linux."""
    assert is_running(f"{os.getpid()}:")


@LINUX
def test_a_pid_that_was_given_again_is_another_process() -> None:
    pid, started = as_before(os.getpid()).split(":")
    assert not is_running(f"{pid}:{int(started) - 1}")
    assert not is_running(f"{pid}:{'9' * 5000}")


@pytest.mark.parametrize("text", ["", ":", "x:y", "0:0", "-1:5", "9" * 30])
def test_what_names_no_process_runs_nowhere(text: str) -> None:
    assert not is_running(text)


def test_who_has_ended_runs_no_longer_also_where_nobody_buries_it() -> None:
    """The first process of a container seldom does: a killed run was never taken for lost there."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = process_identity(child.pid)[1]
    assert is_running(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(name), "it is dead, and still has its pid"
    child.communicate()
    assert not is_running(name)


def test_a_clock_that_is_set_changes_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = process_identity()
    boot = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot + 3600)
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot + 3600)
    assert process_identity() == before
    told = iter([boot, boot - 1, boot, boot])  # set between two of psutil's answers
    monkeypatch.setattr(psutil, "boot_time", lambda: next(told, boot))
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot)
    assert process_identity() == before


def test_the_parents_are_followed_through_shells() -> None:
    script = "from hit.processes.identity import lineage; print(*lineage())"
    words = ["sh", "-c", f"{sys.executable} -c '{script}'; :"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert int(said.split()[1]) == os.getpid(), said
    assert lineage()[0] == os.getppid()
