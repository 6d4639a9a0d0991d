"""The console script `hit`: the project's commands under one name, from whatever folder.

`python -m analysis` looks into the working directory first, where another package may be called so. A console script
does not. The commands are those of the MLproject, with the same options.
"""

__all__ = ["COMMANDS", "Command", "main", "program", "refuse_others"]

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hit.errors import ConfigError, nearest
from hit.schema import Kind
from hit.terminal import spare_letters

if TYPE_CHECKING:
    from hit.stop import StopRequest


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        module: what `python -m` runs for it, and what holds its `main`.
        kind: of its run in the store.
        does: one line for people.
    """

    module: str
    kind: Kind
    does: str


#: Name after `hit` → command, in the order in which they are told. Nothing is imported before it is asked for.
COMMANDS = {
    "main": Command("sweeps.main", Kind.SWEEP, "the whole story: a small sweep, its evaluation, its report"),
    "train": Command("hit.train", Kind.TRAIN, "train one model and measure it"),
    "evaluate": Command("hit.evaluate", Kind.EVALUATE, "add metrics to runs already trained"),
    "classify": Command("hit.classify", Kind.CLASSIFIER, "train the classifier that scores samples of a data set"),
    "surface": Command("hit.surface", Kind.SURFACE, "train one model for every beta, and read a grid off it"),
    "sweep": Command("sweeps", Kind.SWEEP, "let a driver choose models by what the store holds, and train them"),
    "report": Command("analysis", Kind.REPORT, "figures and recommendation from the store"),
    "import": Command("hit.import_runs", Kind.IMPORT, "bring checkpoints of the research code into the store"),
    "recover": Command("hit.recover", Kind.RECOVER, "deal with what a state_dir holds that no store has"),
}
#: Names of the MLproject's entry points that differ.
_ALIASES = {"classifier": "classify"}
_SHADOWED = ("sweeps", "analysis")


def main() -> NoReturn:
    """`hit NAME [options]`."""
    spare_letters()
    name, *rest = sys.argv[1:] or [""]
    name = _ALIASES.get(name, name)
    if name in COMMANDS:
        _run(name, rest)
    if name in ("-h", "--help"):
        sys.stdout.write(_overview())
        sys.exit(0)
    if not name:
        sys.stderr.write(_overview())
    else:
        print(f"error: unknown command {name!r}{nearest(name, COMMANDS)}", file=sys.stderr)
    sys.exit(2)


def program(module: str) -> str:
    """How a person has called the command of a module: `hit train`, or `python -m hit.train`."""
    called = sys.argv[0] if sys.argv else ""
    return called if called.startswith("hit ") else f"python -m {module}"


def refuse_others() -> None:
    """Return if `sweeps` and `analysis` are ours.

    `python -m` and notebooks find packages of these names in the working directory before ours.

    Raises:
        ConfigError: one of them is somebody else's.
    """
    home = Path(__file__).resolve().parent.parent
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
    module = getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", "").removesuffix(".__main__")
    found = [name for name, command in COMMANDS.items() if command.module == module]
    return f"hit {found[0]}" if found else "hit"


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


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.does}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: hit COMMAND [options]", "", *lines, "", "`hit COMMAND --help` lists the options.", ""])
