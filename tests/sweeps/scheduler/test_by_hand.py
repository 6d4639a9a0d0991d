"""What people do in the UI while a sweep works: they delete, rename, restore, and edit tags, notes and params."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hit.errors import RunDeleted, StoreError
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome
from hit.schema import Tag
from sweeps.launchers import Training
from tests.paper_launcher import PaperLauncher
from tests.stores import new_database
from tests.sweeps.scheduler.test_loop import Bench

pytestmark = pytest.mark.usefixtures("lines")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    new_database(tmp_path / "store.db")
    monkeypatch.setattr("hit.delivery.delivery._SECONDS_BETWEEN_BATCHES", 0.01)
    monkeypatch.setattr("hit.delivery.delivery.HEARTBEAT_SECONDS", 1.05)
    monkeypatch.setattr("sweeps.scheduler.note._SECONDS_BETWEEN_NOTES", 0.0)
    return Bench(tmp_path)


def once(bench: Bench, deed: Callable[[Training], None], state: str) -> PaperLauncher:
    """A launcher whose first run ends so after the deed."""
    done: list[str] = []

    def ends(training: Training, time: int) -> str:
        if not done:
            done.append(training.identity)
            deed(training)
            return state
        return "finished"

    return PaperLauncher(bench.store, ends=ends)


class TestDeletedRun:
    @pytest.mark.parametrize("state", ["gone", "failed", "lost", "interrupted", "claimed", "diverged"])
    def test_its_sweep_goes_on_without_it(self, bench: Bench, capsys: pytest.CaptureFixture[str], state: str) -> None:
        launcher = once(bench, lambda training: bench.store.client.delete_run(training.run_id), state)
        result = bench.sweep(launcher)
        assert result.finished >= 3
        assert "RUNNING" not in set(bench.models()["status"])
        if state == "gone":
            assert (len(launcher.submitted), result.finished) == (4, 3), "it is not trained again"
            assert capsys.readouterr().err.count("it is not trained again by this command") == 1
            assert not result.faults, "nothing failed"

    def test_after_it_has_finished(self, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
        deleted: list[str] = []

        def ends(training: Training, time: int) -> str:
            if len(launcher.submitted) == 3 and not deleted:
                deleted.append(launcher.submitted[0].run_id)
                bench.store.client.delete_run(deleted[0])
            return "finished"

        launcher = PaperLauncher(bench.store, workers=1, ends=ends)
        result = bench.sweep(launcher)
        assert (len(launcher.submitted), result.finished) == (4, 3)
        assert "is in the store no more" in capsys.readouterr().err

    def test_the_next_sweep_trains_it(self, bench: Bench) -> None:
        bench.sweep(once(bench, lambda training: bench.store.client.delete_run(training.run_id), "gone"))
        assert bench.sweep(PaperLauncher(bench.store)).finished == 4

    def test_before_it_is_gone_on_with(self, bench: Bench) -> None:
        history = bench.models()
        active = bench.active_runs().begin(proposal := bench.proposal(), history)
        bench.checkpoint(active.training.run_id)
        bench.store.client.set_terminated(active.training.run_id, status="KILLED")
        stale = bench.models()
        bench.store.client.delete_run(active.training.run_id)
        again = bench.active_runs().begin(proposal, stale)
        assert again.training.run_id != active.training.run_id

    def test_one_that_another_process_took_over_is_not_taken_back(self, bench: Bench) -> None:
        active_runs = bench.active_runs()
        active = active_runs.begin(bench.proposal(), bench.models())
        run_id = active.training.run_id
        bench.store.client.set_tag(run_id, Tag.PROCESS, "4711:99")
        active_runs.update(Outcome(active.training.job(), RunOutcome.CLAIMED, "another process goes on with it"))
        run = bench.store.client.get_run(run_id)
        assert (run.info.status, run.info.lifecycle_stage) == ("RUNNING", "active")


class TestTheSweepItself:
    def test_its_own_run_deleted(self, bench: Bench) -> None:
        def deletes(training: Training) -> None:
            (sweep,) = bench.store.runs("hit", kind=None, where=f"tags.`{Tag.KIND}` = 'sweep'")
            bench.store.client.delete_run(sweep.info.run_id)

        launcher = once(bench, deletes, "running")
        launcher._ends = lambda training, time, ends=launcher._ends: ends(training, time).replace("finished", "running")
        with pytest.raises(RunDeleted, match="was deleted"):
            bench.sweep(launcher)
        assert launcher.stopped
        assert set(bench.models()["status"]) == {"KILLED"}

    def test_its_experiment_deleted(self, bench: Bench) -> None:
        def deletes(training: Training) -> None:
            bench.store.client.delete_experiment(bench.store.client.get_run(training.run_id).info.experiment_id)

        launcher = once(bench, deletes, "gone")
        launcher._ends = lambda training, time, ends=launcher._ends: ends(training, time).replace("finished", "running")
        with pytest.raises(StoreError, match="deleted"):
            bench.sweep(launcher)
        assert launcher.stopped


ODD = {
    "mlflow.runName": "my favourite",
    Tag.NOTE: "looks odd",
    Tag.PARENT: "nonsense",
    Tag.USER: "somebody",
    "mine": "x",
    Tag.GROUP: "",
    Tag.HEARTBEAT: "soon",
    Tag.PROCESS: "x:y",
    Tag.HOST: "x",
    Tag.STATUS_REASON: "I stopped it",
    Tag.INFEASIBLE: "{",
}


class TestEdited:
    """Nothing crashes, every cell is trained once, and what a person wrote stays."""

    @pytest.mark.parametrize("edits", [ODD, {Tag.KIND: "x"}, {Tag.SWEEP: "x"}, {Tag.CONFIG_HASH: "x"}], ids=str)
    @pytest.mark.parametrize("when", ["while it trains", "once it has finished"])
    def test_tags(self, bench: Bench, edits: dict[str, str], when: str) -> None:
        edited: list[str] = []

        def ends(training: Training, time: int) -> str:
            if not edited and (when == "while it trains" or len(launcher.submitted) > 2):
                edited.append(launcher.submitted[0].run_id)
                for key, value in edits.items():
                    bench.store.client.set_tag(edited[0], key, value)
            return "finished"

        launcher = PaperLauncher(bench.store, workers=1, ends=ends)
        bench.sweep(launcher)
        assert len({training.identity for training in launcher.submitted}) == len(launcher.submitted) == 4
        run = bench.store.client.get_run(edited[0])
        assert run.info.status == "FINISHED"
        assert {key: run.data.tags.get(key) for key in edits} == edits

    def test_params(self, bench: Bench) -> None:
        def adds(training: Training) -> None:
            for key in ("x", "beta_9", "target_rate_1"):
                bench.store.client.log_param(training.run_id, key, "huh")
            bench.store.client.log_metric(training.run_id, "test/elbo", -1.0)
            bench.store.client.set_terminated(training.run_id)

        assert bench.sweep(once(bench, adds, "finished")).finished == len(bench.models()) == 4

    def test_the_note_of_the_sweep(self, bench: Bench) -> None:
        def writes(training: Training) -> None:
            (sweep,) = bench.store.runs("hit", kind=None, where=f"tags.`{Tag.KIND}` = 'sweep'")
            bench.store.client.set_tag(sweep.info.run_id, Tag.NOTE, "for the paper")

        result = bench.sweep(once(bench, writes, "finished"))
        assert bench.store.client.get_run(result.run_id).data.tags[Tag.NOTE] == "for the paper"
