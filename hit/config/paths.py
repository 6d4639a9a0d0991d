"""Paths that a user names, made absolute by one rule: what the system refuses of them is told as such."""

__all__ = ["given_path"]

import os
from pathlib import Path

from hit.errors import ConfigError, shown

_LONGEST_NAME = 255  # bytes, of nearly every file system


def given_path(option: str, text: str | Path) -> Path:
    """The absolute path that an option names, `~` being a home; whether anything is there is for others to say.

    Args:
        option: for messages.
        text: what it says.

    Raises:
        ConfigError: a home of nobody, a name that no file can have, or a folder on the way that may not be entered.
    """
    try:
        path = Path(text).expanduser()
        path = path.absolute()
    except RuntimeError:
        raise ConfigError(
            f"{option} must begin with ~/ or with ~ and the name of a user of this machine where it begins with ~, "
            f"got {shown(str(text))}"
        ) from None
    except FileNotFoundError:  # the working directory, that is
        raise ConfigError(
            f"{option} must be an absolute path where the working directory is gone, got {shown(str(text))}"
        ) from None
    refusal = _refusal(path)
    if refusal:
        raise ConfigError(f"{option} must be a path that can be reached, got {shown(str(text))}: {refusal}")
    return path


def _refusal(path: Path) -> str:
    """Why the system would not even say whether something is there; '' where it does."""
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        return "File name too long"
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except ValueError as error:  # a NUL
        return str(error)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
