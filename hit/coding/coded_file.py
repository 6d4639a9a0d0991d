"""The file of coded images: a header that says by what they were coded, chunks, each checked, and an end.

    magic · version · length of the header · header (JSON) · CRC-32 of all that
    for each chunk: images · length of the payload · CRC-32 of the payload · CRC-32 of the images, or 0 · payload
    at the end: 0 · 0 · images in all (64 bits) · CRC-32 of all of the above but the payloads

Numbers are little-endian, of 32 bits where nothing else is said. Nothing in a file is executed: a header is JSON of a
few known fields, each of them checked, and no length in it is trusted further than images of its shape go.
"""

__all__ = ["Header", "images_in", "read_chunks", "read_header", "write_file"]

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from torch import Tensor

from hit.coding.chunk_codec import Check, ChunkCodec, chunk_size, unchecked
from hit.coding.network_digest import Networks
from hit.errors import DataError

_MAGIC = b"\x89HIT\r\n\x1a\n"
_VERSION = 1
_MOST_HEADER = 2**16
_LARGEST_SIDE, _MOST_TEXT = 2**16, 400
_START, _CHUNK, _END, _CHECKSUM = (
    struct.Struct("<HI"),
    struct.Struct("<IIII"),
    struct.Struct("<IIQ"),
    struct.Struct("<I"),
)
_TEXTS = ("kind", "model", "name", "digest", "torch", "cpu")


@dataclass(frozen=True)
class Header:
    """By what images were coded.

    Attributes:
        kind: of the codec.
        model: digest of its weights.
        name: of the model, for people.
        shape: (C, H, W) of the images.
        networks: what they computed where the file was written.
        settings: of the codec.
    """

    kind: str
    model: str
    name: str
    shape: tuple[int, int, int]
    networks: Networks
    settings: dict[str, Any] = field(default_factory=dict)


def write_file(
    file: BinaryIO, header: Header, codec: ChunkCodec, batches: Iterable[Tensor], check: Check = unchecked
) -> int:
    """Write images as they come; memory holds one chunk of them.

    Args:
        file: open to be written.
        header: of this codec.
        batches: uint8 images, n × C × H × W, at most `chunk_size(shape)` each: a batch is a chunk.
        check: called between batches with how many images are done; raises to stop.

    Returns:
        How many images there were.

    Raises:
        DataError: images that the codec cannot code.
        Diverged: the model gives numbers that are not finite.
    """
    described = json.dumps(asdict(header)).encode()
    start = _MAGIC + _START.pack(_VERSION, len(described)) + described
    start += _CHECKSUM.pack(zlib.crc32(start))
    file.write(start)
    running, total = zlib.crc32(start), 0
    for images in batches:
        assert 1 <= len(images) <= chunk_size(codec.shape)
        payload = codec.encode(images, _counted(check, total))
        told = zlib.crc32(images.numpy().tobytes()) if codec.exact else 0
        head = _CHUNK.pack(len(images), len(payload), zlib.crc32(payload), told)
        running, total = zlib.crc32(head, running), total + len(images)
        file.write(head)
        file.write(payload)
    end = _END.pack(0, 0, total)
    file.write(end + _CHECKSUM.pack(zlib.crc32(end, running)))
    return total


def read_header(file: BinaryIO) -> tuple[Header, int]:
    """What a file was coded by, and the checksum that its chunks go on with.

    Raises:
        DataError: another file, a newer one, a damaged or cut one.
    """
    magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        raise DataError("the file must be one of coded images (.hit), and begins with other bytes")
    start = _exactly(file, _START.size)
    version, length = _START.unpack(start)
    if version > _VERSION:
        raise DataError(f"the file is of format {version}, and this version of hit reads formats up to {_VERSION}")
    if version < 1 or length > _MOST_HEADER:
        raise DataError("the file's header is damaged")
    start = magic + start + _exactly(file, length)
    (told,) = _CHECKSUM.unpack(_exactly(file, _CHECKSUM.size))
    if told != zlib.crc32(start):
        raise DataError("the file's header is damaged")
    try:
        header = _header(json.loads(start[len(_MAGIC) + _START.size :].decode()))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DataError("the file's header does not say what images were coded by") from None
    return header, zlib.crc32(start + _CHECKSUM.pack(told))


def read_chunks(file: BinaryIO, codec: ChunkCodec, running: int, check: Check = unchecked) -> Iterator[Tensor]:
    """The images of a file whose header has been read, chunk by chunk, uint8; memory holds one chunk.

    Args:
        file: right behind its header.
        codec: that it was written with.
        running: what `read_header` gave.
        check: called between batches with how many images are done; raises to stop.

    Raises:
        DataError: a damaged or cut file, or networks that compute other digits here. Chunks before were right.
    """
    done = 0
    while True:
        head = _exactly(file, _CHUNK.size)
        count, length, of_payload, of_images = _CHUNK.unpack(head)
        if count == 0:
            break
        if count > chunk_size(codec.shape) or length > codec.most_bytes(count):
            raise DataError("the file is damaged: a chunk cannot be as large as it says")
        payload = _exactly(file, length)
        if zlib.crc32(payload) != of_payload:
            raise DataError(f"the file is damaged behind image {done}")
        images = codec.decode(payload, count, _counted(check, done))
        if codec.exact and zlib.crc32(images.numpy().tobytes()) != of_images:
            raise DataError(
                f"the file's images behind image {done} do not come back as they were: networks compute other digits "
                "here than where it was written"
            )
        running, done = zlib.crc32(head, running), done + count
        yield images
    _, _, total = _END.unpack(head)
    (told,) = _CHECKSUM.unpack(_exactly(file, _CHECKSUM.size))
    if total != done or told != zlib.crc32(head, running):
        raise DataError("the file is damaged: its chunks are not those that were written")
    if file.read(1):
        raise DataError("the file is damaged: it goes on behind its end")


def images_in(file: BinaryIO) -> int:
    """How many images a whole file says that it has, at its end; the position stays.

    Raises:
        DataError: it is cut short, or can say so only by being read.
    """
    at = file.tell()
    try:
        file.seek(-_END.size - _CHECKSUM.size, os.SEEK_END)
        zero, also_zero, total = _END.unpack(_exactly(file, _END.size))
        file.seek(at)
    except OSError as error:
        raise DataError(f"the file cannot be read from its end: {error.strerror or error}") from None
    if zero or also_zero:
        raise DataError("the file is cut short")
    return int(total)


def _exactly(file: BinaryIO, count: int) -> bytes:
    """So many bytes, read piece by piece: what a damaged length asks for is not set aside before it is there."""
    parts, left = [], count
    while left:
        part = file.read(min(left, 2**20))
        if not part:
            raise DataError("the file is cut short")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _header(read: dict[str, Any]) -> Header:
    networks = read["networks"]
    texts = {name: (networks if name in ("digest", "torch", "cpu") else read)[name] for name in _TEXTS}
    shape, settings = read["shape"], read["settings"]
    if not all(isinstance(text, str) and len(text) <= _MOST_TEXT for text in texts.values()):
        raise TypeError("texts")
    if len(shape) != 3 or not all(type(side) is int and 1 <= side <= _LARGEST_SIDE for side in shape):
        raise ValueError("shape")
    if not isinstance(settings, dict):
        raise TypeError("settings")
    own = Networks(texts["digest"], texts["torch"], texts["cpu"])
    return Header(texts["kind"], texts["model"], texts["name"], (shape[0], shape[1], shape[2]), own, settings)


def _counted(check: Callable[[int], None], before: int) -> Check:
    return lambda done: check(before + done)
