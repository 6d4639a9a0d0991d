"""Options as validated dataclasses: one source for command lines, the MLproject and error messages."""

__all__ = ["CROP_HELP", "EXPERIMENT_HELP", "build", "defaults", "infos", "one_line"]

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import pydantic

from hit.errors import ConfigError, nearest

OptionsT = TypeVar("OptionsT")

CROP_HELP = "side of square crops of a folder's images, streamed; 0: as they are, or 256 where they are large"
EXPERIMENT_HELP = "name of the MLflow experiment; empty: that of `mlflow run`, else hit"


def build(options: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """An instance of a pydantic dataclass from strings or values.

    Raises:
        ConfigError: an unknown name (with the nearest known one), a wrong type, a value out of range.
    """
    known = infos(options)
    for name in values:
        if name not in known:
            raise ConfigError(f"unknown parameter {name!r}{nearest(name, known)}")
    try:
        return options(**values)
    except pydantic.ValidationError as error:
        raise ConfigError(one_line(error)) from None


def defaults(options: type[Any]) -> dict[str, Any]:
    """Field → default, in the order of declaration."""
    return {entry.name: entry.default for entry in fields(options)}


def infos(options: type[Any]) -> dict[str, pydantic.fields.FieldInfo]:
    """Field → its declaration: description, limits."""
    return options.__pydantic_fields__  # type: ignore[no-any-return]


def one_line(error: pydantic.ValidationError) -> str:
    """All faults of a validation in one line: 'beta_1 must be greater than or equal to 0, got -1'."""
    faults = []
    for fault in error.errors():
        name, *index = fault["loc"]
        if name == "betas" and index:
            name = f"beta_{int(index[0]) + 1}"
        rule = fault["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        hint = ""
        if fault["type"] == "literal_error":
            rule = f"one of {rule}"
            known = re.findall(r"'([^']+)'", fault["msg"])
            hint = nearest(str(fault["input"]), known).partition("; known")[0]  # the rule names them
        faults.append(f"{name} must be {rule}, got {fault['input']!r}{hint}")
    return "; ".join(faults)
