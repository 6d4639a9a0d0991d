"""The classifier that scores samples and reconstructions of a data set, and how one is found in the store."""

__all__ = ["Judge", "batch_of", "find_judge", "load_classifier", "needed_accuracy"]

import json
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hit.backbones import Classifier, build_classifier
from hit.checkpoint import load_weights, weights_digest
from hit.commands import program
from hit.data import Dataset, Split, labelled_batches
from hit.errors import CheckpointError, ConfigError, NoJudge, shown
from hit.schema import WEIGHTS

if TYPE_CHECKING:  # the science does not need MLflow
    from hit.store import Store

#: A judge errs at most so often as half of what always betting on the most frequent class does.
_ERROR_OF_CHANCE = 0.5
_PIXELS = 786_432  # numbers in a batch of images: 256 of 3×32×32


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained classifier whose verdicts are scores.

    Attributes:
        classifier: on its device, in evaluation mode.
        run_id: the run that trained it.
        fingerprint: digest of its weights, since scores of different judges do not compare.
    """

    classifier: Classifier
    run_id: str = ""
    fingerprint: str = ""
    _reference: dict[str, tuple[Tensor, float]] = field(default_factory=dict, repr=False)

    def logits(self, images: Tensor) -> Tensor:
        """log p(y|x) up to a constant, batch × M, of images in [0, 1]."""
        return self.look(images)[1]

    def features(self, images: Tensor) -> Tensor:
        """What the classifier's last layer sees, batch × d, of images in [0, 1]."""
        return self.look(images)[0]

    @torch.no_grad()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of images in [0, 1], in one pass."""
        features = self.classifier.features(images)
        return features, self.classifier.head(features)

    def reference(self, dataset: Dataset, check: Callable[[], None] = lambda: None) -> tuple[Tensor, float]:
        """Features (N × d) of the test images as they are, and the judge's accuracy on them.

        Kept, since many models are scored against the same images. `check` is called before every batch.
        """
        if dataset.digest not in self._reference:
            features, right = [], 0
            for images, labels in labelled_batches(dataset.test, batch_of(dataset.image_shape)):
                check()
                seen, logits = self.look(self.classifier.prepare(images))
                features.append(seen)
                right += int((logits.argmax(1) == labels).sum())
            self._reference.clear()
            self._reference[dataset.digest] = torch.cat(features), right / len(dataset.test)
        return self._reference[dataset.digest]


def batch_of(image_shape: tuple[int, int, int]) -> int:
    """How many images a batch may hold: 500 at most, fewer of large ones."""
    channels, height, width = image_shape
    return max(1, min(500, _PIXELS // (channels * height * width)))


def needed_accuracy(labels: Tensor) -> float:
    """The test accuracy from which a classifier may judge: half of chance's error is gone.

    Chance always bets on the most frequent class, so this is ½ + ½ max p(y): 0.55 for ten equally
    frequent classes. Below it, scores say more of the classifier than of the samples.

    Args:
        labels: of the test split, N.

    >>> needed_accuracy(torch.arange(10))
    0.55
    """
    chance = (labels.bincount().max() / len(labels)).item()
    return round(1 - _ERROR_OF_CHANCE * (1 - chance), 6)


def find_judge(store: "Store", dataset: Dataset) -> Judge:
    """The newest classifier in the store that was trained on this very data and is good enough to judge.

    Only FINISHED runs of kind `classifier` with the data's digest count, in whatever experiment, from
    the accuracy of `needed_accuracy` on.

    Raises:
        NoJudge: there is none.
        StoreError: the store does not answer.
        CheckpointError: its weights are damaged.
    """
    trained = store.classifiers(dataset.digest)
    command = f"{program('hit.classify')} --dataset {shlex.quote(dataset.name)}"
    if not isinstance(dataset.train, Split):  # streamed, as crops
        command += f" --crop {dataset.image_shape[1]}"
    if not trained:
        raise NoJudge(f"the store has no classifier of {dataset.name} (digest {dataset.digest}); train one: {command}")
    needed = needed_accuracy(dataset.test.labels)
    scores = {run.info.run_id: run.data.metrics.get("test/accuracy", 0.0) for run in trained}
    for run_id, accuracy in scores.items():
        if accuracy >= needed:
            return _judge(store.client.tracking_uri, run_id, dataset.test.device)
    raise NoJudge(
        f"a classifier of {dataset.name} must reach a test accuracy of {needed:.3f} to judge, the best of "
        f"{len(scores)} has {max(scores.values()):.3f}; train a better one: {command}"
    )


def load_classifier(store: "Store", run_id: str, device: torch.device | str = "cpu") -> Classifier:
    """The trained classifier of a run, in evaluation mode. Nothing is unpickled.

    Raises:
        StoreError: there is no such run, or it is no classifier.
        CheckpointError: its files are damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        described = store.download(run_id, "classifier.json", Path(folder))
        weights = store.download(run_id, WEIGHTS, Path(folder))
        try:
            form = json.loads(described.read_bytes())
            channels, height, width = map(int, form["image_shape"])
            model = build_classifier((channels, height, width), int(form["classes"]), network=form["network"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, ConfigError) as error:
            raise CheckpointError(
                f"classifier.json of run {run_id} must describe a classifier, got {shown(error)}"
            ) from None
        load_weights(weights, model, form.get("identity"))
    return model.to(device).eval()


@lru_cache(maxsize=2)
def _judge(uri: str, run_id: str, device: torch.device) -> Judge:
    """A worker that measures many models loads their judge once."""
    from hit.store import Store  # the science does not need MLflow

    model = load_classifier(Store(uri), run_id, device)
    return Judge(model, run_id, weights_digest(model))
