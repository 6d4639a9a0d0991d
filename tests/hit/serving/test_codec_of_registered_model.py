"""compress and decompress as `mlflow run` calls them, by a model of the registry."""

import importlib
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient

from hit.config import TrainConfig
from hit.connection import connect, experiment_id
from hit.data.digits import read_digits
from hit.processes.stop import StopRequest
from hit.runs.training_run import train_run
from hit.schema import Kind, Tag
from hit.serving.model_registry import register_run
from hit.store import Store
from tests.commands import ROOT
from tests.stores import new_database

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")

ENTRY_POINTS: dict[str, Any] = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
MODEL = "models:/hit-digits@compression"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A store whose registry has a small model, and its alias."""
    uri = new_database(tmp_path / "store.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("HIT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    config = TrainConfig(
        channels=2, z_dims=(3,), epochs=1, batch_size=500, metrics="core", threads=1, state_dir=str(tmp_path / "state")
    )
    run_id = train_run(config, uri=uri)
    register_run(Store(uri), run_id, alias="compression", text="why")
    return connect(uri)


def mlflow_run(client: MlflowClient, monkeypatch: pytest.MonkeyPatch, name: str, **parameters: str) -> str:
    """The entry point's command, in this process, within a run that was made for it; the run's id."""
    entry_point = ENTRY_POINTS[name]
    given = {key: declared["default"] for key, declared in entry_point["parameters"].items()} | parameters
    words = shlex.split(entry_point["command"].format(**{key: shlex.quote(str(value)) for key, value in given.items()}))
    run_id: str = client.create_run(experiment_id(client, "hit")).info.run_id
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_RUN_ID", run_id)
        importlib.import_module(words[2]).main(words[3:], StopRequest())
    return run_id


@pytest.mark.parametrize("step", ["0.0", "2"])
def test_images_come_back_and_runs_say_what_they_were(
    client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    images = np.where(read_digits()[1].images[:6].numpy() > 127, 255, 0).astype(np.uint8)
    source, coded, back = str(tmp_path / "images.npz"), str(tmp_path / "coded.hit"), str(tmp_path / "back.npz")
    np.savez(source, images=images)
    made = [
        mlflow_run(client, monkeypatch, "compress", model=MODEL, input=source, output=coded, step=step),
        mlflow_run(client, monkeypatch, "decompress", model=MODEL, input=coded, output=back),
    ]
    found = np.load(back)["images"]
    assert (found.shape, found.dtype) == (images.shape, images.dtype)
    assert np.array_equal(found, images) == (step == "0.0")
    runs = [client.get_run(run_id) for run_id in made]
    assert [run.data.tags[Tag.KIND] for run in runs] == [Kind.COMPRESS, Kind.DECOMPRESS]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
