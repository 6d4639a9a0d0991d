"""Softplus of many numbers, quick on every CPU."""

__all__ = ["softplus"]

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), as `torch.nn.functional.softplus` to the last bit or two.

    With AVX-512, torch computes log1p of 32-bit numbers one by one, which takes 10 ns each; of 64-bit ones it does not,
    and to them and back takes 2.7 ns. With AVX2, torch's own takes 2.1 ns.
    """
    if x.dtype == torch.float32 and x.device.type == "cpu" and _log1p_is_slow():
        return _InDouble.apply(x)  # type: ignore[no-any-return]
    return F.softplus(x)


class _InDouble(torch.autograd.Function):
    """The value from 64-bit numbers, the gradient as torch's own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.softplus(x.double()).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.softplus_backward(gradient, x, 1, 20)  # type: ignore[no-any-return]


@cache
def _log1p_is_slow() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX512"
