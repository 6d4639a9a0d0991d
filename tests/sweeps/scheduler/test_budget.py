"""A budget is that of a sweep's definition, whoever starts it, and however often."""

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from hit.processes.stop import StopRequest
from hit.schema import Kind, Tag
from hit.tracking import RunWriter
from hit.tracking.reservation import reserve_run
from sweeps.__main__ import parser
from sweeps.drivers.build import build_driver
from sweeps.drivers.driver import Proposal
from sweeps.launchers import Training
from sweeps.scheduler.budget import Budget
from sweeps.scheduler.context import SweepResult, SweepSetting
from sweeps.scheduler.loop import run_sweep
from sweeps.spec.definition import definition_hash
from sweeps.spec.request import SweepRequest
from tests.paper_launcher import PaperLauncher
from tests.stores import new_database
from tests.sweeps.scheduler.test_loop import DIGEST, Bench

pytestmark = pytest.mark.usefixtures("lines")

SMALL = ["--channels", "4", "--z_dims", "5", "--metrics", "core", "--epochs", "4"]


class Starts(Bench):
    """Starts of sweeps that have a definition."""

    mark = "a definition"

    def sweep(
        self, launcher: PaperLauncher, budget: Budget | None = None, stop: StopRequest | None = None
    ) -> SweepResult:
        setting = SweepSetting("hit", self.folder, DIGEST, budget or Budget(), definition=self.mark, uri=self.uri)
        with RunWriter.begin(
            kind=Kind.SWEEP,
            name="sweep",
            state_dir=self.folder,
            uri=self.uri,
            tags={Tag.DEFINITION: self.mark},
        ) as run:
            return run_sweep(self.driver, run, launcher, setting, stop or StopRequest())

    def start(self, budget: int, ends: str = "finished") -> tuple[int, str]:
        """How many runs a start with this budget launches, and why it ends."""
        launcher = PaperLauncher(self.store, ends=lambda training, time: ends)
        ended = self.sweep(launcher, Budget(runs=budget)).ended
        return len(launcher.submitted), ended


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.db"
    new_database(path)
    return path


@pytest.fixture
def starts(tmp_path: Path, empty: Path) -> Starts:
    shutil.copy(empty, tmp_path)
    return Starts(tmp_path)


def asked(*words: str) -> SweepRequest:
    return SweepRequest.parse(parser().parse([*SMALL, *words]))


class TestStartedAgain:
    def test_it_spends_its_budget_once(self, starts: Starts) -> None:
        assert starts.start(3) == (3, "the budget of 3 runs is spent")
        assert starts.start(3) == (0, "the budget of 3 runs is spent, 3 of them by other starts of this sweep")
        assert starts.start(2)[0] == 0
        assert starts.start(4) == (1, "the budget of 4 runs is spent, 3 of them by other starts of this sweep")

    def test_no_bound_is_none(self, starts: Starts) -> None:
        starts.start(1)
        assert starts.start(0) == (3, "nothing is left to propose")

    def test_another_sweep_has_its_own(self, starts: Starts) -> None:
        starts.start(2)
        starts.mark = "another one"
        assert starts.start(1) == (1, "the budget of 1 runs is spent")

    def test_a_bayes_sweep_too(self, starts: Starts) -> None:
        request = asked("--driver", "bayes", "--sampler", "qmc")
        starts.driver = build_driver(request.choice, DIGEST)  # type: ignore[assignment]
        assert starts.start(4)[0] == 4
        assert starts.start(4) == (0, "the budget of 4 runs is spent, 4 of them by other starts of this sweep")

    @pytest.mark.parametrize("state", ["failed", "diverged", "ended early"])
    def test_what_ended_badly_counts(self, starts: Starts, state: str) -> None:
        reason = {"failed": "it broke", "diverged": "diverged: at once", "ended early": "pruned: worse than others"}
        assert starts.start(2, state)[0] == 2
        for run in starts.store.runs("hit"):
            starts.store.client.set_tag(run.info.run_id, Tag.STATUS_REASON, reason[state])
        again, _ = starts.start(3)
        assert again == (3 if state == "failed" else 1), "what failed is tried again, under its id, and counts once"
        assert len(starts.models()) == 3

    def test_what_was_deleted_does_not(self, starts: Starts) -> None:
        starts.start(2)
        starts.store.client.delete_run(starts.models()["run_id"].iloc[0])
        assert starts.start(2)[0] == 1

    def test_it_says_what_was_run_before(self, starts: Starts, capsys: pytest.CaptureFixture[str]) -> None:
        starts.start(2)
        assert "were run before" not in capsys.readouterr().err
        starts.start(3)
        assert "sweep: 2 of its budget of 3 runs were run before" in capsys.readouterr().err


class TestKilled:
    def test_what_was_interrupted_goes_on_within_the_budget(self, starts: Starts) -> None:
        stop = StopRequest()

        def ends(training: Training, time: int) -> str:
            starts.checkpoint(training.run_id)
            if len(launcher.submitted) < 3:
                return "finished" if training is launcher.submitted[0] else "running"
            stop.request(signal.SIGTERM)
            return "running"

        launcher = PaperLauncher(starts.store, ends=ends)
        with pytest.raises(BaseException, match="stopped by signal 15"):
            starts.sweep(launcher, Budget(runs=3), stop)
        assert sorted(starts.models()["status"]) == ["FINISHED", "KILLED", "KILLED"]
        assert starts.start(3)[0] == 2
        assert list(starts.models()["status"]) == ["FINISHED"] * 3, "and no other model was begun"


class TestAtOnce:
    """Two starts of one sweep."""

    def others(self, starts: Starts, count: int) -> list[str]:
        """Runs of another start that is at work."""
        client = starts.store.client
        (experiment,) = [one for one in client.search_experiments() if one.name == "hit"]
        tags = {str(Tag.KIND): "sweep", str(Tag.DEFINITION): starts.mark}
        sweep = client.create_run(experiment.experiment_id, tags=tags).info.run_id
        return [
            reserve_run(starts.store, "hit", "", {}, {Tag.CONFIG_HASH: f"theirs {place}", Tag.SWEEP: sweep})
            for place in range(count)
        ]

    def test_runs_begun_at_the_same_moment_are_taken_back(
        self, starts: Starts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        theirs: list[str] = []
        propose = starts.driver.propose

        def after_them(history: pd.DataFrame, n: int) -> Sequence[Proposal]:
            if not theirs:
                theirs.extend(self.others(starts, 3))
            return propose(history, n)

        def they_end(seconds: float) -> None:
            for run_id in theirs:
                starts.store.client.set_terminated(run_id)

        monkeypatch.setattr(starts.driver, "propose", after_them)
        monkeypatch.setattr("sweeps.scheduler.loop.time.sleep", they_end)
        assert starts.start(4) == (1, "the budget of 4 runs is spent, 3 of them by other starts of this sweep")
        assert len(starts.models()) == 4
        assert "another start of this sweep has spent the budget" in capsys.readouterr().err

    def test_runs_elsewhere_that_are_lost_leave_their_share(
        self, starts: Starts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        starts.start(1)
        theirs = self.others(starts, 2)

        def they_are_lost(seconds: float) -> None:
            for run_id in theirs:
                starts.store.client.set_tag(run_id, Tag.STATUS_REASON, "lost: its process is gone")
                starts.store.client.set_terminated(run_id, status="FAILED")

        monkeypatch.setattr("sweeps.scheduler.loop.time.sleep", they_are_lost)
        assert starts.start(3)[0] == 2
        assert "waiting for 2 runs of other processes" in capsys.readouterr().err


def test_the_total_of_a_sweeps_line_heeds_the_budget(starts: Starts, capsys: pytest.CaptureFixture[str]) -> None:
    starts.sweep(PaperLauncher(starts.store, workers=1), Budget(runs=3))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sweep: β")]
    assert [line.partition("finished; ")[2].partition(",")[0] for line in lines] == [
        "1 of 3 finished",
        "2 of 3 finished",
        "3 of 3 finished",
    ]


class TestDefinition:
    WORDS = ("--driver", "bayes", "--objectives", "test/psnr,test/rate=min", "--grid_1", "0.1:10:4")

    def of(self, *words: str, rules: str = "", data: str = DIGEST) -> str:
        return definition_hash(asked(*words).choice, rules, data)

    @pytest.mark.parametrize(
        "words",
        [
            ("--budget", "7"),
            ("--hours", "1"),
            ("--patience", "3"),
            ("--workers", "2"),
            ("--launcher", "inline"),
            ("--experiment", "mine"),
            ("--metrics", "core,latents"),
            ("--device", "cpu"),
            ("--objectives", "test/rate=min, test/psnr"),
            ("--hole", "0.1"),  # of another driver
        ],
    )
    def test_how_much_and_where_is_no_part_of_it(self, words: tuple[str, ...]) -> None:
        assert self.of(*self.WORDS, *words) == self.of(*self.WORDS)

    @pytest.mark.parametrize(
        "words",
        [
            ("--objectives", "test/psnr"),
            ("--constraints", "test/psnr>=18"),
            ("--sampler", "tpe"),
            ("--space", "learning_rate=1e-4:1e-2"),
            ("--grid_1", "0.1:9:4"),
            ("--region", "rate=:50"),
            ("--over", "rates", "--region", "rate=:50", "--grid_1", "1"),
            ("--epochs", "5"),
            ("--seeds", "1"),
            ("--driver", "grid"),
        ],
    )
    def test_what_decides_the_models_is(self, words: tuple[str, ...]) -> None:
        assert self.of(*self.WORDS, *words) != self.of(*self.WORDS)

    def test_so_are_data_and_rules(self) -> None:
        assert len({self.of(*self.WORDS), self.of(*self.WORDS, rules="median"), self.of(*self.WORDS, data="x")}) == 3
