"""Standard errors of accuracies beside what they claim: the spread over test sets drawn anew.

    python -m tests.benchmarks.accuracy_errors [POINTS …]

Latents of ten classes are drawn from Gaussians, for test sets of each size, and scored by every probe. Printed is the
spread of the accuracies over test sets, the binomial error of all points that they rest on, and the ratio of the two:
near 1 for one split, above it for cross-validation, whose folds share the points that they are fitted on.
"""

__all__ = ["main"]

import math
import sys
import time
from dataclasses import replace

import numpy as np

from hit.metrics import EVALUATOR, accuracies, accuracy_error, probes
from hit.schema import PROBES

_CLASSES, _DIMS = 10, 8
_SETS = {100: 150, 360: 100, 1000: 60, 3000: 30}


def main(sizes: list[int]) -> None:
    """Print a line for each size, protocol, distance between classes, and probe."""
    for points in sizes or list(_SETS):
        for distance in (0.7, 1.4):
            for folded in (True, False):
                _replay(points, _SETS.get(points, 60), distance, folded)


def _replay(points: int, sets: int, distance: float, folded: bool) -> None:
    probes.EVALUATOR = replace(EVALUATOR, cross_validated=EVALUATOR.cross_validated if folded else 0)
    centres = distance * np.random.default_rng(0).normal(size=(_CLASSES, _DIMS))
    started = time.perf_counter()
    found = []
    for seed in range(sets):
        random = np.random.default_rng([seed, points])
        labels = random.integers(_CLASSES, size=points)
        found.append(list(accuracies(centres[labels] + random.normal(size=(points, _DIMS)), labels).values()))
    seconds = (time.perf_counter() - started) / sets
    protocol = "cross-validated" if folded else "one split"
    for name, scores in zip(PROBES, np.array(found).T, strict=True):
        binomial = accuracy_error(scores, probes.scored_points(points)).mean()
        spread = scores.std(ddof=1)
        print(
            f"{points} points, {protocol}, {name}: {scores.mean():.3f}, spread {spread:.4f}, binomial {binomial:.4f}, "
            f"ratio {spread / binomial:.2f} ± {spread / binomial / math.sqrt(2 * sets):.2f}; {seconds:.2f} s a set",
            flush=True,
        )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
