"""The classifier that scores samples and reconstructions of a data set."""

__all__ = ["SampleScorer", "images_per_batch", "needed_accuracy"]

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hit.classifiers.networks import Classifier
from hit.data import Dataset, labelled_batches

#: A classifier that scores samples errs at most half as often as always betting on the most frequent class does.
_ERROR_OF_CHANCE = 0.5
_PIXELS = 786_432  # numbers in a batch of images: 256 of 3×32×32
#: Pixels that a CPU looks at in one go, 32 images of 32×32: what a network makes of them stays in its cache, and memory
#: is not asked for anew. Of 500 images the small network takes five times as long, DenseNet-121 of 128 twice as long.
_CACHED_PIXELS = 32_768


@dataclass(frozen=True, eq=False)
class SampleScorer:
    """A trained classifier, in whose eyes samples and reconstructions are good or bad.

    Attributes:
        classifier: on its device, in evaluation mode.
        run_id: the run that trained it, '' where none did.
        fingerprint: digest of its weights, since scores of different classifiers do not compare.
    """

    classifier: Classifier
    run_id: str = ""
    fingerprint: str = ""
    _reference: dict[str, tuple[Tensor, float]] = field(default_factory=dict, repr=False)
    _network: Classifier = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Numbers of a pixel side by side, as convolutions of a CPU are fastest; in a copy, since such weights are not
        # saved as they are.
        network = self.classifier
        if next(network.parameters()).device.type == "cpu":
            network = copy.deepcopy(network).to(memory_format=torch.channels_last)
        object.__setattr__(self, "_network", network)

    def logits(self, images: Tensor) -> Tensor:
        """log p(y|x) up to a constant, batch × M, of images in [0, 1]."""
        return self.features_and_logits(images)[1]

    @torch.no_grad()
    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the last layer sees, batch × d, and the logits, batch × M, of images in [0, 1], in one pass."""
        size = max(1, _CACHED_PIXELS // images[0, 0].numel()) if images.device.type == "cpu" else len(images)
        features = torch.cat([self._network.features(part) for part in images.split(size)])
        return features, self._network.head(features)

    def reference(self, dataset: Dataset, check: Callable[[], None] = lambda: None) -> tuple[Tensor, float]:
        """Features (N × d) of the test images as they are, and the classifier's accuracy on them.

        Kept, since many models are scored against the same images. `check` is called before every batch.
        """
        if dataset.digest not in self._reference:
            features, right = [], 0
            for images, labels in labelled_batches(dataset.test, images_per_batch(dataset.image_shape)):
                check()
                seen, logits = self.features_and_logits(self.classifier.prepare(images))
                features.append(seen)
                right += int((logits.argmax(1) == labels).sum())
            self._reference.clear()
            self._reference[dataset.digest] = torch.cat(features), right / len(dataset.test)
        return self._reference[dataset.digest]


def images_per_batch(image_shape: tuple[int, int, int]) -> int:
    """How many images a batch may hold: 500 at most, fewer of large ones."""
    channels, height, width = image_shape
    return max(1, min(500, _PIXELS // (channels * height * width)))


def needed_accuracy(labels: Tensor) -> float:
    """The test accuracy from which a classifier may score samples: half of chance's error is gone.

    Chance always bets on the most frequent class, so this is ½ + ½ max p(y): 0.55 for ten equally
    frequent classes. Below it, scores say more of the classifier than of the samples.

    Args:
        labels: of the test split, N.

    >>> needed_accuracy(torch.arange(10))
    0.55
    """
    chance = (labels.bincount().max() / len(labels)).item()
    return round(1 - _ERROR_OF_CHANCE * (1 - chance), 6)
