"""Recommended regions replayed where the truth is known: how often they hold the optimum, what is lost, how large.

`python -m tests.benchmarks.replay_regions` prints a table for six applications of the recorded digits and for hills of
one, two and three layers, from 16, 40 and 100 runs drawn at random 200 times each; it takes an hour or two on one core.
`--draws 25` takes a tenth of it. Then it prints what a recommendation costs at 441 and at 10,000 runs.

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
import time
import warnings
from collections.abc import Iterator

import numpy as np

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


def cases(recorded: bool = False) -> Iterator[tuple[str, KnownSurface, Application]]:
    """Title, surface and application."""
    digits = RecordedDigits(between=True, redrawn=not recorded)
    for name in APPLICATIONS:
        yield name.replace(ACCURACY, "accuracy"), digits, application(name)
    for title, hill in HILLS.items():
        yield title, hill, application("reconstruction")


def replay(surface: KnownSurface, asked: Application, runs: int, draws: int) -> dict[str, float]:
    """What became of `draws` sets of `runs` runs."""
    held, lost, size, opened, seconds = [], [], [], [], []
    for seed in range(draws):
        frame = surface.draw(runs, seed)
        truth = surface.truth(frame, asked)
        if not np.isfinite(truth.utility).any():
            continue  # no point within reach keeps the constraints
        started = time.process_time()
        found = recommend(frame, asked)
        seconds.append(time.process_time() - started)
        if found.estimate is None:
            continue
        held.append(bool(found.region.contains(truth.optimum, 1e-6)))
        lost.append(truth.lost(found.region.contains(truth.points, 1e-6)))
        rates = frame[[f"test/rate_{layer}" for layer in range(1, found.region.layers + 1)]].to_numpy(float)
        size.append(float(found.region.contains(uniform_in_hull(rates, 500)).mean()))
        opened.append(bool(found.is_open))
    if not held:
        return {"draws": 0}
    return {
        "draws": len(held),
        "held": float(np.mean(held)),
        "lost, median": float(np.median(lost)),
        "lost, 90 %": float(np.quantile(lost, 0.9)),
        "lost <= 1 %": float(np.mean(np.array(lost) <= 0.01)),
        "size": float(np.median(size)),
        "open": float(np.mean(opened)),
        "seconds": float(np.mean(seconds)),
    }


def costs(sizes: tuple[int, ...] = (441, 10_000)) -> Iterator[tuple[int, float]]:
    """Seconds of CPU time that one recommendation takes, by the number of runs."""
    for runs in sizes:
        frame = Hill(2, 0.03).draw(runs, 0)
        started = time.process_time()
        recommend(frame, "reconstruction")
        yield runs, time.process_time() - started


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--runs", default="16,40,100")
    parser.add_argument("--only", default="", help="cases whose title holds this text")
    parser.add_argument("--recorded", action="store_true", help="the recorded surface and runs, with their own luck")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = ("draws", "held", "lost, median", "lost, 90 %", "lost <= 1 %", "size", "open", "seconds")
    print(f"{'':36}{'runs':>5}{''.join(f'{name:>13}' for name in names)}")
    for title, surface, asked in cases(options.recorded):
        if options.only not in title:
            continue
        for runs in map(int, options.runs.split(",")):
            row = replay(surface, asked, runs, options.draws)
            numbers = "".join(f"{row[name]:13.3g}" if name in row else f"{'':13}" for name in names)
            print(f"{title:36}{runs:5}{numbers}", flush=True)
    for runs, seconds in costs():
        print(f"{runs} runs: {seconds:.2f} s of CPU time a recommendation")


if __name__ == "__main__":
    main()
