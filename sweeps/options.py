"""What a sweep takes beside the config of its models."""

__all__ = ["SweepOptions", "SweepRequest", "is_swept", "parse_seeds"]

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.axes import GRID_DEFAULTS, axis_layer
from hit.bounds import MOST_SEED, MOST_VALUES, Text, Workers, whole_number
from hit.cli import CONFIG
from hit.config import TrainConfig
from hit.cpus import default_workers
from hit.errors import ConfigError, shown
from hit.field_roles import BETA, Role, role_of
from hit.options import EXPERIMENT_HELP, WORKERS_HELP, ExperimentName, build
from sweeps.choosing import Choice, ChoosingOptions
from sweeps.running import RunningOptions
from sweeps.space import BetaGrid


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SweepOptions:
    """What to visit, and with how much."""

    driver: Annotated[
        Literal["grid", "bayes", "coverage"],
        Field(
            description="who chooses the next models: grid (every cell), bayes (improves objectives) or coverage "
            "(fills a region of rate space)"
        ),
    ] = "grid"
    seeds: Annotated[Text, Field(description="seeds of the replicates, with commas")] = "0"
    budget: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="run at most so many models, those counted that the same sweep (driver and what it chooses by, "
            "models, data) has run before, whoever started it; 0: until the driver has what it wants",
        ),
    ] = 0
    workers: Annotated[Workers, Field(description=WORKERS_HELP)] = 0
    experiment: Annotated[ExperimentName, Field(description=EXPERIMENT_HELP)] = ""

    @property
    def worker_count(self) -> int:
        """Processes to start."""
        return self.workers or default_workers()


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """A sweep as it was asked for, checked as far as that goes without data, store and heavy imports.

    Attributes:
        base: config of every model but for β and seed.
        options: driver, budget, workers, experiment.
        choosing: what the driver chooses by, as typed.
        choice: the same, checked.
        grid: the cells, or the range of β.
        axes: `grid_1` … as typed, for the sweep's params.
        running: where the models are trained, and what ends the sweep or a run.
    """

    base: TrainConfig
    options: SweepOptions
    choosing: ChoosingOptions
    choice: Choice
    grid: BetaGrid
    axes: Mapping[str, str]
    running: RunningOptions

    @classmethod
    def parse(cls, parsed: Mapping[str, Mapping[str, Any]]) -> "SweepRequest":
        """From what `hit.cli.Parser.parse` returns.

        Raises:
            ConfigError: naming what is wrong.
        """
        options = build(SweepOptions, parsed["sweep"])
        running = build(RunningOptions, parsed["running"])
        base = TrainConfig.from_flat(parsed[CONFIG])
        axes = dict(parsed["grid"])
        for name, text in axes.items():
            if base.targets.steered(axis_layer(name)) and text == GRID_DEFAULTS.get(name):
                axes[name] = ""  # the target says where this layer goes
        grid = BetaGrid.parse({axis_layer(name): text for name, text in axes.items()}, base.layers, base.betas)
        for layer, axis in enumerate(grid.axes, start=1):
            if base.targets.steered(layer) and len(axis) > 1:
                raise ConfigError(
                    f"grid_{layer} must be one value, where β_{layer} starts, or empty where a rate target moves it, "
                    f"got {axes[f'grid_{layer}']!r}"
                )
        choosing = build(ChoosingOptions, parsed["choosing"])
        choice = Choice.check(options.driver, choosing, base, grid, parse_seeds(options.seeds))
        return cls(
            base=choice.base, options=options, choosing=choosing, choice=choice, grid=grid, axes=axes, running=running
        )


def is_swept(name: str) -> bool:
    """Whether a sweep has an option of its own for a flat parameter of its models: `grid_1`, … for β, and `seeds`.

    >>> is_swept("beta_2"), is_swept("seed"), is_swept("target_rate_1")
    (True, True, False)
    """
    return bool(BETA.match(name)) or role_of(name) is Role.SEED


def parse_seeds(text: str) -> tuple[int, ...]:
    """'0,1,2' → (0, 1, 2).

    Raises:
        ConfigError: not a list of whole numbers from 0 to 2^31 − 1, or one that is too long.
    """
    seeds = [whole_number(part.strip()) for part in text.split(",") if part.strip()]
    if not seeds or not all(seed is not None and seed <= MOST_SEED for seed in seeds):
        raise ConfigError(f"seeds must be whole numbers from 0 to {MOST_SEED} with commas, got {shown(text)}")
    if len(seeds) > MOST_VALUES:
        raise ConfigError(f"seeds must be at most {MOST_VALUES}, got {len(seeds)}")
    return tuple(dict.fromkeys(seed for seed in seeds if seed is not None))
