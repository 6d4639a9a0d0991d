"""Recommended models in MLflow's registry: registered once, found by their application, loaded and served."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from analysis.recommendation.gain_text import gain_sentence
from analysis.recommendation.recommender import recommend
from analysis.recommendation.text import region_sentences
from analysis.register import description, register, register_all
from hit.config import TrainConfig
from hit.data import load
from hit.errors import StoreError
from hit.runs.training_run import train_run
from hit.schema import Kind, Tag
from hit.serving.model_registry import model_name, register_run, registry_word
from hit.store import Store
from hit.tracking import RunWriter
from tests.commands import PATIENCE_SECONDS
from tests.stores import Server, clean_environment, new_database

MakeFrame = Callable[..., pd.DataFrame]

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
    pytest.mark.usefixtures("lines"),
]


def small(folder: Path, **fields: Any) -> TrainConfig:
    common = {"channels": 4, "z_dims": (5,), "epochs": 1, "metrics": "core", "threads": 1}
    return TrainConfig(**common, state_dir=str(folder / "state"), **fields)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A tracking server with two small models."""
    folder = tmp_path_factory.mktemp("registry")
    server = Server(folder / "server")
    server.start()
    for betas in ((0.1, 0.1), (10.0, 10.0)):
        train_run(small(folder, betas=betas), uri=server.uri)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def frame(server: Server) -> pd.DataFrame:
    return Store(server.uri).history("hit")


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """Of the server, which MLflow's `models:/` means as well; the registry is empty before and after."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    client = MlflowClient(server.uri)
    yield client
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


def versions(client: MlflowClient) -> dict[str, Any]:
    return {one.version: one for one in client.search_model_versions("name = 'hit-digits'")}


def test_it_is_registered_once_and_tells_why(client: MlflowClient, frame: pd.DataFrame, server: Server) -> None:
    best = recommend(frame, "reconstruction")
    first, second = register(best, server.uri), register(best, server.uri)
    assert (first.uri, first.new) == ("models:/hit-digits@reconstruction", True)
    assert (second.version, second.new) == (first.version, False)
    (version,) = versions(client).values()
    assert version.run_id == best.run["run_id"]
    assert version.tags[Tag.CONFIG_HASH] == best.run["config_hash"]
    for said in (
        "### reconstruction",
        "the most faithful",
        f"{best.value:.4g} dB",
        "| R_2&emsp; |",
        "| R&emsp; |",
        best.run["run_id"],
    ):
        assert version.description.count(said) == 1, said
    assert client.get_model_version_by_alias("hit-digits", "reconstruction").version == version.version


def test_a_gain_is_told_with_what_it_rests_on(frame: pd.DataFrame, make_frame: MakeFrame) -> None:
    for found in (
        recommend(make_frame(5), "density"),
        recommend(make_frame(2), "density"),
        recommend(frame, "density"),
    ):
        described = description(found)
        assert described.endswith(gain_sentence(found))
        assert all(said in described for said in region_sentences(found))


def test_an_alias_moves_and_takes_its_reason_along(client: MlflowClient, frame: pd.DataFrame, server: Server) -> None:
    store = Store(server.uri)
    one, other = frame["run_id"]
    register_run(store, one, alias="compression", text="the smallest")
    register_run(store, one, alias="density", text="the densest")
    moved = register_run(store, other, alias="density", text="denser")
    assert moved.new
    described = {version.run_id: version.description for version in versions(client).values()}
    assert described == {
        one: "The best for compression.\n\n### compression\n\nthe smallest",
        other: "The best for density.\n\n### density\n\ndenser",
    }
    client.update_model_version("hit-digits", moved.version, "Ours.\n\n" + described[other])
    back = register_run(store, one, alias="density", text="the densest after all")
    assert not back.new
    described = {version.run_id: version.description for version in versions(client).values()}
    assert described[one].startswith("The best for compression, density.\n\n### compression\n\nthe smallest\n\n###")
    assert described[other] == "Ours.", "what somebody wrote stays"


def test_the_model_loads_and_encodes(client: MlflowClient, frame: pd.DataFrame, server: Server) -> None:
    registered = register(recommend(frame, "density"), server.uri)
    model = mlflow.pyfunc.load_model(registered.uri, suppress_warnings=True)
    images = load("digits", "", 0).test.head(3).numpy()
    latents = model.predict(images)
    assert {name: values.shape for name, values in latents.items()} == {"z_1": (3, 4, 4, 4), "z_2": (3, 5)}
    assert model.metadata.run_id == registered.run_id
    assert client.get_logged_model(model.model_id).status.value == "READY"


def test_mlflow_serves_it(client: MlflowClient, frame: pd.DataFrame, server: Server, tmp_path: Path) -> None:
    registered = register(recommend(frame, "density"), server.uri)
    expected = mlflow.pyfunc.load_model(registered.uri, suppress_warnings=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", registered.uri, "--env-manager", "local"]
    environment = clean_environment(
        MLFLOW_TRACKING_URI=server.uri, PYTHONPATH=str(Path(__file__).resolve().parents[2]), OMP_NUM_THREADS="1"
    )
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with (tmp_path / "log").open("wb") as log:
        served = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/ping", served, tmp_path / "log")
        drawn = _ask(address, {"inputs": [], "params": {"mode": "sample", "count": 2, "seed": 3}})["predictions"]
        same = expected.predict(None, params={"mode": "sample", "count": 2, "seed": 3})
        np.testing.assert_allclose(drawn["images"], same["images"], atol=1e-5)
        example = json.loads((_folder(expected) / "serving_input_example.json").read_text())
        assert set(_ask(address, example)["predictions"]) == {"z_1", "z_2"}
        refused = _ask(address, {"inputs": {"z_2": [[1, 2]]}, "params": {"mode": "decode"}})
        assert "z_2 must be of shape N×5, got 1×2" in refused["message"]
    finally:
        os.killpg(served.pid, 15)
        served.wait(timeout=PATIENCE_SECONDS)


def test_applications_without_runs_are_told_and_left_out(
    client: MlflowClient, frame: pd.DataFrame, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    done = register_all(frame, [], server.uri)
    assert {one.alias for one in done} == {"reconstruction", "compression", "density"}
    said = capsys.readouterr().err
    assert "digits, generation: not registered: no finished run has sample/inception_score" in said
    assert len(versions(client)) == len({one.run_id for one in done})
    with pytest.raises(StoreError, match="generation: not registered"):
        register_all(frame, ["generation"], server.uri)


def test_what_has_no_model_is_refused_and_leaves_nothing(client: MlflowClient, server: Server, tmp_path: Path) -> None:
    store = Store(server.uri)
    with RunWriter.begin(kind=Kind.TRAIN, name="no model", state_dir=tmp_path, uri=server.uri, experiment="odd") as run:
        run.params(TrainConfig().to_flat())
        run.tags({Tag.DATA_DIGEST: "0123456789abcdef"})
        with pytest.raises(StoreError, match=r"only a finished model can be registered, got run .* RUNNING"):
            register_run(store, run.run_id, alias="density", text="")
    with pytest.raises(StoreError, match="must tell the shape of its images"):
        register_run(store, run.run_id, alias="density", text="")
    with RunWriter.amend(run.run_id, state_dir=tmp_path, uri=server.uri) as amended:
        amended.dataset("digits", "0123456789abcdef", {"image_shape": [1, 28, 28]})
    with pytest.raises(StoreError, match=r"must have the artifact 'model/weights\.safetensors'"):
        register_run(store, run.run_id, alias="density", text="")
    assert client.search_registered_models() == []
    assert client.search_logged_models([run.experiment_id]) == []


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("digits", "hit-digits"),
        ("binary_mnist", "hit-binary_mnist"),
        ("my data/faces: old.npz", "hit-faces-old-012345"),
        ("/data/photos/", "hit-photos-012345"),
        ("../ü/", "hit-model-012345"),
    ],
)
def test_names_are_legal_and_tell_data_apart(dataset: str, expected: str, tmp_path: Path) -> None:
    client = MlflowClient(new_database(tmp_path / "store.db"))
    run = client.create_run(client.create_experiment("e"), tags={Tag.DATA_DIGEST: "0123456789abcdef"})
    client.log_param(run.info.run_id, "dataset", dataset)
    assert model_name(client.get_run(run.info.run_id)) == expected
    assert client.create_registered_model(expected).name == expected


def test_aliases_are_legal() -> None:
    assert [registry_word(text) for text in ("density", "latest", "v12", "a/b c", "!")] == [
        "density",
        "latest-",
        "v12-",
        "a-b-c",
        "model",
    ]


def _folder(model: Any) -> Path:
    return Path(mlflow.artifacts.download_artifacts(f"models:/{model.model_id}"))


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.5)


def _ask(address: str, request: dict[str, Any]) -> dict[str, Any]:
    body = urllib.request.Request(
        f"{address}/invocations", json.dumps(request).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(body, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)  # type: ignore[no-any-return]
    except urllib.error.HTTPError as refused:
        if refused.code != 400:
            raise
        return json.load(refused)  # type: ignore[no-any-return]
