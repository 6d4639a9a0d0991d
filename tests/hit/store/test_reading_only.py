"""A store that we may not write to: it is read, and whoever must write to it says so in one line."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.__main__ import main as report
from analysis.query import histories, runs
from hit.connection import connect, first_use
from hit.errors import StoreRefused
from hit.processes.stop import StopRequest
from hit.schema import Kind
from hit.store import Store
from hit.tracking import RunWriter
from tests.many_runs import fill_store
from tests.privileges import bound_by_permissions
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "store.db"
    fill_store(new_database(path), 3, epochs=2)
    return path


@pytest.fixture
def shut(filled: Path, tmp_path: Path) -> Iterator[Path]:
    """The file of a store in a folder where we may read alone."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    shutil.copy(filled, folder)
    (folder / "store.db").chmod(0o444)
    folder.chmod(0o555)
    try:
        with bound_by_permissions() as bound:
            if not bound:
                pytest.skip("nothing keeps us from writing here")
            yield folder / "store.db"
    finally:
        folder.chmod(0o755)


def test_it_is_read(shut: Path) -> None:
    uri = f"sqlite:///{shut}"
    frame = runs(tracking_uri=uri)
    assert len(frame) == 3
    assert len(histories(frame, tracking_uri=uri)) == 3 * 2
    assert [run.info.run_id for run in Store(uri).runs("hit")] == list(frame["run_id"])
    assert os.listdir(shut.parent) == ["store.db"]


def test_the_report_is_written_and_says_that_it_is_not_logged(
    shut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shut}")
    page, state = tmp_path / "report.html", tmp_path / "state"
    report(["--output", str(page), "--state_dir", str(state)], StopRequest())
    said = capsys.readouterr()
    assert page.stat().st_size > 100_000
    assert said.out.splitlines()[-1] == f"report: {page}"
    (line,) = [line for line in said.err.splitlines() if "logged" in line]
    said = f"no run can be made in sqlite:///{shut}: attempt to write a readonly database"
    assert line == f"the report is written, and not logged with its store: {said}"


def test_one_that_sqlite_itself_cannot_read_there_is_told(filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    shutil.copy(filled, folder)
    with sqlite3.connect(folder / "store.db") as database:
        database.execute("PRAGMA journal_mode=WAL")  # whose readers need files beside it
    database.close()
    folder.chmod(0o555)
    try:
        with bound_by_permissions() as bound:
            if not bound:
                pytest.skip("nothing keeps us from writing here")
            with pytest.raises(StoreRefused, match=r"store\.db cannot be used: .* \(it is in WAL mode, "):
                connect(f"sqlite:///{folder}/store.db")
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("amend", [False, True])
def test_who_must_write_is_refused_at_once(shut: Path, tmp_path: Path, amend: bool) -> None:
    uri, state = f"sqlite:///{shut}", tmp_path / "state"
    if amend:
        writer = RunWriter.amend(str(Store(uri).history("hit")["run_id"].iloc[0]), state_dir=state, uri=uri)
    else:
        writer = RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=state, uri=uri)
    with pytest.raises(StoreRefused, match=r"attempt to write a readonly database$"):
        writer.__enter__()
    assert not list(state.glob("runs/*/journal.jsonl"))


def test_an_older_schema_is_told(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "_STILL_SECONDS", 0.2)
    shutil.copy(filled, tmp_path)
    with sqlite3.connect(tmp_path / "store.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'c48cb773bb87'")
    database.close()
    with pytest.raises(StoreRefused, match=r"another version of MLflow \(schema c48cb773bb87, this one has \w+\)"):
        connect(f"sqlite:///{tmp_path}/store.db")


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("This is a diary.\n" * 100)
    with pytest.raises(StoreRefused, match=r"store\.db cannot be used: file is not a database"):
        connect(f"sqlite:///{tmp_path}/store.db")
