"""One model from config to measured run: data, training, evaluation, all in one run of the store."""

__all__ = ["RunProgress", "train_job", "train_run"]

import logging
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hit.commands import program
from hit.config import TrainConfig, beta_numbers
from hit.errors import Interrupted
from hit.evaluation.data_needs import check_groups
from hit.models import build_model, check_fit, check_memory, check_values
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
from hit.tracking.claims import Claim
from hit.training import fit
from hit.training.loop import Epoch
from hit.ui.run_notes import run_note

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunProgress:
    """What a run is doing: epochs done of how many, and in words."""

    epoch: int
    epochs: int
    doing: str


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
    set_threads(config.threads)
    device = select_device(config.device)
    dataset = load_once(config.dataset, config.data_root, device, config.crop, config.label)
    check_fit(config, dataset.shape)
    check_values(config, dataset)
    check_groups(config.metrics, dataset)
    check_memory(config, dataset.shape, device, len(dataset.train))
    source = find_source(Store(uri), config, dataset.shape) if config.init_from else None
    dataset.test.verify(stop.check)  # a training image shows in the first epoch, a test image would after the last
    stop.check()
    identity = config.identity(dataset.digest)
    with model_run(config, dataset, device, request, uri=uri, stop=stop) as run:
        claim = Claim(Store(uri), run.experiment, identity, run.run_id) if request.exclusive else None
        model = build_model(config, dataset.shape).to(device)
        describe_run(run, config, dataset, model)
        checkpoint = run.folder / CHECKPOINT
        if longer is not None and not checkpoint.exists():
            take_earlier_epochs(run, longer, Store(uri), dataset.digest, identity)
        if source is not None and not checkpoint.exists():
            load_source(Store(uri), source, model)

        def on_epoch(epoch: Epoch) -> None:
            run.metrics(epoch.metrics, step=epoch.number, sync=True)
            run.note = partial(run_note, config, epoch.metrics)
            if claim is not None:
                claim.confirm()
            on_progress(RunProgress(epoch.number, config.epochs, "training"))
            watch(run.run_id, epoch)

        try:
            fitted = fit(
                model,
                dataset.train,
                config,
                on_epoch=on_epoch,
                check=run.check,
                checkpoint=checkpoint,
                identity=identity,
            )
        except Interrupted as error:
            error.advice = _how_to_go_on(run.run_id, config)
            raise
        on_progress(RunProgress(config.epochs, config.epochs, "evaluating"))
        run.check()
        measured = measure_run(run, config, dataset, model, betas=fitted.betas)
        if collapsed := collapsed_layers(measured, config.layers):
            run.tags({Tag.COLLAPSED: ",".join(map(str, collapsed))})
            _LOG.warning(collapse_line(measured, collapsed))
        if fitted.controller is not None:
            run.metrics(beta_numbers(fitted.betas), step=config.epochs)
            if missed := fitted.controller.infeasible(measured):
                run.tags({Tag.INFEASIBLE: missed})
    return run.run_id


def train_job(*, stop: StopRequest, tell: Callable[[str, int], None], **arguments: Any) -> str:
    """`train_run` as work of `hit.processes.pool.Job`; its run's id.

    Args:
        stop: told about by SIGTERM and Ctrl-C.
        tell: told what the run is doing, and how many epochs are done.
        arguments: the others of `train_run`.
    """
    return train_run(**arguments, stop=stop, on_progress=lambda progress: tell(progress.doing, progress.epoch))


def _how_to_go_on(run_id: str, config: TrainConfig) -> str:
    folder = f" --state_dir {shlex.quote(config.state_dir)}" if config.state_dir else ""
    return f"; go on with: {program('hit.train')} --resume {run_id}{folder}"
