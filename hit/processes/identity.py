"""Names of processes that hold for as long as the machine runs, and whether one still does."""

__all__ = ["is_running", "lineage", "pid_of", "process_identity"]

import contextlib
import os
import re
import socket
from pathlib import Path

import psutil

_PROCESS = re.compile(r"([1-9][0-9]{0,8}):([0-9]*)")
_SHELLS = {"bash", "sh", "dash", "zsh"}


def process_identity(pid: int | None = None) -> tuple[str, str]:
    """(host, process): strings that name a process of this machine for as long as the machine runs.

    The host part tells containers on one machine apart; the process part, `pid:start`, tells a reused pid apart. The
    start is counted in clock ticks since the boot, which nobody sets; it is empty where the process is gone, and on
    systems other than Linux.
    """
    pid = os.getpid() if pid is None else pid
    boot, namespace, started = "", "", ""
    with contextlib.suppress(OSError):  # psutil has a name neither for a boot nor for a container
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    with contextlib.suppress(psutil.Error, OSError, RuntimeError):  # RuntimeError: no time of the boot in /proc/stat
        started = _start(pid)
    host = "/".join(part for part in (socket.gethostname(), boot, namespace) if part)
    return host, f"{pid}:{started}"


def is_running(process: str) -> bool:
    """Whether a process of this machine (`process_identity`) still runs; one that its parent has not buried does not.

    Where the name has no start, the pid alone tells.
    """
    match = _PROCESS.fullmatch(process)
    if match is None:
        return False
    pid, started = int(match[1]), match[2]
    try:
        if started and started != _start(pid):
            return False
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError, RuntimeError):  # it is there, and may not be looked at
        return bool(psutil.pid_exists(pid))


def pid_of(process: str) -> int:
    """The pid in the name of a process (`process_identity`); 0 where the text is no such name.

    >>> pid_of("4711:123456"), pid_of("4711:"), pid_of("x:y"), pid_of("")
    (4711, 4711, 0, 0)
    """
    match = _PROCESS.fullmatch(process)
    return int(match[1]) if match else 0


def lineage() -> list[int]:
    """The parent's pid, and its parent's for as long as they are shells: `mlflow run` may start us through one."""
    chain = [os.getppid()]
    with contextlib.suppress(psutil.Error, OSError, RuntimeError):  # RuntimeError: no time of the boot in /proc/stat
        while chain[-1] > 1:
            parent = psutil.Process(chain[-1])
            if parent.name().lstrip("-") not in _SHELLS:
                break
            chain.append(parent.ppid())
    return chain


def _start(pid: int) -> str:
    """When a process began, in clock ticks since the boot; '' where the system tells it by a clock that may be set.

    psutil adds the time of the boot, which somebody may set between its answer and ours.
    """
    while psutil.LINUX:
        booted = psutil.boot_time()
        started = psutil.Process(pid).create_time()
        if psutil.boot_time() == booted:
            return str(round((started - booted) * os.sysconf("SC_CLK_TCK")))
    return ""
