"""Streamed images: the same batches whoever reads them, and nothing that a user has to clean up."""

import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hit.config import TrainConfig
from hit.data import Dataset, Split, batches, labelled_batches, load
from hit.data.folders import decode, fingerprint, reader
from hit.data.folders import folder as folder_module
from hit.data.folders.decode import read_square, read_whole
from hit.data.folders.stream import StreamedImages
from hit.errors import DataError, Interrupted
from hit.evaluation import evaluate_model
from hit.evaluation.pictures import reconstructions
from hit.models import HierarchicalVAE, build_model
from hit.randomness import generator
from hit.training import fit
from tests.commands import alive, wait_until
from tests.pictures import large_pictures, noise

SMALL = TrainConfig(channels=4, z_dims=(5,), likelihood="gaussian", epochs=3, batch_size=16, crop=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large_pictures(tmp_path_factory.mktemp("large"))


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(folder, tmp_path / "own"))


@pytest.fixture(scope="module")
def streamed(folder: Path) -> Iterator[Dataset]:
    """With one worker process, for all that needs one."""
    data = load(str(folder), crop=32, workers=1)
    yield data
    data.train.reader._loaders.clear()  # type: ignore[attr-defined]


def epoch(data: Dataset, number: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    order = torch.randperm(len(data.train), generator=generator("batches", seed, number))
    return list(labelled_batches(data.train, 16, order, crops=generator("crops", seed, number)))


def refusal(folder: Path | str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(str(folder), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_interface_is_that_of_images_in_memory(folder: Path) -> None:
    data = load(str(folder), crop=64, workers=0)
    assert (data.classes, data.image_shape, len(data.train), len(data.test)) == (3, (3, 64, 64), 40, 12)
    assert data.test.labels.bincount().tolist() == [4, 4, 4]
    assert len(data.test.labels[:6].unique()) == 3, "the first images are of mixed classes"
    first = data.test.head(5)
    assert (first.dtype, tuple(first.shape)) == (torch.uint8, (5, 3, 64, 64))
    assert torch.equal(data.test.head(100)[:5], first)
    whole = torch.cat(list(batches(data.test, 5)))
    assert [len(images) for images in batches(data.test, 5)] == [5, 5, 2]
    chosen = torch.tensor([7, 0, 11])
    for images, labels in labelled_batches(data.test, 5, chosen):
        assert torch.equal(images, whole[chosen])
        assert torch.equal(labels, data.test.labels[chosen])
    with pytest.raises(ValueError, match="batch_size must be 1 or more"):
        batches(data.test, 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_epoch_does_not_depend_on_who_reads(folder: Path, streamed: Dataset, workers: int) -> None:
    alone = load(str(folder), crop=32, workers=0)
    data = streamed if workers == 1 else load(str(folder), crop=32, workers=workers)
    assert data.digest == alone.digest
    pids = []
    for number in (0, 1):
        for (x, y), (expected_x, expected_y) in zip(epoch(data, number), epoch(alone, number), strict=True):
            assert torch.equal(x, expected_x)
            assert torch.equal(y, expected_y)
        pids.append(readers(data))
    assert pids[0] == pids[1], "workers are kept from one epoch to the next"
    assert torch.equal(data.test.head(12), alone.test.head(12))


def test_crops_are_drawn_anew_every_epoch(folder: Path) -> None:
    data = load(str(folder), crop=64, workers=0)
    order = torch.arange(40)
    one, other, again = (
        torch.cat(list(batches(data.train, 16, order, crops=generator("crops", 0, number)))) for number in (0, 1, 0)
    )
    assert torch.equal(one, again)
    assert sum(not torch.equal(a, b) for a, b in zip(one, other, strict=True)) > 30
    assert torch.equal(data.train.head(40), data.train.head(40)), "those for measurements are fixed"


class TestSquares:
    def test_pixels_are_untouched_where_the_shorter_side_fits(self, tmp_path: Path) -> None:
        path, pixels = str(tmp_path / "a.png"), noise(0, 90, 50)
        Image.fromarray(pixels).save(path)
        assert np.array_equal(read_square(path, 50, None), pixels[:, 20:70])
        assert np.array_equal(read_square(path, 50, 0.0), pixels[:, :50])
        assert np.array_equal(read_square(path, 50, 1 - 1e-12), pixels[:, 40:])
        Image.fromarray(pixels.transpose(1, 0, 2)).save(path)
        assert np.array_equal(read_square(path, 50, None), pixels[:, 20:70].transpose(1, 0, 2))

    @pytest.mark.parametrize("size", [(1000, 700), (40, 90), (64, 64)])
    def test_scaling_keeps_what_is_seen(self, tmp_path: Path, size: tuple[int, int]) -> None:
        """A JPEG decoded at a fraction, or enlarged, is close to the same square resized with all its pixels."""
        path = str(tmp_path / "a.jpg")
        Image.fromarray(noise(1, 60, 50)).resize(size, Image.Resampling.BICUBIC).save(path, quality=95)
        pixels = Image.fromarray(read_whole(path))
        left, top = max(0, size[0] - size[1]) // 2, max(0, size[1] - size[0]) // 2
        short = min(size)
        expected = pixels.crop((left, top, left + short, top + short)).resize((64, 64), Image.Resampling.BILINEAR)
        found = read_square(path, 64, None)
        assert np.abs(found.astype(int) - np.asarray(expected)).mean() < 3

    def test_exif_says_what_is_up(self, tmp_path: Path) -> None:
        upright, turned = str(tmp_path / "a.png"), str(tmp_path / "b.png")
        pixels = noise(2, 90, 50)
        Image.fromarray(pixels).save(upright)
        exif = Image.Exif()
        exif[0x0112] = 6  # its right side is up
        Image.fromarray(np.rot90(pixels)).save(turned, exif=exif)
        assert np.array_equal(read_whole(turned), read_whole(upright))
        for place in (None, 0.0, 0.7):
            assert np.array_equal(read_square(turned, 32, place), read_square(upright, 32, place))

    def test_every_mode_of_8_bits_becomes_rgb(self, tmp_path: Path) -> None:
        image = Image.fromarray(noise(3, 60, 60))
        for mode, ending in (("L", "png"), ("1", "png"), ("P", "png"), ("RGBA", "png"), ("LA", "png"), ("CMYK", "jpg")):
            image.convert(mode).save(tmp_path / f"a.{ending}")
            found = read_square(str(tmp_path / f"a.{ending}"), 60, None)
            assert found.shape == (60, 60, 3)
            if mode == "RGBA":
                assert np.array_equal(found, image)
        Image.fromarray(np.zeros((60, 60), np.uint16)).save(tmp_path / "b.png")
        with pytest.raises(DataError, match="must be grey or RGB with 8 bits"):
            read_square(str(tmp_path / "b.png"), 60, None)


class TestDigest:
    def test_tells_data_apart(self, own: Path) -> None:
        digests = [load(str(own), crop=32).digest, load(str(own), crop=64).digest]
        path = own / "train/cat/001.JPEG"
        whole = path.read_bytes()
        path.write_bytes(whole[:-20] + bytes(20))  # as large as before
        digests.append(load(str(own), crop=32).digest)
        path.write_bytes(whole)
        path.rename(own / "train/dog/001.JPEG")
        digests.append(load(str(own), crop=32).digest)
        (own / "train/dog/001.JPEG").rename(own / "train/cat/1.JPEG")
        digests.append(load(str(own), crop=32).digest)
        assert len(set(digests)) == len(digests)

    def test_place_and_times_do_not_matter(self, folder: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        os.utime(own / "train/cat/001.JPEG", (0, 0))
        digest = load(str(folder), crop=32).digest
        assert load(str(own), crop=32).digest == digest
        monkeypatch.chdir(own.parent)
        assert load("./own", crop=32).digest == digest
        assert load("./own", crop=32).to("cpu").digest == digest

    def test_of_many_bytes_reads_some_files(self, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fingerprint, "_WHOLE_BYTES", 1000)
        monkeypatch.setattr(fingerprint, "_SAMPLED_FILES", 4)
        opened: list[str] = []
        hashed = fingerprint.hashlib.file_digest
        monkeypatch.setattr(
            fingerprint.hashlib, "file_digest", lambda file, name: opened.append(file.name) or hashed(file, name)
        )
        digest = load(str(own), crop=32).digest
        assert len(opened) == 8
        Path(opened[0]).write_bytes(Path(opened[0]).read_bytes()[:-1] + b"\0")
        assert load(str(own), crop=32).digest != digest


class TestWhenStreamed:
    def test_large_images_are_streamed_unasked(self, own: Path) -> None:
        data = load(str(own))
        assert isinstance(data.train, StreamedImages)
        assert data.image_shape == (3, 256, 256)
        assert data.digest == load(str(own), crop=256).digest

    def test_images_of_one_size_keep_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Up to 256 pixels; what would fill the memory is streamed whole, with the same pixels."""
        for seed in range(12):
            path = tmp_path / "abc"[seed % 3] / f"{seed:02}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(noise(seed, 130, 90)).save(path)
        held = load(str(tmp_path), workers=0)
        assert isinstance(held.train, Split)
        assert held.image_shape == (3, 90, 130)
        monkeypatch.setattr(folder_module, "_MOST_BYTES", 12 * 3 * 90 * 130 - 1)
        streamed = load(str(tmp_path), workers=0)
        assert isinstance(streamed.train, StreamedImages)
        assert streamed.image_shape == held.image_shape
        known = {bytes(image.numpy().data) for split in (held.train, held.test) for image in split.head(12)}
        assert {bytes(image.numpy().data) for image in streamed.train.head(12)} <= known
        assert streamed.digest not in (held.digest, load(str(tmp_path), crop=90).digest)
        odd = tmp_path / "c" / "11.png"
        Image.fromarray(noise(11, 130, 100)).save(odd)
        with pytest.raises(DataError, match=r"must have one size where crop is 0, 130×90 pixels, but .*11.png is 130×"):
            [*batches(streamed.train, 12), *batches(streamed.test, 12)]
        caplog.set_level(logging.INFO, "hit")
        assert load(str(tmp_path), workers=0).image_shape == (3, 256, 256), "of several sizes: crops"
        assert caplog.messages == [f"{odd} is not of 130×90 pixels, as others are: images are crops of 256×256"]
        caplog.clear()
        first = tmp_path / "a" / "00.png"
        Image.fromarray(noise(0, 260, 90)).save(first)
        assert load(str(tmp_path), workers=0).image_shape == (3, 256, 256), "larger ones: crops"
        assert caplog.messages == [f"{first} is larger than 256×256 pixels: images are crops of 256×256"]

    def test_exif_turns_sizes_too(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        for seed in range(9):
            path = tmp_path / "abc"[seed % 3] / f"{seed}.jpg"
            path.parent.mkdir(exist_ok=True)
            lying = seed % 2 == 1
            picture = Image.fromarray(noise(seed, *((90, 130) if lying else (130, 90))))
            picture.save(path, **({"exif": exif} if lying else {}))
        assert load(str(tmp_path)).image_shape == (3, 90, 130)

    def test_small_ones_where_a_crop_is_asked_for(self, tmp_path: Path) -> None:
        for seed in range(9):
            path = tmp_path / "abc"[seed % 3] / f"{seed}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(noise(seed, 40, 40)).save(path)
        assert not isinstance(load(str(tmp_path)).train, StreamedImages)
        data = load(str(tmp_path), crop=32, workers=0)
        assert isinstance(data.train, StreamedImages)
        assert (len(data.train), len(data.test)) == (7, 2), "a folder in one piece is split"
        assert data.train.head(7).shape == (7, 3, 32, 32)

    def test_imagenet_lies_below_the_root(self, tmp_path: Path) -> None:
        message = refusal("imagenet", root=str(tmp_path))
        assert f"{tmp_path}/imagenet/train must be a folder" in message
        assert "cannot be downloaded" in message
        large_pictures(tmp_path / "imagenet", 6, 3, parts=("train", "val"))
        data = load("imagenet", str(tmp_path))
        assert (len(data.train), len(data.test), data.image_shape) == (6, 3, (3, 256, 256))
        assert data.digest == load(str(tmp_path / "imagenet")).digest
        assert load("imagenet", str(tmp_path), crop=32).image_shape == (3, 32, 32)
        shutil.rmtree(tmp_path / "imagenet/val")
        assert "imagenet/val must be a folder" in refusal("imagenet", root=str(tmp_path))

    @pytest.mark.parametrize("name", ["digits", "mnist", "elsewhere.npz"])
    def test_others_take_no_crop(self, name: str) -> None:
        assert "crop must be 0 but for imagenet and folders of images, got 32" in refusal(name, crop=32)

    def test_an_identity_holds_the_crop_through_the_digest_alone(self) -> None:
        """As it was before there were crops: what is in a store keeps its identity."""
        assert TrainConfig().identity("d") == "160b1646906c0dae"
        assert TrainConfig().group("d") == "07035fc018c49edc"
        assert TrainConfig(crop=32).identity("d") == TrainConfig().identity("d")
        assert load("digits").digest == "45ac3cc5c0d8233e"


class TestDamage:
    @pytest.mark.parametrize("workers", [0, 1])
    def test_is_one_line_that_names_the_file(self, own: Path, workers: int) -> None:
        path = own / "test/dog/041.JPEG"
        path.write_bytes(path.read_bytes()[:2000])
        data = load(str(own), crop=32, workers=workers)
        with pytest.raises(DataError, match=r"test/dog/041\.JPEG cannot be read as an image: .*truncated") as caught:
            data.test.verify()
        assert "\n" not in str(caught.value)
        assert len(data.train.head(3)) == 3, "it still reads others"

    def test_that_costs_nothing_to_find_is_found_at_once(self, own: Path) -> None:
        (own / "train/dog/002.JPEG").write_bytes(b"")
        assert "train/dog/002.JPEG cannot be read as an image: the file is empty" in refusal(own, crop=32)

    def test_verify_stops_when_asked(self, folder: Path) -> None:
        def check() -> None:
            raise Interrupted(15)

        with pytest.raises(Interrupted):
            load(str(folder), crop=32, workers=0).test.verify(check)


class TestMemory:
    def test_a_batch_is_read_when_it_is_asked_for(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[str] = []
        monkeypatch.setattr(
            reader, "read_square", lambda path, side, place: read.append(path) or decode.read_square(path, side, place)
        )
        data = load(str(folder), crop=32, workers=0)
        assert not read
        parts = batches(data.train, 8)
        for number in range(1, 6):
            next(parts)
            assert len(read) == 8 * number

    @pytest.mark.parametrize(("side", "workers"), [(32, 1), (256, 1), (256, 15)])
    def test_what_waits_is_bounded(self, side: int, workers: int) -> None:
        loader = reader.Reader(side)._start(reader._Decoder(side), workers)
        assert loader.prefetch_factor is not None
        chunks = loader.prefetch_factor * workers
        assert chunks >= 2 * workers, "a worker has something to do while its last chunk is taken"
        assert chunks == 2 * workers or chunks * reader._CHUNK * 3 * side**2 <= reader._AHEAD_BYTES


class TestWorkers:
    def test_a_new_pass_ends_the_one_before(self, streamed: Dataset) -> None:
        first = batches(streamed.train, 8)
        next(first)
        assert torch.equal(next(batches(streamed.test, 8)), streamed.test.head(8))
        with pytest.raises(RuntimeError, match="one pass over streamed images at a time"):
            list(first)

    def test_hear_neither_ctrl_c_nor_sigterm_of_others(self, streamed: Dataset) -> None:
        streamed.train.head(1)
        (pid,) = readers(streamed)
        os.kill(pid, signal.SIGINT)
        subprocess.run(["kill", "-TERM", str(pid)], check=True)
        assert len(epoch(streamed, 0)) == 3
        assert readers(streamed) == [pid]
        assert alive(pid)

    def test_one_that_is_killed_is_told_and_replaced(self, folder: Path) -> None:
        data = load(str(folder), crop=32, workers=1)
        data.train.head(1)
        (pid,) = readers(data)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(DataError, match="a process that reads images was killed"):
            epoch(data, 0)
        assert len(epoch(data, 0)) == 3
        (pid,) = readers(data)
        del data
        wait_until(lambda: "gone" if not alive(pid) else "")


class TestTraining:
    def test_a_resumed_run_equals_an_uninterrupted_one(self, folder: Path, streamed: Dataset, tmp_path: Path) -> None:
        alone = load(str(folder), crop=32, workers=0)
        whole = trained(alone)
        path = tmp_path / "checkpoint.safetensors"
        with pytest.raises(Interrupted):
            trained(streamed, path, stop_after=4)  # 3 steps an epoch: in the second one
        resumed = trained(streamed, path)
        assert all(map(torch.equal, whole.state_dict().values(), resumed.state_dict().values()))
        other = trained(alone, config=replace(SMALL, seed=1))
        assert not all(map(torch.equal, whole.state_dict().values(), other.state_dict().values()))

    def test_a_model_is_measured(self, streamed: Dataset) -> None:
        model = build_model(SMALL, streamed.image_shape).eval()
        core = evaluate_model(model, streamed, SMALL.betas).metrics
        every = evaluate_model(model, streamed, SMALL.betas, {"core", "latents"}).metrics
        assert core.keys() < every.keys()
        assert all(core[name] == every[name] for name in core if name != "test/seconds")
        assert reconstructions(model, streamed.test.head(30)).shape[0] == 3


def trained(
    data: Dataset, checkpoint: Path | None = None, stop_after: int = 0, config: TrainConfig = SMALL
) -> HierarchicalVAE:
    model = build_model(config, data.image_shape)
    steps = iter(range(10**9))

    def check() -> None:
        if stop_after and next(steps) >= stop_after:
            raise Interrupted(15)

    fit(model, data.train, config, check=check, checkpoint=checkpoint, identity="x")
    return model


def readers(data: Dataset) -> list[int]:
    """Its worker processes."""
    (loader,) = data.train.reader._loaders  # type: ignore[attr-defined]
    return [worker.pid for worker in loader._iterator._workers]
