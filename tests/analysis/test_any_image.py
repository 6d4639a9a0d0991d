"""The whole life of models of images that the paper knows nothing of: trained, scored, reported, registered, loaded."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from PIL import Image

from analysis.report import write
from hit.classify import ClassifyOptions, classify
from hit.config import TrainConfig
from hit.data import load
from hit.data.folders.stream import StreamedImages
from hit.processes.stop import StopRequest
from hit.runs.evaluation_run import candidates, evaluate_run
from hit.runs.training_run import train_run
from hit.serving.model_registry import register_run
from hit.store import Store
from hit.store.artifacts import ArtifactReader
from tests.stores import new_database

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")

OPTIONS = {
    "epochs": 1,
    "batch_size": 16,
    "channels": 4,
    "z_dims": "5",
    "metrics": "core",
    "threads": 1,
    "device": "cpu",
}


def shapes(count: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Discs, columns and rows, white on black: N×H×W, and which each is."""
    chance = np.random.RandomState(0)
    y, x = np.mgrid[0:height, 0:width]
    labels = np.arange(count) % 3
    images = np.zeros((count, height, width), np.uint8)
    for image, label in zip(images, labels, strict=True):
        dy, dx = y - chance.uniform(0.2, 0.8) * height, x - chance.uniform(0.2, 0.8) * width
        size = chance.uniform(2, min(height, width) / 4)
        image[(np.hypot(dy, dx) < size, abs(dx) < size / 2, abs(dy) < size / 2)[label]] = 255
    return images, labels


def faces(folder: Path) -> str:
    """A folder of 60 RGB images of 64 × 64."""
    images, labels = shapes(60, 64, 64)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "faces" / "abc"[label] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.stack([image, image // 2, 255 - image], 2)).save(path)
    return str(folder / "faces")


def wide(folder: Path) -> str:
    """An archive of 60 grey images of 20 × 37."""
    images, labels = shapes(60, 20, 37)
    np.savez(folder / "wide.npz", images=images, labels=labels)
    return str(folder / "wide.npz")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    uri = new_database(tmp_path / "store.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return Store(uri)


@pytest.mark.parametrize(
    ("make", "flat", "group", "image_shape", "latents"),
    [
        (faces, {"likelihood": "gaussian", "model": "lvae"}, "latents", (3, 64, 64), [(4, 4, 4), (5,)]),
        (wide, {"latent": "conv"}, "generation", (1, 20, 37), [(4, 6, 10), (4, 3, 5)]),
    ],
    ids=["a folder of 64×64 in colour", "an archive of 20×37 in grey"],
)
def test_the_whole_life(
    store: Store,
    tmp_path: Path,
    make: Callable[[Path], str],
    flat: dict[str, str],
    group: str,
    image_shape: tuple[int, int, int],
    latents: list[tuple[int, ...]],
) -> None:
    path, uri, state = make(tmp_path), store.client.tracking_uri, str(tmp_path / "state")
    dataset = load(path)
    assert dataset.image_shape == image_shape, "its own size, without a flag"
    assert not isinstance(dataset.train, StreamedImages)

    config = TrainConfig.from_flat({"dataset": path, "state_dir": state, **OPTIONS, **flat})
    run_id = train_run(config, uri=uri)
    if group == "generation":
        classify(
            ClassifyOptions(dataset=path, network="cnn", epochs=25, batch_size=16, threads=1, state_dir=state), uri=uri
        )
    (asked,) = candidates(store, "hit", run_id=run_id, groups={group})
    machine: dict[str, Any] = {"data_root": "", "device": "cpu", "threads": 1, "state_dir": state}
    evaluate_run(store, asked, again=False, stop=StopRequest(), **machine)
    metrics = store.run(run_id).data.metrics
    assert ("sample/fid_classifier" if group == "generation" else "test/accuracy_knn_z2") in metrics
    bits = (metrics["test/distortion"] + metrics["test/rate"]) / (np.prod(image_shape) * np.log(2))
    assert metrics["test/bits_per_dim"] == pytest.approx(bits)
    if "latent" in flat:
        assert metrics["dim_z2"] == np.prod(latents[1])

    write(store.history("hit"), tmp_path / "report.html", pictures=ArtifactReader(store))
    assert len(re.findall(r"UklGR", (tmp_path / "report.html").read_text())) >= 2, "small copies, as WebP in base64"

    registered = register_run(store, run_id, alias="ours", text="as a test")
    served = mlflow.pyfunc.load_model(registered.uri, suppress_warnings=True)
    images = dataset.test.head(3).numpy()
    encoded = served.predict(images)
    assert [encoded[f"z_{layer}"].shape for layer in (1, 2)] == [(3, *shape) for shape in latents]
    back = served.predict(images, params={"mode": "reconstruct"})["images"]
    assert back.shape == (3, *image_shape)
    assert served.predict({"z_1": encoded["z_1"]}, params={"mode": "decode"})["images"] == pytest.approx(back)
