"""A folder that may not be entered, also where the tests are run by root, who may enter every folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_NOBODY = 65534


@contextlib.contextmanager
def unreadable(folder: Path) -> Iterator[Path]:
    """While the block runs, nothing below `folder` can be reached, and the folder cannot be written to."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(_NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
