"""A trained model measured, and what was found out written to its run."""

__all__ = ["measure_run"]

from collections.abc import Sequence
from functools import partial

from hit.checkpoint import save_weights
from hit.config import TrainConfig
from hit.data import Dataset
from hit.findings import log_measurement, log_pictures
from hit.measuring import measure, report_skipped
from hit.metric_groups import parse_groups
from hit.models import HierarchicalVAE
from hit.run_notes import run_note
from hit.tracking import RunWriter


def measure_run(
    run: RunWriter,
    config: TrainConfig,
    dataset: Dataset,
    model: HierarchicalVAE,
    *,
    betas: Sequence[float] | None = None,
) -> dict[str, float]:
    """Evaluate a trained model; its metrics, weights and pictures go to its run. The metrics.

    The store of the run is asked for the classifier that scores samples. Where there is none, a tag and
    a line on stderr say so: `python -m hit.evaluate` adds what is missing later.

    Args:
        betas: those that training ended with, where they are not the config's.

    Raises:
        Diverged: the model gives numbers that are not finite.
        Interrupted, RunDeleted, TakenOver: as `RunWriter.check`.
    """
    groups = parse_groups(config.metrics) | {"core"}
    measured = measure(model, dataset, betas or config.betas, groups, uri=run.uri, check=run.check)
    measured.metrics.update(config.targets.relative_errors("test", measured.metrics))
    log_measurement(run, measured, config.epochs, dataset.test.labels)
    run.note = partial(run_note, config, measured.metrics)
    for group, why in measured.skipped.items():
        report_skipped(group, why)
    weights = run.folder / "weights.safetensors"
    save_weights(weights, model, config.identity(dataset.digest))
    run.artifact(weights, "model")
    log_pictures(run, model, dataset)
    return measured.metrics
