"""One call measures a model: what it gives by default, and what it refuses."""

import math
from typing import Any

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.distributions import Bernoulli
from hit.errors import ConfigError
from hit.evaluation import evaluate_model
from hit.evaluation.image_entropy import ImageEntropy
from hit.models import HierarchicalVAE, build_model
from hit.schema import error_of, is_metric


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


@pytest.fixture(scope="module")
def model(digits: Dataset) -> HierarchicalVAE:
    return build_model(TrainConfig(channels=4, z_dims=(5,)), digits.image_shape)


def test_one_line_measures_rates_distortion_and_psnr(model: HierarchicalVAE, digits: Dataset) -> None:
    measured = evaluate_model(model, digits).metrics
    assert {"test/rate_1", "test/rate_2", "test/rate", "test/distortion", "test/elbo", "test/psnr"} < set(measured)
    assert all(map(is_metric, measured))
    assert "test/objective" not in measured, "nobody has told β"
    again = evaluate_model(model, digits, (0.5, 2.0)).metrics
    weighed = 0.5 * again["test/rate_1"] + 2 * again["test/rate_2"]
    assert again.pop("test/objective") == pytest.approx(again["test/distortion"] + weighed, rel=1e-12)
    assert again.pop("test/objective_standard_error") > 0
    assert again | {"test/seconds": 0} == measured | {"test/seconds": 0}


def test_what_is_a_mean_over_the_test_images_has_its_standard_error(digits: Dataset, model: HierarchicalVAE) -> None:
    measured = evaluate_model(model, digits, (0.5, 2.0), {"latents"}).metrics
    with_errors = [name for name in measured if error_of(name)]
    assert {"test/rate_1", "test/elbo", "test/psnr", "test/accuracy_knn_z1", "test/mi_z2"} < set(with_errors)
    for name in with_errors:
        assert measured[error_of(name)] > 0, name
    bits = measured["test/elbo_standard_error"] / (28 * 28 * math.log(2))
    assert measured["test/bits_per_dim_standard_error"] == pytest.approx(bits)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"groups": {"cor"}},
            "groups must be a set or tuple of names out of core, latents, generation, inception, ",
        ),
        ({"groups": "core"}, "groups must be a set or tuple of names out of core, .* got 'core'"),
        ({"groups": {"generation"}}, "scorer must be a classifier of the data set where groups name generation"),
        ({"betas": (1.0,)}, r"betas must be 2, one a layer of the model, got 1: \(1\.0,\)"),
    ],
)
def test_what_cannot_be_measured_is_told(
    model: HierarchicalVAE, digits: Dataset, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        evaluate_model(model, digits, **asked)


def test_data_on_another_device_are_told(digits: Dataset) -> None:
    elsewhere = build_model(TrainConfig(channels=4), digits.image_shape).to("meta")
    with pytest.raises(ConfigError, match="dataset must be on the model's device, meta, got one on cpu"):
        evaluate_model(elsewhere, digits)


def test_the_entropy_of_a_test_set_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    split = Split(torch.zeros(6, 1, 4, 4, dtype=torch.uint8))
    monkeypatch.setattr("hit.evaluation.image_entropy.entropy", lambda labels: asked.append(len(labels)) or 1.5)
    x, rounded, grey = torch.rand(6, 1, 4, 4), Bernoulli(), Bernoulli(rounds=False)
    for likelihood, nats in ((rounded, 1.5), (rounded, 1.5), (grey, None)):
        told = ImageEntropy(split, likelihood)
        told.add(x[:4])
        told.add(x[4:])
        assert told.nats == nats
    assert asked == [6]
