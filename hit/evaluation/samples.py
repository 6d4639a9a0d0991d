"""How good a model's samples and reconstructions are in the eyes of a classifier, or of the Inception network."""

__all__ = ["inception_fingerprint", "measure_generation", "measure_inception", "scorer_fingerprint"]

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from hit import schema
from hit.classifiers.scorer import SampleScorer, images_per_batch
from hit.data import Dataset, batches, labelled_batches
from hit.errors import Diverged
from hit.metrics import accuracy_error, check_generation
from hit.metrics.generation import (
    GENERATION,
    frechet_distance,
    inception_score,
    neighbourhoods,
    prediction_entropy,
)
from hit.metrics.inception import INCEPTION_NETWORK, InceptionFid
from hit.models import HierarchicalVAE
from hit.randomness import generator

_Check = Callable[[], None]


def scorer_fingerprint(scorer: SampleScorer) -> str:
    """What tells scores of the group `generation` from those that do not compare (tag `hit.judge`)."""
    return GENERATION.fingerprint(scorer.fingerprint)


def inception_fingerprint() -> str:
    """What tells scores of the group `inception` from those that do not compare (tag `hit.inception`)."""
    return GENERATION.fingerprint(INCEPTION_NETWORK)


def measure_generation(
    model: HierarchicalVAE, dataset: Dataset, scorer: SampleScorer, check: _Check = lambda: None
) -> dict[str, float]:
    """The group `generation`, by schema names.

    Samples are the means E[x|z_1] of images whose latents are drawn from the prior, as in the research
    code, cut to [0, 1]: a draw of the pixels would add the likelihood's noise. They are seeded by
    `EVALUATOR.sample_seed`. Reconstructions are means, too, from posterior means. Both are compared with the test
    images as they are in the data set, also where the likelihood rounds them.

    What does not exist is absent: precision and its kin need more images than they count neighbours.

    Args:
        model: on the device of the data.
        dataset: its test split is used.
        scorer: on the same device.
        check: called before every batch; raises to stop.

    Raises:
        Diverged: a sample is not finite.
    """
    started = time.perf_counter()
    real, original_accuracy = scorer.reference(dataset, check)
    seen = [scorer.features_and_logits(images) for images in _samples(model, dataset.image_shape, check)]
    fake = torch.cat([features for features, _ in seen])
    score = inception_score(torch.cat([logits for _, logits in seen]).softmax(1))
    measured = {
        **_with_error("sample/inception_score", score.score, score.score_error),
        **_with_error("sample/diversity", score.diversity, score.diversity_error),
        **_with_error("sample/sharpness", score.sharpness, score.sharpness_error),
        "sample/fid_classifier": frechet_distance(real, fake),
        **_share("test/original_accuracy", original_accuracy, len(dataset.test)),
        **_reconstructions(model, dataset, scorer, check),
    }
    checks = check_generation(score.score, score.diversity, score.sharpness, dataset.classes)
    for name, bound in checks.items():
        measured[f"test/bound_slack_{name}"] = bound.slack
        measured[f"test/bound_holds_{name}"] = float(bound.holds)
    check()
    some = real[: GENERATION.samples]
    if min(len(some), len(fake)) > GENERATION.neighbours:
        near = neighbourhoods(some, fake)
        measured |= {
            "sample/precision": near.precision,
            "sample/recall": near.recall,
            "sample/density": near.density,
            "sample/coverage": near.coverage,
        }
    return measured | {"sample/seconds": time.perf_counter() - started}


def measure_inception(
    model: HierarchicalVAE, dataset: Dataset, fid: InceptionFid, check: _Check = lambda: None
) -> dict[str, float]:
    """The group `inception`: the FID of the same samples against the test images.

    Args:
        fid: fresh, on the device of the data.

    Raises:
        Diverged: a sample is not finite.
    """
    for images in batches(dataset.test, images_per_batch(dataset.image_shape)):
        check()
        fid.update(images, real=True)
    for images in _samples(model, dataset.image_shape, check):
        fid.update((images * 255).round().byte(), real=False)
    return {"sample/fid_inception": fid.compute()}


@torch.no_grad()
def _samples(model: HierarchicalVAE, image_shape: tuple[int, int, int], check: _Check) -> Iterator[Tensor]:
    """`GENERATION.samples` mean images in [0, 1], batch by batch."""
    device = next(model.parameters()).device
    stream = generator("samples", GENERATION.seed, device=device)
    size = images_per_batch(image_shape)
    for start in range(0, GENERATION.samples, size):
        check()
        images = model.generate(model.noise(min(size, GENERATION.samples - start), stream))
        if not images.isfinite().all():
            raise Diverged("a sample of the trained model is not finite")
        yield images.clamp(0, 1)


@torch.no_grad()
def _reconstructions(model: HierarchicalVAE, dataset: Dataset, scorer: SampleScorer, check: _Check) -> dict[str, float]:
    predictions, right = [], 0
    for images, labels in labelled_batches(dataset.test, images_per_batch(dataset.image_shape)):
        check()
        x = model.prepare(images)
        logits = scorer.logits(model.reconstruct(model(x, sample=False)).clamp(0, 1))
        predictions.append(logits.softmax(1))
        right += int((logits.argmax(1) == labels).sum())
    return {
        **_share("test/reconstruction_accuracy", right / len(dataset.test), len(dataset.test)),
        **_with_error("test/prediction_entropy", *prediction_entropy(torch.cat(predictions))),
    }


def _share(name: str, accuracy: float, images: int) -> dict[str, float]:
    return _with_error(name, accuracy, float(accuracy_error(accuracy, images)))


def _with_error(name: str, value: float, error: float | None) -> dict[str, float]:
    """A metric and its standard error, where there is one."""
    return {name: value} if error is None else {name: value, schema.error_of(name): error}
