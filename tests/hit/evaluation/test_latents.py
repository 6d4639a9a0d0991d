"""Measurements and pictures of latents, of models with any number of layers and any family on top."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset
from hit.distributions import DiagonalGaussian
from hit.evaluation import evaluate_model
from hit.evaluation.latent_plots import save_coordinates, save_scatter
from hit.evaluation.latents import Layer, measure_layer
from hit.evaluation.pictures import traversal
from hit.metrics import EVALUATOR, Projection, entropy, mixed_ksg
from hit.models import HierarchicalVAE, build_model
from hit.schema import metric

SETTINGS = [{"model": "vae"}, {"model": "ghvae", "z_dims": "5"}, {"model": "lvae", "z_dims": "4,12"}]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


def untrained(dataset: Dataset, **config: str) -> HierarchicalVAE:
    return build_model(TrainConfig.from_flat({"channels": 4, **config}), dataset.image_shape).eval()


def cells(grid: Tensor, columns: int) -> list[list[Tensor]]:
    """Images of a grid of 28 or 32 pixels with a border of one, by row and column."""
    side = (grid.shape[2] - 1) // columns
    rows = grid[:, 1:, 1:].split(side, 1)
    return [[cell[:, : side - 1, : side - 1] for cell in row.split(side, 2)] for row in rows]


@pytest.mark.parametrize("config", SETTINGS)
def test_every_layer_is_measured_under_declared_names(digits: Dataset, config: dict[str, str]) -> None:
    model = untrained(digits, **config)
    found = evaluate_model(model, digits, (1.0,) * model.layers, {"latents"})
    measured, projections = found.metrics, found.projections
    assert {metric(name).group for name in measured} == {"core", "latents"}
    assert list(projections) == list(range(1, model.layers + 1))
    for layer in projections:
        assert len(projections[layer].coordinates) == len(digits.test)
        for name in (f"mi_z{layer}", f"mi_error_z{layer}", f"mi_ksg_z{layer}", f"pca_share_3_z{layer}"):
            assert math.isfinite(measured[f"test/{name}"])
        assert measured[f"test/bound_holds_z{layer}"] == measured[f"test/bound_holds_accuracy_mi_z{layer}"] == 1.0
        # the estimate is biased below the top: a slack, and no verdict
        assert (f"test/bound_holds_mi_z{layer}" in measured) == (layer == model.layers)
        assert f"test/bound_slack_mi_z{layer}" in measured


def test_reconstruction_is_checked_where_the_likelihood_is_a_probability(digits: Dataset) -> None:
    measured = evaluate_model(untrained(digits), digits, (1.0, 1.0)).metrics
    distinct = {image.tobytes() for image in (digits.test.images > 127).numpy()}
    assert len(distinct) > 300
    slack = -measured["test/elbo"] - measured["test/bound_slack_reconstruction"]
    assert math.log(len(distinct)) - 0.1 < slack <= math.log(len(digits.test)) + 1e-9
    assert measured["test/bound_holds_reconstruction"] == 1.0
    assert {metric(name).group for name in measured} == {"core"}
    density = evaluate_model(untrained(digits, likelihood="gaussian"), digits, (1.0, 1.0)).metrics
    assert not any("bound" in name for name in density)


def layer_of(samples: Tensor, posterior: DiagonalGaussian | None, rate: float, *, top: bool = True) -> Layer:
    return Layer(2, top, rate, samples, posterior, samples)


def test_a_categorical_layer_is_measured_from_counts() -> None:
    labels = torch.arange(600) % 3
    samples = torch.nn.functional.one_hot(torch.where(torch.arange(600) < 300, labels, 3), 5).float()
    measured = measure_layer(layer_of(samples, None, rate=2.0), labels, 3)
    # half of the points tell their label, the other half are all of one category
    assert measured["test/mi_z2"] == pytest.approx(0.5 * math.log(3), abs=1e-9)
    assert measured["test/bound_holds_mi_z2"] == measured["test/bound_holds_z2"] == 1.0
    assert "test/mi_ksg_z2" not in measured


def test_latents_that_know_more_than_their_rate_are_flagged() -> None:
    labels = torch.arange(1000) % 5
    samples = 10.0 * torch.nn.functional.one_hot(labels, 5) + torch.randn(1000, 5, generator=torch.Generator())
    told = layer_of(samples, DiagonalGaussian(samples, torch.ones_like(samples)), rate=0.1)
    measured = measure_layer(told, labels, 5)
    assert measured["test/mi_z2"] == pytest.approx(entropy(labels), abs=1e-6)
    assert measured["test/bound_slack_mi_z2"] == pytest.approx(0.1 - entropy(labels), abs=1e-6)
    assert measured["test/bound_holds_mi_z2"] == measured["test/bound_holds_z2"] == 0.0
    assert measured["test/bound_holds_accuracy_mi_z2"] == 1.0
    assert measured["test/mi_ksg_z2"] == mixed_ksg(samples[: EVALUATOR.ksg_points], labels[: EVALUATOR.ksg_points])


@pytest.mark.parametrize("config", SETTINGS)
def test_traversals_of_every_layer(digits: Dataset, config: dict[str, str]) -> None:
    model = untrained(digits, **config)
    for layer in range(1, model.layers + 1):
        grid = traversal(model, layer)
        shape = model.latent_shapes[layer - 1]
        rows = cells(grid, 9)
        assert len(rows) == (min(10, shape[0]) if len(shape) == 1 else 6)
        assert torch.equal(traversal(model, layer), grid)
        assert not torch.equal(rows[0][0], rows[0][8])
        if len(shape) == 1:  # in the middle of each row, z_l is its prior's mean
            assert all(torch.allclose(row[4], rows[0][4], atol=1e-5) for row in rows)
            assert not torch.allclose(rows[0][0], rows[1][0], atol=1e-6)


def test_a_traversal_of_a_vector_moves_one_dimension_at_a_time(digits: Dataset) -> None:
    model = untrained(digits, z_dims="5")
    rows = cells(traversal(model, 2), 9)
    z = torch.zeros(1, 5)
    z[0, 3] = -3.0
    with torch.no_grad():
        expected = model.likelihood.mean(model.decoder(model.priors[0](z).mean))[0]
    torch.testing.assert_close(rows[3][0], expected.expand(3, -1, -1))


def test_a_traversal_of_categories_shows_each(digits: Dataset) -> None:
    model = untrained(digits, z_dims="7", posterior="gumbel_softmax")
    (row,) = cells(traversal(model, 2), 7)
    with torch.no_grad():
        expected = model.likelihood.mean(model.decoder(model.priors[0](torch.eye(7)).mean))
    for cell, image in zip(row, expected, strict=True):
        torch.testing.assert_close(cell, image.expand(3, -1, -1))


def test_points_in_files(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = torch.arange(50) % 4
    found = Projection(random.normal(size=(50, 3)), (0.5, 0.3, 0.1))
    table = np.genfromtxt(save_coordinates(found, labels, tmp_path / "pca.csv"), delimiter=",", names=True)
    assert table.dtype.names == ("label", "pc1", "pc2", "pc3")
    np.testing.assert_array_equal(table["label"], labels)
    np.testing.assert_allclose(table["pc2"], found.coordinates[:, 1], rtol=1e-4)
    one = Projection(np.zeros((50, 1)), ())
    for classes in (4, 30):
        path = save_scatter({1: found, 2: one}, torch.arange(50) % classes, tmp_path / "pca.png")
        with Image.open(path) as picture:
            assert picture.size == (1300, 800)
            assert len(picture.convert("RGB").getcolors(10**6)) > 20
