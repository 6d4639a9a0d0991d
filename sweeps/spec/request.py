"""What a sweep takes beside the config of its models."""

__all__ = ["SweepOptions", "SweepRequest", "is_swept", "parse_seeds", "sweep_parser"]

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import CONFIG, Parser
from hit.config import TrainConfig, flat_defaults
from hit.config.field_roles import BETA, Role, role_of
from hit.config.field_types import MOST_SEED, MOST_VALUES, Text, whole_number
from hit.config.machine_options import WorkerOptions
from hit.config.options import build
from hit.config.rates.beta_grid import GRID_DEFAULTS, GRID_HELP, BetaGrid, axis_layer, grid_axes
from hit.config.rates.rate_targets import TARGET_LAYERED
from hit.errors import ConfigError, shown
from sweeps.spec.driver_options import Choice, ChoosingOptions
from sweeps.spec.launch_options import RunningOptions
from sweeps.spec.parts import DRIVERS


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SweepOptions(WorkerOptions):
    """What to visit, and with how much."""

    driver: Annotated[
        str,
        AfterValidator(DRIVERS.check),
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
    def parse(
        cls, parsed: Mapping[str, Mapping[str, Any]], usual_grid: Mapping[str, str] = GRID_DEFAULTS
    ) -> "SweepRequest":
        """From what `hit.cli.Parser.parse` returns.

        Args:
            parsed: group of options → option → value.
            usual_grid: axes where none were typed, those that the parser was made with.

        Raises:
            ConfigError: naming what is wrong.
        """
        options = build(SweepOptions, parsed["sweep"])
        running = build(RunningOptions, parsed["running"])
        base = TrainConfig.from_flat(parsed[CONFIG])
        choosing = build(ChoosingOptions, parsed["choosing"])
        # Where rates are asked for, β starts at one value.
        free = [layer for layer in range(1, base.layers + 1) if not base.targets.steered(layer)]
        axes = grid_axes(parsed["grid"], [] if choosing.proposes_rates(options.driver) else free, usual_grid)
        grid = BetaGrid.parse({axis_layer(name): text for name, text in axes.items()}, base.layers, base.betas)
        for layer, axis in enumerate(grid.axes, start=1):
            if base.targets.steered(layer) and len(axis) > 1:
                raise ConfigError(
                    f"grid_{layer} must be one value, where β_{layer} starts, or empty where a rate target moves it, "
                    f"got {axes[f'grid_{layer}']!r}"
                )
        choice = Choice.check(options.driver, choosing, base, grid, parse_seeds(options.seeds))
        return cls(
            base=choice.base, options=options, choosing=choosing, choice=choice, grid=grid, axes=axes, running=running
        )


def sweep_parser(
    module: str,
    description: str,
    grid: Mapping[str, str] = GRID_DEFAULTS,
    choosing: Mapping[str, Any] | None = None,
    **other_defaults: Any,
) -> Parser:
    """The options of a command that sweeps; `SweepRequest.parse` takes what it parses.

    Args:
        module: what `python -m` runs.
        description: one sentence.
        grid: axes where none are typed.
        choosing: fields of `ChoosingOptions` whose default is another one in this command.
        other_defaults: fields of the models' config whose default is another one in this command.
    """
    parser = Parser(module, description, ["grid_", *TARGET_LAYERED], {"beta_": "grid_"})
    parser.add_options("sweep", SweepOptions)
    parser.add_options("choosing", ChoosingOptions, **(choosing or {}))
    parser.add_options("running", RunningOptions)
    parser.add_group("grid", grid, GRID_HELP)
    parser.add_config(leave_out=[*filter(is_swept, flat_defaults())], **other_defaults)
    return parser


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
