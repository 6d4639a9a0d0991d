"""What the store holds of many runs, column by column, and the tidy frame that becomes of it."""

__all__ = ["BASE_COLUMNS", "Records", "as_typed"]

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.entities import Run

from hit.config import BETA, flat_defaults
from hit.config.field_roles import is_layered, is_option
from hit.schema import TAG_COLUMNS

_INFO = ("run_id", "run_name", "experiment_id", "status", "start_time", "end_time")
#: Columns that every frame begins with, before the fields of the config.
BASE_COLUMNS = (*_INFO, *TAG_COLUMNS)


@dataclass(frozen=True, eq=False)
class Records:
    """N runs.

    Attributes:
        info: `run_id`, `run_name`, `experiment_id`, `status`, `start_time`, `end_time` (milliseconds) → N values.
        tags: column of `TAG_COLUMNS` → N texts, None where a run lacks it.
        params: name → N texts, None where a run lacks it.
        metrics: name → last values, N, NaN where a run lacks it.
    """

    info: dict[str, list[Any]]
    tags: dict[str, list[str | None]]
    params: dict[str, list[str | None]]
    metrics: dict[str, npt.NDArray[np.float64]]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Records":
        """From MLflow's own records."""
        return cls.of_values(
            [{name: getattr(run.info, name) for name in _INFO} for run in runs],
            [run.data.tags for run in runs],
            [run.data.params for run in runs],
            [run.data.metrics for run in runs],
        )

    @classmethod
    def of_values(
        cls,
        info: Sequence[Mapping[str, Any]],
        tags: Sequence[Mapping[str, str]],
        params: Sequence[Mapping[str, str]],
        metrics: Sequence[Mapping[str, float]],
    ) -> "Records":
        """From what each run has, by name."""
        return cls(
            info={name: [one.get(name) for one in info] for name in _INFO},
            tags={column: [some.get(tag) for some in tags] for column, tag in TAG_COLUMNS.items()},
            params={name: [some.get(name) for some in params] for name in {name for some in params for name in some}},
            metrics={
                name: np.array([some.get(name, np.nan) for some in metrics], float)
                for name in {name for some in metrics for name in some}
            },
        )

    @classmethod
    def joined(cls, parts: "Sequence[Records]") -> "Records":
        """The runs of all parts, in their order."""
        counts = [len(part.info["run_id"]) for part in parts]
        params = {name for part in parts for name in part.params}
        metrics = {name for part in parts for name in part.metrics}
        sized = [*zip(parts, counts, strict=True)]
        return cls(
            info={name: [one for part in parts for one in part.info[name]] for name in _INFO},
            tags={name: [one for part in parts for one in part.tags[name]] for name in TAG_COLUMNS},
            params={
                name: [one for part, count in sized for one in part.params.get(name, [None] * count)] for name in params
            },
            metrics={
                name: np.concatenate([part.metrics.get(name, np.full(count, np.nan)) for part, count in sized])
                for name in metrics
            },
        )

    def frame(self) -> pd.DataFrame:
        """A tidy frame, one row a run; see `hit.store.to_frame`."""
        defaults = flat_defaults()
        nothing: list[str | None] = [None] * len(self.info["run_id"])
        columns: dict[str, Any] = {**self.info, **{name: self.tags.get(name, nothing) for name in TAG_COLUMNS}}
        layered = {name for name in self.params if is_layered(name)}
        for name in [*defaults, *sorted(layered - defaults.keys())]:
            asked = _typed_column(1.0 if is_layered(name) else defaults[name], self.params.get(name, nothing))
            # Where rate targets moved β, what it ended as decides what the model is.
            ended = self.metrics.get(name) if BETA.match(name) else None
            columns[name] = asked if ended is None else np.where(np.isnan(ended), np.array(asked, float), ended)
        for name in sorted(filter(is_option, self.params)):
            columns[name] = [None if text is None else option_value(name, text) for text in self.params[name]]
        # β, epochs and the like stand as typed params already; their mirrors are for MLflow's own filters.
        for name in sorted(self.metrics.keys() - columns.keys()):
            columns[name] = self.metrics[name]
        frame = pd.DataFrame(columns)
        for name in ("start_time", "end_time"):
            frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True).astype("datetime64[ms, UTC]")
        return frame


def as_typed(text: str) -> str:
    """A param as the user typed it: `mlflow run` logs it as it quotes it for the shell.

    >>> as_typed("''"), as_typed("'my pictures'"), as_typed("0.1:10:5"), as_typed("it's")
    ('', 'my pictures', '0.1:10:5', "it's")
    """
    if "'" not in text:  # nearly all, and shlex is slow
        return text
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    return words[0] if len(words) == 1 and shlex.quote(words[0]) == text else text


def option_value(name: str, text: str) -> Any:
    """An option of a model or likelihood as a number or a truth, where its text is one: the part may not be here.

    >>> option_value("model.depth", "4"), option_value("model.gated", "True"), option_value("model.source", "a.py@1e3")
    (4.0, True, 'a.py@1e3')
    """
    text = as_typed(text)
    if name.endswith(".source"):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _typed_column(default: Any, texts: Sequence[str | None]) -> list[Any]:
    known: dict[str | None, Any] = {text: _typed(default, text) for text in set(texts)}
    return [known[text] for text in texts]


def _typed(default: Any, text: str | None) -> Any:
    """The param's text as the type of the field's default; a text that is not of it reads as missing."""
    if text is None:
        return float("nan") if isinstance(default, float) else None
    text = as_typed(text)
    try:
        match default:
            case bool():
                return text.strip().lower() in ("true", "1", "yes", "on")
            case int():
                return int(float(text))
            case float():
                return float(text)
    except (ValueError, OverflowError):  # whole numbers have no infinity
        return float("nan") if isinstance(default, float) else None
    return text
