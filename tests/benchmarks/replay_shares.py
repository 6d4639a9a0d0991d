"""Recommended shares of layers replayed on hills that are known: how often their intervals hold the optimum's shares.

`python -m tests.benchmarks.replay_shares` prints, for hills of two and three layers and 16, 40 and 100 runs drawn 20
times each (`--draws`), the share of intervals of 90 % that hold R_l / R of the true optimum (`held`, all layers of all
draws), of draws in which all layers are held (`all`), and the median width. Draws without intervals, of which too
little is known, are counted apart (`none`).
"""

__all__ = ["main"]

import argparse
import warnings

import numpy as np

from analysis.recommendation.applications import application
from analysis.recommendation.recommender import recommend
from tests.known_surfaces import Hill, KnownSurface

#: Noise of one run of a hill that is 1 high, as in `replay_regions`.
HILLS = {"hill, L = 2": Hill(2, 0.03), "hill, L = 3": Hill(3, 0.05)}


def replay(surface: KnownSurface, runs: int, seed: int) -> list[tuple[bool, float]]:
    """Of each layer, whether the interval holds the share of the optimum, and its width; nothing without intervals."""
    asked = application("reconstruction")
    frame = surface.draw(runs, seed)
    best = surface.truth(frame, asked).optimum
    told = []
    for own, share in zip(recommend(frame, asked).shares, best / best.sum(), strict=True):
        if own.low is None or own.high is None:
            return []
        told.append((own.low <= share <= own.high, own.high - own.low))
    return told


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--runs", default="16,40,100")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'':16}{'runs':>5}{'none':>8}{'held':>8}{'all':>8}{'width':>8}")
    for title, hill in HILLS.items():
        for runs in map(int, options.runs.split(",")):
            draws = [replay(hill, runs, seed) for seed in range(options.draws)]
            some = [own for own in draws if own]
            held = [[kept for kept, _ in own] for own in some]
            widths = [width for own in some for _, width in own]
            numbers = (np.mean(held), np.all(held, axis=1).mean(), np.median(widths)) if some else ()
            columns = "".join(f"{number:8.3g}" for number in numbers)
            print(f"{title:16}{runs:5}{len(draws) - len(some):8}{columns}", flush=True)


if __name__ == "__main__":
    main()
