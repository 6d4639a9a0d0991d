"""Drivers and launchers by name; each is imported when a sweep is built."""

__all__ = ["DRIVERS", "LAUNCHERS", "DriverPart", "LauncherPart"]

from dataclasses import dataclass

from hit.config.parts import Part
from hit.extensions import Registry


@dataclass(frozen=True, eq=False)
class DriverPart(Part):
    """A driver: `build(choice, data_digest, surface)` gives a `sweeps.drivers.driver.Driver`.

    `choice` (`sweeps.spec.driver_options.Choice`) holds what it may go by: the models' base config, the grid, seeds,
    the region, and of a search the space, objectives and constraints; `surface` predicts rates for `coverage`.
    """

    @property
    def kind(self) -> str:
        return "driver"


@dataclass(frozen=True, eq=False)
class LauncherPart(Part):
    """A launcher: `build(options, workers, folder, threads)` gives a `sweeps.launchers.launcher.Launcher`."""

    @property
    def kind(self) -> str:
        return "launcher"


DRIVERS: Registry[DriverPart] = Registry("driver", DriverPart)
DRIVERS.register("grid", "sweeps.drivers.build:grid", help="every cell")
DRIVERS.register("bayes", "sweeps.drivers.build:bayes", help="improves objectives")
DRIVERS.register("coverage", "sweeps.drivers.build:coverage", help="fills a region of rate space")

LAUNCHERS: Registry[LauncherPart] = Registry("launcher", LauncherPart)
LAUNCHERS.register("auto", "sweeps.launchers.build:pool", help="lockstep for a grid on a GPU, else pool")
LAUNCHERS.register("pool", "sweeps.launchers.build:pool", help="processes")
LAUNCHERS.register("lockstep", "sweeps.launchers.build:lockstep", help="together")
LAUNCHERS.register("inline", "sweeps.launchers.build:inline", help="this one")
LAUNCHERS.register("project", "sweeps.launchers.build:project", help="mlflow run")
LAUNCHERS.register("ray", "sweeps.launchers.build:ray", help="Ray")
LAUNCHERS.register("slurm", "sweeps.launchers.build:slurm", help="SLURM")
