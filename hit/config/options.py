"""Options as validated dataclasses: one source for command lines, the MLproject and error messages."""

__all__ = [
    "CROP_HELP",
    "build",
    "defaults",
    "infos",
    "one_line",
    "output_file",
    "unknown",
]

import inspect
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from hit.config.paths import given_path
from hit.errors import ConfigError, nearest, shown

OptionsT = TypeVar("OptionsT")

#: Beginning of a pydantic error type → the rule that was broken.
_RULES = {
    "int_": "be a whole number",
    "float_": "be a number",
    "bool_": "be true or false",
    "finite_number": "be a finite number",
    "string_type": "be text",
    "string_unicode": "be text in UTF-8",
    "string_pattern_mismatch": "be an id: letters, digits, - and _, at most 64",
    "tuple_type": "be a list",
    "string_too_short": "not be empty",
    "too_short": "not be empty",
}

CROP_HELP = (
    "side of square crops of a folder's images, streamed; 0: as they are, or 256 where large or of several sizes"
)


def build(options: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """An instance of a pydantic dataclass from strings or values.

    Raises:
        ConfigError: an unknown name (with the nearest known one), a wrong type, a value out of range.
    """
    known = infos(options)
    for name in values:
        if name not in known:
            raise unknown(name, known)
    try:
        return options(**values)
    except pydantic.ValidationError as error:
        raise ConfigError(one_line(error)) from None


def unknown(name: str, known: Iterable[str]) -> ConfigError:
    """What is wrong where no parameter is called `name`."""
    return ConfigError(f"unknown parameter {shown(name)}{nearest(name, known)}")


def defaults(options: type[Any]) -> dict[str, Any]:
    """Field → default, in the order of declaration: first the fields of its own, then those that it inherits."""
    every = {entry.name: entry.default for entry in fields(options)}
    return {name: every[name] for name in dict.fromkeys([*inspect.get_annotations(options), *every])}


def infos(options: type[Any]) -> dict[str, pydantic.fields.FieldInfo]:
    """Field → its declaration: description, limits."""
    return options.__pydantic_fields__  # type: ignore[no-any-return]


def output_file(text: str) -> Path:
    """The absolute path of a page that is to be written.

    Raises:
        ConfigError: it does not end in .html, is a folder, or its folder does not exist or cannot be written to.
    """
    path = given_path("output", text)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"output must end in .html, got {shown(text)}")
    if path.is_dir():
        raise ConfigError(f"output must be a file, got the folder {shown(text)}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError(f"output must lie in an existing folder that can be written to, got {shown(text)}")
    try:
        with tempfile.TemporaryFile(dir=path.parent):  # what may be written may still lie on a disk that refuses
            pass
    except OSError as error:
        raise ConfigError(
            f"output must lie in an existing folder that can be written to, got {shown(text)}: {error.strerror}"
        ) from None
    return path


def one_line(error: pydantic.ValidationError, prefix: str = "") -> str:
    """The first fault of every field, in one line: 'beta_1 must be greater than or equal to 0, got -1'.

    Args:
        error: of pydantic.
        prefix: what the fields' names begin with.
    """
    faults: dict[str, str] = {}
    for fault in error.errors():
        name, *index = map(str, fault["loc"])
        if name == "betas" and index:
            name = f"beta_{int(index[0]) + 1}"
        hint = ""
        if fault["type"] == "literal_error":
            known = re.findall(r"'([^']+)'", fault["msg"])
            hint = nearest(str(fault["input"]), known).partition("; known")[0]  # the rule names them
        faults.setdefault(name, f"{prefix}{name} must {_rule(fault)}, got {shown(fault['input'])}{hint}")
    return "; ".join(faults.values())


def _rule(fault: Any) -> str:
    """What a value must do or be, in our words where pydantic speaks of its own insides."""
    kind = fault["type"]
    if kind == "string_too_long":
        return f"have at most {fault['ctx']['max_length']} characters"
    if kind == "too_long":
        return f"have at most {fault['ctx']['max_length']} values"
    for beginning, rule in _RULES.items():
        if kind.startswith(beginning):
            return rule
    rule = fault["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"be one of {rule}" if kind == "literal_error" else f"be {rule}"
