"""SIGKILL at random moments of a training: does the run that goes on equal one that nobody disturbed?"""

__all__ = ["kills"]

import random
import shutil
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.trials.place import SMALL, Place, finish
from tests.benchmarks.trials.tally import Tally, tracebacks

_KILLS_A_RUN = 5


def kills(folder: Path, template: Path, count: int, rng: random.Random) -> Tally:
    """Kill trainings `count` times, go on with each, and compare what the store holds in the end.

    Args:
        folder: for stores and logs.
        template: an SQLite store with its tables made.
        count: SIGKILLs in all.
        rng: chooses the moments.
    """
    tally = Tally("SIGKILL of a training at a random moment")
    whole = Place(folder / "whole", template)
    began = time.monotonic()
    assert whole.run("hit.train", *SMALL) == 0, whole.said
    seconds = time.monotonic() - began
    (run,) = whole.runs()
    expected = (whole.numbers(run.info.run_id), whole.weights(run.info.run_id), whole.artifacts(run.info.run_id))
    number = 0
    while sum(tally.tried.values()) < count:
        number += 1
        place = Place(folder / f"killed-{number}", template)
        before = len(tally.problems)
        _one(place, tally, seconds, min(_KILLS_A_RUN, count - sum(tally.tried.values())), rng)
        _compare(place, tally, expected)
        for line in tracebacks(place.folder):
            tally.check(False, f"traceback in {place.folder.name}/{line}")
        if len(tally.problems) == before:
            shutil.rmtree(place.folder)
    return tally


def _one(place: Place, tally: Tally, seconds: float, times: int, rng: random.Random) -> None:
    run_id = ""
    for _ in range(times):
        process = place.start("hit.train", *(["--resume", run_id] if run_id else SMALL))
        process.join(rng.uniform(0.1, 1.1) * seconds)
        if process.is_alive():
            tally.tried[_phase(place)] += 1
            process.kill()
            process.join()
        else:
            break  # it was quicker
        run_id = _resumable(place)
    process = place.start("hit.train", *(["--resume", run_id] if run_id else SMALL))
    code = finish(process)
    tally.check(code == 0, f"{place.folder.name}: the last command ended with {code}: {place.said[-300:]!r}")


def _phase(place: Place) -> str:
    """What the newest run was doing."""
    journals = list(place.state.glob("runs/*/journal.jsonl"))
    if not journals:
        return "before its run"
    text = max(journals, key=lambda path: path.stat().st_mtime).read_text(errors="replace")
    if '"kind":"status"' in text:
        return "delivering"
    if "test/" in text:
        return "measured"
    epochs = text.count('"key":"train/objective"')
    return "evaluating" if epochs >= int(SMALL[-1]) else "training" if epochs else "first epoch"


def _resumable(place: Place) -> str:
    """The run that a person would go on with, '' where none can be gone on with."""
    kept = [path.parent for path in place.state.glob("runs/*/config.json")]
    return max(kept, key=lambda path: path.stat().st_mtime).name if kept else ""


def _compare(place: Place, tally: Tally, expected: tuple[dict[str, float], str, Counter[str]]) -> None:
    name = place.folder.name
    finished = [run.info.run_id for run in place.runs() if run.info.status == "FINISHED"]
    if not tally.check(bool(finished), f"{name}: no run is FINISHED, {dict(place.statuses())}"):
        return
    tally.check(place.statuses()["RUNNING"] == 0, f"{name}: left RUNNING, {dict(place.statuses())}")
    numbers, weights, artifacts = expected
    for run_id in finished:
        found = place.numbers(run_id)
        differ = sorted(key for key in numbers if found.get(key) != numbers[key])
        tally.check(not differ, f"{name}: numbers lost or changed: {differ}")
        steps = place.steps(run_id)
        once = dict.fromkeys(range(1, int(SMALL[-1]) + 1), 1)
        tally.check(steps == once, f"{name}: epochs in the store: {dict(steps)}")
        tally.check(place.weights(run_id) == weights, f"{name}: other weights")
        tally.check(place.artifacts(run_id) == artifacts, f"{name}: artifacts {dict(place.artifacts(run_id))}")
