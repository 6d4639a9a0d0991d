"""What processes ask of a script that starts them: that its own work stands below a main guard."""

__all__ = ["GUARD", "check_main_guard"]

import ast
import math
import multiprocessing
import os
import sys
import threading
import tokenize
from types import FrameType, ModuleType

from hit.errors import UserError

GUARD = 'if __name__ == "__main__":'


def check_main_guard(doing: str) -> None:
    """Raise UserError where a process that is started now would run the script again, or not find it.

    A new process imports the script that started it (the start methods spawn and forkserver:
    https://docs.python.org/3/library/multiprocessing.html#the-spawn-and-forkserver-start-methods). Where the
    statement that is running does not stand below a guard, the new process comes to it, too, and dies of
    starting processes itself, after all the work above it. In doubt nothing is raised.

    Args:
        doing: what needs processes, for the message.
    """
    main = sys.modules["__main__"]
    starts = f"{doing} starts processes that import the script"
    if _is_no_file(main):
        raise UserError(f"{starts}, which must therefore be a file, got {main.__file__}")
    where = _unguarded_line(main)
    if where is None and getattr(multiprocessing.current_process(), "_inheriting", False):
        where = "a script that runs again while it is imported"
    if where is not None:
        raise UserError(f"{starts}, whose own statements must therefore stand below `{GUARD}`, got {where}")


def _is_no_file(main: ModuleType) -> bool:
    """Whether new processes would look for the script where there is none, as they do for what came by a pipe."""
    path = getattr(main, "__file__", None)
    return path is not None and main.__spec__ is None and not os.path.isfile(path)


def _unguarded_line(main: ModuleType) -> str | None:
    """The line of the script that is running, if no guard stands above it; None where that is not known."""
    path = getattr(main, "__file__", None)
    frame = _module_frame(main)
    if path is None or frame is None or _is_left_out(main):
        return None
    try:
        with tokenize.open(path) as file:
            nodes = list(ast.walk(ast.parse(file.read())))
    except (OSError, SyntaxError, ValueError):
        return None
    guards = [node.lineno for node in nodes if isinstance(node, ast.If) and _asks_for_name(node)]
    return None if min(guards, default=math.inf) <= frame.f_lineno else f"line {frame.f_lineno} of {path}"


def _module_frame(main: ModuleType) -> FrameType | None:
    """Where the script itself is, in the main thread."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals is vars(main):
            return frame
        frame = frame.f_back
    return None


def _is_left_out(main: ModuleType) -> bool:
    """Whether new processes do not import it: the `__main__` of a package."""
    name = getattr(main.__spec__, "name", None) or ""
    return name.rpartition(".")[2] == "__main__"


def _asks_for_name(node: ast.If) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test))
