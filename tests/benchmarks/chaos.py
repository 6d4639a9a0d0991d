"""Two drivers, four workers, 64 proposals, a worker killed every 20 s: is every proposal FINISHED exactly once?

    python -m tests.benchmarks.chaos --proposals 64 --every 20

Asserts that it is; prints how many were killed and how long it took.
"""

__all__ = ["chaos", "main"]

import argparse
import os
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from hit.schema import Tag
from hit.store import Store
from tests.commands import SMALL, Commands, alive, descendants


def main() -> None:
    """Run the two sweeps, kill, and look at the store."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--proposals", type=int, default=64)
    options.add_argument("--workers", type=int, default=2, help="of each of the two sweeps")
    options.add_argument("--every", type=float, default=20.0, help="seconds between two kills")
    options.add_argument("--epochs", type=int, default=12)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(chaos(Commands(Path(folder)), **vars(asked)))


def chaos(commands: Commands, *, proposals: int, workers: int, every: float, epochs: int) -> str:
    """Assert that every proposal is FINISHED once, with every epoch once; what happened, in words.

    Args:
        commands: with a store of their own.
        proposals: how many, a multiple of 4.
        workers: of each of the two sweeps.
        every: seconds between two kills.
        epochs: of each run.
    """
    seeds = ",".join(map(str, range(proposals // 4)))
    words = ["sweeps", *SMALL, "--epochs", str(epochs), "--grid_1", "0.1,10", "--grid_2", "0.1,10"]
    words += ["--seeds", seeds, "--workers", str(workers)]
    began = time.monotonic()
    sweeps = [commands.start(*words) for _ in range(2)]
    killed = 0
    last = time.monotonic()
    while any(sweep.poll() is None for sweep in sweeps):
        time.sleep(0.5)
        if time.monotonic() - last >= every:
            last = time.monotonic()
            killed += _kill_one(commands, {pid for sweep in sweeps for pid in descendants(sweep.pid)})
    codes = [sweep.wait() for sweep in sweeps]
    models = Store(commands.uri).history("hit")
    happened = (
        f"{time.monotonic() - began:.0f} s, {killed} workers killed, exit codes {codes}, "
        f"{dict(Counter(models['status']))}, {models['config_hash'].nunique()} models"
    )
    assert codes == [0, 0], (happened, (commands.folder / "said.log").read_text()[-2000:])
    assert Counter(models["status"]) == {"FINISHED": proposals}, happened
    assert models["config_hash"].nunique() == proposals, happened
    for run_id in models["run_id"]:
        steps = [point.step for point in commands.client.get_metric_history(run_id, "train/objective")]
        assert sorted(steps) == list(range(1, epochs + 1)), (run_id, steps)
    return happened


def _kill_one(commands: Commands, below: set[int]) -> int:
    """Kill a worker that has a run; 1, or 0 where none has."""
    running = Store(commands.uri).runs("hit", where="attributes.status = 'RUNNING'")
    pids = [int(run.data.tags[Tag.PROCESS].partition(":")[0]) for run in running]
    pids = [pid for pid in pids if pid in below and alive(pid)]
    if not pids:
        return 0
    os.kill(random.choice(pids), signal.SIGKILL)
    return 1


if __name__ == "__main__":
    main()
