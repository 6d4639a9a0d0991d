"""The classifier of a data set, which later scores samples and reconstructions: a small convolutional network."""

__all__ = ["NETWORK", "Classifier", "build_classifier", "classifier_scores", "fit_classifier"]

import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hit.data import LabelledImages, labelled_batches
from hit.errors import ConfigError, Diverged
from hit.randomness import generator
from hit.training import Epoch

#: Names the architecture; to be changed with it, since classifiers of two architectures score differently.
NETWORK = "conv32-conv64-linear128"

_SIDES = (28, 32)
_HIDDEN = 128
_BATCH = 500


class Classifier(nn.Module):
    """log p(y|x) up to a constant, from an image.

    conv 3/1/1 C→32, max-pool 2, conv 3/1/1 32→64, max-pool 2, linear →128, linear →M; ReLU between.

    Args:
        image_channels: C.
        side: 28 or 32 pixels.
        classes: M.
    """

    def __init__(self, image_channels: int, side: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(image_channels, 32, 3, 1, 1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, 1, 1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * (side // 4) ** 2, _HIDDEN),
            nn.ReLU(),
        )
        self.head = nn.Linear(_HIDDEN, classes)

    def prepare(self, images: Tensor) -> Tensor:
        """The x that the network is fed, float in [0, 1], from uint8 images (batch × C × H × W)."""
        return images.float().div_(255)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, batch × M, of images in [0, 1]: prepared ones, or what a model decodes."""
        return self.head(self.features(2 * x - 1))  # type: ignore[no-any-return]


def build_classifier(image_shape: tuple[int, int, int], classes: int, seed: int = 0) -> Classifier:
    """The untrained classifier for images of a shape (C, H, W), its weights drawn from `seed`.

    Raises:
        ConfigError: the images are not of 28×28 or 32×32 pixels.

    >>> build_classifier((1, 28, 28), 10)(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 10])
    """
    channels, height, width = image_shape
    if height != width or height not in _SIDES:
        raise ConfigError(f"dataset must have images of 28×28 or 32×32 pixels, got {height}×{width}")
    # As in hit.models.build: the layers' initialisers draw from the global generator.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(channels, height, classes)


def fit_classifier(
    model: Classifier,
    train: LabelledImages,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Train `model` in place with Adam on the cross-entropy −E log p(y|x).

    The batches and crops of an epoch are a function of (seed, epoch). Sums of an epoch stay on the device and are
    read once, at its end.

    Args:
        model: on its device.
        train: on the same device.
        epochs: passes over the training set.
        batch_size: images a step.
        learning_rate: step size of Adam.
        seed: seeds the batches and crops.
        on_epoch: told every finished epoch: means over its images of `train/cross_entropy` (nats per image)
            and `train/accuracy`, each measured before the step on its batch.
        check: called before every step; raises to stop.

    Raises:
        Diverged: the cross-entropy of an epoch is not finite.
        DataError: a streamed image cannot be read.
    """
    device = next(model.parameters()).device
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    model.train()
    for epoch in range(epochs):
        started = time.perf_counter()
        # Distinct for every (seed, epoch): epochs are below 2^32.
        order = torch.randperm(len(train), generator=generator("batches", seed, epoch))
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        crops = generator("crops", seed, epoch)
        for images, labels in labelled_batches(train, batch_size, order.to(device), crops=crops):
            check()
            logits = model(model.prepare(images))
            loss = F.cross_entropy(logits, labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            sums += torch.stack([loss.detach() * len(labels), (logits.argmax(1) == labels).sum()])
        cross_entropy, accuracy = (sums / len(train)).tolist()
        if not math.isfinite(cross_entropy):
            raise Diverged(
                f"the training cross-entropy is not finite in epoch {epoch + 1} of {epochs} "
                f"(learning_rate {learning_rate:g})"
            )
        on_epoch(
            Epoch(
                epoch + 1,
                {
                    "train/cross_entropy": cross_entropy,
                    "train/accuracy": accuracy,
                    "train/seconds": time.perf_counter() - started,
                },
            )
        )
    model.eval()


def classifier_scores(
    model: Classifier, test: LabelledImages, *, check: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """`test/cross_entropy` (nats per image) and `test/accuracy` (fraction) over a split.

    Args:
        model: on its device.
        test: on the same device.
        check: called before every batch; raises to stop.

    Raises:
        Diverged: the cross-entropy is not finite.
    """
    sums = torch.zeros(2, dtype=torch.float64, device=test.device)
    with torch.no_grad():
        for images, labels in labelled_batches(test, _BATCH):
            check()
            logits = model(model.prepare(images))
            right = (logits.argmax(1) == labels).sum()
            sums += torch.stack([F.cross_entropy(logits, labels, reduction="sum"), right])
    cross_entropy, accuracy = (sums / len(test)).tolist()
    if not math.isfinite(cross_entropy):
        raise Diverged("test/cross_entropy of the trained classifier is not finite")
    return {"test/cross_entropy": cross_entropy, "test/accuracy": accuracy}
