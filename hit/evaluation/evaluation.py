"""What a trained model is worth: one call, all metrics of the test set in schema names."""

__all__ = ["Evaluation", "evaluate_model"]

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from hit.classifiers.scorer import SampleScorer
from hit.data import Dataset
from hit.errors import ConfigError, Diverged, shown
from hit.evaluation.coding_metrics import measure_coding
from hit.evaluation.core_metrics import MeasuredPass, pass_over_test_set
from hit.evaluation.extension_metrics import measure_extension_metrics
from hit.evaluation.latents import MeasureLayer, label_information, label_metrics, measure_latents
from hit.evaluation.lossy_coding import measure_lossy_coding
from hit.evaluation.samples import measure_generation, measure_inception
from hit.metrics import (
    Projection,
)
from hit.metrics.feature_errors import FeatureErrors
from hit.metrics.inception import InceptionFid, check_channels
from hit.models import HierarchicalVAE
from hit.processes.memory import memory_is_told
from hit.schema.metric_groups import GROUPS


@dataclass(frozen=True)
class Evaluation:
    """What was measured of a model.

    Attributes:
        metrics: by name as declared in `hit.schema`, which tells the unit of each (`hit.schema.metric`): rates and
            distortion in nats per image, PSNR in decibels, accuracies from 0 to 1.
        projections: l → the principal components of the posterior means of z_l; empty without the group latents.
        features: how well each feature of vectors comes back; None of images, and without the group core.
        skipped: group → why it could not be measured, in one line.
    """

    metrics: dict[str, float]
    projections: dict[int, Projection] = field(default_factory=dict)
    features: FeatureErrors | None = None
    skipped: dict[str, str] = field(default_factory=dict)


@memory_is_told
def evaluate_model(
    model: HierarchicalVAE,
    dataset: Dataset,
    betas: Sequence[float] | None = None,
    groups: Collection[str] = ("core",),
    *,
    scorer: SampleScorer | None = None,
    fid: InceptionFid | None = None,
    check: Callable[[], None] = lambda: None,
    passed: MeasuredPass | None = None,
    layers_by: MeasureLayer = measure_latents,
) -> Evaluation:
    """Measure a trained model on the test set; nothing is read from a store or written to one.

    Rates and distortion are means over the test set with one sample a point, drawn by a seed of their own: the same
    model gives the same numbers; their standard errors are over the images. PSNR is that of reconstructions from
    posterior means. Vectors are measured as the model sees them, standardised: distortion, ELBO and bits per dimension
    are those of standardised features, `test/log_jacobian` nats (over dims · ln 2 bits) below those of raw ones; mean
    squared errors and R² of the features take the place of PSNR. What does not exist is absent: the PSNR of a perfect
    reconstruction, the probes of a test set of a handful of points.

    Args:
        model: on the device of the data; its weights and its mode stay as they are.
        dataset: its test split is used, images, N × C × H × W, or vectors, N × D, as the model was built for.
        betas: β_1 … β_L of the objective; without them `test/objective` is left out.
        groups: names of `hit.schema.metric_groups`: core (rates, distortion, PSNR), latents (information, accuracies
            and their bounds; it takes a minute for 10,000 images; of continuous labels R² and its bound, without labels
            principal components alone), generation (needs classes and `scorer`), inception (the FID, which takes a
            download), coding (bits of images coded without loss, by discrete likelihoods), rate_distortion (bits and
            PSNR with loss), extensions (what extensions have registered). Core and latents are one pass over the test
            set, so that latents bring core with them.
        scorer: the classifier that scores samples, trained on the same data, on the same device.
        fid: fresh; made here where it is absent and asked for.
        check: called between measurements; raises to stop.
        passed: what a pass over the test set has told, of many models at once; None: it is made here. With the latents
            where groups name them.
        layers_by: measures the latents of each layer; another than the default has it done elsewhere.

    Raises:
        ConfigError: a group that does not exist, lacks its classifier or knows no images of so many channels, another
            number of betas than of layers, or data on another device than the model.
        DataError: an image cannot be read.
        Diverged: the model gives numbers that are not finite.
        OutOfMemory: batches do not fit into memory.
        Unavailable: the Inception network cannot be had.

    >>> from hit import data
    >>> from hit.config import TrainConfig
    >>> from hit.models import build_model
    >>> digits = data.load("digits")
    >>> model = build_model(TrainConfig(channels=4), digits.image_shape)  # train it first
    >>> measured = evaluate_model(model, digits).metrics
    >>> measured["test/rate"] == measured["test/rate_1"] + measured["test/rate_2"]
    True
    """
    _assert_measurable(model, dataset, betas, groups, scorer)
    if "inception" in groups and fid is None:
        fid = InceptionFid(dataset.test.device)
    found = Evaluation({})
    if not {"core", "latents"}.isdisjoint(groups):
        keep = "latents" in groups
        if passed is None:
            (passed,) = pass_over_test_set([model], dataset, [betas], check, keep=keep)
        found = _measure_test_set(passed, dataset, keep, check, layers_by)
    metrics = found.metrics
    if "generation" in groups and scorer is not None:
        metrics = metrics | measure_generation(model, dataset, scorer, check)
    if "inception" in groups and fid is not None:
        metrics = metrics | measure_inception(model, dataset, fid, check)
    skipped: dict[str, str] = {}
    for group, measure in (
        ("coding", measure_coding),
        ("rate_distortion", measure_lossy_coding),
        ("extensions", measure_extension_metrics),
    ):
        if group in groups:
            own, fault = measure(model, dataset, check)
            metrics = metrics | own
            skipped |= {group: fault} if fault else {}
    return Evaluation(metrics, found.projections, found.features, skipped)


def _assert_measurable(
    model: HierarchicalVAE,
    dataset: Dataset,
    betas: Sequence[float] | None,
    groups: Collection[str],
    scorer: SampleScorer | None,
) -> None:
    device = next(model.parameters()).device
    if dataset.test.device.type != device.type:
        raise ConfigError(f"dataset must be on the model's device, {device}, got one on {dataset.test.device}")
    if isinstance(groups, str) or not set(groups) <= set(GROUPS):
        raise ConfigError(f"groups must be a set or tuple of names out of {', '.join(GROUPS)}, got {shown(groups)}")
    if "generation" in groups and not dataset.classes:
        raise ConfigError(f"groups must not name generation for data without classes, got {shown(groups)}")
    if "generation" in groups and scorer is None:
        raise ConfigError("scorer must be a classifier of the data set where groups name generation, got None")
    if "inception" in groups:
        check_channels(dataset.image_shape[0])
    if betas is not None and len(betas) != model.layers:
        raise ConfigError(f"betas must be {model.layers}, one a layer of the model, got {len(betas)}: {shown(betas)}")


def _measure_test_set(
    passed: MeasuredPass, dataset: Dataset, latents: bool, check: Callable[[], None], layers_by: MeasureLayer
) -> Evaluation:
    started = time.perf_counter()
    if not all(math.isfinite(value) for value in passed.core.values()):
        wrong = next(name for name, value in passed.core.items() if not math.isfinite(value))
        raise Diverged(f"{wrong} of the trained model is not finite")
    measured = dict(passed.core)
    projections: dict[int, Projection] = {}
    if latents:
        labels = None if dataset.test.labels is None else dataset.test.labels.cpu()
        measured |= label_metrics(labels)
        for layer in passed.layers:
            check()
            if labels is not None and dataset.classes:
                known = label_information(layer, labels, dataset.test.device, check)
                layer = replace(layer, information=known)
            told = layers_by(layer, labels, dataset.classes, check)
            projections[layer.number] = told.projection
            for component, share in enumerate(told.projection.shares, start=1):
                measured[f"test/pca_share_{component}_z{layer.number}"] = share
            measured |= told.metrics
    measured["test/seconds"] = passed.seconds + time.perf_counter() - started
    return Evaluation(measured, projections, passed.features)
