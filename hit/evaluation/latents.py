"""What one layer of latents is worth downstream: information about the label, accuracies, and their bounds."""

__all__ = ["Layer", "measure_layer"]

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hit import schema
from hit.distributions import DiagonalGaussian
from hit.metrics import (
    EVALUATOR,
    BoundCheck,
    accuracies,
    accuracy_bound,
    accuracy_error,
    categorical_information_density,
    check_accuracy,
    check_accuracy_from_information,
    check_information,
    entropy,
    independent_points,
    information_density,
    mixed_ksg,
)


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
    """

    number: int
    top: bool
    rate: float
    means: Tensor
    posterior: DiagonalGaussian | None
    samples: Tensor


def measure_layer(
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
    information, error, bias = _information(layer, labels)
    measured = {
        f"test/mi_z{number}": information,
        f"test/mi_error_z{number}": error,
        f"test/accuracy_bound_rate_z{number}": accuracy_bound(layer.rate, label_entropy, classes),
        f"test/accuracy_bound_mi_z{number}": accuracy_bound(max(information - bias, 0.0), label_entropy, classes),
    }
    if layer.posterior is not None:
        check()
        some = slice(EVALUATOR.ksg_points)
        measured[f"test/mi_ksg_z{number}"] = mixed_ksg(layer.samples[some], labels[some])
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


def _information(layer: Layer, labels: Tensor) -> tuple[float, float, float]:
    """I(y; z_l), its standard error, and the bias that it is known to have, nats.

    Counts of K categories and M classes over N points overrate information by (K − 1)(M − 1) / 2N
    (Miller 1955), which bounds leave out.
    """
    bias = 0.0
    if layer.posterior is not None:
        density = information_density(layer.posterior.mean, layer.posterior.std, labels, layer.samples)
    else:
        categories = layer.samples.argmax(1)
        density = categorical_information_density(categories, labels)
        degrees = (len(categories.unique()) - 1) * (len(labels.unique()) - 1)
        bias = degrees / (2 * len(labels))
    error = float(density.std()) / math.sqrt(len(density)) if len(density) > 1 else 0.0
    return float(density.mean()), error, bias
