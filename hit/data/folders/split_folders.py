"""Which folders are the splits of a data set, by their names."""

__all__ = ["check_no_splits", "train_and_test"]

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hit.data.folders.walking import holds_images, image_names, subfolder_names
from hit.errors import DataError

#: Names of splits, in any case, also with "set" after them (`Training Set`, `test_set`).
_TRAIN, _TEST, _VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation")
#: Parts of names by which folders look like splits where all else of two names is the same.
_TRAIN_LIKE = (*_TRAIN, "trn")
_HELD_OUT_LIKE = (*_TEST, "tst", *_VALIDATION, "eval", "evaluation", "dev", "holdout")

#: What a name of a split may hold besides, and means nothing.
_FILLERS = re.compile("images?|imgs?|pictures?|photos?|samples?|data|set|split|folder")
#: Names of parts of a data set that are no classes either, where all are called so.
_PARTS = re.compile(r"(?:fold|split|part|subset)[ _.-]?[0-9]+", re.IGNORECASE)

_RULE = "must hold either train and test (or val), or a folder for each class"


def train_and_test(folder: Path, parts: Mapping[str, Path]) -> tuple[Path, Path] | None:
    """The folders of the training and of the test images among `parts`; None where these are classes.

    Known are `train` or `training`, `test` or `testing` and, where there is none of these, `val`, `valid` or
    `validation`, in any case. Folders without images beside them are left alone. A single `train` or `val` among
    classes is one of them if it holds images itself: a split holds folders.

    Args:
        folder: where they are.
        parts: name → folder.

    Raises:
        DataError: one split without the other, two of one kind, splits among classes, or names that look like splits
            and are none of these.
    """
    kinds = (_TRAIN, _TEST, _VALIDATION)
    train, test, validation = ([name for name in parts if _plain(name) in kind] for kind in kinds)
    splits = [*train, *test, *validation]
    if not splits:
        check_no_splits(folder, parts)
        if len(parts) > 1 and all(_PARTS.fullmatch(name) for name in parts):
            raise DataError(f"{folder} {_RULE}, got parts that are no classes: {_some(list(parts))}")
        return None
    classes = [name for name, path in parts.items() if name not in splits and holds_images(path)]
    if train and (test or validation):
        held_out = test or validation
        for names in (train, held_out):
            if len(names) > 1:
                raise DataError(f"{folder} must hold one folder for each split, got {names[0]} and {names[1]}")
        if classes:
            raise DataError(f"{folder} {_RULE}, got {train[0]}, {held_out[0]} and {_some(classes)}")
        return parts[train[0]], parts[held_out[0]]
    if not classes:
        raise DataError(f"{folder} must hold both train and test, or a folder for each class, got {', '.join(parts)}")
    for name in splits:
        if name in test or (subfolder_names(parts[name]) and not image_names(parts[name])):
            raise DataError(f"{folder} {_RULE}, got {name} and {_some(classes)}; rename it if it is a class")
    check_no_splits(folder, parts)
    return None


def check_no_splits(folder: Path | str, names: Iterable[str]) -> None:
    """Raise DataError where two folders look like splits: but for a word such as train and test, their names agree.

    >>> check_no_splits("x", ["train_station", "test_tube"])
    >>> check_no_splits("x", ["seg_train", "seg_test"])
    Traceback (most recent call last):
    hit.errors.kinds.DataError: seg_train and seg_test in x look like splits: call them train and test, right below ...
    """
    rests = {rest: name for name in names for rest in _rests(name, _TRAIN_LIKE)}
    if not rests:
        return
    for name in names:
        for rest in _rests(name, _HELD_OUT_LIKE):
            if rest in rests and rests[rest] != name:
                raise DataError(
                    f"{rests[rest]} and {name} in {folder} look like splits: call them train and test, right below "
                    "the folder of the data set, or rename them if they are classes"
                )


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name.casefold()).removesuffix("set")


def _rests(name: str, words: Iterable[str]) -> Iterator[str]:
    """What is left of the letters of a name without one of the words, and without what means nothing."""
    letters = re.sub(r"[\W\d_]+", "", name.casefold())
    for word in words:
        before, found, after = letters.partition(word)
        if found:
            yield _FILLERS.sub("", before + after)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
