"""Names of the original research code: its flags as our parameters, its weights as ours.

The code is that of *Trading Information between Latents in Hierarchical Variational Autoencoders*
(https://arxiv.org/abs/2302.04855). It calls z_2 `z` and z_1 `y`.
"""

__all__ = ["DATASETS", "LIKELIHOODS", "MODELS", "translate_weights"]

from collections.abc import Mapping

from torch import Tensor

from hit.config import TrainConfig
from hit.errors import CheckpointError

#: Values of its dataset, likelihood and model flags → ours.
DATASETS = {
    "MNIST": "mnist",
    "BinaryMNIST": "binary_mnist",
    "FashionMNIST": "fashion_mnist",
    "CIFAR10": "cifar10",
    "SVHN": "svhn",
}
LIKELIHOODS = {
    "Bernoulli": "bernoulli",
    "GaussianFixedSigma": "gaussian",
    "GaussianLearnedSigma": "gaussian_learned",
}
MODELS = {"GHVAE": "ghvae", "LVAE": "lvae", "VAE": "vae"}

_PRIOR = {"py_l1": "priors.0.hidden", "py_mu": "priors.0.heads.mean", "py_pre_sp": "priors.0.heads.scale"}

_GHVAE = _PRIOR | {
    "qz_conv1": "inference.features.1.0",
    "qz_conv2": "inference.features.1.2",
    "qz_conv3": "inference.levels.1.mid",
    "qz_mu": "inference.levels.1.heads.mean",
    "qz_pre_sp": "inference.levels.1.heads.scale",
    "qy_conv1_x": "inference.features.0.0",
    "qy_conv2_x": "inference.features.0.2",
    "qy_l1_z": "inference.levels.0.from_above.0",
    "qy_conv1_z": "inference.levels.0.unfold.1",
    "qy_conv1_zx": "inference.levels.0.mid",
    "qy_mu": "inference.levels.0.heads.mean",
    "qy_pre_sp": "inference.levels.0.heads.scale",
    "px_conv1": "decoder.0",
    "px_convs.0": "decoder.2",
    "px_convs.2": "decoder.4",
}

_LVAE = _PRIOR | {
    "qz_conv1": "inference.features.0",
    "qz_conv2_dy": "inference.features.2",
    "qz_conv3": "inference.climb.0.0",
    "qz_mu": "inference.heads.0.mean",
    "qz_pre_sp": "inference.heads.0.scale",
    "qy_conv1_dy": "inference.z1_mid.0",
    "qy_mu": "inference.z1_heads.mean",
    "qy_pre_sp": "inference.z1_heads.scale",
    "px_conv1": "decoder.0",
    "px_conv2": "decoder.2",
    "px_conv3": "decoder.4",
}


def translate_weights(weights: Mapping[str, Tensor], config: TrainConfig) -> dict[str, Tensor]:
    """The state dict of our model from the research code's weights.

    Raises:
        CheckpointError: no weights of this kind of model are known, or one has an unknown name.
    """
    if config.model == "vae" or config.layers != 2:
        raise CheckpointError(
            f"the research code's weights must be of a two-layer ghvae or lvae, "
            f"got {config.model} with L = {config.layers}"
        )
    layers = _GHVAE if config.model == "ghvae" else _LVAE
    translated = {}
    for name, value in weights.items():
        layer, _, kind = name.rpartition(".")
        if layer not in layers:
            raise CheckpointError(f"weight {name!r} is not one of the research code's {config.model} with dense z_2")
        translated[f"{layers[layer]}.{kind}"] = value
    return translated
