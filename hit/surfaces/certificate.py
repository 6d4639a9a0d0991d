"""Is a surface as good as the models that it stands for? Dedicated models at some β, trained and compared."""

__all__ = ["Comparison", "certify", "compare", "summary"]

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from mlflow.entities import Run

from hit.config import TrainConfig
from hit.data import Dataset
from hit.errors import StoreError
from hit.errors.run_outcomes import RunOutcome
from hit.evaluation import evaluate_model
from hit.evaluation.rate_inversion import OutsideSurface, betas_for
from hit.models.surface_model import SurfaceModel, fold
from hit.processes.attempts import Job
from hit.processes.jobs import run_jobs
from hit.processes.stop import StopRequest
from hit.runs.collapse import COLLAPSED_BELOW
from hit.runs.model_run import RunRequest
from hit.runs.training_run import train_job
from hit.schema import Tag
from hit.store import Store
from hit.surfaces.plan import SurfacePlan
from hit.tracking import RunWriter


@dataclass(frozen=True)
class Comparison:
    """A surface beside the model that was trained for one β.

    Attributes:
        betas: β_1 … β_L of both.
        dedicated: run id of the dedicated model.
        amortised: run id of the surface's cell.
        objective: D + Σ β_l R_l of the dedicated model, nats per image.
        amortised_objective: of the surface, at the same β.
        objective_gap: (amortised − dedicated) / |dedicated|.
        distortion_gap: (the surface's D at the dedicated model's rates − the dedicated model's D) / |the latter|;
            None where the surface does not have these rates.
        why_not: why there is no `distortion_gap`, or ''.
    """

    betas: tuple[float, ...]
    dedicated: str
    amortised: str
    objective: float
    amortised_objective: float
    objective_gap: float
    distortion_gap: float | None
    why_not: str = ""


def certify(
    run: RunWriter,
    plan: SurfacePlan,
    dataset: Dataset,
    surface: SurfaceModel,
    cells: Sequence[Run],
    *,
    workers: int,
    stop: StopRequest,
    on_model: Callable[[int], None] = lambda done: None,
) -> list[Comparison]:
    """Train what is missing of the dedicated models, compare, and log the result to the surface's run.

    A dedicated model that the experiment holds as finished is taken as it is, whoever trained it.

    Args:
        run: the surface's.
        plan: the surface's; its `dedicated` configs are compared.
        dataset: what both were trained on.
        surface: trained.
        cells: the surface's child runs; those at the dedicated models' β are compared.
        workers: processes, which divide the CPUs.
        stop: told about by SIGTERM and Ctrl-C.
        on_model: told how many dedicated models are done.

    Raises:
        StoreError: a dedicated model could not be trained.
        Interrupted: `stop` was requested; finished models are kept.
    """
    store = Store(run.uri)
    trained = _train(store, run, plan, dataset, workers, stop, on_model)
    at_betas = {_betas(cell, plan.config.layers): cell for cell in cells}
    compared = [
        compare(trained[config.identity(dataset.digest)], at_betas[config.betas], config, surface, dataset, stop)
        for config in plan.dedicated
    ]
    run.json_artifact("certificate.json", [asdict(one) for one in compared])
    run.metrics(summary(compared), step=plan.config.epochs)
    return compared


def compare(
    dedicated: Run, cell: Run, config: TrainConfig, surface: SurfaceModel, dataset: Dataset, stop: StopRequest
) -> Comparison:
    """A dedicated model and the surface's cell, both measured, at one β.

    Distortions at equal β do not compare: the rates differ. So the surface is read off at the dedicated model's
    rates (`betas_for`). What is left of a difference in rates, where a layer is collapsed or the search has stopped,
    is charged at the price that the Lagrangian puts on it: at an optimum ∂D/∂R_l = −β_l.
    """
    theirs, ours = dedicated.data.metrics, cell.data.metrics
    objective, amortised = theirs["test/objective"], ours["test/objective"]
    rates = {layer: theirs[f"test/rate_{layer}"] for layer in range(1, config.layers + 1)}
    wanted = {layer: rate for layer, rate in rates.items() if rate >= COLLAPSED_BELOW}
    gap, why = None, ""
    try:
        betas = config.betas
        if wanted:
            betas = betas_for(surface, dataset.test, wanted, betas, check=stop.check).betas
        there = evaluate_model(fold(surface, betas), dataset, betas, check=stop.check).metrics
        moved = sum(beta * (there[f"test/rate_{layer}"] - rates[layer]) for layer, beta in enumerate(betas, 1))
        gap = (there["test/distortion"] + moved - theirs["test/distortion"]) / abs(theirs["test/distortion"])
    except OutsideSurface as error:
        why = str(error)
    return Comparison(
        betas=config.betas,
        dedicated=dedicated.info.run_id,
        amortised=cell.info.run_id,
        objective=objective,
        amortised_objective=amortised,
        objective_gap=(amortised - objective) / abs(objective),
        distortion_gap=gap,
        why_not=why,
    )


def summary(compared: Sequence[Comparison]) -> dict[str, float]:
    """Mean and worst gaps as metrics in schema names."""
    objective = [one.objective_gap for one in compared]
    distortion = [one.distortion_gap for one in compared if one.distortion_gap is not None]
    metrics = {"certificate/objective_gap": fmean(objective), "certificate/objective_gap_worst": max(objective)}
    if distortion:
        metrics |= {
            "certificate/distortion_gap": fmean(distortion),
            "certificate/distortion_gap_worst": max(distortion),
        }
    return metrics


def _train(
    store: Store,
    run: RunWriter,
    plan: SurfacePlan,
    dataset: Dataset,
    workers: int,
    stop: StopRequest,
    on_model: Callable[[int], None],
) -> dict[str, Run]:
    """Config hash → finished dedicated model."""
    wanted = {config.identity(dataset.digest): config for config in plan.dedicated}
    finished = "attributes.status = 'FINISHED'"
    held = {found.data.tags.get(Tag.CONFIG_HASH, ""): found for found in store.runs(plan.experiment, where=finished)}
    trained = {identity: held[identity] for identity in wanted if identity in held}
    request = RunRequest(experiment=plan.experiment, parent=run.run_id)
    jobs = [
        Job(identity, train_job, {"config": config, "request": request, "uri": run.uri})
        for identity, config in wanted.items()
        if identity not in trained
    ]
    on_model(len(trained))
    for outcome in run_jobs(jobs, workers=workers, threads=plan.config.threads, stop=stop):
        if outcome.state != RunOutcome.FINISHED:
            betas = ", ".join(f"{beta:g}" for beta in wanted[outcome.job.identity].betas)
            raise StoreError(f"the dedicated model at β=({betas}) {outcome.state}: {outcome.text.splitlines()[-1]}")
        trained[outcome.job.identity] = store.run(outcome.text)
        on_model(len(trained))
    return trained


def _betas(run: Run, layers: int) -> tuple[float, ...]:
    return tuple(run.data.metrics[f"beta_{layer}"] for layer in range(1, layers + 1))
