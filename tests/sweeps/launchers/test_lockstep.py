"""What becomes a block, what is told of its models, and a sweep of blocks that is stopped and begun again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.config.rates.rate_targets import RateTargets
from hit.data import load
from hit.errors import ConfigError, Interrupted
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Job, Outcome, attempt
from hit.processes.stop import StopRequest
from hit.schema import Kind
from hit.store import Store
from hit.tracking import RunWriter
from sweeps.drivers.grid import GridDriver
from sweeps.launchers import LockstepLauncher, Training, check_launcher, lockstep, settle_launcher, worker_processes
from sweeps.launchers.settling import visible_gpus
from sweeps.scheduler.context import SweepResult, SweepSetting
from sweeps.scheduler.loop import run_sweep
from sweeps.spec.launch_options import RunningOptions
from tests.stores import new_database

BASE = TrainConfig(channels=4, z_dims=(5,), metrics="core", batch_size=900, epochs=3, threads=1, device="cpu")


class PaperPool:
    """Takes jobs as a pool of workers does, and says what it is told to say."""

    made: list["PaperPool"]

    def __init__(self, workers: int, threads: int = 0, own: Sequence[Mapping[str, str]] = ()) -> None:
        self.workers, self.own = workers, list(own)
        self.jobs: list[Job] = []
        self.said: list[Outcome] = []
        type(self).made = [self]

    @property
    def free(self) -> int:
        return self.workers - len(self.jobs)

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        said, self.said = self.said[:1], self.said[1:]  # one at a time, as through a pipe
        for outcome in said:
            if outcome.is_last:
                self.jobs.remove(outcome.job)
            yield outcome

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        jobs, self.jobs = self.jobs, []
        return [Outcome(job, RunOutcome.INTERRUPTED, "stopped by signal 15") for job in jobs]


class SameProcess(PaperPool):
    """Does the work at once, in this process."""

    #: Told of everything before the launcher hears of it.
    listener: Callable[[Outcome, StopRequest], None] = staticmethod(lambda outcome, stop: None)

    def submit(self, job: Job) -> None:
        super().submit(job)
        stop = StopRequest()

        def tell(outcome: Outcome) -> None:
            type(self).listener(outcome, stop)
            self.said.append(outcome)

        self.said.append(attempt(job, stop, tell))

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        said, self.said = self.said, []
        return [outcome for outcome in said if outcome.state != "progress"]


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> type[PaperPool]:
    monkeypatch.setattr(lockstep, "WorkerPool", PaperPool)
    return PaperPool


def training(config: TrainConfig) -> Training:
    return Training(config.identity("data"), config, "1", "hit", "2", "sqlite:///store.db")


def blocks(pool: PaperPool) -> list[list[TrainConfig]]:
    return [[one.config for one in job.arguments["trainings"]] for job in pool.jobs]


class TestBlocks:
    def test_they_share_what_cannot_differ(self, paper: type[PaperPool]) -> None:
        together = [
            BASE,
            replace(BASE, betas=(0.5, 2.0)),
            replace(BASE, seed=1),
            replace(BASE, learning_rate=1e-2, schedule="cosine"),
        ]
        apart = [
            [replace(BASE, channels=8), replace(BASE, channels=8, seed=3)],
            [replace(BASE, epochs=4)],
            [replace(BASE, batch_size=512)],
            [replace(BASE, likelihood="gaussian")],
            [replace(BASE, targets=RateTargets.parse({"target_rate_1": 9}, 2))],
            [replace(BASE, metrics="all")],
            [replace(BASE, crop=16)],
        ]
        launcher = LockstepLauncher(1)
        mixed = [together[0], *(config for group in apart for config in group), *together[1:]]
        for config in mixed:
            launcher.submit(training(config))
        (pool,) = paper.made
        for _ in range(1 + len(apart)):
            list(launcher.outcomes(0))
            pool.workers += 1
        found = blocks(pool)
        assert found[0] == together
        assert found[1:] == apart

    def test_no_more_than_asked_for_and_divided_among_processes(self, paper: type[PaperPool]) -> None:
        launcher = LockstepLauncher(2, block=3)
        assert launcher.free == 6
        for seed in range(4):
            launcher.submit(training(replace(BASE, seed=seed)))
        assert launcher.free == 2
        list(launcher.outcomes(0))
        assert [len(block) for block in blocks(paper.made[0])] == [2, 2]
        assert launcher.free == 0, "a block that is trained takes no more"

    def test_each_model_is_told_of_as_if_it_were_alone(self, paper: type[PaperPool]) -> None:
        launcher = LockstepLauncher(1)
        trainings = [training(replace(BASE, seed=seed)) for seed in range(3)]
        for one in trainings:
            launcher.submit(one)
        list(launcher.outcomes(0))
        (pool,) = paper.made
        (block,) = pool.jobs
        first, second, third = (one.identity for one in trainings)
        pool.said = [
            Outcome(block, "progress", "training", 1, (first, second)),
            Outcome(block, RunOutcome.DIVERGED, "the loss", 0, (second,)),
            Outcome(block, "progress", "loading"),
            Outcome(block, RunOutcome.LOST, "its worker died (exit code -9)"),
        ]
        heard = list(launcher.outcomes(0))
        assert [(outcome.job.identity, str(outcome.state), outcome.epoch, outcome.parts) for outcome in heard] == [
            (first, "progress", 1, ()),
            (second, "progress", 1, ()),
            (second, "diverged", 0, ()),
            (first, "progress", 0, ()),
            (third, "progress", 0, ()),
            (first, "lost", 0, ()),
            (third, "lost", 0, ()),
        ]
        assert launcher.free == lockstep.MOST

    def test_what_waits_is_told_as_interrupted(self, paper: type[PaperPool]) -> None:
        launcher = LockstepLauncher(1, block=1)
        for seed in range(2):
            launcher.submit(training(replace(BASE, seed=seed)))
            list(launcher.outcomes(0))
        assert [(str(outcome.state), outcome.text) for outcome in launcher.stop()] == [
            ("interrupted", "stopped by signal 15"),
            ("interrupted", "stopped before it began"),
        ]
        assert launcher.stop() == []

    def test_several_processes_divide_the_gpus(self, paper: type[PaperPool], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        LockstepLauncher(3).submit(training(replace(BASE, device="auto")))
        assert [own["CUDA_VISIBLE_DEVICES"] for own in paper.made[0].own] == ["0", "1", "0"]
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-7a")
        assert visible_gpus("cuda") == ["5", "GPU-7a"]
        LockstepLauncher(2).submit(training(BASE))
        assert paper.made[0].own == []


class TestSettling:
    @pytest.fixture
    def gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sweeps.launchers.settling.select_device", lambda name: torch.device("cuda"))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)

    def settled(self, driver: str = "grid", workers: int = 0, **options: Any) -> tuple[str, int]:
        found = settle_launcher(RunningOptions(**options), BASE, load("digits"), driver, workers)
        return found.launcher, found.block

    @pytest.mark.usefixtures("gpu")
    def test_a_grid_on_a_gpu_is_trained_together(self) -> None:
        assert self.settled() == ("lockstep", 0)
        assert self.settled("bayes") == self.settled("coverage") == ("pool", 0)
        assert self.settled(workers=4) == ("pool", 0)
        assert self.settled(launcher="pool") == ("pool", 0)
        assert self.settled("bayes", launcher="lockstep") == ("lockstep", 8)
        assert self.settled("bayes", launcher="lockstep", block=3) == ("lockstep", 3)
        options = RunningOptions(launcher="lockstep")
        assert worker_processes(options, replace(BASE, device="auto"), 0) == 4
        assert worker_processes(options, replace(BASE, device="cuda:1"), 0) == 1
        assert worker_processes(options, replace(BASE, device="auto"), 2) == 2

    def test_on_a_cpu_the_pool_stays(self) -> None:
        assert self.settled() == ("pool", 0)

    def test_a_block_is_of_lockstep(self) -> None:
        with pytest.raises(ConfigError, match="block must be 0 unless launcher=lockstep, got 4"):
            check_launcher(RunningOptions(launcher="pool", block=4))


class TestSweep:
    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "HIT_STATE_DIR"):
            monkeypatch.delenv(name, raising=False)
        new_database(tmp_path / "store.db")
        monkeypatch.setattr(lockstep, "WorkerPool", SameProcess)
        return tmp_path

    def sweep(self, place: Path, betas: tuple[float, ...], stop: StopRequest | None = None) -> SweepResult:
        digest = load("digits").digest
        driver = GridDriver(replace(BASE, state_dir=str(place / "state")), BetaGrid((betas, (1.0,))), (0,), digest)
        uri = f"sqlite:///{place}/store.db"
        setting = SweepSetting("hit", place / "state", digest, uri=uri)
        with RunWriter.begin(kind=Kind.SWEEP, name="sweep", state_dir=place / "state", uri=uri) as run:
            return run_sweep(driver, run, LockstepLauncher(1), setting, stop or StopRequest())

    def test_what_was_stopped_goes_on_in_a_larger_block(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = Store(f"sqlite:///{place}/store.db")
        asked = StopRequest()
        said: list[Outcome] = []

        def ctrl_c(outcome: Outcome, stop: StopRequest) -> None:
            if outcome.text == "training":
                stop.request(2)
                asked.request(2)

        monkeypatch.setattr(SameProcess, "listener", staticmethod(ctrl_c))
        with pytest.raises(Interrupted):
            self.sweep(place, (0.1, 1.0), asked)
        begun = {run.info.run_id: run for run in store.runs("hit", kind=Kind.TRAIN)}
        assert [run.info.status for run in begun.values()] == ["KILLED", "KILLED"]

        monkeypatch.setattr(SameProcess, "listener", staticmethod(lambda outcome, stop: said.append(outcome)))
        result = self.sweep(place, (0.1, 1.0, 10.0))
        assert (result.finished, result.counts) == (3, {"finished": 3})
        runs = {run.info.run_id: run for run in store.runs("hit", kind=Kind.TRAIN)}
        assert len(runs) == 3
        assert begun.keys() < runs.keys()
        for run_id, run in runs.items():
            assert run.info.status == "FINISHED"
            points = store.histories([run_id], ["train/objective"])
            assert sorted(point.step for point in points) == [1, 2, 3], "every epoch once"
        taken = [(outcome.epoch, len(outcome.parts)) for outcome in said if outcome.text == "training"]
        assert taken == [(1, 1), (2, 3), (3, 3)], "who is behind catches up"
