"""The console script `hit`: the project's commands under one name, from whatever folder.

`python -m analysis` looks into the working directory first, where another package may be called so. A console script
does not. The commands are those of the MLproject, with the same options.
"""

__all__ = ["main", "refuse_others"]

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hit
from hit.commands import COMMANDS, command_of
from hit.errors import ConfigError, nearest
from hit.processes.setup import spare_letters

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest


#: Other names of commands: what the MLproject calls them.
_ALIASES = {"classifier": "classify", "main": "demo"}
_SHADOWED = ("sweeps", "analysis")


def main() -> NoReturn:
    """`hit NAME [options]`."""
    spare_letters()
    name, *rest = sys.argv[1:] or [""]
    name = _ALIASES.get(name, name)
    if name in COMMANDS:
        _run(name, rest)
    if name in ("-h", "--help", "--version"):
        sys.stdout.write(_overview() if name != "--version" else f"hit {_version()}\n")
        sys.exit(0)
    if not name:
        sys.stderr.write(_overview())
    else:
        print(f"error: unknown command {name!r}{nearest(name, COMMANDS)}", file=sys.stderr)
    sys.exit(2)


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


def _run(name: str, rest: list[str]) -> NoReturn:
    command = COMMANDS[name]
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # nor do the processes that this one starts look there
    sys.argv = [f"hit {name}", *rest]

    try:
        from hit.cli.parser import entry_point
    except KeyboardInterrupt:  # nothing has begun
        print("interrupted", file=sys.stderr)
        sys.exit(130)

    def run(argv: list[str], stop: "StopRequest") -> None:
        module = command.module if "." in command.module else f"{command.module}.__main__"
        importlib.import_module(module).main(argv, stop)

    entry_point(run, command.kind)


def _version() -> str:
    from hit import __version__

    return __version__


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.does}" for name, command in COMMANDS.items()]
    last = "`hit COMMAND --help` lists the options, `hit --version` says the version."
    return "\n".join(["usage: hit COMMAND [options]", "", *lines, "", last, ""])
