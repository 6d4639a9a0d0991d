"""A grid sweep from its options: checked before anything starts, then run under its own run in the store."""

__all__ = ["GridSweep"]

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hit.axes import axis_layer
from hit.config import TrainConfig
from hit.machine import select_device
from hit.models import check_fit
from hit.runner import load_once, state_folder
from hit.schema import Kind
from hit.stop import StopRequest
from hit.tracking import RunWriter
from sweeps.grid import GridDriver
from sweeps.loop import SweepResult, run_sweep
from sweeps.options import SweepOptions, parse_seeds
from sweeps.space import BetaGrid


@dataclass(frozen=True)
class GridSweep:
    """A checked grid sweep.

    Attributes:
        base: config of every model but for β and seed.
        options: budget, workers, experiment.
        driver: the grid driver.
        params: what the sweep's run shows as params.
    """

    base: TrainConfig
    options: SweepOptions
    driver: GridDriver
    params: Mapping[str, Any]

    @classmethod
    def plan(cls, base: TrainConfig, options: SweepOptions, grids: Mapping[str, str]) -> "GridSweep":
        """Check everything that can be checked: the axes, the data, and that the models fit them.

        Args:
            base: config of every model; its betas hold for layers without an axis.
            options: of the sweep.
            grids: `grid_1` … `grid_L`, each `low:high:count` or values with commas.

        Raises:
            UserError: naming what is wrong.
        """
        texts = {axis_layer(name): text for name, text in grids.items()}
        grid = BetaGrid.parse(texts, base.layers, base.betas)
        seeds = parse_seeds(options.seeds)
        select_device(base.device)
        dataset = load_once(base.dataset, base.data_root, select_device("cpu"), base.crop)
        check_fit(base, dataset.image_shape)
        model_params = {
            name: value for name, value in base.to_flat().items() if not name.startswith("beta_") and name != "seed"
        }
        own = {"driver": options.driver, "seeds": options.seeds, "budget": options.budget, "workers": options.workers}
        return cls(base, options, GridDriver(base, grid, seeds, dataset.digest), own | dict(grids) | model_params)

    def run(self, sweep: RunWriter, stop: StopRequest) -> SweepResult:
        """Run it as children of `sweep`, and say on stderr what came of it.

        Raises:
            StoreError: the store does not answer.
            Interrupted: `stop` was requested.
        """
        sweep.params(self.params)
        result = run_sweep(
            self.driver,
            sweep,
            experiment=self.options.experiment,
            folder=state_folder(self.base),
            workers=min(self.options.worker_count, max(1, self.driver.wanted)),
            budget=self.options.budget,
            stop=stop,
        )
        started = sum(result.counts.values())
        print(
            f"sweep: {result.finished} of {result.wanted} cells are finished, {started} runs were started now"
            + "".join(f", {count} {state}" for state, count in sorted(result.counts.items()) if state != "finished"),
            file=sys.stderr,
        )
        return result

    def writer(self, stop: StopRequest, run_id: str | None) -> RunWriter:
        """The sweep's own run: a new one, or the one that `mlflow run` has made."""
        return RunWriter(
            kind=Kind.SWEEP,
            name=f"sweep {self.base.model} {self.base.dataset} ({self.driver.wanted} cells)",
            state_dir=state_folder(self.base),
            experiment=self.options.experiment,
            run_id=run_id,
            stop=stop,
        )
