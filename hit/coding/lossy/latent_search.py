"""The encoder's search for the latents on the grid that are worth their bits: rounding means is not the best."""

__all__ = ["LatentSearch", "bits_of_steps"]

import math

import torch
from torch import Tensor

from hit.coding.lossy.step_table import CategoryTable, StepTable, WidthTable
from hit.coding.top_down import descended
from hit.distributions import Categorical, DiagonalGaussian, LatentDistribution
from hit.models import HierarchicalVAE

#: Steps that the first move of Adam makes; the last makes none.
_RATE = 0.08
#: Bounds of Φ's argument, beyond which float32 has no difference left.
_FARTHEST, _LEAST_MASS = 12.0, 1e-30


class LatentSearch:
    """Minimises bits + λ Σ (x − x̂)² of every image over all of its latents on the grid.

    It begins at the posterior's means and follows the gradient through priors and decoder, with the rounding passed
    over in the gradient (https://arxiv.org/abs/2006.04240 searches so, with an annealed rounding), and keeps the best
    that it saw, the rounded means among them. λ = n / (2 ln 2 · ΔD), where n numbers are sent and rounding their means
    adds ΔD to the squared error: that of small steps, 2⁻² of whose error one more bit a number leaves.

    Args:
        model: in any precision, on any device; its weights take no gradients.
        table: of the model.
        step: in posterior widths.
        iterations: of the search; 0 rounds the means.
    """

    def __init__(self, model: HierarchicalVAE, table: StepTable, step: float, iterations: int) -> None:
        weights = next(model.parameters())
        self._model = model
        self._iterations = iterations
        self._layers = [_Layer(layer, step, weights) for layer in table.layers]

    def __call__(self, x: Tensor) -> list[Tensor]:
        """k of z_1 … z_L, each batch × n, int32: a number a dimension, or the category.

        Args:
            x: prepared images.
        """
        with torch.no_grad():
            means = self._means(x)
            _, _, error_of_means = self._pass(x, means, rounds=False)
            found, bits, error = self._pass(x, means)
            added = float((error - error_of_means).mean().clamp(min=1e-6 * float(error.mean()) + 1e-12))
            numbers = sum(int(layer.used.sum()) for layer in self._layers if layer.used is not None)
            weight = numbers / (2 * math.log(2) * added)
            best = bits + weight * error
        if not self._iterations:
            return found
        moved = [torch.zeros_like(mean).requires_grad_(True) for mean in means]
        optimiser = torch.optim.Adam(moved, lr=_RATE)
        for iteration in range(self._iterations):
            optimiser.param_groups[0]["lr"] = _RATE * (1 - iteration / self._iterations)
            optimiser.zero_grad()
            with torch.enable_grad():
                latents = [
                    layer.moved(mean, move) for layer, mean, move in zip(self._layers, means, moved, strict=True)
                ]
                ks, bits, error = self._pass(x, latents)
                cost = bits + weight * error
                cost.sum().backward()
            better = cost.detach() < best
            best = torch.where(better, cost.detach(), best)
            found = [torch.where(better[:, None], new, old) for new, old in zip(ks, found, strict=True)]
            optimiser.step()
        return found

    def _means(self, x: Tensor) -> list[Tensor]:
        """The posterior's means, each given the layers above as rounding would send them."""
        means: dict[int, Tensor] = {}

        def choose(layer: int, prior: LatentDistribution, posterior: LatentDistribution | None) -> Tensor:
            assert posterior is not None
            means[layer] = posterior.mean
            return self._layers[layer - 1].sent(posterior.mean, prior)[0]

        descended(self._model, len(x), choose, self._model.inference.evidence(x))
        return [means[layer] for layer in sorted(means)]

    def _pass(self, x: Tensor, latents: list[Tensor], *, rounds: bool = True) -> tuple[list[Tensor], Tensor, Tensor]:
        """k of every layer, bits and Σ (x − x̂)² of every image."""
        ks: dict[int, Tensor] = {}
        bits = []

        def choose(layer: int, prior: LatentDistribution, _: LatentDistribution | None) -> Tensor:
            if not rounds:
                return latents[layer - 1]
            z, ks[layer], paid = self._layers[layer - 1].sent(latents[layer - 1], prior)
            bits.append(paid)
            return z

        decoded = self._model.decoder(descended(self._model, len(x), choose))
        errors = (self._model.likelihood.mean(decoded) - x).square().flatten(1).sum(1)
        total = torch.stack(bits).sum(0) if bits else torch.zeros_like(errors)
        return [ks[layer] for layer in sorted(ks)], total, errors


class _Layer:
    """One layer's grid, in the model's precision and on its device."""

    def __init__(self, table: WidthTable | CategoryTable, step: float, like: Tensor) -> None:
        self.used: Tensor | None = None
        if isinstance(table, WidthTable):
            self.used = table.used(step).to(like.device)
            self._step, self._spread = (step * table.width).to(like), table.spread.to(like)

    def moved(self, mean: Tensor, move: Tensor) -> Tensor:
        return mean if self.used is None else mean + move * self._step

    def sent(self, latent: Tensor, prior: LatentDistribution) -> tuple[Tensor, Tensor, Tensor]:
        """z on the grid, its k (batch × n), and what it costs in bits (batch)."""
        if isinstance(prior, Categorical) or self.used is None:
            return latent, latent.argmax(1, keepdim=True).int(), latent.new_zeros(len(latent))
        assert isinstance(prior, DiagonalGaussian)
        place = (latent - prior.mean) / self._step * self.used
        k = place + (place.round() - place).detach()
        z = prior.mean + k * self._step
        paid = bits_of_steps(k, self._spread * prior.std / self._step) * self.used
        return z, k.detach().flatten(1)[:, self.used.flatten()].int(), paid.flatten(1).sum(1)


def bits_of_steps(k: Tensor, std: Tensor) -> Tensor:
    """−log2 of the mass of N(0, std²) from |k| − ½ to |k| + ½, taken on the side where the difference survives."""
    size = k.abs()
    upper = ((0.5 - size) / std).clamp(-_FARTHEST, _FARTHEST)
    lower = ((-0.5 - size) / std).clamp(-_FARTHEST, _FARTHEST)
    mass = torch.special.ndtr(upper) - torch.special.ndtr(lower)
    bits: Tensor = -mass.clamp(min=_LEAST_MASS).log2()
    return bits
