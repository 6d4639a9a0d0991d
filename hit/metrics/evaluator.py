"""What decides a score beside the model: two scores compare only where their evaluators are equal."""

__all__ = ["EVALUATOR", "Evaluator"]

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version

from hit.schema import PROBES


def _minor(package: str) -> str:
    """'1.9' of an installed 1.9.2: estimators change their defaults between minor versions, not below."""
    return ".".join(version(package).split(".")[:2])


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """The protocol by which accuracies and mutual information are measured.

    Args:
        protocol: raised by hand whenever a measurement in this package changes what it returns.
        split_seed: seed of the permutation of the points before the probes' split.
        held_out: fraction of the points that the probes are scored on, the last ones of the permutation.
        sample_seed: seed of the draws z ~ q(z|x) that the information and the sampled accuracies are measured on.
        samples: draws a point.
        probes: names of the classifiers.
        ksg_points: how many of the test points, the first ones, the Mixed-KSG estimate of I(y; z) takes. The
            research code takes the whole test set, which has that many points in MNIST and CIFAR-10.
        ksg_neighbours: k of that estimate.
        scikit_learn: major and minor version of the library that fits them.
    """

    protocol: int = 1
    split_seed: int = 42
    held_out: float = 0.2
    sample_seed: int = 0
    samples: int = 1
    probes: tuple[str, ...] = tuple(PROBES)
    ksg_points: int = 10_000
    ksg_neighbours: int = 5
    scikit_learn: str = _minor("scikit-learn")

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any field (tag `hit.evaluator`)."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


#: The evaluator of this installation.
EVALUATOR = Evaluator()
