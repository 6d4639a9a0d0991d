"""Stores that many write to, that restart, and that take away a right: nothing is lost, nothing stands twice."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from hit.errors import StoreError, StoreRefused
from hit.recovery.undelivered import deliver_undelivered
from hit.schema import Kind
from hit.store import Store
from hit.tracking import RunWriter
from tests.backends import ON_EVERY_BACKEND, ON_SERVERS, Backend
from tests.commands import PATIENCE_SECONDS, ROOT, wait_until
from tests.forked_commands import ForkedCommand
from tests.postgres import PASSWORD, Postgres
from tests.stores import ADMIN, clean_environment

pytestmark = pytest.mark.usefixtures("lines")


def points(store: Store, run_id: str, name: str = "train/rate_1") -> list[int]:
    return sorted(point.step for point in store.histories([run_id], [name]))


def write(backend: Backend, state: Path, epochs: int, after: Callable[[int], None] = lambda step: None) -> str:
    with RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=state, uri=backend.uri) as run:
        for step in range(1, epochs + 1):
            run.metrics({"train/rate_1": float(step)}, step=step)
            after(step)
        run.json_artifact("config.json", {"channels": 16})
    return run.run_id


def many_writers(backend: Backend, folder: Path, count: int, epochs: int, seconds: float) -> None:
    environment = clean_environment(
        **(backend.environment or {}), MLFLOW_TRACKING_URI=backend.uri, PYTHONPATH=str(ROOT), HIT_THREADS="1"
    )
    log = folder / "said.log"
    crowd = [
        ForkedCommand(
            ["tests.write_epochs", str(folder / str(number)), str(epochs), str(seconds)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
        for number in range(count)
    ]
    ended = [process.wait(PATIENCE_SECONDS) for process in crowd]
    assert ended == [0] * count, log.read_text()[-2000:]
    assert not [secret for secret in backend.secrets if secret in log.read_text()]
    runs = backend.store.history("hit")
    assert Counter(runs["status"]) == {"FINISHED": count}
    assert runs["run_name"].nunique() == count
    for run_id in runs["run_id"]:
        for name in ("train/rate_1", "train/rate_2"):
            assert points(backend.store, run_id, name) == list(range(1, epochs + 1))
        assert [item.path for item in backend.store.client.list_artifacts(run_id)] == ["config.json"]
    assert sorted(backend.store.experiments()) == ["Default", "hit"]


@ON_EVERY_BACKEND
def test_eight_write_at_once(backend: Backend, tmp_path: Path) -> None:
    many_writers(backend, tmp_path, 8, epochs=10, seconds=0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@ON_EVERY_BACKEND
def test_eight_write_for_long(backend: Backend, tmp_path: Path) -> None:
    many_writers(backend, tmp_path, 8, epochs=300, seconds=0.1)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
@ON_SERVERS
def test_a_database_that_restarts_costs_nothing(backend: Backend, tmp_path: Path, mode: str) -> None:
    """Connections break in the middle of what they are asked, and pooled ones are dead when they are used again."""
    assert backend.postgresql is not None
    restart = threading.Thread(target=backend.postgresql.restart, args=(mode,))

    def after(step: int) -> None:
        time.sleep(0.05)
        if step == 5:
            restart.start()
        if step == 15:
            restart.join()

    run_id = write(backend, tmp_path / "state", 25, after)
    assert points(backend.store, run_id) == list(range(1, 26))
    stored = backend.store.run(run_id)
    assert (stored.info.status, len(list(backend.store.runs("hit")))) == ("FINISHED", 1)
    assert [item.path for item in backend.store.client.list_artifacts(run_id)] == ["config.json"]


@pytest.mark.parametrize("backend", ["http"], indirect=True)
class TestAccounts:
    """Accounts of a tracking server."""

    def test_one_that_may_read_alone_reads_a_server(
        self, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = write(backend, tmp_path / "state", 2)
        self.account(backend, "reader", "reads-alone-1")
        self.become("reader", "reads-alone-1", monkeypatch)
        assert list(Store(backend.uri).history("hit")["run_id"]) == [run_id]
        assert points(Store(backend.uri), run_id) == [1, 2]
        for writer in (
            RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=tmp_path / "theirs", uri=backend.uri),
            RunWriter.amend(run_id, state_dir=tmp_path / "theirs", uri=backend.uri),
        ):
            with pytest.raises(StoreRefused, match="does not let this account do it") as refused:
                writer.__enter__()
            assert "\n" not in str(refused.value)
        assert not list((tmp_path / "theirs").glob("runs/*/journal.jsonl"))
        assert len(list(Store(backend.uri).runs("hit"))) == 1

    def test_a_wrong_password_of_a_server_is_one_line(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.become("admin", "hunter2-hunter2", monkeypatch)
        with pytest.raises(StoreRefused, match="asks for credentials that are right") as refused:
            Store(backend.uri)
        assert "hunter2" not in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_a_password_that_changes_meanwhile_costs_no_number(
        self, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.account(backend, "writer", "writes-first-1")
        self.become("writer", "writes-first-1", monkeypatch)
        state = tmp_path / "state"

        def after(step: int) -> None:
            if step == 2:
                wait_until(lambda: "there" if list((state / "runs").glob("*/journal.jsonl")) else "")
                self.account(backend, "writer", "writes-again-1", new=False)

        with pytest.raises(StoreError, match=r"kept in .* delivered by the next command") as lacking:
            write(backend, state, 6, after)
        said = capsys.readouterr().err + str(lacking.value)
        assert said.count("asks for credentials that are right") == 2, "once when it begins, once at the end"
        assert not [one for one in ("writes-first-1", "writes-again-1", *backend.secrets) if one in said]
        self.become("writer", "writes-again-1", monkeypatch)
        assert deliver_undelivered(state, backend.uri) == 1
        (run,) = Store(backend.uri).runs("hit")
        assert points(Store(backend.uri), run.info.run_id) == list(range(1, 7))
        assert [item.path for item in Store(backend.uri).client.list_artifacts(run.info.run_id)] == ["config.json"]

    @staticmethod
    def account(backend: Backend, name: str, password: str, *, new: bool = True) -> None:
        """Make an account, or change its password, as the administrator does."""
        ask, way = (requests.post, "create") if new else (requests.patch, "update-password")
        asked = {"username": name, "password": password}
        ask(f"{backend.uri}/api/2.0/mlflow/users/{way}", json=asked, auth=ADMIN, timeout=60).raise_for_status()

    @staticmethod
    def become(name: str, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_password_of_a_database_that_expires_costs_no_number(
    backend: Backend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database: Postgres | None = backend.postgresql
    assert database is not None
    database.tell(
        "DROP ROLE IF EXISTS writer",
        "CREATE ROLE writer LOGIN PASSWORD 'writes-1' IN ROLE pg_write_all_data, pg_read_all_data",
    )
    database.tell("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO writer", database="team")
    theirs = replace(backend, uri=backend.uri.replace(f"postgres:{PASSWORD}@", "writer:writes-1@"))

    def after(step: int) -> None:
        if step == 2:
            database.tell(
                "ALTER ROLE writer VALID UNTIL '2000-01-01'",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'",
            )

    state = tmp_path / "state"
    with pytest.raises(StoreError, match=r"kept in .* delivered by the next command") as lacking:
        write(theirs, state, 6, after)
    said = capsys.readouterr().err + str(lacking.value)
    assert "password authentication failed" in said
    assert "writes-1" not in said
    with pytest.raises(StoreRefused, match="password authentication failed"):
        Store(theirs.uri)
    database.tell("ALTER ROLE writer VALID UNTIL 'infinity'")
    assert deliver_undelivered(state, theirs.uri) == 1
    (run,) = backend.store.runs("hit")
    assert points(backend.store, run.info.run_id) == list(range(1, 7))
    assert run.info.status in ("FINISHED", "KILLED")
