"""What a training imports before its first step: module-level imports alone, followed through our own modules."""

import ast
from collections.abc import Iterator
from pathlib import Path

import hit

ROOT = Path(hit.__file__).resolve().parent.parent
#: What takes a tenth of a second and more to import, and is not needed by every training.
SLOW = {
    "matplotlib",
    "optuna",
    "plotly",
    "scipy.interpolate",
    "scipy.optimize",
    "scipy.stats",
    "sklearn",
    "torch._dynamo",
    "torchmetrics",
    "torchvision",
}


def file_of(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def imported(tree: ast.Module) -> Iterator[str]:
    """Names of modules that the module imports when it is imported itself, and of what may be modules."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached(start: str) -> set[str]:
    waiting, found = [start], set[str]()
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        if module.split(".")[0] == "hit" and (path := file_of(module)):
            waiting += imported(ast.parse(path.read_text(encoding="utf-8")))
            waiting += [module.rpartition(".")[0]] if "." in module else []
    return found


def test_a_training_imports_nothing_slow_that_it_does_not_need() -> None:
    found = reached("hit.runs.training_run") | reached("hit.runs.pruning")
    assert {"torch", "mlflow", "hit.evaluation.lossy_coding"} <= found
    assert not {name for name in found if any(name == one or name.startswith(f"{one}.") for one in SLOW)}
