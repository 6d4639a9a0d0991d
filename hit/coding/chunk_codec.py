"""What codes chunks of images, without loss or with: the contract, and the lossless one."""

__all__ = ["Check", "ChunkCodec", "LosslessCodec", "chunk_size", "unchecked"]

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

from torch import Tensor

from hit.coding.bits_back import BitsBack
from hit.coding.latent_grid import LatentGrid
from hit.coding.lossless_chunk import MOST_CHAINS, LosslessChunks
from hit.coding.top_down import reproducible, reproducible_copy
from hit.errors import DataError, shown
from hit.models import HierarchicalVAE

#: Images of one chunk at most, and the numbers in them.
_MOST_IMAGES, _MOST_NUMBERS = 8192, 2**24
#: A level takes at most so many bytes, a latent so many, and a chunk's chains so many beside.
_LEVEL_BYTES, _LATENT_BYTES, _CHAIN_BYTES = 6, 4, 2**20
_MOST_STEPS = 2**14

#: Called with how many images of a chunk are done; raises to stop.
Check = Callable[[int], None]


def unchecked(done: int) -> None:
    """Goes on."""


class ChunkCodec(ABC):
    """Codes images of one shape, chunk by chunk, each of them by itself.

    Attributes:
        kind: names the class in files.
        exact: whether images come back as they were.
        shape: (C, H, W).
    """

    kind: str
    exact: bool
    shape: tuple[int, int, int]

    @property
    @abstractmethod
    def settings(self) -> dict[str, float | int | str]:
        """What the decoder has to know beside the model; a file's header holds it as JSON."""

    @classmethod
    @abstractmethod
    def of(cls, model: HierarchicalVAE, shape: tuple[int, int, int], settings: Mapping[str, Any]) -> Self:
        """The codec that a file was written with.

        Raises:
            DataError: settings that `settings` never gives.
            ConfigError: the model cannot be coded with.
        """

    @abstractmethod
    def encode(self, images: Tensor, check: Check = unchecked) -> bytes:
        """Code a chunk.

        Args:
            images: uint8, n × C × H × W, n from 1 to `chunk_size(shape)`.
            check: called between batches.

        Raises:
            DataError: images that it cannot code.
            Diverged: the model gives numbers that are not finite.
        """

    @abstractmethod
    def decode(self, payload: bytes, count: int, check: Check = unchecked) -> Tensor:
        """The images of a chunk, uint8, `count` × C × H × W.

        Raises:
            DataError: the payload is not what `encode` gave, or networks compute other digits here.
        """

    @abstractmethod
    def most_bytes(self, count: int) -> int:
        """More bytes than a payload of so many images ever has."""


class LosslessCodec(ChunkCodec):
    """Bits back.

    Args:
        model: with a discrete likelihood.
        shape: of its images.
        chains: that run side by side at most; more pass through the networks in larger batches.
        steps: of the latents' grid, in a standard deviation of the prior.

    Raises:
        ConfigError: the likelihood is not discrete.
    """

    kind = "lossless"
    exact = True
    usual_chains = 16
    usual_steps = LatentGrid.steps

    def __init__(
        self, model: HierarchicalVAE, shape: tuple[int, int, int], chains: int = usual_chains, steps: int = usual_steps
    ) -> None:
        self.shape = shape
        self.chains = chains
        self._coder = BitsBack(reproducible_copy(model), LatentGrid(steps))
        self._chunks = LosslessChunks(self._coder, shape, chains)

    @property
    def settings(self) -> dict[str, float | int | str]:
        return {"chains": self.chains, "steps": self._coder.grid.steps}

    @classmethod
    def of(cls, model: HierarchicalVAE, shape: tuple[int, int, int], settings: Mapping[str, Any]) -> Self:
        chains, steps = settings.get("chains"), settings.get("steps")
        for name, value, most in (("chains", chains, MOST_CHAINS), ("steps", steps, _MOST_STEPS)):
            if type(value) is not int or not 1 <= value <= most:
                raise DataError(f"{name} must be a whole number from 1 to {most}, got {shown(value)}")
        assert isinstance(chains, int)
        assert isinstance(steps, int)
        return cls(model, shape, chains, steps)

    def encode(self, images: Tensor, check: Check = unchecked) -> bytes:
        levels = self._coder.pixels.from_images(images)
        with reproducible():
            return self._chunks.encode(levels, check).payload

    def decode(self, payload: bytes, count: int, check: Check = unchecked) -> Tensor:
        with reproducible():
            levels = self._chunks.decode(payload, count, check)
        return self._coder.pixels.to_images(levels)

    def most_bytes(self, count: int) -> int:
        latents = sum(map(math.prod, self._coder.model.latent_shapes))
        return count * (_LEVEL_BYTES * math.prod(self.shape) + _LATENT_BYTES * latents) + _CHAIN_BYTES


def chunk_size(shape: tuple[int, ...]) -> int:
    """Images of one chunk at most, so that memory does not grow with their number.

    >>> chunk_size((1, 28, 28)), chunk_size((3, 256, 256))
    (8192, 85)
    """
    return max(1, min(_MOST_IMAGES, _MOST_NUMBERS // math.prod(shape)))
