"""What every model keeps, whoever wrote it: shapes, numbers that are finite, no KL below zero, gradients everywhere."""

__all__ = ["check_pass"]

from collections.abc import Iterable

import torch
from torch import Tensor

from hit.errors import ConfigError
from hit.models.hierarchy import HierarchicalVAE, Pass

_IMAGES = 3
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
    if len(image_shape) == 1:
        images = images.float() / 255
    with torch.random.fork_rng(devices=[]):
        x = model.prepare(images)
        _shaped(label, "prepare images as", x, (_IMAGES, *image_shape))
        try:
            outcome = model(x, model.noise(_IMAGES, generator))
            with torch.no_grad():
                generated = model.generate(model.noise(_IMAGES, generator))
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
            if "memory" in str(error):
                raise
            said = str(error).partition("\n")[0]
            raise ConfigError(f"{label} must take images of {_by(image_shape)}, got: {said}") from error
    _check_outcome(model, outcome, label)
    _shaped(label, "reconstruct images as", model.reconstruct(outcome), (_IMAGES, *image_shape))
    _shaped(label, "generate images as", generated, (_IMAGES, *image_shape))
    _check_gradients(model, outcome, label)


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
    return "×".join(map(str, shape)) or "one number"
