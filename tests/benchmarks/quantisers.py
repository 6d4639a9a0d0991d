"""Ways to quantise posterior means, side by side: bits and PSNR of one model at several steps.

    python -m tests.benchmarks.quantisers RUN [DATASET] [IMAGES]

RUN is what `hit.serving.named_model.load_named` takes. Bits are ideal code lengths in place of a file's; the last rows
are files of `hit.coding.lossy.LossyCodec`. Nothing is asserted.
"""

import math
import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from hit import data
from hit.coding.lossy import LossyCodec, StepTable
from hit.coding.lossy.latent_search import bits_of_steps
from hit.coding.lossy.step_table import WidthTable
from hit.coding.top_down import reproducible_copy, top_down
from hit.distributions import DiagonalGaussian, LatentDistribution
from hit.metrics import squared_error
from hit.models import HierarchicalVAE
from hit.serving.named_model import load_named

#: (l, q, p) → z as it is sent, and bits of every number.
Quantise = Callable[[int, DiagonalGaussian, DiagonalGaussian], tuple[Tensor, Tensor]]
_DEEPEST = 12


def main(run: str, dataset: str = "digits", images: str = "100") -> None:
    """Print the table."""
    model = load_named(run).model
    loaded = data.load(dataset)
    pixels = loaded.test.head(int(images))
    double = reproducible_copy(model)
    x = double.prepare(pixels).double()
    table = StepTable.of(double, loaded.image_shape)
    with torch.no_grad():
        means = double(x, sample=False)
        rate = float(torch.stack(means.rates).sum(0).mean()) / math.log(2)
        print(f"R {rate:.1f} bits, posterior means {squared_error(x, double.reconstruct(means)).psnr:.2f} dB")
    worth = _worth(double, x)
    for name, step, quantise in _quantisers(table, worth):
        bits, psnr = _measured(double, x, quantise)
        print(f"{name:42} {step:6g} {bits:8.1f} bits {psnr:6.2f} dB")
    for iterations in (0, 60):
        for step in (2.0, 4.0, 8.0):
            codec = LossyCodec(model, loaded.image_shape, step, iterations)
            payload = codec.encode(pixels)
            error = squared_error(x, codec.decode(payload, len(pixels)).double() / 255)
            bits = 8 * len(payload) / len(pixels)
            print(f"{f'file, search of {iterations} iterations':42} {step:6g} {bits:8.1f} bits {error.psnr:6.2f} dB")


def _quantisers(table: StepTable, worth: Tensor) -> Iterator[tuple[str, float, Quantise]]:
    widths = [layer for layer in table.layers if isinstance(layer, WidthTable)]
    z1 = widths[0].width
    by_worth = worth.clamp(min=1e-12).rsqrt()
    by_worth = by_worth * (z1 / by_worth).median()
    for step in (0.25, 0.5, 1.0):
        yield "prior's standard deviation", step, _steps(lambda _, p, d=step: p.std * d, None)
    for step in (2.0, 4.0, 8.0):
        width = lambda layer, _, d=step: widths[layer - 1].width * d  # noqa: E731
        spread = [one.spread for one in widths]
        yield "posterior's width, prior as it is", step, _steps(width, None)
        yield "posterior's width, prior scaled", step, _steps(width, spread)
        yield "the same, points at the centre of mass", step, _steps(width, spread, centre=True)
        yield "the same, rounding by rate and distortion", step, _steps(width, spread, weight=1.0)
        worthy = lambda layer, _, d=step: (by_worth * 2 if layer == 1 else widths[layer - 1].width) * d  # noqa: E731
        yield "z_1 by worth in squared error, prior scaled", step, _steps(worthy, spread)
    for weight in (0.1, 0.5, 2.0):
        yield "variational Bayesian quantisation", weight, _dyadic(weight)


def _steps(
    size: Callable[[int, DiagonalGaussian], Tensor],
    spread: list[Tensor] | None,
    *,
    centre: bool = False,
    weight: float = 0.0,
) -> Quantise:
    """Uniform steps from the prior's mean; `weight` of bits against ((z − μ)/step)², 1 being that of small steps."""

    def quantise(layer: int, q: DiagonalGaussian, p: DiagonalGaussian) -> tuple[Tensor, Tensor]:
        step = size(layer, p)
        std = p.std * (spread[layer - 1] if spread else 1) / step
        place = (q.mean - p.mean) / step
        nearest = place.round()
        tried = torch.stack([nearest, nearest - place.sign(), torch.zeros_like(place)])
        bits = bits_of_steps(tried, std)
        cost = (tried - place).square() + weight * math.log(2) / 6 * bits
        best = cost.argmin(0, keepdim=True) if weight else torch.zeros_like(nearest, dtype=torch.long)[None]
        k, paid = tried.gather(0, best)[0], bits.gather(0, best)[0]
        if centre:
            low, high = (k - 0.5) / std, (k + 0.5) / std
            density = [torch.exp(-side.square() / 2) / math.sqrt(2 * math.pi) for side in (low, high)]
            middle = (density[0] - density[1]) / torch.exp2(-paid) * std
            k = torch.where(paid < 25, middle, k)
        return p.mean + k * step, paid

    return quantise


def _dyadic(weight: float) -> Quantise:
    """https://arxiv.org/abs/2002.08158: of the prior's quantiles at 2⁻ʳ (2i + 1) the one that is near and short."""

    def quantise(layer: int, q: DiagonalGaussian, p: DiagonalGaussian) -> tuple[Tensor, Tensor]:
        place, width = (q.mean - p.mean) / p.std, q.std / p.std
        at = torch.special.ndtr(place)
        best, cost, length = torch.zeros_like(at) + 0.5, torch.full_like(at, math.inf), torch.zeros_like(at)
        for depth in range(1, _DEEPEST + 1):
            cell = 2.0 ** (1 - depth)
            point = ((at / cell).floor().clamp(0, 1 / cell - 1) + 0.5) * cell
            tried = ((torch.special.ndtri(point) - place) / width).square() / 2 + weight * depth
            better = tried < cost
            best, cost = torch.where(better, point, best), torch.where(better, tried, cost)
            length = torch.where(better, float(depth), length)
        # As the paper does, numbers are coded by how often each occurs; what that table takes is not counted.
        _, which, counts = np.unique(best.numpy(), return_inverse=True, return_counts=True)
        paid = torch.from_numpy(-np.log2(counts / counts.sum()))[torch.from_numpy(which.reshape(best.shape))]
        return p.mean + torch.special.ndtri(best) * p.std, paid

    return quantise


@torch.no_grad()
def _measured(model: HierarchicalVAE, x: Tensor, quantise: Quantise) -> tuple[float, float]:
    total = torch.zeros(len(x), dtype=torch.float64)

    def choose(layer: int, prior: LatentDistribution, posterior: LatentDistribution | None) -> Tensor:
        assert isinstance(prior, DiagonalGaussian)
        assert isinstance(posterior, DiagonalGaussian)
        z, bits = quantise(layer, posterior, prior)
        total.add_(bits.flatten(1).sum(1))
        return z

    output = top_down(model, len(x), choose, model.inference.evidence(x))
    psnr = squared_error(x, model.likelihood.mean(output)).psnr
    return float(total.mean()), math.inf if psnr is None else psnr


def _worth(model: HierarchicalVAE, x: Tensor) -> Tensor:
    """E Σ (∂x̂/∂z_1)², the squared error that a small error of each dimension makes, by random projections."""
    with torch.no_grad():
        z = model(x, sample=False).latents[0]
    z.requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    found = torch.zeros_like(z)
    for _ in range(8):
        image = model.likelihood.mean(model.decoder(z))
        sides = torch.randn(image.shape, generator=generator, dtype=image.dtype)
        found += torch.autograd.grad((image * sides).sum(), z)[0].square()
    return found.mean(0) / 8


if __name__ == "__main__":
    main(*sys.argv[1:])
