"""The contract of metrics: finite numbers, the same every time, and the model left as it is."""

__all__ = ["check_metric"]

import math

import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import ConfigError, UserError
from hit.evaluation.data_needs import barred_metrics
from hit.evaluation.extension_metrics import MetricContext, numbers_of
from hit.models import build_model
from hit.schema import LabelKind, Metric
from hit.schema.metrics import EXTENSION_METRICS
from hit.testing.contract import ContractBroken, must

_EXAMPLES = 64


def check_metric(name: str, dataset: Dataset | None = None) -> None:
    """Check a registered metric on a small untrained model.

    Args:
        name: under which it is registered.
        dataset: that it is tried on; None: a few digits, or vectors, with labels as it takes them.

    Raises:
        ContractBroken: naming the rule.
    """
    label = f"metric {name!r}"
    try:
        entry = EXTENSION_METRICS.get(name)
    except ConfigError as error:
        raise ContractBroken(str(error)) from error
    if dataset is None:
        dataset = _suited(entry.declared)
    must(name not in barred_metrics(dataset), label, "be tried on data that it takes", dataset.name)
    config = TrainConfig(channels=4, z_dims=(5,), likelihood="gaussian")
    model = build_model(config, dataset.shape)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    said = []
    for _ in range(2):
        try:
            said.append(numbers_of(name, entry.measure(MetricContext(model, dataset)), model.layers))
        except UserError as error:
            raise ContractBroken(str(error)) from error
    must(all(map(math.isfinite, said[0])), label, "be finite", said[0])
    must(said[0] == said[1], label, "be the same every time: seed what is drawn", said)
    kept = all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    must(kept, label, "leave the model's weights as they are")


def _suited(declared: Metric) -> Dataset:
    """A few digits, or as many vectors, with labels as a metric takes them."""
    digits = data.load("digits").test
    images, classes = digits.head(_EXAMPLES), digits.labels
    assert classes is not None
    if declared.takes == "vectors":
        images = images[:, 0, 12:16, 12:16].flatten(1).float() / 255
    classes = classes[:_EXAMPLES]
    labels = classes.float() / 10 if declared.labels is LabelKind.CONTINUOUS else classes
    few = Split(images, labels)
    return Dataset("digits", few, few, 10 if labels is classes else 0)
