"""What a sweep says of itself: its decisions, its note, its metrics and its lines."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from hit.processes.attempts import Outcome
from hit.schema import Kind, Tag
from hit.tracking import RunWriter
from sweeps.launchers import Training
from sweeps.scheduler.decision_log import Decisions
from sweeps.scheduler.progress import Best
from tests.paper_launcher import PaperLauncher
from tests.stores import new_database
from tests.sweeps.scheduler.test_loop import Bench

pytestmark = pytest.mark.usefixtures("lines")


@pytest.fixture(scope="module")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.db"
    new_database(path)
    return path


@pytest.fixture
def bench(tmp_path: Path, store_file: Path) -> Bench:
    shutil.copy(store_file, tmp_path)
    return Bench(tmp_path)


class TestTold:
    def test_decisions_stand_in_a_table(self, bench: Bench, tmp_path: Path) -> None:
        result = bench.sweep(PaperLauncher(bench.store, workers=3))
        table = json.loads(bench.store.download(result.run_id, "decisions.json", tmp_path).read_text())
        frame = pd.DataFrame(table["data"], columns=table["columns"])
        models = bench.models()
        assert list(frame)[:3] == ["proposed", "why", "run_id"], "what a reader asks first"
        assert list(frame["run_id"][:4]) == list(models["run_id"])
        assert list(frame["config_hash"][:4]) == list(models["config_hash"])
        assert list(frame["finished"]) == [0, 0, 0, 3, 4], "what it saw when it decided"
        assert frame["history"].nunique() == 3
        assert frame["why"].iloc[0] == "cell 1 of 4, coarse to fine"
        assert list(frame["proposed"])[-1] == ""
        tags = bench.store.run(result.run_id).data.tags
        assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "decisions.json", "type": "table"}]

    def test_the_note_says_what_it_is_and_how_it_stands(self, bench: Bench) -> None:
        run = bench.store.run(bench.sweep(PaperLauncher(bench.store)).run_id)
        note = run.data.tags[Tag.NOTE]
        came, asked, rest = note.split("\n\n")
        assert came.startswith("**ended: nothing is left to propose**: 4 of 4 finished, 0 running, 0 failed, best ELBO")
        page = f"(#/experiments/{run.info.experiment_id}/runs/"
        best = bench.models()["run_id"].iloc[0]
        assert came.endswith(
            f" -1 nats per image ([best run]{page}{best}?workflowType=machine_learning), "
            f"[decisions]{page}{run.info.run_id}/artifacts/decisions.json?workflowType=machine_learning))"
        ), "nothing is left to wait for"
        assert asked == "Asked for: `driver=grid`, `epochs=4`"
        assert rest == r"<sub>Left at its default: batch\_size=256</sub>"
        assert "seeds" not in note, "what is empty is left out"

    def test_its_metrics_say_how_it_ended(self, bench: Bench) -> None:
        """Also where several runs were started before the first of them ended."""
        launcher = PaperLauncher(bench.store, workers=4)
        outcomes = launcher.outcomes

        def one_at_a_time(timeout: float) -> Iterator[Outcome]:
            yield next(outcomes(timeout))

        launcher.outcomes = one_at_a_time  # type: ignore[method-assign]
        metrics = bench.store.run(bench.sweep(launcher).run_id).data.metrics
        assert (metrics["sweep/finished"], metrics["sweep/wanted"], metrics["sweep/running"]) == (4, 4, 0)

    def test_a_value_is_no_markup(self, bench: Bench) -> None:
        bench.definition = {"dataset": "my `own` [data](javascript:x)", "space": "channels=8|16"}
        run = bench.store.run(bench.sweep(PaperLauncher(bench.store)).run_id)
        asked = run.data.tags[Tag.NOTE].split("\n\n")[1]
        assert asked == "Asked for: `dataset=my 'own' [data](javascript:x)`, `space=channels=8|16`"

    def test_decisions_of_an_older_form_are_gone_on_with(self, tmp_path: Path) -> None:
        with RunWriter.begin(
            kind=Kind.SWEEP, name="", state_dir=tmp_path, uri=new_database(tmp_path / "store.db")
        ) as run:
            older = ["time", "history", "finished", "running", "failed", "proposed", "run_id", "config_hash", "why"]
            run.json_artifact("decisions.json", {"columns": older, "data": [["t", "h", 0, 1, 2, "β", "id", "c", "so"]]})
            frame = pd.DataFrame({"run_id": [], "status": []})
            Decisions(run).add(frame, [], "nothing to propose")
            table = json.loads((run.folder / "decisions.json").read_text())
        assert table["columns"][:3] == ["proposed", "why", "run_id"]
        assert table["data"][0] == ["β", "so", "id", 0, 1, 2, "t", "h", "c"]
        assert table["data"][1][:6] == ["", "nothing to propose", "", 0, 0, 0]

    def test_lines_without_a_terminal(
        self, bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sweeps.scheduler.progress.statistics.mean", lambda seconds: 12.0)
        bench.sweep(PaperLauncher(bench.store, workers=1))
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sweep: β")]
        assert len(lines) == 4
        assert lines[0].startswith("sweep: β=(0.1, 0.1) finished; 1 of 4 finished, 0 running, 0 failed, best ")
        assert lines[0].endswith("-1 nats per image, about 36 s left")
        assert "left" not in lines[3], "it is over"

    def test_a_run_that_the_store_holds_finished_is_not_running(
        self, bench: Bench, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its worker has logged the end and not told of it yet."""
        held: set[str] = set()

        def ends(training: Training, time: int) -> str:
            if len(launcher.submitted) == 2 and training is launcher.submitted[1] and training.run_id not in held:
                held.add(training.run_id)
                bench.store.client.set_terminated(training.run_id)
                return "running"
            return "finished"

        launcher = PaperLauncher(bench.store, workers=2, ends=ends)
        bench.sweep(launcher)
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sweep: β")]
        assert "2 of 4 finished, 0 running" in lines[0]

    def test_best(self, bench: Bench) -> None:
        frame = pd.DataFrame(
            {"run_id": ["a", "b", "c"], "status": ["FINISHED", "FINISHED", "KILLED"], "test/psnr": [1.0, 2.0, 3.0]}
        )
        assert Best.of(frame, "test/psnr") == Best("test/psnr", 2.0, "b", "images")
        assert Best.of(frame.assign(**{"test/rate": 1.0}), "test/rate") is None, "no end of a rate is better"
        assert Best.of(frame, "test/elbo") is None
