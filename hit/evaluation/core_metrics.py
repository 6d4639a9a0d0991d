"""One pass over the test set, by one model or by many at once: the group core, and the latents that it draws."""

__all__ = ["MeasuredPass", "pass_over_test_set"]

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hit import schema
from hit.data import Dataset, batches
from hit.distributions import DiagonalGaussian, VectorLikelihood
from hit.evaluation.image_entropy import ImageEntropy
from hit.evaluation.latents import Layer
from hit.metrics import EVALUATOR, SquaredError, bits_per_dim, check_reconstruction, mean_error
from hit.metrics.feature_errors import FeatureErrors
from hit.models import HierarchicalVAE
from hit.training.lockstep.layers import StackedLayers

_BATCH = 500  # images, and fewer where they are larger than 64×64 pixels
_BATCH_PIXELS = _BATCH * 64 * 64
_OUTPUTS = 100  # numbers that a likelihood has for a pixel; of more, fewer images


@dataclass(frozen=True, eq=False)
class MeasuredPass:
    """What a pass over the test set tells of a model.

    Attributes:
        core: metrics of the group core, by name as declared in `hit.schema`.
        layers: z_1 … z_L, on the CPU; none where latents are not kept.
        features: how well each feature of vectors comes back; None of images.
        seconds: that it took; of many models, each one's share.
    """

    core: dict[str, float]
    layers: tuple[Layer, ...]
    features: FeatureErrors | None
    seconds: float


@torch.no_grad()
def pass_over_test_set(
    models: Sequence[HierarchicalVAE],
    dataset: Dataset,
    betas: Sequence[Sequence[float] | None],
    check: Callable[[], None] = lambda: None,
    *,
    keep: bool,
    stacked: StackedLayers | None = None,
    most: int | None = None,
) -> list[MeasuredPass]:
    """Rates, distortion and errors of reconstructions of every test image, and what they come to, of each model.

    All models see the same images and the same noise, that of `EVALUATOR.sample_seed`: a model's numbers are those that
    it has alone, but for the order in which sums are added up. Nothing is read from the device before the end but what
    is kept.

    Args:
        models: of one architecture, on the device of the data.
        dataset: its test split is used.
        betas: of each model's objective; None: unknown.
        check: called before every batch; raises to stop.
        keep: whether latents are kept, which may fill gigabytes.
        stacked: the models as they are computed at once; None: one model alone.
        most: images that are on their way at once, of all models together; None: as many as one model may have.

    Raises:
        DataError: an image cannot be read.
    """
    started = time.perf_counter()
    first, test = models[0], dataset.test
    source = torch.Generator(test.device).manual_seed(EVALUATOR.sample_seed)
    entropy_of_images = ImageEntropy(test, first.likelihood)
    work, sums = _Work(keep), _Sums(len(models), len(test))
    at_once = 1 if stacked is None else min(stacked.at_once, len(models))
    for images in batches(test, _batch_size(first, dataset.shape)):
        x = first.prepare(images)
        noise = first.noise(len(x), source)
        entropy_of_images.add(x)
        for part in _parts(len(x), len(x) if most is None else most // at_once):
            check()
            own = x[part], tuple(one[part] for one in noise)
            if stacked is None:
                told = tuple(one[None] for one in work(first, *own))
            else:
                told = stacked.mapped(work, *own, shared=True)
            sums.add(own[0], told)
    nats, found = entropy_of_images.nats, []
    of_images, of_features = sums.of_images(), sums.of_features()
    for model, own_betas, numbers, features, latents in zip(
        models, betas, of_images, of_features, sums.latents, strict=True
    ):
        core = _core_metrics(model, numbers, math.prod(dataset.shape), own_betas, features, nats)
        found.append((core, _layers(latents, work.families, core), features))
    seconds = (time.perf_counter() - started) / len(models)
    return [MeasuredPass(core, layers, features, seconds) for core, layers, features in found]


class _Work:
    """What is computed of a model and a batch: rates, distortion and squared error of every image, then the latents.

    Of vectors squared errors of every feature stand between. Of every layer come means, samples and, where it is
    Gaussian, parameters of the posterior, flat.

    Args:
        keep: whether there are latents.

    Attributes:
        families: of the Gaussian posteriors of z_1 … z_L (None: of another family), and how many parameters are kept
            of each; known after a batch.
    """

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self.families: list[tuple[type[DiagonalGaussian] | None, int]] = []

    def __call__(self, model: HierarchicalVAE, x: Tensor, noise: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        evidence = model.inference.evidence(x)
        sampled = model(x, noise, evidence=evidence)
        means = model.mean_pass(x, sampled, evidence)
        reconstruction = model.reconstruct(means)
        if reconstruction.shape != x.shape:
            raise ValueError(f"expected a reconstruction of shape {tuple(x.shape)}, got {tuple(reconstruction.shape)}")
        squares = (x.double() - reconstruction.double()).square()
        rates = torch.stack([rate.double() for rate in sampled.rates], 1)
        of_images = torch.cat([rates, sampled.distortion.double()[:, None], squares.flatten(1).sum(1, True)], 1)
        told = [of_images, squares.sum(0) if isinstance(model.likelihood, VectorLikelihood) else of_images[:0]]
        self.families = []
        for mean, sample, posterior in zip(means.latents, sampled.latents, sampled.posteriors, strict=True):
            if self._keep:
                gaussian = posterior if isinstance(posterior, DiagonalGaussian) else None
                parameters = () if gaussian is None else gaussian.parameters
                self.families.append((None if gaussian is None else type(gaussian), len(parameters)))
                told += [tensor.flatten(1) for tensor in (mean, sample, *parameters)]
        return tuple(told)


class _Sums:
    """What batches have told of M models.

    Args:
        models: M.
        images: N, that there will be.

    Attributes:
        latents: what `_Work` tells of them, of each model apart, so that it can be dropped alone; on the CPU.
    """

    def __init__(self, models: int, images: int) -> None:
        self.latents: list[list[Tensor]] = [[] for _ in range(models)]
        self._images, self._seen = images, 0
        self._of_images: list[Tensor] = []
        self._of_features: list[Tensor] = []
        self._moments: list[Tensor] = []

    def add(self, x: Tensor, told: tuple[Tensor, ...]) -> None:
        """What `_Work` tells of a batch, M × anything."""
        of_images, of_features, *latents = told
        self._of_images.append(of_images)
        if x.ndim == 2:
            self._of_features.append(of_features)
            self._moments.append(torch.stack([x.double().sum(0), x.double().square().sum(0)]))
        here = slice(self._seen, self._seen + len(x))
        self._seen += len(x)
        for place, tensor in enumerate(latents):
            for kept, rows in zip(self.latents, tensor.cpu(), strict=True):
                if len(kept) == place:
                    kept.append(rows.new_empty(self._images, *rows.shape[1:]))
                kept[place][here] = rows

    def of_images(self) -> Tensor:
        """R_1 … R_L, D and the squared error of every image, M × N × (L + 2), float64, on the CPU."""
        return torch.cat(self._of_images, 1).cpu()

    def of_features(self) -> list[FeatureErrors | None]:
        """Errors by feature of vectors, of each model; None of images."""
        if not self._moments:
            return [None] * len(self.latents)
        errors = torch.stack(self._of_features).sum(0).cpu().numpy()
        sums, squares = torch.stack(self._moments).sum(0).cpu().numpy()
        return [FeatureErrors(self._seen, own, sums, squares) for own in errors]


def _layers(
    latents: list[Tensor], families: Sequence[tuple[type[DiagonalGaussian] | None, int]], core: dict[str, float]
) -> tuple[Layer, ...]:
    layers, left = [], iter(latents)
    for number, (family, parameters) in enumerate(families, start=1):
        means, samples = next(left), next(left)
        posterior = None if family is None else family(*(next(left) for _ in range(parameters)))
        above = sum(core[f"test/rate_{upper}"] for upper in range(number, len(families) + 1))
        layers.append(Layer(number, number == len(families), above, means, posterior, samples))
    return tuple(layers)


def _core_metrics(
    model: HierarchicalVAE,
    of_images: Tensor,
    dims: int,
    betas: Sequence[float] | None,
    features: FeatureErrors | None,
    nats: float | None,
) -> dict[str, float]:
    """The group core.

    Args:
        of_images: R_1 … R_L, D and the squared error of every image, N × (L + 2).
        dims: numbers of an image.
        betas: of the objective, where they are known.
        features: errors by feature of vectors; None of images.
        nats: entropy of the images, where it is known.
    """
    rates, distortions, errors = of_images[:, :-2], of_images[:, -2], of_images[:, -1]
    core = _rates_and_distortion(rates.mean(0).tolist(), float(distortions.mean()), betas, dims)
    core |= _standard_errors(rates, distortions, betas, dims)
    count = len(of_images)
    error = SquaredError(float(errors.sum()), count * dims, count, float(errors.square().sum()))
    core |= _psnr(error) if features is None else _vector_metrics(model, error, features)
    if nats is not None:
        kept = check_reconstruction(-core["test/elbo"], core.get(schema.error_of("test/elbo"), 0.0), nats)
        core["test/bound_slack_reconstruction"] = kept.slack
        core["test/bound_holds_reconstruction"] = float(kept.holds)
    return core


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


def _rates_and_distortion(
    rates: list[float], distortion: float, betas: Sequence[float] | None, dims: int
) -> dict[str, float]:
    rate = sum(rates)
    core = {f"test/rate_{layer}": value for layer, value in enumerate(rates, start=1)}
    core |= {"test/rate": rate, "test/distortion": distortion, "test/elbo": -distortion - rate}
    if betas is not None:
        core["test/objective"] = distortion + sum(beta * value for beta, value in zip(betas, rates, strict=True))
    return core | {"test/bits_per_dim": bits_per_dim(distortion + rate, dims)}


def _standard_errors(rates: Tensor, distortion: Tensor, betas: Sequence[float] | None, dims: int) -> dict[str, float]:
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


def _batch_size(model: HierarchicalVAE, shape: tuple[int, ...]) -> int:
    channels, *sides = shape
    room = _BATCH_PIXELS // math.ceil(model.likelihood.outputs(channels) / _OUTPUTS)
    return min(_BATCH, max(1, room // math.prod(sides)))


def _parts(count: int, most: int) -> list[slice]:
    """A batch of so many images in parts of at most so many, one at least.

    >>> _parts(3, 2), len(_parts(3, 0))
    ([slice(0, 2, None), slice(2, 3, None)], 3)
    """
    step = max(1, most)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
