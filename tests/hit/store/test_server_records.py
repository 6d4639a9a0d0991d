"""Many runs of a server, asked for in ranges of start times: all of them, each once, while others are added."""

import json
import random
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import RestException
from mlflow.protos.service_pb2 import SearchRuns
from mlflow.utils.proto_json_utils import message_to_json

from hit.connection import connect, experiment_id
from hit.errors import StoreError
from hit.schema import Kind, Tag
from hit.store import Store, server_records
from tests.stores import new_database


class Answering:
    """What a server answers to `runs/search`, in this process, over a store; `before` is done before each answer."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._one_at_a_time = threading.Lock()
        self.asked: list[dict[str, Any]] = []
        self.before: Any = lambda: None

    def __call__(self, creds: object, route: str, method: str, json: dict[str, Any]) -> SimpleNamespace:
        assert (route, method) == ("/api/2.0/mlflow/runs/search", "POST")
        with self._one_at_a_time:
            self.before()
            self.asked.append(json)
            runs = self._client.search_runs(
                json["experiment_ids"],
                json["filter"],
                max_results=json["max_results"],
                order_by=json["order_by"],
                page_token=json.get("page_token"),
            )
        answer = SearchRuns.Response(runs=[run.to_proto() for run in runs], next_page_token=runs.token)
        return SimpleNamespace(json=lambda: decoded(message_to_json(answer)))


decoded = json.loads


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    return connect(new_database(tmp_path / "store.db"))


@pytest.fixture
def answering(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> Answering:
    answering = Answering(client)
    monkeypatch.setattr(server_records, "http_request_safe", answering)
    monkeypatch.setattr(server_records, "_PAGE", 5)
    return answering


def add(client: MlflowClient, start_time: int, ended: bool = True) -> str:
    run_id = client.create_run(
        experiment_id(client, "hit"), start_time=start_time, tags={Tag.KIND: Kind.TRAIN, Tag.NOTE: ""}
    ).info.run_id
    client.log_batch(
        run_id,
        [Metric("test/psnr", start_time / 7, 0, 0), Metric("beta_1", float("inf"), 0, 0)],
        [Param("beta_1", "0.5")],
    )
    if ended:
        client.set_terminated(run_id, end_time=start_time + 1)
    return run_id


def by_server(client: MlflowClient, where: str = "") -> pd.DataFrame:
    """What a store reads that takes its database for a server's."""
    store = Store(client.tracking_uri)
    store.__dict__["_tables"] = None
    store.client = SimpleNamespace(  # type: ignore[assignment]
        tracking_uri="http://127.0.0.1:9", get_experiment_by_name=client.get_experiment_by_name
    )
    return store.history("hit", where=where)


#: Milliseconds at which runs begin: one after the other, most of them long after the first, and many at once.
TIMES = {
    "one page": [3, 1, 2],
    "even": [*range(100, 130)],
    "late": [1, *range(10**12, 10**12 + 23)],
    "at once": [7] * 13 + [9],
    "bunches": [5] * 8 + [6] * 8 + [900] * 3 + [1_000_000] * 7,
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_reads_what_the_database_holds(client: MlflowClient, answering: Answering, times: list[int]) -> None:
    shuffled = random.Random(0).sample(times, len(times))
    for number, time in enumerate(shuffled):
        add(client, time, ended=number % 5 != 0)
    found = by_server(client)
    pd.testing.assert_frame_equal(found, Store(client.tracking_uri).history("hit"), check_like=True)
    assert all(question["max_results"] <= 5 for question in answering.asked)


def test_runs_that_are_added_meanwhile_hide_none_and_are_there_once(client: MlflowClient, answering: Answering) -> None:
    there = [add(client, time) for time in range(1000, 1030)]
    added: list[str] = []

    def one_more() -> None:  # before, among and after those that are there
        added.append(add(client, (1, 1000 + len(added), 2000)[len(added) % 3]))

    answering.before = one_more
    found = [*by_server(client)["run_id"]]
    assert len(found) == len(set(found))
    assert set(there) <= set(found) <= {*there, *added}
    answering.before = lambda: None
    assert {*by_server(client)["run_id"]} == {*there, *added}


def test_filters_are_kept_and_refused_in_our_words(client: MlflowClient, answering: Answering) -> None:
    for time in range(20):
        add(client, time)
    assert len(by_server(client, "metrics.`test/psnr` > 1")) == 12
    with pytest.raises(StoreError, match=r"did you mean 'metrics\.beta_1 < 1'"):
        by_server(client, "beta_1 < 1")


def test_a_server_without_the_route_is_read_by_mlflows_client(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise RestException({"error_code": "ENDPOINT_NOT_FOUND", "message": "no such route"})

    monkeypatch.setattr(server_records, "http_request_safe", lacking)
    at_a_server = SimpleNamespace(tracking_uri="http://127.0.0.1:9")
    assert server_records.server_records(at_a_server, "1", [""]) is None  # type: ignore[arg-type]
    assert server_records.server_records(client, "1", [""]) is None
