"""Bits back for every discrete model: images come back, and cost what the model's densities say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hit.coding import BitsBack, CodedChunk, LosslessChunks, pixel_models, reproducible, reproducible_copy
from hit.config import TrainConfig
from hit.data.digits import read_digits
from hit.distributions import FixedGaussian, MixtureOfLogistics
from hit.errors import ConfigError, DataError
from hit.models import build_model

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
SMALL = TrainConfig(channels=2, z_dims=(5,))
_MAPS = "1x1x16,4x4x8,8x8x4,16x16x2"
CONFIGS = {
    "ghvae": (SMALL, GREY),
    "vae": (replace(SMALL, model="vae", betas=(1.0,)), GREY),
    "lvae of 3 layers": (replace(SMALL, model="lvae", z_dims=(3, 5), betas=(1.0,) * 3), GREY),
    "deep": (TrainConfig.from_flat({"model": "deep", "channels": 2, "model.latents": _MAPS}), GREY),
    "gumbel": (replace(SMALL, posterior="gumbel_softmax"), GREY),
    "grey mol": (replace(SMALL, likelihood="mol"), GREY),
    "colour mol": (replace(SMALL, likelihood="mol"), COLOUR),
    "vectors": (SMALL, (40,)),
}
COUNT = 14


def _coded(name: str, chains: int = 4) -> tuple[LosslessChunks, torch.Tensor, CodedChunk]:
    config, shape = CONFIGS[name]
    model = build_model(config, shape)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.inference.parameters():  # as if trained: posteriors that differ from priors
            weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
    coder = BitsBack(reproducible_copy(model))
    if len(shape) == 3:
        images = read_digits()[1].images[:COUNT]
        images = torch.nn.functional.interpolate(images.float(), shape[1:]).to(torch.uint8).expand(-1, *shape)
    else:
        images = torch.randint(0, 2, (COUNT, *shape), generator=generator).float()
    levels = coder.pixels.levels(model.prepare(images))
    chunks = LosslessChunks(coder, shape, chains)
    with reproducible():
        return chunks, levels, chunks.encode(levels, measured=True)


@pytest.mark.parametrize("name", CONFIGS)
def test_images_come_back_and_cost_what_densities_say(name: str) -> None:
    chunks, levels, coded = _coded(name)
    with reproducible():
        assert torch.equal(chunks.decode(coded.payload, COUNT), levels)
    latents = np.concatenate([part.latents for part in coded.costs])
    ratios = np.concatenate([part.log_ratios for part in coded.samples]) / np.log(2)
    pixels = np.concatenate([part.pixels for part in coded.costs])
    distortion = np.concatenate([part.distortion for part in coded.samples]) / np.log(2)
    assert (latents < ratios + 0.3).all()  # what is all but ruled out costs less than it should
    np.testing.assert_allclose(pixels, distortion, rtol=1e-3)
    assert (latents.sum() + pixels.sum()) / (ratios.sum() + distortion.sum()) == pytest.approx(1, abs=0.02)
    assert 8 * len(coded.payload) == pytest.approx(latents.sum() + pixels.sum() + coded.initial_bits)


def test_chains_double_as_they_can_lend_and_pay_for_initial_bits_once() -> None:
    coded, beside = (_coded("grey mol", chains)[2] for chains in (1, 4))
    assert [len(part.total) for part in coded.costs] == [1] * COUNT
    assert [len(part.total) for part in beside.costs][:4] == [1, 2, 4, 4]
    assert beside.initial_bits - coded.initial_bits < 4 * 64 * 4
    assert beside.payload != coded.payload


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload[:-4],
        lambda payload: payload[:10],
        lambda payload: b"",
        lambda payload: payload + payload[-4:],
        lambda payload: payload[:-9] + bytes([payload[-9] ^ 1]) + payload[-8:],
        lambda payload: b"\x07" + payload[1:],
    ],
)
def test_another_payload_is_refused(change: object) -> None:
    chunks, _, coded = _coded("ghvae")
    with reproducible(), pytest.raises(DataError, match="these are not"):
        chunks.decode(change(coded.payload), COUNT)  # type: ignore[operator]


def test_the_payload_is_that_of_so_many_images() -> None:
    chunks, _, coded = _coded("ghvae")
    for count in (COUNT - 1, COUNT + 1):
        with reproducible(), pytest.raises(DataError, match="these are not"):
            chunks.decode(coded.payload, count)


def test_another_likelihood_cannot_be_coded_without_loss() -> None:
    with pytest.raises(ConfigError, match=r"likelihood must be bernoulli or mol .* got FixedGaussian"):
        pixel_models(FixedGaussian(0.1))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_levels_are_as_likely_as_the_mixture_says(channels: int) -> None:
    """The two halves of a level's number, channel by channel, multiply to the probability of the image."""
    likelihood, generator = MixtureOfLogistics(channels).double(), torch.Generator().manual_seed(0)
    output = torch.randn((1, likelihood.outputs(channels), 2, 2), generator=generator, dtype=torch.float64)
    levels = torch.randint(0, 256, (1, channels, 2, 2), generator=generator, dtype=torch.int32)
    pixels = pixel_models(likelihood)
    log_prob = 0.0
    for stage in range(pixels.stages):
        table = pixels.models(stage, output, levels).row(0).frequencies  # type: ignore[attr-defined]
        chosen = np.take_along_axis(table, pixels.symbols(stage, levels)[0][:, None], 1)[:, 0]
        log_prob += float(np.log(chosen / table.sum(1)).sum())
    assert log_prob == pytest.approx(likelihood.log_prob(pixels.x(levels), output).item(), abs=0.02)
