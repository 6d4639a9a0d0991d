"""Recommended regions replayed where the truth is known: how often they hold the optimum, what is lost, how large.

`python -m tests.benchmarks.replay_regions` prints a table for six applications of the recorded digits and for hills of
one, two and three layers, from 16, 40 and 100 runs drawn at random 200 times each; it takes an hour or two on one core.
`--draws 25` takes a tenth of it. Then it prints what a recommendation costs at 441 and at 10,000 runs. `--record FILE`
keeps every draw in a CSV file, from which a replay that was stopped goes on; `--print` prints the table of what is in
it.

Every draw of the digits has a surface of its own, a spline through all cells with other luck: of one surface the
optimum is one point, which on a plateau 441 runs do not tell from others, so that all draws hold it or miss it
together. `--recorded` takes the recorded surface and runs.

Held is the share of draws whose region holds the true optimum within the hull of the runs, be it at a run or between;
lost, the share of the true range that the best point of the region loses (median, and what nine draws of ten stay
below), and in how many draws that is at most 1 %; size, the region's share of the hull in log(R + 1); open, the share
of draws whose region is told to say nothing; draws, those with a region.
"""

__all__ = ["main"]

import argparse
import csv
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.recommendation.applications import Application, application
from analysis.recommendation.recommender import recommend
from tests.known_surfaces import Hill, KnownSurface, RecordedDigits, uniform_in_hull
from tests.replay import ACCURACY

APPLICATIONS = (
    "reconstruction",
    "representation",
    "test/psnr:1,test/rate:-1",
    "compression where test/psnr>=17",
    "representation where test/rate<=40",
    "pareto:test/psnr,test/rate=min",
)
#: Noise of one run of a hill that is 1 high.
HILLS = {"hill, L = 1": Hill(1, 0.05), "hill, L = 2": Hill(2, 0.03), "hill, L = 3": Hill(3, 0.05)}
_KEPT = ("case", "runs", "seed", "held", "lost", "size", "open", "seconds")


def cases(recorded: bool = False) -> Iterator[tuple[str, KnownSurface, Application]]:
    """Title, surface and application."""
    digits = RecordedDigits(between=True, redrawn=not recorded)
    for name in APPLICATIONS:
        yield name.replace(ACCURACY, "accuracy"), digits, application(name)
    for title, hill in HILLS.items():
        yield title, hill, application("reconstruction")


def replay(surface: KnownSurface, asked: Application, runs: int, seed: int) -> dict[str, float]:
    """What became of one set of runs; nothing where no point within reach keeps the constraints, or few runs do."""
    frame = surface.draw(runs, seed)
    truth = surface.truth(frame, asked)
    if not np.isfinite(truth.utility).any():
        return {}
    started = time.process_time()
    found = recommend(frame, asked)
    seconds = time.process_time() - started
    if found.estimate is None:
        return {}
    rates = frame[[f"test/rate_{layer}" for layer in range(1, found.region.layers + 1)]].to_numpy(float)
    return {
        "held": float(found.region.contains(truth.optimum, 1e-6)),
        "lost": truth.lost(found.region.contains(truth.points, 1e-6)),
        "size": float(found.region.contains(uniform_in_hull(rates, 500)).mean()),
        "open": float(found.is_open),
        "seconds": seconds,
    }


def summary(draws: pd.DataFrame) -> dict[str, float]:
    """Of the draws with a region."""
    draws = draws.dropna()
    if draws.empty:
        return {"draws": 0}
    return {
        "draws": len(draws),
        "held": draws["held"].mean(),
        "lost, median": draws["lost"].median(),
        "lost, 90 %": draws["lost"].quantile(0.9),
        "lost <= 1 %": (draws["lost"] <= 0.01).mean(),
        "size": draws["size"].median(),
        "open": draws["open"].mean(),
        "seconds": draws["seconds"].mean(),
    }


def costs(sizes: tuple[int, ...] = (441, 10_000)) -> Iterator[tuple[int, float]]:
    """Seconds of CPU time that one recommendation takes, by the number of runs."""
    for runs in sizes:
        frame = Hill(2, 0.03).draw(runs, 0)
        started = time.process_time()
        recommend(frame, "reconstruction")
        yield runs, time.process_time() - started


def _append(path: Path, row: dict[str, object]) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _KEPT)
        if new:
            writer.writeheader()
        writer.writerow(row)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--runs", default="16,40,100")
    parser.add_argument("--only", default="", help="cases whose title holds this text")
    parser.add_argument("--recorded", action="store_true", help="the recorded surface and runs, with their own luck")
    parser.add_argument("--record", type=Path, help="CSV file that keeps the draws, and is gone on with")
    parser.add_argument("--print", action="store_true", help="replay nothing: the tables of what --record has")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = ("draws", "held", "lost, median", "lost, 90 %", "lost <= 1 %", "size", "open", "seconds")
    print(f"{'':36}{'runs':>5}{''.join(f'{name:>13}' for name in names)}")
    known = pd.read_csv(options.record) if options.record and options.record.exists() else pd.DataFrame(columns=_KEPT)
    for title, surface, asked in cases(options.recorded):
        if options.only not in title:
            continue
        for runs in map(int, options.runs.split(",")):
            mine = known[(known["case"] == title) & (known["runs"] == runs)]
            rows = mine.to_dict("records")
            for seed in sorted(set(range(0 if options.print else options.draws)) - set(mine["seed"])):
                rows.append({"case": title, "runs": runs, "seed": seed} | replay(surface, asked, runs, seed))
                if options.record:
                    _append(options.record, rows[-1])
            row = summary(pd.DataFrame(rows, columns=_KEPT))
            numbers = "".join(f"{row[name]:13.3g}" if name in row else f"{'':13}" for name in names)
            print(f"{title:36}{runs:5}{numbers}", flush=True)
    for runs, seconds in () if options.print else costs():
        print(f"{runs} runs: {seconds:.2f} s of CPU time a recommendation")


if __name__ == "__main__":
    main()
