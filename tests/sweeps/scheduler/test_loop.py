"""The loop around a driver, with a launcher that trains nothing: budgets, claims, deaths, decisions, progress."""

import getpass
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.errors import Claimed, ConfigError, Interrupted, StoreAway, StoreError
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome
from hit.processes.stop import StopRequest
from hit.schema import Kind, Tag
from hit.store import Store
from hit.tracking import RunWriter
from hit.tracking.reservation import reserve_run
from sweeps.drivers.driver import Proposal
from sweeps.drivers.grid import GridDriver
from sweeps.launchers import Launcher, Training
from sweeps.scheduler.active_runs import ActiveRun, ActiveRuns
from sweeps.scheduler.budget import Budget
from sweeps.scheduler.context import SweepResult, SweepSetting
from sweeps.scheduler.loop import run_sweep
from tests.backends import ON_EVERY_BACKEND, Backend
from tests.paper_launcher import PaperLauncher

DIGEST = "0123"
BASE = TrainConfig(channels=4, z_dims=(5,), metrics="core", epochs=4)
GRID = BetaGrid(((0.1, 1.0), (0.1, 1.0)))


class Bench:
    """A store and the sweep over it."""

    def __init__(self, folder: Path, uri: str = "") -> None:
        self.folder = folder
        self.uri = uri or f"sqlite:///{folder}/store.db"
        self.store = Store(self.uri)
        self.driver = GridDriver(BASE, GRID, (0,), DIGEST)
        self.definition: dict[str, object] = {"driver": "grid", "seeds": "", "batch_size": 256, "epochs": 4}

    def sweep(self, launcher: Launcher, budget: Budget | None = None, stop: StopRequest | None = None) -> SweepResult:
        setting = SweepSetting("hit", self.folder, DIGEST, budget or Budget(), uri=self.uri)
        with RunWriter.begin(kind=Kind.SWEEP, name="sweep", state_dir=self.folder, uri=self.uri) as run:
            return run_sweep(self.driver, run, launcher, setting, stop or StopRequest(), self.definition)

    def models(self) -> pd.DataFrame:
        return self.store.history("hit")

    def active_runs(self, early_stopping: str = "") -> ActiveRuns:
        return ActiveRuns(self.store, "sweep", "hit", self.folder, DIGEST, early_stopping)

    def proposal(self) -> Proposal:
        return self.driver.propose(self.store.history("hit"), 1)[0]

    def checkpoint(self, run_id: str) -> None:
        folder = self.folder / "runs" / run_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint.safetensors").touch()


@pytest.fixture
def bench(tmp_path: Path, backend: Backend) -> Bench:
    return Bench(tmp_path, backend.uri)


@ON_EVERY_BACKEND
def test_every_cell_once_as_a_child_with_its_config(bench: Bench) -> None:
    result = bench.sweep(PaperLauncher(bench.store))
    models = bench.models()
    assert (result.finished, dict(result.counts), result.ended) == (4, {"finished": 4}, "nothing is left to propose")
    assert set(models["status"]) == {"FINISHED"}
    assert models["config_hash"].nunique() == len(models) == 4
    assert set(models["parent"]) == set(models["sweep"]) == {result.run_id}
    assert set(zip(models["beta_1"], models["beta_2"], strict=True)) == set(GRID)
    assert set(models["data_digest"]) == {DIGEST}
    runs = list(bench.store.runs("hit"))
    assert {run.data.tags[Tag.USER] for run in runs} == {run.info.user_id for run in runs} == {getpass.getuser()}


class TardyLauncher(PaperLauncher):
    """Is free again only once it was asked for outcomes after its last model's end, as a process that cleans up is."""

    tidy = True

    @property
    def free(self) -> int:
        return super().free if self.tidy else 0

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        under_way = bool(self._under_way)
        yield from super().outcomes(timeout)
        self.tidy = not under_way


def test_a_launcher_that_is_busy_after_its_last_model_is_heard_until_it_is_free(bench: Bench) -> None:
    launcher = TardyLauncher(bench.store, workers=1)
    result = bench.sweep(launcher)
    assert (result.finished, len(launcher.submitted)) == (4, 4)


class TestBudget:
    def test_of_runs(self, bench: Bench) -> None:
        result = bench.sweep(PaperLauncher(bench.store), Budget(runs=3))
        assert (len(bench.models()), result.ended) == (3, "the budget of 3 runs is spent")

    def test_of_hours_finishes_what_runs(self, bench: Bench) -> None:
        budget = Budget(hours=1.0)

        def later(training: Training, time: int) -> str:
            object.__setattr__(budget, "began", budget.began - 3600)  # an hour passes
            return "finished"

        result = bench.sweep(PaperLauncher(bench.store, ends=later), budget)
        assert list(bench.models()["status"]) == ["FINISHED", "FINISHED"]
        assert result.ended == "the budget of 1 hours is spent"

    def test_left(self) -> None:
        assert Budget().left(10**6) == float("inf")
        assert (Budget(runs=3).left(1), Budget(runs=3).left(5)) == (2, 0)
        assert Budget(hours=1, began=-(10**9)).left(0) == 0


class TestDeaths:
    @ON_EVERY_BACKEND
    def test_a_lost_run_goes_on_under_its_id(self, bench: Bench) -> None:
        def dies_once(training: Training, time: int) -> str:
            bench.checkpoint(training.run_id)
            return "lost" if time == 1 else "finished"

        launcher = PaperLauncher(bench.store, ends=dies_once)
        result = bench.sweep(launcher)
        assert len(launcher.submitted) == 8
        assert len({training.run_id for training in launcher.submitted}) == 4, "each goes on under its own id"
        assert dict(result.counts) == {"finished": 4}
        assert set(bench.models()["status"]) == {"FINISHED"}

    def test_given_up_after_five_deaths_in_a_row(self, bench: Bench) -> None:
        launcher = PaperLauncher(bench.store, ends=lambda training, time: "lost")
        result = bench.sweep(launcher)
        assert len(launcher.submitted) == 20
        assert dict(result.counts) == {"lost": 4}
        models = bench.models()
        assert set(models["status"]) == {"FAILED"}
        assert models["status_reason"].str.startswith("lost: ").all()
        assert len(models) == 4, "a run that never finished an epoch is begun again under its id"

    def test_not_while_it_gets_on(self, bench: Bench) -> None:
        def ends(training: Training, time: int) -> str:
            return f"epoch {time}" if time <= 6 else "finished"

        launcher = PaperLauncher(bench.store, ends=ends)
        assert dict(bench.sweep(launcher).counts) == {"finished": 4}
        assert len(launcher.submitted) == 28

    def test_a_run_that_died_before_its_first_checkpoint_goes_on_under_its_id(self, bench: Bench) -> None:
        """Its journal is there, and knows that the first epoch is logged."""

        def dies_once(training: Training, time: int) -> str:
            folder = bench.folder / "runs" / training.run_id
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "journal.jsonl").touch()
            bench.store.client.log_metric(training.run_id, "train/objective", 100.0, step=1)
            return "lost" if time == 1 else "finished"

        launcher = PaperLauncher(bench.store, ends=dies_once)
        assert dict(bench.sweep(launcher).counts) == {"finished": 4}
        assert len({training.run_id for training in launcher.submitted}) == 4
        assert set(bench.models()["status"]) == {"FINISHED"}

    @pytest.mark.parametrize(
        ("state", "status"), [("failed", "FAILED"), ("diverged", "FAILED"), ("ended early", "KILLED")]
    )
    def test_what_ended_otherwise_is_not_begun_again(self, bench: Bench, state: str, status: str) -> None:
        result = bench.sweep(PaperLauncher(bench.store, ends=lambda training, time: state))
        assert dict(result.counts) == {state: 4}
        assert set(bench.models()["status"]) == {status}
        assert set(bench.models()["status_reason"]) == {f"it {state}"}


class TestClaims:
    @ON_EVERY_BACKEND
    def test_a_model_that_another_sweep_trains_is_left_to_it(self, bench: Bench) -> None:
        proposal = bench.proposal()
        before = bench.store.history("hit")
        mine, theirs = bench.active_runs(), bench.active_runs()
        theirs.begin(proposal, before)
        with pytest.raises(Claimed, match="is training this model already"):
            mine.begin(proposal, before)
        assert (len(mine), len(bench.models())) == (0, 1), "no run is left behind"

    def test_what_stands_in_the_store_is_seen_by_other_drivers(self, bench: Bench) -> None:
        proposal = bench.proposal()
        bench.active_runs().begin(proposal, bench.store.history("hit"))
        assert proposal.identity not in {one.identity for one in bench.driver.propose(bench.models(), 4)}

    def test_a_run_that_the_launcher_finds_claimed_is_taken_back(self, bench: Bench) -> None:
        active_runs = bench.active_runs()
        active = active_runs.begin(bench.proposal(), bench.store.history("hit"))
        active_runs.update(Outcome(active.training.job(), RunOutcome.CLAIMED, "run x is training this model already"))
        assert bench.models().empty

    def test_a_store_that_is_away_is_asked_again_to_take_it_back(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It stayed RUNNING, this process's own, and other sweeps waited for it."""
        active_runs = bench.active_runs()
        active = active_runs.begin(bench.proposal(), bench.store.history("hit"))
        told = Outcome(active.training.job(), RunOutcome.CLAIMED, "run x is training this model already")

        def away(run_id: str) -> None:
            raise MlflowException("Connection refused")

        with monkeypatch.context() as patch:
            patch.setattr(bench.store.client, "get_run", away)
            with pytest.raises(StoreAway):
                active_runs.update(told)
        active_runs.update(told)
        assert (len(active_runs), len(bench.models())) == (0, 0)

    def test_an_interrupted_run_that_somebody_writes_to_is_claimed(self, bench: Bench) -> None:
        from hit.delivery.local_state import lock_run

        active, history = self.interrupted(bench)
        lock = lock_run(bench.folder / "runs" / active.training.run_id)
        with pytest.raises(Claimed, match="is being written by another process"):
            bench.active_runs().begin(active.proposal, history)
        lock.release()
        assert bench.active_runs().begin(active.proposal, history).training.run_id == active.training.run_id

    @ON_EVERY_BACKEND
    def test_a_run_that_goes_on_is_running_before_anything_trains_it(self, bench: Bench) -> None:
        active, history = self.interrupted(bench)
        bench.active_runs().begin(active.proposal, history)
        assert list(bench.models()["status"]) == ["RUNNING"]
        assert bench.models()[["ended", "status_reason"]].isna().all(axis=None), "how it ended is no longer true"
        with pytest.raises(Claimed, match="is RUNNING by now"):
            bench.active_runs().begin(active.proposal, history)

    def test_a_run_that_was_finished_meanwhile_is_not_begun_again(self, bench: Bench) -> None:
        """By what the sweep knows of the store, it is still KILLED."""
        active, history = self.interrupted(bench)
        bench.store.client.set_terminated(active.training.run_id)
        with pytest.raises(Claimed, match="is FINISHED by now"):
            bench.active_runs().begin(active.proposal, history)
        run_id = active.training.run_id
        with (
            pytest.raises(Claimed, match="is FINISHED already"),
            RunWriter.take_over(run_id, kind=Kind.TRAIN, name="", state_dir=bench.folder, uri=bench.uri),
        ):
            pass
        assert list(bench.models()["status"]) == ["FINISHED"]

    @ON_EVERY_BACKEND
    def test_an_interrupted_run_leaves_its_model_to_one_begun_since(self, bench: Bench) -> None:
        active, history = self.interrupted(bench)
        elsewhere = ActiveRuns(bench.store, "another sweep", "hit", bench.folder / "another machine", DIGEST)
        bare = history.iloc[:0]
        newer = elsewhere.begin(active.proposal, bare)
        with pytest.raises(Claimed, match=f"run {newer.training.run_id} is training this model already"):
            bench.active_runs().begin(active.proposal, history)
        assert bench.store.run(active.training.run_id).info.status == "KILLED"

    @staticmethod
    def interrupted(bench: Bench) -> tuple[ActiveRun, pd.DataFrame]:
        active_runs = bench.active_runs()
        active = active_runs.begin(bench.proposal(), bench.store.history("hit"))
        active_runs.update(Outcome(active.training.job(), RunOutcome.INTERRUPTED, "stopped by signal 15"))
        bench.checkpoint(active.training.run_id)
        return active, bench.store.history("hit")

    @ON_EVERY_BACKEND
    def test_runs_that_nothing_trains_are_ended(self, bench: Bench) -> None:
        active_runs = bench.active_runs()
        kept = active_runs.begin(bench.proposal(), bench.store.history("hit"))
        tags = {str(Tag.CONFIG_HASH): "x", str(Tag.SWEEP): "sweep"}
        reserve_run(bench.store, "hit", "made, and its making not answered", {}, tags)
        assert active_runs.end_strays() == 1
        assert list(bench.models()["run_id"]) == [kept.training.run_id]


def test_no_more_is_asked_of_the_driver_than_there_is_room_for(bench: Bench) -> None:
    """Runs under way are known to it; only those that the sweep has given up would be proposed again."""
    asked: list[int] = []
    propose = bench.driver.propose

    def counting(history: pd.DataFrame, n: int) -> list[Proposal]:
        asked.append(n)
        return propose(history, n)

    bench.driver.propose = counting  # type: ignore[method-assign]
    bench.sweep(PaperLauncher(bench.store, ends=lambda training, time: "failed"))
    assert asked[:2] == [2, 4], "two workers; then two that have failed beside them"


class TestStopping:
    @ON_EVERY_BACKEND
    def test_the_children_end_as_killed_and_the_sweep_says_so(self, bench: Bench) -> None:
        stop = StopRequest()

        def ends(training: Training, time: int) -> str:
            stop.request(signal.SIGTERM)
            return "running"

        launcher = PaperLauncher(bench.store, ends=ends)
        with pytest.raises(Interrupted):
            bench.sweep(launcher, stop=stop)
        assert launcher.stopped
        assert list(bench.models()["status"]) == ["KILLED", "KILLED"]
        (sweep,) = bench.store.runs("hit", kind=Kind.SWEEP)
        assert sweep.info.status == "KILLED"
        assert sweep.data.tags[Tag.NOTE].startswith("**stopped: stopped by signal 15**")
        again = bench.sweep(PaperLauncher(bench.store))
        assert dict(again.counts) == {"finished": 4}
        assert len(bench.models()) == 4, "interrupted runs went on under their ids"

    @pytest.mark.parametrize("method", ["submit", "stop"])
    def test_no_run_stays_running_where_its_launcher_fails(self, bench: Bench, method: str) -> None:
        def fail(*given: object) -> None:
            raise ConfigError("launcher 'mine' must answer without an error")

        launcher = PaperLauncher(bench.store)
        setattr(launcher, method, fail)
        with pytest.raises(ConfigError, match="launcher 'mine'"):
            bench.sweep(launcher, Budget(runs=1))
        assert "RUNNING" not in set(bench.models()["status"])
        (sweep,) = bench.store.runs("hit", kind=Kind.SWEEP)
        assert (sweep.info.status, sweep.data.tags[Tag.ENDED]) == ("FAILED", "failed")

    def test_runs_of_another_schema_are_not_misread(self, bench: Bench) -> None:
        active = bench.active_runs().begin(bench.proposal(), bench.store.history("hit"))
        bench.store.client.set_tag(active.training.run_id, Tag.SCHEMA, "0")
        launcher = PaperLauncher(bench.store)
        with pytest.raises(StoreError, match="of schema 0"):
            bench.sweep(launcher)
        assert (launcher.submitted, launcher.stopped) == ([], True)


def test_an_experiment_that_is_renamed_meanwhile_is_gone_on_with(bench: Bench) -> None:
    def ends(training: Training, time: int) -> str:
        if len(launcher.submitted) == 1:
            home = bench.store.experiment("hit")
            bench.store.client.rename_experiment(home.id, "renamed")
        return "finished"

    launcher = PaperLauncher(bench.store, workers=1, ends=ends)
    result = bench.sweep(launcher)
    assert sorted(bench.store.experiments()) == ["Default", "renamed"]
    assert len(launcher.submitted) == result.finished == 4, "no cell was trained again"
    assert set(bench.store.history("renamed", sweep=result.run_id)["status"]) == {"FINISHED"}
