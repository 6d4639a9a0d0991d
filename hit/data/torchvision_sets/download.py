"""Getting torchvision's data sets: a download that leaves all or nothing."""

__all__ = ["ensure"]

import contextlib
import http.client
import io
import logging
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from hit.data.error_text import reason
from hit.data.torchvision_sets.sources import Source, is_intact
from hit.dataset_files import DataRoot
from hit.dataset_files.network import patient, reach
from hit.dataset_files.presence import check_folder, not_obtainable

_LOG = logging.getLogger(__name__)
_PATIENCE = 10.0  # seconds without a byte

#: What torchvision, urllib and the unpackers raise.
_FAILURES = (OSError, RuntimeError, ValueError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)


def ensure(source: Source, root: DataRoot) -> None:
    """Download what is missing of `source` under `root`; where all is there, the root may be read-only.

    Files that are there are never touched. The download goes to a folder of its own in the root, under
    a lock, and whole files move from there to their places: what a killed download leaves behind is
    cleared by the next one, and two processes do not disturb each other.

    Raises:
        DataError: the root is no folder, or a file is missing and cannot be downloaded.
    """
    check_folder(root)
    missing = _missing(source, root.path)
    if not missing:
        return
    try:
        root.path.mkdir(parents=True, exist_ok=True)
        with FileLock(root.path / ".hit-download.lock"):
            if _missing(source, root.path):  # another process may have been faster
                _LOG.info("downloading %s and what belongs to it to %s", missing[0], root)
                _download(source, root.path)
    except _FAILURES as error:
        raise not_obtainable(missing[0], root, reason(error)) from error


def _missing(source: Source, root: Path) -> list[str]:
    return [file for file in source.files() if not os.path.isfile(root / file)]


def _download(source: Source, root: Path) -> None:
    staging = root / ".hit-download"
    shutil.rmtree(staging, ignore_errors=True)  # of a process that was killed
    staging.mkdir()
    try:
        for archive, md5 in source.archives().items():  # one that somebody put there by hand needs no network
            if is_intact(root / archive, md5):
                (staging / archive).parent.mkdir(parents=True, exist_ok=True)
                (staging / archive).symlink_to((root / archive).resolve())
        if not all((staging / archive).exists() for archive in source.archives()):
            reach(source.urls())
        with patient(_PATIENCE), _quiet():
            source.fetch(staging)
        for file in _missing(source, root):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / file, root / file)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torchvision's progress bar to terminals: in a log it is hundreds of lines."""
    if sys.stderr.isatty():
        yield
    else:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
