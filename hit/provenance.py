"""Where a run comes from: the command, the user, the commit, and the versions of packages."""

__all__ = ["packages", "source_tags"]

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from hit.schema import Tag

_PACKAGES = ("mlflow", "torch", "torchvision", "scikit-learn", "numpy", "scipy", "pandas", "optuna", "plotly")


def packages() -> str:
    """Versions of Python and of what decides results, as JSON."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return json.dumps(versions)


def source_tags() -> dict[str, str]:
    """Which command this is, whose, and at which commit, under MLflow's names."""
    root = Path(__file__).resolve().parent.parent
    tags = {
        Tag.SOURCE: f"python -m {_module()}",
        "mlflow.source.type": "LOCAL",
        Tag.USER: os.environ.get("USER") or os.environ.get("LOGNAME") or "unknown",
    }
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        head = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.split("\n")
        if Path(head[0]).resolve() == root:  # installed inside somebody else's repository is not our commit
            tags[Tag.COMMIT] = head[1]
    return {str(key): value for key, value in tags.items()}


def _module() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name if spec is not None and spec.name else "hit"
