"""A lossy code comes back as its encoder meant it, of any model, and what is damaged is told."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hit.coding.codecs import make_codec
from hit.coding.lossy import LossyCodec, StepTable
from hit.coding.lossy.step_table import WidthTable
from hit.coding.top_down import reproducible_copy
from hit.config import TrainConfig
from hit.distributions import DiagonalGaussian, FixedGaussian, LatentDistribution
from hit.errors import ConfigError, DataError
from hit.metrics import squared_error
from hit.models import HierarchicalVAE, build_model
from hit.models.hierarchy import Inference

GREY, COLOUR, PIXELS = (1, 28, 28), (3, 8, 8), (1, 2, 4)
_SMALL: dict[str, Any] = {"channels": 4, "z_dims": (4,)}
MODELS = [
    (TrainConfig(**_SMALL), GREY),
    (TrainConfig(**_SMALL, likelihood="bernoulli_grey", model="lvae"), GREY),
    (TrainConfig(**_SMALL, likelihood="gaussian", latent="conv"), GREY),
    (TrainConfig(**_SMALL, likelihood="gaussian_learned", posterior="gumbel_softmax"), GREY),
    (TrainConfig(channels=4, z_dims=(3, 4), likelihood="mol"), COLOUR),
    (TrainConfig(channels=4, model="vae", betas=(1.0,)), GREY),
    (TrainConfig(channels=4, z_dims=(4,), likelihood="gaussian"), (7,)),
]


def _random(shape: tuple[int, ...], count: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if len(shape) == 1:
        return torch.rand((count, *shape), generator=generator)
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)


class _Read(Inference):
    """q(z_1|x) of `linear_model`: what the pixels were made of, and `offset` beside it."""

    def __init__(self, decoder: nn.Linear, offset: float) -> None:
        super().__init__()
        self.register_buffer("inverse", torch.linalg.pinv(decoder.weight.detach()))
        self.register_buffer("std", torch.tensor([0.2, 0.2, 0.2, 1.0]))
        self.offset = offset

    def evidence(self, x: torch.Tensor) -> tuple[torch.Tensor | LatentDistribution, ...]:
        return ((x - 0.5).flatten(1) @ self.inverse.T,)

    def posterior(
        self,
        layer: int,
        evidence: torch.Tensor | LatentDistribution,
        above: torch.Tensor | None,
        prior: LatentDistribution | None,
    ) -> LatentDistribution:
        assert isinstance(evidence, torch.Tensor)
        mean = evidence + self.offset * (self.std < 1)
        return DiagonalGaussian(mean, self.std.expand_as(mean))


def linear_model(offset: float = 0.0) -> HierarchicalVAE:
    """Eight pixels of three numbers out of four, whose posteriors are 0.2 wide; nothing to be trained."""
    decoder = nn.Linear(4, 8)
    with torch.no_grad():
        mixing = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)) * 0.06
        decoder.weight.copy_(mixing * torch.tensor([1.0, 1.0, 1.0, 0.0]))
        decoder.bias.fill_(0.5)
    network = nn.Sequential(decoder, nn.Unflatten(1, PIXELS))
    return HierarchicalVAE(_Read(decoder, offset), [], network, FixedGaussian(0.1), [(4,)])


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    made = linear_model().generate([torch.randn(60, 4, generator=generator)])
    return (made.clamp(0, 1) * 255).round().to(torch.uint8)


def _point(model: HierarchicalVAE, images: torch.Tensor, step: float, iterations: int) -> tuple[float, float]:
    """Bits of an image and PSNR, from the bytes."""
    written = LossyCodec(model, PIXELS, step, iterations)
    payload, bits = written.encode_with_costs(images)
    psnr = squared_error(images / 255, written.decode(payload, len(images)) / 255).psnr
    assert psnr is not None
    return float(bits.sum(1).mean()), psnr


@pytest.mark.parametrize(("config", "shape"), MODELS, ids=[f"{c.model} {c.likelihood} {len(s)}" for c, s in MODELS])
def test_any_model_decodes_what_was_encoded(config: TrainConfig, shape: tuple[int, ...]) -> None:
    images = _random(shape)
    model = build_model(config, shape)
    written = LossyCodec(model, shape, step=0.25, iterations=2)
    payload, bits = written.encode_with_costs(images)
    assert bits.shape == (len(images), model.layers)
    overhead = 8 * len(payload) - bits.sum()
    assert 0 <= overhead < 200
    assert len(payload) <= written.most_bytes(len(images))
    decoded = written.decode(payload, len(images))
    assert decoded.shape == images.shape
    assert decoded.dtype == images.dtype
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        other = make_codec("lossy", model, shape, written.settings)  # type: ignore[arg-type]
        torch.testing.assert_close(
            other.decode(payload, len(images)), decoded, rtol=0, atol=1e-6 if len(shape) == 1 else 1
        )
    finally:
        torch.set_num_threads(threads)


def test_small_steps_come_to_the_reconstruction_of_posterior_means(images: torch.Tensor) -> None:
    model = linear_model(offset=0.3)
    bits, psnr = _point(model, images, step=1 / 16, iterations=0)
    with torch.no_grad():
        means = model.reconstruct(model(model.prepare(images), sample=False))
    assert psnr == pytest.approx(squared_error(images / 255, means).psnr, abs=0.1)
    # Three numbers of N(0, 1) in steps of 0.2 / 16 take as much as their entropy; the fourth is not sent.
    entropy = 0.5 * math.log2(2 * math.pi * math.e) - math.log2(0.2 / 16)
    assert bits == pytest.approx(3 * entropy, rel=0.05)


def test_the_error_of_rounding_is_that_of_uniform_noise(images: torch.Tensor) -> None:
    model = linear_model()
    _, psnr = _point(model, images, step=1, iterations=0)
    weights = next(iter(model.decoder.parameters())).detach()
    error = float(weights.square().sum()) * 0.2**2 / 12 / math.prod(PIXELS)
    assert psnr == pytest.approx(-10 * math.log10(error), abs=0.7)


def test_the_search_mends_what_posteriors_get_wrong_at_no_more_bits(images: torch.Tensor) -> None:
    model = linear_model(offset=0.3)
    rounded, psnr = _point(model, images, step=2, iterations=0)
    searched, better = _point(model, images, step=2, iterations=40)
    assert better > psnr + 2
    assert searched < 1.05 * rounded


def test_wide_steps_take_no_bits(images: torch.Tensor) -> None:
    written = LossyCodec(linear_model(), PIXELS, step=1000, iterations=3)
    payload, bits = written.encode_with_costs(images)
    assert bits.sum() == 0
    assert len(payload) == 6
    assert len(written.decode(payload, len(images)).unique(dim=0)) == 1


def test_the_table_is_the_models_and_idle_dimensions_are_told() -> None:
    table = StepTable.of(reproducible_copy(linear_model()), PIXELS)
    (layer,) = table.layers
    assert isinstance(layer, WidthTable)
    torch.testing.assert_close(layer.width, torch.tensor([0.2, 0.2, 0.2, 1.0]).double(), rtol=0.05, atol=0)
    torch.testing.assert_close(layer.spread[:3], torch.ones(3).double(), rtol=0.2, atol=0)
    assert layer.used(1).tolist() == [True, True, True, False]
    assert not layer.used(100).any()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert StepTable.of(reproducible_copy(linear_model()), PIXELS).digest == table.digest
    finally:
        torch.set_num_threads(threads)
    assert StepTable.of(reproducible_copy(linear_model(offset=0.5)), PIXELS).digest != table.digest


def test_a_damaged_chunk_is_one_line(images: torch.Tensor) -> None:
    written = LossyCodec(linear_model(), PIXELS, step=1, iterations=0)
    payload, count = written.encode(images), len(images)
    for damaged in (b"", payload[:5], payload[:-1], payload[:-4], payload + b"\1\0\0\0"):
        with pytest.raises(DataError, match="damaged"):
            written.decode(damaged, count)
    with pytest.raises(DataError, match="damaged"):
        written.decode(payload, count - 1)
    with pytest.raises(DataError, match="other steps"):
        written.decode(bytes(4) + payload[4:], count)
    random = np.random.default_rng(0)
    for _ in range(60):
        flipped = bytearray(payload)
        flipped[random.integers(4, len(payload))] ^= 1 << random.integers(8)
        with pytest.raises(DataError, match="damaged"):
            written.decode(bytes(flipped), count)


@pytest.mark.parametrize("step", [0, 0.01, 2000, float("nan"), "2", None, True])
def test_a_step_has_bounds(step: Any) -> None:
    with pytest.raises(DataError, match="step must be"):
        LossyCodec.of(linear_model(), PIXELS, {"step": step})
    if isinstance(step, float):
        with pytest.raises(ConfigError, match="step must be"):
            LossyCodec(linear_model(), PIXELS, step)


def test_networks_that_compute_other_numbers_are_told(images: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any checksum: what they make of the words does not use up all of them."""
    written = LossyCodec(linear_model(), PIXELS, step=1, iterations=0)
    payload = written.encode(images)
    whole = LossyCodec._entropy_model
    monkeypatch.setattr(
        LossyCodec, "_entropy_model", lambda self, *given: replace(whole(self, *given), std=40 * np.ones((60, 3)))
    )
    with pytest.raises(DataError, match="damaged"):
        written.decode(payload, len(images))
