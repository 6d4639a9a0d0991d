"""Which files of a folder count: no hidden ones, each once, and splits never taken for classes."""

import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from hit.data import load
from hit.data.folders.listing import Listing, list_folder
from hit.errors import DataError


def tree(folder: Path, *paths: str) -> Path:
    """Empty files: a listing looks at names alone."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def names(listing: Listing) -> tuple[list[str], list[str]]:
    """Files of the training and of the test split, or of the whole and none."""
    train, test = ([] if part is None else [name for name, _ in part[1]] for part in (listing.train, listing.test))
    return train, test


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        list_folder(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestHidden:
    @pytest.mark.parametrize("hidden", [".ipynb_checkpoints", ".git", "__MACOSX", "@eaDir"])
    @pytest.mark.parametrize("place", ["", "cat/", "cat/deeper/", "cat/deeper/still/"])
    def test_folders_are_left_out_at_any_depth(self, tmp_path: Path, hidden: str, place: str) -> None:
        tree(tmp_path, "cat/1.png", "cat/deeper/2.png", "cat/deeper/still/3.png", "dog/1.png")
        tree(tmp_path, f"{place}{hidden}/1-checkpoint.png", f"{place}{hidden}/more/2.png", "cat/._1.png")
        listing = list_folder(tmp_path)
        assert names(listing)[0] == ["cat/1.png", "cat/deeper/2.png", "cat/deeper/still/3.png", "dog/1.png"]
        assert listing.classes == 2

    def test_in_splits_too(self, tmp_path: Path) -> None:
        tree(tmp_path, "train/cat/1.png", "train/cat/.ipynb_checkpoints/1.png", "train/.thumbnails/1.png")
        tree(tmp_path, "test/cat/2.png", ".ipynb_checkpoints/a/1.png")
        assert names(list_folder(tmp_path)) == (["cat/1.png"], ["cat/2.png"])


class TestSplits:
    @pytest.mark.parametrize("train", ["train", "Train", "TRAIN", "training", "Training", "training_set", "Train Set"])
    @pytest.mark.parametrize("test", ["test", "Test", "TESTING", "testing", "test-set", "val", "Valid", "VALIDATION"])
    def test_usual_names_are_known(self, tmp_path: Path, train: str, test: str) -> None:
        tree(tmp_path, f"{train}/a/1.png", f"{train}/b/2.png", f"{test}/a/3.png", f"{test}/b/4.png")
        listing = list_folder(tmp_path)
        assert names(listing) == (["a/1.png", "b/2.png"], ["a/3.png", "b/4.png"])
        assert listing.classes == 2

    def test_validation_images_are_left_alone_beside_test_images(self, tmp_path: Path) -> None:
        tree(tmp_path, "train/a/1.png", "validation/a/2.png", "Test/a/3.png", "docs/readme.txt", "notes.txt")
        assert names(list_folder(tmp_path)) == (["a/1.png"], ["a/3.png"])

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("train_images", "test_images"),
            ("seg_train", "seg_test"),
            ("train2017", "val2017"),
            ("TrainImages", "TestImages"),
            ("x-train", "x-eval"),
            ("trn", "tst"),
            ("train", "dev"),
            ("train", "holdout"),
            ("training", "valid_data"),
            ("mnist_training", "mnist_testing"),
        ],
    )
    @pytest.mark.parametrize("below", ["a", ""])
    def test_what_looks_like_splits_and_is_not_known_is_refused(
        self, tmp_path: Path, one: str, other: str, below: str
    ) -> None:
        tree(tmp_path, *(f"{name}/{below}/{file}.png" for name in (one, other) for file in "12"))
        message = refusal(tmp_path)
        assert one in message
        assert other in message
        assert "train and test" in message

    def test_parts_of_a_data_set_are_no_classes(self, tmp_path: Path) -> None:
        tree(tmp_path, *(f"fold{number}/{name}/{file}.png" for number in (1, 2) for name in "ab" for file in "12"))
        assert "got parts that are no classes: fold1, fold2" in refusal(tmp_path)

    @pytest.mark.parametrize(
        "paths",
        [
            ("train/a/1.png", "Test/a/2.png", "cat/3.png"),
            ("train/a/1.png", "val/a/2.png", "extra/a/3.png"),
            ("train/a/1.png", "cat/2.png", "dog/3.png"),
            ("Testing/a/1.png", "cat/2.png", "dog/3.png"),
            ("test/1.png", "cat/2.png", "dog/3.png"),
            ("valid/a/1.png", "cat/2.png", "dog/3.png"),
        ],
    )
    def test_a_mixture_of_splits_and_classes_is_refused(self, tmp_path: Path, paths: tuple[str, ...]) -> None:
        tree(tmp_path, *paths)
        message = refusal(tmp_path)
        assert "must hold either train and test (or val), or a folder for each class, got" in message
        assert paths[0].split("/")[0] in message
        assert paths[-1].split("/")[0] in message

    @pytest.mark.parametrize("pair", [("train", "Train"), ("train", "training"), ("val", "valid")])
    def test_two_of_a_kind_are_refused(self, tmp_path: Path, pair: tuple[str, str]) -> None:
        other = "test" if "train" in pair else "train"
        tree(tmp_path, f"{other}/a/1.png", *(f"{name}/a/2.png" for name in pair))
        message = refusal(tmp_path)
        assert f"must hold one folder for each split, got {pair[1]} and {pair[0]}" in message or (
            f"must hold one folder for each split, got {pair[0]} and {pair[1]}" in message
        )

    @pytest.mark.parametrize("alone", [("train",), ("Training",), ("val",), ("test", "validation")])
    def test_one_split_alone_is_refused(self, tmp_path: Path, alone: tuple[str, ...]) -> None:
        tree(tmp_path, *(f"{name}/{kind}/1.png" for name in alone for kind in "ab"))
        assert "must hold both train and test, or a folder for each class, got" in refusal(tmp_path)

    @pytest.mark.parametrize("classes", [("cat", "train"), ("val", "dog"), ("bullet_train", "test_tube"), ("a", "A")])
    def test_classes_may_be_called_so(self, tmp_path: Path, classes: tuple[str, ...]) -> None:
        tree(tmp_path, *(f"{name}/1.png" for name in classes))
        assert list_folder(tmp_path).classes == 2
        assert list_folder(tmp_path).test is None

    @pytest.mark.parametrize("place", ["cat/", "cat/deeper/", "wrapped/"])
    def test_splits_below_a_class_are_refused(self, tmp_path: Path, place: str) -> None:
        tree(tmp_path, "cat/0.png", "dog/0.png", f"{place}train/1.png", f"{place}Test/1.png")
        assert "look like splits: call them train and test, right below the folder" in refusal(tmp_path)

    def test_a_user_sees_which_data_set(self, tmp_path: Path) -> None:
        tree(tmp_path, "seg_train/a/1.png", "seg_test/a/1.png")
        with pytest.raises(DataError, match=rf"dataset '{tmp_path}': seg_train and seg_test in .* look like splits"):
            load(str(tmp_path))


class TestLinks:
    """Every file once, by its real path."""

    def link(self, path: Path, target: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    @pytest.mark.parametrize("target", [".", "..", "../..", "/", "deeper", "../cat"])
    def test_that_lead_in_a_circle_multiply_nothing(self, tmp_path: Path, target: str) -> None:
        tree(tmp_path / "data", "cat/1.png", "cat/deeper/2.png", "dog/3.png")
        self.link(tmp_path / "data/cat/loop", target)
        self.link(tmp_path / "data/loop", ".")
        self.link(tmp_path / "data/cat/deeper/itself", "itself")
        assert names(list_folder(tmp_path / "data"))[0] == ["cat/1.png", "cat/deeper/2.png", "dog/3.png"]
        assert list_folder(tmp_path / "data").classes == 2

    def test_of_a_class_count_once(self, tmp_path: Path) -> None:
        tree(tmp_path / "data", "cat/1.png", "cat/z/2.png", "dog/3.png")
        tree(tmp_path / "pool", "4.png", "5.png")
        for name, target in {
            "cat/0.png": "1.png",
            "cat/a/copy.png": "../z/2.png",
            "cat/b": "z",
            "cat/c": "../../pool",
            "cat/d": "../../pool",
            "cat/one.png": "../../pool/4.png",
            "dog/outside.png": "../../elsewhere.bin",
            "dog/outside too.png": "../../elsewhere.bin",
        }.items():
            self.link(tmp_path / "data" / name, target)
        (tmp_path / "elsewhere.bin").touch()
        found = names(list_folder(tmp_path / "data"))[0]
        assert found == ["cat/1.png", "cat/c/4.png", "cat/c/5.png", "cat/z/2.png", "dog/3.png", "dog/outside too.png"]
        assert max(Counter(os.path.realpath(tmp_path / "data" / name) for name in found).values()) == 1

    def test_to_a_data_set_elsewhere_are_followed(self, tmp_path: Path) -> None:
        tree(tmp_path / "pool", "cats/1.png", "dogs/2.png", "cats/3.png")
        for name, target in {"train/cat": "cats", "train/dog": "dogs"}.items():
            self.link(tmp_path / "data" / name, str(tmp_path / "pool" / target))
        tree(tmp_path / "data", "test/cat/4.png")
        assert names(list_folder(tmp_path / "data"))[0] == ["cat/1.png", "cat/3.png", "dog/2.png"]
        self.link(tmp_path / "whole", "data")
        assert names(list_folder(tmp_path / "whole")) == names(list_folder(tmp_path / "data"))

    @pytest.mark.parametrize(
        ("link", "target"),
        [
            ("train/cat/x.png", "../dog/2.png"),
            ("train/dog/x.png", "../cat/1.png"),
            ("test/cat/x.png", "../../train/cat/1.png"),
            ("train/cat/x", "../dog"),
            ("test/dog/x", "../../train/dog"),
            ("train/bird", "dog"),
            ("train/dog/x", "../../test"),
        ],
    )
    def test_of_two_classes_or_two_splits_are_refused(self, tmp_path: Path, link: str, target: str) -> None:
        tree(tmp_path, "train/cat/1.png", "train/dog/2.png", "test/cat/3.png", "test/dog/4.png")
        self.link(tmp_path / link, target)
        assert "an image must be of one class and one split, but" in refusal(tmp_path)

    def test_one_target_of_two_classes_is_refused(self, tmp_path: Path) -> None:
        tree(tmp_path, "data/cat/1.png", "data/dog/2.png", "pool.png")
        for name in ("cat", "dog"):
            self.link(tmp_path / f"data/{name}/x.png", "../../pool.png")
        assert "cat/x.png are the same" in refusal(tmp_path / "data")

    def test_a_split_that_is_the_other_one(self, tmp_path: Path) -> None:
        tree(tmp_path, "train/cat/1.png")
        self.link(tmp_path / "test", "train")
        assert "an image must be of one class and one split" in refusal(tmp_path)

    def test_pipes_are_left_alone(self, tmp_path: Path) -> None:
        """Who opens one waits for ever."""
        tree(tmp_path, "cat/1.png", "dog/2.png")
        os.mkfifo(tmp_path / "cat/pipe.png")
        self.link(tmp_path / "cat/to pipe.png", "pipe.png")
        assert names(list_folder(tmp_path))[0] == ["cat/1.png", "dog/2.png"]

    def test_a_broken_one_is_named_when_it_is_read(self, tmp_path: Path) -> None:
        tree(tmp_path, "cat/1.png", "dog/2.png")
        self.link(tmp_path / "cat/0.png", "nowhere.png")
        with pytest.raises(DataError, match=r"cat/0\.png cannot be read"):
            load(str(tmp_path))


class TestNames:
    COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))

    def test_of_the_same_text_are_one_class(self, tmp_path: Path) -> None:
        tree(tmp_path, f"train/{self.COMPOSED}/1.png", "train/cafz/2.png", f"test/{self.DECOMPOSED}/3.png")
        listing = list_folder(tmp_path)
        assert (listing.classes, listing.test) == (2, (tmp_path / "test", [(f"{self.DECOMPOSED}/3.png", 1)]))
        assert listing.train[1] == [("cafz/2.png", 0), (f"{self.COMPOSED}/1.png", 1)], "in the order of their text"

    def test_of_the_same_text_in_one_folder_are_refused(self, tmp_path: Path) -> None:
        tree(tmp_path, f"{self.COMPOSED}/1.png", f"{self.DECOMPOSED}/2.png")
        assert "must hold one folder of a name, got two called café, in different bytes" in refusal(tmp_path)

    def test_that_are_no_text(self, tmp_path: Path) -> None:
        tree(tmp_path, "cat\udcff/1.png", "dog/\udcff.png")
        assert names(list_folder(tmp_path))[0] == ["cat\udcff/1.png", "dog/\udcff.png"] or os.name != "posix"


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "cat/1.png", "cat/closed/2.png", "dog/3.png")
    scan = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert "a folder cannot be read" in refusal(tmp_path)
    assert "cat/closed" in refusal(tmp_path)
