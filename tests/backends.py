"""The stores that teams use, for tests: an SQLite file, a PostgreSQL, and a tracking server with accounts before one.

`ON_EVERY_BACKEND` runs a test over all three; without it `backend` is an SQLite file. The PostgreSQL and the server are
started when the first test of a process asks for them, and each test finds them empty.
"""

__all__ = ["BACKENDS", "ON_EVERY_BACKEND", "ON_SERVERS", "Backend", "Backends"]

import importlib.util
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from hit.connection import connect
from hit.store import Store
from tests.postgres import PASSWORD, Postgres, postgres
from tests.stores import ADMIN, Server, new_database

BACKENDS = ("sqlite", "postgresql", "http")
ON_EVERY_BACKEND = pytest.mark.parametrize("backend", BACKENDS, indirect=True)
#: On those that several machines share.
ON_SERVERS = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True)

_TEAM, _ACCOUNTS = "team", "accounts"
#: What MLflow keeps from before any run: its schema, and its first experiment and workspace.
_KEPT = "'alembic_version', 'experiments', 'workspaces'"
_EMPTY = f"""DO $$ BEGIN
EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') || ' CASCADE' FROM pg_tables
         WHERE schemaname = 'public' AND tablename NOT IN ({_KEPT}));
DELETE FROM experiments WHERE experiment_id <> 0;
END $$"""


@dataclass(frozen=True)
class Backend:
    """A store, empty, and what is behind it.

    Attributes:
        name: of `BACKENDS`.
        uri: its address, without a password where the environment has it.
        secrets: passwords that nobody may see.
        environment: what a client of it needs.
        postgresql: what it keeps its rows in; None for an SQLite file.
        server: the tracking server before it, if any.
    """

    name: str
    uri: str
    secrets: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    postgresql: Postgres | None = None
    server: Server | None = None

    @property
    def store(self) -> Store:
        return Store(self.uri)


class Backends:
    """What is started once, when it is asked for, and ended by `close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends = ExitStack()

    def close(self) -> None:
        self._ends.close()

    @cached_property
    def postgresql(self) -> Postgres:
        return self._ends.enter_context(postgres())

    @cached_property
    def _team(self) -> str:
        self.postgresql.tell(f"CREATE DATABASE {_TEAM}", f"CREATE DATABASE {_ACCOUNTS}")
        uri = f"{self.postgresql.address}/{_TEAM}"
        with pytest.MonkeyPatch.context() as patch:  # its first experiment's artifacts
            patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", (self._folder / "mlruns").as_uri())
            connect(uri)
        return uri

    @cached_property
    def _server(self) -> Server:
        if importlib.util.find_spec("flask_wtf") is None:
            pytest.skip("needs a server with accounts: pip install 'mlflow[auth]'")
        accounts = f"{self.postgresql.address}/{_ACCOUNTS}"
        server = Server(self._folder / f"server-{secrets.token_hex(4)}", self._team, accounts)
        server.start()
        self._ends.callback(server.stop)
        return server

    def backend(self, name: str, folder: Path) -> Backend:
        """One of `BACKENDS`, empty; an SQLite file lies in `folder`."""
        if name == "sqlite":
            return Backend(name, new_database(folder / "store.db"))
        team = self._team
        own = {"_MLFLOW_SERVER_ARTIFACT_ROOT": (folder / "mlruns").as_uri()}
        found = Backend(name, team, (PASSWORD,), own, self.postgresql)
        if name == "http":
            server = self._server
            own = {"MLFLOW_TRACKING_USERNAME": ADMIN[0], "MLFLOW_TRACKING_PASSWORD": ADMIN[1]}
            found = Backend(name, server.uri, (PASSWORD, ADMIN[1]), own, self.postgresql, server)
        self.postgresql.tell(_EMPTY, database=_TEAM)
        return found
