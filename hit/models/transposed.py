"""A transposed convolution that is quick on the CPU where a decoder needs it most: at its last layer."""

__all__ = ["TransposedConvolution", "conv_transpose2d"]

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: With more output channels than this, torch's own kernel is as quick.
_FEW_CHANNELS = 8
_SMALLEST_SIDE = 7
#: Side of the kernel → padding and output padding with which stride 2 doubles the side of a map.
_DOUBLING = {4: (1, 0), 5: (2, 1)}


class TransposedConvolution(nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d`, its weights in the same layout, by the quicker form where there is one."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        kernel = self.kernel_size[0]
        if output_size is None and self.stride == (2, 2) and kernel in _DOUBLING:
            padding, output_padding = _DOUBLING[kernel]
            if self.padding == (padding, padding) and self.output_padding == (output_padding, output_padding):
                return conv_transpose2d(x, self.weight, self.bias)
        return super().forward(x, output_size)


def conv_transpose2d(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.conv_transpose2d` that doubles the side, on the CPU in less time for few output channels.

    Kernels of 4 × 4 have padding 1, those of 5 × 5 padding 2 and output padding 1; the stride is 2. Output rows
    2m and 2m + 1 each see every other kernel row only. So one small convolution makes the four output phases as
    channels, which are put in place. The gradients are torch's own convolutions. Values and gradients equal
    `F.conv_transpose2d`'s; there is no second derivative.

    Args:
        x: batch × c × h × w.
        weight: c × C × k × k with k = 4 or 5, as in `torch.nn.ConvTranspose2d`.
        bias: C, or None.

    Returns:
        batch × C × 2h × 2w.
    """
    padding, output_padding = _DOUBLING[weight.shape[2]]
    quick = (
        x.device.type == "cpu"
        and weight.shape[1] <= _FEW_CHANNELS
        and x.dim() == 4
        and x.numel() > 0
        and min(x.shape[2:]) >= _SMALLEST_SIDE
        and x.dtype == weight.dtype
        and not torch.is_autocast_enabled("cpu")
    )
    if quick:
        return _Phases.apply(x, weight, bias)  # type: ignore[no-any-return]
    return F.conv_transpose2d(x, weight, bias, 2, padding, output_padding)


class _Phases(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _phases_of_four(x, weight, bias) if weight.shape[2] == 4 else _phases_of_five(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        padding, _ = _DOUBLING[weight.shape[2]]
        return (
            F.conv2d(gradient, weight, None, 2, padding) if of_x else None,
            _weight_gradient(gradient, weight, x, padding) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


def _phases_of_four(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    c, channels = weight.shape[:2]
    height, width = x.shape[2:]
    # Kernel row 2a + p belongs to phase p at tap a: c × C × (a, p) × (b, q) → (p, q, C) × c × 2 × 2.
    taps = weight.reshape(c, channels, 2, 2, 2, 2).flip(2, 4).permute(3, 5, 1, 0, 2, 4)
    phases = F.conv2d(x, taps.reshape(4 * channels, c, 2, 2), None if bias is None else bias.repeat(4), padding=1)
    output = x.new_empty(x.shape[0], channels, 2 * height, 2 * width)
    for index, phase in enumerate(phases.split(channels, 1)):
        row, column = 1 - index // 2, 1 - index % 2
        output[:, :, row::2, column::2] = phase[:, :, row : row + height, column : column + width]
    return output


def _phases_of_five(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    c, channels = weight.shape[:2]
    # As above, of a kernel made 6 × 6 by zeros: c × C × (a, p) × (b, q) → (C, p, q) × c × 3 × 3.
    taps = F.pad(weight, (0, 1, 0, 1)).view(c, channels, 3, 2, 3, 2).flip(2, 4).permute(1, 3, 5, 0, 2, 4)
    biases = None if bias is None else bias.repeat_interleave(4)
    return F.pixel_shuffle(F.conv2d(x, taps.reshape(4 * channels, c, 3, 3), biases, padding=1), 2)


def _weight_gradient(gradient: Tensor, weight: Tensor, x: Tensor, padding: int) -> Tensor:
    # Of the convolution whose transpose this is: its input is our gradient, its output's gradient our x.
    wanted = [False, True, False]
    result: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        x, gradient, weight, None, [2, 2], [padding, padding], [1, 1], False, [0, 0], 1, wanted
    )
    return result[1]
