"""What tags say of a run's process is read as text of anybody: no tag of one run breaks the commands of others."""

import os
import time

import pytest
from mlflow import MlflowClient

from hit.connection import connect, experiment_id
from hit.processes.identity import process_identity
from hit.recovery import end_lost
from hit.schema import Tag
from hit.store import Store
from hit.store.run_liveness import is_lost
from tests.stores import new_database

HOST, PROCESS = process_identity()
ODD = ["x:y", "", ":", "-1:5", "0:0", "9" * 30, "9" * 5000 + ":1", "1.5:2", "²:1", "\x00"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return connect(new_database(tmp_path_factory.mktemp("store") / "store.db"))


def begun(client: MlflowClient, experiment: str = "hit", **tags: str) -> str:
    named = {f"hit.{name}": value for name, value in tags.items()}
    return str(client.create_run(experiment_id(client, experiment), tags=named).info.run_id)


@pytest.mark.parametrize("host", [HOST, "elsewhere"])
@pytest.mark.parametrize("process", ODD)
def test_a_process_that_is_none_is_told_by_the_heart(client: MlflowClient, host: str, process: str) -> None:
    now = str(int(time.time()))
    alive = client.get_run(begun(client, host=host, process=process, heartbeat=now))
    assert not is_lost(alive)
    assert is_lost(alive, now=time.time() + 10_000)


@pytest.mark.parametrize("beat", ["", "soon", "nan", "inf", "-inf", "1e999"])
def test_a_heart_that_is_none_has_stopped(client: MlflowClient, beat: str) -> None:
    assert is_lost(client.get_run(begun(client, host="elsewhere", process="5:5", heartbeat=beat)))


def test_one_run_with_odd_tags_breaks_no_command(client: MlflowClient) -> None:
    odd = begun(client, "another", host=HOST, process="x:y")
    gone = begun(client, "another", host=HOST, process=f"{os.getpid()}:1")
    mine = begun(client, "another", host=HOST, process=PROCESS)
    assert end_lost(Store(client.tracking_uri), "another") == 2
    statuses = {run_id: client.get_run(run_id).info.status for run_id in (odd, gone, mine)}
    assert statuses == {odd: "FAILED", gone: "FAILED", mine: "RUNNING"}
    assert client.get_run(odd).data.tags[Tag.STATUS_REASON].startswith("lost")
