"""How good samples are, from what a classifier makes of them: inception score, Fréchet distance, precision, recall."""

__all__ = [
    "GENERATION",
    "GenerationProtocol",
    "InceptionScore",
    "Neighbourhoods",
    "frechet_distance",
    "inception_score",
    "neighbourhoods",
    "prediction_entropy",
]

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version

import torch
from torch import Tensor, nn

from hit.metrics.evaluator import EVALUATOR
from hit.metrics.standard_errors import mean_error

#: Distances held at once: 8 MiB of float64, which stay near a CPU's cache, in memory that is asked for once.
_HELD = 2**20


@dataclass(frozen=True, kw_only=True)
class GenerationProtocol:
    """How samples are scored, beside the classifier that scores them.

    Args:
        protocol: raised by hand whenever a measurement of samples changes what it returns.
        samples: how many are drawn from the prior, and at most how many test images stand for the data
            in `neighbourhoods`.
        splits: parts of the samples over which the inception score is averaged.
        neighbours: k of `neighbourhoods`.
        seed: of the samples.
        torchmetrics: major and minor version of the library that gives the Fréchet distance.
    """

    protocol: int = 1
    samples: int = 10_000
    splits: int = 5
    neighbours: int = 5
    seed: int = EVALUATOR.sample_seed
    torchmetrics: str = ".".join(version("torchmetrics").split(".")[:2])

    def fingerprint(self, network: str) -> str:
        """Twelve hexadecimal digits that change with any field, and with what names the scoring network's weights."""
        deciding = asdict(self) | {"network": network}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:12]


#: The protocol of this installation.
GENERATION = GenerationProtocol()


@dataclass(frozen=True)
class InceptionScore:
    """Means over the splits of the score and of its two factors.

    Attributes:
        score: diversity × sharpness within each split, from 1 to M.
        diversity: exp H(mean prediction), from 1 to M.
        sharpness: exp(−mean H(prediction)), from 1/M to 1.
        score_error, diversity_error, sharpness_error: their standard errors, from the spread of the splits, whose
            samples are independent; None of one split.
    """

    score: float
    diversity: float
    sharpness: float
    score_error: float | None = None
    diversity_error: float | None = None
    sharpness_error: float | None = None


def inception_score(probabilities: Tensor, splits: int = GENERATION.splits) -> InceptionScore:
    """exp E KL(p(y|x) ‖ p(y)) = exp H(E p(y|x)) · exp(−E H(p(y|x))), over consecutive splits of the samples.

    Salimans et al. 2016 (https://arxiv.org/abs/1606.03498), with the two factors of
    https://arxiv.org/abs/2302.04855. In place of their Inception network the classifier of the data
    set predicts. torchmetrics has the score, but neither its factors nor an order of the samples that
    one can choose: it shuffles them by the global generator.

    Args:
        probabilities: p(y|x) of every sample, N × M, rows that sum to one.
        splits: parts, whose sizes differ by one at most.

    Raises:
        ValueError: another shape, or fewer samples than splits.

    >>> found = inception_score(torch.eye(4), splits=1)
    >>> found.score, found.diversity, found.sharpness, found.score_error
    (4.0, 4.0, 1.0, None)
    """
    if probabilities.ndim != 2 or not 1 <= splits <= len(probabilities):
        raise ValueError(
            f"expected N × M probabilities of at least {splits} samples, got shape {tuple(probabilities.shape)}"
        )
    factors = torch.stack(
        [
            torch.stack([_entropy(part.mean(0)).exp(), (-_entropy(part).mean()).exp()])
            for part in torch.tensor_split(probabilities.double(), splits)
        ]
    )
    diversity, sharpness = factors.mean(0).tolist()
    scores = factors.prod(1)
    errors = (mean_error(values.cpu().numpy()) for values in (scores, *factors.T))
    return InceptionScore(scores.mean().item(), diversity, sharpness, *errors)


def prediction_entropy(probabilities: Tensor) -> tuple[float, float | None]:
    """E H(p(y|x)), nats, and its standard error: how unsure the classifier is of an image, on average.

    Args:
        probabilities: N × M, rows that sum to one.
    """
    entropies = _entropy(probabilities.double())
    return entropies.mean().item(), mean_error(entropies.cpu().numpy())


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Squared Fréchet distance of the Gaussians with the features' means and covariances, by torchmetrics.

        ‖μ − μ'‖² + tr(Σ + Σ' − 2 (Σ Σ')^½)

    Heusel et al. 2017 (https://arxiv.org/abs/1706.08500). With Inception features it is the FID. It is
    biased upwards by the number of images, so that only distances from as many compare. For the same reason there
    is no standard error of it: parts of the samples, and samples drawn anew from them, have another bias.

    Args:
        real: features of images of the data, N × d.
        fake: features of samples, M × d.

    Returns:
        In squared units of the features, never negative.

    Raises:
        ValueError: fewer than two images, another shape, or numbers that are not finite.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # takes seconds to import

    for name, features in (("real", real), ("fake", fake)):
        if features.ndim != 2 or len(features) < 2 or features.shape[1] != real.shape[1]:
            raise ValueError(f"expected {name} features N × d of two images or more, got {tuple(features.shape)}")
        if not features.isfinite().all():
            raise ValueError(f"expected finite {name} features")
    as_they_are = nn.Identity()
    as_they_are.num_features = real.shape[1]  # type: ignore[assignment] # asked for by torchmetrics
    distance = FrechetInceptionDistance(feature=as_they_are, normalize=True).to(real.device)
    # Sums of squares far from zero cancel badly; the distance does not depend on where zero is.
    centre = real.double().mean(0)
    distance.update(real.double() - centre, real=True)
    distance.update(fake.double() - centre, real=False)
    return max(0.0, float(distance.compute()))


@dataclass(frozen=True)
class Neighbourhoods:
    """Where samples lie among the data and the data among samples, by balls that reach to the k-th neighbour.

    Attributes:
        precision: fraction of samples within a ball around a real image.
        recall: fraction of real images within a ball around a sample.
        density: real balls that a sample lies in, over k, on average; may pass 1.
        coverage: fraction of real images whose ball holds a sample.
    """

    precision: float
    recall: float
    density: float
    coverage: float


@torch.no_grad()
def neighbourhoods(real: Tensor, fake: Tensor, neighbours: int = GENERATION.neighbours) -> Neighbourhoods:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    https://arxiv.org/abs/1904.06991 and https://arxiv.org/abs/2002.09797, whose k = 5 all four take here.
    torchmetrics has none of them; the `prdc` package of the second paper has not changed since 2020.
    The cost is three matrices of distances, of which some rows are held at a time. None has a standard error:
    images share their neighbours, so that neither those of the data nor the samples count as independent.

    Args:
        real: features of images of the data, N × d.
        fake: features of samples, M × d.
        neighbours: k.

    Raises:
        ValueError: N or M is not above k, or the numbers of features differ.
    """
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"expected features N × d and M × d, got {tuple(real.shape)} and {tuple(fake.shape)}")
    if min(len(real), len(fake)) <= neighbours:
        raise ValueError(f"expected more than {neighbours} images of each kind, got {len(real)} and {len(fake)}")
    centre = real.double().mean(0)  # distances by matrix products are the more precise the nearer zero
    real, fake = real.double() - centre, fake.double() - centre
    real_reach, fake_reach = _reach(real, neighbours), _reach(fake, neighbours)
    balls = torch.zeros(len(fake), dtype=torch.int64, device=real.device)
    recalled, covered = balls.new_zeros(()), balls.new_zeros(())
    for rows, squares in _squared_distances(real, fake):
        within = squares <= real_reach[rows, None]
        balls += within.nonzero()[:, 1].bincount(minlength=len(fake))  # few are: less work than a sum
        covered += within.any(1).sum()
        recalled += (squares <= fake_reach).any(1).sum()
    return Neighbourhoods(
        precision=(balls > 0).double().mean().item(),
        recall=recalled.item() / len(real),
        density=balls.double().mean().item() / neighbours,
        coverage=covered.item() / len(real),
    )


def _reach(points: Tensor, neighbours: int) -> Tensor:
    """Squared distance of every point to its k-th neighbour, itself not counted.

    A hair more, so that rounding does not decide whether that neighbour is within.
    """
    nearest = [
        squares.topk(neighbours + 1, largest=False).values[:, -1] for _, squares in _squared_distances(points, points)
    ]
    return torch.cat(nearest).clamp_min(0) * (1 + 2e-9)


def _squared_distances(points: Tensor, others: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """‖x − y‖² = (−2x, ‖x‖², 1) · (y, 1, ‖y‖²), some rows at a time, each in the memory of the one before.

    Rounding may make them negative where points are at one place.
    """
    ones = points.new_ones(max(len(points), len(others)), 1)
    left = torch.cat([-2 * points, points.square().sum(1, keepdim=True), ones[: len(points)]], 1)
    right = torch.cat([others, ones[: len(others)], others.square().sum(1, keepdim=True)], 1).T
    held = points.new_empty(max(1, _HELD // len(others)), len(others))
    for start in range(0, len(points), len(held)):
        rows = slice(start, min(start + len(held), len(points)))
        yield rows, torch.mm(left[rows], right, out=held[: rows.stop - start])


def _entropy(probabilities: Tensor) -> Tensor:
    terms: Tensor = torch.special.entr(probabilities)
    return terms.sum(-1)
