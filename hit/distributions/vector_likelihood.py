"""Likelihoods of vectors: of features that the training set standardises, with its constants among the weights."""

__all__ = ["VectorLikelihood"]

from collections.abc import Sequence

import torch
from torch import Tensor

from hit.distributions.likelihoods import Likelihood
from hit.errors import ConfigError, DataError, shown

#: Numbers whose spread is below so many times their size are told apart by float32 in too few steps: 100 of 2^−23.
_FINEST = 100 * 2**-23
#: Examples whose moments are taken at once.
_PART = 4096


class VectorLikelihood(Likelihood):
    """p(x|z_1) of vectors v of D features: another likelihood, of x = (v − location) / scale.

    Location and scale are means and standard deviations of the training set's features, so that D and σ are in units
    of them: with x for v, a density is Π scale times as high, and −log p(v|z_1) = −log p(x|z_1) + Σ log scale, in
    nats per example (`log_jacobian`). They are buffers, saved with the weights. Where the likelihood is discrete,
    features are 0 or 1 and stay as they are.

    Args:
        inner: of x; it takes batch × D in place of images.
        features: D.

    Attributes:
        location: (D,), zeros before `fit`.
        scale: (D,), ones before `fit`.
    """

    location: Tensor
    scale: Tensor

    def __init__(self, inner: Likelihood, features: int) -> None:
        super().__init__()
        self.inner = inner
        self.discrete = inner.discrete
        self.register_buffer("location", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def outputs(self, image_channels: int) -> int:
        return self.inner.outputs(image_channels)

    @torch.no_grad()
    def fit(self, vectors: Tensor, names: Sequence[str] = ()) -> None:
        """Take location and scale from training vectors (float32, N×D).

        Args:
            names: of the features, for errors; none: they are counted from 1.

        Raises:
            ConfigError: a discrete likelihood, and a feature that is not 0 or 1.
            DataError: a feature that is the same in all examples, or that differs by less than float32 can tell.
        """
        if self.discrete:
            _check_binary(vectors, names)
            return
        location, scale = _moments(vectors)
        for column in torch.nonzero(scale <= _FINEST * location.abs())[:, 0].tolist():
            name, value, spread = _named(column, names), float(location[column]), float(scale[column])
            if vectors[:, column].unique().numel() == 1:
                raise DataError(
                    f"{name} must not be the same in all {len(vectors)} training examples, got {value:g} "
                    "everywhere: leave it out"
                )
            raise DataError(
                f"{name} must differ by more than float32 tells apart, got numbers of about {value:g} with a standard "
                f"deviation of {spread:.3g}: subtract {value:.3g} from them"
            )
        self.location.copy_(location)
        self.scale.copy_(scale)

    @property
    def log_jacobian(self) -> float:
        """Σ log scale: what −log p(v|z_1) has more than −log p(x|z_1), nats per example."""
        return float(self.scale.double().log().sum())

    def prepare(self, images: Tensor) -> Tensor:
        """x of vectors, batch × D."""
        return (images - self.location) / self.scale

    def restore(self, x: Tensor) -> Tensor:
        return x * self.scale + self.location

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        return self.inner.log_prob(x, output)

    def mean(self, output: Tensor) -> Tensor:
        return self.inner.mean(output)

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.inner.sample(output, generator)


def _moments(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every feature, float64, by parts: as float64, all would take twice the memory."""
    location = sum(part.double().sum(0) for part in vectors.split(_PART)) / len(vectors)
    squares = sum((part.double() - location).square().sum(0) for part in vectors.split(_PART))
    return location, (squares / len(vectors)).sqrt()


def _check_binary(vectors: Tensor, names: Sequence[str]) -> None:
    other = (vectors != 0) & (vectors != 1)
    if other.any():
        row, column = torch.nonzero(other)[0].tolist()
        raise ConfigError(
            "likelihood must be gaussian or gaussian_learned where features are not all 0 or 1, got bernoulli with "
            f"{vectors[row, column]:g} in {_named(column, names)}"
        )


def _named(column: int, names: Sequence[str]) -> str:
    return f"feature {shown(names[column])}" if names else f"feature {column + 1}"
