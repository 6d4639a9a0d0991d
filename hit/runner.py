"""One model from config to measured run: data, training, evaluation, all in one run of the store."""

__all__ = [
    "Progress",
    "describe_run",
    "load_once",
    "log_dataset",
    "model_run",
    "train_job",
    "train_run",
]

import contextlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch

from hit import data
from hit.claims import assert_claim
from hit.commands import program
from hit.config import TrainConfig, beta_numbers
from hit.data import Dataset
from hit.errors import Interrupted, StoreAway
from hit.experiments import Experiment
from hit.machine import select_device, set_threads
from hit.measurement import measure_run
from hit.models import HierarchicalVAE, build_model, check_fit, check_memory
from hit.resuming import CHECKPOINT, Longer, take_earlier_epochs
from hit.run_names import run_name
from hit.run_notes import run_note
from hit.schema import CONFIG, DEFAULT_EXPERIMENT, Kind, Tag
from hit.state import state_folder
from hit.stop import StopRequest
from hit.store import Store
from hit.tracking import RunWriter
from hit.training import fit
from hit.training_loop import Epoch
from hit.warm_start import find_source, load_source


@dataclass(frozen=True)
class Progress:
    """What a run is doing: epochs done of how many, and in words."""

    epoch: int
    epochs: int
    doing: str


def train_run(
    config: TrainConfig,
    *,
    experiment: str | Experiment = DEFAULT_EXPERIMENT,
    uri: str | None = None,
    run_id: str | None = None,
    name: str = "",
    sweep: str | None = None,
    parent: str | None = None,
    tags: Mapping[str, str] | None = None,
    longer: Longer | None = None,
    exclusive: bool = False,
    watch: Callable[[str, Epoch], None] = lambda run_id, epoch: None,
    stop: StopRequest | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> str:
    """Train and evaluate one model in one run; its id.

    Everything that can be wrong with the request is found before the run begins.

    Args:
        config: the model.
        experiment: the MLflow experiment, or its name, for a new run.
        uri: the store; see `hit.connection.tracking_uri`.
        run_id: take over this run, going on from its checkpoint if it has one here.
        name: shown in the UI; empty: what `hit.run_names` makes of the config.
        sweep: run id of the sweep that this run is a child of.
        parent: run id of another run that it is a child of.
        tags: further tags.
        longer: an interrupted run whose epochs are the first ones of this one.
        exclusive: leave the config to another process that trains or has trained it (`hit.claims`).
        watch: shown every epoch (with the run's id) once its numbers are logged; raises `EndedEarly` to end the run.
        stop: told about by SIGTERM and Ctrl-C.
        on_progress: told after every epoch, and when the evaluation begins.

    Raises:
        UserError: the request is wrong, or the store does not answer.
        Claimed: `exclusive`, and somebody else trains it; no run is left behind.
            `TakenOver`: this one was taken for lost.
        RunDeleted: somebody has deleted the run; its checkpoint is kept.
        Diverged: the loss is not finite; what was measured is kept.
        EndedEarly: `watch` says so; what was measured is kept.
        Interrupted: `stop` was requested; the checkpoint of the last whole epoch is kept.
    """
    stop = stop or StopRequest()
    set_threads(config.threads)
    device = select_device(config.device)
    dataset = load_once(config.dataset, config.data_root, device, config.crop)
    check_fit(config, dataset.image_shape)
    check_memory(config, dataset.image_shape, device, len(dataset.train))
    source = find_source(Store(uri), config, dataset.image_shape) if config.init_from else None
    dataset.test.verify(stop.check)  # a training image shows in the first epoch, a test image would after the last
    stop.check()
    with model_run(
        config,
        dataset,
        device,
        experiment=experiment,
        uri=uri,
        run_id=run_id,
        name=name,
        parent=sweep or parent,
        tags={**({Tag.SWEEP: sweep} if sweep else {}), **(tags or {})},
        stop=stop,
    ) as run:
        store = Store(uri) if exclusive else None
        identity = config.identity(dataset.digest)
        if store is not None:
            assert_claim(store, run.experiment, identity, run.run_id)
        model = build_model(config, dataset.image_shape).to(device)
        describe_run(run, config, dataset, model)
        checkpoint = run.folder / CHECKPOINT
        if longer is not None and not checkpoint.exists():
            take_earlier_epochs(run, longer, Store(uri), dataset.digest, identity)
        if source is not None and not checkpoint.exists():
            load_source(Store(uri), source, model)

        def on_epoch(epoch: Epoch) -> None:
            nonlocal store
            run.metrics(epoch.metrics, step=epoch.number, sync=True)
            run.note = partial(run_note, config, epoch.metrics)
            if store is not None:
                with contextlib.suppress(StoreAway):  # asked again after the next epoch
                    assert_claim(store, run.experiment, identity, run.run_id)
                    store = None
            on_progress(Progress(epoch.number, config.epochs, "training"))
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
            folder = f" --state_dir {shlex.quote(config.state_dir)}" if config.state_dir else ""
            error.advice = f"; go on with: {program('hit.train')} --resume {run.run_id}{folder}"
            raise
        on_progress(Progress(config.epochs, config.epochs, "evaluating"))
        run.check()
        measured = measure_run(run, config, dataset, model, betas=fitted.betas)
        if fitted.controller is not None:
            run.metrics(beta_numbers(fitted.betas), step=config.epochs)
            if missed := fitted.controller.infeasible(measured):
                run.tags({Tag.INFEASIBLE: missed})
    return run.run_id


def train_job(*, stop: StopRequest, tell: Callable[[str, int], None], **arguments: Any) -> str:
    """`train_run` as work of `hit.workers.Job`; its run's id.

    Args:
        stop: told about by SIGTERM and Ctrl-C.
        tell: told what the run is doing, and how many epochs are done.
        arguments: the others of `train_run`.
    """
    return train_run(**arguments, stop=stop, on_progress=lambda progress: tell(progress.doing, progress.epoch))


@lru_cache(maxsize=2)
def load_once(name: str, root: str, device: torch.device, crop: int = 0) -> Dataset:
    """The data set on the device; a worker that trains many models loads it once."""
    return data.load(name, root, crop).to(device)


def model_run(
    config: TrainConfig,
    dataset: Dataset,
    device: torch.device,
    *,
    experiment: str | Experiment,
    uri: str | None,
    run_id: str | None = None,
    name: str = "",
    parent: str | None = None,
    tags: Mapping[str, str] | None = None,
    stop: StopRequest,
) -> RunWriter:
    """The run in the store of one model, tagged with its identity and its data; see `RunWriter` for the arguments.

    Raises:
        StoreError: as `RunWriter`.
    """
    return RunWriter(
        kind=Kind.TRAIN,
        name=name or run_name(config),
        state_dir=state_folder(config),
        experiment=experiment,
        uri=uri,
        run_id=run_id,
        parent=parent,
        tags={
            Tag.CONFIG_HASH: config.identity(dataset.digest),
            Tag.GROUP: config.group(dataset.digest),
            Tag.DATA_DIGEST: dataset.digest,
            Tag.DEVICE: str(device),
            **({Tag.INIT_FROM: config.init_from} if config.init_from else {}),
            **(tags or {}),
        },
        stop=stop,
    )


def describe_run(run: RunWriter, config: TrainConfig, dataset: Dataset, model: HierarchicalVAE) -> None:
    """What decides the run, in the store before its first step."""
    run.params(config.to_flat())
    run.metrics(config.numbers() | {"parameters": float(sum(p.numel() for p in model.parameters()))})
    log_dataset(run, dataset)
    run.json_artifact(CONFIG, config.to_flat())
    run.note = partial(run_note, config, {})


def log_dataset(run: RunWriter, dataset: Dataset) -> None:
    """The data set as the run's input, with its digest and its sizes; its classes as a metric, to filter on."""
    profile = {
        "train": len(dataset.train.labels),
        "test": len(dataset.test.labels),
        "image_shape": list(dataset.image_shape),
        "classes": dataset.classes,
    }
    run.dataset(dataset.name, dataset.digest, profile)
    run.metrics({"classes": float(dataset.classes)})
