"""Convolutions of M models, each with weights of its own, as one operation with its gradients."""

__all__ = ["StackedConvolution", "convolve", "has_triton", "stackable"]

import functools
import importlib.util
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: What kernels compute in float32: three products in TensorFloat-32, which lose no more than float32 does.
_FLOAT32 = "tf32x3"
#: Places of maps and terms of their sums that a program has at once; rows of a gradient, and places it sums at once and
#: in all; warps that share a program. Measured on an H200 (16 channels, batches of 256): see docs/how-to/gpu.md.
_PLACES, _TERMS, _ROWS, _DEPTH, _PART, _WARPS = 128, 16, 64, 64, 4096, 4
#: Outputs that are no product of matrices.
_FEW = 4


def stackable(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    """The layer with the same parameters, as one that `torch.func.vmap` computes for all models by one kernel.

    Layers that are more than a square convolution of one group, with zeros around it, stay as they are.
    """
    kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding
    plain = layer.groups == 1 and layer.padding_mode == "zeros" and layer.dilation == (1, 1)
    plain = plain and not isinstance(padding, str)
    square = len({*kernel}) == len({*stride}) == len({*padding}) == len({*layer.output_padding}) == 1
    return StackedConvolution(layer) if plain and square else layer


class StackedConvolution(nn.Module):
    """A convolution, or a transposed one, with the parameters of a layer.

    Args:
        layer: square, of one group, with zeros around it.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        transposed = isinstance(layer, nn.ConvTranspose2d)
        extra = layer.output_padding[0] if transposed else 0
        self._how = (int(layer.stride[0]), int(layer.padding[0]), int(extra), transposed)

    def forward(self, x: Tensor) -> Tensor:
        return _OfOne.apply(x, self.weight, self.bias, *self._how)  # type: ignore[no-any-return]


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, extra: int, transposed: bool
) -> Tensor:
    """`conv2d`, or `conv_transpose2d`, of M models at once, with gradients.

    On a GPU float32 and lower precisions are computed by Triton; what is not is one convolution of M groups.

    Args:
        x: M × batch × c × h × w.
        weight: M × C × c × k × k; M × c × C × k × k where transposed.
        bias: M × C, or None.
        stride, padding: of both axes.
        extra: rows and columns that a transposed convolution adds at the end (`output_padding`).
        transposed: which of them.

    Returns:
        M × batch × C × H × W.
    """
    if _by_triton(x):
        return _OfMany.apply(x, weight, bias, stride, padding, extra, transposed)  # type: ignore[no-any-return]
    models = len(x)
    maps = x.transpose(0, 1).flatten(1, 2)
    kernels = weight.flatten(0, 1)
    biases = None if bias is None else bias.flatten()
    y: Tensor
    if transposed:
        y = F.conv_transpose2d(maps, kernels, biases, stride, padding, extra, models)
    else:
        y = F.conv2d(maps, kernels, biases, stride, padding, 1, models)
    stacked: Tensor = y.unflatten(1, (models, -1)).transpose(0, 1)
    return stacked


def _by_triton(x: Tensor) -> bool:
    return x.device.type == "cuda" and x.dtype != torch.float64 and has_triton()


@functools.cache
def has_triton() -> bool:
    """Whether Triton is installed: PyTorch for NVIDIA GPUs brings it."""
    return importlib.util.find_spec("triton") is not None


class _OfOne(torch.autograd.Function):
    """One model's, which `vmap` makes that of all."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, extra: int, transposed: bool
    ) -> Tensor:
        if transposed:
            return F.conv_transpose2d(x, weight, bias, stride, padding, extra)
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise RuntimeError("a stacked convolution has gradients within vmap alone")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        x, weight, bias = (_of_models(one, at, info.batch_size) for one, at in zip(inputs[:3], in_dims, strict=False))
        return convolve(x, weight, bias, *inputs[3:]), 0  # type: ignore[arg-type]


class _OfMany(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: int,
        extra: int,
        transposed: bool,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = stride, padding, transposed, bias is not None
        side = [_side(length, weight.shape[-1], stride, padding, extra, transposed) for length in x.shape[3:]]
        outputs = weight.shape[2] if transposed else weight.shape[1]
        y = _maps(x, outputs, side)
        _convolve(x, weight.transpose(1, 2) if transposed else weight, bias, y, stride, padding, transposed=transposed)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, transposed, biased = ctx.how
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = _maps(x, x.shape[2], x.shape[3:])
            back = weight if transposed else weight.transpose(1, 2)
            _convolve(gradient, back, None, of_x, stride, padding, transposed=not transposed)
        if transposed:
            of_weight, _ = _weight_gradient(gradient, x, weight, stride, padding)
            of_bias = gradient.sum((1, 3, 4)) if biased else None
        else:
            of_weight, of_bias = _weight_gradient(x, gradient, weight, stride, padding, biased=biased)
        return of_x, of_weight, of_bias, None, None, None, None


def _of_models(tensor: Tensor | None, at: int | None, models: int) -> Tensor | None:
    """A tensor with the models' axis, which it may have at `at`, first."""
    if tensor is None:
        return None
    return tensor.expand(models, *tensor.shape) if at is None else tensor.movedim(at, 0)


def _side(length: int, kernel: int, stride: int, padding: int, extra: int, transposed: bool) -> int:
    if transposed:
        return (length - 1) * stride - 2 * padding + kernel + extra
    return (length + 2 * padding - kernel) // stride + 1


def _maps(like: Tensor, channels: int, side: Any) -> Tensor:
    """M × batch × channels × side, the channels last in memory."""
    models, batch = like.shape[:2]
    height, width = side
    place = channels * width
    strides = (batch * height * place, height * place, 1, place, channels)
    return torch.empty_strided((models, batch, channels, height, width), strides, dtype=like.dtype, device=like.device)


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, stride: int, padding: int, *, transposed: bool
) -> None:
    """y from x; weight: M × channels of y × channels of x × k × k."""
    from hit.training.lockstep.layers import convolution_kernels as kernels  # needs Triton

    models, images, outputs, height, width = y.shape
    channels = _channels(outputs)
    apart = stride if transposed else 1
    places = images * -(-height // apart) * -(-width // apart)
    grid = (-(-places // _PLACES), models, -(-outputs // channels) * apart * apart)
    kernels.convolve[grid](
        x, weight, x if bias is None else bias, y,
        images, *x.shape[3:], height, width,
        *x.stride(), *weight.stride(), 0 if bias is None else bias.stride(0), *y.stride(),
        INPUTS=x.shape[2], OUTPUTS=outputs, KERNEL=weight.shape[-1], STRIDE=stride, PADDING=padding,
        TRANSPOSED=transposed, BIASED=bias is not None, PRECISION=_precision(x),
        PLACES=_PLACES, CHANNELS=channels, TERMS=_TERMS, num_warps=_WARPS,
    )  # fmt: skip


def _weight_gradient(
    wide: Tensor, small: Tensor, weight: Tensor, stride: int, padding: int, *, biased: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Of a kernel that goes over `wide` and makes `small`: M × channels of small × channels of wide × k × k.

    Where biased, of the bias, too: M × channels of small.
    """
    from hit.training.lockstep.layers import convolution_kernels as kernels

    models, images, outputs, height, width = small.shape
    inputs, kernel = wide.shape[2], weight.shape[-1]
    terms = kernel * kernel * inputs
    places = images * height * width
    part = min(_PART, -(-places // _DEPTH) * _DEPTH)
    parts = -(-places // part)
    sums = torch.empty(parts, models, terms + biased, outputs, dtype=torch.float32, device=wide.device)
    channels = max(16, _channels(outputs))
    rows = min(_ROWS, max(16, _power_of_two(terms)))
    grid = (-(-terms // rows), models, parts * -(-outputs // channels))
    kernels.weigh[grid](
        wide, small, sums,
        images, *wide.shape[3:], height, width,
        *wide.stride(), *small.stride(), models,
        WIDE=inputs, SMALL=outputs, KERNEL=kernel, STRIDE=stride, PADDING=padding,
        BIASED=biased, PRECISION=_precision(wide),
        ROWS=rows, CHANNELS=channels, PLACES=_DEPTH, PART=part, num_warps=_WARPS,
    )  # fmt: skip
    total = (sums[0] if parts == 1 else sums.sum(0)).to(weight.dtype)
    of_weight = total[:, :terms].view(models, kernel, kernel, inputs, outputs).permute(0, 4, 3, 1, 2)
    return of_weight, total[:, terms] if biased else None


def _channels(outputs: int) -> int:
    """That a program has: few are taken one by one, or a product of matrices would be of nothing but padding."""
    return 1 if outputs <= _FEW else max(16, _power_of_two(min(outputs, 128)))


def _precision(x: Tensor) -> str:
    return _FLOAT32 if x.dtype == torch.float32 else "ieee"


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
