"""What one layer of latents is worth downstream: information about the label, accuracies or R², and their bounds."""

__all__ = [
    "LabelInformation",
    "Layer",
    "MeasureLayer",
    "MeasuredLayer",
    "label_information",
    "label_metrics",
    "measure_classes",
    "measure_latents",
    "measure_layer",
    "measure_regressions",
]

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hit import schema
from hit.distributions import DiagonalGaussian
from hit.errors import OutOfMemory
from hit.metrics import (
    EVALUATOR,
    BoundCheck,
    Projection,
    RSquared,
    accuracies,
    accuracy_bound,
    accuracy_error,
    categorical_information_density,
    check_accuracy,
    check_accuracy_from_information,
    check_information,
    check_r_squared,
    entropy,
    entropy_power,
    independent_points,
    information_density,
    mixed_ksg,
    principal_components,
    r_squared,
    r_squared_bound,
    scored_points,
)
from hit.processes.memory import as_refusal

_CPU = torch.device("cpu")
#: Densities, and distances, that a GPU holds at once: 256 MiB of double, 64 MiB of single precision.
_DENSITIES, _DISTANCES = 2**25, 2**24


@dataclass(frozen=True)
class LabelInformation:
    """What z_l knows of the label, nats.

    Attributes:
        value: I(y; z_l), by Monte Carlo over all pairs of points, or from counts where z_l is categorical.
        error: its standard error.
        bias: how far it is known to exceed the truth on average.
        ksg: I(y; z_l) by Mixed-KSG; None where z_l is categorical.
    """

    value: float
    error: float
    bias: float
    ksg: float | None


@dataclass(frozen=True)
class Layer:
    """z_l over the whole test set, flat: N × d each, on the CPU.

    Attributes:
        number: l.
        top: whether l = L.
        rate: R_l + … + R_L, nats per image, which bounds what z_l knows of x.
        means: posterior means, with every layer above at its mean.
        posterior: given the drawn z above; None where it is categorical.
        samples: draws of it, one-hot where it is categorical.
        information: what it knows of the label, where that was measured before.
    """

    number: int
    top: bool
    rate: float
    means: Tensor
    posterior: DiagonalGaussian | None
    samples: Tensor
    information: LabelInformation | None = None


@dataclass(frozen=True, eq=False)
class MeasuredLayer:
    """What was measured of z_l.

    Attributes:
        metrics: what labels tell of it, by name as declared in `hit.schema`.
        projection: the principal components of its posterior means.
    """

    metrics: dict[str, float]
    projection: Projection


class MeasureLayer(Protocol):
    """Measures a layer, as `measure_latents` does, here or elsewhere."""

    def __call__(
        self, layer: Layer, labels: Tensor | None, classes: int, check: Callable[[], None] = ...
    ) -> MeasuredLayer: ...


def label_metrics(labels: Tensor | None) -> dict[str, float]:
    """What the labels of the test set are like, by name as declared in `hit.schema`; nothing of none."""
    if labels is None:
        return {}
    points = {"test/held_out": float(scored_points(len(labels)))}
    if not labels.is_floating_point():
        return {"test/label_entropy": entropy(labels), **points}
    measured = {"test/label_variance": float(labels.double().var(correction=0)), **points}
    if (normal := entropy_power(labels.numpy())) is not None:
        measured["test/label_entropy_power"] = normal[0]
    return measured


def measure_latents(
    layer: Layer, labels: Tensor | None, classes: int, check: Callable[[], None] = lambda: None
) -> MeasuredLayer:
    """Principal components of z_l, and all that labels tell of it (`measure_layer`)."""
    projection = principal_components(layer.means.numpy())
    check()
    return MeasuredLayer(measure_layer(layer, labels, classes, check), projection)


def label_information(
    layer: Layer, labels: Tensor, device: torch.device = _CPU, check: Callable[[], None] = lambda: None
) -> LabelInformation:
    """What z_l knows of the class: by Monte Carlo and by Mixed-KSG of a Gaussian posterior, from counts of categories.

    Args:
        labels: N class labels.
        device: that computes it; the CPU does where memory there does not suffice.
        check: called between measurements; raises to stop.
    """
    if device.type != "cpu":
        try:
            return _information(layer, labels, device, check)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(as_refusal(error), OutOfMemory):
                raise
    return _information(layer, labels, _CPU, check)


def measure_layer(
    layer: Layer, labels: Tensor | None, classes: int, check: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """All that labels tell of z_l: `measure_classes`, or `measure_regressions`; nothing without labels.

    Args:
        labels: N classes, N continuous labels, or None.
        classes: M, 0 where there are none.
        check: called between measurements; raises to stop.
    """
    if labels is None:
        return {}
    return measure_classes(layer, labels, classes, check) if classes else measure_regressions(layer, labels, check)


def measure_regressions(layer: Layer, labels: Tensor, check: Callable[[], None] = lambda: None) -> dict[str, float]:
    """R² and its bound of z_l, by name as declared in `hit.schema`.

    What does not exist is absent: R² of a handful of points or of labels that are all alike, and the bound of labels
    that have no density (`hit.metrics.bounds.entropy_power`).

    Args:
        labels: N continuous labels.
        check: called between measurements; raises to stop.
    """
    number, normal = layer.number, entropy_power(labels.numpy())
    measured: dict[str, float] = {}
    best = RSquared(-math.inf, None)
    for suffix, features in (("", layer.means), ("_sampled", layer.samples)):
        check()
        for name, found in r_squared(features.numpy(), labels.numpy(), threads=torch.get_num_threads()).items():
            full = f"test/r2_{name}_z{number}{suffix}"
            measured[full] = found.value
            if found.error is not None:
                measured[schema.error_of(full)] = found.error
            if suffix and found.value > best.value:
                best = found
    if normal is not None:
        measured[f"test/r2_bound_rate_z{number}"] = float(r_squared_bound(layer.rate, normal[0]))
        if best.error is not None:
            kept = check_r_squared(best.value, best.error, layer.rate, *normal)
            measured[f"test/bound_slack_r2_z{number}"] = kept.slack
            measured[f"test/bound_holds_r2_z{number}"] = float(kept.holds)
    return measured


def measure_classes(
    layer: Layer, labels: Tensor, classes: int, check: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Information, accuracies and bounds of z_l, by name as declared in `hit.schema`.

    I(y; z_l) is estimated by Monte Carlo and by Mixed-KSG where the posterior is Gaussian, from counts where
    it is categorical. What does not exist is absent: accuracies of a test set of a handful of points, and
    whether the information of z_l keeps its bound for l < L, where its estimate is biased.

    Args:
        labels: N class labels.
        classes: M.
        check: called between measurements; raises to stop.
    """
    number, label_entropy = layer.number, entropy(labels)
    check()
    known = layer.information or label_information(layer, labels, check=check)
    information, error, bias = known.value, known.error, known.bias
    measured = {
        f"test/mi_z{number}": information,
        f"test/mi_error_z{number}": error,
        f"test/accuracy_bound_rate_z{number}": accuracy_bound(layer.rate, label_entropy, classes),
        f"test/accuracy_bound_mi_z{number}": accuracy_bound(max(information - bias, 0.0), label_entropy, classes),
    }
    if known.ksg is not None:
        measured[f"test/mi_ksg_z{number}"] = known.ksg
    points, best_sampled = independent_points(len(labels)), -math.inf
    for suffix, features in (("", layer.means), ("_sampled", layer.samples)):
        check()
        for probe, accuracy in accuracies(features.numpy(), labels.numpy(), threads=torch.get_num_threads()).items():
            name = f"test/accuracy_{probe}_z{number}{suffix}"
            measured |= {name: accuracy, schema.error_of(name): float(accuracy_error(accuracy, points))}
            if suffix:
                best_sampled = max(best_sampled, accuracy)
    kept = check_information(information, error, layer.rate, label_entropy, bias)
    checks = {"mi_": kept if layer.top else BoundCheck(kept.slack, math.inf)}
    if math.isfinite(best_sampled):
        checks[""] = check_accuracy(best_sampled, layer.rate, label_entropy, classes, points)
        checks["accuracy_mi_"] = check_accuracy_from_information(
            best_sampled, information - bias, error, label_entropy, classes, points
        )
    for name, one in checks.items():
        measured[f"test/bound_slack_{name}z{number}"] = one.slack
        if math.isfinite(one.tolerance):
            measured[f"test/bound_holds_{name}z{number}"] = float(one.holds)
    return measured


def _information(layer: Layer, labels: Tensor, device: torch.device, check: Callable[[], None]) -> LabelInformation:
    """Counts of K categories and M classes over N points overrate information by (K − 1)(M − 1) / 2N (Miller 1955)."""
    samples, labels = layer.samples.to(device), labels.to(device)
    if layer.posterior is None:
        categories = samples.argmax(1)
        density = categorical_information_density(categories, labels)
        degrees = (len(categories.unique()) - 1) * (len(labels.unique()) - 1)
        return LabelInformation(*_mean(density), degrees / (2 * len(labels)), None)
    mean, std = layer.posterior.mean.to(device), layer.posterior.std.to(device)
    at_once = {} if device.type == "cpu" else {"chunk": _DENSITIES}
    density = information_density(mean, std, labels, samples, **at_once)  # type: ignore[arg-type]
    del mean, std
    check()
    some = slice(EVALUATOR.ksg_points)
    at_once = {} if device.type == "cpu" else {"chunk": _DISTANCES}
    ksg = mixed_ksg(samples[some], labels[some], **at_once)
    return LabelInformation(*_mean(density), 0.0, ksg)


def _mean(density: Tensor) -> tuple[float, float]:
    """And its standard error."""
    error = float(density.std()) / math.sqrt(len(density)) if len(density) > 1 else 0.0
    return float(density.mean()), error
