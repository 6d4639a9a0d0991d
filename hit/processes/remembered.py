"""What was measured of a machine, remembered in a file of its own: JSON, a value a key."""

__all__ = ["remember", "remembered"]

import json
import logging
import os
from pathlib import Path
from typing import Any

_LOG = logging.getLogger(__name__)


def remembered(file: Path) -> dict[str, Any]:
    """Key → value; nothing of a file that cannot be read: what it held is measured again."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(file: Path, key: str, value: Any) -> None:
    """Put a value beside the others; where that cannot be written, a line says so.

    Args:
        file: whose folder is made if need be.
        key: what was measured.
        value: that JSON knows.
    """
    temporary = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(remembered(file) | {key: value}, indent=1))
        temporary.replace(file)
    except OSError as error:
        _LOG.info(f"what was measured is not remembered: {error}")
