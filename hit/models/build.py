"""The one function that builds a model from a config; training, evaluation, import and serving all call it."""

__all__ = ["build_model", "check_fit"]

import torch
from torch import nn

from hit.config import TrainConfig
from hit.distributions import Bernoulli, FixedGaussian, LearnedGaussian, Likelihood
from hit.errors import ConfigError
from hit.models.ghvae import GeneralisedInference
from hit.models.hierarchy import HierarchicalVAE, Inference
from hit.models.lvae import LadderInference
from hit.models.networks import DenseDecoder, DensePrior, Geometry
from hit.models.vae import OneLayerInference, one_layer_decoder

_SIDES = (28, 32)


def build_model(config: TrainConfig, image_shape: tuple[int, int, int]) -> HierarchicalVAE:
    """The untrained model of a config, its weights drawn from `config.seed`.

    Args:
        config: what to build.
        image_shape: (C, H, W) of the data.

    Raises:
        ConfigError: the config does not fit images of this shape.
    """
    check_fit(config, image_shape)
    # A generator of its own would not reach the layers' initialisers: they draw from the global one.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return _build(config, image_shape)


def check_fit(config: TrainConfig, image_shape: tuple[int, int, int]) -> None:
    """Raise ConfigError unless models of this config exist for images of this shape (C, H, W)."""
    channels, height, width = image_shape
    if height != width or height not in _SIDES:
        raise ConfigError(f"dataset must have images of 28×28 or 32×32 pixels, got {height}×{width} ({config.dataset})")
    if config.likelihood == "bernoulli" and channels != 1:
        raise ConfigError(
            "likelihood must be gaussian or gaussian_learned for colour images, got 'bernoulli' "
            f"(dataset {config.dataset} has {channels} channels)"
        )


def _build(config: TrainConfig, image_shape: tuple[int, int, int]) -> HierarchicalVAE:
    image_channels, side, _ = image_shape
    likelihood = _likelihood(config)
    if config.model == "vae":
        inference = OneLayerInference(image_channels, side, config.channels)
        decoder: nn.Module = one_layer_decoder(image_channels, config.channels)
        return HierarchicalVAE(inference, [], decoder, likelihood, [inference.shape])

    geometry = Geometry(image_channels, side, config.channels)
    dims = tuple(reversed(config.z_dims))  # d_2, …, d_L
    shapes: list[tuple[int, ...]] = [geometry.z1_shape, *((dim,) for dim in dims)]
    priors = [DensePrior(above, config.channels, shape) for shape, above in zip(shapes, dims, strict=False)]
    family: type[GeneralisedInference] | type[LadderInference] = (
        GeneralisedInference if config.model == "ghvae" else LadderInference
    )
    ladder: Inference = family(geometry, dims)
    return HierarchicalVAE(ladder, priors, DenseDecoder(geometry), likelihood, shapes)


def _likelihood(config: TrainConfig) -> Likelihood:
    match config.likelihood:
        case "bernoulli":
            return Bernoulli()
        case "gaussian":
            return FixedGaussian(config.sigma)
        case "gaussian_learned":
            return LearnedGaussian()
