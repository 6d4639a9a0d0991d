"""What a sweep takes beside the config of its models."""

__all__ = ["SweepOptions", "parse_seeds"]

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.errors import ConfigError
from hit.machine import available_cpus
from hit.options import EXPERIMENT_HELP

_MOST_WORKERS = 8


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SweepOptions:
    """What to visit, and with how much."""

    driver: Annotated[Literal["grid"], Field(description="who chooses the next models: grid")] = "grid"
    seeds: Annotated[str, Field(description="seeds of the replicates, with commas")] = "0"
    budget: Annotated[int, Field(ge=0, description="start at most so many runs; 0: all that are left")] = 0
    workers: Annotated[int, Field(ge=0, description="processes, which divide the CPUs; 0: one a CPU, at most 8")] = 0
    experiment: Annotated[str, Field(description=EXPERIMENT_HELP)] = ""

    @property
    def worker_count(self) -> int:
        """Processes to start."""
        return self.workers or min(_MOST_WORKERS, available_cpus())


def parse_seeds(text: str) -> tuple[int, ...]:
    """'0,1,2' → (0, 1, 2).

    Raises:
        ConfigError: not a list of whole numbers from 0 up.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise ConfigError(f"seeds must be whole numbers from 0 up with commas, got {text!r}")
    return tuple(dict.fromkeys(map(int, parts)))
