"""What a likelihood takes from the training set before the first step."""

__all__ = ["fit_likelihood"]

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from hit.data import LabelledImages, Split
from hit.distributions import LearnedGaussian, Likelihood, VectorLikelihood

#: Numbers, in images from all of the training set, whose spread a learned σ starts at.
_SPREAD_OF = 1 << 22


def fit_likelihood(likelihood: Likelihood, train: LabelledImages, names: Sequence[str] = ()) -> None:
    """Take the constants of a likelihood of vectors from the training set, and where a learned σ of images starts.

    A σ that was trained already stays as it is. Other likelihoods take nothing.

    Args:
        likelihood: on its device; it is changed in place.
        train: images or vectors.
        names: of vectors' features, for errors.

    Raises:
        ConfigError, DataError: as `VectorLikelihood.fit`; an image cannot be read.
    """
    if isinstance(likelihood, VectorLikelihood):
        vectors = train.images if isinstance(train, Split) else train.head(len(train))
        likelihood.fit(vectors.to(likelihood.scale.device), names)
    elif isinstance(likelihood, LearnedGaussian) and likelihood.untrained:
        likelihood.start(_some(train).to(likelihood.log_sigma.device))


def _some(train: LabelledImages) -> Tensor:
    """Images from all of the training set: in folders they lie class by class."""
    count = min(max(_SPREAD_OF // math.prod(train.shape), 2), len(train))
    places = torch.arange(count, device=train.device) * len(train) // count
    return next(train.image_batches(count, places, None))
