"""A store and a state directory of their own, and commands in processes that have imported everything already."""

__all__ = ["SMALL", "Place", "prepare"]

import hashlib
import importlib
import logging
import multiprocessing
import os
import shutil
import signal
import sys
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from hit.schema import Tag

#: A model that trains in seconds on one thread.
SMALL = ("--channels", "4", "--z_dims", "5", "--metrics", "core", "--batch_size", "64", "--epochs", "6")
_PRELOADED = [
    "hit.train",
    "hit.runs.training_run",
    "hit.runs.pruning",
    "hit.recovery",
    "mlflow.store.tracking.sqlalchemy_store",
    "sklearn.datasets",
    "sklearn.linear_model",
]
_PATIENCE_SECONDS = 240.0


class Place:
    """A folder with a store, a state directory, and the logs of the commands that ran there.

    Args:
        folder: made if need be.
        template: an SQLite store whose tables are made already, copied; None makes a new one at first use.
        uri: address of the store; the SQLite file of the folder if empty.
    """

    def __init__(self, folder: Path, template: Path | None = None, uri: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state = folder / "state"
        self.uri = uri or f"sqlite:///{folder}/store.db"
        self._commands = 0
        if template is not None and not uri:
            shutil.copy(template, folder / "store.db")

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def start(self, module: str, *words: str, **environment: str) -> BaseProcess:
        """Begin `python -m module words`; what it says goes to a log of its own."""
        self._commands += 1
        log = self.folder / f"{self._commands:03}-{module}.log"
        values = {
            "MLFLOW_TRACKING_URI": self.uri,
            "HIT_STATE_DIR": str(self.state),
            "HIT_THREADS": "1",
            "MLFLOW_EXPERIMENT_NAME": "hit",
            **environment,
        }
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=_command, args=(module, list(words), values, str(self.folder), str(log)))
        process.start()
        return process

    def run(self, module: str, *words: str, **environment: str) -> int:
        """The same, waited for; its exit code."""
        return finish(self.start(module, *words, **environment))

    @property
    def said(self) -> str:
        """What the last command said."""
        return max(self.folder.glob("*.log")).read_text(errors="replace")

    def runs(self) -> list[Any]:
        """Every trained model in the store."""
        client = self.client
        homes = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(homes, f"tags.`{Tag.KIND}` = 'train'"))

    def statuses(self) -> Counter[str]:
        """How the runs stand."""
        return Counter(run.info.status for run in self.runs())

    def steps(self, run_id: str) -> Counter[int]:
        """How often each epoch was logged."""
        return Counter(point.step for point in self.client.get_metric_history(run_id, "train/objective"))

    def numbers(self, run_id: str) -> dict[str, float]:
        """Everything measured but for times."""
        metrics = self.client.get_run(run_id).data.metrics
        return {name: value for name, value in metrics.items() if "seconds" not in name}

    def weights(self, run_id: str) -> str:
        """Digest of the weights in the store."""
        path = self.client.download_artifacts(run_id, "model/weights.safetensors", str(self.folder))
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    def artifacts(self, run_id: str) -> Counter[str]:
        """How many artifacts lie in each folder of the run."""
        found: Counter[str] = Counter()
        level = [""]
        while level:
            entries = [entry for path in level for entry in self.client.list_artifacts(run_id, path or None)]
            found.update(os.path.dirname(entry.path) for entry in entries if not entry.is_dir)
            level = [entry.path for entry in entries if entry.is_dir]
        return found


def prepare() -> None:
    """Let the processes of commands come from one that has imported everything."""
    os.environ.update(OMP_NUM_THREADS="1", HIT_THREADS="1", MLFLOW_DISABLE_TELEMETRY="true")
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)


def finish(process: BaseProcess, seconds: float = _PATIENCE_SECONDS) -> int:
    """Its exit code, once it has ended; one that does not end is killed, and its code is -9."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    return int(process.exitcode or 0)


def _command(module: str, words: list[str], environment: dict[str, str], folder: str, log: str) -> None:
    os.setsid()
    with open(log, "ab", buffering=0) as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name != "MLFLOW_DISABLE_TELEMETRY"]:
        if name not in environment and not name.startswith(("MLFLOW_HTTP", "MLFLOW_ENABLE", "MLFLOW_SUPPRESS")):
            del os.environ[name]
    os.environ.update(environment)
    os.chdir(folder)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    sys.argv = [module, *words]
    from hit.cli import entry_point
    from hit.schema import Kind

    entry_point(importlib.import_module(module).main, Kind.TRAIN)
