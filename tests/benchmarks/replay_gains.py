"""The gain of free β replayed: how often its interval, from a few seeds, holds what the other seeds measure.

`python -m tests.benchmarks.replay_gains` takes runs of the recorded digits (all of seed 0), and of two cells with free
and three with equal β so many of the seeds of `tests/data/digits_seeds.csv` instead, drawn at random; it asks for the
gain of each pair. It prints the share of intervals of 90 % that hold the difference between the means of the seeds that
were not drawn, their width, and how far off the estimate is; with one seed, that of the surface, there is no interval.

`alone` is the share as it is, `held` that of intervals with the error of the mean of the others in them, too: this mean
is of n' seeds, an interval's of n, so that they differ by sqrt(1 + n / n') times what the interval is made for. With
5 and 5 seeds, intervals that hold the gain in 90 % of cases hold that mean in 75 %.
"""

__all__ = ["main"]

import argparse
import itertools
import math
import warnings

import numpy as np
import pandas as pd

from analysis.recommendation.applications import Application, application
from analysis.recommendation.gain import expected_gain
from analysis.recommendation.scores import Score
from tests.benchmarks.record_seeds import CELLS, SEEDS_TABLE
from tests.known_surfaces import RecordedDigits, finished_runs
from tests.replay import ACCURACY

APPLICATIONS = ("reconstruction", "representation", "test/psnr:1,test/rate:-1")
_NAMES = {"rate_1": "test/rate_1", "rate_2": "test/rate_2", "psnr": "test/psnr", "accuracy": ACCURACY}


def replay(asked: Application, replicates: int, draws: int) -> dict[str, float]:
    """Every pair of a free and an equal cell, in `draws` sets of seeds, beside 40 runs of the surface."""
    surface, seeds = RecordedDigits().frame, pd.read_csv(SEEDS_TABLE).rename(columns=_NAMES)
    seeds["test/rate"] = seeds["test/rate_1"] + seeds["test/rate_2"]
    equal = [cell for cell in CELLS if cell[0] == cell[1]]
    free = [cell for cell in CELLS if cell[0] != cell[1]]
    held, alone, widths, off = [], [], [], []
    for draw in range(draws):
        chosen = surface["run_id"] == ""
        for cell in CELLS:
            chosen |= _at(surface, cell)
        drawn = seeds.groupby(["beta_1", "beta_2"]).sample(replicates, random_state=draw) if replicates > 1 else None
        own = surface[chosen] if drawn is None else finished_runs(drawn, 2).assign(**{"test/held_out": 72.0})
        rest = seeds if drawn is None else seeds.drop(drawn.index)
        rows = pd.concat([own, surface[~chosen].sample(40, random_state=draw)], ignore_index=True)
        score = asked.score(rows, 2)
        for one, other in itertools.product(free, equal):
            found = expected_gain(rows, 2, score, (), 12, between=(one, other))
            assert found is not None
            measured = score.sign * (_mean(rest[_at(rest, one)], score) - _mean(rest[_at(rest, other)], score))
            off.append(abs(found.value - measured))
            if found.low is not None and found.high is not None:
                others = min(int(_at(rest, cell).sum()) for cell in (one, other))
                margin = (found.high - found.low) / 2
                alone.append(off[-1] <= margin)
                held.append(off[-1] <= margin * math.sqrt(1 + replicates / others))
                widths.append(found.high - found.low)
    return {
        "held": float(np.mean(held)) if held else np.nan,
        "alone": float(np.mean(alone)) if alone else np.nan,
        "width": float(np.median(widths)) if widths else np.nan,
        "off": float(np.median(off)),
    }


def _at(frame: pd.DataFrame, cell: tuple[float, float]) -> "pd.Series[bool]":
    return pd.Series(np.isclose(frame[["beta_1", "beta_2"]], cell, rtol=1e-4).all(1), index=frame.index)


def _mean(rows: pd.DataFrame, score: Score) -> float:
    metrics = {name: rows[name].to_numpy(float)[None] for name in score.names}
    return float(score.of(metrics, np.ones((1, len(rows)), bool)).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--seeds", default="1,2,3,5")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'':28}{'seeds':>6}{'held':>12}{'alone':>12}{'width':>12}{'off':>12}")
    for name in APPLICATIONS:
        for count in map(int, options.seeds.split(",")):
            row = replay(application(name), count, options.draws)
            print(f"{name:28}{count:6}{''.join(f'{number:12.3g}' for number in row.values())}", flush=True)


if __name__ == "__main__":
    main()
