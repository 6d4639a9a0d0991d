"""What a trained model is worth: one call, all metrics of the test set in schema names."""

__all__ = ["evaluate"]

import math
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b

import torch
from torch import Tensor

from hit.data import Dataset, batches
from hit.distributions import DiagonalGaussian, LatentDistribution
from hit.downstream import Layer, measure_layer
from hit.errors import Diverged
from hit.generation import measure_generation, measure_inception
from hit.metric_groups import parse_groups
from hit.metrics import (
    EVALUATOR,
    Projection,
    SquaredError,
    bits_per_dim,
    check_reconstruction,
    entropy,
    held_out,
    principal_components,
    squared_error,
)
from hit.metrics.inception import InceptionFid
from hit.models import HierarchicalVAE
from hit.scorer import SampleScorer

_BATCH = 500  # images, and fewer where they are larger than 64×64 pixels
_BATCH_PIXELS = _BATCH * 64 * 64


def evaluate(
    model: HierarchicalVAE,
    dataset: Dataset,
    betas: Sequence[float],
    *,
    metrics: str = "all",
    scorer: SampleScorer | None = None,
    fid: InceptionFid | None = None,
    check: Callable[[], None] = lambda: None,
    on_projection: Callable[[int, Projection], None] = lambda layer, projection: None,
) -> dict[str, float]:
    """Metrics of a model on the test set, by name as declared in `hit.schema`.

    Rates and distortion are means over the test set with one sample a point; PSNR is that of
    reconstructions from posterior means. What does not exist is absent: the PSNR of a perfect
    reconstruction, the probes of a test set of a handful of points.

    Args:
        model: on the device of the data.
        dataset: its test split is used.
        betas: β_1 … β_L of the objective.
        metrics: groups of `hit.metric_groups`, with commas. What core and latents need is one pass over
            the test set, so that latents bring core with them.
        scorer: the classifier that scores samples; without one the group generation is left out.
        fid: fresh; without one the group inception is left out.
        check: called between measurements; raises to stop.
        on_projection: told the principal components of the posterior means of z_l, for every l (with "all").

    Raises:
        Diverged: the model gives numbers that are not finite.
    """
    groups = parse_groups(metrics)
    measured: dict[str, float] = {}
    if groups & {"core", "latents"}:
        measured |= _measure_test_set(model, dataset, betas, "latents" in groups, check, on_projection)
    if "generation" in groups and scorer is not None:
        measured |= measure_generation(model, dataset, scorer, check)
    if "inception" in groups and fid is not None:
        measured |= measure_inception(model, dataset, fid, check)
    return measured


def _measure_test_set(
    model: HierarchicalVAE,
    dataset: Dataset,
    betas: Sequence[float],
    latents: bool,
    check: Callable[[], None],
    on_projection: Callable[[int, Projection], None],
) -> dict[str, float]:
    started = time.perf_counter()
    with torch.no_grad():
        core, layers = _pass_over_test_set(model, dataset, betas, check, keep=latents)
    if not all(math.isfinite(value) for value in core.values()):
        wrong = next(name for name, value in core.items() if not math.isfinite(value))
        raise Diverged(f"{wrong} of the trained model is not finite")
    measured = dict(core)
    if latents:
        labels = dataset.test.labels.cpu()
        measured["test/label_entropy"] = entropy(labels)
        measured["test/held_out"] = float(held_out(len(labels)))
        for layer in layers:
            check()
            projection = principal_components(layer.means.numpy())
            on_projection(layer.number, projection)
            for component, share in enumerate(projection.shares, start=1):
                measured[f"test/pca_share_{component}_z{layer.number}"] = share
            measured |= measure_layer(layer, labels, dataset.classes, check)
    measured["test/seconds"] = time.perf_counter() - started
    return measured


def _pass_over_test_set(
    model: HierarchicalVAE, dataset: Dataset, betas: Sequence[float], check: Callable[[], None], *, keep: bool
) -> tuple[dict[str, float], list[Layer]]:
    """Core metrics and, if they are to be kept, the latents: of large images, these fill gigabytes."""
    device = dataset.test.device
    generator = torch.Generator(device).manual_seed(EVALUATOR.sample_seed)
    rates = torch.zeros(model.layers, dtype=torch.float64)
    distortion = 0.0
    negative_elbos, digests = [], []
    error = SquaredError()
    parts: list[list[tuple[Tensor, ...]]] = [[] for _ in range(model.layers)]
    families: tuple[type[LatentDistribution], ...] = ()
    channels, height, width = dataset.image_shape
    for images in batches(dataset.test, min(_BATCH, max(1, _BATCH_PIXELS // (height * width)))):
        check()
        x = model.prepare(images)
        evidence = model.inference.evidence(x)
        sampled = model(x, model.noise(len(x), generator), evidence=evidence)
        means = model(x, sample=False, evidence=evidence)
        rates += torch.stack([rate.double().sum() for rate in sampled.rates]).cpu()
        distortion += sampled.distortion.double().sum().item()
        negative_elbos.append(sampled.distortion.double().cpu() + sum(rate.double().cpu() for rate in sampled.rates))
        if model.likelihood.discrete:
            digests += [blake2b(image.numpy(), digest_size=7).digest() for image in x.cpu()]
        error = error + squared_error(x, model.reconstruct(means))
        families = tuple(type(posterior) for posterior in sampled.posteriors)
        for layer in range(model.layers if keep else 0):
            tensors = (means.latents[layer], sampled.latents[layer], *sampled.posteriors[layer].parameters)
            parts[layer].append(tuple(tensor.flatten(1).cpu() for tensor in tensors))
    count = len(dataset.test)
    core = _core_metrics((rates / count).tolist(), distortion / count, betas, channels * height * width)
    if error.psnr is not None:
        core["test/psnr"] = error.psnr
    if digests:
        images = torch.tensor([int.from_bytes(digest) for digest in digests])  # the same number, the same image
        spread = float(torch.cat(negative_elbos).std()) if count > 1 else 0.0
        kept = check_reconstruction(-core["test/elbo"], spread / math.sqrt(count), entropy(images))
        core["test/bound_slack_reconstruction"] = kept.slack
        core["test/bound_holds_reconstruction"] = float(kept.holds)
    layers = []
    for number, (part, family) in enumerate(zip(parts, families, strict=True) if keep else (), start=1):
        own_means, samples, *parameters = (torch.cat(tensors) for tensors in zip(*part, strict=True))
        above = sum(core[f"test/rate_{upper}"] for upper in range(number, model.layers + 1))
        posterior = family(*parameters)
        gaussian = posterior if isinstance(posterior, DiagonalGaussian) else None
        layers.append(Layer(number, number == model.layers, above, own_means, gaussian, samples))
    return core, layers


def _core_metrics(rates: list[float], distortion: float, betas: Sequence[float], dims: int) -> dict[str, float]:
    rate = sum(rates)
    core = {f"test/rate_{layer}": value for layer, value in enumerate(rates, start=1)}
    return core | {
        "test/rate": rate,
        "test/distortion": distortion,
        "test/elbo": -distortion - rate,
        "test/objective": distortion + sum(beta * value for beta, value in zip(betas, rates, strict=True)),
        "test/bits_per_dim": bits_per_dim(distortion + rate, dims),
    }
