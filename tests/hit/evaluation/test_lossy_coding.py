"""The group rate_distortion: what it measures, of what, and what leaves it out."""

from functools import partial

import numpy as np
import pytest
import torch

from hit import data, schema
from hit.coding.lossy import LossyCodec
from hit.config import TrainConfig
from hit.data import Dataset
from hit.evaluation import evaluate_model, image_files, lossy_coding
from hit.models import build_model


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossy_coding, "LossyCodec", partial(LossyCodec, iterations=1))
    monkeypatch.setattr(lossy_coding, "_IMAGES", 9)


@pytest.mark.usefixtures("quick")
def test_the_group_has_every_metric_that_it_promises() -> None:
    dataset = data.load("digits")
    model = build_model(TrainConfig(channels=4, z_dims=(4,)), dataset.image_shape)
    found = evaluate_model(model, dataset, groups=("rate_distortion",))
    metrics = found.metrics
    assert not found.skipped
    assert {schema.metric(name).group for name in metrics} == {"rate_distortion"}
    promised = {one.name for one in schema.layer_metrics(2) if one.group == "rate_distortion"}
    assert promised - set(metrics) <= {"test/lossy_bits", "test/lossy_excess_bits"}
    assert metrics["test/lossy_images"] == 9
    for step in schema.LOSSY_STEPS:
        layers = sum(metrics[f"test/lossy_bits_z{layer}_step_{step}"] for layer in (1, 2))
        assert layers <= metrics[f"test/lossy_bits_step_{step}"] < layers + 30
    assert metrics["test/png_bits"] < 28 * 28
    assert metrics["test/jpeg_psnr_quality_90"] > metrics["test/jpeg_psnr_quality_10"]


@pytest.mark.usefixtures("quick")
def test_vectors_have_no_psnr_and_say_so() -> None:
    vectors = torch.rand((20, 5), generator=torch.Generator().manual_seed(0))
    split = data.Split(vectors, torch.arange(20) % 2)
    dataset = Dataset("vectors", split, split, 2)
    model = build_model(TrainConfig(channels=4, z_dims=(3,), likelihood="gaussian"), (5,))
    found = evaluate_model(model, dataset, groups=("rate_distortion",))
    assert not found.metrics
    assert "vectors" in found.skipped["rate_distortion"]


@pytest.mark.parametrize("shape", [(7, 1, 6, 10), (5, 3, 9, 4), (3, 2, 5, 5)])
def test_a_mosaic_has_every_image_once(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    tiled = image_files.mosaic(images)
    cut = image_files._cut(tiled, shape if shape[1] == 3 else (shape[0], 1, shape[1] * shape[2], shape[3]))
    expected = images.transpose(0, 2, 3, 1) if shape[1] == 3 else images.reshape(shape[0], -1, shape[3], 1)
    np.testing.assert_array_equal(cut, expected)


def test_files_of_a_mosaic_come_back_nearer_the_more_bits_they_take() -> None:
    images = data.load("digits").test.head(16).numpy()
    coarse, fine = (image_files.lossy_files(images, "WEBP", quality) for quality in (5, 90))
    assert coarse.bits < fine.bits
    assert coarse.psnr is not None
    assert fine.psnr is not None
    assert coarse.psnr + 5 < fine.psnr
    binary = np.where(images > 127, 255, 0).astype(np.uint8)
    assert image_files.png_bits(binary) < image_files.png_bits(images)
