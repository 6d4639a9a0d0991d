"""Scores that hold no information about the class: how many sets of them are recommended for all that.

`python -m tests.benchmarks.replay_chance` draws accuracies of 25 and 100 runs as classifiers of random labels have
them, 20 sets each (`--draws`; a few minutes), and prints of how many sets a region is told to hold the optimum, of how
many one is told as a guess or open, and of how many it is told that no run is better than chance. `alike` is how alike
the guesses of runs are, since all are scored on the same images: the share of images on which a run guesses as the
others. The last lines are of accuracies that rise to about 0.2 with the rate, which are not to be taken for chance.
"""

__all__ = ["main"]

import argparse
import warnings

import numpy as np
import pandas as pd

from analysis.recommendation.recommender import Recommendation, recommend
from hit.errors import StoreError
from tests.frames import grid_frame

_NAME = "test/accuracy_svm_rbf_z2_sampled"
_CLASSES, _IMAGES = 10, 360


def guessed(runs: int, seed: int, alike: float, rise: float = 0.0) -> pd.DataFrame:
    """Runs whose accuracies are those of guesses, but for a share of images that rises with R_2 to `rise`.

    Args:
        runs: how many.
        seed: of the guesses.
        alike: the share of images on which a run guesses as the others.
        rise: the share of images that the run of the highest R_2 knows.
    """
    chance = np.random.default_rng(seed)
    frame = grid_frame(int(np.ceil(np.sqrt(runs)))).head(runs)
    labels, common = chance.integers(_CLASSES, size=(2, _IMAGES))
    own = chance.integers(_CLASSES, size=(runs, _IMAGES))
    guesses = np.where(chance.random((runs, _IMAGES)) < alike, common, own)
    rates = frame["test/rate_2"].to_numpy()
    known = chance.random((runs, _IMAGES)) < rise * (rates / rates.max())[:, None]
    right = (np.where(known, labels, guesses) == labels).mean(1)
    return frame.assign(**{_NAME: right, "test/held_out": float(_IMAGES)})


def told(frame: pd.DataFrame) -> str:
    """What is made of these scores: `region`, `hedged` or `chance`."""
    try:
        found = recommend(frame, "representation")
    except StoreError:
        return "chance"
    return "hedged" if _hedged(found) else "region"


def _hedged(found: Recommendation) -> bool:
    return found.estimate is None or found.estimate.is_open or found.estimate.is_guess


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--runs", default="25,100")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'runs':>5}{'alike':>8}{'rise':>8}{'region':>9}{'hedged':>9}{'chance':>9}")
    for alike, rise in ((0.0, 0.0), (0.5, 0.0), (0.95, 0.0), (0.5, 0.1)):
        for runs in map(int, options.runs.split(",")):
            found = [told(guessed(runs, seed, alike, rise)) for seed in range(options.draws)]
            counts = "".join(f"{found.count(word):9}" for word in ("region", "hedged", "chance"))
            print(f"{runs:5}{alike:8}{rise:8}{counts}", flush=True)


if __name__ == "__main__":
    main()
