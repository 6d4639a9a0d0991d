"""Sweeps on a store that others share: two at once, and one that goes on with another launcher."""

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.data import load
from hit.processes.stop import StopRequest
from hit.schema import Kind
from hit.tracking import RunWriter
from sweeps.drivers.grid import GridDriver
from sweeps.launchers import InlineLauncher, Launcher, LockstepLauncher, PoolLauncher
from sweeps.scheduler.budget import Budget
from sweeps.scheduler.context import SweepResult, SweepSetting
from sweeps.scheduler.loop import run_sweep
from tests.backends import ON_EVERY_BACKEND, Backend
from tests.paper_launcher import PaperLauncher

BASE = TrainConfig(channels=4, z_dims=(5,), metrics="core", batch_size=900, epochs=2, threads=1, device="cpu")


def sweep(
    backend: Backend, folder: Path, grid: BetaGrid, launcher: Launcher, runs: float = float("inf")
) -> SweepResult:
    digest = load("digits").digest
    driver = GridDriver(replace(BASE, state_dir=str(folder)), grid, (0,), digest)
    budget = Budget(runs=runs)
    setting = SweepSetting("hit", folder, digest, budget, uri=backend.uri)
    with RunWriter.begin(kind=Kind.SWEEP, name="sweep", state_dir=folder, uri=backend.uri) as run:
        return run_sweep(driver, run, launcher, setting, StopRequest(), {"driver": "grid"})


@ON_EVERY_BACKEND
def test_two_sweeps_of_32_proposals_train_each_once(backend: Backend, tmp_path: Path) -> None:
    """With launchers that train nothing: what is asked of the store is the same."""
    grid = BetaGrid((tuple(0.1 * number for number in range(1, 9)), (0.1, 0.2, 0.3, 0.4)))
    launchers = [PaperLauncher(backend.store, workers=4) for _ in range(2)]
    results: list[SweepResult] = []
    both = [
        threading.Thread(target=lambda one=one: results.append(sweep(backend, tmp_path / str(id(one)), grid, one)))
        for one in launchers
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [result.finished for result in results] == [32, 32], "each counts what the other one trained"
    models = backend.store.history("hit")
    assert Counter(models["status"]) == {"FINISHED": 32}
    assert models["config_hash"].nunique() == 32
    trained = [training.run_id for launcher in launchers for training in launcher.submitted]
    assert sorted(trained) == sorted(models["run_id"]), "nothing was begun twice"


@ON_EVERY_BACKEND
def test_a_sweep_goes_on_with_another_launcher(backend: Backend, tmp_path: Path) -> None:
    grid = BetaGrid(((0.1, 0.5, 1.0, 2.0), (1.0,)))
    first = sweep(backend, tmp_path, grid, PoolLauncher(1), runs=1)
    second = sweep(backend, tmp_path, grid, InlineLauncher(), runs=1)
    third = sweep(backend, tmp_path, grid, LockstepLauncher(1))
    models = backend.store.history("hit")
    assert [result.counts["finished"] for result in (first, second, third)] == [1, 1, 2]
    assert third.finished == len(models) == models["config_hash"].nunique() == 4
    assert set(models["status"]) == {"FINISHED"}
    assert [list(models["sweep"]).count(one.run_id) for one in (first, second, third)] == [1, 1, 2]
    for run_id in models["run_id"]:
        points = backend.store.histories([run_id], ["train/objective"])
        assert sorted(point.step for point in points) == [1, 2]
