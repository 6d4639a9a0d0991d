"""The parameters of many models of one architecture in one matrix, a row a model."""

__all__ = ["ParameterLayout"]

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

#: Axes of a convolution's weight in the order in which `torch.channels_last` keeps them, and back.
_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


class ParameterLayout:
    """Where each parameter of a model lies in a row of P numbers.

    Args:
        model: any of the models; all have parameters of these names and shapes.
        channels_last: whether weights of convolutions keep their channels last in memory, as `build_model` has it.

    Attributes:
        shapes: of each parameter by its name, in the order of `model.named_parameters()`.
        numbers: P.
    """

    def __init__(self, model: nn.Module, *, channels_last: bool = True) -> None:
        self.shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        self._sizes = [math.prod(shape) for shape in self.shapes.values()]
        self._channels_last = channels_last
        self.numbers = sum(self._sizes)

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """The parameters that rows (…, P) hold, each (…, *shape), in the memory of the rows."""
        return {
            name: self._view(part, shape)
            for (name, shape), part in zip(self.shapes.items(), rows.split(self._sizes, -1), strict=True)
        }

    def row(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Numbers by parameters' names as one row, (P,): `views` inverted."""
        return torch.cat([self._ordered(tensors[name].detach(), shape) for name, shape in self.shapes.items()])

    def _view(self, part: Tensor, shape: tuple[int, ...]) -> Tensor:
        leading = part.shape[:-1]
        if not self._last(shape):
            return part.view((*leading, *shape))
        stored = part.view((*leading, *(shape[axis] for axis in _LAST)))
        return stored.permute(*range(len(leading)), *(len(leading) + axis for axis in _FIRST))

    def _ordered(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        return (tensor.permute(_LAST) if self._last(shape) else tensor).reshape(-1)

    def _last(self, shape: tuple[int, ...]) -> bool:
        return self._channels_last and len(shape) == 4
