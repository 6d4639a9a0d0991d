"""The very deep model: its border, its state, and what else stands on its layers."""

import pytest
import torch

from hit.config import TrainConfig
from hit.errors import ConfigError
from hit.evaluation.pictures import traversal
from hit.models import HierarchicalVAE, build_model
from hit.models.deep import ResidualState, deep
from hit.models.surface_model import condition_on_betas, fold

GREY = (1, 28, 28)
CONFIG = TrainConfig.from_flat(
    {"model": "deep", "channels": 4, "model.latents": "1x1x3,2x2x2,2x2x2,4x4x1", "likelihood": "gaussian"}
)


def _sized(height: int, width: int, latents: str = "1x1x3,2x2x2,4x4x1", channels: int = 1) -> HierarchicalVAE:
    config = TrainConfig.from_flat({"model": "deep", "channels": 4, "model.latents": latents, "likelihood": "gaussian"})
    likelihood = build_model(CONFIG, GREY).likelihood
    torch.manual_seed(0)
    return deep((channels, height, width), likelihood, config.model_options, config)


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (9, 13, 2), (17, 64, 3), (20, 37, 5)])
def test_images_of_any_size_count_their_own_pixels_alone(height: int, width: int, channels: int) -> None:
    model = _sized(height, width, channels=channels)
    x = torch.rand(3, channels, height, width)
    outcome = model(x, model.noise(3))
    assert outcome.output.shape == x.shape
    torch.testing.assert_close(outcome.distortion, -model.likelihood.log_prob(x, outcome.output))
    assert model.generate(model.noise(2)).shape == (2, channels, height, width)
    (outcome.distortion.sum() + sum(rate.sum() for rate in outcome.rates)).backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []


def test_maps_may_be_as_wide_as_the_image_and_no_wider() -> None:
    assert _sized(8, 8, "2x2x1,8x8x1")(torch.rand(2, 1, 8, 8)).latents[0].shape == (2, 1, 8, 8)
    with pytest.raises(ConfigError, match="latents must have maps no larger than images of 28×28 pixels, got 32x32x1"):
        build_model(TrainConfig.from_flat({"model": "deep", "model.latents": "8x8x1,32x32x1"}), GREY)


def test_layers_of_one_resolution_share_the_features_of_the_image() -> None:
    one, two, three, four = build_model(CONFIG, GREY).inference.evidence(torch.rand(2, *GREY))
    assert two is three
    assert [seen.shape[2] for seen in (one, two, four) if isinstance(seen, torch.Tensor)] == [4, 2, 1]


def test_the_decoder_sees_what_was_drawn_at_the_top() -> None:
    model = build_model(CONFIG, GREY)
    assert isinstance(model.state, ResidualState)
    z = [torch.randn(1, *shape) for shape in model.latent_shapes]
    pictures = []
    for top in (z[3], -z[3]):
        chosen = [*z[:3], top]
        pictures.append(model.descend(lambda layer, prior, chosen=chosen: chosen[layer - 1]))  # type: ignore[misc]
    assert not torch.equal(*pictures), "although z_1 … z_3 are the same"
    assert all(traversal(model, layer).ndim for layer in range(1, 5))


def test_a_surface_begins_as_the_model_and_folds_back_to_it() -> None:
    plain = build_model(CONFIG, GREY)
    surface = condition_on_betas(build_model(CONFIG, GREY))
    x, noise = torch.rand(3, *GREY), plain.noise(3)
    torch.testing.assert_close(surface(x, torch.ones(4), noise).output, plain(x, noise).output)
    with torch.no_grad():
        for weight in surface.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    folded = fold(surface, (0.5, 1, 2, 4))
    assert set(folded.state_dict()) == set(plain.state_dict())
    betas = torch.tensor([0.5, 1, 2, 4])
    torch.testing.assert_close(folded(x, noise).rates, surface(x, betas, noise).rates, rtol=1e-3, atol=1e-3)


def test_blocks_begin_smaller_the_deeper_the_model_is() -> None:
    few, many = (_sized(8, 8, ",".join(["1x1x1"] * count)) for count in (2, 16))
    size = [model.state.blocks[0].bottleneck.layers[-1].weight.abs().max() for model in (few, many)]  # type: ignore[union-attr,index]
    assert size[1] < size[0] / 2
