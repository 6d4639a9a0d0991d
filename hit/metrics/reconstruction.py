"""How well images come back: PSNR from a sum over batches, and the ELBO in bits per dimension."""

__all__ = ["SquaredError", "bits_per_dim", "squared_error"]

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SquaredError:
    """Sum of squared errors over `count` numbers; batches add up.

    Attributes:
        total: Σ (x − x̂)².
        count: how many numbers.
        images: how many images they are of, N, each of as many.
        squares: Σ_n e_n² of the images' own sums e_n.

    >>> batches = [SquaredError(0.03, 2), SquaredError(0.01, 2)]
    >>> sum(batches, start=SquaredError()).psnr
    20.0
    """

    total: float = 0.0
    count: int = 0
    images: int = 0
    squares: float = 0.0

    def __add__(self, other: "SquaredError") -> "SquaredError":
        return SquaredError(
            self.total + other.total,
            self.count + other.count,
            self.images + other.images,
            self.squares + other.squares,
        )

    @property
    def mean(self) -> float | None:
        """Mean squared error; None over nothing at all or where it is not finite."""
        mean = self.total / self.count if self.count else math.nan
        return mean if math.isfinite(mean) else None

    @property
    def mean_error(self) -> float | None:
        """Standard error of `mean` over independent images; None of fewer than two."""
        if self.images < 2 or self.mean is None:
            return None
        mean = self.total / self.images
        variance = max(0.0, self.squares - self.images * mean**2) / (self.images - 1)
        return math.sqrt(variance / self.images) * self.images / self.count

    @property
    def psnr(self) -> float | None:
        """Peak signal-to-noise ratio 10 log10(1 / mean) in dB for numbers in [0, 1], over all that was added up.

        That is not the mean of the images' own. None where there is none (no error at all, or no mean).
        """
        return -10.0 * math.log10(self.mean) if self.mean else None

    @property
    def psnr_error(self) -> float | None:
        """Standard error of `psnr` over independent images, dB; None where there is none, or fewer than two images.

        By the delta method: 10 / ln 10 times the relative standard error of the mean squared error,

            sqrt((Σ e_n² − N ē²) / (N − 1) / N) / ē.
        """
        if self.images < 2 or not self.mean:
            return None
        mean = self.total / self.images
        variance = max(0.0, self.squares - self.images * mean**2) / (self.images - 1)
        error = 10.0 / math.log(10.0) * math.sqrt(variance / self.images) / mean
        return error if math.isfinite(error) else None


def squared_error(images: Tensor, reconstruction: Tensor) -> SquaredError:
    """Σ (x − x̂)² over a batch, to be added up over the batches of a set.

    Args:
        images: x in [0, 1], N × any shape.
        reconstruction: x̂, of the same shape.

    Raises:
        ValueError: the shapes differ (they would broadcast), or the numbers are integers (not in [0, 1]).
    """
    if images.shape != reconstruction.shape:
        raise ValueError(f"expected a reconstruction of shape {tuple(images.shape)}, got {tuple(reconstruction.shape)}")
    if not (images.is_floating_point() and reconstruction.is_floating_point()):
        raise ValueError(f"expected floats in [0, 1], got {images.dtype} and {reconstruction.dtype}")
    squares = (images.detach().double() - reconstruction.detach().double()).square_()
    of_images = squares.flatten(1).sum(1) if squares.ndim > 1 else squares
    return SquaredError(float(squares.sum()), images.numel(), len(images), float(of_images.square().sum()))


def bits_per_dim(negative_elbo: float, dims: int) -> float:
    """−ELBO / (dims · ln 2), from nats per image to bits per dimension.

    What it is depends on the likelihood. On binary images with the Bernoulli likelihood, −ELBO is an
    expected code length (bits back), so this is bits per pixel and never below 0; with the mixture of
    logistics it is that of the 256 levels of each number, grey or colour. With Bernoulli on grey levels that
    are not rounded it is that of binary images drawn with these levels. The Gaussian
    likelihoods are densities of values in [0, 1]: then it is a differential quantity that may be
    negative and compares only with densities on the same range. Adding log2(256) = 8 gives the scale of
    8-bit images, an upper bound on their code length only where the images are dequantised by noise.

    Args:
        negative_elbo: −ELBO = D + R, nats per image, at β = 1.
        dims: numbers in an image, channels × height × width.

    Raises:
        ValueError: dims is not positive.

    >>> bits_per_dim(784 * math.log(2), 784)
    1.0
    """
    if dims < 1:
        raise ValueError(f"dims must be positive, got {dims}")
    return negative_elbo / (dims * math.log(2))
