"""A transposed convolution that is quick on the CPU where a decoder needs it most: at its last layer."""

__all__ = ["TransposedConvolution", "conv_transpose2d"]

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: With more output channels than this, torch's own kernel is as quick.
_FEW_CHANNELS = 8
_SMALLEST_SIDE = 7


class TransposedConvolution(nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d`, its weights in the same layout, by the quicker form where there is one."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is None and self.stride == (2, 2) and self.padding == (1, 1) and self.output_padding == (0, 0):
            return conv_transpose2d(x, self.weight, self.bias)
        return super().forward(x, output_size)


def conv_transpose2d(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.conv_transpose2d` with stride 2 and padding 1, on the CPU in half its time for few output channels.

    Output rows 2m and 2m + 1 each see two of the four kernel rows only. So one 2 × 2 convolution with padding
    1 makes the four output phases as channels, which are copied into place. The gradients are torch's own
    convolutions. Values and gradients equal `F.conv_transpose2d`'s; there is no second derivative.

    Args:
        x: batch × c × h × w.
        weight: c × C × 4 × 4, as in `torch.nn.ConvTranspose2d`; other kernels go to torch's form.
        bias: C, or None.

    Returns:
        batch × C × 2h × 2w.
    """
    quick = (
        x.device.type == "cpu"
        and weight.shape[2:] == (4, 4)
        and weight.shape[1] <= _FEW_CHANNELS
        and x.dim() == 4
        and x.numel() > 0
        and min(x.shape[2:]) >= _SMALLEST_SIDE
        and x.dtype == weight.dtype
        and not torch.is_autocast_enabled("cpu")
    )
    return _Phases.apply(x, weight, bias) if quick else F.conv_transpose2d(x, weight, bias, 2, 1)


class _Phases(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
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

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            F.conv2d(gradient, weight, None, 2, 1) if of_x else None,
            _weight_gradient(gradient, weight, x) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


def _weight_gradient(gradient: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    # Of the convolution whose transpose this is: its input is our gradient, its output's gradient our x.
    wanted = [False, True, False]
    result: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        x, gradient, weight, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, wanted
    )
    return result[1]
