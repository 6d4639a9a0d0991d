"""What decides a score beside the model: two scores compare only where their evaluators are equal."""

__all__ = ["EVALUATOR", "Evaluator"]

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version

from hit.schema import PROBES, REGRESSIONS, LabelKind


def _minor(package: str) -> str:
    """'1.9' of an installed 1.9.2: estimators change their defaults between minor versions, not below."""
    return ".".join(version(package).split(".")[:2])


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """The protocol by which accuracies and mutual information are measured.

    Args:
        protocol: raised by hand whenever a measurement in this package changes what it returns.
        split_seed: seed of the permutation of the points before the probes' split, or before the folds.
        held_out: fraction of the points that the probes are scored on, the last ones of the permutation.
        folds: parts of a small test set, each of which is scored by probes that are fitted on the others.
        cross_validated: a test set of fewer points counts as small. At so many points all folds together take about
            as long as the one fit to 10,000 points.
        sample_seed: seed of the draws z ~ q(z|x) that the information and the sampled accuracies are measured on.
        samples: draws a point.
        probes: names of the classifiers.
        regressions: names of the regressions, where labels are continuous.
        ksg_points: how many of the test points, the first ones, the Mixed-KSG estimate of I(y; z) takes. The
            research code takes the whole test set, which has that many points in MNIST and CIFAR-10.
        ksg_neighbours: k of that estimate.
        scikit_learn: major and minor version of the library that fits them.
    """

    protocol: int = 1
    split_seed: int = 42
    held_out: float = 0.2
    folds: int = 5
    cross_validated: int = 5000
    sample_seed: int = 0
    samples: int = 1
    probes: tuple[str, ...] = tuple(PROBES)
    regressions: tuple[str, ...] = tuple(REGRESSIONS)
    ksg_points: int = 10_000
    ksg_neighbours: int = 5
    scikit_learn: str = _minor("scikit-learn")

    def cross_validates(self, points: int) -> bool:
        """Whether a test set of so many points is cross-validated, rather than split once."""
        return points < self.cross_validated

    def fingerprint(self, points: int, labels: LabelKind = LabelKind.CLASSES) -> str:
        """Twelve hexadecimal digits that change with any field that decides a score (tag `hit.evaluator`).

        Args:
            points: of the test set. That of large ones is what it was before small ones were cross-validated.
            labels: continuous ones are measured by regressions.

        >>> EVALUATOR.fingerprint(360) == EVALUATOR.fingerprint(10_000)
        False
        """
        unused = {"cross_validated"} | ({"held_out"} if self.cross_validates(points) else {"folds"})
        unused |= {"regressions"} if labels is LabelKind.CLASSES else {"probes", "ksg_points", "ksg_neighbours"}
        deciding = {name: value for name, value in asdict(self).items() if name not in unused}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:12]


#: The evaluator of this installation.
EVALUATOR = Evaluator()
