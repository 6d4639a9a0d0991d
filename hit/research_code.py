"""Names of the original research code: its flags as our parameters, its weights as ours.

The code is that of *Trading Information between Latents in Hierarchical Variational Autoencoders*
(https://arxiv.org/abs/2302.04855). It calls z_2 `z` and z_1 `y`.
"""

__all__ = ["DATASETS", "LIKELIHOODS", "MODELS", "Unsupported", "translate_config", "translate_weights"]

from collections.abc import Mapping
from typing import Any

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
MODELS = {"HVAE": "ghvae", "LVAE": "lvae"}

_SEED = 2  # a constant of its train.py
_SIGMA = 0.03  # its default

_POSTERIORS = {"DiagonalGaussian": "gaussian"}

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


class Unsupported(CheckpointError):
    """A model of the research code that does not exist here."""


def translate_config(flags: Mapping[str, Any]) -> TrainConfig:
    """Our config of a run of the research code, from the flags of its training (its `config.json`).

    `beta_y` is β_1 and `beta_z` is β_2. What the flags do not say of where things run has its default here.

    Raises:
        Unsupported: a model, likelihood, posterior or data set that does not exist here.
        CheckpointError: a flag is missing or not of its type.
        ConfigError: a value is out of its range.
    """
    if _is_on(flags, "use_conv_z"):
        raise Unsupported("use_conv_z (a convolutional z_2) is not supported")
    if flags.get("linear_y_with_dims", -1) != -1:
        raise Unsupported(
            f"linear_y_with_dims {flags['linear_y_with_dims']!r} (a z_1 that is a vector) is not supported"
        )
    model = _known(flags, "vae_type", MODELS)
    likelihood = _known(flags, "px_y_family_ll", LIKELIHOODS)
    flat = {
        "dataset": _known(flags, "dataset", DATASETS),
        "model": model,
        "likelihood": likelihood,
        "posterior": _known(flags, "qz_family", _POSTERIORS),
        "channels": _value(flags, "conv_channels"),
        "z_dims": _value(flags, "z_dims"),
        "beta_1": _value(flags, "beta_y"),
        "beta_2": _value(flags, "beta_z"),
        "epochs": _value(flags, "num_epochs"),
        "batch_size": _value(flags, "batch_size"),
        "learning_rate": _value(flags, "learning_rate"),
        "seed": _SEED,
    }
    # What does not decide such a run keeps our default, as in a run of ours.
    if likelihood == "gaussian":
        flat["sigma"] = flags.get("sigma", _SIGMA)
    if model == "lvae":
        flat["warmup"] = not _is_on(flags, "no_warmup")
    return TrainConfig.from_flat(flat)


def translate_weights(weights: Mapping[str, Tensor], config: TrainConfig) -> dict[str, Tensor]:
    """The state dict of our model from the research code's weights.

    Its `log_sigma`, which may be there though σ is fixed, is taken for a learned σ alone.

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
        if name == "log_sigma":
            if config.likelihood == "gaussian_learned":
                if value.numel() != 1:
                    raise CheckpointError(f"weight 'log_sigma' must be one number, got {value.numel()}")
                translated["likelihood.log_sigma"] = value.reshape(())
            continue
        layer, _, kind = name.rpartition(".")
        if layer not in layers:
            raise CheckpointError(f"weight {name!r} is not one of the research code's {config.model} with dense z_2")
        translated[f"{layers[layer]}.{kind}"] = value
    return translated


def _known(flags: Mapping[str, Any], flag: str, names: Mapping[str, str]) -> str:
    value = _value(flags, flag)
    if not isinstance(value, str) or value not in names:
        raise Unsupported(f"{flag} {value!r} is not supported; known: {', '.join(names)}")
    return names[value]


def _is_on(flags: Mapping[str, Any], flag: str) -> bool:
    value = flags.get(flag, False)
    if not isinstance(value, bool):
        raise CheckpointError(f"flag {flag} must be true or false, got {value!r}")
    return value


def _value(flags: Mapping[str, Any], flag: str) -> Any:
    if flag not in flags:
        raise CheckpointError(f"flag {flag} must be given, got none")
    return flags[flag]
