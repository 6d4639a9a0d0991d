"""Gradients of unusual size of many models at once, each cut down to what is usual for it."""

__all__ = ["StackedClip"]

import torch
from torch import Tensor

from hit.training.gradient_clipping import CLIP_ABOVE, MEMORY


class StackedClip:
    """`hit.training.gradient_clipping.GradientClip` of M models, a row each; its state is changed in place.

    Args:
        gradient: of M × P, told by its type and device.

    Attributes:
        usual: running average of each model's clipped norms, (M,).
        begun: whether there is one, (M,).
    """

    def __init__(self, gradient: Tensor) -> None:
        self.usual = torch.zeros(len(gradient), dtype=gradient.dtype, device=gradient.device)
        self.begun = torch.zeros(len(gradient), dtype=torch.bool, device=gradient.device)

    def clip(self, gradient: Tensor) -> None:
        """Cut down gradients, M × P, in place."""
        norm = torch.linalg.vector_norm(gradient, dim=1)
        usual = torch.where(self.begun, self.usual, norm)
        clipped = torch.minimum(norm, CLIP_ABOVE * usual)
        gradient.mul_((clipped / (norm + 1e-12))[:, None])
        self.usual.copy_(MEMORY * usual + (1 - MEMORY) * clipped)
        self.begun.fill_(True)
