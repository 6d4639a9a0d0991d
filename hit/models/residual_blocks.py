"""Residual blocks of maps, as very deep VAEs are made of (https://arxiv.org/abs/2011.10650)."""

__all__ = ["Bottleneck", "ResidualBlock", "resized"]

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hit.models.networks import conv


class Bottleneck(nn.Module):
    """GELU and convolution four times: 1 × 1 to fewer channels, 3 × 3 twice, 1 × 1 to the outputs.

    On maps of one position all are 1 × 1: the other weights of a kernel would see padding alone.

    Args:
        inputs, middle, outputs: channels.
        flat: of maps of one position.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, *, flat: bool) -> None:
        super().__init__()
        size = 1 if flat else 3
        self.layers = nn.ModuleList(
            [
                conv(inputs, middle, 1, 1, 0),
                conv(middle, middle, size, 1, size // 2),
                conv(middle, middle, size, 1, size // 2),
                conv(middle, outputs, 1, 1, 0),
            ]
        )

    def forward(self, h: Tensor) -> Tensor:
        for layer in self.layers:
            h = layer(F.gelu(h))
        return h


class ResidualBlock(nn.Module):
    """h + bottleneck(h), the weights of whose last convolution begin 1/√depth times as large.

    So the sum of many blocks begins no larger than that of few.

    Args:
        channels: of h.
        depth: blocks one after the other.
        flat: see `Bottleneck`.
    """

    def __init__(self, channels: int, depth: int, *, flat: bool) -> None:
        super().__init__()
        self.bottleneck = Bottleneck(channels, middle(channels), channels, flat=flat)
        last = self.bottleneck.layers[-1]
        assert isinstance(last, nn.Conv2d)
        with torch.no_grad():
            last.weight.mul_(1 / math.sqrt(depth))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.bottleneck(h)  # type: ignore[no-any-return]


def middle(channels: int) -> int:
    """Channels inside of a bottleneck between maps of so many."""
    return max(1, channels // 2)


def resized(h: Tensor, height: int, width: int) -> Tensor:
    """A map brought to other sides that are multiples or parts of its own: repeated, or averaged."""
    if h.shape[2] < height or h.shape[3] < width:
        return h.repeat_interleave(height // h.shape[2], 2).repeat_interleave(width // h.shape[3], 3)
    rows, columns = h.shape[2] // height, h.shape[3] // width
    return h if rows == columns == 1 else F.avg_pool2d(h, (rows, columns))
