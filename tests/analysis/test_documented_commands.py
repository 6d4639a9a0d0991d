"""The commands of the pages run: on a store of small models, each as small as it can be made."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from hit.config import TrainConfig
from hit.processes.stop import StopRequest
from hit.runs.training_run import train_run
from hit.store import Store
from tests.commands import SMALL
from tests.documented_commands import arguments
from tests.markdown import PAGES, Block, blocks
from tests.stores import new_database

#: What makes a command small, after what its page says.
_TINY = [*SMALL, "--epochs", "1", "--threads", "1"]
_SMALLER = {
    "hit.train": _TINY,
    "sweeps": [*_TINY, *["--launcher", "inline", "--budget", "1", "--metrics", "core,latents"]],
    "hit.evaluate": ["--metrics", "core", "--workers", "1", "--threads", "1"],
}
_SHOWN = [block for page in PAGES for block in blocks(page) if block.language == "sh" and not block.needs]

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a store of three small models, and the run id of one."""
    folder = tmp_path_factory.mktemp("documented")
    uri = new_database(folder / "mlflow.db")
    common: dict[str, Any] = {"channels": 4, "z_dims": (5,), "epochs": 8, "learning_rate": 1e-2, "batch_size": 64}
    for betas in ((0.5, 0.05), (0.9, 0.1), (0.9, 3.0)):
        config = TrainConfig(**common, betas=betas, metrics="core,latents", threads=1, state_dir=str(folder / "state"))
        run_id = train_run(config, uri=uri)
    return folder, run_id


@pytest.mark.parametrize("block", _SHOWN, ids=lambda block: f"{block.page.stem} {block.commands()[0][:30]}")
def test_every_command_that_needs_nothing_runs(
    block: Block, home: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run_id = home
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("HIT_STATE_DIR", str(folder / "state"))
    for line in block.commands():
        module, words = arguments(line)
        words = [re.sub(r"^RUN_ID$", run_id, word) for word in words] + _SMALLER.get(module, [])
        if module == "analysis":
            words = [_within_reach(word) for word in words]
        command = importlib.import_module(module if "." in module else f"{module}.__main__")
        with StopRequest() as stop:
            command.main(words, stop)
        said = capsys.readouterr()
        if module in ("hit.train", "sweeps"):
            run = Store().run(said.out.split()[-1])
            assert run.info.status == "FINISHED", line
        elif module == "analysis":
            assert f"report: {folder}/report.html" in said.out.splitlines(), line


def _within_reach(word: str) -> str:
    """Bounds of a page's real models as those that small ones keep."""
    return re.sub(r"test/psnr>=\d+", "test/psnr>=1", re.sub(r"test/rate<=\d+", "test/rate<=1000", word))
