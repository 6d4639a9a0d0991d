"""A grid sweep from its options: checked before anything starts, then run under its own run in the store."""

__all__ = ["GridSweep"]

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hit.config import TrainConfig
from hit.connection import chosen_experiment
from hit.machine import select_device
from hit.models import check_fit
from hit.runner import load_once, state_folder
from hit.schema import Kind
from hit.stop import StopRequest
from hit.store import Store
from hit.tracking import RunWriter
from hit.warm_start import find_source
from sweeps.grid import GridDriver
from sweeps.loop import SweepResult, run_sweep
from sweeps.options import SweepOptions, SweepRequest


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
    def plan(cls, request: SweepRequest) -> "GridSweep":
        """Check what needs the data: that they are there, and that the models fit them; find the experiment.

        Raises:
            UserError: naming what is wrong.
        """
        base = request.base
        options = replace(request.options, experiment=chosen_experiment(request.options.experiment))
        select_device(base.device)
        dataset = load_once(base.dataset, base.data_root, select_device("cpu"), base.crop)
        check_fit(base, dataset.image_shape)
        if base.init_from:
            find_source(Store(), base, dataset.image_shape)
        model_params = {
            name: value for name, value in base.to_flat().items() if not name.startswith("beta_") and name != "seed"
        }
        own = {"driver": options.driver, "seeds": options.seeds, "budget": options.budget, "workers": options.workers}
        driver = GridDriver(base, request.grid, request.seeds, dataset.digest)
        return cls(base, options, driver, own | dict(request.axes) | model_params)

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
            workers=min(self.options.worker_count, max(1, self.driver.wanted or self.options.worker_count)),
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
