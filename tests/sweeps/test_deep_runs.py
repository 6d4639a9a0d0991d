"""A deep model through its life: swept by several drivers, with targets, as a surface, reported, registered, served."""

from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from sklearn.datasets import load_digits

from analysis.__main__ import main as report
from hit.processes.stop import StopRequest
from hit.schema import Kind, Tag
from hit.store import Store
from hit.surface import main as surface
from hit.train import main as train
from sweeps.__main__ import main as sweep
from tests.stores import new_database

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")

IMAGES = (64, 32)


@dataclass
class Place:
    """A store, a few digits of 8 × 8 pixels, and what is trained on them."""

    folder: Path
    uri: str

    def options(self, **own: str) -> list[str]:
        """Of a command that trains the smallest deep model on them."""
        model = {"model": "deep", "model.latents": "1x1x2,2x2x2,4x4x1", "channels": "2", "batch_size": "32"}
        machine = {"state_dir": str(self.folder / "state"), "threads": "1"}
        common = {"dataset": str(self.folder / "small.npz"), "epochs": "1", "metrics": "core"} | model | machine
        return [word for name, value in (common | own).items() for word in (f"--{name}", value)]

    def runs(self, kind: Kind = Kind.TRAIN) -> list[Run]:
        return list(Store(self.uri).runs("hit", kind=kind))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Sweeps by two drivers, and a run with targets."""
    folder = tmp_path_factory.mktemp("deep")
    place = Place(folder, new_database(folder / "store.db"))
    digits = load_digits()
    images = np.round(digits.images * 255 / 16).astype(np.uint8)
    train_count, test_count = IMAGES
    both = slice(0, train_count), slice(train_count, train_count + test_count)
    parts = {"x_train": images[both[0]], "x_test": images[both[1]]}
    np.savez(folder / "small.npz", **parts, y_train=digits.target[both[0]], y_test=digits.target[both[1]])
    inline = {"launcher": "inline", "workers": "1", "further_seeds": "0"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", place.uri)
        patch.chdir(folder)
        sweep(place.options(**inline, **{"grid_1": "1", "grid_2-3": "0.3,1"}), StopRequest())
        asked = inline | {"driver": "coverage", "region": "rate_1=0.1:9,rate_2=0.1:9,rate_3=0.1:9", "budget": "1"}
        sweep(place.options(**asked, over="betas", **{"grid_1": "0.1:1:3", "grid_2-3": "0.1:1:3"}), StopRequest())
        train(place.options(target_rate_1="4", **{"target_rate_2-3": "2"}), StopRequest())
    return place


@pytest.fixture
def environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.uri)
    monkeypatch.chdir(place.folder)


def test_a_sweep_moves_the_betas_of_a_group_together(place: Place) -> None:
    runs = place.runs()
    assert {run.info.status for run in runs} == {"FINISHED"}
    grid, coverage = runs[:2], runs[2]
    betas = [tuple(run.data.metrics[f"beta_{layer}"] for layer in (1, 2, 3)) for run in runs]
    assert sorted(betas[:2]) == [(1, 0.3, 0.3), (1, 1, 1)]
    assert betas[2][1] == betas[2][2]
    assert min(betas[2]) >= 0.1
    assert len({run.data.tags[Tag.CONFIG_HASH] for run in [*grid, coverage]}) == 3


def test_a_run_says_how_near_the_sum_of_a_group_came(place: Place) -> None:
    (run,) = [run for run in place.runs() if "target_rate_2-3" in run.data.params]
    metrics = run.data.metrics
    assert metrics["test/rate_error_2-3"] == pytest.approx((metrics["test/rate_2"] + metrics["test/rate_3"]) / 2 - 1)


@pytest.mark.usefixtures("environment")
def test_a_surface_is_read_off_at_cells_of_a_group_and_has_a_certificate(place: Place) -> None:
    asked = {"grid_1": "1", "grid_2-3": "0.5,1", "certificate": "1:1:1", "workers": "1"}
    surface(place.options(**asked), StopRequest())
    cells = [run for run in place.runs() if Tag.AMORTISED in run.data.tags]
    betas = {tuple(run.data.metrics[f"beta_{layer}"] for layer in (1, 2, 3)) for run in cells}
    assert betas == {(1, 0.5, 0.5), (1, 1, 1)}
    (whole,) = place.runs(Kind.SURFACE)
    assert whole.info.status == "FINISHED"
    assert "certificate/objective_gap" in whole.data.metrics


@pytest.mark.usefixtures("environment")
def test_it_is_reported_registered_and_served(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--application", "density", "--register", "true", "--output", str(place.folder / "report.html")]
    report(asked, StopRequest())
    uris = [line.split()[1] for line in capsys.readouterr().out.splitlines() if "@density" in line]
    assert uris
    page = (place.folder / "report.html").read_text()
    assert "latent dense" not in page, "which a deep model does not read"
    assert "R_2-3=2" in page, "the name of the run that was asked for the rate of a group"
    served = mlflow.pyfunc.load_model(uris[0], suppress_warnings=True)
    image = np.load(place.folder / "small.npz")["x_test"][:2]
    assert len(served.predict(image, params={"mode": "reconstruct"})["images"]) == 2
