"""Latents of data without labels, and with continuous ones: what is measured of a model, and how it is drawn."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import ConfigError
from hit.evaluation import evaluate_model
from hit.evaluation.latent_plots import save_coordinates, save_scatter
from hit.metrics import principal_components
from hit.models import build_model
from hit.schema import LabelKind, metric

SETTINGS = [{"model": "vae"}, {"z_dims": "5", "posterior": "gumbel_softmax"}, {"model": "lvae", "z_dims": "4,12"}]


def relabelled(labels: Any) -> Dataset:
    """The digits with labels made of their own by a function, or without."""
    digits = data.load("digits")
    assert isinstance(digits.train, Split)
    assert isinstance(digits.test, Split)
    train, test = (Split(split.images, labels and labels(split.images)) for split in (digits.train, digits.test))
    return replace(digits, train=train, test=test, classes=0)


def ink(images: Tensor) -> Tensor:
    """How much ink there is and how far down, of which any latents of an untrained model tell something."""
    pixels = images.float().flatten(1)
    return pixels @ torch.linspace(1, 2, pixels.shape[1]) / pixels.shape[1]


@pytest.mark.parametrize("config", SETTINGS)
def test_principal_components_alone_without_labels(config: dict[str, str]) -> None:
    dataset = relabelled(None)
    model = build_model(TrainConfig.from_flat({"channels": 4, **config}), dataset.image_shape).eval()
    found = evaluate_model(model, dataset, groups={"core", "latents"})
    of_latents = {name for name in found.metrics if metric(name).group == "latents"}
    assert of_latents
    assert all(name.startswith("test/pca_share_") for name in of_latents)
    assert set(found.projections) == set(range(1, model.layers + 1))


@pytest.mark.parametrize("config", SETTINGS)
def test_regressions_of_every_layer_under_declared_names(config: dict[str, str]) -> None:
    dataset = relabelled(ink)
    model = build_model(TrainConfig.from_flat({"channels": 4, **config}), dataset.image_shape).eval()
    found = evaluate_model(model, dataset, groups={"latents"}).metrics
    assert {metric(name).labels for name in found} == {None, LabelKind.CONTINUOUS}
    for layer in range(1, model.layers + 1):
        assert {f"test/r2_{one}_z{layer}{on}" for one in ("ridge", "knn") for on in ("", "_sampled")} <= found.keys()
        assert found[f"test/bound_holds_r2_z{layer}"] == 1
        assert 0 <= found[f"test/r2_bound_rate_z{layer}"] <= 1
    assert found["test/held_out"] == 360
    assert found["test/label_variance"] == pytest.approx(float(ink(dataset.test.head(360)).double().var(correction=0)))
    assert found["test/r2_ridge_z1"] > 0.1


def test_labels_with_steps_have_no_bound() -> None:
    dataset = relabelled(lambda images: (ink(images) / 20).round() / 7)
    model = build_model(TrainConfig(channels=4), dataset.image_shape).eval()
    found = evaluate_model(model, dataset, groups={"latents"}).metrics
    assert "test/r2_ridge_z2" in found
    assert not [name for name in found if "bound" in name and "r2" in name]
    assert "test/label_entropy_power" not in found


@pytest.mark.parametrize("labels", [None, ink])
def test_no_generation_without_classes(labels: Any) -> None:
    dataset = relabelled(labels)
    model = build_model(TrainConfig(channels=4), dataset.image_shape).eval()
    with pytest.raises(ConfigError, match="groups must not name generation for data without classes"):
        evaluate_model(model, dataset, groups={"generation"})


@pytest.mark.parametrize("labels", [None, torch.linspace(0.5, 2.5, 40)])
def test_points_are_drawn_and_written(tmp_path: Path, labels: Tensor | None) -> None:
    points = principal_components(np.random.default_rng(0).normal(size=(40, 5)))
    with save_coordinates(points, labels, tmp_path / "points.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ([] if labels is None else ["label"]) + ["pc1", "pc2", "pc3"]
    if labels is not None:
        assert [float(row["label"]) for row in rows] == pytest.approx(labels.tolist(), rel=1e-5)
    picture = np.asarray(Image.open(save_scatter({1: points, 2: points}, labels, tmp_path / "pca.png")).convert("RGB"))
    colours = len(np.unique(picture[np.ptp(picture, axis=-1) > 60], axis=0))
    assert colours > (100 if labels is not None else 0)
