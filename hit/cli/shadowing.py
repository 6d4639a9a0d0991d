"""Packages of the working directory that stand before ours on Python's path."""

__all__ = ["refuse_others"]

import sys
from pathlib import Path

import hit
from hit.commands import command_of
from hit.errors import ConfigError

_SHADOWED = ("sweeps", "analysis")


def refuse_others() -> None:
    """Return if `sweeps` and `analysis` are ours.

    `python -m` and notebooks find packages of these names in the working directory before ours.

    Raises:
        ConfigError: one of them is somebody else's.
    """
    home = Path(hit.__file__).resolve().parent.parent
    for name in _SHADOWED:
        module = sys.modules.get(name)
        places = [*getattr(module, "__path__", ()), getattr(module, "__file__", None) or str(home / name)]
        if home / name != Path(places[0]).resolve():
            raise ConfigError(
                f"package {name!r} must be that of HIT, got {places[0]}, which comes first on Python's path; "
                f"go on with `{_instead()}`, which takes the same options and does not look into the working directory"
            )


def _instead() -> str:
    """The console script's words for the command that runs."""
    name = command_of(getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", ""))
    return f"hit {name}" if name else "hit"
