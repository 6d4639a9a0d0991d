"""The run in the store of one model: tagged with its identity and its data, and described before its first step."""

__all__ = ["RunRequest", "describe_run", "model_run"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch

from hit.config import TrainConfig
from hit.data import Dataset
from hit.delivery.local_state import state_folder
from hit.models import HierarchicalVAE
from hit.processes.stop import StopRequest
from hit.runs.datasets import log_dataset
from hit.schema import CONFIG, DEFAULT_EXPERIMENT, Kind, Tag
from hit.schema.experiments import Experiment
from hit.tracking import RunWriter
from hit.ui.run_names import run_name
from hit.ui.run_notes import run_note


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """Which run of the store a model gets.

    Attributes:
        experiment: the experiment, or its name, for a new run.
        run_id: take over this run, going on from its checkpoint if it has one here.
        name: shown in the UI; empty: what `hit.ui.run_names` makes of the config.
        sweep: run id of the sweep that this run is a child of.
        parent: run id of another run that it is a child of.
        exclusive: leave the config to another process that trains or has trained it (`hit.tracking.claims`).
        tags: further tags.
    """

    experiment: str | Experiment = DEFAULT_EXPERIMENT
    run_id: str | None = None
    name: str = ""
    sweep: str | None = None
    parent: str | None = None
    exclusive: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


def model_run(
    config: TrainConfig,
    dataset: Dataset,
    device: torch.device,
    request: RunRequest,
    *,
    uri: str | None,
    stop: StopRequest,
) -> RunWriter:
    """The run in the store of one model, tagged with its identity and its data.

    Args:
        config: the model.
        dataset: that it is trained on.
        device: where.
        request: which run.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        stop: told about by SIGTERM and Ctrl-C.

    Raises:
        StoreError: on entering, as `RunWriter`.
    """
    return RunWriter.begin_or_take_over(
        request.run_id,
        kind=Kind.TRAIN,
        name=request.name or run_name(config),
        state_dir=state_folder(config),
        experiment=request.experiment,
        uri=uri,
        parent=request.sweep or request.parent,
        tags={
            Tag.CONFIG_HASH: config.identity(dataset.digest),
            Tag.GROUP: config.group(dataset.digest),
            Tag.DATA_DIGEST: dataset.digest,
            Tag.DEVICE: str(device),
            **({Tag.INIT_FROM: config.init_from} if config.init_from else {}),
            **({Tag.SWEEP: request.sweep} if request.sweep else {}),
            **request.tags,
        },
        stop=stop,
    )


def describe_run(run: RunWriter, config: TrainConfig, dataset: Dataset, model: HierarchicalVAE) -> None:
    """What decides the run, in the store before its first step."""
    run.params(config.to_flat())
    numbers = {"parameters": float(sum(p.numel() for p in model.parameters()))}
    if dataset.form == "vectors":
        numbers["dim_z1"] = float(model.latent_shapes[0][0])
    run.metrics(config.numbers() | numbers)
    log_dataset(run, dataset)
    run.json_artifact(CONFIG, config.to_flat())
    run.note = partial(run_note, config, {})
