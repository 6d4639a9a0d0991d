"""Cells of a surface: each read off as a plain model, measured, and kept as a run of its own."""

__all__ = ["TrainedSurface", "load_surface", "measure_cell", "measure_cells"]

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from mlflow.entities import Run

from hit.config import TrainConfig
from hit.errors import Diverged, RunDeleted, StoreError
from hit.errors.run_outcomes import RunOutcome
from hit.models import build_model
from hit.models.surface_model import SurfaceModel, condition_on_betas, fold
from hit.processes.attempts import Job
from hit.processes.devices import select_device, set_threads
from hit.processes.jobs import run_jobs
from hit.processes.stop import StopRequest
from hit.runs.datasets import load_once
from hit.runs.measurement import measure_run
from hit.runs.model_run import RunRequest, describe_run, model_run
from hit.schema import Tag
from hit.store import Store
from hit.surfaces.plan import SurfacePlan
from hit.training.checkpoints import load_weights


@dataclass(frozen=True)
class TrainedSurface:
    """A trained surface, as a worker process can find it.

    Attributes:
        plan: what it is.
        weights: file on this machine.
        run_id: of the surface's run, the parent of its cells.
        data_digest: of the data that it was trained on.
    """

    plan: SurfacePlan
    weights: Path
    run_id: str
    data_digest: str


def measure_cells(
    source: TrainedSurface,
    cells: Sequence[TrainConfig],
    *,
    uri: str | None,
    workers: int,
    stop: StopRequest,
    on_cell: Callable[[int], None] = lambda done: None,
) -> list[Run]:
    """Every cell as a finished child run of the surface, measured by its config's metrics; in the order of `cells`.

    A cell that the store holds as finished is left as it is, so that an interrupted call goes on.

    Args:
        source: the surface.
        cells: configs that differ in β.
        uri: the store.
        workers: processes, which divide the CPUs.
        stop: told about by SIGTERM and Ctrl-C.
        on_cell: told how many are done, after each.

    Raises:
        Diverged: metrics of some cells are not finite; the others are measured.
        StoreError: some cells could not be measured; the others are.
        Interrupted: `stop` was requested.
    """
    store = Store(uri)
    begun = _begun(store, source)
    identities = [source.plan.cell_tags(cell, source.data_digest, source.run_id)[Tag.CONFIG_HASH] for cell in cells]
    done = 0
    jobs = []
    for identity, cell in zip(identities, cells, strict=True):
        earlier = begun.get(identity)
        if earlier is not None and earlier.info.status == "FINISHED":
            done += 1
            continue
        arguments = {"source": source, "cell": cell, "uri": uri, "run_id": earlier and earlier.info.run_id}
        jobs.append(Job(identity, measure_cell, arguments))
    faults: dict[str, str] = {}
    diverged = False
    for outcome in run_jobs(jobs, workers=workers, threads=source.plan.config.threads, stop=stop):
        done += 1
        if outcome.state != RunOutcome.FINISHED:
            betas = ", ".join(f"{beta:g}" for beta in outcome.job.arguments["cell"].betas)
            faults[f"β=({betas})"] = outcome.text.strip().splitlines()[-1]
            diverged |= outcome.state == RunOutcome.DIVERGED
        on_cell(done)
    if faults:
        where, why = next(iter(faults.items()))
        said = f"{len(faults)} of {len(cells)} cells, the first at {where}: {why}"
        raise Diverged(said) if diverged else StoreError(said)
    measured = _begun(store, source)
    if missing := sum(identity not in measured for identity in identities):
        raise RunDeleted(
            f"{missing} of {len(cells)} cells of surface {source.run_id} were deleted since they were measured"
        )
    return [measured[identity] for identity in identities]


def measure_cell(
    *,
    source: TrainedSurface,
    cell: TrainConfig,
    uri: str | None,
    run_id: str | None,
    stop: StopRequest,
    tell: Callable[[str, int], None],
) -> str:
    """Read one cell off and measure it in a run of its own (work of `hit.processes.attempts.Job`); its run's id."""
    set_threads(cell.threads)
    device = select_device(cell.device)
    dataset = load_once(cell.dataset, cell.data_root, device, cell.crop, cell.label)
    surface = load_surface(source, dataset.shape, device)
    request = RunRequest(
        experiment=source.plan.experiment,
        run_id=run_id,
        parent=source.run_id,
        tags=source.plan.cell_tags(cell, dataset.digest, source.run_id),
    )
    with model_run(cell, dataset, device, request, uri=uri, stop=stop) as child:
        plain = fold(surface, cell.betas)
        describe_run(child, cell, dataset, plain)
        measure_run(child, cell, dataset, plain)
    return child.run_id


def load_surface(source: TrainedSurface, shape: tuple[int, ...], device: torch.device) -> SurfaceModel:
    """The trained surface on the device, ready for evaluation; read once by a process that measures many cells.

    Raises:
        CheckpointError: its weights are damaged or of another surface.
    """
    return _load(str(source.weights), json.dumps(source.plan.to_json()), source.data_digest, shape, device)


@lru_cache(maxsize=1)
def _load(weights: str, plan_text: str, data_digest: str, shape: tuple[int, ...], device: torch.device) -> SurfaceModel:
    plan = SurfacePlan.from_json(json.loads(plan_text))
    model = build_model(plan.config, shape)
    surface = condition_on_betas(model, beta_low=plan.beta_low, beta_high=plan.beta_high, kernels=plan.kernels).to(
        device
    )
    load_weights(Path(weights), surface, plan.identity(data_digest))
    return surface.eval()


def _begun(store: Store, source: TrainedSurface) -> dict[str, Run]:
    """Config hash → the child of this surface, measured or begun."""
    children = store.runs(source.plan.experiment, where=f"tags.`{Tag.AMORTISED}` = '{source.run_id}'")
    return {child.data.tags[Tag.CONFIG_HASH]: child for child in children}
