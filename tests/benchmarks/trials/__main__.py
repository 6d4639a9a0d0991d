"""What the platform is to stand: kills, signals, a misbehaving server, full disks, odd options, hostile files.

    python -m tests.benchmarks.trials --kills 100 --faults 15 --inputs 10000

Prints what was tried and what did not hold; ends with 1 if anything did not. These numbers take about a
quarter of an hour.
"""

__all__ = ["main"]

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.trials.disks import disks
from tests.benchmarks.trials.inputs import files, inputs
from tests.benchmarks.trials.kills import kills
from tests.benchmarks.trials.place import SMALL, Place, prepare
from tests.benchmarks.trials.server_faults import empty_servers, server_faults
from tests.benchmarks.trials.signals import signals


def main() -> int:
    """Try it all; the exit code."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.trials", description=__doc__)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--signals", type=int, default=20)
    options.add_argument("--faults", type=int, default=15)
    options.add_argument("--empty", type=int, default=2, help="servers that come back empty")
    options.add_argument("--disks", type=int, default=1, help="0: none")
    options.add_argument("--inputs", type=int, default=10_000)
    options.add_argument("--files", type=int, default=1_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--keep", default="", help="folder to leave stores and logs in")
    asked = options.parse_args()
    rng = random.Random(asked.seed)
    prepare()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(asked.keep or temporary).absolute()
        template = _template(folder / "template")
        trials = {
            "kills": lambda: kills(folder / "kills", template, asked.kills, rng),
            "signals": lambda: signals(folder / "signals", template, asked.signals, rng),
            "faults": lambda: server_faults(folder / "faults", asked.faults),
            "empty": lambda: empty_servers(folder / "empty", asked.empty),
            "disks": lambda: disks(folder / "disks", template),
            "inputs": lambda: inputs(_made(folder / "inputs"), asked.inputs, rng),
            "files": lambda: files(_made(folder / "files"), asked.files, rng),
        }
        failed = 0
        for name, attempt in trials.items():
            if not getattr(asked, name):
                continue
            began = time.monotonic()
            tally = attempt()
            failed += len(tally.problems)
            print(f"{tally}\n  {time.monotonic() - began:.0f} s", flush=True)
        print(f"{failed} did not hold")
    return 1 if failed else 0


def _template(folder: Path) -> Path:
    """An SQLite store with MLflow's tables, whose making takes seconds."""
    place = Place(folder)
    code = place.run("hit.train", *SMALL[:-1], "nonsense")
    assert code == 2, place.said
    place.client.search_experiments()
    return folder / "store.db"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
