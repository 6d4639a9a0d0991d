"""The console script `hit`: the project's commands under one name, from whatever folder.

`python -m analysis` looks into the working directory first, where another package may be called so. A console script
does not. The commands are those of the MLproject, with the same options.
"""

__all__ = ["main"]

import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from hit.commands import COMMANDS
from hit.errors import nearest
from hit.processes.setup import spare_letters

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest


#: Other names of commands: what the MLproject calls them.
_ALIASES = {"classifier": "classify", "main": "demo"}


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


def _run(name: str, rest: list[str]) -> NoReturn:
    command = COMMANDS[name]
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # nor do the processes that this one starts look there
    sys.argv = [f"hit {name}", *rest]

    try:
        from hit.cli import entry_point
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
