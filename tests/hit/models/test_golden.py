"""The models agree with the research code, number for number, with sampling noise off."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hit.models import build_model
from hit.research_code import translate_config, translate_weights
from hit.training.objective import objective

FILES = [
    "ghvae_binary_mnist_bernoulli",
    "ghvae_binary_mnist_gumbel",
    "ghvae_cifar10_gaussian",
    "ghvae_cifar10_mol",
    "ghvae_conv_cifar10_gaussian",
    "lvae_binary_mnist_bernoulli",
    "lvae_cifar10_gaussian",
    "lvae_conv_cifar10_gaussian",
]


@pytest.mark.parametrize("name", FILES)
def test_agrees_in_every_number(golden: Path, name: str) -> None:
    numbers = np.load(golden / f"{name}.npz", allow_pickle=False)
    meta = json.loads(str(numbers["meta"]))
    config = translate_config(
        {
            "dataset": meta["dataset"],
            "vae_type": {"ghvae": "HVAE", "lvae": "LVAE"}[name.split("_")[0]],
            "px_y_family_ll": meta["likelihood"],
            "qz_family": meta["posterior"],
            "use_conv_z": meta["conv_z"],
            "sigma": meta["sigma"],
            "conv_channels": meta["channels"],
            "z_dims": meta["z_dims"],
            "beta_y": meta["beta_bottom"],
            "beta_z": meta["beta_top"],
            "num_epochs": 1,
            "batch_size": 3,
            "learning_rate": 1e-3,
        }
    )
    images = torch.from_numpy(numbers["x"])
    model = build_model(config, tuple(images.shape[1:]))  # type: ignore[arg-type]
    weights = {key[2:]: torch.from_numpy(numbers[key]) for key in numbers.files if key.startswith("w.")}
    model.load_state_dict(translate_weights(weights, config), strict=True)

    with torch.no_grad():
        outcome = model(model.prepare(images), sample=False, temperature=meta["gumbel_temperature"])
        loss = objective(outcome, torch.tensor(config.betas)).mean()

    ours = {
        "loss": loss,
        "log_likelihood": -outcome.distortion.mean(),
        "rate_bottom": outcome.rates[0].mean(),
        "rate_top": outcome.rates[1].mean(),
    }
    if meta["posterior"] == "DiagonalGaussian":
        (z1, z2), (prior1, _) = outcome.posteriors, outcome.priors
        ours |= {"z1_mean": z1.mean, "z1_std": z1.std, "z2_mean": z2.mean, "z2_std": z2.std}
        ours |= {"prior1_mean": prior1.mean, "prior1_std": prior1.std}
    assert set(ours) == {key for key in numbers.files if not key.startswith("w.")} - {"x", "meta"}
    for key, value in ours.items():
        np.testing.assert_allclose(value.numpy(), numbers[key], rtol=1e-4, atol=1e-6, err_msg=key)
