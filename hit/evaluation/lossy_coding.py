"""The group `rate_distortion`: measured bits and PSNR of a model's lossy code at several steps, beside image files."""

__all__ = ["measure_lossy_coding"]

import math
from collections.abc import Callable

import torch
from torch import Tensor

from hit.coding.bjontegaard import RateDistortionCurve
from hit.coding.lossy import LossyCodec, StepTable
from hit.data import Dataset
from hit.errors import Diverged
from hit.evaluation.image_files import lossy_files, png_bits
from hit.metrics import squared_error
from hit.models import HierarchicalVAE
from hit.randomness import generator
from hit.schema import FILE_QUALITIES, LOSSY_STEPS

#: Images that are coded, fewer where they are larger than 32×32 pixels: the search decodes each of them many times.
_IMAGES = 100
_PIXELS = _IMAGES * 32 * 32
_LEAST_IMAGES = 8


def measure_lossy_coding(
    model: HierarchicalVAE, dataset: Dataset, check: Callable[[], None] = lambda: None
) -> tuple[dict[str, float], str]:
    """The group `rate_distortion`, by schema names, of the first 100 test images (fewer of large ones).

    At every step the images are written by `LossyCodec` and read back from the bytes; bits are all that was written,
    and PSNR is that of what was read, against the images as the model is fed them. R and the PSNR of the posterior's
    means, that the code is compared with, are those of the same images. JPEG, WebP and PNG hold them as one mosaic.

    Args:
        model: on the device of the data.
        dataset: its test split is used.
        check: called between batches; raises to stop.

    Returns:
        The metrics, and, in one line, why there are none; '' where there are.

    Raises:
        Diverged: the model gives numbers that are not finite.
    """
    if dataset.form != "images":
        return {}, "PSNR and image files take images, and the data are vectors"
    room = max(_LEAST_IMAGES, min(_IMAGES, _PIXELS // math.prod(dataset.image_shape[1:])))
    images = dataset.test.head(room)
    x = model.prepare(images)
    rate, psnr_of_means = _rate_and_psnr(model, x)
    metrics: dict[str, float] = {"test/lossy_images": float(len(images))}
    points = []
    table: StepTable | None = None
    for step in LOSSY_STEPS:
        check()
        codec = LossyCodec(model, dataset.image_shape, float(step), table=table)
        table = codec.table
        data, costs = codec.encode_with_costs(images, lambda _: check())
        decoded = codec.decode(data, len(images)).to(x.device)
        psnr = squared_error(x, decoded.float() / 255).psnr
        bits = 8 * len(data) / len(images)
        metrics[f"test/lossy_bits_step_{step}"] = bits
        for layer, paid in enumerate(costs.mean(0).tolist(), start=1):
            metrics[f"test/lossy_bits_z{layer}_step_{step}"] = paid
        if psnr is not None:
            metrics[f"test/lossy_psnr_step_{step}"] = psnr
            points.append((bits, psnr))
    if psnr_of_means is not None:
        needed = RateDistortionCurve.of(points).bits_at(psnr_of_means)
        if needed is not None:
            metrics["test/lossy_bits"] = needed
            metrics["test/lossy_excess_bits"] = needed - rate
    check()
    return metrics | _image_files(model, x), ""


def _rate_and_psnr(model: HierarchicalVAE, x: Tensor) -> tuple[float, float | None]:
    """R in bits per image by one draw, and the PSNR of reconstructions from posterior means."""
    noise = model.noise(len(x), generator("lossy coding", 0, device=x.device))
    with torch.no_grad():
        evidence = model.inference.evidence(x)
        rates = model(x, noise, evidence=evidence).rates
        means = model.reconstruct(model(x, sample=False, evidence=evidence))
    rate = float(torch.stack(rates).double().sum(0).mean()) / math.log(2)
    if not math.isfinite(rate):
        raise Diverged("test/rate of the trained model is not finite")
    return rate, squared_error(x, means).psnr


def _image_files(model: HierarchicalVAE, x: Tensor) -> dict[str, float]:
    pixels = (model.restore(x) * 255).round().to(torch.uint8).cpu().numpy()
    found = {"test/png_bits": png_bits(pixels)}
    for name in ("jpeg", "webp"):
        for quality in FILE_QUALITIES:
            point = lossy_files(pixels, name.upper(), quality)
            found[f"test/{name}_bits_quality_{quality}"] = point.bits
            if point.psnr is not None:
                found[f"test/{name}_psnr_quality_{quality}"] = point.psnr
    return found
