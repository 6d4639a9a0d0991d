"""Bits back with asymmetric numeral systems: an image costs −log p(x|z) p(z) bits and gives back −log q(z|x)."""

__all__ = ["BitsBack", "Costs", "Samples"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hit.coding.ans_stack import AnsStack, Symbols
from hit.coding.entropy_models import Models
from hit.coding.latent_grid import LatentGrid
from hit.coding.pixel_models import pixel_models
from hit.coding.top_down import descended, top_down
from hit.distributions import LatentDistribution
from hit.models import HierarchicalVAE

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """What images took, bits each.

    Attributes:
        latents: net of z_1 … z_L: batch × L.
        pixels: of x given z_1: batch.
    """

    latents: Floats
    pixels: Floats

    @property
    def total(self) -> Floats:
        """Of every image."""
        total: Floats = self.latents.sum(1) + self.pixels
        return total


@dataclass(frozen=True)
class Samples:
    """The same by the model's densities at the very latents that were coded, nats.

    Attributes:
        rates: R_l of every image given the layers above as they were drawn, closed form: batch × L.
        log_ratios: log q(z_l|…) − log p(z_l|…), whose mean over draws is R_l: batch × L.
        distortion: −log p(x|z_1): batch.
    """

    rates: Floats
    log_ratios: Floats
    distortion: Floats


class BitsBack:
    """Codes images on stacks, one image a stack at a time (https://arxiv.org/abs/1901.04866).

    From the top down z_l is popped as a draw of q(z_l|z_{l+1}, x), then x is pushed by p(x|z_1), and z_1 … z_L by their
    priors: the stack grows by −log p(x, z) + log q(z|x) bits, whose mean is −ELBO. Decoding runs the other way, and
    gives back the bits that the pops took.

    Args:
        model: as `reproducible_copy` makes it; both ways run within `reproducible`, in batches of the same images.
        grid: of its latents.

    Raises:
        ConfigError: the likelihood is not discrete.
    """

    def __init__(self, model: HierarchicalVAE, grid: LatentGrid = LatentGrid()) -> None:  # noqa: B008  frozen
        self.model = model
        self.grid = grid
        self.pixels = pixel_models(model.likelihood)

    def push(self, stacks: Sequence[AnsStack], levels: Tensor) -> Costs:
        """Push one image on each stack, and say what that took.

        Args:
            stacks: as many as images, each with random bits for what the latents take.
            levels: batch × shape of x, int32.

        Raises:
            Diverged: the model gives numbers that are not finite.
        """
        return self._push(stacks, levels, [])[0]

    def push_measured(self, stacks: Sequence[AnsStack], levels: Tensor) -> tuple[Costs, Samples]:
        """The same, with what the model's densities say of the latents that were drawn."""
        steps: list[_Step] = []
        costs, output = self._push(stacks, levels, steps)
        steps.reverse()  # z_1 first
        rates = torch.stack([step.posterior.kl(step.prior) for step in steps], 1)
        logs = torch.stack([step.posterior.log_prob(step.z) - step.prior.log_prob(step.z) for step in steps], 1)
        distortion = -self.model.likelihood.log_prob(self.pixels.x(levels), output)
        return costs, Samples(rates.numpy(), logs.numpy(), distortion.numpy())

    def pop(self, stacks: Sequence[AnsStack], shape: tuple[int, ...]) -> Tensor:
        """The levels of the images that were pushed last, each of this shape."""
        steps: list[_Step] = []

        def choose(layer: int, prior: LatentDistribution, posterior: LatentDistribution | None) -> Tensor:
            symbols = _popped(stacks, self.grid.prior(prior))
            z = self.grid.points(symbols, prior)
            steps.append(_Step(layer, symbols, z, prior, prior))
            return z

        output = top_down(self.model, len(stacks), choose)
        levels = torch.zeros((len(stacks), *shape), dtype=torch.int32)
        for stage in range(self.pixels.stages):
            symbols = _popped(stacks, self.pixels.models(stage, output, levels))
            self.pixels.put(stage, levels, symbols)
        evidence = self.model.inference.evidence(self.pixels.x(levels))
        drawn = {step.layer: step for step in steps}
        posteriors: dict[int, Models] = {}

        def known(layer: int, prior: LatentDistribution, posterior: LatentDistribution | None) -> Tensor:
            assert posterior is not None
            posteriors[layer] = self.grid.posterior(posterior, prior)
            return drawn[layer].z

        descended(self.model, len(stacks), known, evidence)
        for layer in range(1, self.model.layers + 1):
            _push(stacks, drawn[layer].symbols, posteriors[layer])
        return levels

    def _push(self, stacks: Sequence[AnsStack], levels: Tensor, steps: "list[_Step]") -> tuple[Costs, Tensor]:
        """Push, and add what was drawn to steps, z_L first; with the decoder's output."""
        latents = np.zeros((len(stacks), self.model.layers))

        def choose(layer: int, prior: LatentDistribution, posterior: LatentDistribution | None) -> Tensor:
            assert posterior is not None
            before = _bits(stacks)
            symbols = _popped(stacks, self.grid.posterior(posterior, prior))
            latents[:, layer - 1] = _bits(stacks) - before
            z = self.grid.points(symbols, prior)
            steps.append(_Step(layer, symbols, z, posterior, prior))
            return z

        output = top_down(self.model, len(stacks), choose, self.model.inference.evidence(self.pixels.x(levels)))
        before = _bits(stacks)
        for stage in reversed(range(self.pixels.stages)):
            _push(stacks, self.pixels.symbols(stage, levels), self.pixels.models(stage, output, levels))
        pixels = _bits(stacks) - before
        for step in reversed(steps):
            before = _bits(stacks)
            _push(stacks, step.symbols, self.grid.prior(step.prior))
            latents[:, step.layer - 1] += _bits(stacks) - before
        return Costs(latents, pixels), output


@dataclass(frozen=True)
class _Step:
    """What was drawn of one layer."""

    layer: int
    symbols: Symbols
    z: Tensor
    posterior: LatentDistribution
    prior: LatentDistribution


def _popped(stacks: Sequence[AnsStack], models: Models) -> Symbols:
    return np.stack([stack.pop(models.row(index)) for index, stack in enumerate(stacks)])


def _push(stacks: Sequence[AnsStack], symbols: Symbols, models: Models) -> None:
    for index, stack in enumerate(stacks):
        stack.push(symbols[index], models.row(index))


def _bits(stacks: Sequence[AnsStack]) -> Floats:
    return np.array([stack.bits for stack in stacks])
