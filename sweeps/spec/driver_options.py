"""What a driver is given to choose by, checked as far as that goes without data and store."""

__all__ = ["Choice", "ChoosingOptions", "Sampler", "region_constraints"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as options_dataclass

from analysis.recommendation.objectives import Constraint, Objective, parse_constraints, parse_objectives
from hit.config import TrainConfig
from hit.config.field_types import MOST_CELLS, RunId, Text
from hit.config.rates.beta_grid import BetaGrid
from hit.config.rates.rate_region import RateRegion
from hit.errors import ConfigError, shown
from hit.schema.metric_groups import parse_groups
from sweeps.spec.search_space import SearchSpace, parse_fields
from sweeps.spec.searched_ranges import beta_dimensions, candidate_grid, target_dimensions

Sampler = Literal["gp", "tpe", "nsga2", "nsga3", "cmaes", "qmc", "random"]


@options_dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ChoosingOptions:
    """What a driver chooses by; what a driver has no use for it leaves alone."""

    region: Annotated[
        Text, Field(description="of rate space, nats: rate_1=5:40,rate_2=2:20,rate=:60, any end left out; empty: all")
    ] = ""
    over: Annotated[
        Literal["auto", "betas", "rates"],
        Field(
            description="what bayes and coverage propose: betas (in the range of grid_1, …) or rates (as targets, in "
            "the region); auto: betas for bayes, rates for coverage"
        ),
    ] = "auto"
    hole: Annotated[
        float,
        Field(gt=0, le=1, description="of coverage: the largest hole to be left, as a share of the region's extent"),
    ] = 0.2
    surface: Annotated[
        RunId,
        Field(
            description="of coverage over betas: run id of a finished surface that predicts rates, or none; auto: the "
            "newest with the same data and protocol, and where there is none a Gaussian process over the runs"
        ),
    ] = "auto"
    objectives: Annotated[
        Text,
        Field(
            description="of bayes: metrics with commas, =min or =max after those without a direction, "
            "those that people log by hand among them"
        ),
    ] = "test/elbo"
    constraints: Annotated[
        Text, Field(description="of bayes: metric>=number or metric<=number, with commas; the region is one, too")
    ] = ""
    sampler: Annotated[
        Sampler,
        Field(description="of bayes: Optuna's gp, tpe, nsga2, nsga3, cmaes, qmc or random"),
    ] = "gp"
    space: Annotated[
        Text,
        Field(description="of bayes: further fields, learning_rate=1e-4:1e-2,channels=8|16; :linear after an interval"),
    ] = ""
    patience: Annotated[
        int,
        Field(
            ge=0, le=1_000_000, description="of bayes: end when so many runs have not improved the objectives; 0: never"
        ),
    ] = 0

    further_seeds: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="as many further seeds, as a share of the models, of those that answers rest on; with several "
            "seeds, or 0: none",
        ),
    ] = 0.25
    application: Annotated[
        Text,
        Field(
            min_length=1,
            description="of grid and coverage: what the report is to say, as its application; the best models for it, "
            "of all and with equal β, get the further seeds",
        ),
    ] = "all"

    def proposes_rates(self, driver: str) -> bool:
        """Whether this driver is to propose rate targets rather than β."""
        return self.over == "rates" or (self.over == "auto" and driver == "coverage")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a driver is built from.

    Attributes:
        driver: grid, bayes, coverage, or that of an extension.
        base: config that all models share but for what is varied.
        grid: cells in β, or the candidates of a coverage by fixed β.
        seeds: replicates.
        region: of rate space, if one is asked for.
        rates: whether rate targets are proposed rather than β.
        hole: see `ChoosingOptions`.
        surface: run id of the surface that a coverage by fixed β goes by, `auto` or `none`.
        space: of a search.
        objectives: of a search.
        constraints: of a search, those of the region included.
        sampler: of a search.
        patience: of a search.
        further_seeds: share of the models; see `sweeps.drivers.further_seeds`.
        application: what the best models for get them, as `analysis.recommendation.applications` takes it.
    """

    driver: str
    base: TrainConfig
    grid: BetaGrid
    seeds: tuple[int, ...] = (0,)
    region: RateRegion | None = None
    rates: bool = False
    hole: float = ChoosingOptions.hole
    surface: str = ChoosingOptions.surface
    space: SearchSpace | None = None
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    sampler: Sampler = ChoosingOptions.sampler
    patience: int = ChoosingOptions.patience
    further_seeds: float = 0.0
    application: str = "all"

    @classmethod
    def check(
        cls, driver: str, options: ChoosingOptions, base: TrainConfig, grid: BetaGrid, seeds: Sequence[int]
    ) -> "Choice":
        """What was asked for, as a driver takes it.

        Args:
            driver: its name.
            options: as typed.
            base: config of the models.
            grid: from `grid_1`, …
            seeds: from `seeds`.

        Raises:
            ConfigError: naming what is wrong, or does not go together.
        """
        region = RateRegion.parse(options.region, base.layers) if options.region.strip() else None
        rates = options.proposes_rates(driver)
        surface = options.surface.strip() or "none"
        if surface not in ("auto", "none") and (driver != "coverage" or rates):
            raise ConfigError(f"surface must be auto or none unless driver=coverage and over=betas, got {surface!r}")
        further: dict[str, Any] = {"further_seeds": options.further_seeds if len(seeds) == 1 else 0.0}
        further["application"] = _checked_application(options.application)
        if driver == "grid":
            if options.over == "rates":
                raise ConfigError("over must be betas for driver=grid, got 'rates'")
            if grid.size * len(seeds) > MOST_CELLS:
                raise ConfigError(
                    f"grid and seeds must make at most {MOST_CELLS} models, "
                    f"got {grid.size} cells and {len(seeds)} seeds"
                )
            return cls(driver=driver, base=base, grid=grid, seeds=tuple(seeds), region=region, **further)
        if driver not in ("bayes", "coverage"):
            return cls._of_others(driver, options, replace(base, seed=seeds[0]), grid, seeds, region, further)
        if len(seeds) > 1:
            raise ConfigError(f"seeds must be one for driver={driver}, got {','.join(map(str, seeds))}")
        base = replace(base, seed=seeds[0])
        if (driver == "coverage" or rates) and region is None:
            raise ConfigError(
                f"region must say which rates driver={driver}{' with over=rates' if driver == 'bayes' else ''} is to "
                f"reach, in nats, such as --region {_example(base.layers)}"
            )
        if rates:
            base = _free_to_steer(base, grid)
            assert region is not None
            if not region.bounded:
                raise ConfigError(
                    "region must have an upper end for every rate, or for R, such as "
                    f"{_example(base.layers)}, got {shown(options.region)}"
                )
        else:
            _check_positive(grid)
        if driver == "coverage":
            grid = grid if rates else candidate_grid(grid)
            if grid.size > MOST_CELLS:
                raise ConfigError(
                    f"grid must have few axes of several values for driver=coverage and over=betas (at most "
                    f"{MOST_CELLS} candidates), got {grid.size} candidates"
                )
            own: dict[str, Any] = {
                "grid": grid,
                "region": region,
                "rates": rates,
                "hole": options.hole,
                "surface": surface,
            }
            return cls(driver=driver, base=base, **own, **further)
        groups = parse_groups(base.metrics) | {"core"}
        inner = target_dimensions(region) if rates and region else beta_dimensions(grid)
        base = base if rates else replace(base, betas=tuple(axis[0] for axis in grid.axes))
        dimensions = (*inner, *parse_fields(options.space, base))
        if not dimensions:
            raise ConfigError("space or a grid_l with two ends must say what bayes may vary, got neither")
        return cls(
            driver=driver,
            base=base,
            grid=grid,
            region=region,
            rates=rates,
            further_seeds=options.further_seeds,
            space=SearchSpace(base, dimensions),
            objectives=parse_objectives(options.objectives, base.layers, groups),
            constraints=(
                *parse_constraints(options.constraints, base.layers, groups),
                *(region_constraints(region) if region else ()),
            ),
            sampler=options.sampler,
            patience=options.patience,
        )

    @classmethod
    def _of_others(
        cls,
        driver: str,
        options: ChoosingOptions,
        base: TrainConfig,
        grid: BetaGrid,
        seeds: Sequence[int],
        region: RateRegion | None,
        further: Mapping[str, Any],
    ) -> "Choice":
        """All that was said, for a driver of an extension, which takes of it what it has a use for."""
        groups = parse_groups(base.metrics) | {"core"}
        dimensions = (*beta_dimensions(grid), *parse_fields(options.space, base))
        return cls(
            driver=driver,
            base=base,
            grid=grid,
            seeds=tuple(seeds),
            region=region,
            hole=options.hole,
            space=SearchSpace(base, dimensions) if dimensions else None,
            objectives=parse_objectives(options.objectives, base.layers, groups),
            constraints=parse_constraints(options.constraints, base.layers, groups),
            patience=options.patience,
            **further,
        )


def region_constraints(region: RateRegion) -> list[Constraint]:
    """The bounds that keep the rates of the test set in a region."""
    return [
        Constraint(f"test/{bound.rate}", end, upper)
        for bound in region.bounds
        for end, upper in ((bound.low, False), (bound.high, True))
        if (math.isfinite(end) if upper else end > 0)
    ]


def _checked_application(text: str) -> str:
    """What the report is to say, once it is known that it can."""
    if text.strip() != ChoosingOptions.application:
        from analysis.recommendation.applications import applications  # takes torch with it

        applications(text)
    return text


def _example(layers: int) -> str:
    """A region that a model of L layers may be asked to fill: the lowest layer spends the most."""
    rates = [f"rate_{layer}={low}:{high}" for layer, low, high in [(1, 5, 40), (2, 2, 20), (3, 1, 10)][:layers]]
    return ",".join([*rates, "rate=:60"])


def _free_to_steer(base: TrainConfig, grid: BetaGrid) -> TrainConfig:
    """The base with β where steering begins: the one value of each axis, or 1."""
    if named := base.targets.to_flat():
        name, nats = next(iter(named.items()))
        raise ConfigError(f"{name} must be empty where the driver chooses the rates (over=rates), got {nats:g}")
    for layer, axis in enumerate(grid.axes, start=1):
        if len(axis) > 1:
            raise ConfigError(
                f"grid_{layer} must be one value, where β_{layer} starts, or empty where the driver chooses the rates "
                f"(over=rates), got {len(axis)} values"
            )
    return replace(base, betas=tuple(axis[0] for axis in grid.axes))


def _check_positive(grid: BetaGrid) -> None:
    for layer, axis in enumerate(grid.axes, start=1):
        if len(axis) > 1 and axis[0] <= 0:
            raise ConfigError(f"grid_{layer} must be above 0, its logarithm being searched, got {axis[0]:g}")
