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

#: Name and password of the account that may do everything, of a server that asks for accounts.
ADMIN = ("admin", "open-sesame-1")


class Server:
    """`mlflow server`, with its UI, on a free port of 127.0.0.1, over an SQLite file in `folder` or another store.

    Args:
        folder: its log, its artifacts, and what else it keeps.
        store: address of the database behind it.
        accounts: address of the database of its accounts, which it then asks for (HTTP's basic authentication): `ADMIN`
            may do everything, everybody else reads alone what is not their own.
        workers: its processes.
    """

    def __init__(self, folder: Path, store: str = "", accounts: str = "", workers: int = 1) -> None:
        self._folder = folder
        self._store = store or f"sqlite:///{folder}/server.db"
        self._accounts = accounts
        self._workers = workers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Of the process that the others are below."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        if self._store == f"sqlite:///{self._folder}/server.db":
            new_database(self._folder / "server.db")
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--workers", str(self._workers), "--artifacts-destination", str(self._folder / "artifacts")]
        own = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        own["MLFLOW_BACKEND_STORE_URI"] = self._store  # not in its command line, which everybody may read
        if self._accounts:
            command += ["--app-name", "basic-auth"]
            own |= self._write_accounts()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=clean_environment(**own),
                start_new_session=True,
            )
        deadline = time.monotonic() + 240
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

    def _write_accounts(self) -> dict[str, str]:
        """What says who may do what; the environment of a server that reads it."""
        settings = self._folder / "accounts.ini"
        lines = ["[mlflow]", "default_permission = READ", f"database_uri = {self._accounts.replace('%', '%%')}"]
        # Else each request pays for PBKDF2, a fifth of a second.
        lines += [f"admin_username = {ADMIN[0]}", "auth_cache_ttl_seconds = 60"]
        settings.write_text("\n".join(lines))
        return {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of tests",
        }


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
