"""A model as a codec: what it refuses, file by file, and that nothing else than what was written comes out."""

import io
import json
import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch

from hit.coding import coded_file
from hit.config import TrainConfig
from hit.data.digits import read_digits
from hit.errors import ConfigError, DataError, Diverged, StoreError
from hit.models import build_model
from hit.serving import ServedModel
from hit.serving.codec import Codec, codec

GREY = (1, 28, 28)
SMALL = TrainConfig(channels=2, z_dims=(5,))
COUNT = 12
#: Lengths of magic, of version and length, and of what stands before a payload.
_MAGIC, _START, _CHUNK = 8, 6, 16


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.where(read_digits()[1].images[:COUNT].numpy() > 127, 255, 0).astype(np.uint8)


@pytest.fixture(scope="module")
def small() -> Codec:
    return codec(build_model(SMALL, GREY), shape=GREY, chains=2)


@pytest.fixture(scope="module")
def data(small: Codec, images: np.ndarray) -> bytes:
    return small.encode(images)


def test_images_come_back(small: Codec, data: bytes, images: np.ndarray) -> None:
    np.testing.assert_array_equal(small.decode(data), images)
    np.testing.assert_array_equal(small.decode(small.encode(images[:1])), images[:1])
    assert small.count(io.BytesIO(data)) == COUNT


def test_several_chunks_are_read_one_by_one(small: Codec, images: np.ndarray) -> None:
    file, seen = io.BytesIO(), []
    assert small.write(file, torch.from_numpy(images).split(5), seen.append) == COUNT
    assert seen == sorted(seen)
    assert seen[-1] == COUNT
    file.seek(0)
    assert [len(part) for part in small.read(file)] == [5, 5, 2]


def test_the_same_bytes_whatever_the_options_of_who_decodes(small: Codec, data: bytes, images: np.ndarray) -> None:
    other = codec(ServedModel(build_model(SMALL, GREY), GREY), chains=7)
    np.testing.assert_array_equal(other.decode(data), images)
    assert small.encode(images) == data


def test_grey_images_are_no_black_and_white_ones(small: Codec, images: np.ndarray) -> None:
    grey = np.maximum(images, 40)
    with pytest.raises(DataError, match=r"black and white, of levels 0 and 255 alone, .* got level 40: rounded=true"):
        small.encode(grey)
    np.testing.assert_array_equal(small.decode(small.encode(grey, rounded=True)), images)


def test_images_of_another_shape_and_none(small: Codec) -> None:
    for wrong in (np.zeros((2, 3, 28, 28), np.uint8), np.zeros((0, 28, 28), np.uint8)):
        with pytest.raises(DataError, match="images must be of shape N×1×28×28"):
            small.encode(wrong)


def test_models_that_cannot_be_coded_with() -> None:
    with pytest.raises(ConfigError, match=r"likelihood must be bernoulli or mol .* got FixedGaussian"):
        codec(build_model(TrainConfig(channels=2, likelihood="gaussian"), GREY), shape=GREY)
    with pytest.raises(ConfigError, match="shape must be"):
        codec(build_model(SMALL, GREY))
    with pytest.raises(ConfigError, match="model must be one of images"):
        codec(ServedModel(build_model(SMALL, (4,)), (4,)))
    with pytest.raises(ConfigError, match="chains must be a whole number from 1 to 1024, got 0"):
        codec(build_model(SMALL, GREY), shape=GREY, chains=0)
    with pytest.raises(StoreError, match=r"model must be models:/NAME@ALIAS.*, got 'nothing'"):
        codec("nothing")


def test_a_model_that_is_not_finite_ends_in_a_line(images: np.ndarray) -> None:
    model = build_model(SMALL, GREY)
    with torch.no_grad():
        next(model.inference.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match="not finite"):
        codec(model, shape=GREY).encode(images)


class TestAnotherFile:
    """Of each, one line that says what is wrong."""

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda data: b"", "begins with other bytes"),
            (lambda data: b"PK\x03\x04" + data, "begins with other bytes"),
            (lambda data: data[:-1], "cut short"),
            (lambda data: data[: len(data) // 2], "cut short"),
            (lambda data: data[:12], "cut short"),
            (lambda data: data + b"x", "goes on behind its end"),
            (lambda data: data[:8] + struct.pack("<H", 2) + data[10:], "of format 2, and this version of hit reads"),
            (lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:], "header is damaged"),
            (lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:], "damaged behind image 0"),
        ],
        ids=["empty", "foreign", "cut at its end", "cut", "cut early", "longer", "newer", "header", "payload"],
    )
    def test_is_refused(self, small: Codec, data: bytes, change: Callable[[bytes], bytes], says: str) -> None:
        with pytest.raises(DataError, match=says):
            small.decode(change(data))

    def test_that_lacks_a_chunk(self, small: Codec, images: np.ndarray) -> None:
        file = io.BytesIO()
        small.write(file, torch.from_numpy(images).split(6))
        whole = file.getvalue()
        first = _chunk_start(whole)
        length = _CHUNK + struct.unpack_from("<I", whole, first + 4)[0]
        with pytest.raises(DataError, match="its chunks are not those that were written"):
            small.decode(whole[:first] + whole[first + length :])

    def test_of_another_model(self, data: bytes) -> None:
        other = codec(build_model(TrainConfig(channels=2, z_dims=(5,), seed=1), GREY), shape=GREY)
        with pytest.raises(DataError, match=r"model must be the one that the file was coded by, .* got a model"):
            other.decode(data)

    def test_of_other_networks(self, small: Codec, data: bytes) -> None:
        changed = _with_header(data, lambda header: header["networks"].update(digest="0" * 16, torch="1.0"))
        with pytest.raises(DataError, match=r"networks must compute .* \(torch 1.0 on .*\) they give other digits"):
            small.decode(changed)

    @pytest.mark.parametrize(
        "change",
        [
            lambda header: header.update(kind="other"),
            lambda header: header.update(settings={"chains": 10**9, "steps": 64}),
            lambda header: header.update(settings=[]),
            lambda header: header.update(shape=[1, 28]),
            lambda header: header.update(shape=[1, 28, 2**40]),
            lambda header: header.update(networks=None),
            lambda header: header.pop("model"),
        ],
    )
    def test_with_a_header_of_other_things(
        self, small: Codec, data: bytes, change: Callable[[dict[str, object]], object]
    ) -> None:
        with pytest.raises(DataError):
            small.decode(_with_header(data, change))

    @pytest.mark.parametrize("big", [2**31, 2**62, 10**30])
    def test_with_sizes_that_no_image_has(self, small: Codec, data: bytes, big: int) -> None:
        """Numbers of any size in the header, and its length: refused before memory is set aside."""
        for changes in (
            {"shape": [1, 28, big]},
            {"settings": {"chains": big, "steps": 64}},
            {"settings": {"chains": 16, "steps": big}},
            {"kind": "lossy", "settings": {"step": big}},
        ):
            hostile = _with_header(data, lambda header, changes=changes: header.update(changes))  # type: ignore[misc]
            with pytest.raises(DataError):
                small.decode(hostile)
        with pytest.raises(DataError, match="header is damaged"):
            small.decode(data[: _MAGIC + 2] + struct.pack("<I", min(big, 2**32 - 1)) + data[_MAGIC + _START :])

    def test_of_the_other_endian(self, small: Codec, data: bytes) -> None:
        swapped = data[:_MAGIC] + struct.pack(">HI", *struct.unpack_from("<HI", data, _MAGIC)) + data[_MAGIC + _START :]
        with pytest.raises(DataError, match="of format 256"):
            small.decode(swapped)
        first = _chunk_start(data)
        head = struct.pack(">IIII", *struct.unpack_from("<IIII", data, first))
        with pytest.raises(DataError, match="cannot be as large as it says"):
            small.decode(data[:first] + head + data[first + _CHUNK :])

    def test_that_asks_for_more_memory_than_images_can_take(self, small: Codec, data: bytes) -> None:
        first = _chunk_start(data)
        for count, length in ((2**31, 100), (1, 2**31)):
            hostile = data[:first] + struct.pack("<IIII", count, length, 0, 0) + data[first + _CHUNK :]
            with pytest.raises(DataError, match="cannot be as large as it says"):
                small.decode(hostile)


def fuzz(made: Codec, data: bytes, images: np.ndarray, tries: int, seed: int) -> int:
    """How many of so many mutated files are refused; one that is not gives the images that were coded.

    Half of them have right checksums again, as of somebody who means it.
    """
    refused, chance = 0, random.Random(seed)
    for number in range(tries):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            place = chance.randrange(len(changed))
            match chance.randrange(4):
                case 0:
                    changed[place] ^= 1 << chance.randrange(8)
                case 1:
                    changed[place] = chance.choice((0, 1, 127, 255))
                case 2:
                    del changed[place : place + chance.randrange(1, 9)]
                case _:
                    changed[place:place] = chance.randbytes(chance.randrange(1, 9))
        mutated = _with_checksums(bytes(changed)) if number % 2 else bytes(changed)
        try:
            decoded = made.decode(mutated)
        except DataError:
            refused += 1
        else:
            np.testing.assert_array_equal(decoded, images)
    return refused


@pytest.fixture(scope="module")
def lossy(images: np.ndarray) -> tuple[Codec, bytes, np.ndarray]:
    """A codec with loss, a file of it, and what is read from that."""
    made = codec(build_model(SMALL, GREY), shape=GREY, step=0.5)
    data = made.encode(images)
    return made, data, made.decode(data)


def test_mutated_files_are_refused(
    small: Codec, data: bytes, images: np.ndarray, lossy: tuple[Codec, bytes, np.ndarray]
) -> None:
    assert fuzz(small, data, images, tries=60, seed=0) >= 55
    assert fuzz(*lossy, tries=60, seed=0) >= 55


@pytest.mark.slow
def test_many_mutated_files_are_refused(
    small: Codec, data: bytes, images: np.ndarray, lossy: tuple[Codec, bytes, np.ndarray]
) -> None:
    assert fuzz(small, data, images, tries=2000, seed=1) >= 1900
    assert fuzz(*lossy, tries=2000, seed=1) >= 1900


def _chunk_start(data: bytes) -> int:
    (length,) = struct.unpack_from("<I", data, _MAGIC + 2)
    return _MAGIC + _START + int(length) + 4


def _with_header(data: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """The file with another header, whose checksum is right."""
    first = _chunk_start(data)
    header = json.loads(data[_MAGIC + _START : first - 4])
    change(header)
    text = json.dumps(header).encode()
    start = data[:_MAGIC] + struct.pack("<HI", 1, len(text)) + text
    return start + struct.pack("<I", zlib.crc32(start)) + data[first:]


def _with_checksums(data: bytes) -> bytes:
    """The file with all checksums right that can be found."""
    try:
        first = _chunk_start(data)
        start = data[: first - 4]
        parts, running, at = [start, struct.pack("<I", zlib.crc32(start))], 0, first
        running = zlib.crc32(b"".join(parts))
        while True:
            count, length, _, of_images = struct.unpack_from("<IIII", data, at)
            if count == 0:
                end = data[at : at + _CHUNK]
                return b"".join([*parts, end, struct.pack("<I", zlib.crc32(end, running))])
            payload = data[at + _CHUNK : at + _CHUNK + length]
            head = struct.pack("<IIII", count, length, zlib.crc32(payload), of_images)
            running, at = zlib.crc32(head, running), at + _CHUNK + length
            parts += [head, payload]
    except struct.error:
        return data


def test_what_the_file_module_says_of_its_layout() -> None:
    assert (len(coded_file._MAGIC), coded_file._START.size, coded_file._CHUNK.size) == (_MAGIC, _START, _CHUNK)
