"""A PostgreSQL of our own for tests, where its programs and a driver are at hand."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

PASSWORD = "sesame"


def _program(name: str) -> str:
    """A program of the newest PostgreSQL here."""
    found = [str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")]
    program = shutil.which(name) or max(found, default="")
    if not program:
        pytest.skip(f"needs a PostgreSQL: there is no {name} here")
    return program


class Postgres:
    """A PostgreSQL that runs.

    Attributes:
        address: without the database's name: user `postgres`, password `PASSWORD`, at 127.0.0.1.
    """

    def __init__(self, address: str, restart: Callable[[str], None]) -> None:
        self.address, self._restart = address, restart

    def restart(self, mode: str) -> None:
        """Stop it and start it: `fast` ends all connections in order, `immediate` as a crash does."""
        self._restart(mode)

    def tell(self, *statements: str, database: str = "postgres") -> None:
        """Let it do something as its superuser."""
        engine = sql.create_engine(f"{self.address}/{database}", isolation_level="AUTOCOMMIT", poolclass=sql.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sql.text(statement))


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """One of our own, until the block ends."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("needs psycopg: pip install -e '.[postgres]'")
    initdb, control = _program("initdb"), _program("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    user = None
    if os.geteuid() == 0:  # it does not run as root
        user = next((name for name in ("postgres", "nobody") if any(one.pw_name == name for one in pwd.getpwall())), "")
        if not user:
            pytest.skip("needs a user that PostgreSQL may run as")
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(folder / "data")

    def call(*words: str) -> None:
        subprocess.run(words, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)

    call(initdb, "-D", data, "-A", "scram-sha-256", "-U", "postgres", f"--pwfile={folder}/password", "--no-sync")
    try:
        options = ("-D", data, "-w", "-l", f"{folder}/log", "-o", f"-p {port} -k {folder} -F")
        call(control, *options, "start")
        address = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}"
        yield Postgres(address, lambda mode: call(control, *options, "-m", mode, "restart"))
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            call(control, "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
