"""An own launcher: the pool of processes, with a table of which model was begun when, and how it ended.

python -m sweeps --extensions examples/logged_launcher.py --launcher logged --budget 2
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from hit.processes.attempts import Outcome
from sweeps.launchers import Launcher, Training, build_launcher
from sweeps.spec.launch_options import RunningOptions
from sweeps.spec.parts import LAUNCHERS


class LoggedLauncher(Launcher):
    """Hands all on to another launcher, and writes `launches.csv`: time, run id, what became of it."""

    def __init__(self, inner: Launcher, table: Path) -> None:
        self.inner, self.table = inner, table

    def log(self, run_id: str, what: str) -> None:
        with self.table.open("a") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S},{run_id},{what}\n")

    @property
    def free(self) -> int:
        return self.inner.free

    def submit(self, training: Training) -> None:
        self.log(training.run_id, "begun")
        self.inner.submit(training)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        for outcome in self.inner.outcomes(timeout):
            if outcome.state != "progress":
                self.log(outcome.job.arguments["run_id"], outcome.state)
            yield outcome

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        return self.inner.stop(hurried)


@LAUNCHERS.register("logged", help="processes, with a table of what they did")
def logged(options: RunningOptions, workers: int, folder: Path, threads: int) -> LoggedLauncher:
    inner = build_launcher(replace(options, launcher="pool"), workers, folder, threads)
    return LoggedLauncher(inner, folder / "launches.csv")
