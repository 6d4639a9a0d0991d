"""What all models share: one pass of images down the hierarchy, and what it costs in every layer."""

__all__ = ["HierarchicalVAE", "Inference", "MeanPass", "Pass", "TopDownState"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hit.distributions import DiagonalGaussian, LatentDistribution, Likelihood


@dataclass(frozen=True)
class Pass:
    """What one pass of a batch through a model gives. Tuples run over the layers: index 0 is z_1.

    Attributes:
        rates: R_l of every image, nats; each of shape (batch,).
        distortion: −log p(x|z_1) of every image, nats; shape (batch,).
        output: what the decoder's last layer gives, parameters of the likelihood.
        latents: z_l as drawn; each batch × latent shape.
        posteriors: q(z_l|z_{l+1}, x), or of all that lies above z_l where the model hands down a state.
        priors: p(z_l|z_{l+1}), likewise.
    """

    rates: tuple[Tensor, ...]
    distortion: Tensor
    output: Tensor
    latents: tuple[Tensor, ...]
    posteriors: tuple[LatentDistribution, ...]
    priors: tuple[LatentDistribution, ...]


@dataclass(frozen=True)
class MeanPass:
    """A pass by posterior means, without what it costs. Tuples run over the layers: index 0 is z_1.

    Attributes:
        latents: posterior means, each batch × latent shape.
        output: what the decoder's last layer gives of them.
    """

    latents: tuple[Tensor, ...]
    output: Tensor


class Inference(nn.Module, ABC):
    """q(z_L|x) Π q(z_l|z_{l+1}, x): what the images say of every layer, met by what comes from above.

    Attributes:
        reads_priors: whether `posterior` looks at its prior.
    """

    reads_priors: ClassVar[bool] = True

    @abstractmethod
    def evidence(self, x: Tensor) -> tuple[Tensor | LatentDistribution, ...]:
        """What x alone says of z_1 … z_L, index 0 for z_1."""

    @abstractmethod
    def posterior(
        self,
        layer: int,
        evidence: Tensor | LatentDistribution,
        above: Tensor | None,
        prior: LatentDistribution | None,
    ) -> LatentDistribution:
        """q(z_l|z_{l+1}, x).

        Args:
            layer: l.
            evidence: that of z_l.
            above: z_{l+1}, or the state that the model hands down; None for the top layer alone.
            prior: p(z_l|z_{l+1}); None for the top layer alone.
        """


class TopDownState(nn.Module, ABC):
    """What a model hands down: all that z_l and what is below it, the decoder last, see of z_{l+1} … z_L.

    Very deep models carry everything that was drawn in one (https://arxiv.org/abs/2011.10650). Without one, a layer
    sees the latent above it alone.
    """

    @abstractmethod
    def forward(self, layer: int, above: Tensor | None, z: Tensor) -> Tensor:
        """The state below z_l.

        Args:
            layer: l.
            above: the state above z_l, batch × anything; None for the top layer.
            z: z_l, batch × latent shape.
        """


class HierarchicalVAE(nn.Module):
    """A top-down hierarchical VAE: q(z_L|x) Π q(z_l|z_{l+1}, x) against p(z_L) Π p(z_l|z_{l+1}) p(x|z_1).

    The KL of its ELBO splits into one rate a layer (https://arxiv.org/abs/2302.04855, eq. 5):
    R_L = KL(q(z_L|x) ‖ p(z_L)) and R_l = E KL(q(z_l|z_{l+1}, x) ‖ p(z_l|z_{l+1})).

    Args:
        inference: the family of posteriors; models differ mainly here.
        priors: p(z_l|z_{l+1}) for l = 1 … L−1: each takes z_{l+1}, or the state.
        decoder: z_1, or the state below it → the likelihood's output.
        likelihood: p(x|z_1).
        latent_shapes: shape of one z_l for l = 1 … L.
        top: family of z_L; p(z_L) is its `standard` one. Every layer below is Gaussian.
        state: what is handed down from layer to layer; None: the latent above alone.
    """

    def __init__(
        self,
        inference: Inference,
        priors: Sequence[nn.Module],
        decoder: nn.Module,
        likelihood: Likelihood,
        latent_shapes: Sequence[tuple[int, ...]],
        top: type[LatentDistribution] = DiagonalGaussian,
        state: TopDownState | None = None,
    ) -> None:
        super().__init__()
        assert len(latent_shapes) == len(priors) + 1
        self.inference = inference
        self.priors = nn.ModuleList(priors)
        self.decoder = decoder
        self.likelihood = likelihood
        self.latent_shapes = tuple(latent_shapes)
        self.top = top
        self.state = state

    @property
    def layers(self) -> int:
        """L."""
        return len(self.latent_shapes)

    def prepare(self, images: Tensor) -> Tensor:
        """The x that the model is fed, from uint8 images (batch × C × H × W) float in [0, 1], or of vectors."""
        return self.likelihood.prepare(images)

    def restore(self, x: Tensor) -> Tensor:
        """Mean images, or vectors, as the model gives them in the units of the data."""
        return self.likelihood.restore(x)

    def noise(self, batch: int, generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
        """The noise that one pass samples with, on the model's device: one tensor a layer, index 0 for z_1."""
        device = next(self.parameters()).device
        families = [DiagonalGaussian] * (self.layers - 1) + [self.top]
        return tuple(
            family.noise((batch, *shape), generator, device)
            for family, shape in zip(families, self.latent_shapes, strict=True)
        )

    def forward(
        self,
        x: Tensor,
        noise: Sequence[Tensor] | None = None,
        *,
        sample: bool = True,
        temperature: float | None = None,
        evidence: Sequence[Tensor | LatentDistribution] | None = None,
    ) -> Pass:
        """Infer z_L … z_1, paying each layer's rate, and decode z_1.

        Args:
            x: prepared images (`prepare`), batch × C × H × W.
            noise: one tensor a layer (`noise`); drawn here where absent.
            sample: False takes the posterior means instead, so that numbers can be compared.
            temperature: of a categorical z_L in training; None leaves it one-hot. Others take no heed of it.
            evidence: `inference.evidence(x)`, where several passes of the same images share it.
        """
        if sample and noise is None:
            noise = self.noise(x.shape[0])
        if evidence is None:
            evidence = self.inference.evidence(x)
        above: Tensor | None = None
        latents, posteriors, priors, rates = [], [], [], []
        for layer in range(self.layers, 0, -1):
            prior = None if above is None else _as_precise(self.priors[layer - 1](above), x)
            posterior = self.inference.posterior(layer, evidence[layer - 1], above, prior)
            posterior = _as_precise(posterior, x).relaxed(temperature)
            prior = self.top.standard(posterior.parameters[0]) if prior is None else prior
            z = posterior.sample(noise[layer - 1]) if sample and noise is not None else posterior.mean
            above = self.below(layer, above, z)
            latents.append(z)
            posteriors.append(posterior)
            priors.append(prior)
            rates.append(posterior.kl(prior))
        output = self.decoder(above).to(x.dtype)
        return Pass(
            rates=tuple(reversed(rates)),
            distortion=-self.likelihood.log_prob(x, output),
            output=output,
            latents=tuple(reversed(latents)),
            posteriors=tuple(reversed(posteriors)),
            priors=tuple(reversed(priors)),
        )

    def mean_pass(self, x: Tensor, given: Pass, evidence: Sequence[Tensor | LatentDistribution]) -> MeanPass:
        """Latents and output of `forward(x, sample=False)`, in less time: neither rates nor distortion are computed.

        Args:
            x: prepared images.
            given: another pass of the same images, which has q(z_L|x).
            evidence: that both share.
        """
        if type(self).forward is not HierarchicalVAE.forward:  # of an extension
            outcome = self(x, sample=False, evidence=evidence)
            return MeanPass(outcome.latents, outcome.output)
        above: Tensor | None = None
        latents: list[Tensor] = []
        posterior = given.posteriors[-1]
        for layer in range(self.layers, 0, -1):
            if above is not None:
                reads = self.inference.reads_priors
                prior = _as_precise(self.priors[layer - 1](above), x) if reads else None
                posterior = _as_precise(self.inference.posterior(layer, evidence[layer - 1], above, prior), x)
            latents.append(posterior.mean)
            above = self.below(layer, above, posterior.mean)
        return MeanPass(tuple(reversed(latents)), self.decoder(above).to(x.dtype))

    def generate(self, noise: Sequence[Tensor]) -> Tensor:
        """Mean images E[x|z_1] (batch × C × H × W) of samples drawn from the prior with this noise."""
        return self.descend(lambda layer, prior: prior.sample(noise[layer - 1]), noise[-1].shape[0])

    def descend(self, choose: Callable[[int, LatentDistribution], Tensor], batch: int = 1) -> Tensor:
        """Mean images E[x|z_1] of latents that are chosen from the top down, each knowing its prior.

        Args:
            choose: (l, p(z_l|z_{l+1})) → z_l, of the prior's batch, or of any where that is 1.
            batch: of the prior of z_L.

        Returns:
            batch × C × H × W, with the batch of the last z that was chosen.
        """
        device = next(self.parameters()).device
        prior = self.top.standard(torch.zeros((batch, *self.latent_shapes[-1]), device=device))
        above: Tensor | None = None
        for layer in range(self.layers, 0, -1):
            if above is not None:
                prior = self.priors[layer - 1](above)
            z = choose(layer, prior)
            if above is not None and len(above) < len(z):
                above = above.expand(len(z), *above.shape[1:])
            above = self.below(layer, above, z)
        return self.likelihood.mean(self.decoder(above))

    def reconstruct(self, outcome: Pass | MeanPass) -> Tensor:
        """Mean images E[x|z_1] of a pass, shaped like x."""
        return self.likelihood.mean(outcome.output)

    def below(self, layer: int, above: Tensor | None, z: Tensor) -> Tensor:
        """What the layer below z_l, or the decoder, sees."""
        return z if self.state is None else self.state(layer, above, z)


def _as_precise(distribution: LatentDistribution, x: Tensor) -> LatentDistribution:
    """The distribution in the precision of the images, which layers under autocast leave: KL and samples keep it."""
    if all(parameter.dtype == x.dtype for parameter in distribution.parameters):
        return distribution
    return type(distribution)(*(parameter.to(x.dtype) for parameter in distribution.parameters))
