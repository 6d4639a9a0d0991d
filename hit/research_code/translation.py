"""Names of the original research code: its flags as our parameters, its weights as ours.

The code is that of *Trading Information between Latents in Hierarchical Variational Autoencoders*
(https://arxiv.org/abs/2302.04855). It calls z_2 `z` and z_1 `y`.
"""

__all__ = [
    "DATASETS",
    "LIKELIHOODS",
    "MODELS",
    "POSTERIORS",
    "Unsupported",
    "layer_names",
    "translate_config",
    "translate_weights",
]

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from hit.config import TrainConfig
from hit.errors import CheckpointError, shown

_LARGE = "ImageNet"  # the one whose images are not of 28 or 32 pixels

#: Values of its dataset, likelihood and model flags → ours. Of a likelihood, what it is on BinaryMNIST and in colour.
DATASETS = {
    "MNIST": "mnist",
    "BinaryMNIST": "binary_mnist",
    "FashionMNIST": "fashion_mnist",
    "CIFAR10": "cifar10",
    "SVHN": "svhn",
    _LARGE: "imagenet",
}
_BINARY = "binary_mnist"  # the one whose images it rounds
_GREY = ("mnist", _BINARY, "fashion_mnist")
LIKELIHOODS = {
    "Bernoulli": "bernoulli",
    "GaussianFixedSigma": "gaussian",
    "GaussianLearnedSigma": "gaussian_learned",
    "MoL": "mol",
}
MODELS = {"HVAE": "ghvae", "LVAE": "lvae"}
POSTERIORS = {"DiagonalGaussian": "gaussian", "GumbelSoftmax": "gumbel_softmax"}

_SEED = 2  # a constant of its train.py
_SIGMA = 0.03  # its default


def _series(theirs: str, *ours: str) -> dict[str, str]:
    """Its layers `theirs.0`, `theirs.2`, … (every other one is a ReLU) → ours, in order."""
    return {f"{theirs}.{2 * number}": name for number, name in enumerate(ours)}


def _every_other(ours: str, count: int) -> list[str]:
    return [f"{ours}.{2 * number}" for number in range(count)]


def _twins(theirs: str, ours: str) -> dict[str, str]:
    """Heads of mean and standard deviation."""
    return {f"{theirs}_mu": f"{ours}.mean", f"{theirs}_pre_sp": f"{ours}.scale"}


_DENSE = {"py_l1": "priors.0.hidden"} | _twins("py", "priors.0.heads")

_GHVAE = _DENSE | {
    "qz_conv1": "inference.features.1.0",
    "qz_conv2": "inference.features.1.2",
    "qz_conv3": "inference.levels.1.mid",
    "qy_conv1_x": "inference.features.0.0",
    "qy_conv2_x": "inference.features.0.2",
    "qy_l1_z": "inference.levels.0.from_above.0",
    "qy_conv1_z": "inference.levels.0.unfold.1",
    "qy_conv1_zx": "inference.levels.0.mid",
    "px_convs.0": "decoder.2",
    "px_convs.2": "decoder.4",
}

_LVAE = _DENSE | {
    "qz_conv1": "inference.features.0",
    "qz_conv2_dy": "inference.features.2",
    "qz_conv3": "inference.climb.0.0",
    "qy_conv1_dy": "inference.z1_mid.0",
    "px_conv2": "decoder.2",
    "px_conv3": "decoder.4",
}

_LVAE_CONV = (
    _series("qz_convs_dy", *_every_other("inference.features", 2))
    | _series("qz_convs_dz", "inference.climb.0.0", "inference.heads.0.layer")
    | _series("qy_convs_dy", "inference.z1_mid.0", "inference.z1_heads.layer")
    | _series("py_deconvs", "priors.0.0", "priors.0.2.layer")
    | _series("px_deconvs", *_every_other("decoder", 2))
)


def _ghvae_conv(*, large: bool, wide: bool) -> dict[str, str]:
    more = int(large)
    level = "inference.levels.0"
    return (
        _series("qz_convs", *_every_other("inference.features.1", 3 + 3 * more), "inference.levels.1.layer")
        | _series("qy_conv_x", *_every_other("inference.features.0", 2 + 2 * more))
        | _series("qy_deconv_z", *_every_other(f"{level}.from_above", 1 + more), f"{level}.unfold.0")
        | _series("qy_convs_zx", *_every_other(f"{level}.mid", 1 + more), f"{level}.heads.layer")
        | _series("py_deconvs", *_every_other("priors.0", 1 + more), f"priors.0.{2 + 2 * more}.layer")
        | _series("px_deconvs", *_every_other("decoder", 2 + 2 * more + wide))
    )


def layer_names(config: TrainConfig) -> dict[str, str]:
    """The research code's name of every layer of a two-layer model → ours."""
    ghvae = config.model == "ghvae"
    wide = config.likelihood == "mol"
    if config.latent == "conv":
        return _ghvae_conv(large=config.dataset == DATASETS[_LARGE], wide=wide) if ghvae else _LVAE_CONV
    names = dict(_GHVAE if ghvae else _LVAE)
    z1_heads, z2_heads = (
        ("inference.levels.0.heads", "inference.levels.1.heads")
        if ghvae
        else ("inference.z1_heads", "inference.heads.0")
    )
    if config.linear_z1:
        names |= _twins("qy", f"{z1_heads}.1") | {"px_l1": "decoder.0.0"}
    else:
        names |= _twins("qy", z1_heads) | {"px_conv1": "decoder.0"}
    names |= {"qz_logit": f"{z2_heads}.layer"} if config.posterior == "gumbel_softmax" else _twins("qz", z2_heads)
    if ghvae and wide:
        names["px_convs.4"] = "decoder.6"
    return names


class Unsupported(CheckpointError):
    """A model of the research code that does not exist here."""


def translate_config(flags: Mapping[str, Any]) -> TrainConfig:
    """Our config of a run of the research code, from the flags of its training (its `config.json`).

    `beta_y` is β_1 and `beta_z` is β_2. What the flags do not say of where things run has its default here.
    Its Bernoulli likelihood rounds nothing: but on BinaryMNIST it was trained on grey levels, and is evaluated on them.

    Raises:
        Unsupported: a model, likelihood, posterior or data set that does not exist here.
        CheckpointError: a flag is missing or not of its type.
        ConfigError: a value is out of its range.
    """
    model = _known(flags, "vae_type", MODELS)
    dataset = _known(flags, "dataset", DATASETS)
    conv = _is_on(flags, "use_conv_z") or dataset == DATASETS[_LARGE]
    if model == "lvae" and dataset == DATASETS[_LARGE]:
        raise Unsupported(f"vae_type 'LVAE' is not supported with dataset {_LARGE!r}")
    likelihood = _known_likelihood(flags, dataset)
    flat = {
        "dataset": dataset,
        "model": model,
        "likelihood": likelihood,
        "posterior": _known(flags, "qz_family", POSTERIORS),
        "latent": "conv" if conv else "dense",
        "channels": _value(flags, "conv_channels"),
        "beta_1": _value(flags, "beta_y"),
        "beta_2": _value(flags, "beta_z"),
        "epochs": _value(flags, "num_epochs"),
        "batch_size": _value(flags, "batch_size"),
        "learning_rate": _value(flags, "learning_rate"),
        "seed": _SEED,
    }
    # What does not decide such a run keeps our default, as in a run of ours.
    if not conv:
        flat["z_dims"] = _value(flags, "z_dims")
        if (dims := flags.get("linear_y_with_dims", -1)) != -1:
            if not isinstance(dims, int) or isinstance(dims, bool) or dims < 1:
                raise CheckpointError(
                    f"flag linear_y_with_dims must be a positive whole number or -1, got {shown(dims)}"
                )
            flat["linear_z1"] = dims
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
    layers = layer_names(config)
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
            raise CheckpointError(
                f"weight {shown(name)} is not one of the research code's {config.model} with {config.latent} z_2"
            )
        translated[f"{layers[layer]}.{kind}"] = value
    return translated


def _known(flags: Mapping[str, Any], flag: str, names: Mapping[str, str]) -> str:
    value = _value(flags, flag)
    if not isinstance(value, str) or value not in names:
        raise Unsupported(f"{flag} {shown(value)} is not supported; known: {', '.join(names)}")
    return names[value]


def _known_likelihood(flags: Mapping[str, Any], dataset: str) -> str:
    likelihood = _known(flags, "px_y_family_ll", LIKELIHOODS)
    if likelihood == "bernoulli" and dataset not in _GREY:
        raise Unsupported(f"px_y_family_ll 'Bernoulli' is not supported with dataset {flags['dataset']!r}, in colour")
    if likelihood == "mol" and dataset in _GREY:
        raise Unsupported(f"px_y_family_ll 'MoL' is not supported with dataset {flags['dataset']!r}, in grey")
    return "bernoulli_grey" if likelihood == "bernoulli" and dataset != _BINARY else likelihood


def _is_on(flags: Mapping[str, Any], flag: str) -> bool:
    value = flags.get(flag, False)
    if not isinstance(value, bool):
        raise CheckpointError(f"flag {flag} must be true or false, got {shown(value)}")
    return value


def _value(flags: Mapping[str, Any], flag: str) -> Any:
    if flag not in flags:
        raise CheckpointError(f"flag {flag} must be given, got none")
    return flags[flag]
