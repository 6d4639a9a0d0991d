"""Models of data without labels, and with continuous ones, through their whole life in the store."""

import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis import figures
from analysis.frame import label_kind, require
from analysis.recommendation.recommender import recommend
from analysis.register import register_all
from analysis.report import build
from hit.config import TrainConfig
from hit.data import load
from hit.errors import ConfigError, NoScorer, StoreError
from hit.evaluation.data_needs import check_groups, check_metrics, left_out
from hit.processes.stop import StopRequest
from hit.runs.evaluation_run import candidates, evaluate_run
from hit.runs.stored_scorer import find_scorer
from hit.runs.training_run import train_run
from hit.schema import LabelKind, Tag
from hit.schema.metric_groups import parse_groups
from hit.store import Store
from tests.commands import Commands

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
    pytest.mark.usefixtures("lines"),
]
POINTS = 400


def pictures() -> tuple[Any, Any]:
    """A blob somewhere, uint8; and how far right it is, with noise: at best R² = 0.8."""
    random = np.random.default_rng(0)
    right, down = random.normal(size=(2, POINTS))
    steps = np.arange(28) - 14
    across = (steps[None, None, :] - 2.5 * right[:, None, None]) ** 2
    up = (steps[None, :, None] - 2.5 * down[:, None, None]) ** 2
    return (255 * np.exp(-(across + up) / 18)).astype(np.uint8), 3 + 2 * right + random.normal(size=POINTS)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """A store, and three data sets beside it."""
    folder = tmp_path_factory.mktemp("labels")
    images, labels = pictures()
    np.savez(folder / "numbers.npz", images=images, labels=labels)
    np.savez(folder / "bare.npz", images=images)
    (folder / "photos").mkdir()
    for at, image in enumerate(images[:80]):
        Image.fromarray(image).save(folder / "photos" / f"{at:03}.png")
    return Commands(folder)


def small(commands: Commands, dataset: str, **fields: Any) -> TrainConfig:
    common = {"channels": 4, "z_dims": (5,), "epochs": 1, "batch_size": 32, "threads": 1, "learning_rate": 5e-3}
    return TrainConfig(**{**common, **fields}, dataset=str(commands.folder / dataset), state_dir=str(commands.state))


@pytest.fixture(scope="module")
def bare(commands: Commands) -> tuple[pd.DataFrame, str]:
    """The runs of a sweep over a folder of images without labels, and what it said."""
    options = ["--channels", "4", "--z_dims", "5", "--epochs", "1", "--batch_size", "16", "--further_seeds", "0"]
    grid = ["--grid_1", "0.1,1,10", "--grid_2", "1", "--launcher", "inline"]
    done = commands.run("sweeps", "--dataset", str(commands.folder / "photos"), *options, *grid)
    assert done.returncode == 0, done.stderr
    frame = Store(commands.uri).history("hit", where=f"params.dataset = '{commands.folder / 'photos'}'")
    return frame[frame["kind"] == "train"], done.stderr


@pytest.fixture(scope="module")
def numbers(commands: Commands) -> pd.DataFrame:
    """Three models of images with continuous labels."""
    for betas in ((0.3, 0.02), (1.0, 0.02), (1.0, 5.0)):
        train_run(small(commands, "numbers.npz", betas=betas, epochs=8), uri=commands.uri)
    return Store(commands.uri).history("hit", where=f"params.dataset = '{commands.folder / 'numbers.npz'}'")


def measured_names(frame: pd.DataFrame) -> set[str]:
    return {str(name) for name in frame if "/" in str(name) and frame[name].notna().any()}


def test_a_sweep_without_labels_says_once_what_is_left_out(bare: tuple[pd.DataFrame, str]) -> None:
    frame, said = bare
    assert list(frame["status"]) == ["FINISHED"] * 3
    (line,) = [line for line in said.splitlines() if "not measured" in line]
    assert re.fullmatch(r"rest of latents, generation not measured: dataset '.*photos' has no labels", line)
    assert label_kind(frame) is LabelKind.NONE
    names = measured_names(frame)
    assert {"test/rate_2", "test/psnr", "test/elbo", "test/pca_share_1_z1", "test/pca_share_1_z2"} <= names
    assert not [name for name in names if re.search("accuracy|mi_|label|held_out|r2_|sample/", name)]
    assert "classes" not in frame or frame["classes"].isna().all()


def test_tags_and_artifacts_say_it_too(bare: tuple[pd.DataFrame, str], commands: Commands, tmp_path: Path) -> None:
    store, run_id = Store(commands.uri), str(bare[0]["run_id"].iloc[0])
    tags = store.run(run_id).data.tags
    assert tags[Tag.LABELS] == "none"
    assert "has no labels" in tags[f"{Tag.SKIPPED}.latents"]
    assert "has no labels" in tags[f"{Tag.SKIPPED}.generation"]
    assert Tag.EVALUATOR not in tags
    points = np.loadtxt(store.download(run_id, "latents/pca_z2.csv", tmp_path), delimiter=",", skiprows=1)
    assert points.shape == (16, 3)
    Image.open(store.download(run_id, "latents/pca.png", tmp_path)).verify()


def test_evaluate_leaves_a_run_without_labels_as_it_is(bare: tuple[pd.DataFrame, str], commands: Commands) -> None:
    store, run_id = Store(commands.uri), str(bare[0]["run_id"].iloc[0])
    options: dict[str, Any] = {"data_root": "", "device": "cpu", "threads": 1, "state_dir": str(commands.state)}
    (asked,) = candidates(store, "hit", run_id=run_id, groups=parse_groups("all"))
    assert evaluate_run(store, asked, again=False, stop=StopRequest(), **options).groups == frozenset()
    again = evaluate_run(store, asked, again=True, stop=StopRequest(), **options)
    assert again.summary().startswith("measured latents; rest of latents, generation not measured: dataset")
    with pytest.raises(ConfigError, match="metrics must not name latents here: dataset"):
        evaluate_run(store, asked, again=False, stop=StopRequest(), metrics="core,latents", **options)


def test_report_and_recommendations_show_what_there_is(bare: tuple[pd.DataFrame, str]) -> None:
    frame = bare[0]
    assert recommend(frame, "density").candidates == 3
    with pytest.raises(StoreError, match="it takes labels that are classes, and the data have no labels"):
        recommend(frame, "representation")
    with pytest.raises(StoreError, match=r"no finished run has sample/fid_inception .* --metrics inception"):
        recommend(frame, "generation")
    with pytest.raises(StoreError, match="it takes continuous labels, and the data have no labels"):
        require(frame, "test/r2_ridge_z1")
    page = build(frame)
    assert "No recommendation for representation" in page
    assert "hit classify" not in page
    assert "hit.classify" not in page
    assert "No finished run has" not in page


def test_registered_it_loads_and_draws(
    bare: tuple[pd.DataFrame, str],
    commands: Commands,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = register_all(bare[0], ("density", "representation"), commands.uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", commands.uri)
    model = mlflow.pyfunc.load_model(done[0].uri, suppress_warnings=True)
    images = load(str(commands.folder / "photos")).test.head(2).numpy()
    assert {name: len(values) for name, values in model.predict(images).items()} == {"z_1": 2, "z_2": 2}
    assert "representation: not registered: no run can have" in caplog.text


def test_continuous_labels_are_read_off_the_latents(numbers: pd.DataFrame) -> None:
    assert label_kind(numbers) is LabelKind.CONTINUOUS
    names = measured_names(numbers)
    assert not [name for name in names if re.search("accuracy|mi_|label_entropy$|sample/", name)]
    top = numbers["test/r2_kernel_ridge_z2"].max()
    error = numbers["test/r2_kernel_ridge_z2_standard_error"].max()
    assert 0.5 < top < 0.8 + 3 * error  # the noise of the label leaves 0.8 to be read
    assert numbers["test/label_variance"].between(3, 8).all()
    assert numbers["test/held_out"].eq(80).all()
    holds = numbers[[name for name in names if "bound_holds_r2" in name]]
    assert holds.shape == (3, 2)
    assert holds.eq(1).all(axis=None)


def test_applications_by_continuous_labels(numbers: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match="nothing shows that z_2 says anything of the label"):
        recommend(numbers, "representation")
    name = "test/r2_kernel_ridge_z2_sampled"
    numbers = numbers.assign(**{name: numbers[name] + 0.5})  # as of models that are trained for longer
    found = recommend(numbers, "representation")
    assert found.metric.name == "test/r2_kernel_ridge_z2_sampled"
    assert found.chance == 0.0
    assert found.standard_error is not None
    assert "the label most precisely read" in found.application.text
    axes = {axis.name for axis in figures.parallel_coordinates(numbers).data[0].dimensions}
    assert "test/r2_kernel_ridge_z2_sampled" in axes
    drawn = figures.metric_against_rate(numbers, "test/r2_kernel_ridge_z2")
    (bound,) = [trace for trace in drawn.data if trace.name == "bound"]
    assert all(0 <= share <= 1 for share in bound.y)
    assert "(on 80 test images)" in build(numbers)


def test_one_line_before_anything_begins(commands: Commands) -> None:
    bare, numbers = (str(commands.folder / name) for name in ("bare.npz", "numbers.npz"))
    search = ["--driver", "bayes", "--grid_1", "0.1:1:2"]
    sweeps = [
        ["--dataset", bare, *search, "--objectives", "test/accuracy_svm_rbf_z2_sampled"],
        ["--dataset", bare, *search, "--constraints", "test/mi_z2>=1"],
        ["--dataset", numbers, *search, "--objectives", "test/mi_z2"],
        ["--dataset", bare, "--application", "representation"],
        ["--dataset", bare, "--metrics", "latents"],
    ]
    rules = [
        "objectives must name metrics that dataset",
        "constraints must name metrics that dataset",
        "objectives must name metrics that dataset",
        "application must name metrics that dataset",
        "metrics must not name latents here: dataset",
    ]
    for (line, code), rule in zip(commands.mistakes("sweeps.__main__", sweeps), rules, strict=True):
        assert (code, rule in line) == (2, True), line
    for (line, code), kind in zip(
        commands.mistakes("hit.classify", [["--dataset", bare], ["--dataset", numbers]]),
        ("none", "continuous"),
        strict=True,
    ):
        assert line.endswith(f"must have classes for a classifier to tell apart, got labels: {kind}")
        assert code == 2
    assert Store(commands.uri).history("hit", where=f"params.dataset = '{bare}'").empty


def test_what_labels_allow(commands: Commands) -> None:
    bare, numbers = (load(str(commands.folder / name)) for name in ("bare.npz", "numbers.npz"))
    digits = load("digits")
    every = {"core", "latents", "generation", "inception"}
    assert set(left_out(every, bare)) == {"latents", "generation"}
    assert set(left_out(every, numbers)) == {"generation"}
    assert left_out(every, digits) == {}
    check_groups("all,inception", bare)
    check_groups("core,latents", numbers)
    check_metrics("objectives", ["test/r2_ridge_z1", "test/elbo", "taste"], numbers)
    with pytest.raises(ConfigError, match="test/r2_ridge_z1, which takes continuous labels"):
        check_metrics("objectives", ["test/elbo", "test/r2_ridge_z1"], digits)
    with pytest.raises(NoScorer, match="has no labels") as refused:
        find_scorer(Store(commands.uri), bare)
    assert "\n" not in str(refused.value)
