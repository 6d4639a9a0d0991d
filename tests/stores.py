"""Stores for tests: an SQLite file, and a real tracking server that can go away and come back."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from hit.connection import connect
from hit.tracking import RunWriter


class Server:
    """`mlflow server`, with its UI, on a free port of 127.0.0.1, over an SQLite file in `folder` or another store."""

    def __init__(self, folder: Path, store: str = "") -> None:
        self._folder = folder
        self._store = store or f"sqlite:///{folder}/server.db"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--backend-store-uri", self._store, "--workers", "1"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=clean_environment(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
                start_new_session=True,
            )
        deadline = time.monotonic() + 300
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text()[-2000:]) from None
                time.sleep(0.2)

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None


def new_database(path: Path) -> str:
    """Address of the SQLite store at `path`, new where there is none: a copy, as MLflow takes seconds to make one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        shutil.copyfile(_made_once(), path)
    return f"sqlite:///{path}"


@cache
def _made_once() -> Path:
    path = Path(tempfile.mkdtemp()) / "store.db"
    connect(f"sqlite:///{path}")
    return path


def clean_environment(**extra: str) -> dict[str, str]:
    """This environment without what MLflow and we read from it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "HIT_", "_MLFLOW"))}
    for name in ("HIT_DATA", "HIT_GOLDEN"):
        if name in os.environ:
            kept[name] = os.environ[name]
    return kept | extra


def leaving(run: RunWriter) -> ExitStack:
    """The block of a writer that has been entered before."""
    block = ExitStack()
    block.push(run)
    return block
