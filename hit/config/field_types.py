"""How far what comes from outside may go: types of fields that all options are made of, each with its bounds.

The bounds are wide: they keep out what cannot be meant and what would end in an overflow, a machine without memory, or
no end at all. What fits into a machine is told by `hit.models.check_memory`.
"""

__all__ = [
    "HIGHEST_BETA",
    "LEAST_BETA",
    "MOST_CELLS",
    "MOST_CLAUSES",
    "MOST_LAYERS",
    "MOST_NATS",
    "MOST_SEED",
    "MOST_TEXT",
    "MOST_THREADS",
    "MOST_VALUES",
    "BatchSize",
    "Beta",
    "Channels",
    "Crop",
    "Dimensions",
    "Epochs",
    "LearningRate",
    "Precision",
    "RunId",
    "Seed",
    "Sigma",
    "Text",
    "Threads",
    "Where",
    "Workers",
    "clauses",
    "dimensions",
    "whole_number",
]

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from hit.errors import ConfigError, shown

#: Characters of a text: lists of metrics, axes, a region. Longer ones are told from what was meant by a glance.
MOST_TEXT = 5000
#: Layers of latents.
MOST_LAYERS = 32
#: Values along an axis, and cells or models of a grid.
MOST_VALUES, MOST_CELLS = 1000, 100_000
#: β is 0 or, on axes, at least the least; training diverges long before the highest, which is what 32 bits hold.
LEAST_BETA, HIGHEST_BETA = 1e-12, 1e38
#: Of rates that are asked for, nats per image.
MOST_NATS = 1e9
MOST_SEED = 2**31 - 1
#: CPU threads of a process.
MOST_THREADS = 1024
#: Comparisons of a filter: MLflow joins one table for each, SQLite takes 64, and we add a few of our own.
MOST_CLAUSES = 50

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_AND = re.compile(r"\band\b", re.IGNORECASE)


def _plain(text: str) -> str:
    if "\0" in text:
        raise ValueError("text without the character NUL")
    return text


def _few_clauses(text: str) -> str:
    if clauses(text) > MOST_CLAUSES:
        raise ValueError(f"a filter of at most {MOST_CLAUSES} clauses ({clauses(text)} are given)")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MOST_TEXT), AfterValidator(_plain)]
#: A filter in MLflow's language.
Where = Annotated[Text, AfterValidator(_few_clauses)]
#: MLflow's ids are letters and digits; `auto` and `none` are among what options take in their place.
RunId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9A-Za-z_-]{0,64}$")]

Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Beta = Annotated[float, Field(ge=0, le=HIGHEST_BETA)]
Sigma = Annotated[float, Field(ge=1e-4, le=1e4)]
Channels = Annotated[int, Field(gt=0, le=16_384)]
Dimensions = Annotated[int, Field(gt=0, le=1_000_000)]
Epochs = Annotated[int, Field(gt=0, le=1_000_000)]
BatchSize = Annotated[int, Field(gt=0, le=1_000_000)]
LearningRate = Annotated[float, Field(gt=0, le=1e12)]
Precision = Annotated[
    Literal["float32", "bfloat16"],
    Field(description="of layers in training: float32 or bfloat16 (autocast; weights, rates and losses stay float32)"),
]
Crop = Annotated[int, Field(ge=0, le=4096)]
Threads = Annotated[int, Field(ge=0, le=MOST_THREADS)]
Workers = Annotated[int, Field(ge=0, le=256)]


def clauses(where: str) -> int:
    """How many comparisons a filter holds.

    >>> clauses("metrics.a > 1 AND params.b = 'x and y'")
    2
    """
    return 1 + len(_AND.findall(_QUOTED.sub("", where)))


def whole_number(text: str) -> int | None:
    """The number that a text of at most 15 digits is; None for any other text.

    >>> whole_number("007"), whole_number("9" * 5000), whole_number("-1"), whole_number("1.5"), whole_number("²")
    (7, None, None, None, None)
    """
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def dimensions(value: Any) -> tuple[Any, ...]:
    """'8,20' or 20 or (8, 20) → a tuple that pydantic checks."""
    parts: tuple[Any, ...] | None = None
    if isinstance(value, str):
        parts = tuple(whole_number(part.strip()) for part in value.split(","))
    elif isinstance(value, int) and not isinstance(value, bool):
        parts = (value,)
    elif isinstance(value, list | tuple):
        parts = tuple(value)
    if not parts or None in parts:
        raise ConfigError(f"z_dims must be whole numbers with commas, got {shown(value)}")
    return parts
