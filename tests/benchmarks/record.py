"""What people wait for, measured for good: `python -m tests.benchmarks.record` (`make bench`).

Prints each time and its ratio to the last recorded one, and records it in docs/benchmarks.json, of which
`python -m docs.make_benchmarks` makes docs/benchmarks.md. What counts is processor time (user and system, of a process
and those that it starts) on one thread: it says nearly the same on a machine that does other things as well. Every
measurement is made in a process of its own, `rounds` times, and the least is kept.
"""

__all__ = ["MEASUREMENTS", "Measurement", "compared", "main", "measured", "recorded"]

import argparse
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks import waits

ROOT = Path(__file__).resolve().parents[2]
#: Where the numbers of the last recording stand.
RECORD = ROOT / "docs" / "benchmarks.json"
_PACKAGES = ("torch", "numpy", "scikit-learn", "mlflow", "pandas")
_ONE_THREAD = ("HIT_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Measurement:
    """Something that people wait for.

    Attributes:
        what: in words, for the page.
        do: prepares it and returns what is timed.
        rounds: how often it is timed.
        per: what it does so many of in one go; the number is for one of them. Below 1 it does such a part of it, and
            the number is for the whole.
        unit: `s`, or `ms`.
    """

    what: str
    do: Callable[[], Callable[[], object]]
    rounds: int = 3
    per: float = 1
    unit: str = "s"


MEASUREMENTS = {
    "start": Measurement("`python -m hit.train`, from its start to its end, one step on digits", waits.start),
    "step, binary, c = 16": Measurement(
        "a training step, `ghvae`, 28 × 28 binary, 16 channels, batches of 256", waits.binary_step, 5, 5, "ms"
    ),
    "step, colour, c = 32": Measurement(
        "a training step, `ghvae`, 32 × 32 colour, 32 channels, batches of 256", waits.colour_step, 3, 3, "ms"
    ),
    "probes, d = 20": Measurement("the four probes of a layer of 20 dimensions, N = 10,000", waits.probes_20, 1),
    "probes, d = 256": Measurement("the same of 256 dimensions", waits.probes_256, 1),
    "Mixed-KSG, d = 256": Measurement(
        "the Mixed-KSG estimate of I(y; z), 256 dimensions, N = 10,000", waits.mixed_ksg, 1
    ),
    "441 cells": Measurement(
        "core metrics of 441 cells of a surface of the digits, each in its run: 21 times those of 21 cells",
        waits.surface_cells,
        1,
        21 / 441,
    ),
    "read 441 runs": Measurement("441 runs of an SQLite store as a frame, the first time", waits.read_441),
    "read 10,000 runs": Measurement("10,000 runs, the same", waits.read_10_000, 1),
    "recommend, 441 runs": Measurement("a recommendation on 441 runs", waits.recommend_441),
    "recommend, 10,000 runs": Measurement("a recommendation on 10,000 runs", waits.recommend_10_000, 1),
}


def measured(measurement: Measurement) -> dict[str, float]:
    """Processor and wall-clock time of one thing, in its unit; in a process of its own."""
    apart = multiprocessing.get_context("spawn")
    ours, theirs = apart.Pipe(duplex=False)
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))  # read when BLAS is loaded
    try:
        process = apart.Process(target=_measure, args=(measurement, theirs))
        process.start()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    theirs.close()
    try:
        cpu, wall = ours.recv()
    except EOFError:
        raise RuntimeError(f"the measurement ended early: {measurement.what}") from None
    finally:
        process.join()
    scale = (1000.0 if measurement.unit == "ms" else 1.0) / measurement.per
    return {"cpu": float(f"{cpu * scale:.3g}"), "wall": float(f"{wall * scale:.3g}")}


def recorded(path: Path) -> dict[str, Any]:
    """The last recording; empty where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}  # type: ignore[no-any-return]


def compared(name: str, measurement: Measurement, now: Mapping[str, float], last: Mapping[str, Any]) -> str:
    """A line for people: the times, and the ratio of the processor time to that of the last recording."""
    before = last.get("numbers", {}).get(name)
    change = f"{now['cpu'] / before['cpu']:.2f} of the last" if before else "new"
    unit = measurement.unit
    return f"{name:24} {now['cpu']:8.3g} {unit} CPU {now['wall']:8.3g} {unit} wall   {change}"


def main(words: Sequence[str] | None = None, measurements: Mapping[str, Measurement] = MEASUREMENTS) -> None:
    """Measure what is asked for, print it beside the last recording, and record it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="*", choices=[*measurements], default=[*measurements], metavar="NAME")
    options.add_argument("--record", type=Path, default=RECORD, help="the file that the numbers go to")
    asked = options.parse_args(words)
    last = recorded(asked.record)
    numbers = dict(last.get("numbers", {}))
    for name in asked.only:
        numbers[name] = measured(measurements[name]) | {
            "unit": measurements[name].unit,
            "what": measurements[name].what,
        }
        print(compared(name, measurements[name], numbers[name], last), flush=True)
        whole = _machine() | {"numbers": {one: numbers[one] for one in measurements if one in numbers}}
        asked.record.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _machine() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


def _measure(measurement: Measurement, told: Any) -> None:
    do = measurement.do()
    times = []
    for _ in range(measurement.rounds):
        cpu, wall = _cpu_seconds(), time.perf_counter()
        do()
        times.append((_cpu_seconds() - cpu, time.perf_counter() - wall))
    told.send(min(times))


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
