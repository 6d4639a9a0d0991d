"""A store that does not answer, or refuses, is told in one line without secrets, and soon."""

import errno
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from alembic.util import CommandError
from filelock import FileLock
from mlflow.exceptions import MlflowException

from hit.connection import chosen_experiment, connect, first_use, reachability
from hit.connection.first_use import until_made
from hit.errors import StoreAway, StoreError, StoreRefused


class Answering(BaseHTTPRequestHandler):
    """Gives the same answer to everything."""

    status, body = 200, b""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST = do_CONNECT = _answer

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(reachability, "_SECONDS_TO_SECOND_TRY", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> str:
    """host:port where nobody listens."""
    monkeypatch.setattr(reachability, "_SECONDS_TO_SECOND_TRY", 0.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, b"You are not authenticated.", StoreRefused, "credentials that are right .*: 401: You are not auth"),
        (403, b"Permission denied", StoreRefused, "does not let this account do it: 403: Permission denied$"),
        (404, b"<html>nothing\nhere</html>", StoreRefused, "there is no MLflow tracking server at this address: 404:"),
        (200, b"<html>Welcome</html>", StoreRefused, "something that answers otherwise$"),
        (503, b"later", StoreAway, "got no answer from http://127.0.0.1:\\d+: 503: later$"),
        (500, b'{"error_code": "INTERNAL_ERROR", "message": "disk"}', StoreAway, "INTERNAL_ERROR: disk$"),
    ],
)
def test_what_a_server_answers(
    server: str, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, kind: type[StoreError], said: str
) -> None:
    monkeypatch.setattr(Answering, "status", status)
    monkeypatch.setattr(Answering, "body", body)
    with pytest.raises(kind, match=said) as error:
        connect(f"http://me:hunter2@{server}")
    assert type(error.value) is kind
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("status", "kind"), [(403, StoreRefused), (407, StoreRefused), (502, StoreAway)])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_is_told_as_the_proxy(
    server: str, monkeypatch: pytest.MonkeyPatch, scheme: str, status: int, kind: type[StoreError]
) -> None:
    monkeypatch.setattr(Answering, "status", status)
    monkeypatch.setattr(Answering, "body", b"<html>No.</html>")
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://me:hunter2@{server}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(kind, match=r"the proxy .*\(?HTTP_PROXY, HTTPS_PROXY, NO_PROXY") as error:
        connect(f"{scheme}://mlflow.invalid")
    assert "hunter2" not in str(error.value)


def test_so_is_one_that_does_not_answer(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{closed}")
    with pytest.raises(StoreAway, match=r"the proxy \(HTTP_PROXY, HTTPS_PROXY, NO_PROXY\) does not answer"):
        connect("http://mlflow.invalid")


@pytest.mark.parametrize(
    ("address", "kind", "said"),
    [
        ("http://me:hunter2@CLOSED", StoreAway, "got no answer from http://CLOSED: Connection refused$"),
        ("http://me:hunt@hunter2@CLOSED/", StoreAway, "got no answer from http://CLOSED: Connection refused$"),
        ("http://me:a/hunter2@CLOSED", StoreRefused, "address or the credentials of the store are malformed"),
        ("http://127.0.0.1:port", StoreRefused, "address or the credentials of the store are malformed"),
        ("https://SERVER", StoreRefused, "speaks http there, not https$"),
    ],
)
def test_addresses_that_lead_nowhere(closed: str, server: str, address: str, kind: type[StoreError], said: str) -> None:
    with pytest.raises(kind, match=said.replace("CLOSED", closed)) as error:
        connect(address.replace("CLOSED", closed).replace("SERVER", server))
    assert "hunter2" not in str(error.value)


def test_where_the_address_comes_from_is_told(closed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:hunter2@{closed}")
    with pytest.raises(
        StoreAway, match=rf"no answer from http://{closed} \(MLFLOW_TRACKING_URI\): Connection refused$"
    ):
        connect()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://host")
    with pytest.raises(StoreError, match=r"tracking store \(MLFLOW_TRACKING_URI\) must be an address"):
        connect()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}")
    with pytest.raises(StoreError, match=r"got the folder .* \(MLFLOW_TRACKING_URI\)$"):
        connect()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").mkdir()
    with pytest.raises(StoreError, match=r"mlflow.db \(MLFLOW_TRACKING_URI is not set\)$"):
        connect()


def test_a_token_that_cannot_be_sent_is_not_shown(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2\nhunter3")
    with pytest.raises(StoreRefused, match="credentials of the store are malformed") as error:
        connect(f"http://{closed}")
    assert "hunter" not in str(error.value)


def test_a_database_without_its_driver_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        StoreRefused, match=r"cannot be used: .* psycopg, .*: pip install -e '\.\[postgres\]'$"
    ) as error:
        connect("postgresql+psycopg://me:hunter2@127.0.0.1/runs")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("folder", "must be a file, got the folder"),
        ("nowhere/store.db", "must lie in a writable directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_files_that_cannot_be_a_store(tmp_path: Path, made: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=said):
        connect(f"sqlite:///{tmp_path}/{made}")


def test_a_file_system_without_locks_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FileLock) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(FileLock, "_acquire", refuse)
    assert connect(f"sqlite:///{tmp_path}/store.db").search_experiments()


def test_a_file_whose_maker_has_died_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "_SILENT_SECONDS", 0.0)
    (tmp_path / "store.db").touch()
    assert connect(f"sqlite:///{tmp_path}/store.db").search_experiments()
    assert {path.name for path in tmp_path.iterdir()} <= {"store.db", "store.db.lock"}


def test_a_store_of_mlflow_run_that_is_elsewhere_is_not_made_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with pytest.raises(StoreError, match=r"give the file of an SQLite store with its whole path$"):
        chosen_experiment("")
    assert not list(tmp_path.iterdir())


def test_logs_of_mlflow_hold_no_credentials(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    connect(f"sqlite:///{tmp_path}/store.db")
    logging.getLogger("mlflow.tracking").warning("no answer from %s", "http://me:hunter2@host")
    said = capfd.readouterr().err
    assert "no answer from http://host" in said


class Making:
    """A store whose tables somebody else is making: what it says, one after the other, and then 'made'."""

    def __init__(self, *errors: str) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise MlflowException(self.errors.pop(0))
        return "made"


@pytest.mark.parametrize(
    "error",
    [
        "(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint",
        "(sqlite3.OperationalError) table experiments already exists",
        "(sqlite3.OperationalError) no such table: alembic_version",
        '(psycopg.errors.UndefinedTable) relation "metrics" does not exist',
        "Detected out-of-date database schema (found version None, but expected abc1)",
    ],
)
def test_tables_that_somebody_else_makes_are_waited_for(monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    monkeypatch.setattr(first_use.time, "sleep", lambda _: None)
    assert until_made(Making(*[error] * 3)) == "made"


def test_so_is_who_upgrades_them_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use.time, "sleep", lambda _: None)
    said = [CommandError("Online migration expected to match one row when updating '1' to '2' in 'alembic_version'")]

    def ask() -> str:
        if said:
            raise said.pop()
        return "made"

    assert until_made(ask) == "made"


def test_other_errors_and_another_schema_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "_STILL_SECONDS", -1.0)
    with pytest.raises(StoreRefused, match="another version of MLflow"):
        until_made(Making("Detected out-of-date database schema (found version abc0, but expected abc1)"))
    with pytest.raises(StoreAway, match="Connection refused"):
        until_made(Making("Connection refused"))
    monkeypatch.setattr(first_use, "_MAKING_SECONDS", -1.0)
    with pytest.raises(StoreError, match=r"tables cannot be made: table experiments already exists"):
        until_made(Making("(sqlite3.OperationalError) table experiments already exists"))


def test_mlflow_is_kept_from_printing_an_address_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the address of a run that ends; in a notebook nobody but us knows that it holds one."""
    name = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
    monkeypatch.setenv(name, "")  # put back afterwards
    for address, expected in (("http://127.0.0.1:9", None), ("http://me:hunter2@127.0.0.1:9", "true")):
        monkeypatch.delenv(name, raising=False)
        with pytest.raises(StoreAway):
            connect(address)
        assert os.environ.get(name) == expected
