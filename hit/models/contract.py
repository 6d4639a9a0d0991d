"""What every model keeps, whoever wrote it: shapes, numbers that are finite, no KL below zero, gradients everywhere."""

__all__ = ["check_pass"]

from collections.abc import Iterable
from contextlib import suppress

import torch
from torch import Tensor

from hit.distributions import LatentDistribution
from hit.errors import ConfigError
from hit.models.hierarchy import HierarchicalVAE, Pass

_IMAGES = 3
#: What a pass raises where the parts of a model do not fit.
_FAULTS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)
#: By which a KL in float32 may fall below zero, relative to the KL of a layer.
_ROUNDING = 1e-3


def check_pass(model: HierarchicalVAE, image_shape: tuple[int, ...], label: str) -> None:
    """Let a few random images, or vectors, pass through a model, and gradients back; the model stays as it is.

    Args:
        model: untrained, on the CPU.
        image_shape: (C, H, W), or (D,) of vectors.
        label: what messages call it.

    Raises:
        ConfigError: naming the rule that it breaks.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (_IMAGES, *image_shape), dtype=torch.uint8, generator=generator)
    kind = "images"
    if len(image_shape) == 1:
        images, kind = images.float() / 255, "vectors"
    with torch.random.fork_rng(devices=[]):
        x = model.prepare(images)
        _shaped(label, f"prepare {kind} as", x, (_IMAGES, *image_shape))
        try:
            outcome = model(x, model.noise(_IMAGES, generator))
            with torch.no_grad():
                generated = model.generate(model.noise(_IMAGES, generator))
        except _FAULTS as error:
            if "memory" in str(error):
                raise
            _check_parts(model, x, label)
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ConfigError(f"{label} must take {kind} of {_by(image_shape)}, got {said}") from error
    _check_outcome(model, outcome, label)
    _shaped(label, f"reconstruct {kind} as", model.reconstruct(outcome), (_IMAGES, *image_shape))
    _shaped(label, f"generate {kind} as", generated, (_IMAGES, *image_shape))
    _check_gradients(model, outcome, label)


def _check_parts(model: HierarchicalVAE, x: Tensor, label: str) -> None:
    """Go down a model whose pass fails, and name the first part that gives something else than what is needed."""
    with torch.no_grad(), suppress(*_FAULTS):
        evidence = model.inference.evidence(x)
        if not isinstance(evidence, tuple | list) or len(evidence) != model.layers:
            got = len(evidence) if isinstance(evidence, tuple | list) else type(evidence).__name__
            raise ConfigError(f"{label} must give evidence of {model.layers} layers, index 0 for z_1, got {got}")
        above: Tensor | None = None
        for layer in range(model.layers, 0, -1):
            shape = (_IMAGES, *model.latent_shapes[layer - 1])
            prior = None
            if above is not None:
                prior = _latent(label, f"p(z_{layer})", model.priors[layer - 1](above), shape)
            posterior = model.inference.posterior(layer, evidence[layer - 1], above, prior)
            z = _latent(label, f"q(z_{layer})", posterior, shape).mean
            above = z if model.state is None else model.state(layer, above, z)
        output = (_IMAGES, model.likelihood.outputs(x.shape[1]), *x.shape[2:])
        _shaped(label, "decode z_1 to", model.decoder(above), output)


def _latent(label: str, what: str, distribution: object, shape: tuple[int, ...]) -> LatentDistribution:
    if not isinstance(distribution, LatentDistribution):
        rule = "as one of hit.distributions, such as DiagonalGaussian"
        raise ConfigError(f"{label} must give {what} {rule}, got {type(distribution).__name__}")
    _shaped(label, f"give {what} with means of", distribution.mean, shape)
    return distribution


def _check_outcome(model: HierarchicalVAE, outcome: Pass, label: str) -> None:
    for layer, (z, rate, shape) in enumerate(
        zip(outcome.latents, outcome.rates, model.latent_shapes, strict=True), start=1
    ):
        _shaped(label, f"draw z_{layer} as", z, (_IMAGES, *shape))
        _shaped(label, f"give R_{layer} as", rate, (_IMAGES,))
        _finite(label, f"R_{layer}", rate)
        if rate.min() < -_ROUNDING * (1 + rate.abs().max()):
            raise ConfigError(
                f"{label} must have a KL of zero or more in every layer, got R_{layer} = {rate.min().item():.4g} nats: "
                f"its posterior's `kl` is wrong"
            )
    _shaped(label, "give the distortion as", outcome.distortion, (_IMAGES,))
    _finite(label, "the distortion", outcome.distortion)
    _finite(label, "the decoder's output", outcome.output)


def _check_gradients(model: HierarchicalVAE, outcome: Pass, label: str) -> None:
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    total = outcome.distortion.sum() + torch.stack([rate.sum() for rate in outcome.rates]).sum()
    if not weights or not total.requires_grad:
        raise ConfigError(f"{label} must have weights that the objective depends on, got none")
    gradients = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
    for name, gradient in zip(weights, gradients, strict=True):
        if gradient is None:
            raise ConfigError(f"{label} must use all of its weights, and no gradient reaches {name}")
        _finite(label, f"the gradient of {name}", gradient)


def _shaped(label: str, what: str, tensor: object, shape: tuple[int, ...]) -> None:
    if not isinstance(tensor, Tensor) or tuple(tensor.shape) != shape:
        got = _by(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
        raise ConfigError(f"{label} must {what} {_by(shape)}, got {got}")


def _finite(label: str, what: str, numbers: Tensor) -> None:
    if not bool(torch.isfinite(numbers).all()):
        raise ConfigError(f"{label} must give finite numbers, got NaN or infinity in {what}")


def _by(shape: Iterable[int]) -> str:
    sides = list(map(str, shape))
    return f"{sides[0]} numbers" if len(sides) == 1 else "×".join(sides) or "one number"
