"""The driver that a choice asks for."""

__all__ = ["bayes", "build_driver", "check_logged", "coverage", "find_rates", "grid"]

from collections.abc import Callable
from dataclasses import replace

from analysis.recommendation.applications import applications
from analysis.recommendation.objectives import measured_metrics
from hit.errors import ConfigError, nearest, shown
from hit.schema import is_metric
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.surfaces.stored import expected_rates, find_surface
from sweeps.drivers.bayes import BayesDriver
from sweeps.drivers.checked_driver import CheckedDriver
from sweeps.drivers.coverage_by_betas import BetaCoverage
from sweeps.drivers.coverage_by_targets import TargetCoverage
from sweeps.drivers.driver import Driver
from sweeps.drivers.further_seeds import FurtherSeeds
from sweeps.drivers.grid import GridDriver
from sweeps.drivers.leading_models import objective_application
from sweeps.rate_models.from_surface import SurfaceRates
from sweeps.spec.driver_options import Choice
from sweeps.spec.parts import DRIVERS


def build_driver(choice: Choice, data_digest: str, surface: SurfaceRates | None = None) -> Driver:
    """The driver that is registered under the name (`sweeps.spec.parts`); around it, what proposes further seeds.

    Args:
        choice: checked.
        data_digest: of the data set that the models are trained on.
        surface: predicts rates for a coverage by fixed β; see `find_rates`.

    Raises:
        ConfigError: a driver cannot do what is asked of it.
    """
    built = DRIVERS.get(choice.driver)(choice, data_digest, surface)
    if not isinstance(built, Driver):
        raise ConfigError(f"driver {choice.driver!r} must be built as a Driver, got {shown(built)}")
    inner: Driver = built if DRIVERS.source(choice.driver) is None else CheckedDriver(built, choice.driver)
    if not choice.further_seeds:
        return inner
    searches = choice.driver == "bayes"
    wanted = (
        [objective_application(one, choice.constraints) for one in choice.objectives]
        if searches
        else applications(choice.application)
    )
    region = None if searches else choice.region
    share = choice.further_seeds
    base = choice.base if choice.driver in ("bayes", "coverage") else replace(choice.base, seed=choice.seeds[0])
    return FurtherSeeds(inner, base, wanted, share, data_digest, region, searches=searches)


def grid(choice: Choice, data_digest: str, surface: SurfaceRates | None) -> Driver:
    """`driver=grid`."""
    return GridDriver(choice.base, choice.grid, choice.seeds, data_digest, choice.region)


def bayes(choice: Choice, data_digest: str, surface: SurfaceRates | None) -> Driver:
    """`driver=bayes`."""
    assert choice.space is not None
    return BayesDriver(
        choice.space, choice.objectives, choice.constraints, choice.sampler, choice.patience, data_digest
    )


def coverage(choice: Choice, data_digest: str, surface: SurfaceRates | None) -> Driver:
    """`driver=coverage`, over rates or over β."""
    assert choice.region is not None
    if choice.rates:
        return TargetCoverage(choice.base, choice.region, choice.hole, data_digest)
    return BetaCoverage(choice.base, choice.grid, choice.region, choice.hole, data_digest, surface)


def check_logged(choice: Choice, store: Store, experiment: str | Experiment) -> None:
    """Raise ConfigError unless some model of the experiment has every objective that is declared nowhere.

    Args:
        choice: checked.
        store: the run store.
        experiment: of the models.

    Raises:
        StoreAway: the store does not answer.
    """
    unknown = [one.name for one in choice.objectives if not is_metric(one.name)]
    if not unknown:
        return
    names = [str(name) for name in store.history(experiment).select_dtypes("number")]
    for name in unknown:
        if name not in names:
            known = sorted({*measured_metrics(choice.base.layers), *names})
            raise ConfigError(
                "objectives must name metrics that are declared or that some model of experiment "
                f"{str(experiment)!r} has, "
                f"got {shown(name)}{nearest(name, known)}"
            )


def find_rates(
    choice: Choice,
    store: Store,
    experiment: str | Experiment,
    data_digest: str,
    check: Callable[[], None] = lambda: None,
) -> SurfaceRates | None:
    """The rates that a surface of the store expects, for a driver that has a use for them; None where there is none.

    Args:
        choice: checked.
        store: the run store.
        experiment: the experiment, or its name.
        data_digest: of the data set.
        check: called while the surface is asked, once, at the first decision; raises to stop.

    Raises:
        ConfigError: the surface that was asked for does not fit.
        StoreAway: the store does not answer.
    """
    if choice.driver != "coverage" or choice.rates or choice.surface == "none":
        return None
    named = "" if choice.surface == "auto" else choice.surface
    betas = (choice.grid.lowest, choice.grid.highest)
    run_id = find_surface(store, experiment, choice.base, data_digest, betas=betas, named=named)
    if not run_id:
        return None
    return SurfaceRates(run_id, lambda asked: expected_rates(store, run_id, choice.base, asked, check), choice.grid)
