"""Training and scoring of the classifier of a data set, which later scores samples and reconstructions."""

__all__ = ["classifier_scores", "fit_classifier", "usual_epochs"]

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from hit import schema
from hit.classifiers.augmentation import augment
from hit.classifiers.networks import Classifier
from hit.data import LabelledImages, labelled_batches
from hit.errors import Diverged
from hit.metrics.standard_errors import accuracy_error, mean_error
from hit.processes.memory import memory_is_told
from hit.randomness import generator
from hit.training.epoch_estimate import EpochEstimate
from hit.training.learning_rate import warmup_cosine
from hit.training.loop import Epoch, run_epochs, shuffled, take_step

_USUAL_EPOCHS = {"cnn": 6, "resnet18": 30, "densenet121": 60}
_USUAL_STEPS = 500  # at least: small data sets need more passes
_SCORED = 500


def usual_epochs(network: str, images: int, batch_size: int) -> int:
    """How many passes over `images` training images the network gets by default.

    >>> usual_epochs("cnn", 60_000, 128), usual_epochs("cnn", 1_438, 128)
    (6, 42)
    """
    return max(_USUAL_EPOCHS[network], math.ceil(_USUAL_STEPS / math.ceil(images / batch_size)))


@memory_is_told
def fit_classifier(
    model: Classifier,
    train: LabelledImages,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    augmentation: str = "none",
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Train `model` in place with AdamW on the cross-entropy −E log p(y|x).

    The learning rate rises for a tenth of the steps and then falls to nothing along a cosine. Batches, crops
    and augmentation of an epoch are functions of (seed, epoch). Sums of an epoch stay on the device and are
    read once, at its end.

    Args:
        model: on its device.
        train: on the same device.
        epochs: passes over the training set.
        batch_size: images a step.
        learning_rate: the highest step size.
        seed: seeds the batches, crops and the augmentation.
        augmentation: one of `hit.classifiers.augmentation.AUGMENTATIONS`.
        on_epoch: told every finished epoch: means over its images of `train/cross_entropy` (nats per image)
            and `train/accuracy` on the augmented images, each measured before the step on its batch.
        check: called before every step; raises to stop.

    Raises:
        Diverged: the cross-entropy of an epoch is not finite.
        OutOfMemory: batches do not fit into memory.
        DataError: a streamed image cannot be read.
    """
    device = next(model.parameters()).device
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True)
    steps_per_epoch = math.ceil(len(train) / batch_size)
    estimate = EpochEstimate(model, steps_per_epoch, epochs)

    def run_epoch(epoch: int) -> dict[str, float]:
        order = shuffled(torch.arange(len(train)), seed, epoch)
        variations = generator("augmentation", seed, epoch, device)
        crops = generator("crops", seed, epoch)
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        pairs = labelled_batches(train, batch_size, order.to(device), crops=crops)
        for step, (images, labels) in enumerate(pairs, start=epoch * steps_per_epoch):
            check()
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * warmup_cosine(step, epochs * steps_per_epoch)
            logits = model(model.prepare(augment(images, augmentation, variations)))
            loss = F.cross_entropy(logits, labels)
            take_step(optimiser, loss)
            sums += torch.stack([loss.detach() * len(labels), (logits.argmax(1) == labels).sum()])
            estimate.after_step()
        cross_entropy, accuracy = (sums / len(train)).tolist()
        return {"train/cross_entropy": cross_entropy, "train/accuracy": accuracy}

    model.train()
    run_epochs(
        range(epochs),
        run_epoch,
        loss="train/cross_entropy",
        setting=f"learning_rate {learning_rate:g}",
        on_epoch=on_epoch,
    )
    model.eval()


def classifier_scores(
    model: Classifier, test: LabelledImages, *, check: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """`test/cross_entropy` (nats per image) and `test/accuracy` (fraction) over a split, with their standard errors.

    Args:
        model: on its device.
        test: on the same device.
        check: called before every batch; raises to stop.

    Raises:
        Diverged: the cross-entropy is not finite.
    """
    sums = torch.zeros(2, dtype=torch.float64, device=test.device)
    losses = []
    with torch.no_grad():
        for images, labels in labelled_batches(test, _SCORED):
            check()
            logits = model(model.prepare(images))
            right = (logits.argmax(1) == labels).sum()
            losses.append(F.cross_entropy(logits, labels, reduction="none"))
            sums += torch.stack([F.cross_entropy(logits, labels, reduction="sum"), right])
    cross_entropy, accuracy = (sums / len(test)).tolist()
    if not math.isfinite(cross_entropy):
        raise Diverged("test/cross_entropy of the trained classifier is not finite")
    scores = {"test/cross_entropy": cross_entropy, "test/accuracy": accuracy}
    errors = mean_error(torch.cat(losses).cpu().numpy()), float(accuracy_error(accuracy, len(test)))
    return scores | {
        schema.error_of(name): error for name, error in zip(scores, errors, strict=True) if error is not None
    }
