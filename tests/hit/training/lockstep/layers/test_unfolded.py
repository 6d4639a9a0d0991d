"""Unfolded convolutions are torch's, in value and gradient, and `vmap` takes them without a loop."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from hit.training.lockstep.layers.unfolded import unfolded


@pytest.fixture(autouse=True)
def _no_loops() -> Iterator[None]:
    torch._C._functorch._set_vmap_fallback_enabled(False)
    yield
    torch._C._functorch._set_vmap_fallback_enabled(True)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "layer",
    [
        *(nn.Conv2d(3, 4, *form) for form in ((5, 2, 2), (4, 2, 1), (3, 1, 1), (1, 1, 0), (4, 1, 0))),
        *(nn.ConvTranspose2d(3, 4, *form) for form in ((5, 2, 2, 1), (4, 2, 1), (3, 1, 1), (4, 1, 0), (2, 3, 0))),
        nn.Conv2d(3, 4, (3, 2), (1, 2), (0, 1)),
        nn.ConvTranspose2d(3, 4, (3, 5), (1, 2), (1, 0)),
    ],
)
def test_equals_torch(layer: nn.Module, bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = layer.double()
    if not bias:
        layer.bias = None
    other = unfolded(layer)  # type: ignore[arg-type]
    assert type(other) is not type(layer)
    x = torch.randn(2, 5, 3, 7, 6, generator=generator, requires_grad=True)
    named = {
        name: torch.stack([value, 2 * value]).detach().requires_grad_() for name, value in layer.named_parameters()
    }
    inputs = [x, *named.values()]

    def apply(module: nn.Module) -> torch.Tensor:
        return torch.func.vmap(lambda named, x: torch.func.functional_call(module, named, (x,)))(named, x)

    ours, theirs = apply(other), apply(layer)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    direction = torch.randn(ours.shape, generator=generator)
    for one, expected in zip(
        torch.autograd.grad((ours * direction).sum(), inputs),
        torch.autograd.grad((theirs * direction).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, expected, rtol=1e-10, atol=1e-10)


def test_what_is_more_than_a_convolution_stays() -> None:
    for layer in (
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.ConvTranspose2d(4, 4, 2, 2, output_padding=1),
    ):
        assert unfolded(layer) is layer
