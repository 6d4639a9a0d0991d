"""The project's commands, and how a person calls them: `hit train`, or `python -m hit.train`."""

__all__ = ["COMMANDS", "Command", "command_of", "program"]

import sys
from dataclasses import dataclass

from hit.schema import Kind


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
    "demo": Command("sweeps.main", Kind.SWEEP, "the whole story: a small sweep, its evaluation, its report"),
    "train": Command("hit.train", Kind.TRAIN, "train one model and measure it"),
    "evaluate": Command("hit.evaluate", Kind.EVALUATE, "add metrics to runs already trained"),
    "classify": Command("hit.classify", Kind.CLASSIFIER, "train the classifier that scores samples of a data set"),
    "surface": Command("hit.surface", Kind.SURFACE, "train one model for every beta, and read a grid off it"),
    "sweep": Command("sweeps", Kind.SWEEP, "let a driver choose models by what the store holds, and train them"),
    "report": Command("analysis", Kind.REPORT, "figures and recommendation from the store"),
    "import": Command("hit.import_runs", Kind.IMPORT, "bring checkpoints of the research code into the store"),
    "compress": Command("hit.compress", Kind.COMPRESS, "code images with a trained model"),
    "decompress": Command("hit.decompress", Kind.DECOMPRESS, "give back the images that compress has coded"),
    "recover": Command("hit.recover", Kind.RECOVER, "deal with what a state_dir holds that no store has"),
}


def command_of(module: str) -> str:
    """The name after `hit` of what `python -m module` runs; '' for another module.

    >>> command_of("hit.train"), command_of("sweeps.__main__"), command_of("hit.store")
    ('train', 'sweep', '')
    """
    names = {command.module: name for name, command in COMMANDS.items()}
    return names.get(module.removesuffix(".__main__"), "")


def program(module: str) -> str:
    """How whoever started this process calls the command of a module: `hit train`, or `python -m hit.train`.

    Advice begins with it, also that of a pool's processes, which are called as the command that started them.
    """
    called = sys.argv[0] if sys.argv else ""
    if not called.startswith("hit "):
        return f"python -m {module}"
    name = command_of(module)
    return f"hit {name}" if name else called
