"""What identifies image files that are too many to be decoded before training."""

__all__ = ["fingerprint"]

import hashlib
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from hit.data.error_text import reason
from hit.errors import DataError

_WHOLE_BYTES = 2**28
_SAMPLED_FILES = 512


def fingerprint(root: Path, files: Sequence[tuple[str, int | None]]) -> str:
    """SHA-256 of names below `root`, classes and sizes of all files, and of contents.

    Contents are those of every file where all together have at most 256 MiB, which takes under a second
    from a warm disk; of larger sets, those of 512 files spread evenly over `files`. Then a file that is
    changed without changing its size may go unseen; ImageNet's 150 GB would take minutes to hours to read
    at the start of every run. Times of files do not enter.

    Args:
        root: folder of one part of a data set.
        files: path below it and class of each file (None: it has none), in the order of the split.

    Raises:
        DataError: a file is empty or cannot be read; the message names it.
    """
    digest = hashlib.sha256()
    total = 0
    for name, label in files:
        path = os.path.join(root, name)
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise DataError(f"{path} cannot be read: {reason(error)}") from error
        if size == 0:
            raise DataError(f"{path} cannot be read as an image: the file is empty")
        total += size
        text = unicodedata.normalize("NFC", name)  # file systems keep é as one character or as two
        digest.update(f"{text}\0{label}\0{size}\n".encode(errors="surrogateescape"))
    step = 1 if total <= _WHOLE_BYTES else max(1, len(files) // _SAMPLED_FILES)
    for name, _ in files[::step]:
        path = os.path.join(root, name)
        try:
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise DataError(f"{path} cannot be read: {reason(error)}") from error
    return digest.hexdigest()
