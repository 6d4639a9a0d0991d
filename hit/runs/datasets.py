"""The data of a run: loaded once a process, and logged as the run's input."""

__all__ = ["load_once", "log_dataset"]

from functools import lru_cache
from typing import Any

import torch

from hit import data
from hit.config.parts import DATASETS
from hit.data import Dataset
from hit.extensions import Source
from hit.schema import Tag
from hit.tracking.run_log import RunLog

#: Characters of the names of features that a run is given; more would make it slow to read.
_MOST_NAMES = 10_000


def load_once(name: str, root: str, device: torch.device, crop: int = 0, label: str = "") -> Dataset:
    """The data set on the device; a worker that trains many models loads it once."""
    known = name in DATASETS  # which may import an extension
    return _load(name, root, device, crop, label, DATASETS.source(name) if known else None)


@lru_cache(maxsize=2)
def _load(name: str, root: str, device: torch.device, crop: int, label: str, source: Source | None) -> Dataset:
    """Of each version of an extension anew: a notebook's cell is run again."""
    return data.load(name, root, crop, label=label).to(device)


def log_dataset(run: RunLog, dataset: Dataset) -> None:
    """The data set as the run's input, with its digest and its sizes; its classes as a metric, to filter on,
    and what its labels are as a tag."""
    profile: dict[str, Any] = {
        "train": len(dataset.train),
        "test": len(dataset.test),
        ("image_shape" if dataset.form == "images" else "shape"): list(dataset.shape),
        "classes": dataset.classes,
        "labels": dataset.label_kind.value,
    }
    if dataset.features and sum(map(len, dataset.features)) <= _MOST_NAMES:
        profile["features"] = list(dataset.features)
    run.dataset(dataset.name, dataset.digest, profile)
    run.tags({Tag.LABELS: dataset.label_kind})
    if dataset.classes:
        run.metrics({"classes": float(dataset.classes)})
