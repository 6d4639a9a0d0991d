"""Metrics of extensions say which data and labels they take, and are left out of others by one line and a tag."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import ConfigError
from hit.evaluation.data_needs import check_groups, check_metrics, left_out
from hit.evaluation.extension_metrics import measure_extension_metrics
from hit.extensions.discovery import temporary
from hit.models import build_model
from hit.runs.measurement import find_scorers, measure
from hit.schema.metrics import EXTENSION_METRICS
from hit.store import Store
from tests.stores import new_database

VECTORS = torch.arange(40.0).view(10, 4)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with temporary():
        EXTENSION_METRICS.register("test/of_images", lambda context: 1.0, takes="images")
        EXTENSION_METRICS.register("test/of_classes_z{l}", lambda context: [1.0, 2.0], labels="classes")
        yield


def rows(labels: torch.Tensor | None = None, classes: int = 0) -> Dataset:
    return Dataset("rows", Split(VECTORS, labels), Split(VECTORS, labels), classes)


UNLABELLED = "dataset 'rows' has no labels, and labels that are classes are taken by test/of_classes_z{l}"
NO_IMAGES = "dataset 'rows' has vectors, and images are taken by test/of_images"


def test_what_the_data_do_not_allow_is_left_out() -> None:
    config = TrainConfig(channels=2, z_dims=(2,), likelihood="gaussian")
    model = build_model(config, (4,))
    labelled = rows(torch.arange(10) % 2, 2)
    assert measure_extension_metrics(model, labelled) == (
        {"test/of_classes_z1": 1.0, "test/of_classes_z2": 2.0},
        NO_IMAGES,
    )
    assert left_out({"extensions"}, labelled) == {}, "some are measured"
    EXTENSION_METRICS.register("test/far", lambda context: context.images.abs().max(), takes="vectors")
    found, fault = measure_extension_metrics(model, rows())
    assert found == {"test/far": 39.0}
    assert fault == f"{NO_IMAGES}; {UNLABELLED}"


def test_a_group_of_which_nothing_is_allowed_is_not_measured(tmp_path: Path) -> None:
    config, dataset = TrainConfig(channels=2, z_dims=(2,), likelihood="gaussian"), rows()
    scorers = find_scorers({"extensions"}, dataset, Store(new_database(tmp_path / "store.db")))
    measured = measure(build_model(config, (4,)), dataset, config, config.betas, {"core", "extensions"}, scorers)
    assert measured.groups == {"core"}
    assert measured.tags["hit.skipped.extensions"] == f"{NO_IMAGES}; {UNLABELLED}"
    assert f"extensions not measured: {NO_IMAGES}; {UNLABELLED}" in measured.summary()
    with pytest.raises(ConfigError, match="metrics must not name extensions here: dataset 'rows' has vectors, and"):
        check_groups("extensions", dataset)
    check_groups("all", dataset)
    with pytest.raises(ConfigError, match="no labels, got test/of_classes_z2, which takes labels that are classes"):
        check_metrics("objectives", ["test/of_classes_z2"], dataset)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"labels": "numbers"}, "labels of metric 'test/own' must be classes, continuous or None, got 'numbers'"),
        ({"takes": "tables"}, "takes of metric 'test/own' must be images, vectors or None, got 'tables'"),
        ({"label": 3}, "label of metric 'test/own' must be a text, got 3"),
        ({"form": "images"}, "metric 'test/own' must not be declared with 'form'; known: label, unit, direction, "),
    ],
)
def test_what_is_declared_wrongly_is_one_line(declared: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        EXTENSION_METRICS.register("test/own", lambda context: 1.0, **declared)


@pytest.mark.parametrize(
    ("name", "said", "fault"),
    [
        ("test/own", "hello", "metric test/own must be a number, got 'hello'"),
        ("test/own", VECTORS, "metric test/own must be a number, got Tensor of 10×4 numbers"),
        ("test/own", float("nan"), "metric test/own must be finite, got nan"),
        ("test/own_z{l}", 1.0, "metric test/own_z{l} must be 2 numbers, one a layer, got 1.0"),
        ("test/own_z{l}", [1.0], "metric test/own_z{l} must be 2 numbers, one a layer, got 1"),
    ],
)
def test_what_a_metric_gives_wrongly_is_told(name: str, said: object, fault: str) -> None:
    EXTENSION_METRICS.register(name, lambda context: said)
    model = build_model(TrainConfig(channels=2, z_dims=(2,), likelihood="gaussian"), (4,))
    found, told = measure_extension_metrics(model, rows(torch.arange(10) % 2, 2))
    assert "test/own" not in found
    assert told == f"{NO_IMAGES}; {fault}"
