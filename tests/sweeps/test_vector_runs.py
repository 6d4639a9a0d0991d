"""Vectors through the life of a model: trained, evaluated, swept, reported, registered and loaded; a surface."""

import json
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from sklearn.datasets import load_wine

from analysis.__main__ import main as report
from analysis.recommendation.recommender import recommend
from hit.errors import ConfigError, DataError, StoreError
from hit.evaluate import main as evaluate
from hit.processes.stop import StopRequest
from hit.schema import Tag
from hit.store import Store
from hit.surface import main as surface
from hit.train import main as train
from sweeps.__main__ import main as sweep
from tests.stores import new_database

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")

MODEL = [
    "--likelihood",
    "gaussian",
    "--sigma",
    "0.5",
    "--channels",
    "4",
    "--z_dims",
    "3",
    "--batch_size",
    "32",
    "--learning_rate",
    "1e-2",
]


@dataclass
class Place:
    """A store, a table and what is trained on it."""

    folder: Path
    uri: str

    @property
    def store(self) -> Store:
        return Store(self.uri)

    @property
    def options(self) -> list[str]:
        home = ["--state_dir", str(self.folder / "state"), "--threads", "1"]
        return ["--dataset", str(self.folder / "wine.csv"), "--label", "kind", *home]

    def runs(self) -> list[Run]:
        return list(self.store.runs("hit", where="tags.`hit.kind` = 'train'"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Wine's 13 features; one run that measured the core alone, then all by `evaluate`, and a sweep of three."""
    folder = tmp_path_factory.mktemp("vectors")
    names = {"target": "kind", "od280/od315_of_diluted_wines": "od280, diluted"}
    load_wine(as_frame=True).frame.rename(columns=names).to_csv(folder / "wine.csv", index=False)
    place = Place(folder, new_database(folder / "store.db"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", place.uri)
        patch.chdir(folder)
        train([*place.options, *MODEL, "--epochs", "12", "--metrics", "core"], StopRequest())
        evaluate(["--state_dir", str(folder / "state"), "--threads", "1"], StopRequest())
        grid = ["--grid_1", "0.3,1,3", "--grid_2", "1", "--workers", "1"]
        sweep([*place.options, *MODEL, "--epochs", "12", "--metrics", "core,latents", *grid], StopRequest())
    return place


@pytest.fixture
def environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.uri)
    monkeypatch.chdir(place.folder)


def test_runs_hold_errors_by_feature_in_place_of_what_images_have(place: Place) -> None:
    runs = place.runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 3, "the sweep found the first run"
    for run in runs:
        metrics = run.data.metrics
        assert metrics["test/reconstruction_r2"] < 1
        assert (metrics["test/reconstruction_r2"] > 0.2) == (metrics["beta_1"] <= 1), "at 3, nothing is worth its rate"
        assert metrics["test/reconstruction_mse"] > 0
        assert metrics["test/reconstruction_mse_standard_error"] > 0
        assert metrics["dim_z1"] == 13
        assert "test/psnr" not in metrics
        assert "test/accuracy_svm_rbf_z2_sampled" in metrics
        assert metrics["test/rate"] == pytest.approx(metrics["test/rate_1"] + metrics["test/rate_2"])
        assert "the data are vectors" in run.data.tags[f"{Tag.SKIPPED}.pictures"]
    assert sum(f"{Tag.SKIPPED}.generation" in run.data.tags for run in runs) == 1, "where it was asked for"


def test_the_distortion_of_raw_features_is_told(place: Place) -> None:
    expected = np.log(pd.read_csv(place.folder / "wine.csv").drop(columns="kind").std()).sum()
    assert place.runs()[0].data.metrics["test/log_jacobian"] == pytest.approx(expected, abs=1)


def test_features_have_a_table_and_a_picture(place: Place) -> None:
    run = place.runs()[0]
    table = pd.read_csv(place.store.download(run.info.run_id, "features/reconstruction.csv", place.folder))
    assert list(table.columns) == ["feature", "location", "scale", "mse", "r2"]
    assert len(table) == 13
    assert "od280, diluted" in set(table["feature"])
    assert table["mse"].mean() == pytest.approx(run.data.metrics["test/reconstruction_mse"], rel=1e-3)
    picture = place.store.download(run.info.run_id, "features/reconstruction.png", place.folder)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_recommendations_rest_on_them(place: Place) -> None:
    frame = place.store.history("hit")
    assert recommend(frame, "reconstruction").metric.name == "test/reconstruction_r2"
    compression = recommend(frame, "compression")
    (bound,) = compression.application.constraints
    least = min(run.data.metrics["test/reconstruction_mse"] for run in place.runs())
    assert (bound.name, bound.upper, bound.bound) == ("test/reconstruction_mse", True, pytest.approx(2 * least))
    with pytest.raises(StoreError, match=r"no run can have sample/inception_score .* the data are vectors"):
        recommend(frame, "generation")


@pytest.mark.usefixtures("environment")
def test_they_are_reported_registered_and_served_in_raw_units(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    register = ["--application", "reconstruction,density", "--register", "true"]
    report([*register, "--output", str(place.folder / "report.html"), *place.options[4:6]], StopRequest())
    said = capsys.readouterr().out
    (uri,) = [line.split()[1] for line in said.splitlines() if "@reconstruction" in line]
    page = (place.folder / "report.html").read_text()
    assert "test/reconstruction_r2" in page
    assert "nats per vector" in page
    assert "nats per vector" in said
    assert "image" not in said
    assert "per image" not in page
    described = place.store.client.get_model_version_by_alias(uri.split("/")[1].split("@")[0], "reconstruction")
    assert "nats per vector" in described.description
    model = mlflow.pyfunc.load_model(uri, suppress_warnings=True)
    table = pd.read_csv(place.folder / "wine.csv")
    back = model.predict(table, params={"mode": "reconstruct"})["vectors"]
    raw = table.drop(columns="kind").to_numpy()
    assert ((back - raw).std(0) < raw.std(0)).mean() > 0.9


@pytest.mark.usefixtures("environment")
def test_rate_targets_move_beta(place: Place) -> None:
    words = [*place.options, *MODEL, "--epochs", "60", "--metrics", "core", "--target_rate_1", "6", "--seed", "3"]
    train(words, StopRequest())
    (run,) = [run for run in place.runs() if run.data.params.get("target_rate_1")]
    assert abs(run.data.metrics["test/rate_error_1"]) < 0.25
    assert run.data.metrics["beta_1"] != 1
    place.store.client.delete_run(run.info.run_id)


@pytest.mark.usefixtures("environment")
def test_a_surface_has_cells(place: Place) -> None:
    grid = ["--grid_1", "0.5,2", "--grid_2", "1", "--workers", "1", "--experiment", "surface"]
    surface([*place.options, *MODEL, "--epochs", "6", "--metrics", "core", *grid], StopRequest())
    cells = list(place.store.runs("surface", where="tags.`hit.kind` = 'train'"))
    assert len(cells) == 2
    assert all("test/reconstruction_r2" in cell.data.metrics for cell in cells)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--likelihood", "bernoulli"], "likelihood must be gaussian or gaussian_learned where features are not all 0"),
        (["--likelihood", "mol"], "likelihood must be gaussian, gaussian_learned or bernoulli for vectors"),
        (["--latent", "conv"], "latent must be dense for vectors"),
        (["--metrics", "core,generation"], "metrics must not name generation here: dataset"),
        (["--label", "color"], "label must name a column of the file, or be none, got 'color'"),
    ],
)
def test_what_does_not_fit_is_one_line_and_no_run(place: Place, options: list[str], message: str) -> None:
    before = len(place.runs())
    for main in (train, sweep, surface):
        with pytest.raises((ConfigError, DataError), match=message):
            main([*place.options, *MODEL, *options], StopRequest())
    assert len(place.runs()) == before


@pytest.mark.usefixtures("environment")
def test_the_run_says_what_its_features_are(place: Place) -> None:
    run = place.store.run(place.runs()[0].info.run_id)
    profile = json.loads(run.inputs.dataset_inputs[0].dataset.profile)
    assert profile["shape"] == [13]
    assert len(profile["features"]) == 13


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--driver", "bayes", "--objectives", "test/psnr"],
            "objectives must name .* test/reconstruction_r2 takes its",
        ),
        (["--driver", "bayes", "--constraints", "test/psnr>=20"], "constraints must name metrics that dataset"),
        (["--application", "generation"], "application must name .* got sample/inception_score, which takes images"),
    ],
)
def test_a_search_for_what_images_have_is_refused(place: Place, options: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sweep([*place.options, *MODEL, *options, "--budget", "4"], StopRequest())


@pytest.mark.usefixtures("environment")
def test_a_search_finds_the_runs_that_come_back_best(place: Place) -> None:
    search = ["--driver", "bayes", "--objectives", "test/reconstruction_r2,test/rate=min", "--budget", "2"]
    home = ["--metrics", "core", "--epochs", "3", "--workers", "1", "--experiment", "search", "--further_seeds", "0"]
    sweep([*place.options, *MODEL, *search, *home], StopRequest())
    found = list(place.store.runs("search", where="tags.`hit.kind` = 'train'"))
    assert [run.info.status for run in found] == ["FINISHED"] * 2
