"""The contract of metrics: finite numbers, the same every time, and the model left as it is."""

__all__ = ["check_metric"]

import math

import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import ConfigError
from hit.evaluation.extension_metrics import MetricContext
from hit.models import build_model
from hit.schema.metrics import EXTENSION_METRICS
from hit.testing.contract import ContractBroken, must


def check_metric(name: str, dataset: Dataset | None = None) -> None:
    """Check a registered metric on a small untrained model.

    Args:
        name: under which it is registered.
        dataset: that it is tried on; None: some of the digits.

    Raises:
        ContractBroken: naming the rule.
    """
    label = f"metric {name!r}"
    try:
        entry = EXTENSION_METRICS.get(name)
    except ConfigError as error:
        raise ContractBroken(str(error)) from error
    if dataset is None:
        digits = data.load("digits").test
        few = Split(digits.head(64), None if digits.labels is None else digits.labels[:64])
        dataset = Dataset("digits", few, few, 10)
    config = TrainConfig(channels=4, z_dims=(5,), likelihood="gaussian")
    model = build_model(config, dataset.image_shape)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    said = []
    for _ in range(2):
        measured = entry.measure(MetricContext(model, dataset))
        try:
            said.append([float(one) for one in (measured if "{l}" in name else [measured])])
        except (TypeError, ValueError) as error:
            expected = "a number for every layer" if "{l}" in name else "one number"
            raise ContractBroken(f"{label} must give {expected}, got {type(measured).__name__}") from error
    count = model.layers if "{l}" in name else 1
    must(len(said[0]) == count, label, f"give {count} numbers, one a layer", len(said[0]))
    must(all(map(math.isfinite, said[0])), label, "be finite", said[0])
    must(said[0] == said[1], label, "be the same every time: seed what is drawn", said)
    kept = all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    must(kept, label, "leave the model's weights as they are")
