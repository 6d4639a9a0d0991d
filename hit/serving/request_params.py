"""What a request to a served model says beside its data, and how much it may ask for."""

__all__ = ["MODES", "MOST_SAMPLES", "PARAMS", "ServedParams", "refuse_unknown", "usual_samples"]

import logging
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from mlflow.exceptions import MlflowException

from hit.config.field_types import whole_number
from hit.errors import ConfigError, DataError, nearest, shown

MODES = ("encode", "reconstruct", "decode", "sample")
#: Environment variable with the number of samples that one request gets at most.
MOST_SAMPLES = "HIT_SERVED_SAMPLES"

#: Samples of about so many numbers are given at most, unless told otherwise: MLflow's server writes them as text, a
#: megabyte in a tenth of a second, and gives up after a minute, whoever else is waiting.
_MOST_NUMBERS = 1_000_000
_LEFT_OUT = re.compile(r"Unrecognized params \[(.*)\] are ignored .*Supported params are: \{([^}]*)\}")


@dataclass(frozen=True)
class ServedParams:
    """The params of one request.

    Attributes:
        mode: what is asked for.
        count: of samples.
        sampled: whether latents are drawn rather than means.
        seed: of what is drawn.
    """

    mode: str = MODES[0]
    count: int = 1
    sampled: bool = False
    seed: int = 0

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Self:
        """From a request's params.

        Raises:
            DataError: an unknown name, with the nearest known one, or a value of another type.
        """
        for name in params:
            if name not in PARAMS:
                raise _unknown(str(name))
        mode = params.get("mode", cls.mode)
        if mode not in MODES:
            hint = nearest(str(mode), MODES)
            raise DataError(f"mode must be {', '.join(MODES[:-1])} or {MODES[-1]}, got {shown(mode)}{hint}")
        count, seed = (_whole(name, params.get(name, getattr(cls, name))) for name in ("count", "seed"))
        return cls(mode, count, bool(params.get("sampled", cls.sampled)), seed)


#: Names of what a request may say beside its data.
PARAMS = tuple(entry.name for entry in fields(ServedParams))


def usual_samples(shape: tuple[int, ...]) -> int:
    """How many samples one request gets at most: $HIT_SERVED_SAMPLES, else a million numbers of them.

    Raises:
        ConfigError: the variable holds no number.

    >>> usual_samples((1, 28, 28)), usual_samples((3, 256, 256))
    (1275, 5)
    """
    text = os.environ.get(MOST_SAMPLES, "")
    number = whole_number(text)
    if text and not number:
        raise ConfigError(f"{MOST_SAMPLES} must be a whole number above 0, got {shown(text)}")
    return number or max(1, _MOST_NUMBERS // math.prod(shape))


def refuse_unknown(record: logging.LogRecord) -> bool:
    """Refuse params that no model of ours takes: a filter of MLflow's log.

    MLflow takes them out of a request before the model sees it, and tells its log: there is no other place to hear.

    Raises:
        MlflowException: the log is told that params were left out of a request to a model with our params.
    """
    told = _LEFT_OUT.match(record.getMessage())
    if told and set(re.findall(r"\w+", told[2])) == set(PARAMS):
        name = told[1].strip("'\"").split("', '")[0]
        raise MlflowException.invalid_parameter_value(str(_unknown(name)))
    return True


def _unknown(name: str) -> DataError:
    return DataError(f"unknown param {shown(name)}{nearest(name, PARAMS)}")


def _whole(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{name} must be a whole number, got {shown(value)}") from None
