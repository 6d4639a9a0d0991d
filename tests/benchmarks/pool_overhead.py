"""What the pool costs: wall time of short runs over their training times divided by the workers.

    python -m tests.benchmarks.pool_overhead --runs 32 --workers 2 --epochs 24

Prints where the time of a run goes beside its training, too; asserts nothing.
"""

__all__ = ["main"]

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.data import load
from hit.processes.stop import StopRequest
from hit.schema import Kind
from hit.store import Store
from hit.tracking import RunWriter
from sweeps.drivers.grid import GridDriver
from sweeps.launchers import PoolLauncher
from sweeps.scheduler.context import SweepSetting
from sweeps.scheduler.loop import run_sweep


def main() -> None:
    """Sweep in a store of its own, and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=32)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--epochs", type=int, default=24)
    options.add_argument("--channels", type=int, default=16)
    options.add_argument("--metrics", default="core")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models, wall = _sweep(Path(folder), asked)
        training = _training_seconds(folder, models)
    durations = (models["end_time"] - models["start_time"]).dt.total_seconds()
    evaluation = models["test/seconds"].fillna(0)
    shares = {
        "training": training.sum(),
        "evaluation": evaluation.sum(),
        "the rest of the runs (store, pictures, weights, waiting for a worker)": durations.sum()
        - training.sum()
        - evaluation.sum(),
    }
    print(f"{asked.runs} runs of {asked.epochs} epochs, {asked.workers} workers: wall {wall:.1f} s")
    for what, seconds in shares.items():
        print(f"  {what}: {seconds / asked.runs:.2f} s a run")
    print(f"  start-up until the first run: {_startup(models):.1f} s")
    print(f"overhead over training: {wall / (training.sum() / asked.workers):.2f}")
    print(f"overhead over training and evaluation: {wall / ((training.sum() + evaluation.sum()) / asked.workers):.2f}")


def _sweep(folder: Path, asked: argparse.Namespace) -> tuple[pd.DataFrame, float]:
    uri = f"sqlite:///{folder}/store.db"
    config = TrainConfig(
        channels=asked.channels,
        epochs=asked.epochs,
        batch_size=128,
        learning_rate=3e-3,
        metrics=asked.metrics,
        state_dir=str(folder / "state"),
    )
    digest = load("digits").digest
    driver = GridDriver(config, BetaGrid(((1.0,), (1.0,))), range(asked.runs), digest)
    setting = SweepSetting("hit", folder / "state", digest, uri=uri)
    began = time.perf_counter()
    with RunWriter.begin(kind=Kind.SWEEP, name="sweep", state_dir=folder / "state", uri=uri) as run:
        run_sweep(driver, run, PoolLauncher(asked.workers), setting, StopRequest())
    return Store(uri).history("hit"), time.perf_counter() - began


def _training_seconds(folder: str, models: pd.DataFrame) -> "pd.Series[float]":
    client = Store(f"sqlite:///{folder}/store.db").client
    seconds = [
        sum(point.value for point in client.get_metric_history(run_id, "train/seconds")) for run_id in models["run_id"]
    ]
    return pd.Series(seconds, index=models.index)


def _startup(models: pd.DataFrame) -> float:
    """From the making of the first run until half of its duration is explained by a median one."""
    durations = (models["end_time"] - models["start_time"]).dt.total_seconds()
    return max(0.0, float(durations.iloc[0] - durations.median()))


if __name__ == "__main__":
    main()
