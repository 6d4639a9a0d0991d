"""What every store must do, whatever it keeps its rows in: give runs back, and find them."""

import math
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.entities import Metric
from pandas.testing import assert_frame_equal

from hit.connection import experiment_id
from hit.errors import StoreError
from hit.schema import Kind, Tag
from hit.store import Store
from hit.store.incremental import HistoryReader
from tests.backends import ON_EVERY_BACKEND, Backend

pytestmark = ON_EVERY_BACKEND


def fill(store: Store) -> list[str]:
    """Seven runs of two sweeps: one failed, one killed, one deleted, one of another kind."""
    client, home = store.client, experiment_id(store.client, "hit")
    ids = []
    for number in range(7):
        tags = {Tag.KIND: Kind.SWEEP if number == 6 else Kind.TRAIN, Tag.SCHEMA: "1", Tag.SWEEP: "ab"[number % 2]}
        run_id = client.create_run(
            home,
            run_name=f"β {number}",
            start_time=1000 + number,
            tags={str(key): value for key, value in tags.items()},
        ).info.run_id
        client.log_param(run_id, "beta_1", f"{number}e-1")
        points = [Metric("train/elbo", -float(step), 2000 + step, step) for step in range(1, 4)]
        client.log_batch(
            run_id, metrics=[*points, Metric("test/psnr", math.nan if number == 3 else 10.0 + number, 3000, 0)]
        )
        client.set_terminated(run_id, ["FINISHED", "FAILED", "KILLED"][number % 3], end_time=5000)
        ids.append(str(run_id))
    client.delete_run(ids[5])
    return ids


def test_it_finds_what_an_sqlite_file_finds(backend: Backend, tmp_path: Path, backends: Any) -> None:
    ids, own = fill(backend.store), backends.backend("sqlite", tmp_path / "beside")
    theirs = dict(zip(fill(own.store), ids, strict=True))
    for where in (
        "",
        "metrics.`test/psnr` >= 12",
        "params.beta_1 LIKE '%e-1' and attributes.status = 'FAILED'",
        "attributes.run_name = 'β 4'",
        "tags.`hit.sweep` != 'a'",
    ):
        found = backend.store.history("hit", where=where)
        expected = own.store.history("hit", where=where)
        expected = expected.assign(run_id=expected["run_id"].map(theirs), experiment_id=found["experiment_id"])
        assert_frame_equal(found, expected)
    assert list(backend.store.history("hit", sweep="a")["run_id"]) == [ids[0], ids[2], ids[4]]
    assert list(backend.store.history("hit", kind=Kind.SWEEP)["run_id"]) == [ids[6]]


def test_what_changes_is_read_again(backend: Backend) -> None:
    store, ids = backend.store, fill(backend.store)
    store.client.update_run(ids[4], status="RUNNING")
    reader = HistoryReader(store)
    reader.read()
    now = time.time()
    store.client.set_terminated(ids[4], "FINISHED")
    store.client.log_batch(ids[0], [Metric("test/psnr", 99.0, 1, 1), Metric("measured_at", now, 1, int(now))])
    after = reader.read()
    assert_frame_equal(after, store.history("hit"))
    assert after.set_index("run_id").loc[ids[0], "test/psnr"] == 99.0
    store.client.delete_run(ids[1])
    assert set(after["run_id"]) - set(reader.read(full=True)["run_id"]) == {ids[1]}


def test_values_that_are_not_numbers_are_kept(backend: Backend) -> None:
    ids = fill(backend.store)
    (point,) = backend.store.histories([ids[3]], ["test/psnr"])
    assert math.isnan(point.value)
    assert pd.isna(backend.store.history("hit").set_index("run_id").loc[ids[3], "test/psnr"])


def test_a_filter_that_is_not_understood_is_one_line(backend: Backend) -> None:
    fill(backend.store)
    with pytest.raises(StoreError, match=r"did you mean 'metrics\.beta_1 < 1'") as refused:
        backend.store.history("hit", where="beta_1 < 1")
    assert "\n" not in str(refused.value)
    with pytest.raises(StoreError, match="run_id must be that of a run in the store"):
        backend.store.run("0" * 32)
    assert backend.store.history("another").empty
