"""What a sweep asks SLURM for."""

__all__ = ["SlurmOptions", "minutes_of"]

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.config.field_types import Text
from hit.errors import ConfigError, shown

_NUMBER = r"\d{1,8}"  # more than SLURM has minutes for
_SEVERAL = rf"{_NUMBER}(?::{_NUMBER}){{0,2}}"
_TIME = re.compile(rf"(?:(?P<days>{_NUMBER})-(?P<of_days>{_SEVERAL})|(?P<plain>{_SEVERAL}))")
_MEMORY = re.compile(r"\d+[KMGT]?")
_NAMES = re.compile(r"[\w.,@+/-]*")
_PARAMETER = re.compile(r"[a-z][a-z0-9-]*(?:=\S+)?")
#: Parameters of sbatch that the launcher sets itself.
_OURS = {
    "array",
    "error",
    "open-mode",
    "output",
    "requeue",
    "no-requeue",
    "signal",
    "export",
    "wrap",
    "chdir",
    "test-only",
}


def minutes_of(text: str) -> float:
    """A time limit as SLURM writes it: minutes, minutes:seconds, hours:minutes:seconds, or with days before them.

    >>> minutes_of("90"), minutes_of("1:30"), minutes_of("2:00:00"), minutes_of("1-12"), minutes_of("1-0:30")
    (90.0, 1.5, 120.0, 2160.0, 1470.0)

    Raises:
        ConfigError: it is none.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ConfigError(f"slurm_time must be minutes, hours:minutes:seconds or days-hours, got {shown(text)}")
    numbers = [int(part) for part in (match["plain"] or match["of_days"]).split(":")]
    if match["days"]:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        return 1440 * int(match["days"]) + 60.0 * hours + minutes + seconds / 60
    minutes, seconds = numbers[-2:] if len(numbers) > 1 else (numbers[0], 0)
    return 60.0 * (numbers[0] if len(numbers) == 3 else 0) + minutes + seconds / 60


def _time(text: str) -> str:
    if not _TIME.fullmatch(text) or minutes_of(text) <= 0:
        raise ValueError("minutes, hours:minutes:seconds or days-hours")
    return text


def _memory(text: str) -> str:
    if text and not _MEMORY.fullmatch(text):
        raise ValueError("a whole number of megabytes, or with K, M, G or T")
    return text


def _names(text: str) -> str:
    if not _NAMES.fullmatch(text):
        raise ValueError("names as SLURM has them, with commas")
    return text


def _parameters(text: str) -> str:
    for word in text.split():
        if not _PARAMETER.fullmatch(word):
            raise ValueError("parameters of sbatch as name=value, with spaces between them")
        if word.partition("=")[0] in _OURS:
            raise ValueError(f"without {word.partition('=')[0]}, which the launcher sets")
    return text


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SlurmOptions:
    """The jobs of `launcher=slurm`, in the words of `sbatch`."""

    slurm_partition: Annotated[
        Text,
        AfterValidator(_names),
        Field(description="of launcher=slurm: partition of its jobs; empty: the usual one"),
    ] = ""
    slurm_account: Annotated[
        Text, AfterValidator(_names), Field(description="of launcher=slurm: account that pays; empty: yours")
    ] = ""
    slurm_time: Annotated[
        Text,
        AfterValidator(_time),
        Field(
            description="of launcher=slurm: time limit of a job (90, 4:00:00, 1-12); shortly before it what is trained "
            "is checkpointed and the job is queued again"
        ),
    ] = "1:00:00"
    slurm_mem: Annotated[
        Text,
        AfterValidator(_memory),
        Field(description="of launcher=slurm: memory of a job (4G); empty: the usual one"),
    ] = ""
    slurm_pack: Annotated[
        int, Field(ge=1, le=1000, description="of launcher=slurm: runs of a job, trained one after the other")
    ] = 1
    slurm_array_parallelism: Annotated[
        int, Field(ge=0, le=100_000, description="of launcher=slurm: jobs of an array that run at once; 0: all")
    ] = 0
    slurm_options: Annotated[
        Text,
        AfterValidator(_parameters),
        Field(description="of launcher=slurm: further parameters of sbatch (qos=low constraint=a100)"),
    ] = ""
    slurm_executor: Annotated[
        Literal["slurm", "local"],
        Field(
            description="of launcher=slurm: submitit's executor, slurm, or local: processes of this machine, to try it"
        ),
    ] = "slurm"
