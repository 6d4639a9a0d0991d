"""Findings replayed: how often their intervals hold what a very large store says, and what they tell where it is false.

`python -m tests.benchmarks.replay_findings` draws stores of two-layer models at random: cells of log-uniform β, with
one to three seeds each; rates, PSNR, accuracies and inception scores follow known curves, with the luck of a run, of a
seed (common to its runs) and of a β (what the curve leaves out). The truth of a statistic is its value over 6,000 cells
of 60 seeds in all. It prints the share of intervals of 90 % that hold the truth, their median width, and the shares of
verdicts: `true` is a store in which statements hold, `false` one in which R_2 ignores β_2, the scores ignore rates, or
samples are best at many nats. It takes a minute of CPU time.
"""

__all__ = ["main"]

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.statements.accuracy import accuracy
from analysis.statements.finding import Finding
from analysis.statements.own_beta import own_beta
from analysis.statements.reconstruction import reconstruction
from analysis.statements.sampling import sampling
from tests.known_surfaces import finished_runs

STATEMENTS: dict[str, Callable[[pd.DataFrame], Finding]] = {
    "rates and their β": own_beta,
    "reconstruction and R": reconstruction,
    "accuracy and R_L": accuracy,
    "sampling and few nats": sampling,
}
#: Luck: of a run, of a seed, of a β.
_RUN, _SEED, _BETA = 0.1, 0.05, 0.15
#: So many cells and seeds are the truth.
_MANY, _MANY_SEEDS = 6000, 60


def store(cells: int, seeds: int, of_each: int, true: bool, draw: int) -> pd.DataFrame:
    """A random store.

    Args:
        cells: how many different β.
        seeds: how many seeds there are.
        of_each: how many of them are trained at each β.
        true: whether the statements hold in it.
        draw: of the random numbers.
    """
    chance = np.random.default_rng([draw, cells, seeds, true])
    betas = np.exp(chance.uniform(np.log(0.1), np.log(10), (cells, 2))).repeat(of_each, 0)
    cell = np.arange(cells).repeat(of_each)
    seed = (cell * of_each + np.tile(np.arange(of_each), cells)) % seeds

    def luck(scale: float) -> np.ndarray:
        parts = chance.normal(size=len(cell)), chance.normal(size=seeds)[seed], chance.normal(size=cells)[cell]
        return np.asarray(scale * sum(size * part for size, part in zip((_RUN, _SEED, _BETA), parts, strict=True)))

    logs = np.log(betas)
    rate_1 = np.exp(2.5 - 0.9 * logs[:, 0] + 0.2 * logs[:, 1] + luck(2))
    rate_2 = np.exp(1.0 - (0.8 * logs[:, 1] if true else 0) + 0.5 * logs[:, 0] + luck(2))
    rate = rate_1 + rate_2
    psnr = 12 + 3 * np.log(rate if true else 20) + luck(3)
    read = 0.1 + 0.8 * (1 - np.exp(-rate_2 / 3)) * (1 if true else 0) + np.maximum(luck(0.1), -0.1) * np.tanh(rate_2)
    score = 5 - np.log(rate) * (1 if true else -1) + luck(2)
    frame = pd.DataFrame(
        {
            "beta_1": betas[:, 0],
            "beta_2": betas[:, 1],
            "test/rate_1": rate_1,
            "test/rate_2": rate_2,
            "test/psnr": psnr,
            "test/accuracy_svm_rbf_z2_sampled": read,
            "sample/inception_score": score,
            "test/label_entropy": np.log(10),
            "classes": 10.0,
            "seed": seed.astype(float),
        }
    )
    group = [f"cell {number}" for number in cell]
    return finished_runs(frame, 2).assign(group=group, judge="one", evaluator="one")


def replay(
    name: str, cells: int, seeds: int, of_each: int, true: bool, draws: int
) -> tuple[float, float, Counter[str]]:
    """Share of held intervals and median width over the statistics of one statement, and its verdicts."""
    truth = STATEMENTS[name](store(_MANY, _MANY_SEEDS, 1, true, 0)).statistics
    held, widths, verdicts = [], [], Counter[str]()
    for draw in range(1, draws + 1):
        found = STATEMENTS[name](store(cells, seeds, of_each, true, draw))
        verdicts[str(found.outcome)] += 1
        for own, known in zip(found.statistics, truth, strict=True):
            if own.low is not None and own.high is not None:
                held.append(own.low <= known.value <= own.high)
                widths.append(own.high - own.low)
    return float(np.mean(held)), float(np.median(widths)), verdicts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--draws", type=int, default=50)
    options = parser.parse_args()
    print(f"{'':24}{'store':8}{'runs':>16}{'held':>8}{'width':>8}  verdicts")
    for name in STATEMENTS:
        for true in (True, False):
            for cells, seeds, of_each in ((16, 1, 1), (25, 3, 3), (100, 100, 1), (120, 3, 3)):
                held, width, verdicts = replay(name, cells, seeds, of_each, true, options.draws)
                runs = f"{cells}×{of_each} of {seeds}"
                shares = ", ".join(f"{word} {count / options.draws:.0%}" for word, count in verdicts.most_common())
                print(
                    f"{name:24}{'true' if true else 'false':8}{runs:>16}{held:8.0%}{width:8.2f}  {shares}", flush=True
                )


if __name__ == "__main__":
    main()
