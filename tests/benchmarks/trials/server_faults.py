"""Trainings through a proxy that misbehaves, and a server that comes back empty: is everything in the store, once?"""

__all__ = ["empty_servers", "server_faults"]

import shutil
import time
from pathlib import Path

from tests.benchmarks.trials.place import SMALL, Place, finish
from tests.benchmarks.trials.proxy import FAULTS, Proxy
from tests.benchmarks.trials.tally import Tally, tracebacks
from tests.stores import Server

_PATIENCE_SECONDS = 300.0


def server_faults(folder: Path, count: int) -> Tally:
    """One training a fault, `count` faults, in turn."""
    tally = Tally("a tracking server behind faults")
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder / "server")
    server.start()
    try:
        whole = Place(folder / "undisturbed", uri=server.uri)
        assert whole.run("hit.train", *SMALL) == 0, whole.said
        (run,) = whole.runs()
        artifacts = whole.artifacts(run.info.run_id)
        numbers = whole.numbers(run.info.run_id)
        for number in range(count):
            fault = FAULTS[number % len(FAULTS)]
            began = time.monotonic()
            with Proxy(server.uri.removeprefix("http://"), fault, seed=number) as proxy:
                place = Place(folder / f"fault-{number}", uri=proxy.uri)
                experiment = f"fault-{number}"
                process = place.start("hit.train", *SMALL, "--experiment", experiment)
                code = finish(process, _PATIENCE_SECONDS)
            tally.tried[fault] += 1
            _check(tally, whole, place, experiment, fault, code, numbers, artifacts)
            tally.notes.append(f"{fault}: {time.monotonic() - began:.0f} s, exit code {code}")
    finally:
        server.stop()
    return tally


def empty_servers(folder: Path, count: int) -> Tally:
    """Replace the server by an empty one in the middle of a training, `count` times, and go on with what it left."""
    tally = Tally("a server that comes back empty")
    folder.mkdir(parents=True, exist_ok=True)
    epochs = 60
    for number in range(count):
        server = Server(folder / f"server-{number}")
        server.start()
        place = Place(folder / f"empty-{number}", uri=server.uri)
        try:
            process = place.start("hit.train", *SMALL[:-1], str(epochs))
            while process.is_alive() and '"step":3' not in _journal(place):
                time.sleep(0.05)
            server.stop()
            shutil.rmtree(folder / f"server-{number}")
            server.start()
            code = finish(process)
            tally.tried["in the middle of a training"] += 1
            said = place.said
            tally.check(code == 2 and "--adopt" in said, f"empty-{number}: exit code {code}: {said[-300:]!r}")
            (left,) = [path.parent.name for path in place.state.glob("runs/*/config.json")]
            again = place.run("hit.train", "--resume", left)
            tally.check(again == 0, f"empty-{number}: --resume ended with {again}: {place.said[-300:]!r}")
            statuses = place.statuses()
            tally.check(statuses == {"FINISHED": 1}, f"empty-{number}: {dict(statuses)}")
            for run in place.runs():
                steps = place.steps(run.info.run_id)
                whole = dict.fromkeys(range(1, epochs + 1), 1)
                tally.check(steps == whole, f"empty-{number}: epochs in the new store: {dict(steps)}")
        finally:
            server.stop()
        for line in tracebacks(place.folder):
            tally.check(False, f"traceback in {place.folder.name}/{line}")
    return tally


def _journal(place: Place) -> str:
    return "".join(path.read_text(errors="replace") for path in place.state.glob("runs/*/journal.jsonl"))


def _check(
    tally: Tally,
    whole: Place,
    place: Place,
    experiment: str,
    fault: str,
    code: int,
    numbers: dict[str, float],
    artifacts: dict[str, int],
) -> None:
    for line in tracebacks(place.folder):
        tally.check(False, f"{fault}: traceback in {line}")
    found = whole.client.get_experiment_by_name(experiment)
    if found is None:
        tally.check(code == 2, f"{fault}: no run, exit code {code}: {place.said[-300:]!r}")
        return
    if code != 0:  # it could not begin, or said that it could not deliver: the way straight to the server must
        straight = Place(place.folder, uri=whole.uri)
        tally.check(code == 2, f"{fault}: exit code {code}: {place.said[-300:]!r}")
        again = straight.run("hit.train", *SMALL, "--experiment", experiment)
        tally.check(again == 0, f"{fault}: afterwards, straight to the server, {again}: {straight.said[-300:]!r}")
    runs = list(whole.client.search_runs([found.experiment_id]))
    statuses = [run.info.status for run in runs]
    tally.check("RUNNING" not in statuses, f"{fault}: {statuses}")
    finished = [run for run in runs if run.info.status == "FINISHED"]
    tally.check(bool(finished), f"{fault}: nothing is FINISHED: {statuses}, {place.said[-300:]!r}")
    for run in finished:
        run_id = run.info.run_id
        differ = sorted(key for key, value in numbers.items() if whole.numbers(run_id).get(key) != value)
        tally.check(not differ, f"{fault}: numbers lost or changed: {differ}")
        steps = whole.steps(run_id)
        tally.check(set(steps.values()) == {1} and len(steps) == int(SMALL[-1]), f"{fault}: epochs {dict(steps)}")
        if fault != "413 on artifacts":
            found_artifacts = whole.artifacts(run_id)
            tally.check(found_artifacts == artifacts, f"{fault}: artifacts {dict(found_artifacts)}")
