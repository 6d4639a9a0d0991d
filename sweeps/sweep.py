"""A sweep from its options: checked before anything starts, then run under its own run in the store."""

__all__ = ["Sweep"]

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from analysis.recommendation.applications import applications
from hit.config import TrainConfig
from hit.config.early_stopping import EarlyStopping
from hit.connection import chosen_experiment
from hit.delivery.local_state import state_folder
from hit.errors.run_outcomes import RunOutcome
from hit.evaluation.data_needs import check_groups, check_metrics
from hit.models import check_fit, check_memory, check_values
from hit.processes.devices import select_device
from hit.processes.stop import StopRequest
from hit.runs.datasets import load_once
from hit.runs.warm_start import find_source
from hit.schema import Kind, Tag
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.tracking import RunWriter
from hit.ui.run_names import command_name
from sweeps.drivers.build import build_driver, check_logged, find_rates
from sweeps.drivers.driver import Driver
from sweeps.launchers import build_launcher, check_launcher, settle_launcher, worker_processes
from sweeps.scheduler.budget import Budget
from sweeps.scheduler.context import SweepResult, SweepSetting
from sweeps.scheduler.loop import run_sweep
from sweeps.spec.definition import definition_hash
from sweeps.spec.launch_options import RunningOptions
from sweeps.spec.request import SweepOptions, SweepRequest, is_swept

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """A checked sweep.

    Attributes:
        base: config of every model but for what the driver varies.
        options: budget, workers.
        experiment: of its models.
        running: launcher, hours, early stopping.
        data_digest: of the data set.
        driver: who chooses the models.
        params: what the sweep's run shows as params.
        best: metric whose best value is told while it runs.
        definition: hash of what it is (`sweeps.spec.definition`): all starts of a sweep share its budget.
    """

    base: TrainConfig
    options: SweepOptions
    experiment: Experiment
    running: RunningOptions
    data_digest: str
    driver: Driver
    params: Mapping[str, Any]
    best: str
    definition: str

    @classmethod
    def plan(cls, request: SweepRequest) -> "Sweep":
        """Check what needs the data: that they are there, and that the models fit them; find the experiment.

        Raises:
            UserError: naming what is wrong.
        """
        base = request.base
        running = request.running
        rules = EarlyStopping.parse(running.early_stopping, base.layers, request.choosing.region)
        check_launcher(running, state_folder(base))
        options, experiment = request.options, chosen_experiment(request.options.experiment)
        device = select_device(base.device)
        dataset = load_once(base.dataset, base.data_root, select_device("cpu"), base.crop, base.label)
        check_fit(base, dataset.shape)
        check_values(base, dataset)
        check_memory(base, dataset.shape, device, len(dataset.train))
        check_groups(base.metrics, dataset)
        check_metrics("objectives", [one.name for one in request.choice.objectives], dataset)
        check_metrics("constraints", [one.name for one in request.choice.constraints], dataset)
        if request.choice.application.strip() != "all":
            for one in applications(request.choice.application):
                suited = one.suited_to_labels(dataset.label_kind).metrics(base.layers)
                # Vectors have reconstruction in another metric.
                check_metrics("application", [name for name in suited if name != "test/psnr"], dataset)
        if base.init_from:
            find_source(Store(), base, dataset.shape)
        model_params = {name: value for name, value in base.to_flat().items() if not is_swept(name)}
        own = {"driver": options.driver, "seeds": options.seeds, "budget": options.budget, "workers": options.workers}
        check_logged(request.choice, Store(), experiment)
        surface = find_rates(request.choice, Store(), experiment, dataset.digest)
        driver = build_driver(request.choice, dataset.digest, surface)
        running = replace(running, early_stopping=str(rules))
        running = settle_launcher(running, base, dataset, options.driver, options.workers)
        params = own | asdict(request.choosing) | asdict(running) | dict(request.axes) | model_params
        best = request.choice.objectives[0].name if request.choice.objectives else SweepSetting.best
        definition = definition_hash(request.choice, str(rules), dataset.digest)
        return cls(base, options, experiment, running, dataset.digest, driver, params, best, definition)

    def run(self, sweep: RunWriter, stop: StopRequest) -> SweepResult:
        """Run it as children of `sweep`, and say on stderr what came of it.

        Raises:
            StoreError: the store does not answer.
            Interrupted: `stop` was requested.
        """
        sweep.params(self.params)
        folder = state_folder(self.base)
        workers = worker_processes(self.running, self.base, self.options.workers)
        if self.driver.wanted is not None:
            workers = min(workers, max(1, self.driver.wanted))
        if self.running.launcher == "lockstep":
            device = "GPU" if select_device(self.base.device).type == "cuda" else "CPU"
            by = "" if workers == 1 else f" by {workers} processes"
            _LOG.info(f"sweep: models are trained together on the {device}{by} (launcher=lockstep; pool: one by one)")
        setting = SweepSetting(
            experiment=sweep.experiment,
            folder=folder,
            data_digest=self.data_digest,
            budget=Budget(self.options.budget, self.running.hours),
            early_stopping=self.running.early_stopping,
            best=self.best,
            definition=self.definition,
        )
        launcher = build_launcher(self.running, workers, folder, self.base.threads)
        result = run_sweep(self.driver, sweep, launcher, setting, stop, self.params)
        of_all = f" of {result.wanted}" if result.wanted is not None else ""
        started = sum(result.counts.values())
        others = [(state, count) for state, count in sorted(result.counts.items()) if state != RunOutcome.FINISHED]
        _LOG.info(
            f"sweep: {result.finished}{of_all or ' runs'}{' cells' if of_all else ''} are finished, "
            f"{started} {'run was' if started == 1 else 'runs were'} started now"
            + "".join(f", {count} {state}" for state, count in others)
            + f"; {result.ended}"
        )
        return result

    def _earlier_starts(self) -> int:
        where = f"tags.`{Tag.DEFINITION}` = '{self.definition}'"
        return sum(1 for _ in Store().runs(self.experiment, where=where, kind=Kind.SWEEP))

    @property
    def _what(self) -> str:
        return self.options.driver if self.driver.wanted is None else f"{self.driver.wanted} cells"

    def writer(self, stop: StopRequest, run_id: str | None) -> RunWriter:
        """The sweep's own run: a new one, or the one that `mlflow run` has made.

        Every start is a run of its own, with its own budget and workers; all but the first are numbered, so that they
        can be told apart.
        """
        start = 1 + self._earlier_starts()
        name = f"sweep {self.base.model} {self.base.dataset} ({self._what})"
        return RunWriter.begin_or_take_over(
            run_id,
            kind=Kind.SWEEP,
            name=command_name(f"{name}, start {start}" if start > 1 else name),
            state_dir=state_folder(self.base),
            experiment=self.experiment,
            tags={Tag.DEFINITION: self.definition},
            stop=stop,
        )
