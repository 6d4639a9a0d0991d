"""The grid sweep: every cell once, whatever is killed in between; children nested under the sweep."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.errors import Claimed, Interrupted
from hit.schema import Kind, Tag
from hit.schema.endings import ending
from hit.store import Store
from hit.tracking import RunWriter
from hit.tracking.claims import assert_claim
from sweeps.drivers.grid import GridDriver
from tests.benchmarks.chaos import chaos
from tests.commands import PATIENCE_SECONDS, SMALL, Commands, alive, descendants, wait_until
from tests.stores import leaving, new_database

BASE = TrainConfig(channels=4, z_dims=(5,))


def history(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["config_hash", "status", "status_reason"])


class TestDriver:
    driver = GridDriver(BASE, BetaGrid(((0.1, 1.0), (0.5, 2.0))), seeds=(0, 1), data_digest="d")

    def identities(self, rows: list[tuple[str, str, str]], n: int = 100) -> list[str]:
        return [proposal.identity for proposal in self.driver.propose(history(rows), n)]

    def test_wants_every_cell_and_seed_once(self) -> None:
        proposals = self.driver.propose(history([]), 100)
        assert self.driver.wanted == len(proposals) == len({proposal.identity for proposal in proposals}) == 8
        assert Counter((p.config.betas, p.config.seed) for p in proposals).most_common(1)[0][1] == 1
        assert all(p.identity == p.config.identity("d") for p in proposals)

    def test_leaves_out_what_is_finished_running_or_hopeless(self) -> None:
        one, two, three, four, *rest = self.identities([])
        rows = [(one, "FINISHED", ""), (two, "RUNNING", ""), (three, "FAILED", "diverged: …"), (four, "KILLED", "")]
        assert self.identities(rows) == [four, *rest]
        assert self.driver.finished(history(rows)) == 1

    def test_other_peoples_runs_are_nothing_to_it(self) -> None:
        rows = [("something else", "FINISHED", "")]
        assert len(self.identities(rows)) == 8
        assert self.driver.finished(history(rows)) == 0

    def test_gives_as_many_as_asked_in_a_fixed_order(self) -> None:
        assert self.identities([], 3) == self.identities([])[:3]
        everything = [(identity, "FINISHED", "") for identity in self.identities([])]
        assert self.identities(everything) == []


GRID = ["sweeps", *SMALL, "--grid_1", "0.1,10", "--grid_2", "0.1,10"]
WORDS = [*GRID, "--epochs", "12", "--workers", "2"]
#: Where it matters nothing who trains: a pool imports everything again, in its own processes.
INLINE = [*GRID, "--launcher", "inline"]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


def test_a_sweep_survives_a_dead_worker_and_its_own_death(commands: Commands) -> None:
    sweep = commands.start(*WORDS)
    first = commands.wait_for_epoch(2, sweep)
    commands.state.joinpath("runs", first)
    pid = int(commands.client.get_run(first).data.tags[Tag.PROCESS].partition(":")[0])
    os.kill(pid, signal.SIGKILL)  # a worker dies: its run goes on from its checkpoint, in another worker
    wait_until(lambda: "ended" if commands.statuses().get(first) == "FINISHED" else "")

    below = descendants(sweep.pid)
    sweep.send_signal(signal.SIGKILL)  # now the sweep itself; its workers notice and end their runs
    sweep.wait()
    wait_until(lambda: "gone" if not any(map(alive, below)) else "")

    result = commands.run(*WORDS)
    assert result.returncode == 0, result.stderr
    assert "4 of 4 cells are finished" in result.stderr
    models = Store(commands.uri).history("hit")
    assert Counter(models["status"]) == {"FINISHED": 4}, "no cell was begun anew beside an interrupted run"
    assert models["config_hash"].nunique() == 4
    for run_id in models["run_id"]:
        steps = [metric.step for metric in commands.client.get_metric_history(run_id, "train/objective")]
        assert sorted(steps) == list(range(1, 13))

    again = commands.run(*WORDS)
    assert "0 runs were started now" in again.stderr
    assert len(Store(commands.uri).history("hit")) == 4
    sweeps = Store(commands.uri).history("hit", kind=Kind.SWEEP)
    assert set(models["parent"]) <= set(sweeps["run_id"]), "children are nested under a sweep"
    assert list(sweeps["status"]) == ["FAILED", "FINISHED", "FINISHED"], "the killed sweep does not stay RUNNING"
    assert sweeps["status_reason"].iloc[0].startswith("lost")


def test_two_sweeps_at_once_train_every_cell_once(commands: Commands) -> None:
    crowd = [commands.start(*INLINE, "--epochs", "3") for _ in range(2)]
    ended = [sweep.wait(PATIENCE_SECONDS) for sweep in crowd]
    assert ended == [0, 0], (commands.folder / "said.log").read_text()[-2000:]
    models = Store(commands.uri).history("hit")
    assert Counter(models["status"]) == {"FINISHED": 4}
    assert models["config_hash"].nunique() == 4
    said = (commands.folder / "said.log").read_text()
    assert said.count("4 of 4 cells are finished") == 2, "each waits for what the other one trains"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_sweeps_whose_workers_are_killed_train_every_model_once(commands: Commands) -> None:
    chaos(commands, proposals=8, workers=2, every=20.0, epochs=30)


class TestClaims:
    """Of the runs of one config that are alive, the one begun first may train it, whoever asks."""

    @pytest.fixture
    def begin(self, tmp_path: Path) -> Iterator[Callable[[], RunWriter]]:
        writers: list[RunWriter] = []

        def begin() -> RunWriter:
            writer = RunWriter.begin(
                kind=Kind.TRAIN,
                name="model",
                state_dir=tmp_path,
                uri=new_database(tmp_path / "store.db"),
                tags={Tag.CONFIG_HASH: "abc"},
            )
            writers.append(writer)
            return writer.__enter__()

        yield begin
        for writer in writers:
            writer.end(ending(Interrupted(15)))

    def test_the_first_has_it_until_it_ends(self, begin: Callable[[], RunWriter], tmp_path: Path) -> None:
        first = begin()
        time.sleep(0.01)
        second = begin()
        store = Store(f"sqlite:///{tmp_path}/store.db")
        assert_claim(store, "hit", "abc", first.run_id)
        with pytest.raises(Claimed, match=f"run {first.run_id} is training"):
            assert_claim(store, "hit", "abc", second.run_id)
        assert_claim(store, "hit", "another", second.run_id)
        first.end(ending(Interrupted(15)))
        assert_claim(store, "hit", "abc", second.run_id)
        second.end(ending(None))
        third = begin()
        with pytest.raises(Claimed, match=f"run {second.run_id} has trained"):
            assert_claim(store, "hit", "abc", third.run_id)

    def test_a_run_that_is_alone_has_it_unread(
        self, begin: Callable[[], RunWriter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run, store = begin(), Store(f"sqlite:///{tmp_path}/store.db")
        monkeypatch.setattr("mlflow.MlflowClient.search_runs", lambda *_, **__: pytest.fail("the runs are read"))
        assert_claim(store, "hit", "abc", run.run_id)

    def test_a_run_that_loses_is_taken_back(self, begin: Callable[[], RunWriter], tmp_path: Path) -> None:
        run = begin()
        with pytest.raises(Claimed), leaving(run):
            raise Claimed("another one")
        assert list(Store(f"sqlite:///{tmp_path}/store.db").runs("hit")) == []
        assert not run.folder.exists()


def test_sigterm_ends_the_children_cleanly(commands: Commands) -> None:
    sweep = commands.start(*WORDS, "--epochs", "3000")
    commands.wait_for_epoch(1, sweep)
    below = descendants(sweep.pid)
    sweep.send_signal(signal.SIGTERM)
    assert sweep.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
    wait_until(lambda: "gone" if not any(map(alive, below)) else "")
    assert set(commands.statuses().values()) == {"KILLED"}


def test_one_diverging_cell_does_not_stop_the_others(commands: Commands) -> None:
    result = commands.run(*INLINE, "--epochs", "2", "--grid_1", "1,1e38", "--grid_2", "1")
    assert result.returncode == 0, result.stderr
    assert "1 of 2 cells are finished" in result.stderr
    assert "diverged" in result.stderr
    assert Counter(Store(commands.uri).history("hit")["status"]) == {"FINISHED": 1, "FAILED": 1}
