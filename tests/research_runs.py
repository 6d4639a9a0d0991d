"""Runs of the research code as files: their flags, and weights under its names."""

__all__ = ["FLAGS", "weights_of", "write_run"]

import json
from pathlib import Path

import torch

from hit.config import TrainConfig
from hit.models import build_model
from hit.research_code import layer_names, translate_config

FLAGS = {
    "vae_type": "HVAE",
    "no_warmup": False,
    "dataset": "BinaryMNIST",
    "use_conv_z": False,
    "qz_family": "DiagonalGaussian",
    "px_y_family_ll": "Bernoulli",
    "num_epochs": 3,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "conv_channels": 4,
    "z_dims": 5,
    "sigma": 0.03,
    "linear_y_with_dims": -1,
    "beta_y": 0.7,
    "beta_z": 1.3,
    "run_name": "some run",
    "run_batch_name": "some batch",
}


def weights_of(config: TrainConfig, side: int = 28, image_channels: int = 1) -> dict[str, torch.Tensor]:
    """Weights of a model of ours under the research code's names."""
    theirs = {ours: name for name, ours in layer_names(config).items()}
    state = build_model(config, (image_channels, side, side)).state_dict()
    weights = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        weights["log_sigma" if layer == "likelihood" else f"{theirs[layer]}.{kind}"] = value
    return weights


def write_run(folder: Path, weights: object = None, **flags: object) -> Path:
    folder.mkdir(parents=True)
    everything = FLAGS | flags
    (folder / "config.json").write_text(json.dumps(everything))
    torch.save(weights_of(translate_config(everything)) if weights is None else weights, folder / "vae.pth")
    return folder
