"""An SQLite store whose last writer was killed in the middle of writing is read as it was before."""

import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sql

from hit.connection import connect
from hit.connection.reachability import open_sqlite
from hit.store import Store
from tests.stores import new_database


@pytest.fixture
def killed(tmp_path: Path) -> str:
    """A store as a SIGKILL leaves it: the file half written, and the journal that undoes it beside it."""
    whole, left = tmp_path / "whole", tmp_path / "left"
    whole.mkdir()
    left.mkdir()
    connect(new_database(whole / "store.db")).create_experiment("hit")
    writer = sqlite3.connect(whole / "store.db")
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("UPDATE experiments SET name = name || 'x'")
    writer.executemany(
        "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, 0)",
        [(str(number), "x" * 2000) for number in range(500)],
    )
    for path in whole.iterdir():  # while the writer is at it
        shutil.copy(path, left)
    writer.close()
    assert (left / "store.db-journal").stat().st_size > 0
    return f"sqlite:///{left}/store.db"


def test_it_is_rolled_back_and_used(killed: str, tmp_path: Path) -> None:
    assert Store(killed).experiments() == ["hit", "Default"]
    assert not (tmp_path / "left" / "store.db-journal").exists()


def test_it_is_opened_so_that_it_cannot_be_written(killed: str, tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "left" / "store.db")
    with engine.connect() as connection, pytest.raises(sql.exc.OperationalError, match="readonly"):
        connection.execute(sql.text("DELETE FROM experiments"))
