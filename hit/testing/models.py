"""The contract of models: identities of the ELBO, shapes, seeds, gradients."""

__all__ = ["check_model"]

import copy
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hit.config import TrainConfig
from hit.distributions import Likelihood
from hit.errors import ConfigError
from hit.models import HierarchicalVAE, build_model
from hit.models.contract import check_pass
from hit.testing.contract import ContractBroken, must
from hit.training.checkpoints import load_weights, save_weights

_DRAWS = 1000


def check_model(name: str, image_shape: tuple[int, ...] = (1, 28, 28), **flat: Any) -> None:
    """Check a registered model: what it takes and gives, and that its rates are those of the joint.

    Args:
        name: under which it is registered.
        image_shape: (C, H, W) of the images that it is tried on, or (D,) of vectors.
        flat: other flat parameters of its config: `likelihood="mol"`, `**{"model.depth": 2}`.

    Raises:
        ContractBroken: naming the rule.
    """
    label = f"model {name!r}"
    try:
        config = TrainConfig.from_flat({"model": name, **flat})
        model = build_model(config, image_shape)
        check_pass(model, image_shape, label)
    except ConfigError as error:
        raise ContractBroken(str(error)) from error
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, *image_shape), dtype=torch.uint8, generator=generator)
    if len(image_shape) == 1:
        images = images.float() / 255
    model = model.double()
    x = model.prepare(images).double()
    _check_seeds(config, image_shape, label)
    _check_means(model, x, label)
    _check_rates(model, x, label)
    _check_examples(model, x, label)
    _check_saving(config, image_shape, model, x, label)


def _noise(model: HierarchicalVAE, batch: int, seed: int = 1) -> tuple[Tensor, ...]:
    return tuple(one.double() for one in model.noise(batch, torch.Generator().manual_seed(seed)))


def _check_seeds(config: TrainConfig, image_shape: tuple[int, ...], label: str) -> None:
    one, same, other = (build_model(replace(config, seed=seed), image_shape).state_dict() for seed in (3, 3, 4))
    must(
        all(torch.equal(one[key], same[key]) for key in one),
        label,
        "have the same weights for the same seed: draw them while it is built, from torch's own generator",
    )
    must(any(not torch.equal(one[key], other[key]) for key in one), label, "have other weights for another seed")


def _check_rates(model: HierarchicalVAE, x: Tensor, label: str) -> None:
    """E log q(z|x) − log p(z) over many draws is the sum of the rates in closed form."""
    blind = copy.deepcopy(model)
    blind.decoder, blind.likelihood = nn.Identity(), _Blind()
    many = x[:1].expand(_DRAWS, *x.shape[1:])
    paid, rates = torch.zeros(_DRAWS).double(), torch.zeros(_DRAWS).double()
    with torch.no_grad():
        outcome = blind(many, _noise(blind, _DRAWS))
    for z, posterior, prior, rate in zip(
        outcome.latents, outcome.posteriors, outcome.priors, outcome.rates, strict=True
    ):
        paid += posterior.log_prob(z) - prior.log_prob(z)
        rates += rate
    difference = paid - rates
    error = difference.std().item() / math.sqrt(_DRAWS)
    must(
        abs(difference.mean().item()) <= 5 * error + 1e-6,
        label,
        "have rates that sum to the KL of the joint, E log q(z|x) − log p(z)",
        f"{rates.mean().item():.4g} nats in closed form and {paid.mean().item():.4g} ± {error:.2g} by Monte Carlo",
    )


def _check_means(model: HierarchicalVAE, x: Tensor, label: str) -> None:
    with torch.no_grad():
        one, again = model(x, sample=False), model(x, _noise(model, len(x)), sample=False)
        short = model.mean_pass(x, model(x, _noise(model, len(x))), model.inference.evidence(x))
    for layer, (z, posterior, other) in enumerate(
        zip(one.latents, one.posteriors, again.latents, strict=True), start=1
    ):
        must(
            torch.equal(z, posterior.mean) and torch.equal(z, other),
            label,
            f"take the posterior mean for z_{layer} where nothing is drawn, whatever the noise: draw nothing by itself",
        )
    must(
        all(map(torch.allclose, (*short.latents, short.output), (*one.latents, one.output))),
        label,
        "give the same means without rates: let `reads_priors` of its inference say whether posteriors look at priors",
    )


def _check_examples(model: HierarchicalVAE, x: Tensor, label: str) -> None:
    with torch.no_grad():
        whole, part = model(x, sample=False), model(x[2:3], sample=False)
    must(
        torch.allclose(whole.distortion[2:3], part.distortion, rtol=1e-4, atol=1e-6),
        label,
        "give an image the same numbers in any batch: leave out batch normalisation",
        f"{whole.distortion[2].item():.6g} nats among others and {part.distortion[0].item():.6g} alone",
    )


def _check_saving(
    config: TrainConfig, image_shape: tuple[int, ...], model: HierarchicalVAE, x: Tensor, label: str
) -> None:
    other = build_model(replace(config, seed=config.seed + 1), image_shape).double()
    with tempfile.TemporaryDirectory() as folder:
        save_weights(Path(folder) / "weights", model, "identity")
        load_weights(Path(folder) / "weights", other, "identity")
    noise = _noise(model, len(x))
    with torch.no_grad():
        before, after = model(x, noise), other(x, noise)
    must(
        torch.equal(before.distortion, after.distortion),
        label,
        "be the same once it is saved and loaded: keep what it learns in parameters and buffers",
    )


class _Blind(Likelihood):
    """Sees nothing, whatever the decoder gives: rates alone are quick."""

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        return x.new_zeros(len(x))

    def mean(self, output: Tensor) -> Tensor:
        return output

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return output
