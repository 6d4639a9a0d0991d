"""The Python of the pages on queries and serving runs on a small store, and so does every call that a page names."""

import importlib
import re
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from analysis import figures
from analysis.query import runs
from analysis.recommendation.recommender import recommend
from analysis.register import register_all
from hit.config import TrainConfig
from hit.data import load
from hit.runs.training_run import train_run
from tests.browser.chromium import executable
from tests.commands import ROOT
from tests.frames import grid_frame, paths, with_coding, with_samples
from tests.markdown import PAGES, Block, blocks
from tests.stores import new_database

QUERY, SERVE = ROOT / "docs/how-to/query.md", ROOT / "docs/how-to/serve.md"
(TABLE,) = re.findall(
    r"^\| `analysis\.figures` \|.*?\n\n", QUERY.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
)
CALLS = re.findall(r"`(\w+\([^`]*\))`", TABLE)
NAMES = sorted(
    {
        name
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for name in re.findall(r"`((?:hit|sweeps|analysis)(?:\.[a-z_]+)+)\(", page.read_text(encoding="utf-8"))
    }
)

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")


def _python(page: Path) -> list[Block]:
    found = [block for block in blocks(page) if block.language == "python"]
    assert found
    assert not any(block.needs for block in found)
    return found


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of four small models, the best of which for representation is registered."""
    folder = tmp_path_factory.mktemp("readme")
    uri = new_database(folder / "mlflow.db")
    common: dict[str, Any] = {"channels": 4, "z_dims": (5,), "epochs": 8, "learning_rate": 1e-2, "batch_size": 64}
    for betas in ((0.5, 0.05), (0.9, 0.1), (10.0, 0.05), (10.0, 0.3)):
        config = TrainConfig(**common, betas=betas, metrics="core,latents", threads=1, state_dir=str(folder / "state"))
        train_run(config, uri=uri)
    register_all(runs("hit", tracking_uri=uri), ["representation"], uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # where `models:/` is looked for
    return uri


def test_every_block_of_python_runs(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.chdir(tmp_path)
    shown: list[go.Figure] = []
    monkeypatch.setattr(go.Figure, "show", lambda figure: shown.append(figure))
    if executable() is None:
        monkeypatch.setattr(figures, "save", lambda figure, path: Path(path).touch())
    names: dict[str, Any] = {"images": load("digits").test.images[:4].numpy()}
    for block in (*_python(SERVE), *_python(QUERY)):
        exec(compile(block.text, block.page.name, "exec"), names)
    assert names["latents"]["z_2"].shape == (4, 5)
    assert len(names["frame"]) == 4
    assert names["found"].run["status"] == "FINISHED"
    assert len(shown) == 1
    assert (tmp_path / "rate_space.pdf").exists()


@pytest.mark.parametrize("call", CALLS)
def test_every_call_of_the_table_of_figures_draws(call: str) -> None:
    cells, dedicated = (
        with_coding(with_samples(one)) for one in (grid_frame(4), grid_frame(2, seeds=1, batch_size=64))
    )
    frame = pd.concat([cells.assign(amortised="b" * 32), dedicated], ignore_index=True)
    names = {name: getattr(figures, name) for name in figures.__all__} | {"recommend": recommend}
    assert isinstance(eval(call, names | {"frame": frame, "histories": paths}), go.Figure)


def test_the_table_names_every_figure() -> None:
    assert {call.partition("(")[0] for call in CALLS} == {*figures.__all__} - {"save"}


@pytest.mark.parametrize("name", NAMES)
def test_what_the_text_calls_exists(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))
