"""Bits of the test set, layer by layer, beside rates and distortion of the same draws."""

import math
from dataclasses import replace

import pytest

from hit import data, schema
from hit.config import TrainConfig
from hit.data import Dataset
from hit.evaluation import evaluate_model
from hit.models import HierarchicalVAE, build_model
from hit.schema.metric_groups import GROUPS
from hit.training import fit

CONFIG = TrainConfig(channels=4, z_dims=(5,), epochs=3, batch_size=64, learning_rate=3e-3)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


@pytest.fixture(scope="module")
def trained(digits: Dataset) -> HierarchicalVAE:
    model = build_model(CONFIG, digits.image_shape)
    fit(model, digits.train, CONFIG)
    return model


def test_bits_are_what_rates_and_distortion_promise(trained: HierarchicalVAE, digits: Dataset) -> None:
    found = evaluate_model(trained, digits, groups=("core", "coding"))
    metrics = found.metrics
    assert found.skipped == {}
    assert metrics["test/bits"] == pytest.approx(sum(metrics[f"test/bits_{part}"] for part in ("x", "z1", "z2")))
    assert abs(metrics["test/coding_overhead"]) < 0.005
    for layer in (1, 2):
        nats, bits = metrics[f"test/rate_{layer}"], metrics[f"test/bits_z{layer}"]
        noise = 4 * metrics[schema.error_of(f"test/bits_z{layer}")] + 0.05
        assert bits == pytest.approx(nats / math.log(2), abs=noise)
        if nats > 5:
            assert abs(metrics[f"test/coding_overhead_z{layer}"]) < 0.01
    noise = 4 * metrics["test/bits_x_standard_error"]
    assert metrics["test/bits_x"] == pytest.approx(metrics["test/distortion"] / math.log(2), abs=noise)
    assert 0 < metrics["test/initial_bits"] < 0.1 * metrics["test/bits"]
    assert {schema.metric(name).group for name in metrics if "bits_z" in name or "coding" in name} == {"coding"}
    assert set(GROUPS["coding"].witnesses) <= metrics.keys()


def test_what_cannot_be_coded_without_loss_is_left_out(digits: Dataset) -> None:
    model = build_model(replace(CONFIG, likelihood="gaussian"), digits.image_shape)
    found = evaluate_model(model, digits, groups=("coding",))
    assert found.metrics == {}
    assert "likelihood must be bernoulli or mol for lossless coding" in found.skipped["coding"]
