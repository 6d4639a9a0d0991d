"""Adam of many models at once, each with a step size of its own."""

__all__ = ["StackedAdam"]

import torch
from torch import Tensor

#: As `torch.optim.Adam` by default: the second moment's memory, and what is added to its root.
_MEMORY, _EPSILON = 0.999, 1e-8


class StackedAdam:
    """Adam (https://arxiv.org/abs/1412.6980) of M models, a row each, as `torch.optim.Adam` computes it.

    All of its state is changed in place.

    Args:
        weights: M × P, changed in place.

    Attributes:
        steps: how many each model has taken, (M,), float64.
        first, second: running averages of gradients and of their squares, M × P.
    """

    def __init__(self, weights: Tensor) -> None:
        self._weights = weights
        self.steps = torch.zeros(len(weights), dtype=torch.float64, device=weights.device)
        self.first = torch.zeros_like(weights)
        self.second = torch.zeros_like(weights)

    @property
    def state(self) -> tuple[Tensor, ...]:
        """All that a step changes."""
        return self._weights, self.steps, self.first, self.second

    def step(self, gradient: Tensor, step_sizes: Tensor, momenta: Tensor, still: Tensor) -> None:
        """One step of every model.

        Args:
            gradient: M × P.
            step_sizes: (M,), float64.
            momenta: memory of the first moment, (M,), float64.
            still: models whose weights stay as they are, (M,), truths.
        """
        self.steps += 1
        self.first.lerp_(gradient, _column(1 - momenta, gradient))
        self.second.mul_(_MEMORY).addcmul_(gradient, gradient, value=1 - _MEMORY)
        corrected = step_sizes / (1 - momenta**self.steps)
        root = (1 - _MEMORY**self.steps).sqrt()
        change = self.second.sqrt().div_(_column(root, gradient)).add_(_EPSILON)
        torch.div(self.first, change, out=change)
        change.mul_(_column(corrected, gradient)).masked_fill_(still[:, None], 0)
        self._weights.sub_(change)


def _column(numbers: Tensor, like: Tensor) -> Tensor:
    return numbers.to(like.dtype)[:, None]
