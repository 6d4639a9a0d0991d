"""PostgreSQL as the store: its first use by many at once, and accounts that may not do everything."""

from pathlib import Path

import pytest

from analysis.query import runs
from hit.connection import connect
from hit.errors import StoreAway, StoreRefused
from hit.schema import Kind, Tag
from hit.store import Store
from hit.tracking import RunWriter
from tests.commands import PATIENCE_SECONDS, ROOT
from tests.forked_commands import ForkedCommand
from tests.postgres import PASSWORD, Postgres
from tests.stores import clean_environment


def test_eight_meet_at_a_new_database(postgresql: Postgres, tmp_path: Path) -> None:
    postgresql.tell("CREATE DATABASE crowd")
    uri, log = f"{postgresql.address}/crowd", tmp_path / "said.log"
    words = ["tests.first_use", "hit", uri]
    crowd = [ForkedCommand(words, cwd=ROOT, env=clean_environment(), stdout=log, stderr=log) for _ in range(8)]
    assert [process.wait(PATIENCE_SECONDS) for process in crowd] == [0] * 8, log.read_text()[-2000:]
    assert sorted(Store(uri).experiments()) == ["Default", "crowd"]
    assert len(list(Store(uri).runs("crowd", kind=None))) == 8


def test_who_may_read_alone_reads(postgresql: Postgres, tmp_path: Path) -> None:
    postgresql.tell("CREATE DATABASE shared", "CREATE ROLE reader LOGIN PASSWORD 'r'")
    uri = f"{postgresql.address}/shared"
    client = connect(uri)
    client.create_run(client.create_experiment("hit"), tags={Tag.KIND: Kind.TRAIN})
    postgresql.tell("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database="shared")
    theirs = uri.replace(f"postgres:{PASSWORD}@", "reader:r@")
    assert len(runs(tracking_uri=theirs)) == 1
    with pytest.raises(StoreRefused, match="permission denied for table"):
        RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=tmp_path, uri=theirs).__enter__()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("postgres:hunter2@HOST/postgres", "password authentication failed"),
        ("postgres:sesame@HOST/none", 'database "none" does not exist'),
    ],
)
def test_one_that_refuses_is_told(postgresql: Postgres, place: str, said: str) -> None:
    with pytest.raises(StoreRefused, match=said) as error:
        connect(f"postgresql://{place.replace('HOST', postgresql.address.rpartition('@')[2])}")
    assert PASSWORD not in str(error.value)
    assert "hunter2" not in str(error.value)


def test_one_that_is_away_is_told() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreAway, match=r"got no answer from postgresql://127\.0\.0\.1:9/runs: Connection refused$"):
        connect("postgresql://postgres:hunter2@127.0.0.1:9/runs")
