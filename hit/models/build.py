"""The one function that builds a model from a config; training, evaluation, import and serving all call it."""

__all__ = ["build_model", "check_fit", "check_memory", "check_values", "hierarchical", "one_layer"]

import math
from functools import lru_cache

import torch

from hit.config import TrainConfig
from hit.config.parts import LIKELIHOODS, MODELS
from hit.config.rates.rate_targets import check_targets
from hit.data import Dataset
from hit.distributions import (
    Categorical,
    DiagonalGaussian,
    LatentDistribution,
    Likelihood,
    VectorLikelihood,
)
from hit.errors import ConfigError, DataError, shown
from hit.models.contract import check_pass
from hit.models.geometry.conv_z import ConvGeometry
from hit.models.geometry.dense_z import DenseGeometry
from hit.models.geometry.image_sizes import ImageSize, check_sides
from hit.models.geometry.latent_geometry import Geometry
from hit.models.geometry.vector_geometry import VectorGeometry, check_vectors_fit
from hit.models.ghvae import GeneralisedInference
from hit.models.hierarchy import HierarchicalVAE
from hit.models.likelihood_fit import fit_likelihood
from hit.models.lvae import LadderInference
from hit.models.memory_footprint import step_bytes, weight_bytes
from hit.models.networks import DensePrior
from hit.models.vae import OneLayerInference, one_layer_decoder, one_layer_maps
from hit.processes.memory import memory_is_told, memory_of

#: Channels of colour images, whose pixels are no black and white ones.
_COLOUR = 3
#: Weights, their gradients, and the two moments that Adam keeps of them.
_COPIES_IN_TRAINING = 4
#: A step keeps at most so many numbers an image, pixel and channel of maps or output: looking closer takes a second.
_NUMBERS_A_PIXEL = 100


@memory_is_told
def build_model(config: TrainConfig, image_shape: tuple[int, ...]) -> HierarchicalVAE:
    """The untrained model of a config, its weights drawn from `config.seed`.

    Args:
        config: what to build.
        image_shape: (C, H, W) of the data, or (D,) of vectors.

    Raises:
        ConfigError: the config does not fit data of this shape, or its weights do not fit into memory.
        OutOfMemory: they do not fit into what is left of it.
    """
    check_fit(config, image_shape)
    check_memory(config, image_shape, torch.device("cpu"))
    # A generator of its own would not reach the layers' initialisers: they draw from the global one.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        # Convolutions of few channels take a quarter less time so; the numbers are the same.
        return _build(config, image_shape).to(memory_format=torch.channels_last)


def check_fit(config: TrainConfig, image_shape: tuple[int, ...]) -> None:
    """Raise ConfigError unless models of this config exist for images of this shape (C, H, W), or vectors (D,)."""
    if len(image_shape) == 1:
        check_vectors_fit(config, *image_shape)
        _check_parts_of_others(config, image_shape)
        return
    if config.linear_z1 and config.model == "vae":
        raise ConfigError(
            "linear_z1 must be 0 unless model is ghvae or lvae with latent=dense, or the data are vectors, "
            f"got {config.linear_z1} with model={config.model} ({config.dataset})"
        )
    channels, height, width = image_shape
    check_sides((channels, height, width), config.dataset)
    if config.likelihood in ("bernoulli", "bernoulli_grey") and channels == _COLOUR:
        raise ConfigError(
            f"likelihood must be gaussian, gaussian_learned or mol for colour images, got {config.likelihood!r} "
            f"(dataset {config.dataset} has {channels} channels)"
        )
    _check_parts_of_others(config, image_shape)
    check_targets(config.targets, image_shape, levels=config.likelihood_part.levels)


@lru_cache(maxsize=64)
def _check_parts_of_others(config: TrainConfig, image_shape: tuple[int, ...]) -> None:
    """Try models that extensions build, or whose likelihood they build, before anything rests on them."""
    if MODELS.source(config.model) is not None:
        label = config.model_part.label
    elif LIKELIHOODS.source(config.likelihood) is not None:
        label = config.likelihood_part.label
    else:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        check_pass(_build(config, image_shape), image_shape, label)


def check_values(config: TrainConfig, dataset: Dataset) -> None:
    """Raise ConfigError or DataError unless the likelihood of a config can model the values of vectors."""
    if dataset.form == "vectors":
        try:
            fit_likelihood(_likelihood(config, dataset.shape), dataset.train, dataset.features)
        except DataError as error:
            raise DataError(f"dataset {config.dataset!r}: {error}") from None
        except ConfigError as error:
            raise ConfigError(f"{error} (dataset {config.dataset!r})") from None


def check_memory(config: TrainConfig, image_shape: tuple[int, ...], device: torch.device, images: int = 0) -> None:
    """Raise ConfigError where a model, or its training, takes more memory than a device has in all.

    Args:
        config: of the model.
        image_shape: (C, H, W), or (D,) of vectors.
        device: where it is.
        images: how many it is trained on; 0: it is not trained.
    """
    memory = memory_of(device)
    if memory is None:
        return
    model = _outline(config, image_shape)
    needed = weight_bytes(model) * (_COPIES_IN_TRAINING if images else 1)
    batch = min(images, config.batch_size)
    pixels = math.prod(image_shape[1:])
    widest = config.channels + model.likelihood.outputs(image_shape[0])
    if needed + 4 * batch * widest * pixels * _NUMBERS_A_PIXEL > memory:
        needed += batch * step_bytes(model, image_shape) if batch else 0
    if needed > memory:
        numbers = sum(parameter.numel() for parameter in model.parameters())
        batches = f" and batches of {batch} images" if batch else ""
        raise ConfigError(
            f"channels, z_dims, linear_z1 and batch_size must make a model that fits into the {memory / 1e9:.3g} GB of "
            f"{device.type} memory here, got {numbers:,} parameters{batches}: {needed / 1e9:,.3g} GB"
        )


@lru_cache(maxsize=64)
def _outline(config: TrainConfig, image_shape: tuple[int, ...]) -> HierarchicalVAE:
    """The model without its numbers."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return _build(config, image_shape)


def _build(config: TrainConfig, image_shape: tuple[int, ...]) -> HierarchicalVAE:
    likelihood = _likelihood(config, image_shape)
    model = config.model_part(image_shape, likelihood, config.model_options, config)
    if not isinstance(model, HierarchicalVAE):
        raise ConfigError(f"{config.model_part.label} must be built as a HierarchicalVAE, got {shown(model)}")
    if model.layers != config.layers:
        raise ConfigError(
            f"{config.model_part.label} must be built with the L = {config.layers} layers that it declares, "
            f"got {model.layers}"
        )
    return model


def _likelihood(config: TrainConfig, image_shape: tuple[int, ...]) -> Likelihood:
    likelihood = config.likelihood_part(image_shape, config.likelihood_options, config)
    if not isinstance(likelihood, Likelihood):
        raise ConfigError(f"{config.likelihood_part.label} must be built as a Likelihood, got {shown(likelihood)}")
    return likelihood if image_shape[1:] else VectorLikelihood(likelihood, image_shape[0])


def one_layer(
    image_shape: tuple[int, ...], likelihood: Likelihood, options: None, config: TrainConfig
) -> HierarchicalVAE:
    """`model=vae`."""
    image_channels, *sides = image_shape
    outputs = likelihood.outputs(image_channels)
    if not sides:
        vectors = VectorGeometry(image_channels, config.channels, config.linear_z1)
        inference = OneLayerInference(vectors.z1_features(), vectors.z1_heads())
        return HierarchicalVAE(inference, [], vectors.decoder(outputs), likelihood, [vectors.z1_shape])
    size = ImageSize(*sides)
    maps, shape = one_layer_maps(image_channels, size, config.channels)
    decoder = one_layer_decoder(size, config.channels, outputs, wide=config.likelihood == "mol")
    return HierarchicalVAE(maps, [], decoder, likelihood, [shape])


def hierarchical(
    image_shape: tuple[int, ...], likelihood: Likelihood, options: None, config: TrainConfig
) -> HierarchicalVAE:
    """`model=ghvae` and `model=lvae`."""
    image_channels, *sides = image_shape
    outputs = likelihood.outputs(image_channels)
    # The ladder's mixture of logistics has no layer before its last.
    wide = config.likelihood == "mol" and config.model != "lvae"
    geometry: Geometry
    if not sides:
        geometry = VectorGeometry(image_channels, config.channels, config.linear_z1)
    elif config.latent == "conv":
        geometry = ConvGeometry(image_channels, ImageSize(*sides), config.channels)
    else:
        geometry = DenseGeometry(image_channels, ImageSize(*sides), config.channels, config.linear_z1)
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
