"""One model for every β from config to measured grid: the surface's run in the store, and a child a cell."""

__all__ = ["read_surface", "surface_run"]

import logging
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlflow.entities import Run

from hit.config import TrainConfig, machine_fields
from hit.config.rates.beta_grid import grid_axes
from hit.data import Dataset
from hit.delivery.local_state import state_folder
from hit.errors import StoreError
from hit.evaluation.data_needs import check_groups
from hit.evaluation.rate_inversion import betas_for
from hit.models import build_model, check_fit, check_memory, check_values
from hit.models.surface_model import SurfaceModel, condition_on_betas
from hit.processes.devices import select_device, set_threads
from hit.processes.stop import StopRequest
from hit.runs.collapse import COLLAPSED_BELOW
from hit.runs.datasets import load_once, log_dataset
from hit.runs.model_run import model_numbers
from hit.runs.training_run import RunProgress
from hit.schema import Kind, Tag
from hit.store import Store
from hit.surfaces.cells import TrainedSurface, load_surface, measure_cells
from hit.surfaces.certificate import certify
from hit.surfaces.plan import SurfacePlan
from hit.surfaces.stored import PLAN_FILE, stored_surface
from hit.tracking import RunWriter
from hit.training import fit
from hit.training.beta_sampling import WIDENED_AT
from hit.training.checkpoints import save_weights
from hit.training.loop import Epoch

_LOG = logging.getLogger(__name__)


def surface_run(
    plan: SurfacePlan,
    *,
    uri: str | None = None,
    run_id: str | None = None,
    name: str = "",
    workers: int = 1,
    stop: StopRequest | None = None,
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> str:
    """Train a surface in one run and measure every cell of its grid in a child run; the surface's run id.

    Where the plan asks for a certificate, dedicated models are trained and compared, too. A cell or dedicated model
    that the store holds as finished is left as it is, so that an interrupted surface goes on.

    Args:
        plan: what to do.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        run_id: take over this run, going on from its checkpoint if it has one here.
        name: shown in the UI; empty: what it is of.
        workers: processes for what comes after training, which divide the CPUs.
        stop: told about by SIGTERM and Ctrl-C.
        on_progress: told after every epoch, every cell and every dedicated model.

    Raises:
        UserError: the request is wrong, or the store does not answer.
        Diverged: the loss, or a metric of a cell, is not finite; what was measured is kept.
        Interrupted: `stop` was requested; the checkpoint of the last whole epoch is kept.
    """
    stop = stop or StopRequest()
    config = plan.config
    set_threads(config.threads)
    device = select_device(config.device)
    dataset = load_once(config.dataset, config.data_root, device, config.crop, config.label)
    check_fit(config, dataset.shape)
    check_values(config, dataset)
    check_groups(config.metrics, dataset)
    check_memory(config, dataset.shape, device, len(dataset.train))
    dataset.test.verify(stop.check)
    stop.check()
    identity = plan.identity(dataset.digest)
    with RunWriter.begin_or_take_over(
        run_id,
        kind=Kind.SURFACE,
        name=name or f"surface {config.model} {Path(config.dataset).name} seed {config.seed}",
        state_dir=state_folder(config),
        experiment=plan.experiment,
        uri=uri,
        tags={
            Tag.CONFIG_HASH: identity,
            Tag.GROUP: plan.group(dataset.digest),
            Tag.DATA_DIGEST: dataset.digest,
            Tag.DEVICE: str(device),
        },
        stop=stop,
    ) as run:
        plan = replace(plan, experiment=run.experiment)
        model = condition_on_betas(
            build_model(config, dataset.shape),
            beta_low=plan.beta_low,
            beta_high=plan.beta_high,
            seed=config.seed,
            kernels=plan.kernels,
        ).to(device)
        _describe(run, plan, dataset, model)

        def on_epoch(epoch: Epoch) -> None:
            run.metrics(epoch.metrics, step=epoch.number, sync=True)
            _warn_of_collapse(epoch, config.epochs)
            on_progress(RunProgress(epoch.number, config.epochs, "training"))

        fit(
            model,
            dataset.train,
            config,
            on_epoch=on_epoch,
            check=run.check,
            checkpoint=run.folder / "checkpoint.safetensors",
            identity=identity,
        )
        weights = run.folder / "weights.safetensors"
        save_weights(weights, model, identity)
        run.artifact(weights, "model")

        def tell(what: str, count: int) -> Callable[[int], None]:
            def told(done: int) -> None:
                run.check()
                on_progress(RunProgress(config.epochs, config.epochs, f"{what} {done} of {count}"))

            return told

        cells = measure_cells(
            TrainedSurface(plan, weights, run.run_id, dataset.digest),
            plan.cells,
            uri=uri,
            workers=workers,
            stop=stop,
            on_cell=tell("cell", len(plan.cells)),
        )
        _tag_collapsed(run, cells, model.layers)
        if plan.certified:
            on_model = tell("dedicated model", len(plan.certified))
            certify(run, plan, dataset, model, cells, workers=workers, stop=stop, on_model=on_model)
    return run.run_id


def read_surface(
    run_id: str,
    *,
    grids: Mapping[str, str],
    rates: Mapping[int, float],
    config: TrainConfig,
    certificate: str = "",
    certificate_learning_rate: float = 1e-3,
    uri: str | None = None,
    workers: int = 1,
    stop: StopRequest | None = None,
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> tuple[SurfacePlan, list[Run]]:
    """Read more off a surface that the store holds, which is not trained again: its plan, and a child run a cell.

    Args:
        run_id: a finished surface.
        grids: axes of β, as in `SurfacePlan`; of layers left out the usual ones.
        rates: layer → R_l, nats per image: in place of the grid, the one cell that has these rates on the test set;
            the other layers' β are 1.
        config: says where and how to run, and what to measure; the rest of it is the surface's.
        certificate: β at which dedicated models are trained, where the store has none, and compared, as in
            `SurfacePlan`; the comparison takes the place of an earlier one in the surface's run. Empty: none.
        certificate_learning_rate: peak step size of the dedicated models.
        uri: the store.
        workers: processes, which divide the CPUs.
        stop: told about by SIGTERM and Ctrl-C.
        on_progress: told after every cell.

    Raises:
        UserError: no finished surface, data that are not those it was trained on, a grid outside its range.
        OutsideSurface: no cell has these rates.
        Diverged: a metric of a cell is not finite.
        Interrupted: `stop` was requested.
    """
    stop = stop or StopRequest()
    store = Store(uri)
    with tempfile.TemporaryDirectory() as folder:
        source = stored_surface(store, run_id, Path(folder))
        machine = {name: getattr(config, name) for name in machine_fields()}
        plan = replace(
            source.plan,
            config=replace(source.plan.config, **machine),
            grids={} if rates else grid_axes(grids, range(1, source.plan.config.layers + 1)),
            certificate=certificate,
            certificate_learning_rate=certificate_learning_rate,
        )
        source = replace(source, plan=plan)
        set_threads(config.threads)
        device = select_device(config.device)
        dataset = load_once(plan.config.dataset, config.data_root, device, plan.config.crop, plan.config.label)
        if dataset.digest != source.data_digest:
            raise StoreError(
                f"dataset {plan.config.dataset} must be what surface {run_id} was trained on "
                f"(digest {source.data_digest}), got digest {dataset.digest}"
            )
        check_groups(config.metrics, dataset)
        cells = plan.cells
        if rates:
            model = load_surface(source, dataset.shape, device)
            found = betas_for(model, dataset.test, rates, check=stop.check)
            cells = [replace(plan.config, betas=tuple(float(f"{beta:.6g}") for beta in found.betas))]
        measured = measure_cells(
            source,
            cells,
            uri=uri,
            workers=workers,
            stop=stop,
            on_cell=lambda done: on_progress(RunProgress(0, 0, f"cell {done} of {len(cells)}")),
        )
        if plan.certified:
            model = load_surface(source, dataset.shape, device)

            def on_model(done: int) -> None:
                on_progress(RunProgress(0, 0, f"dedicated model {done} of {len(plan.certified)}"))

            with RunWriter.amend(run_id, state_dir=state_folder(config), uri=uri, stop=stop) as run:
                certify(run, plan, dataset, model, measured, workers=workers, stop=stop, on_model=on_model)
    return plan, measured


def _describe(run: RunWriter, plan: SurfacePlan, dataset: Dataset, model: SurfaceModel) -> None:
    """What decides the surface, in the store before its first step."""
    run.params(plan.params())
    numbers = model_numbers(plan.config, model)
    run.metrics({name: value for name, value in numbers.items() if "beta_" not in name})
    log_dataset(run, dataset)
    run.json_artifact(PLAN_FILE, plan.to_json())


def _warn_of_collapse(epoch: Epoch, epochs: int) -> None:
    """Say once, as soon as it can be told, that a layer carries nothing at any β."""
    if epoch.number != math.ceil(WIDENED_AT * epochs) + 1:
        return
    dead = [name for name, rate in epoch.metrics.items() if name.startswith("train/rate_") and rate < COLLAPSED_BELOW]
    for name in dead:
        layer = name.rpartition("_")[2]
        _LOG.warning(
            f"collapsed: z_{layer} carries {epoch.metrics[name]:.2g} nats over all β after {epoch.number} of "
            f"{epochs} epochs, and seldom comes back; more steps (epochs, or smaller batches) help"
        )


def _tag_collapsed(run: RunWriter, cells: Sequence[Run], layers: int) -> None:
    """Say which layers carry next to nothing at every cell."""
    dead = [
        str(layer)
        for layer in range(1, layers + 1)
        if all(cell.data.metrics[f"test/rate_{layer}"] < COLLAPSED_BELOW for cell in cells)
    ]
    if dead:
        run.tags({Tag.COLLAPSED: ",".join(dead)})
