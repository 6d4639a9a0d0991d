"""One model from config to measured run: data, training, evaluation, all in one run of the store."""

__all__ = [
    "Progress",
    "describe_run",
    "load_once",
    "log_dataset",
    "log_projections",
    "measure_run",
    "model_run",
    "resume_config",
    "state_folder",
    "train_run",
]

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from hit import data
from hit.checkpoint import save_weights
from hit.config import TrainConfig
from hit.data import Dataset
from hit.errors import CheckpointError
from hit.evaluation import evaluate
from hit.machine import keep_freed_memory, select_device, set_threads
from hit.metrics import EVALUATOR, Projection, violations
from hit.models import HierarchicalVAE, build_model, check_fit
from hit.pictures import reconstructions, samples, save_grid, traversal
from hit.scatter import save_coordinates, save_scatter
from hit.schema import DEFAULT_EXPERIMENT, Kind, Tag
from hit.stop import StopRequest
from hit.tracking import RunWriter, run_folder
from hit.training import Epoch, fit


@dataclass(frozen=True)
class Progress:
    """What a run is doing: epochs done of how many, and in words."""

    epoch: int
    epochs: int
    doing: str


def train_run(
    config: TrainConfig,
    *,
    experiment: str = DEFAULT_EXPERIMENT,
    uri: str | None = None,
    run_id: str | None = None,
    sweep: str | None = None,
    tags: Mapping[str, str] | None = None,
    stop: StopRequest | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> str:
    """Train and evaluate one model in one run; its id.

    Everything that can be wrong with the request is found before the run begins.

    Args:
        config: the model.
        experiment: name of the MLflow experiment for a new run.
        uri: the store; see `hit.connection.tracking_uri`.
        run_id: take over this run, going on from its checkpoint if it has one here.
        sweep: run id of the sweep that this run is a child of.
        tags: further tags.
        stop: told about by SIGTERM and Ctrl-C.
        on_progress: told after every epoch, and when the evaluation begins.

    Raises:
        UserError: the request is wrong, or the store does not answer.
        Diverged: the loss is not finite; what was measured is kept.
        Interrupted: `stop` was requested; the checkpoint of the last whole epoch is kept.
    """
    stop = stop or StopRequest()
    set_threads(config.threads)
    keep_freed_memory()
    device = select_device(config.device)
    dataset = load_once(config.dataset, config.data_root, device)
    check_fit(config, dataset.image_shape)
    stop.check()
    with model_run(
        config,
        dataset,
        device,
        experiment=experiment,
        uri=uri,
        run_id=run_id,
        parent=sweep,
        tags={**({Tag.SWEEP: sweep} if sweep else {}), **(tags or {})},
        stop=stop,
    ) as run:
        model = build_model(config, dataset.image_shape).to(device)
        describe_run(run, config, dataset, model)

        def on_epoch(epoch: Epoch) -> None:
            run.metrics(epoch.metrics, step=epoch.number, sync=True)
            on_progress(Progress(epoch.number, config.epochs, "training"))

        fit(
            model,
            dataset.train,
            config,
            on_epoch=on_epoch,
            check=stop.check,
            checkpoint=run.folder / "checkpoint.safetensors",
            identity=config.identity(dataset.digest),
        )
        on_progress(Progress(config.epochs, config.epochs, "evaluating"))
        stop.check()
        measure_run(run, config, dataset, model, stop)
    return run.run_id


def state_folder(config: TrainConfig) -> Path:
    """Folder of journals and checkpoints: the config's, else $HIT_STATE_DIR, else .hit."""
    return Path(config.state_dir or os.environ.get("HIT_STATE_DIR", "") or ".hit").expanduser().absolute()


def resume_config(run_id: str, state_dir: str = "") -> TrainConfig:
    """The config of an interrupted run, from its folder under `state_dir`.

    Raises:
        CheckpointError: the run left nothing there.
    """
    root = state_folder(TrainConfig(state_dir=state_dir))
    path = run_folder(root, run_id) / "config.json"
    try:
        flat = json.loads(path.read_text())
    except (OSError, ValueError):
        raise CheckpointError(
            f"resume must name a run that was interrupted on this machine, got {run_id!r}: no {path}"
        ) from None
    return replace(TrainConfig.from_flat(flat), state_dir=state_dir)


@lru_cache(maxsize=2)
def load_once(name: str, root: str, device: torch.device) -> Dataset:
    """The data set on the device; a worker that trains many models loads it once."""
    return data.load(name, root).to(device)


def model_run(
    config: TrainConfig,
    dataset: Dataset,
    device: torch.device,
    *,
    experiment: str,
    uri: str | None,
    run_id: str | None = None,
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
        name=_name(config),
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
            **(tags or {}),
        },
        stop=stop,
    )


def describe_run(run: RunWriter, config: TrainConfig, dataset: Dataset, model: HierarchicalVAE) -> None:
    """What decides the run, in the store before its first step."""
    run.params(config.to_flat())
    run.metrics(config.numbers() | {"parameters": float(sum(p.numel() for p in model.parameters()))})
    log_dataset(run, dataset)
    run.json_artifact("config.json", config.to_flat())


def log_dataset(run: RunWriter, dataset: Dataset) -> None:
    """The data set as the run's input, with its digest and its sizes."""
    profile = {
        "train": len(dataset.train.labels),
        "test": len(dataset.test.labels),
        "image_shape": list(dataset.image_shape),
        "classes": dataset.classes,
    }
    run.dataset(dataset.name, dataset.digest, profile)


def measure_run(
    run: RunWriter, config: TrainConfig, dataset: Dataset, model: HierarchicalVAE, stop: StopRequest
) -> None:
    """Evaluate a trained model; its metrics, weights and pictures go to its run.

    Raises:
        Diverged: the model gives numbers that are not finite.
        Interrupted: `stop` was requested.
    """
    projections: dict[int, Projection] = {}
    metrics = evaluate(
        model,
        dataset,
        config.betas,
        metrics=config.metrics,
        check=stop.check,
        on_projection=projections.__setitem__,
    )
    run.metrics(metrics, step=config.epochs, sync=True)
    run.tags({Tag.EVALUATOR: EVALUATOR.fingerprint(), Tag.BOUND_VIOLATIONS: violations(metrics)})
    log_projections(run, projections, dataset.test.labels)
    weights = run.folder / "weights.safetensors"
    save_weights(weights, model, config.identity(dataset.digest))
    run.artifact(weights, "model")
    run.artifact(save_grid(reconstructions(model, dataset.test.images), run.folder / "reconstructions.png"), "images")
    run.artifact(save_grid(samples(model), run.folder / "samples.png"), "images")
    for layer in range(1, model.layers + 1):
        grid = traversal(model, dataset.test.images, layer)
        run.artifact(save_grid(grid, run.folder / f"traversal_z{layer}.png"), "images")


def log_projections(run: RunWriter, projections: Mapping[int, Projection], labels: Tensor) -> None:
    """Principal components of posterior means, as one CSV file a layer and one picture of all layers."""
    if projections:
        for layer, projection in projections.items():
            run.artifact(save_coordinates(projection, labels, run.folder / f"pca_z{layer}.csv"), "latents")
        run.artifact(save_scatter(projections, labels, run.folder / "pca.png"), "latents")


def _name(config: TrainConfig) -> str:
    betas = ", ".join(f"{beta:.3g}" for beta in config.betas)
    return f"{config.model} {Path(config.dataset).name} β=({betas}) seed {config.seed}"
