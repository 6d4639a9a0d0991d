"""One model for every β from config to measured grid: the surface's run in the store, and a child a cell."""

__all__ = ["SurfacePlan", "resume_plan", "surface_run"]

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mlflow.entities import Run

from hit.axes import axis_layer, parse_axes
from hit.checkpoint import save_weights
from hit.config import TrainConfig
from hit.data import Dataset
from hit.errors import ConfigError, Diverged
from hit.machine import keep_freed_memory, select_device, set_threads
from hit.models import build_model, check_fit
from hit.models.conditioning import SurfaceModel, condition_on_betas
from hit.runner import (
    Progress,
    describe_run,
    load_once,
    log_dataset,
    measure_run,
    model_run,
    nothing_to_resume,
    state_folder,
)
from hit.schema import DEFAULT_EXPERIMENT, Kind, Tag
from hit.state import run_folder
from hit.stop import StopRequest
from hit.store import Store
from hit.surface_training import fit_surface
from hit.tracking import RunWriter
from hit.training import Epoch

#: A layer whose rate is below this at every β of the grid carries nothing, nats per image.
COLLAPSED_BELOW = 0.05

_PLAN = "surface.json"


@dataclass(frozen=True, kw_only=True)
class SurfacePlan:
    """What a surface is: its model and training, the range of β, and the cells that are read off.

    Attributes:
        config: its betas are 1 and mean nothing.
        beta_low, beta_high: range of β in training.
        grids: `grid_1` … `grid_L`, each `low:high:count` or values with commas.
        experiment: name of the MLflow experiment.

    Raises:
        ConfigError: a range that is none, an axis that is none, or a cell outside the range.
    """

    config: TrainConfig
    beta_low: float = 0.08
    beta_high: float = 12.0
    grids: Mapping[str, str]
    experiment: str = DEFAULT_EXPERIMENT

    def __post_init__(self) -> None:
        if not 0 < self.beta_low < self.beta_high:
            raise ConfigError(
                f"beta_low must be above 0 and below beta_high, got {self.beta_low:g} and {self.beta_high:g}"
            )
        for layer, axis in enumerate(self.axes, start=1):
            for beta in axis:
                if not self.beta_low <= beta <= self.beta_high:
                    raise ConfigError(
                        f"grid_{layer} must lie within beta_low … beta_high, the range that the model is trained for "
                        f"({self.beta_low:g} … {self.beta_high:g}), got {beta:g}"
                    )

    @property
    def axes(self) -> tuple[tuple[float, ...], ...]:
        """Values of β_1, …, β_L."""
        texts = {axis_layer(name): text for name, text in self.grids.items()}
        return parse_axes(texts, self.config.layers, (1.0,) * self.config.layers)

    @property
    def cells(self) -> list[TrainConfig]:
        """The config that a model trained for one cell alone would have, cell by cell."""
        return [replace(self.config, betas=betas) for betas in itertools.product(*self.axes)]

    def identity(self, data_digest: str) -> str:
        """Hash of what decides the surface; the grid that is read off does not."""
        return self._hash(self._neutral.identity(data_digest))

    def group(self, data_digest: str) -> str:
        """The same without the seed."""
        return self._hash(self._neutral.group(data_digest))

    def cell_tags(self, cell: TrainConfig, data_digest: str, run_id: str) -> dict[str, str]:
        """Identity and group of a cell: never those of a model that was trained for it alone."""
        return {
            Tag.CONFIG_HASH: _hash([self.identity(data_digest), cell.betas]),
            Tag.GROUP: _hash([self.group(data_digest), cell.betas]),
            Tag.AMORTISED: run_id,
        }

    def params(self) -> dict[str, Any]:
        """Flat params of the surface's run."""
        own = ("schedule", "init_from")  # a surface has its own schedule, and starts from nothing
        flat = {name: value for name, value in self.config.to_flat().items() if not name.startswith(("beta_", *own))}
        return flat | dict(self.grids) | {"beta_low": self.beta_low, "beta_high": self.beta_high}

    @property
    def _neutral(self) -> TrainConfig:
        return replace(self.config, betas=(1.0,) * self.config.layers)

    def _hash(self, of_config: str) -> str:
        return _hash(["surface", of_config, self.beta_low, self.beta_high])


def surface_run(
    plan: SurfacePlan,
    *,
    uri: str | None = None,
    run_id: str | None = None,
    stop: StopRequest | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> str:
    """Train a surface in one run and measure every cell of its grid in a child run; the surface's run id.

    A cell that the store holds as finished is left as it is, so that an interrupted surface goes on.

    Args:
        plan: what to do.
        uri: the store; see `hit.connection.tracking_uri`.
        run_id: take over this run, going on from its checkpoint if it has one here.
        stop: told about by SIGTERM and Ctrl-C.
        on_progress: told after every epoch, and before every cell.

    Raises:
        UserError: the request is wrong, or the store does not answer.
        Diverged: the loss, or a metric of a cell, is not finite; what was measured is kept.
        Interrupted: `stop` was requested; the checkpoint of the last whole epoch is kept.
    """
    stop = stop or StopRequest()
    config = plan.config
    set_threads(config.threads)
    keep_freed_memory()
    device = select_device(config.device)
    dataset = load_once(config.dataset, config.data_root, device, config.crop)
    check_fit(config, dataset.image_shape)
    dataset.test.verify(stop.check)
    stop.check()
    identity = plan.identity(dataset.digest)
    with RunWriter(
        kind=Kind.SURFACE,
        name=f"surface {config.model} {Path(config.dataset).name} seed {config.seed}",
        state_dir=state_folder(config),
        experiment=plan.experiment,
        uri=uri,
        run_id=run_id,
        tags={
            Tag.CONFIG_HASH: identity,
            Tag.GROUP: plan.group(dataset.digest),
            Tag.DATA_DIGEST: dataset.digest,
            Tag.DEVICE: str(device),
        },
        stop=stop,
    ) as run:
        model = condition_on_betas(
            build_model(config, dataset.image_shape),
            beta_low=plan.beta_low,
            beta_high=plan.beta_high,
            seed=config.seed,
        ).to(device)
        _describe(run, plan, dataset, model)

        def on_epoch(epoch: Epoch) -> None:
            run.metrics(epoch.metrics, step=epoch.number, sync=True)
            on_progress(Progress(epoch.number, config.epochs, "training"))

        fit_surface(
            model,
            dataset.train,
            config,
            on_epoch=on_epoch,
            check=stop.check,
            checkpoint=run.folder / "checkpoint.safetensors",
            identity=identity,
        )
        weights = run.folder / "weights.safetensors"
        save_weights(weights, model, identity)
        run.artifact(weights, "model")
        _measure_cells(run, plan, dataset, device, model, uri, stop, on_progress)
    return run.run_id


def resume_plan(run_id: str, state_dir: str = "") -> SurfacePlan:
    """The plan of an interrupted surface, from its folder under `state_dir`.

    Raises:
        CheckpointError: the run left nothing there.
    """
    path = run_folder(state_folder(TrainConfig(state_dir=state_dir)), run_id) / _PLAN
    try:
        saved = json.loads(path.read_text())
        config = replace(TrainConfig.from_flat(saved.pop("config")), state_dir=state_dir)
        return SurfacePlan(config=config, **saved)
    except (OSError, ValueError, TypeError, KeyError):
        raise nothing_to_resume(run_id, path) from None


def _describe(run: RunWriter, plan: SurfacePlan, dataset: Dataset, model: SurfaceModel) -> None:
    """What decides the surface, in the store before its first step."""
    run.params(plan.params())
    numbers = {name: value for name, value in plan.config.numbers().items() if "beta_" not in name}
    run.metrics(numbers | {"parameters": float(sum(p.numel() for p in model.parameters()))})
    log_dataset(run, dataset)
    run.json_artifact(
        _PLAN,
        {
            "config": plan.config.to_flat(),
            "beta_low": plan.beta_low,
            "beta_high": plan.beta_high,
            "grids": dict(plan.grids),
            "experiment": plan.experiment,
        },
    )


def _measure_cells(
    run: RunWriter,
    plan: SurfacePlan,
    dataset: Dataset,
    device: torch.device,
    model: SurfaceModel,
    uri: str | None,
    stop: StopRequest,
    on_progress: Callable[[Progress], None],
) -> None:
    """A child run a cell; layers that carry nothing at any of them go to a tag of the surface's run."""
    store = Store(uri)
    begun = _begun(store, plan.experiment, run.run_id)
    finished, faults = [], []
    for number, cell in enumerate(plan.cells, start=1):
        stop.check()
        on_progress(Progress(cell.epochs, cell.epochs, f"cell {number} of {len(plan.cells)}"))
        tags = plan.cell_tags(cell, dataset.digest, run.run_id)
        earlier = begun.get(tags[Tag.CONFIG_HASH])
        if earlier is not None and earlier.info.status == "FINISHED":
            finished.append(earlier.info.run_id)
            continue
        try:
            with model_run(
                cell,
                dataset,
                device,
                experiment=plan.experiment,
                uri=uri,
                run_id=earlier.info.run_id if earlier is not None else None,
                parent=run.run_id,
                tags=tags,
                stop=stop,
            ) as child:
                plain = model.at(cell.betas)
                describe_run(child, cell, dataset, plain)
                measure_run(child, cell, dataset, plain, stop)
        except Diverged as error:
            faults.append(f"β=({', '.join(f'{beta:g}' for beta in cell.betas)}): {error}")
            continue
        finished.append(child.run_id)
    if faults:
        raise Diverged(f"{len(faults)} of {len(plan.cells)} cells, the first at {faults[0]}")
    measured = [store.run(run_id).data.metrics for run_id in finished]
    dead = [
        str(layer)
        for layer in range(1, model.layers + 1)
        if all(metrics[f"test/rate_{layer}"] < COLLAPSED_BELOW for metrics in measured)
    ]
    if dead:
        run.tags({Tag.COLLAPSED: ",".join(dead)})


def _begun(store: Store, experiment: str, run_id: str) -> dict[str, Run]:
    """Config hash → the child of this surface that an earlier, interrupted process made."""
    children = store.runs(experiment, where=f"tags.`{Tag.AMORTISED}` = '{run_id}'")
    return {child.data.tags[Tag.CONFIG_HASH]: child for child in children}


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
