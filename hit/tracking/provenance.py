"""Where a run comes from: the command, the user, the commit, the extensions, and the versions of packages."""

__all__ = ["packages", "source_tags"]

import contextlib
import getpass
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import hit
from hit.commands import program
from hit.extensions.discovery import loaded_lines
from hit.schema import Tag

_PACKAGES = ("mlflow", "torch", "torchvision", "scikit-learn", "numpy", "scipy", "pandas", "optuna", "plotly")


@cache
def packages() -> str:
    """Versions of Python and of what decides results, as JSON."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return json.dumps(versions)


def source_tags() -> dict[str, str]:
    """Which command this is, whose, and at which commit, under MLflow's names, and whose parts it knows beside ours."""
    tags = {Tag.SOURCE: program(_module()), "mlflow.source.type": "LOCAL", Tag.USER: _user(), Tag.COMMIT: _commit()}
    tags[Tag.EXTENSIONS] = loaded_lines()
    return {str(key): value for key, value in tags.items() if value}


@cache
def _commit() -> str:
    """The commit of the source tree that runs; '' where git knows of none."""
    root = Path(hit.__file__).resolve().parent.parent
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"],
            capture_output=True,
            check=True,
            timeout=10,
        ).stdout
        head = os.fsdecode(answer).split("\n")  # a path, whose letters the locale may lack
        if Path(head[0]).resolve() == root:  # installed inside somebody else's repository is not our commit
            return head[1]
    return ""


def _user() -> str:
    """Whose process this is; a container may have neither variables nor an entry for its user."""
    try:
        return getpass.getuser()  # $LOGNAME, $USER, …, else what the system knows
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _module() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name.removesuffix(".__main__") if spec is not None and spec.name else "hit"
