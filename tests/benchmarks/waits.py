"""What people wait for, each prepared, and then done: what `tests.benchmarks.record` times."""

__all__ = [
    "binary_step",
    "colour_step",
    "mixed_ksg",
    "probes_20",
    "probes_256",
    "read_441",
    "read_10_000",
    "recommend_441",
    "recommend_10_000",
    "start",
    "surface_cells",
]

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

Do = Callable[[], object]
_SMALL = ["--channels", "4", "--z_dims", "5", "--metrics", "core", "--batch_size", "1437", "--epochs", "1"]


def start() -> Do:
    """A whole command, of one step."""
    from tests.stores import clean_environment, new_database

    folder = Path(tempfile.mkdtemp())
    environment = clean_environment(MLFLOW_TRACKING_URI=new_database(folder / "store.db"), HIT_STATE_DIR=str(folder))
    words = [sys.executable, "-m", "hit.train", *_SMALL]
    return partial(subprocess.run, words, env=environment, check=True, capture_output=True)


def binary_step() -> Do:
    """Five training steps on black and white."""
    return _steps("bernoulli", (1, 28, 28), 16, 5)


def colour_step() -> Do:
    """Three training steps on colour."""
    return _steps("gaussian", (3, 32, 32), 32, 3)


def _steps(likelihood: str, shape: tuple[int, int, int], channels: int, count: int) -> Do:
    import torch

    from hit.config import TrainConfig
    from hit.data import Split
    from hit.models import build_model
    from hit.processes.setup import keep_freed_memory
    from hit.training import fit

    keep_freed_memory()
    torch.set_num_threads(1)
    pixels = torch.randint(0, 2, (256 * count, *shape), generator=torch.Generator().manual_seed(0)).mul(255)
    config = TrainConfig(channels=channels, likelihood=likelihood, batch_size=256, epochs=1)
    model, images = build_model(config, shape), Split(pixels.to(torch.uint8))
    return lambda: fit(model, images, config)


def probes_20() -> Do:
    """Probes of a vector."""
    return _probes(20)


def probes_256() -> Do:
    """Probes of a map."""
    return _probes(256)


def _probes(dims: int) -> Do:
    from hit.metrics import accuracies
    from tests.benchmarks.test_metrics_speed import POINTS, latents

    _, _, labels, samples = latents(POINTS, dims)
    accuracies(samples[:100].numpy(), labels[:100].numpy())  # loads scikit-learn
    return lambda: accuracies(samples.numpy(), labels.numpy())


def mixed_ksg() -> Do:
    """An estimate of the information."""
    from hit import metrics
    from tests.benchmarks.test_metrics_speed import POINTS, latents

    _, _, labels, samples = latents(POINTS, 256)
    return lambda: metrics.mixed_ksg(samples, labels)


def read_441() -> Do:
    """A store read."""
    return _read(441)


def read_10_000() -> Do:
    """A large store read."""
    return _read(10_000)


def _read(count: int) -> Do:
    from hit.store import Store

    uri = _store(count)
    Store(uri).states("none")  # loads MLflow's tables
    return lambda: Store(uri).history("hit")


def recommend_441() -> Do:
    """A recommendation."""
    return _recommend(441)


def recommend_10_000() -> Do:
    """A recommendation on many runs."""
    return _recommend(10_000)


def _recommend(count: int) -> Do:
    import analysis
    from hit.store import Store

    frame = Store(_store(count)).history("hit")
    analysis.recommend(frame.head(30), "compression where test/rate<=60")
    return lambda: analysis.recommend(frame, "compression where test/rate<=60")


def surface_cells() -> Do:
    """21 cells of a surface."""
    from hit.config import TrainConfig
    from hit.surfaces.plan import SurfacePlan
    from hit.surfaces.surface_run import read_surface, surface_run
    from tests.stores import new_database

    folder = Path(tempfile.mkdtemp())
    uri = new_database(folder / "store.db")
    config = TrainConfig(epochs=1, metrics="core", threads=1, device="cpu", state_dir=str(folder))
    run_id = surface_run(SurfacePlan(config=config, grids={"grid_1": "1", "grid_2": "1"}), uri=uri)
    grids = {"grid_1": "0.1:10:7", "grid_2": "0.1:10:3"}
    return lambda: read_surface(run_id, grids=grids, rates={}, config=config, uri=uri)


def _store(count: int) -> str:
    from tests.many_runs import fill_store

    uri = f"sqlite:///{tempfile.mkdtemp()}/store.db"
    fill_store(uri, count, epochs=2)
    return uri
