"""Metrics of extensions: what they are given to measure by, each thing computed once for all of them."""

__all__ = ["MetricContext", "measure_extension_metrics", "numbers_of"]

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hit.data import Dataset, batches
from hit.data.labelled_images import by
from hit.errors import ConfigError, DataError, EndsWork, shown
from hit.evaluation.data_needs import barred_line, barred_metrics
from hit.metrics import EVALUATOR
from hit.models import HierarchicalVAE
from hit.models.hierarchy import Pass
from hit.schema.metrics import EXTENSION_METRICS

_BATCH = 500
#: Of streamed test sets, which may not fit into memory, the first so many images are measured.
_STREAMED = 5000


class MetricContext:
    """A trained model on the test set. What is asked of it is computed once, on the model's device, without gradients.

    Attributes:
        model: as trained.
        dataset: the data set.
        layers: L.
    """

    def __init__(self, model: HierarchicalVAE, dataset: Dataset, check: Callable[[], None] = lambda: None) -> None:
        self.model = model
        self.dataset = dataset
        self.layers = model.layers
        self._check = check

    @cached_property
    def images(self) -> Tensor:
        """x as the likelihood models it, in [0, 1]: N × C × H × W."""
        parts, count = [], 0
        for part in batches(self.dataset.test, _BATCH):
            parts.append(self.model.prepare(part))
            count += len(part)
            if count >= self._most:
                break
        return torch.cat(parts)[: self._most]

    @property
    def labels(self) -> Tensor:
        """Of the images: N.

        Raises:
            DataError: the data have none.
        """
        labels = self.dataset.test.labels
        if labels is None:
            raise DataError(f"dataset {self.dataset.name!r} has no labels")
        return labels[: self._most]

    @cached_property
    def means(self) -> tuple[Tensor, ...]:
        """Posterior means of z_1, …, z_L, with every layer above at its mean: N × latent shape each."""
        return _joined([outcome.latents for outcome in self._at_means])

    @cached_property
    def samples(self) -> tuple[Tensor, ...]:
        """Draws of z_1, …, z_L from the posterior: N × latent shape each."""
        generator = self._generator()
        drawn = []
        with torch.no_grad():
            for part in self.images.split(_BATCH):
                self._check()
                drawn.append(self.model(part, self.model.noise(len(part), generator)).latents)
        return _joined(drawn)

    @cached_property
    def reconstructions(self) -> Tensor:
        """E[x|z_1] at the posterior means: N × C × H × W."""
        with torch.no_grad():
            return torch.cat([self.model.reconstruct(outcome) for outcome in self._at_means])

    @cached_property
    def generated(self) -> Tensor:
        """As many mean images of draws from the prior as there are test images: N × C × H × W."""
        generator = self._generator()
        with torch.no_grad():
            parts = [self.model.generate(self.model.noise(len(part), generator)) for part in self.images.split(_BATCH)]
        return torch.cat(parts)

    @cached_property
    def _at_means(self) -> list[Pass]:
        found = []
        with torch.no_grad():
            for part in self.images.split(_BATCH):
                self._check()
                found.append(self.model(part, sample=False))
        return found

    @property
    def _most(self) -> int:
        test = self.dataset.test
        return len(test) if hasattr(test, "images") else min(len(test), _STREAMED)

    def _generator(self) -> torch.Generator:
        return torch.Generator(next(self.model.parameters()).device).manual_seed(EVALUATOR.sample_seed)


def measure_extension_metrics(
    model: HierarchicalVAE, dataset: Dataset, check: Callable[[], None] = lambda: None
) -> tuple[dict[str, float], str]:
    """What all registered metrics say, and in one line what could not be measured, and why.

    A metric of every layer, whose name holds `{l}`, gives one number a layer. What is not finite does not exist, and
    what takes other data or labels than there are is left out (`hit.evaluation.data_needs`).

    Args:
        model: on the device of the data.
        dataset: its test split is used.
        check: called between batches; raises to stop.
    """
    context = MetricContext(model, dataset, check)
    found: dict[str, float] = {}
    barred = barred_metrics(dataset)
    faults = [barred_line(barred)] if barred else []
    for entry in EXTENSION_METRICS:
        name = entry.declared.name
        if name in barred:
            continue
        check()
        try:
            numbers = numbers_of(name, entry.measure(context), context.layers)
        except DataError as error:  # the data lack what it takes
            faults.append(f"metric {name}: {error}")
            continue
        except ConfigError as error:
            faults.append(str(error))
            continue
        except EndsWork:
            raise
        except Exception as error:
            faults.append(f"metric {name} must be measured without an error, got {type(error).__name__}: {error}")
            continue
        named = {name.replace("{l}", str(layer)): number for layer, number in enumerate(numbers, start=1)}
        found |= {one: number for one, number in named.items() if math.isfinite(number)}
        faults += [f"metric {one} must be finite, got {named[one]}" for one in named if one not in found]
    return found, "; ".join(faults).partition("\n")[0]


def numbers_of(name: str, said: object, layers: int) -> list[float]:
    """What a metric gives, as numbers: one, or one a layer where its name holds `{l}`.

    Raises:
        ConfigError: it is something else.
    """
    if "{l}" not in name:
        return [_number(name, said)]
    try:
        several = list(said)  # type: ignore[call-overload]
    except TypeError:
        several = []
    if len(several) != layers:
        got = len(several) or _told(said)
        raise ConfigError(f"metric {name} must be {layers} numbers, one a layer, got {got}")
    return [_number(name, one) for one in several]


def _number(name: str, said: Any) -> float:
    try:
        return float(said)
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(f"metric {name} must be a number, got {_told(said)}") from None


def _told(said: object) -> str:
    shape = getattr(said, "shape", None)
    return shown(said) if shape is None else f"{type(said).__name__} of {by(shape) or 'no'} numbers"


def _joined(parts: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))
