"""Data sets from folders of images by class."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hit.data import load
from hit.data.folders.decode import read_whole
from hit.errors import DataError

CLASSES = ("bird", "cat", "dog")


def picture(seed: int, shape: tuple[int, ...] = (28, 28)) -> Any:
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def fill(folder: Path, count: int, first: int = 0, shape: tuple[int, ...] = (28, 28)) -> Path:
    """`count` pictures a class as PNG; picture `seed` is of class `seed % 3`."""
    for seed in range(first, first + count * len(CLASSES)):
        path = folder / CLASSES[seed % 3] / f"{seed:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(seed, shape)).save(path)
    return folder


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    fill(tmp_path / "train", 4)
    fill(tmp_path / "test", 2, first=30)
    return tmp_path


def contents(split: Any) -> dict[bytes, int]:
    return {
        image.permute(1, 2, 0).contiguous().numpy().tobytes(): int(label)
        for image, label in zip(split.images, split.labels, strict=True)
    }


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(28, 28), (32, 30, 3)])
def test_train_and_test(tmp_path: Path, shape: tuple[int, ...]) -> None:
    fill(tmp_path / "train", 4, shape=shape)
    fill(tmp_path / "test", 2, first=30, shape=shape)
    data = load(str(tmp_path))
    assert data.classes == 3
    assert data.image_shape == ((1, 28, 28) if len(shape) == 2 else (3, 32, 30))
    assert contents(data.train) == {picture(seed, shape).tobytes(): seed % 3 for seed in range(12)}
    assert contents(data.test) == {picture(seed, shape).tobytes(): seed % 3 for seed in range(30, 36)}


def test_one_piece_is_split(tmp_path: Path) -> None:
    data = load(str(fill(tmp_path, 10)))
    assert (len(data.train), len(data.test)) == (24, 6)
    assert data.test.labels.bincount().tolist() == [2, 2, 2]
    assert contents(data.train) | contents(data.test) == {picture(seed).tobytes(): seed % 3 for seed in range(30)}


@pytest.mark.parametrize("parts", [True, False], ids=["train and test", "one piece"])
def test_file_names_and_times_do_not_matter(tmp_path: Path, parts: bool) -> None:
    folder = tmp_path / "a"
    for part in ("train", "test") if parts else (".",):
        fill(folder / part, 4)
    data = load(str(folder))
    shutil.copytree(folder, tmp_path / "b")
    for number, path in enumerate(sorted((tmp_path / "b").rglob("*.png"), key=lambda path: path.name[::-1])):
        path = path.rename(path.with_name(f"{1000 - number}.PNG"))
        os.utime(path, (number, number))
    again = load(str(tmp_path / "b"))
    assert again.digest == data.digest
    assert torch.equal(again.train.labels, data.train.labels)


def test_first_images_are_of_mixed_classes(tmp_path: Path) -> None:
    fill(tmp_path / "train", 20)
    fill(tmp_path / "test", 20, first=60)
    for split in (load(str(tmp_path)).train, load(str(tmp_path)).test):
        assert len(split.labels[:15].unique()) == 3


def test_a_pixel_and_a_label_matter(parted: Path) -> None:
    digest = load(str(parted)).digest
    (parted / "train/bird/0000.png").rename(parted / "train/dog/0000.png")
    moved = load(str(parted)).digest
    pixels = picture(0)
    pixels[3, 3] ^= 1
    Image.fromarray(pixels).save(parted / "train/dog/0000.png")
    assert len({digest, moved, load(str(parted)).digest}) == 3


def test_other_files_are_left_alone(parted: Path) -> None:
    digest = load(str(parted)).digest
    (parted / "train/bird/.hidden.png").write_bytes(b"")
    (parted / "train/bird/notes.txt").write_text("no image")
    (parted / "train/.cache").mkdir()
    (parted / "val").mkdir()
    (parted / "README.md").write_text("no image")
    nested = parted / "train/bird/more"
    nested.mkdir()
    (parted / "train/bird/0000.png").rename(nested / "0000.png")
    assert load(str(parted)).digest == digest


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    (tmp_path / "cat").rename(tmp_path / "train")
    assert load(str(tmp_path)).classes == 3


def test_modes_of_pictures(parted: Path) -> None:
    colour = picture(0, (28, 28, 3))
    Image.fromarray(colour).save(parted / "train/bird/0000.png")
    Image.fromarray(picture(1)).convert("P").save(parted / "train/cat/0001.png")
    Image.fromarray(picture(2) > 127).save(parted / "train/dog/0002.png")
    data = load(str(parted))
    expected = {colour.tobytes(): 0, np.repeat(picture(1)[..., None], 3, 2).tobytes(): 1}
    expected[np.repeat((picture(2)[..., None] > 127) * np.uint8(255), 3, 2).tobytes()] = 2
    assert data.image_shape == (3, 28, 28)  # grey pictures among RGB ones became RGB
    assert expected.items() <= contents(data.train).items()


@pytest.mark.parametrize(
    ("mode", "ending"), [("RGBA", "png"), ("P", "png"), ("CMYK", "tif"), ("YCbCr", "tif"), ("LA", "png"), ("1", "tif")]
)
@pytest.mark.parametrize("crop", [0, 28])
def test_modes_of_8_bits_are_taken_in_memory_as_in_crops(tmp_path: Path, mode: str, ending: str, crop: int) -> None:
    """Transparency is dropped; grey stays grey in memory, and crops are RGB."""
    grey = mode in ("LA", "1")
    for seed in range(6):
        (tmp_path / CLASSES[seed % 3]).mkdir(exist_ok=True)
        image = Image.fromarray(picture(seed, (28, 28) if grey else (28, 28, 3))).convert(mode)
        if mode in ("RGBA", "LA"):
            image.putalpha(Image.fromarray(picture(seed + 9)))
        image.save(tmp_path / CLASSES[seed % 3] / f"{seed}.{ending}")
    split = load(str(tmp_path), crop=crop, workers=0).train
    assert split.image_shape[0] == (1 if grey and not crop else 3)
    whole = {read_whole(str(path)).tobytes() for path in tmp_path.rglob(f"*.{ending}")}
    for image in split.head(len(split)):
        pixels = image.permute(1, 2, 0).contiguous().numpy()
        assert (pixels[:, :, :1] if grey else pixels).tobytes() in whole


@pytest.mark.parametrize(("dtype", "mode"), [(np.uint16, "I;16"), (np.int32, "I"), (np.float32, "F")])
@pytest.mark.parametrize("crop", [0, 28])
def test_refuses_more_bits(parted: Path, dtype: Any, mode: str, crop: int) -> None:
    (parted / "train/cat/0001.png").unlink()
    path = parted / "train/cat/0001.tif"
    Image.fromarray(picture(0).astype(dtype)).save(path)
    expected = f"train/cat/0001.tif must be grey or RGB with 8 bits, got Pillow's mode {mode} (16 bits or more"
    with pytest.raises(DataError) as caught:
        load(str(parted), crop=crop, workers=0).train.verify()
    assert expected in str(caught.value)


def test_names_the_first_odd_size(parted: Path) -> None:
    Image.fromarray(picture(4, (28, 30))).save(parted / "train/cat/0004.png")
    message = refusal(parted)
    assert "train/cat/0004.png is 30×28 pixels" in message
    assert "train/bird/0000.png 28×28 pixels" in message


def test_names_an_unreadable_image(parted: Path) -> None:
    path = parted / "test/dog/0032.png"
    whole = path.read_bytes()
    for damaged in (b"", b"GIF89a", whole[:100], whole[:-30]):
        path.write_bytes(damaged)
        assert "test/dog/0032.png cannot be read as an image" in refusal(parted)


def test_empty_folders(tmp_path: Path, parted: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "must hold images, or a folder of images for each class, got neither" in refusal(empty)
    (empty / "cat").mkdir()
    assert "empty/cat must hold images" in refusal(empty)
    (parted / "test/horse").mkdir()
    assert "has no class of that name in" in refusal(parted)
    (parted / "test/horse").rename(parted / "test/birds")
    assert "did you mean 'bird'?" in refusal(parted)


def test_one_part_alone(tmp_path: Path) -> None:
    fill(tmp_path / "train", 2)
    assert "must hold both train and test, or a folder for each class, got train" in refusal(tmp_path)


def test_one_class_alone(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    shutil.rmtree(tmp_path / "cat")
    shutil.rmtree(tmp_path / "dog")
    assert "labels must tell two classes or more apart, got 1" in refusal(tmp_path)


def test_a_small_cifar10() -> None:
    folder = Path(os.environ.get("HIT_DATA", ""), "cifar10_small")
    if not os.environ.get("HIT_DATA") or not folder.is_dir():
        pytest.skip("HIT_DATA is not set, or has no cifar10_small")
    data = load(str(folder))
    assert data.image_shape == (3, 32, 32)
    assert data.train.labels.bincount().tolist() == [200] * 10
    assert data.test.labels.bincount().tolist() == [100] * 10


def test_one_image_that_says_nothing_is_taken_and_a_folder_of_them_is_not(parted: Path) -> None:
    black = np.zeros((28, 28), np.uint8)
    Image.fromarray(black).save(parted / "train/bird/0000.png")
    assert len(load(str(parted)).train) == 12
    for path in parted.rglob("*.png"):
        Image.fromarray(black).save(path)
    assert "training images must differ, but every pixel of all of them is 0" in refusal(parted)


def test_val_is_the_test_split_where_there_is_no_other(parted: Path) -> None:
    digest = load(str(parted)).digest
    (parted / "test").rename(parted / "val")
    assert load(str(parted)).digest == digest
