"""Gradients of unusual size, cut down to a usual one."""

__all__ = ["GradientClip"]

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

#: A gradient's norm is at most so many times the running average of those before it. At 3 a surface of binary MNIST
#: lost z_2 for good where step sizes are largest, of one seed in three (docs/surfaces.md).
CLIP_ABOVE = 1.5
#: What is left of that average after one step.
MEMORY = 0.99


class GradientClip:
    """Clips the norm of every gradient at one and a half times the running average of the clipped norms before it.

    Where β is weak and the prior of a lower layer narrow, one image can have a rate of 10⁵ nats for a step; its
    gradient would undo what was learned, and the next ones be larger still. A bound relative to what is usual needs no
    unit and serves every data set and likelihood (after AutoClip, https://arxiv.org/abs/2007.14469).

    Args:
        parameters: what is trained.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._usual = torch.zeros((), device=self._parameters[0].device)
        self._begun = False

    def clip(self) -> None:
        """Cut down the gradients that the parameters hold now."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if not self._begun:
            self._usual, self._begun = norm.detach().clone(), True
        clipped = torch.minimum(norm, CLIP_ABOVE * self._usual)
        torch._foreach_mul_(gradients, clipped / (norm + 1e-12))
        self._usual = MEMORY * self._usual + (1 - MEMORY) * clipped

    def tensors(self) -> dict[str, Tensor]:
        """The state by name, for a checkpoint."""
        return {"clip.usual": self._usual}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back from a checkpoint."""
        self._usual, self._begun = tensors["clip.usual"].to(self._usual.device), True
