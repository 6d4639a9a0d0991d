"""Convolutions of many models are torch's of each, in value and gradient, by grouped ones and by Triton."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hit.training.lockstep.layers import stacked_convolution
from hit.training.lockstep.layers.stacked_convolution import StackedConvolution, stackable

#: Sizes at which tiles and parts are not filled, and with few and many outputs.
_LAYERS = [
    nn.Conv2d(3, 2, 5, 2, 2),
    nn.Conv2d(3, 17, 4, 2, 1),
    nn.Conv2d(1, 5, 3, 1, 1, bias=False),
    nn.ConvTranspose2d(3, 1, 5, 2, 2, 1),
    nn.ConvTranspose2d(2, 17, 3, 1, 1, bias=False),
    nn.ConvTranspose2d(2, 5, 2, 3, 0, 1),
]


@pytest.fixture(autouse=True)
def _no_loops() -> Iterator[None]:
    torch._C._functorch._set_vmap_fallback_enabled(False)
    yield
    torch._C._functorch._set_vmap_fallback_enabled(True)


@pytest.mark.parametrize("layer", _LAYERS)
def test_by_grouped_ones(layer: nn.Module) -> None:
    _check(layer, torch.float64, 1e-10)


def test_by_triton() -> None:
    """Its kernels, run by its interpreter on the CPU, in a process that has it from the beginning."""
    pytest.importorskip("triton", reason="Triton comes with PyTorch for NVIDIA GPUs")
    command = [sys.executable, "-c", f"from {__name__} import check_kernels; check_kernels()"]
    root = Path(__file__).resolve().parents[5]
    ended = subprocess.run(
        command, env={**os.environ, "TRITON_INTERPRET": "1"}, cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def check_kernels() -> None:
    """All layers by kernels that have more parts than one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacked_convolution, "_by_triton", lambda x: True)
        patch.setattr(stacked_convolution, "_PART", 64)
        for layer in _LAYERS:
            _check(layer, torch.float32, 2e-5)


def _check(layer: nn.Module, dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(0)
    stacked = stackable(layer)  # type: ignore[arg-type]
    assert isinstance(stacked, StackedConvolution)
    x = torch.randn(2, 3, layer.weight.shape[isinstance(layer, nn.Conv2d)], 5, 6, generator=generator)  # type: ignore[index, union-attr]
    named = {name: torch.stack([value, 2 * value]).detach() for name, value in layer.named_parameters()}

    def outcome(module: nn.Module, dtype: torch.dtype, *, together: bool) -> list[Tensor]:
        inputs = [one.to(dtype).requires_grad_() for one in (x, *named.values())]
        own = dict(zip(named, inputs[1:], strict=True))

        def apply(own: dict[str, Tensor], x: Tensor) -> Tensor:
            return torch.func.functional_call(module, own, (x,))

        if together:
            y = torch.func.vmap(apply)(own, inputs[0])
        else:
            y = torch.stack(
                [apply({name: value[index] for name, value in own.items()}, inputs[0][index]) for index in range(2)]
            )
        direction = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        return [y, *torch.autograd.grad((y * direction).sum(), inputs)]

    ours, theirs = outcome(stacked, dtype, together=True), outcome(layer, torch.float64, together=False)
    for one, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.double(), expected, rtol=tolerance, atol=tolerance)


def test_what_is_more_than_a_square_convolution_stays() -> None:
    for layer in (
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, (3, 2)),
        nn.ConvTranspose2d(4, 4, 3, padding_mode="zeros", stride=(1, 2)),
    ):
        assert stackable(layer) is layer


def test_alone_it_is_torchs() -> None:
    layer, x = nn.Conv2d(3, 2, 3), torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(StackedConvolution(layer)(x), layer(x))
