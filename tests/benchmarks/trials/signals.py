"""Signals at random moments: every run says how it ended, and none is left RUNNING."""

__all__ = ["signals"]

import os
import random
import signal
import time
from pathlib import Path

from tests.benchmarks.trials.place import SMALL, Place, finish
from tests.benchmarks.trials.tally import Tally, tracebacks

_KINDS: dict[str, tuple[int, ...]] = {
    "SIGINT": (signal.SIGINT,),
    "SIGTERM": (signal.SIGTERM,),
    "SIGHUP": (signal.SIGHUP,),
    "SIGINT twice": (signal.SIGINT, signal.SIGINT),
    "SIGTERM, then SIGINT": (signal.SIGTERM, signal.SIGINT),
}


def signals(folder: Path, template: Path, count: int, rng: random.Random) -> Tally:
    """Send `count` signals (or pairs of them) to trainings, kinds in turn."""
    tally = Tally("signals at a random moment of a training")
    kinds = list(_KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        place = Place(folder / f"signal-{number}", template)
        process = place.start("hit.train", *SMALL[:-1], "200")
        process.join(rng.uniform(0.5, 4.0))
        tally.tried[kind] += 1
        for sent in _KINDS[kind]:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, sent)
                time.sleep(rng.uniform(0.0, 0.3))
        code = finish(process, 60)
        expected = {128 + sent for sent in _KINDS[kind]}
        tally.check(code in expected, f"signal-{number} ({kind}): exit code {code}: {place.said[-300:]!r}")
        statuses = place.statuses()
        tally.check(set(statuses) <= {"KILLED"}, f"signal-{number} ({kind}): {dict(statuses)}")
        for line in tracebacks(place.folder):
            tally.check(False, f"traceback in {place.folder.name}/{line}")
    return tally
