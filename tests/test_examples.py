"""The examples' whole life: trained, evaluated, swept, reported, registered, loaded; and what is told without them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

import analysis.__main__
import hit.evaluate
import hit.train
import sweeps.__main__
from hit.config import TrainConfig
from hit.errors import ConfigError, StoreError
from hit.extensions import discovery
from hit.extensions.discovery import temporary
from hit.processes.stop import StopRequest
from hit.schema import Tag
from hit.store import Store
from hit.testing import check_dataset, check_driver, check_likelihood, check_metric, check_model
from tests.stores import new_database

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
ALL = ",".join(map(str, sorted(EXAMPLES.glob("*.py"))))
MODEL = [
    *("--model", "residual", "--model.depth", "2", "--channels", "4", "--dataset", "shapes", "--likelihood", "laplace"),
    *("--likelihood.scale", "0.1", "--epochs", "1", "--batch_size", "250", "--metrics", "core,extensions"),
]


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch, temporary():
        for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", new_database(folder / "store.db"))
        patch.setenv("HIT_STATE_DIR", str(folder / "state"))
        patch.setenv(discovery.VARIABLE, "")
        patch.chdir(folder)
        yield Store()


Ran = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Ran:
    """What a command says last on stdout."""

    def command(main: Any, *words: str) -> str:
        capsys.readouterr()
        main(list(words), StopRequest())
        return capsys.readouterr().out.strip().splitlines()[-1]

    return command


@pytest.fixture(scope="module")
def trained(store: Store) -> str:
    hit.train.main([*MODEL, "--extensions", ALL], StopRequest())
    return str(next(iter(store.runs("hit"))).info.run_id)


def test_a_run_says_where_its_parts_come_from(store: Store, trained: str) -> None:
    data = store.run(trained).data
    assert data.params["model.depth"] == "2"
    assert data.params["model.source"].startswith("residual_model.py@")
    assert data.params["likelihood.source"].startswith("laplace_likelihood.py@")
    assert data.params["dataset.source"].startswith("shapes_dataset.py@")
    assert data.metrics["model.depth"] == 2
    assert 0 < data.metrics["test/ssim"] < 1
    assert {"test/r2_linear_z1", "test/r2_linear_z2"} <= data.metrics.keys()
    assert data.params["model.source"] in data.tags[Tag.EXTENSIONS]
    assert data.tags[Tag.EXTENSION_METRICS]


def test_it_is_measured_again(store: Store, trained: str, run: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    before = store.run(trained).data.metrics["test/ssim"]
    hit.evaluate.main(["--run_id", trained, "--metrics", "extensions", "--again", "true"], StopRequest())
    assert "measured extensions" in capsys.readouterr().err
    assert store.run(trained).data.metrics["test/ssim"] == before
    hit.evaluate.main(["--run_id", trained, "--metrics", "extensions"], StopRequest())
    assert "it is measured already" in capsys.readouterr().err


@pytest.fixture(scope="module")
def swept(store: Store, trained: str) -> int:
    words = ["--driver", "random", "--budget", "3", "--launcher", "logged", "--workers", "2", "--further_seeds", "0"]
    sweeps.__main__.main([*MODEL, *words, "--extensions", ALL], StopRequest())
    return len(store.history("hit"))


def test_a_driver_of_its_own_sweeps_it_in_worker_processes(store: Store, swept: int) -> None:
    frame = store.history("hit")
    assert swept >= 3
    assert set(frame["status"]) == {"FINISHED"}
    assert set(frame["model.depth"]) == {2.0}
    assert frame["beta_1"].nunique() == swept
    assert frame["group"].nunique() == swept


def test_a_launcher_of_its_own_tells_of_every_model(store: Store, swept: int) -> None:
    (table,) = Path.cwd().rglob("launches.csv")
    lines = [line.split(",")[1:] for line in table.read_text().splitlines()]
    begun = [run_id for run_id, what in lines if what == "begun"]
    assert len(begun) == 3
    assert sorted(lines) == sorted([run_id, what] for run_id in begun for what in ("begun", "finished"))


def test_a_report_recommends_for_an_application_of_its_own_and_registers(
    store: Store, swept: int, run: Ran, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    words = ["--extensions", ALL, "--application", "economy", "--output", str(page), "--register", "true"]
    said = run(analysis.__main__.main, *words)
    assert "registered: models:/hit-shapes@economy" in said
    text = page.read_text()
    assert "the most faithful reconstructions for their rate" in text
    assert "SSIM of reconstructions" in text
    version = store.client.get_model_version_by_alias("hit-shapes", "economy")
    assert "residual_model.py@" in version.tags[Tag.EXTENSIONS]
    model = mlflow.pyfunc.load_model("models:/hit-shapes@economy")
    images = np.zeros((2, 1, 28, 28), np.uint8)
    assert model.predict(images, params={"mode": "reconstruct"})["images"].shape == (2, 1, 28, 28)


def test_without_them_it_is_told_which_are_needed(
    store: Store, trained: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], swept: int
) -> None:
    digest = store.run(trained).data.params["dataset.source"]
    with temporary():
        from hit.config.parts import DATASETS, LIKELIHOODS, MODELS

        for registry in (MODELS, LIKELIHOODS, DATASETS):
            foreign = {name for name in registry.names() if registry.source(name)}
            monkeypatch.setattr(registry, "_entries", {k: v for k, v in registry._entries.items() if k not in foreign})
            monkeypatch.setattr(registry, "_sources", {k: v for k, v in registry._sources.items() if k not in foreign})
        monkeypatch.setenv(discovery.VARIABLE, "")
        with pytest.raises(StoreError, match="1 of 1 runs could not be measured"):
            hit.evaluate.main(["--run_id", trained, "--again", "true"], StopRequest())
        assert f"must come from {digest}, and nothing here has it" in capsys.readouterr().err
        with pytest.raises(ConfigError, match=r"'shapes' must come from shapes_dataset.py@"):
            hit.train.main(["--resume", trained], StopRequest())
        with pytest.raises(ConfigError, match="must come from"):
            mlflow.pyfunc.load_model("models:/hit-shapes@economy")


def test_each_keeps_its_contract(trained: str) -> None:
    check_model("residual", likelihood="laplace", channels=4)
    check_likelihood("laplace")
    check_dataset("shapes")
    check_metric("test/ssim")
    check_metric("test/r2_linear_z{l}")
    check_driver("random")


def test_two_versions_share_no_cell(trained: str, tmp_path: Path) -> None:
    config = TrainConfig(model="residual")
    before = config.identity("d")
    other = tmp_path / "residual_model.py"
    other.write_text((EXAMPLES / "residual_model.py").read_text() + "\n# another version\n")
    with temporary():
        from hit.config.parts import MODELS

        del MODELS._entries["residual"]
        discovery.load_extensions(str(other))
        assert config.identity("d") != before
        with pytest.raises(ConfigError, match=r"must come from residual_model.py@\w{16}, got residual_model.py@\w{16}"):
            TrainConfig.from_flat({"model": "residual", "model.source": f"residual_model.py@{'0' * 16}"})
