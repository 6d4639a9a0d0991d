"""Labels that are classes, continuous, or not there: how they are read, split and told apart."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hit.data import Dataset, Split, labelled_batches, load
from hit.data.splitting import split_indices, stratified_indices
from hit.errors import DataError
from hit.schema import LabelKind

RNG = np.random.RandomState(0)
IMAGES = RNG.randint(0, 256, (40, 28, 28)).astype(np.uint8)
NUMBERS = RNG.normal(size=40)
FLAT = {"x_train": IMAGES[:30], "x_test": IMAGES[30:]}


def saved(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "data.npz", **arrays)
    return str(folder / "data.npz")


def draw(folder: Path, first: int, count: int, side: int = 28) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        picture = np.random.RandomState(seed).randint(0, 256, (side, side)).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{seed:03}.png")


def refusal(name: str) -> str:
    with pytest.raises(DataError) as caught:
        load(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("arrays", [FLAT, {"images": IMAGES}])
def test_npz_without_labels(tmp_path: Path, arrays: dict[str, Any]) -> None:
    data = load(saved(tmp_path, **arrays, names=np.arange(40)))
    assert (data.train.labels, data.test.labels, data.classes) == (None, None, 0)
    assert data.label_kind is LabelKind.NONE
    assert len(data.train) + len(data.test) == 40
    with pytest.raises(DataError, match="must have labels here"):
        labelled_batches(data.train, 4)


def test_splits_without_classes_are_plain() -> None:
    train, test = split_indices(40, None)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(40))
    assert len(test) == 8
    for one, other in zip((train, test), split_indices(40, torch.tensor(NUMBERS).float()), strict=True):
        assert torch.equal(one, other)
    classes = torch.arange(40) % 3
    for one, other in zip(split_indices(40, classes), stratified_indices(classes), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_are_continuous(tmp_path: Path, kind: str) -> None:
    labels = NUMBERS.astype(kind)
    data = load(saved(tmp_path, **FLAT, y_train=labels[:30, None], y_test=labels[30:]))
    assert (data.label_kind, data.classes) == (LabelKind.CONTINUOUS, 0)
    assert data.train.labels is not None
    assert data.train.labels.dtype == torch.float32
    assert np.allclose(data.train.labels, labels[:30])


def test_a_few_whole_floats_are_classes_and_a_line_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    classes = np.arange(40) % 4 + 3
    with caplog.at_level(logging.WARNING):
        read = load(saved(tmp_path, images=IMAGES, labels=classes.astype(float)))
    assert "labels: floats that are whole numbers, 4 distinct ones, are read as classes" in caplog.text
    assert read.classes == 4
    assert read.digest == load(saved(tmp_path, images=IMAGES, labels=classes)).digest


def test_other_whole_floats_are_continuous(tmp_path: Path) -> None:
    for labels in (np.arange(40.0) // 1.5 // 1, np.arange(40.0) % 4 - 1, np.arange(40.0), np.arange(40) % 4 / 10):
        assert load(saved(tmp_path, images=IMAGES, labels=labels)).label_kind is LabelKind.CONTINUOUS


def test_integers_that_all_differ(tmp_path: Path) -> None:
    assert "labels must hold classes, some of several examples, got 40 integers that are all different" in refusal(
        saved(tmp_path, images=IMAGES, labels=np.arange(40))
    )


def test_digests_tell_kinds_apart_and_keep_those_of_classes(tmp_path: Path) -> None:
    whole = Split(torch.from_numpy(IMAGES)[:, None], torch.arange(40) % 4)
    assert Dataset("x", whole, whole, 4).digest == "ff4f238a5f1bffe1"  # as before there were other kinds
    bare = Split(whole.images)
    numbers = Split(whole.images, torch.arange(40) / 7)
    assert len({Dataset("x", one, one, 0).digest for one in (bare, numbers)}) == 2


def test_kinds_that_do_not_go_together() -> None:
    images = torch.from_numpy(IMAGES)[:, None]
    bare, classes, numbers = Split(images), Split(images, torch.arange(40) % 2), Split(images, torch.arange(40) / 7)
    for train, test, count, message in [
        (bare, classes, 0, "of one kind, got none (train) and classes (test)"),
        (numbers, bare, 0, "of one kind, got continuous (train) and none (test)"),
        (bare, bare, 2, "classes must be 0 where labels are none, got 2"),
        (Split(images, torch.ones(40)), numbers, 0, "continuous labels must differ, but all of the training images"),
    ]:
        with pytest.raises(DataError) as caught:
            Dataset("x", train, test, count)
        assert message in str(caught.value)
    with pytest.raises(DataError, match="labels must be finite, got 40 that are not"):
        Split(images, torch.full((40,), torch.nan))


@pytest.mark.parametrize("side", [28, 72])  # in memory, and streamed
def test_folders_without_classes(tmp_path: Path, side: int) -> None:
    draw(tmp_path / "whole", 0, 10, side)
    (tmp_path / "whole/notes").mkdir()
    draw(tmp_path / "parted/train", 0, 8, side)
    draw(tmp_path / "parted/val", 8, 3, side)
    for name, sizes in (("whole", (8, 2)), ("parted", (8, 3))):
        data = load(str(tmp_path / name), workers=0)
        assert data.label_kind is LabelKind.NONE
        assert (len(data.train), len(data.test)) == sizes
        assert len(data.train.head(8)) == 8
        assert data.to("cpu").digest == data.digest
    mixed = tmp_path / "parted/train/cat"
    draw(mixed, 20, 3, side)
    assert "both splits must have folders for classes, or neither" in refusal(str(tmp_path / "parted"))


def test_class_folders_go_before_images_beside_them(tmp_path: Path) -> None:
    draw(tmp_path, 0, 3)
    draw(tmp_path / "cat", 10, 5)
    draw(tmp_path / "dog", 20, 5)
    data = load(str(tmp_path))
    assert (data.classes, len(data.train) + len(data.test)) == (2, 10)
