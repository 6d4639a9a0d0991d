"""Extensions: modules of others that register parts, imported before names are looked up.

They are found among the installed packages (entry-point group `hit.extensions`), and by name: in $HIT_EXTENSIONS and in
the parameter `extensions` of every command, which hands them on to the processes that it starts.
"""

__all__ = ["GROUP", "VARIABLE", "load_extensions", "load_known", "loaded", "loaded_lines", "temporary"]

import importlib
import importlib.metadata
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from hit.errors import ConfigError, EndsWork, shown
from hit.extensions.registry import all_or_nothing
from hit.extensions.source import Source, loading

GROUP = "hit.extensions"
VARIABLE = "HIT_EXTENSIONS"

#: Path of what was imported → what it is.
_LOADED: dict[str, Source] = {}
_UNDER_WAY: list[str] = []
#: Values of the variable whose extensions are there.
_SEEN: set[str] = set()


def load_extensions(text: str = "") -> None:
    """Import the extensions that `text` names, those of $HIT_EXTENSIONS and those of installed packages, each once.

    $HIT_EXTENSIONS then names them all, so that processes which this one starts have them, too.

    Args:
        text: Python files and modules, with commas.

    Raises:
        ConfigError: one is not there, does not import, or registers what is wrong; nothing of it is kept.
    """
    known = _names(os.environ.get(VARIABLE, ""))
    asked = [_placed(name) for name in dict.fromkeys([*known, *_names(text)])]
    _load_installed()
    for name in asked:
        _load(name)
    if asked != known:
        os.environ[VARIABLE] = ",".join(dict.fromkeys(asked))


def load_known() -> None:
    """Those of $HIT_EXTENSIONS and of installed packages: whatever process looks a name up that it does not know."""
    text = os.environ.get(VARIABLE, "")
    if not _UNDER_WAY and text not in _SEEN:
        _load_installed()
        for name in _names(text):
            _load(name)
        _SEEN.add(text)


def loaded() -> list[Source]:
    """All extensions that this process has imported."""
    return list(_LOADED.values())


def loaded_lines() -> str:
    """The same as the tag `hit.extensions` of a run tells them: source and path, a line each."""
    return "\n".join(f"{one} {one.path}" for one in loaded())


@contextmanager
def temporary() -> Iterator[None]:
    """Whatever is loaded or registered inside the block is gone afterwards: for tests, of others' parts, too."""
    loaded_before, seen_before = dict(_LOADED), set(_SEEN)
    variable, modules = os.environ.get(VARIABLE), set(sys.modules)
    try:
        with suppress(_Done), all_or_nothing():
            yield
            raise _Done
    finally:
        own = _LOADED.keys() - loaded_before.keys()
        for name in sys.modules.keys() - modules:
            if str(getattr(sys.modules[name], "__file__", "")) in own:
                del sys.modules[name]
        for kept, before in ((_LOADED, loaded_before), (_SEEN, seen_before)):
            kept.clear()
            kept.update(before)  # type: ignore[arg-type]
        os.environ.pop(VARIABLE, None)
        if variable is not None:
            os.environ[VARIABLE] = variable


class _Done(Exception):
    pass


def _load_installed() -> None:
    for point in importlib.metadata.entry_points(group=GROUP):
        _load(point.module)


def _load(name: str) -> None:
    path = _file_of(name)
    key = str(path)
    if key in _LOADED or key in _UNDER_WAY:
        return
    module, _ = _dotted(path)
    source = Source.of_files(path.name if "." not in module and _is_file(name) else module, path)
    _UNDER_WAY.append(key)
    try:
        with all_or_nothing(), loading(source):
            _import(name, path)
    except EndsWork as error:
        raise ConfigError(f"extension {source.name}: {error}") from None
    except (Exception, SystemExit) as error:
        places = reversed(traceback.extract_tb(error.__traceback__))
        line = next((one.lineno for one in places if one.filename == key), 0)
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ConfigError(
            f"extensions must be files or modules that import, got {shown(name)}: {said}"
            f"{f' (line {line})' if line else ''}"
        ) from None
    finally:
        _UNDER_WAY.remove(key)
    _LOADED[key] = source


def _import(name: str, path: Path) -> ModuleType:
    """The module; a file in a package is that package's module, and any other one has a name that nobody else has."""
    module, root = _dotted(path)
    if not _is_file(name):
        module = name
    if str(root) not in sys.path:
        sys.path.append(str(root))  # the last place: what is there hides nothing
    if not _is_file(name) or "." in module:
        return importlib.import_module(module)
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):  # another extension has imported it
        return known
    own = f"hit_extension_{path.stem}"
    spec = importlib.util.spec_from_file_location(own, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[own] = made
    try:
        spec.loader.exec_module(made)
    except BaseException:
        del sys.modules[own]
        raise
    sys.modules.setdefault(path.stem, made)
    return made


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def _is_file(name: str) -> bool:
    return name.endswith(".py") or os.sep in name


def _placed(name: str) -> str:
    """The name as it means the same in any folder: the path of what is not installed."""
    if _is_file(name):
        return str(_file_of(name))
    path = _file_of(name)
    return name if path.is_relative_to(sys.prefix) else str(path)


def _file_of(name: str) -> Path:
    """Where an extension begins.

    Raises:
        ConfigError: there is no such file or module.
    """
    if _is_file(name):
        path = Path(os.path.abspath(os.path.expanduser(name)))
        if path.suffix != ".py" or not os.path.isfile(path):  # which is False, too, where the system refuses to look
            raise ConfigError(f"extensions must be Python files or modules that are there, got {shown(str(path))}")
        return path
    if not all(map(str.isidentifier, name.split("."))):
        raise ConfigError(f"extensions must be Python files or modules that are there, got {shown(name)}")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)  # `hit` does not look there first
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    except Exception as error:  # of the package that the module is in
        raise ConfigError(
            f"extensions must be files or modules that import, got {shown(name)}: {type(error).__name__}: {error}"
        ) from None
    if spec is None or spec.origin is None:
        raise ConfigError(f"extensions must be Python files or modules that are there, got {shown(name)}")
    return Path(spec.origin)


def _dotted(path: Path) -> tuple[str, Path]:
    """The name that a file has as a module, and the folder from which it has it."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder
