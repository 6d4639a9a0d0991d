"""Commands in processes of their own, forked from one that has imported what commands import.

Starting Python and importing torch and MLflow takes most of the time of a small command. What is forked is a process
like any other: it has its own environment, folder, session, signals, memory and exit code. Run as a module, this is the
process that is forked.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

#: What commands import, but for their own modules.
_IMPORTED = (
    "hit.evaluation.pictures",
    "hit.recovery",
    "hit.runs.training_run",
    "mlflow.cli",
    "mlflow.projects",
    "mlflow.store.tracking.sqlalchemy_store",
    "sweeps.sweep",
    "analysis.publish",
    "tests.unsynced_sqlite",
    "tqdm",
)


class Process(Protocol):
    """What tests ask of a process that they have started: that of subprocess.Popen."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int) -> None: ...

    def kill(self) -> None: ...


class ForkedCommand:
    """`python -m <words>`, as subprocess.Popen in a session of its own.

    Args:
        words: the module and its options.
        stdout: file that it writes to, at its end.
        stderr: the same.
    """

    def __init__(self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: Path, stderr: Path) -> None:
        self._words = words
        wanted = {"words": list(words), "cwd": str(cwd), "env": dict(env), "files": [str(stdout), str(stderr)]}
        self.pid: int = _parent().ask(wanted)
        self._ended = os.pidfd_open(self.pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        return self._seen(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._seen(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self._words, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _seen(self, timeout: float | None) -> int | None:
        if self._code is None and select.select([self._ended], [], [], timeout)[0]:
            self._code = _parent().ask({"pid": self.pid})
            os.close(self._ended)
        return self._code


def run_forked(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
) -> "subprocess.CompletedProcess[str]":
    """`python -m <words>`, waited for, with what it said."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / "stdout", Path(folder) / "stderr"]
        process = ForkedCommand(words, cwd=cwd, env=env, stdout=said[0], stderr=said[1])
        try:
            code = process.wait(timeout)
        finally:
            if process.poll() is None:
                process.kill()
        return subprocess.CompletedProcess(list(words), code, *(path.read_text() for path in said))


class _Parent:
    """The process that forks, asked by lines of JSON."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked_commands"],
            cwd=Path(__file__).resolve().parent.parent,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(self.end)

    def ask(self, wanted: Mapping[str, Any]) -> int:
        with self._one_at_a_time:
            try:
                assert self._process.stdin is not None
                assert self._process.stdout is not None
                self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
                self._process.stdin.flush()
                return int(self._process.stdout.readline())
            except BaseException:  # a later test asks another one
                _parent.cache_clear()
                self.end()
                raise

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@cache
def _parent() -> _Parent:
    return _Parent()


def _environment() -> dict[str, str]:
    """This environment without what MLflow and we read from it; with what is read when Python and BLAS are loaded."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "HIT_", "_MLFLOW"))}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def _serve() -> dict[str, Any]:
    """Fork for every line that asks for a command, until nobody asks any more; what a fork has to do."""
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # else each fork copies the pages of all of this when it collects garbage: seconds at its end
    answers = os.dup(1)
    os.dup2(2, 1)
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    for line in sys.stdin.buffer:
        wanted: dict[str, Any] = json.loads(line)
        if "pid" in wanted:
            answer = os.waitstatus_to_exitcode(os.waitpid(wanted["pid"], 0)[1])
        elif (answer := os.fork()) == 0:
            os.close(answers)
            return wanted
        os.write(answers, b"%d\n" % answer)
    os._exit(0)


def _become(wanted: Mapping[str, Any]) -> str:
    """Take on the session, files, folder, environment and arguments of a command; the module to run."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in zip((1, 2), wanted["files"], strict=True):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(file, number)
        os.close(file)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    module, *sys.argv[1:] = wanted["words"]
    sys.path[0] = wanted["cwd"]
    return module


if __name__ == "__main__":
    runpy.run_module(_become(_serve()), run_name="__main__", alter_sys=True)
