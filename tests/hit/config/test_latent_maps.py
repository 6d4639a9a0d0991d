"""The maps of a deep model's latents."""

import pytest

from hit.config import TrainConfig
from hit.errors import ConfigError


def test_they_set_the_number_of_layers() -> None:
    config = TrainConfig.from_flat({"model": "deep", "model.latents": "1x1x16, 4×4×8,8x8x4", "beta_3": 0.5})
    assert (config.layers, config.betas, config.model_options.latents) == (3, (1, 1, 0.5), "1x1x16,4x4x8,8x8x4")
    assert [one.size for one in config.model_options.maps] == [16, 128, 256]
    assert TrainConfig.from_flat(config.to_flat()) == config


@pytest.mark.parametrize(
    ("latents", "rule"),
    [
        ("4x4x2", "model.latents must be 2 to 16 maps, from the top down, with commas (1 are given), got '4x4x2'"),
        (",".join(["1x1x1"] * 17), "model.latents must be 2 to 16 maps, from the top down, with commas (17 are given)"),
        ("4x4,8x8", "model.latents must be maps height x width x channels with commas, such as 1x1x16,"),
        ("0x4x2,8x8x2", "model.latents must be maps of sides 1 to 256 and 1 to 16384 channels ('0x4x2' is none)"),
        ("4x4x2,6x6x2", "model.latents must be maps whose sides are whole multiples of those above them (6x6x2 stands"),
        ("8x8x2,4x4x2", "model.latents must be maps whose sides are whole multiples of those above them (4x4x2 stands"),
        ("", "model.latents must be "),
    ],
)
def test_a_mistake_is_one_line(latents: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_flat({"model": "deep", "model.latents": latents})
    assert str(caught.value).startswith(rule)
