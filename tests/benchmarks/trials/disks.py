"""Disks that fill up under the state directory, the store and its artifacts."""

__all__ = ["disks"]

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.trials.place import SMALL, Place
from tests.benchmarks.trials.tally import Tally, tracebacks

_SIZES_KIB = (64, 128, 256, 400)


@contextlib.contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[None]:
    """A file system of so many KiB at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def disks(folder: Path, template: Path) -> Tally:
    """Train on full disks: one line each, and everything delivered once there is room."""
    tally = Tally("full disks")
    if os.geteuid() != 0:
        tally.notes.append("only root can make small file systems: not tried")
        return tally
    for kib in _SIZES_KIB:
        place = Place(folder / f"state-{kib}", template)
        with small_disk(place.state, kib):
            tally.tried["state_dir"] += 1
            code = place.run("hit.train", *SMALL, "--epochs", "40")
            lines = [line for line in place.said.splitlines() if line.startswith("error:")]
            tally.check(
                code == 0 or (code == 2 and len(lines) == 1), f"state-{kib}: code {code}: {place.said[-300:]!r}"
            )
            subprocess.run(["mount", "-o", "remount,size=64m", str(place.state)], check=True)
            other = place.run("hit.train", *SMALL, "--seed", "1")
            tally.check(other == 0, f"state-{kib}: the next command ended with {other}: {place.said[-300:]!r}")
            for run_id in [path.parent.name for path in place.state.glob("runs/*/config.json")]:
                again = place.run("hit.train", "--resume", run_id)
                tally.check(again == 0, f"state-{kib}: resume ended with {again}: {place.said[-300:]!r}")
        statuses = place.statuses()
        tally.check(statuses["RUNNING"] == 0, f"state-{kib}: {dict(statuses)}")
        for line in tracebacks(place.folder):
            tally.check(False, f"traceback in {place.folder.name}/{line}")
    place = Place(folder / "artifacts", template)
    with small_disk(folder / "artifacts" / "mlruns", 16):
        tally.tried["artifacts"] += 1
        code = place.run("hit.train", *SMALL)
        tally.check(code == 0, f"artifacts: code {code}: {place.said[-300:]!r}")
        (run,) = place.runs()
        tally.check("test/elbo" in run.data.metrics, "artifacts: metrics behind a refused artifact are missing")
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder / "artifacts" / "mlruns")], check=True)
        other = place.run("hit.train", *SMALL, "--seed", "1")
        tally.check(other == 0, f"artifacts: the next command ended with {other}: {place.said[-300:]!r}")
        counts = {str(place.artifacts(run.info.run_id)) for run in place.runs()}
        tally.check(len(counts) == 1, f"artifacts: not all were delivered once there was room: {counts}")
    for line in tracebacks(place.folder):
        tally.check(False, f"traceback in {place.folder.name}/{line}")
    return tally
