"""Data sets: what a split and a data set promise, the digest, batches, the fixed split, and names."""

import dataclasses
import itertools
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hit.data import NAMES, Dataset, Split, batches, labelled_batches, load
from hit.data.splitting import split_in_two, stratified_indices
from hit.errors import DataError


def random_split(count: int, shape: tuple[int, int, int] = (1, 4, 5), seed: int = 0) -> Split:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(count) % 3)


@pytest.fixture
def data() -> Dataset:
    return Dataset("random", random_split(12), random_split(6, seed=1), classes=3)


class TestDigits:
    def test_split(self) -> None:
        data = load("digits")
        assert (len(data.train), len(data.test)) == (1437, 360)
        assert data.image_shape == (1, 28, 28)
        assert data.classes == 10
        assert data.name == "digits"

    def test_both_splits_together_are_the_digits_of_scikit_learn(self) -> None:
        from sklearn.datasets import load_digits

        data = load("digits")
        pixels, labels = load_digits(return_X_y=True)
        both = torch.cat([data.train.labels, data.test.labels]).bincount()
        assert both.tolist() == torch.from_numpy(labels).bincount().tolist()
        enlarged = torch.nn.functional.interpolate(
            torch.from_numpy(pixels).view(-1, 1, 8, 8) * (255 / 16), size=28, mode="bilinear"
        )
        ours = torch.cat([data.train.images, data.test.images])
        # The same images in another order: for each of ours one of theirs that is at most a level away.
        ours, theirs = ours.flatten(1).double(), enlarged.flatten(1)
        closest = torch.cdist(ours, theirs).argmin(1)
        assert closest.unique().numel() == 1797
        assert (ours - theirs[closest]).abs().max() <= 0.5 + 1e-9

    def test_is_the_same_everywhere(self) -> None:
        assert load("digits").digest == load("digits").digest == "45ac3cc5c0d8233e"

    def test_is_stratified(self) -> None:
        data = load("digits")
        share = data.test.labels.bincount() / (data.test.labels.bincount() + data.train.labels.bincount())
        assert (share - 0.2).abs().max() < 0.01


class TestRealMnist:
    @pytest.fixture
    def folder(self) -> str:
        folder = os.environ.get("HIT_DATA", "")
        if not folder or not Path(folder, "MNIST/raw").is_dir():
            pytest.skip("HIT_DATA is not set, or has no MNIST")
        return folder

    def test_known_numbers(self, folder: str) -> None:
        data = load("mnist", folder)
        assert (len(data.train), len(data.test)) == (60_000, 10_000)
        assert data.test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert data.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert round(float(data.train.images.float().mean()) / 255, 4) == 0.1307
        assert data.digest == "77bd804cf38a616f"

    def test_binary(self, folder: str) -> None:
        data = load("binary_mnist", folder)
        assert data.test.images.unique().tolist() == [0, 255]
        assert torch.equal(data.test.labels, load("mnist", folder).test.labels)


class TestSplit:
    def test_length_and_text(self) -> None:
        split = random_split(7)
        assert len(split) == 7
        assert repr(split) == "Split(7 images of 1×4×5)"

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (torch.zeros(2, 1, 4, 4), torch.zeros(2).long(), "got float32 of shape 2×1×4×4"),
            (torch.zeros(2, 4, 4).byte(), torch.zeros(2).long(), "got uint8 of shape 2×4×4"),
            (torch.zeros(0, 1, 4, 4).byte(), torch.zeros(0).long(), "must not be empty, got shape 0×1×4×4"),
            (torch.zeros(2, 1, 0, 4).byte(), torch.zeros(2).long(), "must not be empty"),
            (
                torch.zeros(2, 1, 4, 4).byte(),
                torch.zeros(2).int(),
                "or float32 (continuous) of shape N, got int32",
            ),
            (torch.zeros(2, 1, 4, 4).byte(), torch.zeros(2, 1).long(), "got int64 of shape 2×1"),
            (torch.zeros(2, 1, 4, 4).byte(), torch.zeros(3).long(), "got 2 images and 3 labels"),
        ],
    )
    def test_refuses(self, images: torch.Tensor, labels: torch.Tensor, message: str) -> None:
        with pytest.raises(DataError) as caught:
            Split(images, labels)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


class TestDataset:
    def test_refuses_splits_of_different_shape(self) -> None:
        with pytest.raises(DataError, match=r"got 1×4×5 \(train\) and 3×4×5 \(test\)"):
            Dataset("x", random_split(3), random_split(3, (3, 4, 5)), classes=3)

    def test_refuses_labels_out_of_range(self) -> None:
        test = Split(random_split(2).images, torch.tensor([-1, 3]))
        with pytest.raises(DataError, match=r"labels must be in 0…2, got -1…3 in the test split"):
            Dataset("x", random_split(3), test, classes=3)

    def test_refuses_a_single_class(self) -> None:
        split = Split(random_split(2).images, torch.zeros(2).long())
        with pytest.raises(DataError, match="two classes or more apart, got 1"):
            Dataset("x", split, split, classes=1)

    def test_is_frozen(self, data: Dataset) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            data.classes = 4  # type: ignore[misc]

    def test_to_the_device_where_it_is_shares_memory(self, data: Dataset) -> None:
        moved = data.to("cpu")
        assert moved.train.images.data_ptr() == data.train.images.data_ptr()
        assert moved.digest == data.digest

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_to_a_device(self, data: Dataset) -> None:
        moved = data.to("cuda")
        assert {tensor.device.type for tensor in (moved.train.images, moved.test.labels)} == {"cuda"}
        assert moved.digest == data.digest
        order = torch.randperm(12)
        for here, there in zip(batches(data.train, 5, order), batches(moved.train, 5, order), strict=True):
            assert torch.equal(here, there.cpu())


class TestDigest:
    def test_form(self, data: Dataset) -> None:
        assert len(data.digest) == 16
        assert set(data.digest) <= set("0123456789abcdef")

    def test_does_not_depend_on_the_name_or_on_memory_layout(self, data: Dataset) -> None:
        last = data.train.images.contiguous(memory_format=torch.channels_last)
        other = Dataset("other", Split(last, data.train.labels.clone()), data.test, classes=3)
        assert other.digest == data.digest

    @given(
        part=st.sampled_from(["train", "test"]),
        index=st.integers(0, 5),
        pixel=st.integers(0, 19),
        bit=st.integers(0, 7),
    )
    def test_changes_with_any_pixel(self, part: str, index: int, pixel: int, bit: int) -> None:
        data = Dataset("random", random_split(12), random_split(6, seed=1), classes=3)
        split: Split = getattr(data, part)
        images = split.images.clone()
        images[index].view(-1)[pixel] ^= 1 << bit
        changed = dataclasses.replace(data, **{part: Split(images, split.labels)})
        assert changed.digest != data.digest

    @pytest.mark.parametrize("part", ["train", "test"])
    @pytest.mark.parametrize("index", range(6))
    def test_changes_with_any_label(self, data: Dataset, part: str, index: int) -> None:
        split: Split = getattr(data, part)
        labels = split.labels.clone()
        labels[index] = (labels[index] + 1) % 3
        assert dataclasses.replace(data, **{part: Split(split.images, labels)}).digest != data.digest

    def test_changes_with_shape_and_with_the_roles_of_the_splits(self, data: Dataset) -> None:
        turned = [Split(split.images.view(-1, 1, 5, 4), split.labels) for split in (data.train, data.test)]
        assert Dataset("turned", *turned, classes=3).digest != data.digest
        assert Dataset("swapped", data.test, data.train, classes=3).digest != data.digest


class TestBatches:
    @pytest.mark.parametrize("batch_size", [1, 4, 5, 12, 100])
    def test_cover_the_split_in_order(self, data: Dataset, batch_size: int) -> None:
        cut = list(batches(data.train, batch_size))
        assert torch.equal(torch.cat(cut), data.train.images)
        assert all(len(batch) == batch_size for batch in cut[:-1])
        assert cut[0].data_ptr() == data.train.images.data_ptr()  # a view, no copy

    @pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
    def test_follow_a_permutation(self, data: Dataset, batch_size: int) -> None:
        order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
        assert torch.equal(torch.cat(list(batches(data.train, batch_size, order))), data.train.images[order])
        images, labels = zip(*labelled_batches(data.train, batch_size, order), strict=True)
        assert torch.equal(torch.cat(images), data.train.images[order])
        assert torch.equal(torch.cat(labels), data.train.labels[order])

    def test_of_a_part_of_the_split(self, data: Dataset) -> None:
        assert [len(batch) for batch in batches(data.train, 2, torch.tensor([3, 1, 2]))] == [2, 1]

    def test_refuse_an_empty_batch_at_once(self, data: Dataset) -> None:
        with pytest.raises(ValueError, match="batch_size must be 1 or more, got 0"):
            batches(data.train, 0)


class TestFixedSplit:
    @given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=200))
    @settings(max_examples=50)
    def test_is_disjoint_complete_stratified_and_deterministic(self, labels: list[int]) -> None:
        marks = torch.tensor(labels)
        train, test = stratified_indices(marks)
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(labels)))
        assert len(test) == -(-len(labels) // 5)
        for label in set(labels):
            share = int((marks == label).sum()) / 5
            assert abs(int((marks[test] == label).sum()) - share) < 1
        again, _ = stratified_indices(marks)
        assert torch.equal(train, again)

    def test_mixes_the_classes(self) -> None:
        train, test = stratified_indices(torch.arange(1000) // 100)  # class by class
        for indices in (train, test):
            labels = indices // 100
            assert len(labels[:50].unique()) == 10
            assert sum(a == b for a, b in itertools.pairwise(labels.tolist())) < len(labels) / 4

    def test_needs_two_images(self) -> None:
        with pytest.raises(DataError, match="need two examples or more, got 1"):
            split_in_two(torch.zeros(1, 1, 2, 2).byte(), torch.zeros(1).long())


class TestNames:
    def test_are_known(self) -> None:
        assert NAMES == ("digits", "mnist", "binary_mnist", "fashion_mnist", "cifar10", "svhn", "imagenet")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("mnst", "dataset 'mnst': unknown; did you mean 'mnist'?"),
            ("CIFAR10", "did you mean 'cifar10'?"),
            ("", "dataset '': unknown; known: digits, mnist"),
            ("no/such/folder", "there is no such file or folder"),
            ("no/such.npz", "there is no such file"),
            ("x" * 300, "unknown; known: digits"),
            (__file__, "must end in .npz"),
        ],
    )
    def test_that_lead_nowhere(self, name: str, message: str) -> None:
        with pytest.raises(DataError) as caught:
            load(name)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
