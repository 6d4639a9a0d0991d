"""Metrics of models already trained, added to the runs that hold them."""

__all__ = ["Candidate", "candidates", "reevaluate"]

import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run

from hit.checkpoint import load_weights
from hit.config import TrainConfig
from hit.errors import StoreError
from hit.evaluation import evaluate
from hit.machine import keep_freed_memory, select_device, set_threads
from hit.metrics import EVALUATOR, Projection, violations
from hit.models import build_model, check_fit
from hit.runner import load_once, log_projections, state_folder
from hit.schema import Kind, Tag
from hit.stop import StopRequest
from hit.store import Store, config_of
from hit.tracking import RunWriter

_WEIGHTS = "model/weights.safetensors"
#: A metric that tells whether a group was measured.
_WITNESS = {"core": "test/rate", "all": "test/label_entropy"}


@dataclass(frozen=True)
class Candidate:
    """A run that was asked for, and why it needs nothing or cannot be had; '' where it is to be measured."""

    run: Run
    skip: str = ""


def candidates(
    store: Store, experiment: str, *, run_id: str = "", where: str = "", metrics: str = "all", again: bool = False
) -> list[Candidate]:
    """The runs that are asked for, with a reason for each that is left out.

    Args:
        store: where they are.
        experiment: name of the experiment that `where` looks in.
        run_id: this run alone.
        where: an MLflow filter; empty for all models.
        metrics: which group is wanted.
        again: measure what was measured by this evaluator, too.

    Raises:
        StoreError: no run matches.
    """
    runs = [store.run(run_id)] if run_id else list(store.runs(experiment, where=where))
    if not runs:
        raise StoreError(f"where must match a run of experiment {experiment!r}, got {where!r}, which matches none")
    return [Candidate(run, _why_not(run, metrics, again)) for run in runs]


def reevaluate(
    store: Store,
    run: Run,
    *,
    metrics: str,
    data_root: str,
    device: str,
    threads: int,
    state_dir: str,
    stop: StopRequest,
) -> dict[str, float]:
    """Measure one run's model and log what was measured to that run.

    The run is touched only once everything is measured: stopped before, it stays as it was.

    Raises:
        UserError: its data or weights are not at hand, or are not those that it was trained with.
    """
    flat = config_of(run) | {"data_root": data_root, "device": device, "threads": threads, "state_dir": state_dir}
    config = TrainConfig.from_flat(flat)
    set_threads(config.threads)
    keep_freed_memory()
    dataset = load_once(config.dataset, config.data_root, select_device(config.device))
    check_fit(config, dataset.image_shape)
    trained_on = run.data.tags.get(Tag.DATA_DIGEST)
    if trained_on != dataset.digest:
        raise StoreError(
            f"dataset {config.dataset} must be what run {run.info.run_id} was trained on (digest {trained_on}), "
            f"got digest {dataset.digest}"
        )
    model = build_model(config, dataset.image_shape).to(dataset.test.images.device)
    with tempfile.TemporaryDirectory() as folder:
        load_weights(store.download(run.info.run_id, _WEIGHTS, Path(folder)), model, config.identity(dataset.digest))
    model.eval()
    projections: dict[int, Projection] = {}
    measured = evaluate(
        model, dataset, config.betas, metrics=metrics, check=stop.check, on_projection=projections.__setitem__
    )
    with RunWriter(
        kind=Kind.TRAIN,
        name=run.info.run_name,
        state_dir=state_folder(config),
        uri=store.client.tracking_uri,
        run_id=run.info.run_id,
        stop=stop,
    ) as writer:
        writer.metrics(measured, step=config.epochs, sync=True)
        writer.tags(
            {Tag.EVALUATOR: EVALUATOR.fingerprint(), Tag.BOUND_VIOLATIONS: violations(run.data.metrics | measured)}
        )
        log_projections(writer, projections, dataset.test.labels)
    return measured


def _why_not(run: Run, metrics: str, again: bool) -> str:
    tags = run.data.tags
    if tags.get(Tag.KIND) != Kind.TRAIN:
        return f"it is no trained model (hit.kind is {tags.get(Tag.KIND)!r})"
    if run.info.status != "FINISHED":
        return f"it is {run.info.status}"
    measured = _WITNESS[metrics] in run.data.metrics and tags.get(Tag.EVALUATOR) == EVALUATOR.fingerprint()
    return "it is measured already (again=true measures it anew)" if measured and not again else ""
