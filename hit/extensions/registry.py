"""Parts of one kind by name: ours and those of extensions, found in one way."""

__all__ = ["Registry", "all_or_nothing", "foreign"]

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, overload

from hit.errors import ConfigError, nearest, shown
from hit.extensions.source import Source, source_of

EntryT = TypeVar("EntryT")
PartT = TypeVar("PartT")

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ALL: "list[Registry[Any]]" = []


class Registry(Generic[EntryT]):
    """The parts of one kind.

    Args:
        kind: what a part is, in a word, as the parameter that names one: `model`.
        declare: makes the entry from the part's name, the part, and what was declared beside it.
        form: what names look like.
        looks: the same in words.

    >>> shapes = Registry("shape", lambda name, part: part)
    >>> @shapes.register("square")
    ... def square(side):
    ...     return side * side
    >>> shapes.get("square")(3), shapes.names()
    (9, ('square',))
    >>> shapes.get("sqare")
    Traceback (most recent call last):
        ...
    hit.errors.kinds.ConfigError: shape must be 'square', got 'sqare'; did you mean 'square'?
    """

    def __init__(
        self,
        kind: str,
        declare: Callable[..., EntryT],
        form: re.Pattern[str] = _WORD,
        looks: str = "letters, digits and _",
    ) -> None:
        self.kind = kind
        self._form = form
        self._looks = looks
        self._declare = declare
        self._entries: dict[str, EntryT] = {}
        self._sources: dict[str, Source | None] = {}
        _ALL.append(self)

    @overload
    def register(self, name: str, **declared: Any) -> Callable[[PartT], PartT]: ...

    @overload
    def register(self, name: str, part: PartT, **declared: Any) -> PartT: ...

    def register(self, name: str, part: Any = None, **declared: Any) -> Any:
        """Give a part its name, as a decorator or as a call; the part, as it was.

        Args:
            name: letters, digits and `_`, beginning with a letter.
            part: what is named; or `module:function`, which is imported when it is first needed.
            declared: what is known of it beside.

        Raises:
            ConfigError: the name is taken or is none, or what is declared is wrong.
        """
        module = str(sys._getframe(1).f_globals.get("__name__", ""))  # parts may be texts and instances of our classes
        if part is None:
            return lambda decorated: self._register(name, decorated, module, declared)
        return self._register(name, part, module, declared)

    def _register(self, name: str, part: Any, module: str, declared: Mapping[str, Any]) -> Any:
        if not (isinstance(name, str) and self._form.fullmatch(name)):
            raise ConfigError(f"{self.kind} must be registered under {self._looks}, got {shown(name)}")
        source = source_of(part, module)
        if name in self._entries and not self._is_typed_again(name, source):
            raise ConfigError(
                f"{self.kind} {name!r} must be registered once: {_home(source)} registers what "
                f"{_home(self._sources[name])} has registered"
            )
        known = list(inspect.signature(self._declare).parameters)[2:]
        for key in declared:
            if key not in known:
                hint = nearest(key, known) if known else ""
                raise ConfigError(f"{self.kind} {name!r} must not be declared with {key!r}{hint}")
        entry = self._declare(name, part, **declared)
        self._entries[name], self._sources[name] = entry, source
        return part

    def get(self, name: str) -> EntryT:
        """The entry of this name.

        Raises:
            ConfigError: nothing is registered under it; with the nearest name.
        """
        if name not in self:
            raise ConfigError(self.unknown(name))
        return self._entries[name]

    def check(self, name: str) -> str:
        """The name, if something is registered under it; else as `get`."""
        self.get(name)
        return name

    def names(self) -> tuple[str, ...]:
        """All names, in the order in which they were registered."""
        return tuple(self._entries)

    def source(self, name: str) -> Source | None:
        """Where a part comes from; None for ours, and where nothing is registered."""
        return self._sources.get(name)

    def unknown(self, name: object) -> str:
        """What is wrong where nothing is called `name`."""
        names = [repr(known) for known in self._entries]
        listed = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        hint = nearest(name, self._entries).partition("; known")[0] if isinstance(name, str) else ""
        one_of = "one of " if len(names) > 1 else ""
        return f"{self.kind} must be {one_of}{listed}, got {shown(name)}{hint}"

    def __contains__(self, name: object) -> bool:
        """Whether something is registered under it here, or by an extension that is known of."""
        if not isinstance(name, str):
            return False
        if name not in self._entries:
            from hit.extensions.discovery import load_known  # which fills registries

            load_known()
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[EntryT]:
        return iter(tuple(self._entries.values()))

    def _is_typed_again(self, name: str, source: Source | None) -> bool:
        """Whether a notebook's cell is run again."""
        before = self._sources[name]
        return source is not None and before is not None and not source.path and not before.path


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Take back what is registered inside the block, in any registry, where an error ends it.

    A registry that is made inside the block keeps its own parts.
    """
    before = [(registry, dict(registry._entries), dict(registry._sources)) for registry in _ALL]
    try:
        yield
    except BaseException:
        for registry, entries, sources in before:
            registry._entries, registry._sources = entries, sources
        for registry in _ALL[len(before) :]:
            for name in [name for name, source in registry._sources.items() if source is not None]:
                del registry._entries[name], registry._sources[name]
        raise


def foreign() -> dict[str, list[str]]:
    """Kind of part → names of those that are not ours."""
    return {one.kind: [name for name, source in one._sources.items() if source is not None] for one in _ALL}


def _home(source: Source | None) -> str:
    return source.name if source is not None else "hit"
