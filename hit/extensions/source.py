"""Where a part comes from that is not ours: a file or a module, and the digest of its source."""

__all__ = ["Source", "loading", "source_files", "source_of"]

import ast
import hashlib
import inspect
import sys
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Packages whose parts need no digest: the commit of a run says what they are.
_OURS = ("hit", "sweeps", "analysis")


@dataclass(frozen=True)
class Source:
    """Where a part comes from.

    Attributes:
        name: of the file without its folder, or of the module.
        digest: sixteen hex digits of the SHA-256 of its source.
        path: of the file.
    """

    name: str
    digest: str
    path: str = ""

    def __str__(self) -> str:
        """As it stands in a run's params: 'my_model.py@0123456789abcdef'."""
        return f"{self.name}@{self.digest}"

    @classmethod
    def of_files(cls, name: str, path: Path) -> "Source":
        """The source that begins with one file."""
        digest = hashlib.sha256()
        for one in source_files(path):
            digest.update(one.read_bytes() + b"\0")
        return cls(name, digest.hexdigest()[:16], str(path))


_LOADING: ContextVar[Source | None] = ContextVar("the extension that is being imported", default=None)


@contextmanager
def loading(source: Source) -> Iterator[None]:
    """Whatever is registered inside the block comes from this extension."""
    token = _LOADING.set(source)
    try:
        yield
    finally:
        _LOADING.reset(token)


def source_of(part: Any, module: str = "") -> Source | None:
    """Where a part comes from; None for ours.

    Args:
        part: what it is.
        module: name of the module that it is of; empty: that in which a function or class is defined.
    """
    module = module or getattr(part, "__module__", "") or ""
    if module.partition(".")[0] in _OURS:
        return None
    if (current := _LOADING.get()) is not None:
        return current
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is not None and Path(file).suffix == ".py":
        return Source.of_files(Path(file).name if module in ("__main__", "__mp_main__") else module, Path(file))
    try:  # a notebook's cell
        text = inspect.getsource(part)
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):  # none, or one that has changed since
        code = getattr(part, "__code__", None)
        text = f"{getattr(part, '__qualname__', type(part))} {getattr(code, 'co_code', b'')!r}"
    return Source(module or "python", hashlib.sha256(text.encode()).hexdigest()[:16])


def source_files(path: Path) -> list[Path]:
    """A Python file and what it imports from its own folder and package, in an order that does not change."""
    found: dict[Path, None] = {}
    waiting = [path.resolve()]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found[file] = None
        waiting += _imported(file)
    return sorted(found, key=lambda one: (one != path.resolve(), one.as_posix()))


def _imported(file: Path) -> Iterator[Path]:
    """The files beside and below this one, or in its package, that its import statements name."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    top = file.parent
    while (top / "__init__.py").is_file():
        top = top.parent
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            start = top
        elif isinstance(node, ast.ImportFrom):
            start = file.parents[node.level - 1] if node.level else top
            home = f"{node.module}." if node.module else ""
            names = [node.module or "", *(f"{home}{alias.name}" for alias in node.names)]
        else:
            continue
        for name in filter(None, names):
            for depth in range(1, name.count(".") + 2):
                place = start.joinpath(*name.split(".")[:depth])
                for one in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                    if one.is_file():
                        yield one.resolve()
