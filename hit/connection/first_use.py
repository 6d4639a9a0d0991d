"""The first use of a database, by many at once: one of them makes MLflow's tables, the others wait for it."""

__all__ = ["alone_in_database", "has_tables", "settles", "until_made"]

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sql

from hit.connection.store_errors import first_line, translated
from hit.errors import StoreError, StoreRefused

AnswerT = TypeVar("AnswerT")

_KEY = 0x686974  # of PostgreSQL's advisory locks
_NAME = "hit first use"  # of MySQL's
_LOCK_SECONDS = 120.0
_POLL_SECONDS = 0.2
#: Tables are being made for so long at most.
_MAKING_SECONDS = 60.0
#: An older schema that nobody changes for so long is one that nobody is upgrading.
_STILL_SECONDS = 5.0

#: Who makes a file and has not written to it for so long has died over it.
_SILENT_SECONDS = 30.0

#: What is said by a database whose tables somebody else makes at this moment.
_RACE = re.compile(
    r"already exists|UniqueViolation|UNIQUE constraint failed|duplicate key|Duplicate entry|duplicate column"
    r"|DuplicateTable|no such table|no such column|does not exist|doesn't exist|database is locked"
    r"|database schema has changed|tuple concurrently updated|deadlock",
    re.IGNORECASE,
)
_OTHER_SCHEMA = re.compile(r"out-of-date database schema \(found version (\w+), but expected (\w+)\)")


def has_tables(engine: sql.Engine) -> bool:
    """Whether MLflow's tables are there and in use: its first experiment is the last thing that MLflow makes."""
    try:
        with engine.connect() as connection:
            return bool(connection.scalar(sql.text("SELECT COUNT(*) FROM experiments")))
    except sql.exc.SQLAlchemyError:
        return False


def settles(done: Callable[[], bool], path: Path) -> bool:
    """Whether somebody else who is making a file gets it done; False once nothing has changed it for a while."""
    state, changed_at = None, time.monotonic()
    while not done():
        now = (path.stat().st_mtime_ns, path.stat().st_size)
        if now != state:
            state, changed_at = now, time.monotonic()
        if time.monotonic() - changed_at > _SILENT_SECONDS:
            return False
        time.sleep(_POLL_SECONDS)
    return True


@contextlib.contextmanager
def alone_in_database(engine: sql.Engine) -> Iterator[None]:
    """Hold the lock that a database server gives for its first use, where it has one that we know.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
    """
    match engine.dialect.name:
        case "postgresql":
            ask, release = f"SELECT pg_try_advisory_lock({_KEY})", f"SELECT pg_advisory_unlock({_KEY})"
        case "mysql":
            ask, release = f"SELECT GET_LOCK('{_NAME}', 0)", f"SELECT RELEASE_LOCK('{_NAME}')"
        case _:
            yield
            return
    # A transaction left open would keep the tables' makers waiting: each question is one of its own.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not connection.scalar(sql.text(ask)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            with contextlib.suppress(sql.exc.SQLAlchemyError):  # a connection that broke holds no lock
                connection.execute(sql.text(release))


def until_made(ask: Callable[[], AnswerT]) -> AnswerT:
    """What a store answers, once nobody else is making or upgrading its tables: a plain MLflow client knows no lock.

    Raises:
        StoreRefused: its tables are those of another version of MLflow.
        StoreError: it refuses otherwise, or does not answer (`StoreAway`).
    """
    deadline = time.monotonic() + _MAKING_SECONDS
    version, changed_at, wait = "", time.monotonic(), 0.1
    while True:
        try:
            return ask()
        except StoreError:
            raise
        except Exception as error:
            text, now = str(error), time.monotonic()
            if found := _OTHER_SCHEMA.search(text):
                if found[1] != version:
                    version, changed_at = found[1], now
                if now - changed_at > _STILL_SECONDS:
                    raise StoreRefused(_other_schema(found[1], found[2])) from None
            elif not _RACE.search(text) and not type(error).__module__.startswith("alembic"):
                raise translated(error) from None
            if now > deadline:
                raise StoreError(f"the store's tables cannot be made: {first_line(error)}") from None
        time.sleep(wait)
        wait = min(2 * wait, 2.0)


def _other_schema(found: str, expected: str) -> str:
    return (
        f"the store's tables are those of another version of MLflow (schema {found}, this one has {expected}): "
        "use that version, or, if the store's is the older one, back it up and run 'mlflow db upgrade ADDRESS'"
    )
