"""How well each feature of vectors comes back: mean squared errors and R², from sums over batches."""

__all__ = ["FeatureErrors", "feature_errors"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureErrors:
    """Sums over `count` examples, one number a feature; batches add up.

    Attributes:
        count: N.
        errors: Σ (x − x̂)², (D,).
        sums: Σ x, (D,).
        squares: Σ x², (D,).
    """

    count: int
    errors: Floats
    sums: Floats
    squares: Floats

    def __add__(self, other: "FeatureErrors") -> "FeatureErrors":
        return FeatureErrors(
            self.count + other.count,
            self.errors + other.errors,
            self.sums + other.sums,
            self.squares + other.squares,
        )

    @property
    def mse(self) -> Floats:
        """Mean squared error of every feature, (D,), in the square of its unit."""
        return self.errors / self.count

    @property
    def r2(self) -> Floats:
        """R² of every feature, (D,): 1 − Σ (x − x̂)² / Σ (x − x̄)², at most 1; NaN where the feature does not vary."""
        return _explained(self.errors, self._spread)

    @property
    def total_r2(self) -> float | None:
        """The same of all features together, of their summed errors and variances; None where none varies."""
        total = float(_explained(self.errors.sum(keepdims=True), self._spread.sum(keepdims=True))[0])
        return total if np.isfinite(total) else None

    @property
    def _spread(self) -> Floats:
        """Σ (x − x̄)²."""
        spread = self.squares - self.sums**2 / self.count
        return np.where(spread > 1e-9 * self.squares, spread, 0.0)


def feature_errors(x: Tensor, reconstruction: Tensor) -> FeatureErrors:
    """The sums of a batch.

    Args:
        x: N×D.
        reconstruction: x̂, N×D.

    >>> import torch
    >>> x = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    >>> found = feature_errors(x, torch.tensor([[0.0, 1.0], [2.0, 1.0], [2.0, 1.0]]))
    >>> found.r2.tolist(), found.total_r2
    ([0.5, nan], 0.5)
    """
    original, error = x.detach().double().cpu(), (x - reconstruction).detach().double().cpu()
    return FeatureErrors(
        len(x), error.square().sum(0).numpy(), original.sum(0).numpy(), original.square().sum(0).numpy()
    )


def _explained(errors: Floats, spread: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, 1 - errors / spread, np.nan)
