"""A lossy code for any model: latents in steps that follow the posterior's width, under the prior, top-down."""

__all__ = ["LossyCodec"]

import copy
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hit.coding.ans_stack import AnsStack, Symbols
from hit.coding.chunk_codec import Check, ChunkCodec, unchecked
from hit.coding.entropy_models import Gaussians, Models
from hit.coding.lossy.latent_search import LatentSearch
from hit.coding.lossy.step_table import CategoryTable, LayerTable, StepTable
from hit.coding.top_down import reproducible, reproducible_copy, top_down
from hit.distributions import DiagonalGaussian, LatentDistribution, VectorLikelihood
from hit.errors import ConfigError, DataError, Diverged, shown
from hit.models import HierarchicalVAE

#: Images whose z_L, then z_{L−1} … are sent together, so that decoding runs in batches: part of the format.
_BATCH, _BATCH_PIXELS = 100, 100 * 64 * 64
_LEAST_STEP, _MOST_STEP = 1 / 64, 1024.0
_FARTHEST = 2**15
#: A latent takes at most so many bytes, and a chunk so many beside.
_LATENT_BYTES, _HEAD_BYTES = 4, 64
_DAMAGED = "its latents are damaged"


class LossyCodec(ChunkCodec):
    """Sends means of z_L … z_1 as whole numbers of steps from the prior's mean, each under p(z_l|z_{l+1}).

    A step is `step` posterior widths of its dimension (`StepTable`), so that all take part by what they are worth to
    the ELBO, and a dimension whose means stay within one step is not sent. An encoder searches for the numbers
    (`LatentSearch`), and what it costs to send them is the prior's mass of a step, scaled by how far the means scatter.
    A chunk is four bytes of the table's digest, the largest number of every layer, and one stack of words.

    Args:
        model: whose likelihood may be any.
        shape: of an image, (C, H, W), or of a vector, (D,).
        step: in posterior widths: 2 is fine, 16 coarse.
        iterations: of the encoder's search; 0 rounds the means, twenty times as fast.
        table: of the model, where it is known; made here where it is absent.

    Attributes:
        table: of the model.

    Raises:
        ConfigError: a step outside 1/64 to 1024.
    """

    kind = "lossy"
    exact = False

    def __init__(
        self,
        model: HierarchicalVAE,
        shape: tuple[int, ...],
        step: float,
        iterations: int = 60,
        table: StepTable | None = None,
    ) -> None:
        if not _LEAST_STEP <= step <= _MOST_STEP:
            raise ConfigError(f"step must be from 1/64 to {_MOST_STEP:g} posterior widths, got {step:g}")
        self.shape = cast(tuple[int, int, int], shape)  # vectors have one number
        self.step = step
        self._coded = reproducible_copy(model)
        self.table = StepTable.of(self._coded, shape) if table is None else table
        searched = copy.deepcopy(model).eval().requires_grad_(False)
        self._searched = searched
        self._search = LatentSearch(searched, self.table, step, iterations)
        self._batch = max(1, min(_BATCH, _BATCH_PIXELS // math.prod(shape)))

    @property
    def settings(self) -> dict[str, float | int | str]:
        return {"step": self.step}

    @classmethod
    def of(cls, model: HierarchicalVAE, shape: tuple[int, ...], settings: Mapping[str, Any]) -> Self:
        step = settings.get("step")
        if isinstance(step, bool) or not isinstance(step, int | float) or not _LEAST_STEP <= step <= _MOST_STEP:
            raise DataError(f"step must be from 1/64 to {_MOST_STEP:g}, got {shown(step)}")
        return cls(model, shape, float(step))

    def most_bytes(self, count: int) -> int:
        latents = sum(map(math.prod, self._coded.latent_shapes))
        return count * _LATENT_BYTES * latents + 2 * len(self._coded.latent_shapes) + _HEAD_BYTES

    def encode(self, images: Tensor, check: Check = unchecked) -> bytes:
        return self.encode_with_costs(images, check)[0]

    def encode_with_costs(self, images: Tensor, check: Check = unchecked) -> tuple[bytes, NDArray[np.float64]]:
        """What `encode` gives, and the bits that z_1 … z_L of each image took, N × L."""
        device = next(self._searched.parameters()).device
        batches: list[list[Symbols]] = []
        for part in images.split(self._batch):
            check(self._batch * len(batches))
            batches.append([k.cpu().numpy() for k in self._search(self._searched.prepare(part.to(device)))])
        reaches = [
            max((int(np.abs(batch[layer]).max(initial=0)) for batch in batches), default=0)
            for layer in range(self._coded.layers)
        ]
        reaches = [min(reach, _FARTHEST) for reach in reaches]
        stack = AnsStack()
        costs = []
        for batch in reversed(batches):
            sent = self._models(batch, reaches)
            paid = np.zeros((len(batch[0]), len(reaches)))
            for layer in range(len(reaches)):  # the decoder pops z_L first
                symbols, models = sent[layer]
                for at in reversed(range(len(symbols))):
                    before = stack.bits
                    stack.push(symbols[at], models.row(at))
                    paid[at, layer] = stack.bits - before
            costs.append(paid)
        words = stack.words().astype("<u4").tobytes()
        header = self.table.digest + struct.pack(f"<{len(reaches)}H", *reaches)
        return header + words, np.concatenate(costs[::-1]) if costs else np.zeros((0, len(reaches)))

    def decode(self, payload: bytes, count: int, check: Check = unchecked) -> Tensor:
        layers = self._coded.layers
        head = len(self.table.digest) + 2 * layers
        if len(payload) < head or (len(payload) - head) % 4:
            raise DataError(_DAMAGED)
        if not payload.startswith(self.table.digest):
            raise DataError("it was written with other steps, of another model or by a machine that computes others")
        reaches = struct.unpack(f"<{layers}H", payload[len(self.table.digest) : head])
        if max(reaches) > _FARTHEST:
            raise DataError(_DAMAGED)
        try:
            stack = AnsStack(np.frombuffer(payload[head:], "<u4").astype(np.uint32))
            decoded = list(self._decoded(stack, count, reaches, check))
        except (ValueError, Diverged):
            raise DataError(_DAMAGED) from None
        if len(stack.words()):
            raise DataError(_DAMAGED)
        return torch.cat(decoded) if decoded else self._images(torch.zeros((0, *self.shape)))

    def _models(self, ks: list[Symbols], reaches: list[int]) -> list[tuple[Symbols, Models]]:
        """What is pushed for a batch, index 0 for z_1."""
        sent: dict[int, tuple[Symbols, Models]] = {}

        def choose(layer: int, prior: LatentDistribution, _: LatentDistribution | None) -> Tensor:
            table, k = self.table.layers[layer - 1], ks[layer - 1]
            k = k if isinstance(table, CategoryTable) else np.clip(k, -reaches[layer - 1], reaches[layer - 1])
            sent[layer] = k, self._entropy_model(table, prior, reaches[layer - 1])
            return self._latents(table, prior, k)

        with reproducible():
            top_down(self._coded, len(ks[0]), choose)
        return [sent[layer] for layer in sorted(sent)]

    def _decoded(self, stack: AnsStack, count: int, reaches: tuple[int, ...], check: Check) -> Iterator[Tensor]:
        for first in range(0, count, self._batch):
            check(first)
            batch = min(self._batch, count - first)

            def choose(layer: int, prior: LatentDistribution, _: LatentDistribution | None) -> Tensor:
                table = self.table.layers[layer - 1]
                models = self._entropy_model(table, prior, reaches[layer - 1])
                k = np.stack([stack.pop(models.row(at)) for at in range(len(prior.mean))])
                return self._latents(table, prior, k)

            with reproducible():
                output = top_down(self._coded, batch, choose)
                yield self._images(self._coded.restore(self._coded.likelihood.mean(output)))

    def _entropy_model(self, table: LayerTable, prior: LatentDistribution, reach: int) -> Models:
        if isinstance(table, CategoryTable):
            return table.models(len(prior.mean))
        assert isinstance(prior, DiagonalGaussian)
        std = (prior.std * (table.spread / (self.step * table.width)))[:, table.used(self.step)].numpy()
        return Gaussians.of(np.zeros_like(std), std, max(reach, 1))

    def _latents(self, table: LayerTable, prior: LatentDistribution, k: Symbols) -> Tensor:
        """z on the grid."""
        if isinstance(table, CategoryTable):
            hot = torch.nn.functional.one_hot(torch.from_numpy(k[:, 0]).long(), len(table.shares))
            return hot.to(prior.mean)
        z = prior.mean.clone()
        used = table.used(self.step)
        z[:, used] += torch.from_numpy(k).to(z) * (self.step * table.width[used])
        return z

    def _images(self, restored: Tensor) -> Tensor:
        if isinstance(self._coded.likelihood, VectorLikelihood):
            return restored.float()
        return (restored.clamp(0, 1) * 255).round().to(torch.uint8)
