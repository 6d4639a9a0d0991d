"""How long it takes to read the store into a typed frame."""

import pytest
from mlflow.entities import Metric, Param, RunTag
from pytest_benchmark.fixture import BenchmarkFixture

from hit.config import TrainConfig
from hit.connection import connect, experiment_id
from hit.schema import Kind, Tag, layer_metrics
from hit.store import Store


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An SQLite store of 1,000 finished runs with every param and every metric of a two-layer model."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db"
    client = connect(uri)
    experiment = experiment_id(client, "hit")
    params = [Param(name, str(value)) for name, value in TrainConfig().to_flat().items()]
    names = [declared.name for declared in layer_metrics(2)]
    for index in range(1000):
        run = client.create_run(experiment, tags={Tag.KIND: Kind.TRAIN, Tag.CONFIG_HASH: str(index)})
        tags = [RunTag(Tag.GROUP, str(index)), RunTag(Tag.DATA_DIGEST, "0123456789abcdef")]
        metrics = [Metric(name, index + place, 0, 10) for place, name in enumerate(names)]
        client.log_batch(run.info.run_id, metrics, params, tags)
        client.set_terminated(run.info.run_id)
    return uri


def test_read_1000_runs(benchmark: BenchmarkFixture, uri: str) -> None:
    frame = benchmark.pedantic(Store(uri).history, args=("hit",), rounds=5)
    assert len(frame) == 1000
    assert frame["test/rate_1"].is_unique
