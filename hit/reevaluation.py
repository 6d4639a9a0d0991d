"""Metrics of models already trained, added to the runs that hold them."""

__all__ = ["Candidate", "Reevaluation", "candidates", "reevaluate", "reevaluate_run"]

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from hit.checkpoint import load_weights
from hit.config import TrainConfig
from hit.data import Dataset
from hit.datasets import load_once
from hit.errors import StoreError, shown
from hit.experiments import Experiment
from hit.findings import log_measurement
from hit.generation import inception_fingerprint, judge_fingerprint
from hit.judge import Judge
from hit.machine import keep_freed_memory, select_device, set_threads
from hit.measuring import Measurement, current_judge, measure, skipped_tag
from hit.metric_groups import GROUPS, parse_groups
from hit.metrics import EVALUATOR
from hit.models import build_model, check_fit
from hit.run_notes import run_note
from hit.schema import WEIGHTS, Kind, Tag
from hit.state import state_folder
from hit.stop import StopRequest
from hit.store import Store
from hit.tracking import RunWriter
from hit.whole_config import whole_config

_ALREADY = "it is measured already (again=true measures it anew)"


@dataclass(frozen=True)
class Candidate:
    """A run that was asked for.

    Attributes:
        run: its record.
        groups: which groups of metrics it may lack; what depends on its data is settled by `reevaluate`.
        skip: why it needs nothing or cannot be had; '' where it is to be measured.
    """

    run: Run
    groups: frozenset[str] = frozenset()
    skip: str = ""


@dataclass(frozen=True)
class Reevaluation:
    """What came of one run.

    Attributes:
        groups: what was measured.
        skipped: group → why it was not.
    """

    groups: frozenset[str]
    skipped: dict[str, str]

    def summary(self) -> str:
        """One line for people."""
        said = [f"measured {', '.join(group for group in GROUPS if group in self.groups)}"] if self.groups else []
        said += [f"{group} not measured: {why}" for group, why in self.skipped.items()]
        return "; ".join(said) or _ALREADY


def candidates(
    store: Store,
    experiment: str | Experiment,
    *,
    run_id: str = "",
    where: str = "",
    metrics: str = "all",
    again: bool = False,
) -> list[Candidate]:
    """The runs that are asked for, with a reason for each that is left out.

    A run lacks a group of metrics that it does not have, or that another evaluator measured: one of
    another protocol, or for the group generation another classifier than the newest good one.

    Args:
        store: where they are.
        experiment: the experiment, or its name, that `where` looks in.
        run_id: this run alone.
        where: an MLflow filter; empty for all models.
        metrics: which groups are wanted, with commas.
        again: measure what was measured by this evaluator, too.

    Raises:
        StoreError: no run matches.
    """
    runs = [store.run(run_id)] if run_id else list(store.runs(experiment, where=where))
    if not runs:
        raise StoreError(
            f"where must match a run of experiment {str(experiment)!r}, got {shown(where)}, which matches none"
        )
    return [_candidate(run, parse_groups(metrics), again) for run in runs]


def reevaluate(
    store: Store,
    candidate: Candidate,
    *,
    again: bool,
    data_root: str,
    device: str,
    threads: int,
    state_dir: str,
    stop: StopRequest,
) -> Reevaluation:
    """Measure what one run's model lacks and log it to that run, which stays FINISHED whatever happens here.

    Raises:
        Claimed: another process is measuring it.
        UserError: its data or weights are not at hand, or are not those that it was trained with.
    """
    run = candidate.run
    flat = whole_config(store, run) | {
        "data_root": data_root,
        "device": device,
        "threads": threads,
        "state_dir": state_dir,
    }
    config = TrainConfig.from_flat(flat)
    set_threads(config.threads)
    keep_freed_memory()
    dataset = load_once(config.dataset, config.data_root, select_device(config.device), config.crop)
    check_fit(config, dataset.image_shape)
    trained_on = run.data.tags.get(Tag.DATA_DIGEST)
    if trained_on != dataset.digest:
        raise StoreError(
            f"dataset {config.dataset} must be what run {run.info.run_id} was trained on (digest {trained_on}), "
            f"got digest {dataset.digest}"
        )
    uri = str(store.client.tracking_uri)
    judge = current_judge(dataset, uri) if "generation" in candidate.groups else None
    groups = candidate.groups
    if not again and _has(run, "generation", judge_fingerprint(judge) if judge is not None else None):
        groups -= {"generation"}
    if not groups:
        return Reevaluation(frozenset(), {})
    with RunWriter.amend(run.info.run_id, state_dir=state_folder(config), uri=uri, stop=stop) as writer:
        measured = _measure(store, run, config, dataset, groups, judge, stop)
        done = groups - measured.skipped.keys()
        log_measurement(writer, measured, config.epochs, dataset.test.labels, run.data.metrics)
        known = run.data.metrics
        note = run_note(config, {**known, **measured.metrics}, "FINISHED")
        writer.write_note(note, instead_of=run_note(config, known, "FINISHED"))
        writer.untag(tag for group in done if (tag := skipped_tag(group)) in run.data.tags)
    return Reevaluation(done, measured.skipped)


def reevaluate_run(
    *, run_id: str, groups: list[str], uri: str, stop: StopRequest, tell: Callable[[str], None], **options: Any
) -> str:
    """`reevaluate` for a worker process (`hit.workers.Job`); the summary."""
    tell("measuring")
    store = Store(uri)
    return reevaluate(store, Candidate(store.run(run_id), frozenset(groups)), stop=stop, **options).summary()


def _measure(
    store: Store,
    run: Run,
    config: TrainConfig,
    dataset: Dataset,
    groups: frozenset[str],
    judge: Judge | None,
    stop: StopRequest,
) -> Measurement:
    model = build_model(config, dataset.image_shape).to(dataset.test.device)
    with tempfile.TemporaryDirectory() as folder:
        load_weights(store.download(run.info.run_id, WEIGHTS, Path(folder)), model, config.identity(dataset.digest))
    model.eval()
    uri = str(store.client.tracking_uri)
    # Rate targets move β: the run's metrics hold those that it ended with.
    betas = [run.data.metrics.get(f"beta_{layer}", beta) for layer, beta in enumerate(config.betas, start=1)]
    return measure(model, dataset, betas, groups, uri=uri, judge=judge, check=stop.check)


def _candidate(run: Run, asked: frozenset[str], again: bool) -> Candidate:
    kind = run.data.tags.get(Tag.KIND)
    if kind != Kind.TRAIN:
        return Candidate(run, skip=f"it is no trained model (hit.kind is {kind!r})")
    if run.info.status != "FINISHED":
        skip = (
            f"it is {run.info.status}, and only a FINISHED run has a model "
            f"(`python -m hit.train --resume {run.info.run_id}` goes on)"
        )
        return Candidate(run, skip=skip)
    # Which classifier scores the run's samples today depends on its data, which are not loaded yet.
    current = {"core": "", "latents": EVALUATOR.fingerprint(), "inception": inception_fingerprint()}
    groups = (
        asked
        if again
        else frozenset(group for group in asked if group not in current or not _has(run, group, current[group]))
    )
    return Candidate(run, groups, "" if groups else _ALREADY)


def _has(run: Run, group: str, fingerprint: str | None) -> bool:
    """Whether the run has a group of metrics, measured by this evaluator (None: by any)."""
    declared = GROUPS[group]
    by_this_one = None in (declared.evaluator, fingerprint) or run.data.tags.get(declared.evaluator) == fingerprint
    return declared.witness in run.data.metrics and by_this_one
