"""One contract, every launcher: the same sweep gives the same runs, what dies is told, and nothing is left behind."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.data import load
from hit.processes.attempts import Outcome
from hit.processes.identity import process_identity
from hit.processes.memory import GpuMemory
from hit.processes.stop import StopRequest
from hit.schema import Kind, Tag
from hit.store import Store
from hit.tracking import RunWriter
from hit.tracking.reservation import reserve_run
from hit.ui.run_names import run_name
from sweeps.drivers.grid import GridDriver
from sweeps.launchers import (
    InlineLauncher,
    Launcher,
    LockstepLauncher,
    PoolLauncher,
    ProjectLauncher,
    Training,
    build_launcher,
)
from sweeps.scheduler.budget import Budget
from sweeps.scheduler.context import SweepResult, SweepSetting
from sweeps.scheduler.loop import run_sweep
from sweeps.spec.launch_options import RunningOptions
from tests.commands import PATIENCE_SECONDS, alive, descendants, wait_until
from tests.forked_commands import ForkedCommand
from tests.stores import new_database

BASE = TrainConfig(channels=4, z_dims=(5,), metrics="core", batch_size=256, epochs=2, threads=1)
GRID = BetaGrid(((0.1, 1.0), (1.0,)))
ONE_CELL = BetaGrid(((1.0,), (1.0,)))
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra ray: pip install -e '.[ray]'"
)
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="needs the extra slurm: pip install -e '.[slurm]'"
)
LAUNCHERS = [
    "inline",
    "pool",
    "lockstep",
    "project",
    pytest.param("ray", marks=needs_ray),
    pytest.param("slurm", marks=needs_submitit),
]


@dataclass
class Place:
    """A store, a state folder, and the launcher that is tested there."""

    folder: Path
    kind: str

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/store.db"

    @property
    def base(self) -> TrainConfig:
        return replace(BASE, state_dir=str(self.folder / "state"))

    @property
    def store(self) -> Store:
        return Store(self.uri)

    def launcher(self, workers: int = 1) -> Launcher:
        match self.kind:
            case "inline":
                return InlineLauncher()
            case "pool":
                return PoolLauncher(workers)
            case "lockstep":
                return LockstepLauncher(1)
            case "project":
                return ProjectLauncher(workers, "local", self.folder / "state")
            case "slurm":
                return build_launcher(
                    RunningOptions(launcher="slurm", slurm_executor="local"), workers, self.folder / "state"
                )
        from sweeps.launchers.ray_cluster import RayLauncher

        return RayLauncher(workers, cpus=0.5)

    def sweep(self, launcher: Launcher, grid: BetaGrid = GRID, early_stopping: str = "", runs: int = 0) -> SweepResult:
        digest = load("digits").digest
        driver = GridDriver(self.base, grid, (0,), digest)
        setting = SweepSetting("hit", self.folder / "state", digest, Budget(runs), early_stopping, uri=self.uri)
        with RunWriter.begin(kind=Kind.SWEEP, name="sweep", state_dir=self.folder / "state", uri=self.uri) as run:
            return run_sweep(driver, run, launcher, setting, StopRequest(), {"driver": "grid"})

    def training(self, config: TrainConfig) -> Training:
        """A model in a run of its own, as a sweep would make it."""
        identity = config.identity("digest of something else")
        tags = {str(Tag.CONFIG_HASH): identity, str(Tag.SWEEP): "none"}
        run_id = reserve_run(self.store, "hit", run_name(config), config.to_flat(), tags)
        return Training(identity, config, run_id, "hit", "none", self.uri)


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    """One Ray of this machine for all tests: to begin it takes seconds."""
    ray = pytest.importorskip("ray")
    there = {"num_cpus": 2, "num_gpus": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # else it kills its processes where others fill the memory
        patch.setenv("CUDA_VISIBLE_DEVICES", "0")  # where tests see none, Ray would not pretend that there is one
        ray.init(address="local", include_dashboard=False, log_to_driver=False, configure_logging=False, **there)
    yield
    ray.shutdown()


@pytest.fixture(params=LAUNCHERS)
def place(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "HIT_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "ray":
        request.getfixturevalue("_ray")
    new_database(tmp_path / "store.db")
    return Place(tmp_path, request.param)


@pytest.fixture
def forked_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mlflow run` is forked where it would be started; what it starts, it starts as ever."""

    def start(command: list[str], *, stdout: Any, stderr: Any, env: dict[str, str], **options: Any) -> ForkedCommand:
        python, _, *words = command
        assert (python, options) == (sys.executable, {"start_new_session": True})
        return ForkedCommand(words, cwd=Path.cwd(), env=env, stdout=Path(stdout.name), stderr=Path(stderr.name))

    known = SimpleNamespace(Popen=start, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr("sweeps.launchers.project.subprocess", known)


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What the sweep comes to in this process."""
    here = Place(tmp_path_factory.mktemp("expected"), "inline")
    new_database(here.folder / "store.db")
    here.sweep(here.launcher())
    return models(here)


def models(place: Place) -> pd.DataFrame:
    return place.store.history("hit").sort_values("config_hash", ignore_index=True)


def hear(launcher: Launcher, enough: Callable[[Outcome], bool]) -> Outcome:
    """Listen until an outcome is the one that is waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for outcome in launcher.outcomes(0.5):
            if enough(outcome):
                return outcome
            assert outcome.state == "progress", outcome
    raise AssertionError("waited in vain")


def ours() -> set[int]:
    """Live processes below this one that train: Ray and multiprocessing keep helpers of their own."""
    found = set()
    # What workers are forked from stays, for the next ones, until this process ends.
    for pid in set(descendants(os.getpid())) - {forkserver._forkserver._forkserver_pid}:  # type: ignore[attr-defined]
        words = Path(f"/proc/{pid}/cmdline")
        try:
            text = words.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if alive(pid) and "resource_tracker" not in text:
            found.add(pid)
    return found


class TestLauncher:
    @pytest.mark.usefixtures("forked_projects")
    def test_the_same_sweep_gives_the_same_runs(self, place: Place, expected: pd.DataFrame) -> None:
        result = place.sweep(place.launcher(workers=2))
        assert (result.finished, result.counts["finished"]) == (2, 2), result
        runs = models(place)
        assert list(runs["status"]) == ["FINISHED", "FINISHED"]
        assert list(runs["config_hash"]) == list(expected["config_hash"])
        for name in ("test/elbo", "test/rate_1", "train/objective"):
            assert list(runs[name]) == pytest.approx(list(expected[name]), rel=1e-5), name
        assert set(runs["parent"]) == set(runs["sweep"]) == {result.run_id}
        assert not (place.folder / "state" / "projects").exists() or not list(place.folder.glob("state/projects/*"))

    @pytest.mark.usefixtures("forked_projects")
    def test_stop_ends_what_runs_and_keeps_its_checkpoint(self, place: Place) -> None:
        before = ours()
        launcher = place.launcher()
        with launcher:
            training = place.training(replace(place.base, epochs=100_000))
            launcher.submit(training)
            hear(launcher, lambda outcome: outcome.state == "progress" and outcome.epoch >= 1)
            assert launcher.free == 0
            (ended,) = launcher.stop()
        assert (ended.job.identity, ended.state) == (training.identity, "interrupted")
        run = place.store.run(training.run_id)
        assert run.info.status == "KILLED"
        assert run.data.tags[Tag.STATUS_REASON].startswith("stopped by signal")
        assert (place.folder / "state" / "runs" / training.run_id / "checkpoint.safetensors").exists()
        wait_until(lambda: "gone" if not ours() - before else "")

    @pytest.mark.usefixtures("forked_projects")
    def test_a_process_that_dies_is_told_as_lost(self, place: Place) -> None:
        if place.kind == "inline":
            pytest.skip("its process is this one")
        with place.launcher() as launcher:
            training = place.training(replace(place.base, epochs=100_000))
            launcher.submit(training)
            hear(launcher, lambda outcome: outcome.state == "progress" and outcome.epoch >= 1)
            trainer = place.store.run(training.run_id).data.tags[Tag.PROCESS]
            assert trainer != process_identity()[1]
            os.kill(int(trainer.partition(":")[0]), signal.SIGKILL)
            assert hear(launcher, lambda outcome: outcome.state != "progress").state == "lost"
            assert launcher.free > 0

    def test_a_mistake_is_one_line(self, place: Place) -> None:
        with place.launcher() as launcher:
            launcher.submit(place.training(replace(place.base, dataset="digitz")))
            outcome = hear(launcher, lambda outcome: outcome.state != "progress")
        assert outcome.state == "failed"
        assert "did you mean 'digits'" in outcome.text
        assert len(outcome.text.splitlines()) == 1

    @pytest.mark.usefixtures("forked_projects")
    def test_a_rule_ends_a_run_early_and_it_is_not_begun_again(self, place: Place) -> None:
        result = place.sweep(place.launcher(), ONE_CELL, early_stopping="threshold:0:1@train/distortion")
        assert result.counts == {"ended early": 1}
        (run,) = models(place).itertuples()
        assert run.status == "KILLED"
        assert run.status_reason.startswith("pruned: threshold:0:1@train/distortion")
        assert place.sweep(InlineLauncher(), ONE_CELL).counts == {}


@needs_ray
@pytest.mark.usefixtures("_ray")
def test_a_sweep_moves_from_a_pool_to_ray_and_back(tmp_path: Path) -> None:
    new_database(tmp_path / "store.db")
    place = Place(tmp_path, "ray")
    grid = BetaGrid(((0.1, 0.5, 1.0), (1.0,)))
    results = [
        place.sweep(PoolLauncher(1), grid, runs=1),
        place.sweep(place.launcher(), grid, runs=1),
        place.sweep(PoolLauncher(1), grid),
    ]
    runs = models(place)
    assert [result.counts["finished"] for result in results] == [1, 1, 1]
    assert list(runs["status"]) == ["FINISHED"] * 3
    assert runs["config_hash"].nunique() == 3
    assert [list(runs["sweep"]).count(result.run_id) for result in results] == [1, 1, 1]
    steps = [(point.run_id, point.step) for point in place.store.histories(list(runs["run_id"]), ["train/objective"])]
    assert len(steps) == len(set(steps)) == 6, "nothing is lost, nothing stands twice"


@needs_ray
@pytest.mark.usefixtures("_ray")
def test_runs_share_a_gpu_by_the_memory_that_the_first_one_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Ray itself, which has been told of a GPU that is not there; nothing is trained."""
    from sweeps.launchers import ray_cluster

    def train(identity: str, threads: int, mailbox: object) -> tuple[str, str, GpuMemory]:
        import ray

        share = ray.get_runtime_context().get_assigned_resources()["GPU"]
        (tmp_path / identity).touch()
        while share < 1 and not ((tmp_path / "1").exists() and (tmp_path / "2").exists()):
            time.sleep(0.1)  # each waits for the other one
        return "finished", f"{share}", GpuMemory(taken=6 * 2**30, total=16 * 2**30)

    monkeypatch.setattr(ray_cluster, "train_by_ray", train)
    monkeypatch.setattr(Training, "placed", lambda training: training.identity)  # Ray's processes need no more
    said = []
    with ray_cluster.RayLauncher(3, cpus=0.5, shares=tmp_path) as launcher:
        for number in range(3):
            launcher.submit(Training(str(number), replace(BASE, seed=number), str(number), "hit", "none", ""))
        assert launcher.free == 0
        while len(said) < 3:
            said.append(hear(launcher, lambda outcome: outcome.state == "finished"))
    assert [outcome.text for outcome in said] == ["1.0", "0.4688", "0.4688"]  # 6 of 0.8 · 16 GiB
