"""Bits of the test set coded without loss, layer by layer, beside what the model's densities say of the same draws."""

__all__ = ["CodingTable", "code_test_set", "measure_coding"]

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hit import schema
from hit.coding import BitsBack, LosslessChunks, reproducible, reproducible_copy
from hit.data import Dataset, batches
from hit.errors import ConfigError
from hit.metrics import mean_error
from hit.models import HierarchicalVAE

#: Of streamed test sets, which may not fit into memory, the first so many images are coded.
_STREAMED = 5000
#: Images of one chunk, and chains; fewer of images larger than 64×64 pixels.
_CHUNK, _CHAINS = 10_000, 16
_LARGE = 64 * 64
#: Below so many nats per image a layer carries next to nothing, and what its bits are above it is noise.
_LEAST_RATE = 1.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CodingTable:
    """What was coded, an entry an image.

    Attributes:
        latents: net bits of z_1 … z_L: N × L.
        pixels: bits of x given z_1: N.
        log_ratios: log q(z_l) − log p(z_l) of the latents that were coded, nats: N × L.
        rates: R_l given what was drawn above, nats: N × L.
        distortion: −log p(x|z_1) at the same latents, nats: N.
        initial_bits: in all.
    """

    latents: Floats
    pixels: Floats
    log_ratios: Floats
    rates: Floats
    distortion: Floats
    initial_bits: float


def measure_coding(
    model: HierarchicalVAE, dataset: Dataset, check: Callable[[], None] = lambda: None
) -> tuple[dict[str, float], str]:
    """The metrics of the group coding, or, in one line, why there are none.

    Args:
        model: on the device of the data; it is coded on the CPU.
        dataset: its test split is used.
        check: called between batches; raises to stop.

    Raises:
        Diverged: the model gives numbers that are not finite.
    """
    try:
        table = code_test_set(model, dataset, check)
    except ConfigError as error:
        return {}, str(error)
    bits = table.latents.sum(1) + table.pixels
    found = _mean("test/bits", bits) | _mean("test/bits_x", table.pixels)
    found["test/initial_bits"] = table.initial_bits / len(bits)
    found |= _overhead("test/coding_overhead", bits, table.log_ratios.sum(1) + table.distortion)
    for layer in range(1, model.layers + 1):
        of_layer, nats = table.latents[:, layer - 1], table.log_ratios[:, layer - 1]
        found |= _mean(f"test/bits_z{layer}", of_layer)
        if nats.mean() >= _LEAST_RATE:
            found |= _overhead(f"test/coding_overhead_z{layer}", of_layer, nats)
    return found, ""


def code_test_set(
    model: HierarchicalVAE, dataset: Dataset, check: Callable[[], None] = lambda: None, most: int | None = None
) -> CodingTable:
    """Code the test set without loss, and keep what every image took.

    Args:
        model, dataset, check: as for `measure_coding`.
        most: images; None: all of those in memory, of streamed ones the first 5000.

    Raises:
        ConfigError: the likelihood is not discrete.
        Diverged: the model gives numbers that are not finite.
    """
    coder = BitsBack(reproducible_copy(model))
    small = max(1, math.prod(dataset.shape[1:]) // _LARGE)
    chunks = LosslessChunks(coder, dataset.shape, max(1, _CHAINS // small))
    in_memory = hasattr(dataset.test, "images")
    left = min(len(dataset.test), most or (len(dataset.test) if in_memory else _STREAMED))
    coded = []
    with reproducible():
        for images in batches(dataset.test, max(1, _CHUNK // small)):
            if left <= 0:
                break
            levels = coder.pixels.levels(model.prepare(images[:left]).cpu())
            coded.append(chunks.encode(levels, lambda done: check(), measured=True))
            left -= len(levels)
    costs = [part for chunk in coded for part in chunk.costs]
    samples = [part for chunk in coded for part in chunk.samples]
    return CodingTable(
        latents=np.concatenate([part.latents for part in costs]),
        pixels=np.concatenate([part.pixels for part in costs]),
        log_ratios=np.concatenate([part.log_ratios for part in samples]),
        rates=np.concatenate([part.rates for part in samples]),
        distortion=np.concatenate([part.distortion for part in samples]),
        initial_bits=sum(chunk.initial_bits for chunk in coded),
    )


def _mean(name: str, values: Floats) -> dict[str, float]:
    return _with_error(name, float(values.mean()), mean_error(values))


def _overhead(name: str, bits: Floats, nats: Floats) -> dict[str, float]:
    """Bits over nats in bits, minus 1; its error by the delta method."""
    promised = nats / math.log(2)
    ratio = bits.mean() / promised.mean()
    error = mean_error((bits - ratio * promised) / promised.mean())
    return _with_error(name, float(ratio - 1), error)


def _with_error(name: str, value: float, error: float | None) -> dict[str, float]:
    return {name: value} | ({} if error is None else {schema.error_of(name): error})
