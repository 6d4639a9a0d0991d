"""SQLite files that are not waited for until the disk has them: of thousands of commits each takes milliseconds else.

What a process has committed survives its death all the same, only not that of the machine. Imported, it holds for every
connection that SQLAlchemy opens in this process, and in those that are forked from it.
"""

__all__: list[str] = []

import contextlib
import sqlite3

from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, "connect")
def _leave_it_to_the_system(connection: object, record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        with contextlib.suppress(sqlite3.Error):  # what cannot be read says so to whoever reads it
            connection.execute("PRAGMA synchronous = OFF")
