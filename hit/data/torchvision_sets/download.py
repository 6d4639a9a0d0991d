"""Getting torchvision's data sets: where they are looked for, and a download that leaves all or nothing."""

__all__ = ["DataRoot", "ensure"]

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
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from hit.config.paths import given_path
from hit.data.error_text import reason
from hit.data.network import patient, reach
from hit.data.torchvision_sets.sources import Source, is_intact
from hit.errors import DataError

_LOG = logging.getLogger(__name__)
_PATIENCE = 10.0  # seconds without a byte

#: What torchvision, urllib and the unpackers raise.
_FAILURES = (OSError, RuntimeError, ValueError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)


@dataclass(frozen=True)
class DataRoot:
    """The folder of torchvision's data sets, and who named it."""

    path: Path
    origin: str

    @classmethod
    def find(cls, root: str) -> "DataRoot":
        """`root`, else $HIT_DATA, else ./data.

        Raises:
            ConfigError: a path that cannot be reached.
        """
        for path, origin in ((root, "data_root"), (os.environ.get("HIT_DATA", ""), "$HIT_DATA")):
            if path.strip():
                return cls(given_path(origin, path.strip()), origin)
        return cls(Path("data"), "the default")

    def __str__(self) -> str:
        return f"{self.path} ({self.origin})"


def ensure(source: Source, root: DataRoot) -> None:
    """Download what is missing of `source` under `root`; where all is there, the root may be read-only.

    Files that are there are never touched. The download goes to a folder of its own in the root, under
    a lock, and whole files move from there to their places: what a killed download leaves behind is
    cleared by the next one, and two processes do not disturb each other.

    Raises:
        DataError: the root is no folder, or a file is missing and cannot be downloaded.
    """
    if root.path.exists() and not root.path.is_dir():
        raise DataError(f"data_root must be a folder, got the file {root}")
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
        raise DataError(
            f"{missing[0]} is not in {root} and cannot be downloaded: {reason(error)}; put it there, "
            "or set data_root or $HIT_DATA to the folder that has it"
        ) from error


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
