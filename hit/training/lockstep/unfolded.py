"""Convolutions as products of matrices: of unfolded maps with weights, which many models batch."""

__all__ = ["unfolded"]

import torch.nn.functional as F
from torch import Tensor, nn


def unfolded(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    """The layer with the same parameters, by `torch.nn.functional.unfold` or `fold` and a matrix product.

    Layers that are more than a convolution of one group, with zeros around it, stay as they are.
    """
    if layer.groups != 1 or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return layer
    return _UnfoldedTransposed(layer) if isinstance(layer, nn.ConvTranspose2d) else _UnfoldedConvolution(layer)


class _UnfoldedConvolution(nn.Module):
    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        assert not isinstance(layer.padding, str)
        self._kernel, self._stride = layer.kernel_size, layer.stride
        self._padding, self._dilation = layer.padding, layer.dilation

    def forward(self, x: Tensor) -> Tensor:
        sides = [
            (x.shape[2 + axis] + 2 * self._padding[axis] - self._dilation[axis] * (self._kernel[axis] - 1) - 1)
            // self._stride[axis]
            + 1
            for axis in range(2)
        ]
        columns = F.unfold(x, self._kernel, self._dilation, self._padding, self._stride)
        y = self.weight.flatten(1) @ columns
        if self.bias is not None:
            y = y + self.bias[:, None]
        return y.view(len(x), -1, *sides)


class _UnfoldedTransposed(nn.Module):
    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        assert not isinstance(layer.padding, str)
        self._kernel, self._stride = layer.kernel_size, layer.stride
        self._padding, self._dilation = layer.padding, layer.dilation
        self._output_padding = layer.output_padding

    def forward(self, x: Tensor) -> Tensor:
        height, width = (
            (x.shape[2 + axis] - 1) * self._stride[axis]
            - 2 * self._padding[axis]
            + self._dilation[axis] * (self._kernel[axis] - 1)
            + self._output_padding[axis]
            + 1
            for axis in range(2)
        )
        columns = self.weight.flatten(1).mT @ x.flatten(2)
        y = F.fold(columns, (height, width), self._kernel, self._dilation, self._padding, self._stride)
        return y if self.bias is None else y + self.bias[:, None, None]
