"""Running the project's commands as a user does, in a folder of their own."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient

from tests.forked_commands import ForkedCommand, Process, run_forked
from tests.stores import clean_environment, new_database

ROOT = Path(__file__).resolve().parent.parent
#: How long a test waits for a process: long after it has hung, and not as long as a test may take (pyproject.toml).
PATIENCE_SECONDS = 240.0
#: A model that trains in seconds on one thread.
SMALL = ["--channels", "4", "--z_dims", "5", "--metrics", "core", "--batch_size", "64"]


class Commands:
    """Commands that share a store and a state folder under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.uri = new_database(folder / "store.db")
        bin_folder = Path(sys.executable).parent
        self.environment = clean_environment(
            MLFLOW_TRACKING_URI=self.uri,
            HIT_STATE_DIR=str(self.state),
            HIT_THREADS="1",
            OMP_NUM_THREADS="1",
            PYTHONPATH=str(ROOT),
            PYTHONUNBUFFERED="1",
            MLFLOW_EXPERIMENT_NAME="hit",
        )
        self.environment["PATH"] = f"{bin_folder}:{self.environment['PATH']}"

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def start(self, *words: str, **environment: str) -> Process:
        """`python -m <words>`, or `mlflow <words>`, in a process group of its own; what it says goes to a file."""
        log = self.folder / "said.log"
        module, folder, everything = _module(words), self._folder(words), self.environment | environment
        if _can_be_forked(environment):
            return ForkedCommand(module, cwd=folder, env=everything, stdout=log, stderr=log)
        with log.open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=folder,
                env=everything,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """The same, waited for, with what it said."""
        module, folder, everything = _module(words), self._folder(words), self.environment | environment
        if _can_be_forked(environment):
            return run_forked(module, cwd=folder, env=everything, timeout=PATIENCE_SECONDS)
        return subprocess.run(
            [sys.executable, "-m", *module],
            cwd=folder,
            env=everything,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def mistakes(self, module: str, options: Sequence[Sequence[str]]) -> list[tuple[str, int]]:
        """What `python -m module` says to each of these, one line and exit code each; none may be a traceback.

        All in one process, one after the other.
        """
        words = ["tests.commands_in_turn", module, json.dumps([list(words) for words in options])]
        result = run_forked(words, cwd=self.folder, env=self.environment, timeout=PATIENCE_SECONDS)
        assert "Traceback" not in result.stderr, result.stderr
        lines = result.stderr.replace("\r", "\n").splitlines()
        said = [line for line in lines if line.startswith(("error:", "exit"))]
        assert len(said) == 2 * len(options), result.stderr
        return [(line, int(code.split()[1])) for line, code in zip(said[::2], said[1::2], strict=True)]

    def _folder(self, words: tuple[str, ...]) -> Path:
        return ROOT if words[0] == "run" else self.folder

    def statuses(self) -> dict[str, str]:
        """Run id → status, of every run in the store."""
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return {run.info.run_id: run.info.status for run in self.client.search_runs(experiments)}

    def wait_for_epoch(self, number: int = 1, process: Process | None = None) -> str:
        """Wait until some run has this many epochs in its journal; its id."""

        def reached() -> str:
            for journal in self.state.glob("runs/*/journal.jsonl"):
                for line in journal.read_text().splitlines():
                    if line.startswith("{") and line.endswith("}"):
                        record = json.loads(line)
                        if record.get("key") == "train/objective" and record["step"] >= number:
                            return journal.parent.name
            assert process is None or process.poll() is None, (self.folder / "said.log").read_text()[-2000:]
            return ""

        return wait_until(reached)


def _module(words: Sequence[str]) -> list[str]:
    """The module and its options: `run …` is MLflow's."""
    return ["mlflow", *words] if words[0] == "run" else [*words]


def _can_be_forked(environment: Mapping[str, str]) -> bool:
    """Whether a command is told nothing that Python reads when it starts."""
    return not any(name.startswith("PYTHON") for name in environment)


def wait_until(answer: Callable[[], str], seconds: float = PATIENCE_SECONDS) -> str:
    """Ask until the answer is true; it."""
    deadline = time.monotonic() + seconds
    while not (value := answer()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, level = [], [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found
