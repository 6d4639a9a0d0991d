"""Data sets from .npz files: what is accepted, and one line on everything that is not."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hit.data import Dataset, load
from hit.errors import DataError

RNG = np.random.RandomState(0)
IMAGES = RNG.randint(0, 256, (40, 28, 28)).astype(np.uint8)
COLOUR = RNG.randint(0, 256, (40, 32, 32, 3)).astype(np.uint8)
LABELS = np.arange(40) % 4


def keras(images: Any = IMAGES, labels: Any = LABELS) -> dict[str, Any]:
    return {"x_train": images[:30], "y_train": labels[:30], "x_test": images[30:], "y_test": labels[30:]}


def saved(folder: Path, arrays: dict[str, Any], name: str = "data.npz") -> str:
    np.savez(folder / name, **arrays)
    return str(folder / name)


def refusal(name: str) -> str:
    with pytest.raises(DataError) as caught:
        load(name)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"dataset {name!r}: ")
    return message


def test_keras_names_keep_the_split_and_the_order(tmp_path: Path) -> None:
    data = load(saved(tmp_path, keras()))
    assert data.image_shape == (1, 28, 28)
    assert data.classes == 4
    assert np.array_equal(data.train.images[:, 0].numpy(), IMAGES[:30])
    assert np.array_equal(data.test.labels.numpy(), LABELS[30:])


@pytest.mark.parametrize(
    "images",
    [COLOUR, COLOUR.transpose(0, 3, 1, 2), np.asfortranarray(COLOUR)],
    ids=["channels last", "channels first", "Fortran order"],
)
def test_colour_in_any_layout(tmp_path: Path, images: Any) -> None:
    data = load(saved(tmp_path, keras(images)))
    assert data.image_shape == (3, 32, 32)
    assert data.train.images.is_contiguous()
    assert np.array_equal(data.train.images.numpy(), COLOUR[:30].transpose(0, 3, 1, 2))


def test_grey_with_a_channel(tmp_path: Path) -> None:
    digests = {load(saved(tmp_path, keras(images))).digest for images in (IMAGES, IMAGES[:, None], IMAGES[..., None])}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((20, 37), (1, 20, 37)),
        ((2, 20, 37), (2, 20, 37)),
        ((20, 37, 2), (2, 20, 37)),
        ((64, 48, 12), (12, 64, 48)),
        ((3, 9, 8), (3, 9, 8)),
        ((9, 8, 3), (3, 9, 8)),
        ((3, 12, 2), (3, 12, 2)),
        ((20, 20, 20), (20, 20, 20)),
    ],
)
def test_any_height_width_and_channels(
    tmp_path: Path, shape: tuple[int, ...], image_shape: tuple[int, int, int]
) -> None:
    images = np.random.RandomState(1).randint(0, 256, (40, *shape)).astype(np.uint8)
    data = load(saved(tmp_path, keras(images)))
    assert data.image_shape == image_shape
    assert data.train.images[3].sum() == images[3].sum()


def test_one_piece_is_split_into_disjoint_parts(tmp_path: Path) -> None:
    data = load(saved(tmp_path, {"images": IMAGES, "labels": LABELS, "comment": np.zeros(3)}))
    assert (len(data.train), len(data.test)) == (32, 8)
    assert data.test.labels.bincount().tolist() == [2, 2, 2, 2]
    pieces = {bytes(image.numpy().data): int(label) for image, label in pairs(data)}
    assert pieces == {bytes(image.data): int(label) for image, label in zip(IMAGES, LABELS, strict=True)}


def pairs(data: Dataset) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [
        (image[0].contiguous(), label)
        for split in (data.train, data.test)
        for image, label in zip(split.images, split.labels, strict=True)
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64, ">i2"])
def test_labels_become_numbers_from_zero(tmp_path: Path, dtype: Any) -> None:
    values = np.array([3, 7, 10, 200 if dtype == np.uint8 else 999]).astype(dtype)
    data = load(saved(tmp_path, keras(labels=values[LABELS])))
    assert data.classes == 4
    assert np.array_equal(data.train.labels.numpy(), LABELS[:30])


def test_labels_as_a_column(tmp_path: Path) -> None:
    assert np.array_equal(load(saved(tmp_path, keras(labels=LABELS[:, None]))).test.labels.numpy(), LABELS[30:])


def test_digest_is_that_of_the_contents(tmp_path: Path) -> None:
    first = saved(tmp_path, keras(), "a.npz")
    np.savez_compressed(tmp_path / "b.npz", **keras(labels=LABELS + 5))
    os.utime(first, (0, 0))
    assert load(first).digest == load(str(tmp_path / "b.npz")).digest
    changed = IMAGES.copy()
    changed[0, 0, 0] ^= 1
    assert load(saved(tmp_path, keras(changed), "c.npz")).digest != load(first).digest


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (keras(IMAGES / 255.0), "x_train must be uint8 with levels 0 to 255, got float64"),
        (keras(IMAGES.astype(np.int64)), "x_train must be uint8 with levels 0 to 255, got int64"),
        (keras(IMAGES[:, 0, 0]), "x_train must have shape N×H×W, N×C×H×W or N×H×W×C, or N×D of vectors, got"),
        (keras(IMAGES[..., None, None]), "x_train must have shape N×H×W, N×C×H×W or N×H×W×C, or N×D of vectors, got"),
        (
            keras(labels=LABELS.astype(bool)),
            "must be integers (classes) or floats (continuous labels), got bool",
        ),
        (
            keras(labels=np.array(["cat", "dog"])[LABELS % 2]),
            "integers (classes) or floats (continuous labels), got <U3",
        ),
        (keras(labels=np.eye(4, dtype=int)[LABELS]), "y_train must have shape N, one label an image, got 30×4"),
        (keras(labels=np.zeros(40, int)), "labels must tell two classes or more apart, got 1"),
        (keras() | {"y_test": LABELS[:9]}, "x_test and y_test must be as many, got 10 images and 9 labels"),
        (keras() | {"x_test": COLOUR[30:]}, "must have one shape, got 1×28×28 (train) and 3×32×32 (test)"),
        (keras() | {"x_test": IMAGES[:0], "y_test": LABELS[:0]}, "images must not be empty, got shape 0×1×28×28"),
        (keras() | {"y_test": LABELS[30:] + 2}, "y_test must hold labels that y_train holds, got 4 and 1 more"),
        (keras() | {"y_test": np.full(10, 9)}, "y_test must hold labels that y_train holds, got 9"),
        (keras(labels=LABELS - 1), "y_train must be 0 or more, got -1 (8 labels are negative)"),
        (keras(np.full_like(IMAGES, 7)), "training images must differ, but every pixel of all of them is 7"),
        (
            {"images": IMAGES, "labels": np.arange(40)},
            "some of several examples, got 40 integers that are all different",
        ),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "need two examples or more, got 0"),
        ({"images": IMAGES, "Y": LABELS}, "labels must be called labels beside images, or be left out, got Y"),
        ({"x_train": IMAGES, "x_test": IMAGES, "y_train": LABELS}, "but lacks y_test"),
        ({"x_train": IMAGES, "y_train": LABELS}, "but lacks x_test, y_test"),
        ({"x_train": IMAGES}, "but lacks x_test, y_train, y_test"),
        (keras(labels=LABELS + np.nan), "y_train must be finite numbers of 32 bits, got nan (30 are not)"),
        (keras(labels=LABELS * 1e300), "y_train must be finite numbers of 32 bits, got 1e+300"),
        (keras(labels=np.full(40, 0.5)), "continuous labels must differ, but all of the training images are 0.5"),
        ({"pictures": IMAGES}, "got pictures"),
        ({}, "got no arrays"),
        (keras(labels=LABELS.astype(object)), "y_train holds pickled Python objects, which are never loaded"),
    ],
)
def test_refuses(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    assert message in refusal(saved(tmp_path, arrays))


def test_pickles_are_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    name = saved(tmp_path, keras() | {"x_train": np.array([Trap()], dtype=object)})
    assert "pickled" in refusal(name)
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(b"")
    assert "not an .npz archive" in refusal(str(path))
    path.write_bytes(b"images, labels\n" * 100)
    assert "not an .npz archive" in refusal(str(path))
    with path.open("wb") as file:
        np.save(file, IMAGES)
    assert "not an .npz archive" in refusal(str(path))
    path.unlink()
    path.mkdir()
    assert "cannot be read" in refusal(str(path))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_files_cut_short(tmp_path: Path, share: float) -> None:
    path = Path(saved(tmp_path, keras()))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "not an .npz archive, or is cut short" in refusal(str(path))


def test_members_that_are_damaged(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, keras()))
    whole = bytearray(path.read_bytes())
    whole[500] ^= 1  # in the pixels of x_train: the archive's checksum tells
    path.write_bytes(whole)
    assert "x_train cannot be read: Bad CRC-32" in refusal(str(path))

    with zipfile.ZipFile(path, "w") as archive:
        for key in keras():
            archive.writestr(f"{key}.npy", b"no array")
    assert "x_train" in refusal(str(path))

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**14, 28, 28)})
    with zipfile.ZipFile(path, "w") as archive:
        for key in keras():
            archive.writestr(f"{key}.npy", header.getvalue())
    assert "x_train cannot be read" in refusal(str(path))


VECTORS = RNG.randn(40, 5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint8])
def test_an_array_of_two_axes_holds_vectors(tmp_path: Path, dtype: Any) -> None:
    vectors = (VECTORS * 10).astype(np.int64).astype(dtype) if np.dtype(dtype).kind in "iu" else VECTORS.astype(dtype)
    data = load(saved(tmp_path, keras(vectors)))
    assert data.shape == data.train.shape == (5,)
    assert data.train.images.dtype == torch.float32
    assert np.array_equal(data.train.images.numpy(), vectors[:30].astype(np.float32))
    with pytest.raises(DataError, match="images are needed, got vectors of 5 numbers"):
        _ = data.image_shape
    whole = load(saved(tmp_path, {"x": vectors, "y": LABELS}, "whole.npz"))
    assert (len(whole.train), len(whole.test), whole.classes) == (32, 8, 4)


def test_images_may_be_called_x_and_y(tmp_path: Path) -> None:
    whole = load(saved(tmp_path, {"x": IMAGES, "y": LABELS}))
    assert whole.digest == load(saved(tmp_path, {"images": IMAGES, "labels": LABELS}, "b.npz")).digest


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.where(VECTORS > 2, np.nan, VECTORS)}, "x must hold finite numbers, got nan in column"),
        ({"x": VECTORS * 1e300}, "x must hold numbers of at most 3.4e38"),
        ({"x": VECTORS[:, :0]}, "x must have shape N×D with N and D of 1 or more, got 40×0"),
        ({"x": VECTORS.astype(str)}, "x must hold real numbers, got <U"),
        ({"x": VECTORS.astype(complex)}, "x must hold real numbers, got complex128"),
        (
            {"x": VECTORS, "y": np.arange(40)},
            "y must hold classes, some of several examples, got 40 integers that are all different",
        ),
        ({"x": VECTORS[:30]}, "x and y must be as many, got 30 vectors and 40 labels"),
        (keras(VECTORS) | {"x_test": VECTORS[30:, :3]}, "vectors of both splits must have one shape, got 5"),
        (keras(VECTORS) | {"x_test": IMAGES[30:]}, "both splits must have one shape, got 5 (train) and 1×28×28 (test)"),
    ],
)
def test_refuses_vectors(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    assert message in refusal(saved(tmp_path, {"y": LABELS, **arrays} if "x" in arrays else arrays))
