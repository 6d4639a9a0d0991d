"""The one function that builds a model from a config; training, evaluation, import and serving all call it."""

__all__ = ["build_model", "check_fit", "check_memory"]

from functools import lru_cache

import torch

from hit.config import TrainConfig
from hit.config.rate_targets import check_targets
from hit.distributions import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    FixedGaussian,
    LatentDistribution,
    LearnedGaussian,
    Likelihood,
    MixtureOfLogistics,
)
from hit.errors import ConfigError
from hit.models.conv_z import ConvGeometry
from hit.models.deep import deep
from hit.models.dense_z import DenseGeometry
from hit.models.ghvae import GeneralisedInference
from hit.models.hierarchy import HierarchicalVAE
from hit.models.latent_geometry import Geometry
from hit.models.lvae import LadderInference
from hit.models.memory_footprint import step_bytes, weight_bytes
from hit.models.networks import DensePrior
from hit.models.vae import OneLayerInference, one_layer_decoder
from hit.processes.memory import memory_is_told, memory_of

#: Sides of the images that models exist for, and where those of 256 pixels do.
_SIDES, _LARGE = (28, 32), 256
_CHANNELS = (1, 3)
#: Weights, their gradients, and the two moments that Adam keeps of them.
_COPIES_IN_TRAINING = 4
#: A step keeps at most so many numbers an image, channel and pixel: looking closer takes a second.
_NUMBERS_A_PIXEL = 100


@memory_is_told
def build_model(config: TrainConfig, image_shape: tuple[int, int, int]) -> HierarchicalVAE:
    """The untrained model of a config, its weights drawn from `config.seed`.

    Args:
        config: what to build.
        image_shape: (C, H, W) of the data.

    Raises:
        ConfigError: the config does not fit images of this shape, or its weights do not fit into memory.
        OutOfMemory: they do not fit into what is left of it.
    """
    check_fit(config, image_shape)
    check_memory(config, image_shape, torch.device("cpu"))
    # A generator of its own would not reach the layers' initialisers: they draw from the global one.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        # Convolutions of few channels take a quarter less time so; the numbers are the same.
        return _build(config, image_shape).to(memory_format=torch.channels_last)


def check_fit(config: TrainConfig, image_shape: tuple[int, int, int]) -> None:
    """Raise ConfigError unless models of this config exist for images of this shape (C, H, W)."""
    channels, height, width = image_shape
    large = config.model == "deep" or (config.model == "ghvae" and config.latent == "conv")
    if height != width or height not in (*_SIDES, _LARGE):
        raise ConfigError(
            f"dataset must have images of 28×28, 32×32 or 256×256 pixels, got {height}×{width} ({config.dataset})"
        )
    if height == _LARGE and not large:
        raise ConfigError(
            "model must be ghvae with latent=conv for images of 256×256 pixels, "
            f"got {config.model} with latent={config.latent} ({config.dataset})"
        )
    if channels not in _CHANNELS:
        raise ConfigError(f"dataset must have images of 1 channel (grey) or 3 (colour), got {channels}")
    if config.likelihood in ("bernoulli", "bernoulli_grey") and channels != 1:
        raise ConfigError(
            f"likelihood must be gaussian, gaussian_learned or mol for colour images, got {config.likelihood!r} "
            f"(dataset {config.dataset} has {channels} channels)"
        )
    check_targets(config.targets, image_shape, levels=2 if config.likelihood == "bernoulli" else 256)


def check_memory(config: TrainConfig, image_shape: tuple[int, int, int], device: torch.device, images: int = 0) -> None:
    """Raise ConfigError where a model, or its training, takes more memory than a device has in all.

    Args:
        config: of the model.
        image_shape: (C, H, W).
        device: where it is.
        images: how many it is trained on; 0: it is not trained.
    """
    memory = memory_of(device)
    if memory is None:
        return
    model = _outline(config, image_shape)
    needed = weight_bytes(model) * (_COPIES_IN_TRAINING if images else 1)
    batch = min(images, config.batch_size)
    pixels = image_shape[1] * image_shape[2]
    if needed + 4 * batch * config.channels * pixels * _NUMBERS_A_PIXEL > memory:
        needed += batch * step_bytes(model, image_shape) if batch else 0
    if needed > memory:
        numbers = sum(parameter.numel() for parameter in model.parameters())
        batches = f" and batches of {batch} images" if batch else ""
        raise ConfigError(
            f"channels, z_dims, linear_z1 and batch_size must make a model that fits into the {memory / 1e9:.3g} GB of "
            f"{device.type} memory here, got {numbers:,} parameters{batches}: {needed / 1e9:,.3g} GB"
        )


@lru_cache(maxsize=64)
def _outline(config: TrainConfig, image_shape: tuple[int, int, int]) -> HierarchicalVAE:
    """The model without its numbers."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return _build(config, image_shape)


def _build(config: TrainConfig, image_shape: tuple[int, int, int]) -> HierarchicalVAE:
    image_channels, side, _ = image_shape
    likelihood = _likelihood(config, image_channels)
    if config.model == "deep":
        return deep(image_shape, likelihood, config.maps, config.channels)
    outputs = likelihood.outputs(image_channels)
    # The ladder's mixture of logistics has no layer before its last.
    wide = config.likelihood == "mol" and config.model != "lvae"
    if config.model == "vae":
        inference = OneLayerInference(image_channels, side, config.channels)
        decoder = one_layer_decoder(config.channels, outputs, wide=wide)
        return HierarchicalVAE(inference, [], decoder, likelihood, [inference.shape])

    geometry: Geometry = (
        ConvGeometry(image_channels, side, config.channels)
        if config.latent == "conv"
        else DenseGeometry(image_channels, side, config.channels, config.linear_z1)
    )
    dims = tuple(reversed(config.z_dims))  # d_2, …, d_L
    shapes = [geometry.z1_shape, geometry.z2_shape(dims[0]), *((dim,) for dim in dims[1:])]
    top: type[LatentDistribution] = Categorical if config.posterior == "gumbel_softmax" else DiagonalGaussian
    ladder = config.model == "lvae"
    priors = [geometry.z1_prior(dims[0], root=ladder)]
    priors += [
        DensePrior(above, 8 * config.channels, shape) for shape, above in zip(shapes[1:], dims[1:], strict=False)
    ]
    family = LadderInference if ladder else GeneralisedInference
    posteriors = family(geometry, dims, top)
    return HierarchicalVAE(posteriors, priors, geometry.decoder(outputs, wide=wide), likelihood, shapes, top)


def _likelihood(config: TrainConfig, image_channels: int) -> Likelihood:
    match config.likelihood:
        case "bernoulli":
            return Bernoulli()
        case "bernoulli_grey":
            return Bernoulli(rounds=False)
        case "gaussian":
            return FixedGaussian(config.sigma)
        case "gaussian_learned":
            return LearnedGaussian()
        case "mol":
            return MixtureOfLogistics(image_channels)
