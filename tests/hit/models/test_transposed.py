"""The quick transposed convolution is torch's, in value and in every gradient."""

import pytest
import torch
import torch.nn.functional as F

from hit.models.transposed import TransposedConvolution, conv_transpose2d


@pytest.mark.parametrize("channels", [1, 3, 8, 9])
@pytest.mark.parametrize("side", [(7, 7), (14, 14), (16, 9), (4, 4)])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(("kernel", "padding", "output_padding"), [(4, 1, 0), (5, 2, 1)])
def test_equals_torch(
    channels: int, side: tuple[int, int], biased: bool, kernel: int, padding: int, output_padding: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 5, *side), (5, channels, kernel, kernel), (channels,)]
    ours = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    theirs = [tensor.detach().clone().requires_grad_() for tensor in ours]
    output = conv_transpose2d(ours[0], ours[1], ours[2] if biased else None)
    expected = F.conv_transpose2d(theirs[0], theirs[1], theirs[2] if biased else None, 2, padding, output_padding)
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10)
    direction = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    (output * direction).sum().backward()
    (expected * direction).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        if one is ours[2] and not biased:
            continue
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("sizes", [(4, 2, 1, 0), (5, 2, 2, 1), (3, 1, 1, 0), (4, 1, 0, 0), (5, 2, 2, 0)])
def test_weights_are_laid_out_as_torchs(sizes: tuple[int, int, int, int]) -> None:
    ours, theirs = TransposedConvolution(4, 1, *sizes), torch.nn.ConvTranspose2d(4, 1, *sizes)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, 14, 14)
    torch.testing.assert_close(ours(x), theirs(x))
    assert isinstance(ours, torch.nn.ConvTranspose2d)
