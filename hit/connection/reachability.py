"""Whether a store answers, asked with little patience: MLflow's own clients try again for minutes, with warnings."""

__all__ = ["engine_of", "open_sqlite", "probe_database", "probe_server"]

import contextlib
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
import sqlalchemy as sql
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request, verify_rest_response

from hit.connection.store_errors import translated
from hit.errors import StoreAway, StoreError, StoreRefused
from hit.errors.redaction import redact

_ROUTE = "/api/2.0/mlflow/experiments/search"
_CONNECT_SECONDS, _ANSWER_SECONDS = 5, 20
_SQLITE_SECONDS = 60.0
_SECONDS_TO_SECOND_TRY = 1.0
_WAL_HINT = (
    " (it is in WAL mode, whose readers must write beside it; its owner changes that by PRAGMA journal_mode=DELETE)"
)
#: How the drivers of SQLAlchemy's dialects call their patience, in seconds.
_PATIENCE = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
    "mysqlconnector": "connection_timeout",
    "pyodbc": "timeout",
}
#: What a proxy says for itself, or for a server that it does not reach.
_OF_PROXIES = (403, 407, 502, 503, 504)


def probe_server(uri: str) -> None:
    """Ask a tracking server for one experiment; a second time, if it did not answer.

    Raises:
        StoreError: it is away (`StoreAway`), or refuses (`StoreRefused`).
    """
    try:
        _ask(uri)
    except StoreAway:
        time.sleep(_SECONDS_TO_SECOND_TRY)
        _ask(uri)


def _ask(uri: str) -> None:
    try:
        answer = http_request(
            get_default_host_creds(uri),
            _ROUTE,
            "POST",
            json={"max_results": 1},
            max_retries=0,
            timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
            raise_on_status=False,
        )
        proxy = _proxy(uri)
        if proxy and answer.status_code in _OF_PROXIES and not _is_mlflow(answer):
            kind = StoreAway if answer.status_code >= 500 else StoreRefused
            raise kind(f"the proxy {proxy} (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) answers {answer.status_code}")
        if answer.status_code == 200 and not _is_mlflow(answer):
            raise StoreRefused("there is no MLflow tracking server, but something that answers otherwise")
        verify_rest_response(answer, _ROUTE)
    except StoreError:
        raise
    except Exception as error:
        raise translated(error) from None


def _is_mlflow(answer: requests.Response) -> bool:
    with contextlib.suppress(ValueError, RecursionError):
        return isinstance(answer.json(), dict)
    return False


def _proxy(uri: str) -> str:
    """The proxy on the way to a server, without credentials; '' where there is none."""
    chosen = requests.utils.select_proxy(uri, requests.utils.get_environ_proxies(uri, no_proxy=None))
    return redact(chosen or "")


def probe_database(uri: str) -> sql.Engine:
    """Connect to a database once; its engine, which holds no connection while none is used.

    Raises:
        StoreError: it is away (`StoreAway`), or refuses or lacks its driver (`StoreRefused`).
    """
    try:
        engine = engine_of(uri)
        with engine.connect():
            return engine
    except Exception as error:
        raise translated(error) from None


def engine_of(uri: str) -> sql.Engine:
    """The engine of a database, which holds no connection while none is used, and does not wait long for one.

    Raises:
        ModuleNotFoundError, sqlalchemy.exc.SQLAlchemyError: its driver is missing, or the address is none.
    """
    url = sql.make_url(uri)
    name = _PATIENCE.get(url.get_dialect().driver)
    options: dict[str, Any] = {name: _CONNECT_SECONDS} if name and name not in url.query else {}
    return sql.create_engine(url, poolclass=sql.NullPool, connect_args=options)


def open_sqlite(path: Path) -> sql.Engine:
    """An SQLite file, opened so that it cannot be written.

    Raises:
        StoreRefused: it cannot be read, or is no database.
    """
    address = f"file:{quote(str(path))}?mode=ro"
    opened: Callable[[], Any] = partial(sqlite3.connect, address, uri=True, timeout=_SQLITE_SECONDS)
    engine = sql.create_engine("sqlite://", creator=opened, poolclass=sql.NullPool)
    try:
        try:
            _ask_schema(engine)
        except sql.exc.SQLAlchemyError as error:
            if "readonly" not in str(error) or not _roll_back(path):
                raise
            _ask_schema(engine)
    except sql.exc.SQLAlchemyError as error:
        said = translated(error)
        if "locked" in str(error):
            raise said from None
        raise StoreRefused(f"{said}{_WAL_HINT if _keeps_log(path) else ''}") from None
    return engine


def _ask_schema(engine: sql.Engine) -> None:
    with engine.connect() as connection:
        connection.scalar(sql.text("PRAGMA schema_version"))


def _roll_back(path: Path) -> bool:
    """Undo what a process that was killed while it wrote has left half done; whether that could be.

    Who only reads may not: https://sqlite.org/lockingv3.html#hot_journals.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_SQLITE_SECONDS)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error:
        return False
    return True


def _keeps_log(path: Path) -> bool:
    """Whether an SQLite file is kept in WAL mode (https://sqlite.org/fileformat.html, offset 18)."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(20)[18:19] == b"\x02"
    return False
