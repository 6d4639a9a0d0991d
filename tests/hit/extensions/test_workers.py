"""Worker processes have the extensions of the process that starts them, and say so where they have not."""

import os
import sys
from pathlib import Path

import pytest

from hit.config import TrainConfig
from hit.errors.run_outcomes import RunOutcome
from hit.extensions import discovery, load_extensions
from hit.extensions.discovery import temporary
from hit.processes.attempts import Job, Outcome
from hit.processes.pool import WorkerPool
from hit.runs.training_run import train_job
from hit.store import Store
from tests.stores import new_database

MINE = """
from hit.config.parts import MODELS

@MODELS.register("mine", layers=1)
def build(image_shape, likelihood, options, config):
    raise ValueError("this far it came")
"""


@pytest.mark.parametrize("handed_on", [True, False])
def test_a_worker_knows_the_parts_of_its_job(tmp_path: Path, handed_on: bool) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    with temporary():
        load_extensions(str(tmp_path / "mine.py"))
        config = TrainConfig(model="mine", betas=(1.0,), state_dir=str(tmp_path / "state"), threads=1)
        if not handed_on:
            os.environ[discovery.VARIABLE] = ""
        with WorkerPool(1, threads=1) as pool:
            pool.submit(Job("a", train_job, {"config": config, "uri": new_database(tmp_path / "store.db")}))
            ended = _ended(pool)
    assert ended.state is RunOutcome.FAILED
    said = "must be built without an error, got ValueError: this far it came"
    missing = "must come from mine.py@"
    assert (said if handed_on else missing) in ended.text


INSTALLED = """
from hit.config.parts import MODELS
from hit.models.build import one_layer

MODELS.register("installed", one_layer, layers=1, reads={"channels"})
"""


def test_an_installed_package_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, store = tmp_path / "site", Store(new_database(tmp_path / "store.db"))
    written = {
        "parts_of_mine/__init__.py": "",
        "parts_of_mine/models.py": INSTALLED,
        "parts_of_mine-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: parts-of-mine\nVersion: 0.1\n",
        "parts_of_mine-0.1.dist-info/entry_points.txt": f"[{discovery.GROUP}]\nmine = parts_of_mine.models\n",
    }
    for name, text in written.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(discovery, "_SEEN", set())
    with temporary():
        config = TrainConfig.from_flat(
            {"model": "installed", "channels": 2, "epochs": 1, "batch_size": 720, "metrics": "core", "threads": 1}
            | {"state_dir": str(tmp_path / "state")}
        )
        with WorkerPool(1, threads=1) as pool:
            pool.submit(Job("a", train_job, {"config": config, "uri": str(store.client.tracking_uri)}))
            ended = _ended(pool)
        assert ended.state is RunOutcome.FINISHED, ended.text
        assert discovery.VARIABLE not in os.environ
        (run,) = store.runs("hit")
        assert run.data.params["model.source"].startswith("parts_of_mine.models@")
    assert "parts_of_mine.models" not in sys.modules


def _ended(pool: WorkerPool) -> Outcome:
    for _ in range(600):
        for outcome in pool.outcomes(0.5):
            if outcome.state != "progress":
                return outcome
    raise AssertionError("the worker said nothing")
