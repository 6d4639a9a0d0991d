"""The demo: what scores its samples is trained on the way, once, and it ends with a report."""

from dataclasses import replace
from pathlib import Path

import pytest

from hit.classifiers import training
from hit.evaluation import samples
from hit.processes.stop import StopRequest
from hit.schema import Kind
from hit.store import Store
from sweeps import main
from sweeps.spec.request import SweepRequest
from tests.commands import SMALL
from tests.stores import new_database

TINY = [*SMALL, "--metrics", "core,generation", "--epochs", "1", "--threads", "1", "--launcher", "inline"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_database(tmp_path / "store.db"))
    monkeypatch.setenv("HIT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "_USUAL_STEPS", 48)
    monkeypatch.setattr(training, "_USUAL_EPOCHS", {"cnn": 1})
    monkeypatch.setattr(samples, "GENERATION", replace(samples.GENERATION, samples=50))
    return Store()


def test_it_trains_the_classifier_that_its_samples_need_once(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    main.main([*TINY, "--budget", "1"], StopRequest())
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"report: {tmp_path}/report.html"
    assert "training the classifier that scores samples" in said.err
    assert store.history("hit")["sample/inception_score"].notna().tolist() == [True]
    main.train_classifier(SweepRequest.parse(main.parser().parse(TINY)), StopRequest())
    assert capsys.readouterr().err == "", "there is one"
    assert len(list(store.runs("hit", kind=Kind.CLASSIFIER))) == 1


def test_its_grid_has_models_of_equal_betas_and_layers_that_a_model_has_not_have_no_axis() -> None:
    request = SweepRequest.parse(main.parser().parse([]), main.GRID)
    cells = list(request.grid.product())
    assert len(cells) == 16
    assert sum(beta_1 == beta_2 for beta_1, beta_2 in cells) == 3
    alone = SweepRequest.parse(main.parser().parse(["--model", "vae"]), main.GRID)
    assert alone.axes["grid_2"] == ""
    typed = SweepRequest.parse(main.parser().parse(["--grid_1", "1,2"]), main.GRID)
    assert (typed.axes["grid_1"], typed.axes["grid_2"]) == ("1,2", main.GRID["grid_2"])
