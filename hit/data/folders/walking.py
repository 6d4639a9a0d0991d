"""The image files below folders, each of them once, whatever links lead to it."""

__all__ = ["ENDINGS", "files_once", "holds_images", "image_names", "subfolder_names"]

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hit.data.error_text import reason
from hit.errors import DataError

ENDINGS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
#: What unpackers, file servers and file systems put beside a user's folders: previews, and what was removed.
_OF_SYSTEMS = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found")


def subfolder_names(folder: Path) -> list[str]:
    """Names of the folders in a folder, without hidden ones, and without links to one that it lies in.

    Raises:
        DataError: it cannot be read.
    """
    return [name for name, _, path in _entries(os.fspath(folder)).folders if not _is_circle(path)]


def image_names(folder: Path) -> list[str]:
    """Names of the images in a folder itself.

    Raises:
        DataError: it cannot be read.
    """
    return [os.path.basename(path) for _, path in _entries(os.fspath(folder)).images]


def holds_images(folder: Path) -> bool:
    """Whether there is an image at any depth below a folder."""
    for _, folders, files in os.walk(folder, onerror=_refuse):
        if any(map(_is_image, files)):
            return True
        folders[:] = [name for name in folders if not _is_hidden(name)]
    return False


def files_once(folders: Sequence[Path], check: Callable[[str, list[str]], None]) -> list[list[str]]:
    """Paths of the image files below each folder, with slashes, in the order of their names.

    Links are followed. What several paths lead to, below one folder, counts by one of them, without a link
    where there is such a path; a link to a folder that it lies in is left out. Hidden folders and files are left
    alone, and so are the folders that systems make.

    Args:
        folders: of classes.
        check: told the names of the folders in every folder that is read, with its path; raises where they mislead.

    Raises:
        DataError: a folder cannot be read or holds no image, or a file lies below two of the folders.
    """
    walk = _Walk(check)
    for folder in folders:
        walk.take(os.fspath(folder))
    return [walk.found(os.fspath(folder)) for folder in folders]


@dataclass
class _Entries:
    """What a folder holds of interest, in the order of names: whether it is a link, with its path."""

    folders: list[tuple[str, bool, str]] = field(default_factory=list)
    images: list[tuple[bool, str]] = field(default_factory=list)


@dataclass
class _Walk:
    """Folders that were read, by their real paths, and links to files.

    Real paths are asked for of folders and links alone: of ImageNet's million files they would take minutes.
    """

    check: Callable[[str, list[str]], None]
    read: dict[str, tuple[str, str]] = field(default_factory=dict)  # real path → the class's folder, path
    files: dict[str, list[str]] = field(default_factory=dict)  # the class's folder → paths
    links: dict[str, list[str]] = field(default_factory=dict)  # the same, of links to files
    linked: dict[str, tuple[str, str]] = field(default_factory=dict)  # real path of a file → the class's folder, path

    def take(self, top: str) -> None:
        """Read the folder of a class and all below it, links last."""
        self.files[top], self.links[top] = [], []
        waiting, linked = deque([top]), deque[str]()
        while waiting or linked:
            path = waiting.popleft() if waiting else linked.popleft()
            real = os.path.realpath(path)
            if real in self.read:
                self._check_owner(top, path, *self.read[real])
                continue
            self.read[real] = top, path
            entries = _entries(path)
            self.check(path, [name for name, _, _ in entries.folders])
            for _, is_link, below in entries.folders:
                if not is_link:
                    waiting.append(below)
                elif not _is_circle(below):
                    linked.append(below)
            for is_link, below in entries.images:
                (self.links if is_link else self.files)[top].append(below)

    def found(self, top: str) -> list[str]:
        """What counts of a class, once all classes are read."""
        paths = list(self.files[top])
        for path in sorted(self.links[top]):
            real = os.path.realpath(path)
            folder, name = os.path.split(real)
            if real in self.linked:
                self._check_owner(top, path, *self.linked[real])
            elif folder in self.read and _is_image(name) and os.path.isfile(real):
                self._check_owner(top, path, self.read[folder][0], real)
            elif os.path.isfile(real) or not os.path.exists(real):  # one that leads nowhere is named when it is read
                self.linked[real] = top, path
                paths.append(path)
        if not paths:
            raise DataError(f"{top} must hold images ({', '.join(ENDINGS)}), got none")
        start = len(os.path.join(top, ""))
        return sorted(path[start:].replace(os.sep, "/") for path in paths)

    def _check_owner(self, top: str, path: str, owner: str, other: str) -> None:
        if owner != top:
            raise DataError(f"an image must be of one class and one split, but {path} and {other} are the same")


def _entries(folder: str) -> _Entries:
    found = _Entries()
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if _is_hidden(entry.name):
                    continue
                if _is_folder(entry):
                    found.folders.append((entry.name, entry.is_symlink(), entry.path))
                elif _is_image(entry.name) and (entry.is_symlink() or entry.is_file()):  # a pipe has no end
                    found.images.append((entry.is_symlink(), entry.path))
    except OSError as error:
        _refuse(error)
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _OF_SYSTEMS


def _is_circle(path: str) -> bool:
    """Whether a folder's path is a link to a folder that it lies in."""
    above, target = os.path.realpath(os.path.dirname(path)), os.path.realpath(path)
    return above == target or above.startswith(os.path.join(target, ""))


def _refuse(error: OSError) -> None:
    raise DataError(f"a folder cannot be read: {reason(error)}") from error
