"""What a trained model is worth: one call, all metrics of the test set in schema names."""

__all__ = ["Evaluation", "evaluate_model"]

import functools
import math
import operator
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hit import schema
from hit.classifiers.scorer import SampleScorer
from hit.data import Dataset, batches
from hit.distributions import DiagonalGaussian, LatentDistribution, VectorLikelihood
from hit.errors import ConfigError, Diverged, shown
from hit.evaluation.coding_metrics import measure_coding
from hit.evaluation.extension_metrics import measure_extension_metrics
from hit.evaluation.image_entropy import ImageEntropy
from hit.evaluation.latents import Layer, MeasureLayer, label_metrics, measure_layer
from hit.evaluation.lossy_coding import measure_lossy_coding
from hit.evaluation.samples import measure_generation, measure_inception
from hit.metrics import (
    EVALUATOR,
    Projection,
    SquaredError,
    bits_per_dim,
    check_reconstruction,
    mean_error,
    principal_components,
    squared_error,
)
from hit.metrics.feature_errors import FeatureErrors, feature_errors
from hit.metrics.inception import InceptionFid, check_channels
from hit.models import HierarchicalVAE
from hit.processes.memory import memory_is_told
from hit.schema.metric_groups import GROUPS

_BATCH = 500  # images, and fewer where they are larger than 64×64 pixels
_BATCH_PIXELS = _BATCH * 64 * 64
_OUTPUTS = 100  # numbers that a likelihood has for a pixel; of more, fewer images


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
    layers_by: MeasureLayer = measure_layer,
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
        layers_by: measures what labels tell of each layer; another than the default has it done elsewhere.

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
        found = _measure_test_set(model, dataset, betas, "latents" in groups, check, layers_by)
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
    model: HierarchicalVAE,
    dataset: Dataset,
    betas: Sequence[float] | None,
    latents: bool,
    check: Callable[[], None],
    layers_by: MeasureLayer,
) -> Evaluation:
    started = time.perf_counter()
    with torch.no_grad():
        core, layers, features = _pass_over_test_set(model, dataset, betas, check, keep=latents)
    if not all(math.isfinite(value) for value in core.values()):
        wrong = next(name for name, value in core.items() if not math.isfinite(value))
        raise Diverged(f"{wrong} of the trained model is not finite")
    measured = dict(core)
    projections: dict[int, Projection] = {}
    if latents:
        labels = None if dataset.test.labels is None else dataset.test.labels.cpu()
        measured |= label_metrics(labels)
        for layer in layers:
            check()
            projection = projections[layer.number] = principal_components(layer.means.numpy())
            for component, share in enumerate(projection.shares, start=1):
                measured[f"test/pca_share_{component}_z{layer.number}"] = share
            measured |= layers_by(layer, labels, dataset.classes, check)
    measured["test/seconds"] = time.perf_counter() - started
    return Evaluation(measured, projections, features)


def _pass_over_test_set(
    model: HierarchicalVAE, dataset: Dataset, betas: Sequence[float] | None, check: Callable[[], None], *, keep: bool
) -> tuple[dict[str, float], list[Layer], FeatureErrors | None]:
    """Core metrics, the latents if they are to be kept (they may fill gigabytes), and errors by feature of vectors."""
    device = dataset.test.device
    generator = torch.Generator(device).manual_seed(EVALUATOR.sample_seed)
    rates = torch.zeros(model.layers, dtype=torch.float64)
    distortion = 0.0
    rates_of_images, distortions = [], []
    image_entropy = ImageEntropy(dataset.test, model.likelihood)
    error, by_feature = SquaredError(), list[FeatureErrors]()
    parts: list[list[tuple[Tensor, ...]]] = [[] for _ in range(model.layers)]
    families: tuple[type[LatentDistribution], ...] = ()
    dims, is_vector = math.prod(dataset.shape), isinstance(model.likelihood, VectorLikelihood)
    channels, *sides = dataset.shape
    room = _BATCH_PIXELS // math.ceil(model.likelihood.outputs(channels) / _OUTPUTS)
    for images in batches(dataset.test, min(_BATCH, max(1, room // math.prod(sides)))):
        check()
        x = model.prepare(images)
        evidence = model.inference.evidence(x)
        sampled = model(x, model.noise(len(x), generator), evidence=evidence)
        means = model.mean_pass(x, sampled, evidence)
        rates += torch.stack([rate.double().sum() for rate in sampled.rates]).cpu()
        distortion += sampled.distortion.double().sum().item()
        rates_of_images.append(torch.stack([rate.double() for rate in sampled.rates], 1).cpu())
        distortions.append(sampled.distortion.double().cpu())
        image_entropy.add(x)
        reconstruction = model.reconstruct(means)
        error = error + squared_error(x, reconstruction)
        if is_vector:
            by_feature.append(feature_errors(x, reconstruction))
        families = tuple(type(posterior) for posterior in sampled.posteriors)
        for layer in range(model.layers if keep else 0):
            tensors = (means.latents[layer], sampled.latents[layer], *sampled.posteriors[layer].parameters)
            parts[layer].append(tuple(tensor.flatten(1).cpu() for tensor in tensors))
    count = len(dataset.test)
    core = _core_metrics((rates / count).tolist(), distortion / count, betas, dims)
    core |= _core_errors(torch.cat(rates_of_images), torch.cat(distortions), betas, dims)
    features = functools.reduce(operator.add, by_feature) if by_feature else None
    core |= _psnr(error) if features is None else _vector_metrics(model, error, features)
    if (nats := image_entropy.nats) is not None:
        elbo_error = core.get(schema.error_of("test/elbo"), 0.0)
        kept = check_reconstruction(-core["test/elbo"], elbo_error, nats)
        core["test/bound_slack_reconstruction"] = kept.slack
        core["test/bound_holds_reconstruction"] = float(kept.holds)
    layers = []
    for number, (part, family) in enumerate(zip(parts, families, strict=True) if keep else (), start=1):
        own_means, samples, *parameters = (torch.cat(tensors) for tensors in zip(*part, strict=True))
        above = sum(core[f"test/rate_{upper}"] for upper in range(number, model.layers + 1))
        posterior = family(*parameters)
        gaussian = posterior if isinstance(posterior, DiagonalGaussian) else None
        layers.append(Layer(number, number == model.layers, above, own_means, gaussian, samples))
    return core, layers, features


def _psnr(error: SquaredError) -> dict[str, float]:
    found = {"test/psnr": error.psnr, schema.error_of("test/psnr"): error.psnr_error}
    return {name: value for name, value in found.items() if value is not None}


def _vector_metrics(model: HierarchicalVAE, error: SquaredError, features: FeatureErrors) -> dict[str, float]:
    """What takes the place of PSNR, and what the distortion of raw features has more."""
    assert isinstance(model.likelihood, VectorLikelihood)
    name = "test/reconstruction_mse"
    found = {name: error.mean, schema.error_of(name): error.mean_error, "test/reconstruction_r2": features.total_r2}
    found["test/log_jacobian"] = model.likelihood.log_jacobian
    return {name: value for name, value in found.items() if value is not None}


def _core_metrics(rates: list[float], distortion: float, betas: Sequence[float] | None, dims: int) -> dict[str, float]:
    rate = sum(rates)
    core = {f"test/rate_{layer}": value for layer, value in enumerate(rates, start=1)}
    core |= {"test/rate": rate, "test/distortion": distortion, "test/elbo": -distortion - rate}
    if betas is not None:
        core["test/objective"] = distortion + sum(beta * value for beta, value in zip(betas, rates, strict=True))
    return core | {"test/bits_per_dim": bits_per_dim(distortion + rate, dims)}


def _core_errors(rates: Tensor, distortion: Tensor, betas: Sequence[float] | None, dims: int) -> dict[str, float]:
    """Standard errors over the images of the same metrics; none of one image.

    Args:
        rates: of every image, N × L.
        distortion: of every image, N.
        betas, dims: as for the metrics.
    """
    rate = rates.sum(1)
    images = {f"test/rate_{layer}": one for layer, one in enumerate(rates.T, start=1)}
    images |= {"test/rate": rate, "test/distortion": distortion, "test/elbo": -distortion - rate}
    if betas is not None:
        images["test/objective"] = distortion + rates @ torch.tensor(betas, dtype=torch.float64)
    errors = {name: mean_error(values.numpy()) for name, values in images.items()}
    if (error := errors["test/elbo"]) is not None:
        errors["test/bits_per_dim"] = bits_per_dim(error, dims)
    return {schema.error_of(name): error for name, error in errors.items() if error is not None}
