"""Addresses of stores: paths of every kind, and which addresses are those of one store."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from hit.connection import connect, experiment_id
from hit.connection.addresses import place, sqlite_path, sqlite_uri, tracking_uri
from hit.delivery.local_state import is_mark_of, store_mark
from hit.errors import StoreError
from hit.schema import Kind
from hit.store import Store
from hit.tracking import RunWriter

#: Folders whose names are something else where they stand in an address.
NAMES = [
    *("run%41", "100%", "%2541", "a#b", "a?b", "a?b=c", "a b", " a", "a&b", "a;b", "a+b", "a@b", "u:p@h", "a=b", "~x"),
    *("a:b", "ü☃", "it's", 'q"q', "back\\slash", "{x}", "$HOME", "[x]", "*", "-x", "sqlite:", "file:"),
]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_everything_stays_in_the_folder_it_was_made_for(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(empty_store, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=folder / "state") as run:
        run.json_artifact("config.json", {"a": 1})
    assert sqlite_path(tracking_uri()) == folder / "mlflow.db"
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing beside it"
    store = Store()
    assert list(store.history("hit")["run_id"]) == [run.run_id]
    (artifact,) = folder.glob("mlruns/hit/*/artifacts/config.json")
    (tmp_path / "copy").mkdir()
    assert store.download(run.run_id, "config.json", tmp_path / "copy").read_bytes() == artifact.read_bytes()
    for address in (f"sqlite:///{folder}/mlflow.db", "sqlite:///mlflow.db", tracking_uri(), tracking_uri(run.uri)):
        assert sqlite_path(tracking_uri(address)) == folder / "mlflow.db"
        assert store_mark(address) == store_mark(tracking_uri())


def test_a_new_store_is_made_where_it_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run%41"
    folder.mkdir()
    (tmp_path / "runA").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert experiment_id(connect(), "hit") == "1"
    assert {path.name for path in folder.iterdir()} <= {"mlflow.db", "mlflow.db.lock"}
    assert [path.name for path in tmp_path.iterdir() if any(path.iterdir())] == ["run%41"]


def test_quotes_in_an_address_are_taken_off_where_nothing_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    address = f"sqlite:///{tmp_path}/a%20b/my%20store.db"
    assert sqlite_path(tracking_uri(address)) == tmp_path / "a b" / "my store.db"
    (tmp_path / "a b" / "100%").touch()
    assert sqlite_path(sqlite_uri(tmp_path / "a b" / "100%")) == tmp_path / "a b" / "100%"
    assert tracking_uri(f"sqlite:///{tmp_path}/x.db?timeout=5") == f"sqlite:///{tmp_path}/x.db?timeout=5"


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:/x?uri=true"])
def test_a_store_without_a_file_is_refused(address: str) -> None:
    with pytest.raises(StoreError, match="must be sqlite:///PATH"):
        tracking_uri(address)


@pytest.mark.parametrize(
    "address", ["user:secret@host/x", "postgresql:/user:secret@host/x", "http:/secret@host", "ftp://a:secret@host"]
)
def test_what_is_no_address_is_told_without_its_secrets(address: str) -> None:
    with pytest.raises(StoreError, match="must be an address that starts with sqlite://") as error:
        tracking_uri(address)
    assert "secret" not in str(error.value)


SAME = [
    ["http://host", "http://host/", "HTTP://HOST:80", "http://me:secret@host", "http://:b@host//"],
    ["https://host/a%20b/m", "https://host:443/a b/m/", "https://host/%61%20b/m"],
    ["http://[::1]:5000", "http://me@[::1]:5000/"],
    [
        *("postgresql://u:p@db/runs", "postgresql://db:5432/runs", "postgresql+psycopg://v:q@DB/runs?sslmode=require"),
        "postgresql://db/runs?password=secret&user=u",
    ],
    ["postgresql:///runs?host=/tmp", "postgresql://u@/runs?host=/tmp"],
    ["postgresql://db/runs?options=-csearch_path%3Da"],
    ["mysql+pymysql://u:p@db/runs", "mysql://db:3306/runs"],
    ["mysql://db/others"],
    ["http://host:5000"],
    ["https://host"],
    ["http://host/A"],
]


def test_a_store_has_one_mark_however_its_address_is_written() -> None:
    marks = [{store_mark(address) for address in addresses} for addresses in SAME]
    assert [len(some) for some in marks] == [1] * len(SAME)
    assert len(set.union(*marks)) == len(SAME)
    assert "secret" not in " ".join(place(address) for addresses in SAME for address in addresses)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("http://host:5000/", "http://host:5000"),
        ("http://host:5000", "http://host:5000/"),
        ("http://me:secret@host", "http://host"),
        ("http://me:secret@host/", "http://me:secret@host"),
        ("postgresql://me:secret@db/runs", "postgresql://me:secret@db/runs"),
        ("sqlite:////tmp/a b.db", "sqlite:////tmp/a%20b.db"),
    ],
)
def test_marks_of_the_version_before_are_known(monkeypatch: pytest.MonkeyPatch, before: str, now: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    mark = hashlib.sha256(before.encode()).hexdigest()[:16]
    assert is_mark_of(mark, now)
    assert not is_mark_of(mark, "http://other")


def test_a_store_of_another_database_keeps_artifacts_in_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run%41").mkdir()
    monkeypatch.chdir(tmp_path / "run%41")
    asked: dict[str, str] = {}

    class Client(MlflowClient):
        tracking_uri = "postgresql://db/runs"  # type: ignore[assignment]

        def __init__(self) -> None: ...

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str, artifact_location: str, **_: object) -> str:
            asked[name] = artifact_location
            return "7"

    assert experiment_id(Client(), "a/b") == "7"
    assert asked == {"a/b": f"file://{tmp_path}/run%2541/mlruns/a_b"}
    assert os.listdir(tmp_path / "run%41") == []
