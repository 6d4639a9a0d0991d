"""One model from config to measured run: data, training, evaluation, all in one run of the store."""

__all__ = ["RunProgress", "TrainingRun", "begin_training", "load_data", "train_job", "train_run"]

import contextlib
import logging
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hit.commands import program
from hit.config import TrainConfig, beta_numbers
from hit.data import Dataset
from hit.errors import Interrupted
from hit.evaluation.core_metrics import MeasuredPass
from hit.evaluation.data_needs import check_groups
from hit.evaluation.latent_plots import HERE, LatentWork
from hit.models import HierarchicalVAE, build_model, check_fit, check_memory, check_values
from hit.processes.devices import select_device, set_threads
from hit.processes.stop import StopRequest
from hit.runs.collapse import collapse_line, collapsed_layers
from hit.runs.datasets import load_once
from hit.runs.measurement import measure_run
from hit.runs.model_run import RunRequest, describe_run, model_run
from hit.runs.resuming import CHECKPOINT, Longer, take_earlier_epochs
from hit.runs.warm_start import find_source, load_source
from hit.schema import Tag
from hit.store import Store
from hit.tracking import RunWriter
from hit.tracking.claims import Claim
from hit.training import FitResult, fit
from hit.training.loop import Epoch
from hit.ui.run_notes import run_note

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunProgress:
    """What a run is doing: epochs done of how many, and in words."""

    epoch: int
    epochs: int
    doing: str


def load_data(config: TrainConfig) -> tuple[Dataset, torch.device]:
    """The data of a model, on its device; whether the model fits them, and into memory.

    Raises:
        UserError: naming what is wrong.
    """
    set_threads(config.threads)
    device = select_device(config.device)
    dataset = load_once(config.dataset, config.data_root, device, config.crop, config.label)
    check_fit(config, dataset.shape)
    check_values(config, dataset)
    check_groups(config.metrics, dataset)
    check_memory(config, dataset.shape, device, len(dataset.train))
    return dataset, device


@dataclass(frozen=True)
class TrainingRun:
    """A model on its way through its run, whoever takes the steps (`begin_training`).

    Attributes:
        config: of the model.
        dataset: that it is trained on.
        run: in the store.
        model: to be trained.
        identity: config hash.
        claim: to its config, where the run is to be the only one.
        watch: shown every epoch once its numbers are logged.
        on_progress: told after every epoch, and when the evaluation begins.
    """

    config: TrainConfig
    dataset: Dataset
    run: RunWriter
    model: HierarchicalVAE
    identity: str
    claim: Claim | None
    watch: Callable[[str, Epoch], None]
    on_progress: Callable[[RunProgress], None]

    @property
    def checkpoint(self) -> Path:
        """File to go on from, and to write after every epoch."""
        return self.run.folder / CHECKPOINT

    def on_epoch(self, epoch: Epoch) -> None:
        """An epoch is over; its checkpoint is yet to be written.

        Raises:
            Claimed, RunDeleted: the run is to go no further.
            EndedEarly: `watch` says so.
        """
        self.run.metrics(epoch.metrics, step=epoch.number, sync=True)
        self.run.note = partial(run_note, self.config, epoch.metrics)
        if self.claim is not None:
            self.claim.confirm()
        self.on_progress(RunProgress(epoch.number, self.config.epochs, "training"))
        self.watch(self.run.run_id, epoch)

    def measure(self, fitted: FitResult, passed: MeasuredPass | None = None, work: LatentWork = HERE) -> None:
        """The model is trained: what it is worth, as numbers, tags and pictures of its run.

        Args:
            fitted: what the training ended with.
            passed, work: as `hit.runs.measurement.measure_run`.

        Raises:
            Diverged: a metric is not finite.
            Interrupted, RunDeleted, TakenOver: as `RunWriter.check`.
        """
        config = self.config
        self.on_progress(RunProgress(config.epochs, config.epochs, "evaluating"))
        self.run.check()
        measured = measure_run(self.run, config, self.dataset, self.model, betas=fitted.betas, passed=passed, work=work)
        if collapsed := collapsed_layers(measured, config.layers):
            self.run.tags({Tag.COLLAPSED: ",".join(map(str, collapsed))})
            _LOG.warning(collapse_line(measured, collapsed))
        if fitted.controller is not None:
            self.run.metrics(beta_numbers(fitted.betas), step=config.epochs)
            if missed := fitted.controller.infeasible(measured):
                self.run.tags({Tag.INFEASIBLE: missed})


@contextlib.contextmanager
def begin_training(
    config: TrainConfig,
    dataset: Dataset,
    device: torch.device,
    request: RunRequest,
    *,
    uri: str | None,
    stop: StopRequest,
    store: Store | None = None,
    longer: Longer | None = None,
    watch: Callable[[str, Epoch], None] = lambda run_id, epoch: None,
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> Iterator[TrainingRun]:
    """A model in its run, described there before its first step; how the block is left is how the run ends.

    Args:
        config: the model.
        dataset, device: from `load_data`.
        request: which run of the store.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        stop: told about by SIGTERM and Ctrl-C.
        store: the same, read by several runs; None: opened where it is asked.
        longer: an interrupted run whose epochs are the first ones of this one.
        watch, on_progress: as `hit.runs.training_run.train_run`.

    Raises:
        UserError: the request is wrong, or the store does not answer; no run is left behind.
        Claimed: the request is exclusive, and somebody else trains the model.
    """
    source = find_source(store or Store(uri), config, dataset.shape) if config.init_from else None
    identity = config.identity(dataset.digest)
    with model_run(config, dataset, device, request, uri=uri, stop=stop) as run:
        claim = Claim(store or Store(uri), run.experiment, identity, run.run_id) if request.exclusive else None
        model = build_model(config, dataset.shape).to(device)
        describe_run(run, config, dataset, model)
        training = TrainingRun(config, dataset, run, model, identity, claim, watch, on_progress)
        if longer is not None and not training.checkpoint.exists():
            take_earlier_epochs(run, longer, store or Store(uri), dataset.digest, identity)
        if source is not None and not training.checkpoint.exists():
            load_source(store or Store(uri), source, model)
        try:
            yield training
        except Interrupted as error:
            error.advice = _how_to_go_on(run.run_id, config)
            raise


def train_run(
    config: TrainConfig,
    request: RunRequest | None = None,
    *,
    uri: str | None = None,
    longer: Longer | None = None,
    watch: Callable[[str, Epoch], None] = lambda run_id, epoch: None,
    stop: StopRequest | None = None,
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> str:
    """Train and evaluate one model in one run; its id.

    Everything that can be wrong with the request is found before the run begins.

    Args:
        config: the model.
        request: which run of the store; None: a new one of the default experiment.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        longer: an interrupted run whose epochs are the first ones of this one.
        watch: shown every epoch (with the run's id) once its numbers are logged; raises `EndedEarly` to end the run.
        stop: told about by SIGTERM and Ctrl-C.
        on_progress: told after every epoch, and when the evaluation begins.

    Raises:
        UserError: the request is wrong, or the store does not answer.
        Claimed: the request is exclusive, and somebody else trains it; no run is left behind.
            `TakenOver`: this one was taken for lost.
        RunDeleted: somebody has deleted the run; its checkpoint is kept.
        Diverged: the loss is not finite; what was measured is kept.
        EndedEarly: `watch` says so; what was measured is kept.
        Interrupted: `stop` was requested; the checkpoint of the last whole epoch is kept.
    """
    stop, request = stop or StopRequest(), request or RunRequest()
    dataset, device = load_data(config)
    dataset.test.verify(stop.check)  # a training image shows in the first epoch, a test image would after the last
    stop.check()
    begun = begin_training(
        config,
        dataset,
        device,
        request,
        uri=uri,
        stop=stop,
        longer=longer,
        watch=watch,
        on_progress=on_progress,
    )
    with begun as training:
        fitted = fit(
            training.model,
            dataset.train,
            config,
            on_epoch=training.on_epoch,
            check=training.run.check,
            checkpoint=training.checkpoint,
            identity=training.identity,
        )
        training.measure(fitted)
    return training.run.run_id


def train_job(*, stop: StopRequest, tell: Callable[[str, int], None], **arguments: Any) -> str:
    """`train_run` as work of `hit.processes.attempts.Job`; its run's id.

    Args:
        stop: told about by SIGTERM and Ctrl-C.
        tell: told what the run is doing, and how many epochs are done.
        arguments: the others of `train_run`.
    """
    return train_run(**arguments, stop=stop, on_progress=lambda progress: tell(progress.doing, progress.epoch))


def _how_to_go_on(run_id: str, config: TrainConfig) -> str:
    folder = f" --state_dir {shlex.quote(config.state_dir)}" if config.state_dir else ""
    return f"; go on with: {program('hit.train')} --resume {run_id}{folder}"
