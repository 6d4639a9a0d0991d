"""A trained model as a codec: images to bytes and files, and back."""

__all__ = ["Codec", "codec", "codec_of_file"]

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from hit.coding.chunk_codec import ChunkCodec, LosslessCodec, chunk_size, unchecked
from hit.coding.codecs import make_codec
from hit.coding.coded_file import Header, images_in, read_chunks, read_header, write_file
from hit.coding.network_digest import networks_here
from hit.errors import ConfigError, DataError, shown
from hit.models import HierarchicalVAE
from hit.serving.named_model import load_named
from hit.serving.request_data import images_of
from hit.serving.served_model import ServedModel
from hit.training.checkpoints import weights_digest

#: How many images are done, from the first; raises to stop.
Check = Callable[[int], None]


class Codec:
    """Codes images of a model's shape. Made by `hit.codec`.

    Networks run on the CPU, in float64 and in one thread, and what they give is rounded, so that encoder and decoder
    have the same numbers. What is coded is decoded by the same model alone; a file says by which, and where networks
    compute other digits than where it was written, decoding is refused.

    Args:
        model: trained.
        shape: (C, H, W) of its images.
        kind: lossless, or another that `hit.coding.chunk_codec` knows.
        settings: of the codec of this kind.
        name: of the model, for people.

    Raises:
        ConfigError: the model cannot be coded with.
    """

    def __init__(
        self, model: HierarchicalVAE, shape: tuple[int, int, int], kind: str, settings: dict[str, Any], name: str = ""
    ) -> None:
        self._model = model.eval()
        self._codec = make_codec(kind, model, shape, settings)
        digest = weights_digest(model)
        self.header = Header(kind, digest, name, shape, networks_here(model, shape), self._codec.settings)

    def encode(self, images: Any, *, rounded: bool = False) -> bytes:
        """Images as the bytes of a file.

        Args:
            images: N × C × H × W (grey ones may leave out C): whole numbers are levels from 0 to 255, others in [0, 1].
            rounded: make grey images black and white first, where the model knows no other; the rest is lost.

        Raises:
            DataError: images that do not fit.
        """
        whole = torch.from_numpy(images_of(images, self.header.shape))
        file = io.BytesIO()
        self.write(file, whole.split(self.chunk_size), rounded=rounded)
        return file.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        """The images of `encode`, uint8, N × C × H × W.

        Raises:
            DataError: damaged, cut or other bytes, those of another model, or of other networks.
        """
        parts = [part.numpy() for part in self.read(io.BytesIO(data))]
        return np.concatenate(parts) if parts else np.zeros((0, *self.header.shape), np.uint8)

    @property
    def chunk_size(self) -> int:
        """Images that `write` takes at a time at most."""
        return chunk_size(self.header.shape)

    def write(
        self, file: BinaryIO, batches: Iterable[Tensor], check: Check = unchecked, *, rounded: bool = False
    ) -> int:
        """Write images as they come, at most `chunk_size` at a time; memory holds so many.

        Args:
            file: open to be written.
            batches: uint8 images, n × C × H × W.
            check: called with how many images are done; raises to stop.
            rounded: as for `encode`.

        Returns:
            How many images there were.

        Raises:
            DataError: images that do not fit.
        """
        if rounded:
            batches = (torch.where(images > 127, 255, 0).to(torch.uint8) for images in batches)
        return write_file(file, self.header, self._codec, batches, check)

    def read(self, file: BinaryIO, check: Check = unchecked) -> Iterator[Tensor]:
        """The images of a file, chunk by chunk; memory holds one.

        Raises:
            DataError: a damaged, cut or foreign file, or one of another model; chunks that came before are right.
        """
        header, running = read_header(file)
        yield from read_chunks(file, self._codec_of(header), running, check)

    def count(self, file: BinaryIO) -> int:
        """How many images a file says that it holds; it can be read from its end.

        Raises:
            DataError: it is cut short.
        """
        return images_in(file)

    def _codec_of(self, header: Header) -> ChunkCodec:
        own = self.header
        if header.model != own.model or header.shape != own.shape:
            raise DataError(
                f"model must be the one that the file was coded by, {_described(header)}, got {_described(own)}"
            )
        if header.networks.digest != own.networks.digest:
            raise DataError(
                f"networks must compute what they computed where the file was written ({header.networks}), and here "
                f"({own.networks}) they give other digits: decode it there"
            )
        if (header.kind, header.settings) == (own.kind, own.settings):
            return self._codec
        return make_codec(header.kind, self._model, own.shape, header.settings)


def codec(
    model: str | ServedModel | HierarchicalVAE,
    *,
    step: float | None = None,
    chains: int = LosslessCodec.usual_chains,
    shape: tuple[int, int, int] | None = None,
) -> Codec:
    """The codec of a trained model.

    Args:
        model: `models:/NAME@ALIAS`, the id of a run or a folder, as `load_named` takes it; or a model, with `shape`.
        step: of a lossy codec; None codes without loss, which takes a discrete likelihood.
        chains: without loss: images that pass through the networks at once.
        shape: (C, H, W), where `model` is a HierarchicalVAE.

    Raises:
        ConfigError: the model cannot be coded with.
        StoreError: there is no such model.
    """
    name = model if isinstance(model, str) else ""
    if isinstance(model, str):
        model = load_named(model)
    if isinstance(model, ServedModel):
        shape, model = _shape_of(model), model.model
    if shape is None or len(shape) != 3:
        raise ConfigError(f"shape must be (C, H, W) of the model's images, got {shown(shape)}")
    settings = {"chains": chains, "steps": LosslessCodec.usual_steps} if step is None else {"step": step}
    try:
        return Codec(model, shape, "lossless" if step is None else "lossy", settings, name)
    except DataError as error:  # what a file would be refused for is here a parameter
        raise ConfigError(str(error)) from None


def codec_of_file(file: BinaryIO, model: str) -> Codec:
    """The codec that a file was written with, by its model; the file is as it was.

    Args:
        file: open to be read, from its beginning, and can be gone back in.
        model: as for `codec`, by name.

    Raises:
        DataError: a foreign, newer or damaged file, or a header that the model does not fit.
        ConfigError: the model cannot be coded with.
        StoreError: there is no such model.
    """
    header, _ = read_header(file)
    file.seek(0)
    served = load_named(model)
    return Codec(served.model, _shape_of(served), header.kind, header.settings, model)


def _shape_of(served: ServedModel) -> tuple[int, int, int]:
    shape = served.shape
    if len(shape) != 3:
        raise ConfigError(f"model must be one of images to code them, got one of vectors of {shape[0]} features")
    return shape[0], shape[1], shape[2]


def _described(header: Header) -> str:
    sides = "×".join(map(str, header.shape))
    return f"{header.name or 'a model'} (weights {header.model}, images of {sides})"
