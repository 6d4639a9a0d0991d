"""The contract of likelihoods: shapes, probabilities that add up to no more than one, draws with their mean."""

__all__ = ["check_likelihood"]

import math
from typing import Any

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.distributions import Likelihood
from hit.errors import ConfigError
from hit.testing.contract import ContractBroken, must

_DRAWS = 4000
_POINTS = 2001


def check_likelihood(name: str, image_shape: tuple[int, int, int] = (1, 6, 5), **flat: Any) -> None:
    """Check a registered likelihood.

    Args:
        name: under which it is registered.
        image_shape: (C, H, W) of the images that it is tried on.
        flat: other flat parameters of a config: `**{"likelihood.scale": 0.1}`.

    Raises:
        ContractBroken: naming the rule.
    """
    label = f"likelihood {name!r}"
    try:
        config = TrainConfig.from_flat({"likelihood": name, **flat})
        likelihood = config.likelihood_part(image_shape, config.likelihood_options, config)
    except ConfigError as error:
        raise ContractBroken(str(error)) from error
    must(isinstance(likelihood, Likelihood), label, "be a Likelihood", type(likelihood).__name__)
    likelihood = likelihood.double()
    generator = torch.Generator().manual_seed(0)
    channels, height, width = image_shape
    outputs = likelihood.outputs(channels)
    output = torch.rand(3, outputs, height, width, generator=generator).double().requires_grad_()
    images = torch.randint(0, 256, (3, *image_shape), dtype=torch.uint8, generator=generator)
    x = likelihood.prepare(images).double()
    must(x.shape == images.shape, label, f"prepare images as {tuple(images.shape)}", tuple(x.shape))
    must(bool((x >= 0).all() and (x <= 1).all()), label, "prepare images as numbers from 0 to 1")
    logs = likelihood.log_prob(x, output)
    must(logs.shape == (3,), label, "give log p(x|z_1) as one number an image, summed over pixels", tuple(logs.shape))
    must(bool(torch.isfinite(logs).all()), label, "give finite numbers in log_prob")
    (gradient,) = torch.autograd.grad(logs.sum(), output, allow_unused=True)
    must(gradient is not None and bool(torch.isfinite(gradient).all()), label, "have a finite gradient by its output")
    one = likelihood.log_prob(x[1:2], output[1:2])
    must(torch.allclose(one, logs[1:2]), label, "give an image the same number in any batch")
    _check_draws(likelihood, output.detach()[:1], (1, *image_shape), label)
    if channels == 1:
        _check_mass(likelihood, outputs, label)


def _check_draws(likelihood: Likelihood, output: Tensor, shape: tuple[int, ...], label: str) -> None:
    mean = likelihood.mean(output)
    must(mean.shape == shape, label, f"give E[x|z_1] as {shape}", tuple(mean.shape))
    many = output.expand(_DRAWS, *output.shape[1:])
    draws, again = (likelihood.sample(many, torch.Generator().manual_seed(5)) for _ in range(2))
    must(draws.shape == (_DRAWS, *shape[1:]), label, "draw as many images as it is given outputs", tuple(draws.shape))
    must(torch.equal(draws, again), label, "draw the same images by the same generator")
    error = draws.std(0) / math.sqrt(_DRAWS)
    away = ((draws.mean(0) - mean[0]).abs() / (error + 1 / 255)).max().item()
    must(away < 6, label, "draw images whose mean is `mean`", f"draws that lie {away:.3g} standard errors away")


def _check_mass(likelihood: Likelihood, outputs: int, label: str) -> None:
    """A density has no more than 1 on the pixel range; probabilities of all levels add up to 1."""
    output = torch.full((1, outputs, 1, 1), 0.3).double()
    if likelihood.discrete:
        levels = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1)
        x = likelihood.prepare(levels).double().unique().view(-1, 1, 1, 1)
        total = likelihood.log_prob(x, output.expand(len(x), -1, -1, -1)).exp().sum().item()
        must(abs(total - 1) < 1e-3, label, "have probabilities that add up to 1 over all levels of a pixel", total)
        return
    x = torch.linspace(0, 1, _POINTS).double().view(-1, 1, 1, 1)
    density = likelihood.log_prob(x, output.expand(_POINTS, -1, -1, -1)).exp()
    total = torch.trapezoid(density, x.flatten()).item()
    must(total < 1 + 1e-3, label, "have a density of at most 1 in all on the pixel range", f"{total:.4g}")
