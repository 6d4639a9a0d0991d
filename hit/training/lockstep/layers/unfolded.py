"""Convolutions as products of matrices: of unfolded maps with weights, which many models batch."""

__all__ = ["unfolded"]

import torch.nn.functional as F
from torch import Tensor, nn


def unfolded(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    """The layer with the same parameters, as one product of matrices whose rows are the places of all images.

    Layers that are more than a convolution of one group, with zeros around it, stay as they are. Windows are views,
    copied by one kernel: `torch.nn.functional.unfold` starts one for every image on a GPU.
    """
    plain = layer.groups == 1 and layer.padding_mode == "zeros" and layer.dilation == (1, 1)
    if not plain or isinstance(layer.padding, str):
        return layer
    if isinstance(layer, nn.Conv2d):
        return _UnfoldedConvolution(layer)
    within = all(
        kernel - int(padding) + int(extra) <= _taps(kernel, stride) * stride
        for kernel, stride, padding, extra in zip(
            layer.kernel_size, layer.stride, layer.padding, layer.output_padding, strict=True
        )
    )
    return _UnfoldedTransposed(layer) if within else layer


class _UnfoldedConvolution(nn.Module):
    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self._kernel, self._stride, self._padding = layer.kernel_size, layer.stride, layer.padding

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = int(self._padding[0]), int(self._padding[1])
        padded = F.pad(x, (columns, columns, rows, rows)) if rows or columns else x
        windows = padded.unfold(2, self._kernel[0], self._stride[0]).unfold(3, self._kernel[1], self._stride[1])
        batch, _, height, width = windows.shape[:4]
        places = windows.permute(0, 2, 3, 4, 5, 1).reshape(batch * height * width, -1)
        y = F.linear(places, self.weight.permute(0, 2, 3, 1).flatten(1), self.bias)
        return y.view(batch, height, width, -1).permute(0, 3, 1, 2)


class _UnfoldedTransposed(nn.Module):
    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self._kernel, self._stride, self._padding = layer.kernel_size, layer.stride, layer.padding
        self._output_padding = layer.output_padding

    def forward(self, x: Tensor) -> Tensor:
        (batch, _, height, width), (rows, columns) = x.shape, self._kernel
        places = x.permute(0, 2, 3, 1).reshape(batch * height * width, -1)
        windows = places @ self.weight.permute(0, 2, 3, 1).flatten(1)
        windows = windows.view(batch, height, width, rows, columns, -1)
        lines = _added(windows.permute(0, 1, 3, 2, 4, 5), self._stride[0])  # batch × rows × width × columns × C
        y = _added(lines.permute(0, 2, 3, 4, 1), self._stride[1]).permute(0, 2, 3, 1)
        for axis in range(2):
            side = (x.shape[2 + axis] - 1) * self._stride[axis] - 2 * int(self._padding[axis])
            side += self._kernel[axis] + int(self._output_padding[axis])
            y = y.narrow(2 + axis, int(self._padding[axis]), side)
        return y if self.bias is None else y + self.bias[:, None, None]


def _added(windows: Tensor, stride: int) -> Tensor:
    """Windows added up where they overlap, batch × places × kernel × … → batch × more places × ….

    Place m · stride + phase is in the windows of m, m − 1, …, one after the other a stride further on in the kernel.
    """
    kernel, rest = windows.shape[2], windows.dim() - 3
    taps = _taps(kernel, stride)
    if taps * stride > kernel:
        windows = F.pad(windows, (*(0, 0) * rest, 0, taps * stride - kernel))
    parts = windows.unflatten(2, (taps, stride)).unbind(2)
    shifted = [F.pad(part, (*(0, 0) * (rest + 1), tap, taps - 1 - tap)) for tap, part in enumerate(parts)]
    total = shifted[0]
    for part in shifted[1:]:
        total = total + part
    return total.flatten(1, 2)


def _taps(kernel: int, stride: int) -> int:
    return -(-kernel // stride)
