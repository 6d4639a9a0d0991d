"""From rates to β: a surface whose rates are known in closed form is inverted exactly, and says what it lacks."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Split
from hit.errors import ConfigError
from hit.evaluation.rate_inversion import OutsideSurface, betas_for
from hit.models import build_model
from hit.models.surface_model import condition_on_betas
from hit.training import fit

IMAGES = Split(torch.zeros(300, 1, 28, 28, dtype=torch.uint8), torch.zeros(300, dtype=torch.int64))


class KnownSurface:
    """R_1 = 20 s / (β_1 β_2^0.3), R_2 = 5 s β_1^0.2 / β_2, with s spread over the images around 1."""

    layers, beta_low, beta_high = 2, 0.1, 10.0

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        return torch.linspace(0.5, 1.5, len(images))

    def noise(self, batch: int, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        return ()

    def __call__(self, x: torch.Tensor, betas: torch.Tensor, noise: object) -> SimpleNamespace:
        one, two = betas
        return SimpleNamespace(rates=(20 * x / (one * two**0.3), 5 * x * one**0.2 / two))


def invert(rates: dict[int, float], betas: tuple[float, ...] | None = None):  # type: ignore[no-untyped-def]
    return betas_for(KnownSurface(), IMAGES, rates, betas)  # type: ignore[arg-type]


@pytest.mark.parametrize("betas", [(1.0, 1.0), (0.15, 6.0), (7.0, 0.2), (0.3, 0.3)])
def test_the_betas_of_known_rates_are_found(betas: tuple[float, float]) -> None:
    one, two = betas
    found = invert({1: 20 / (one * two**0.3), 2: 5 * one**0.2 / two})
    assert found.betas == pytest.approx(betas, rel=1e-3)
    assert found.rates == pytest.approx((20 / (one * two**0.3), 5 * one**0.2 / two), rel=1e-3)


def test_the_error_bars_are_those_of_the_rates_carried_over() -> None:
    found = invert({1: 20, 2: 5})
    # log R = log s + J log β with J as written in the class: one common error of log s, of a mean over 300 images.
    common = np.linspace(0.5, 1.5, 300).std(ddof=1) / math.sqrt(300)
    expected = np.abs(np.linalg.solve(np.array([[-1, -0.3], [0.2, -1]]), [common, common]))
    assert found.errors == pytest.approx(expected.tolist(), rel=0.03)
    assert found.rate_errors == pytest.approx((20 * common, 5 * common), rel=1e-3)


def test_a_layer_that_is_not_asked_about_keeps_its_beta() -> None:
    found = invert({2: 10.0}, (0.5, 1.0))
    assert found.betas == pytest.approx((0.5, 0.5**1.2), rel=1e-3)
    assert found.errors[0] == 0


@pytest.mark.parametrize("rates", [{1: 5000.0, 2: 5.0}, {1: 20.0, 2: 1e-4}, {1: 20.0, 2: 300.0}])
def test_what_lies_outside_is_said_with_what_comes_nearest(rates: dict[int, float]) -> None:
    with pytest.raises(OutsideSurface, match=r"must lie on the surface.*from 0\.1 to 10.*nearest.*nats at beta_1="):
        invert(rates)


@pytest.mark.parametrize(
    ("rates", "fault"),
    [
        ({}, "target_rate_l must be given for a layer or more, got none"),
        ({3: 1.0}, "target_rate_3 needs a model of 3 layers or more, but L = 2, got 1"),
        ({1: 0.0}, "target_rate_1 must be a finite number greater than 0, got 0"),
        ({1: math.inf}, "target_rate_1 must be a finite number greater than 0, got inf"),
    ],
)
def test_rates_that_none_could_have_are_refused(rates: dict[int, float], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        invert(rates)


def test_a_trained_surface_is_inverted() -> None:
    digits = data.load("digits").train
    images = Split(digits.images[:600], digits.labels[:600])
    config = TrainConfig(channels=4, z_dims=(5,), epochs=8, batch_size=64, learning_rate=1e-2, schedule="one_cycle")
    surface = condition_on_betas(build_model(config, images.image_shape))
    fit(surface, images, config)
    with torch.no_grad():
        noise = surface.noise(600, torch.Generator().manual_seed(3))
        there = surface(surface.prepare(images.images), torch.tensor([0.4, 0.7]), noise)
    asked = {1: float(there.rates[0].mean())}  # so small a model leaves z_2 alone
    found = betas_for(surface, images, asked, (1.0, 0.7))
    assert found.betas[1] == 0.7
    assert found.betas[0] == pytest.approx(0.4, rel=0.05)
    assert found.rates[0] == pytest.approx(asked[1], rel=0.02)
