"""Metrics of models already trained, added to the runs that hold them, here or in several processes."""

__all__ = ["Candidate", "EvaluatedRun", "candidates", "evaluate_run", "evaluate_runs"]

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from hit.commands import extensions_option, program
from hit.config import TrainConfig
from hit.data import Dataset
from hit.delivery.local_state import state_folder
from hit.errors import StoreError, shown
from hit.errors.run_outcomes import RunOutcome
from hit.evaluation.data_needs import check_groups, left_out
from hit.models import HierarchicalVAE, build_model, check_fit
from hit.processes.attempts import Job, Outcome
from hit.processes.devices import select_device, set_threads
from hit.processes.jobs import run_jobs
from hit.processes.stop import StopRequest
from hit.runs.datasets import load_once
from hit.runs.measurement import (
    EVALUATED_BY_DATA,
    Measurement,
    evaluator_fingerprint,
    find_scorers,
    log_measurement,
    measure,
    skipped_tag,
)
from hit.schema import WEIGHTS, Kind, Tag
from hit.schema.experiments import Experiment
from hit.schema.metric_groups import ALL, GROUPS
from hit.store import Store
from hit.store.filters import hint_for_none
from hit.store.whole_config import whole_config
from hit.tracking import RunWriter
from hit.training.checkpoints import load_weights
from hit.ui.run_notes import run_note

_ALREADY = "it is measured already (again=true measures it anew)"


@dataclass(frozen=True)
class Candidate:
    """A run that was asked for.

    Attributes:
        run: its record.
        groups: which groups of metrics it may lack; what depends on its data is settled by `evaluate_run`.
        skip: why it needs nothing or cannot be had; '' where it is to be measured.
    """

    run: Run
    groups: frozenset[str] = frozenset()
    skip: str = ""


@dataclass(frozen=True)
class EvaluatedRun:
    """What came of one run that was asked for.

    Attributes:
        candidate: the run.
        text: what was measured, why nothing was, or what went wrong.
        failed: whether something went wrong.
    """

    candidate: Candidate
    text: str
    failed: bool = False


def candidates(
    store: Store,
    experiment: str | Experiment,
    *,
    run_id: str = "",
    where: str = "",
    groups: Collection[str],
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
        groups: names of the groups of metrics that are wanted (`hit.schema.metric_groups`).
        again: measure what was measured by this evaluator, too.

    Raises:
        StoreError: no run matches.
    """
    runs = [store.run(run_id)] if run_id else list(store.runs(experiment, where=where))
    if not runs:
        raise StoreError(
            f"where must match a run of experiment {str(experiment)!r}, got {shown(where)}, which matches none"
            + hint_for_none(where)
        )
    return [_candidate(run, frozenset(groups), again) for run in runs]


def evaluate_runs(
    store: Store, asked: Sequence[Candidate], *, workers: int, stop: StopRequest, **options: Any
) -> Iterator[EvaluatedRun]:
    """What comes of every candidate, in the order in which it comes about; none is left out in silence.

    Args:
        store: where the runs are.
        asked: the candidates.
        workers: processes, which divide the CPUs; 1 measures in this one.
        stop: told about by SIGTERM and Ctrl-C: what is measured by then stands in its runs.
        options: further arguments of `evaluate_run`.

    Raises:
        Interrupted: `stop` was requested.
    """
    yield from (EvaluatedRun(candidate, candidate.skip) for candidate in asked if candidate.skip)
    todo = {candidate.run.info.run_id: candidate for candidate in asked if not candidate.skip}
    uri = str(store.client.tracking_uri)
    jobs = [
        Job(run_id, _evaluate, {"run_id": run_id, "groups": candidate.groups, "uri": uri, **options})
        for run_id, candidate in todo.items()
    ]
    for outcome in run_jobs(jobs, workers=workers, threads=options["threads"], stop=stop):
        yield _evaluated(todo[outcome.job.identity], outcome)


def evaluate_run(
    store: Store,
    candidate: Candidate,
    *,
    again: bool,
    data_root: str,
    device: str,
    threads: int,
    state_dir: str,
    stop: StopRequest,
    metrics: str = ALL,
) -> Measurement:
    """Measure what one run's model lacks and log it to that run, which stays FINISHED whatever happens here.

    Args:
        metrics: as they were asked for: a group that the labels of the data do not allow is a mistake by its name.

    Raises:
        Claimed: another process is measuring it.
        UserError: its data or weights are not at hand, or are not those that it was trained with; or `metrics` names
            what its labels do not allow.
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
    dataset = _load_data(run, config)
    check_groups(metrics, dataset)
    groups = candidate.groups
    scorers = find_scorers(groups, dataset, store)
    if not again:
        never = left_out(groups - {"latents"}, dataset)  # of which principal components may be missing
        groups -= {
            group
            for group in groups
            if (
                group in EVALUATED_BY_DATA
                and _has(run, group, evaluator_fingerprint(group, dataset, scorers.classifier))
            )
            or run.data.tags.get(skipped_tag(group), "") == never.get(group)
        }
    if not groups:
        return Measurement()
    with RunWriter.amend(
        run.info.run_id, state_dir=state_folder(config), uri=str(store.client.tracking_uri), stop=stop
    ) as writer:
        model = _load_model(store, run, config, dataset)
        # Rate targets move β: the run's metrics hold those that it ended with.
        known = run.data.metrics
        betas = [known.get(f"beta_{layer}", beta) for layer, beta in enumerate(config.betas, start=1)]
        measured = measure(model, dataset, config, betas, groups, scorers, stop.check)
        log_measurement(writer, measured, config.epochs, model, dataset, known)
        note = run_note(config, {**known, **measured.metrics}, "FINISHED")
        writer.write_note(note, instead_of=run_note(config, known, "FINISHED"))
    return measured


def _evaluate(
    *,
    run_id: str,
    groups: frozenset[str],
    uri: str,
    stop: StopRequest,
    tell: Callable[[str], None],
    **options: Any,
) -> str:
    """`evaluate_run` for a worker process (`hit.processes.attempts.Job`); what came of it in a line."""
    tell("measuring")
    store = Store(uri)
    measured = evaluate_run(store, Candidate(store.run(run_id), groups), stop=stop, **options)
    return measured.summary() or _ALREADY


def _evaluated(candidate: Candidate, outcome: Outcome) -> EvaluatedRun:
    if outcome.state in (RunOutcome.FINISHED, RunOutcome.CLAIMED):
        return EvaluatedRun(candidate, outcome.text)
    return EvaluatedRun(candidate, f"error: {outcome.text.strip().splitlines()[-1]}", failed=True)


def _load_data(run: Run, config: TrainConfig) -> Dataset:
    dataset = load_once(config.dataset, config.data_root, select_device(config.device), config.crop, config.label)
    check_fit(config, dataset.shape)
    trained_on = run.data.tags.get(Tag.DATA_DIGEST)
    if trained_on != dataset.digest:
        raise StoreError(
            f"dataset {config.dataset} must be what run {run.info.run_id} was trained on (digest {trained_on}), "
            f"got digest {dataset.digest}"
        )
    return dataset


def _load_model(store: Store, run: Run, config: TrainConfig, dataset: Dataset) -> HierarchicalVAE:
    model = build_model(config, dataset.shape).to(dataset.test.device)
    with tempfile.TemporaryDirectory() as folder:
        load_weights(store.download(run.info.run_id, WEIGHTS, Path(folder)), model, config.identity(dataset.digest))
    return model.eval()


def _candidate(run: Run, asked: frozenset[str], again: bool) -> Candidate:
    kind = run.data.tags.get(Tag.KIND)
    if kind != Kind.TRAIN:
        return Candidate(run, skip=f"it is no trained model (hit.kind is {kind!r})")
    if run.info.status != "FINISHED":
        known = extensions_option(run.data.tags.get(Tag.EXTENSIONS, ""))
        skip = (
            f"it is {run.info.status}, and only a FINISHED run has a model "
            f"(`{program('hit.train')} --resume {run.info.run_id}{known}` goes on)"
        )
        return Candidate(run, skip=skip)
    # The data are not loaded yet.
    groups = frozenset(
        group
        for group in asked
        if again or group in EVALUATED_BY_DATA or not _has(run, group, evaluator_fingerprint(group))
    )
    return Candidate(run, groups, "" if groups else _ALREADY)


def _has(run: Run, group: str, fingerprint: str | None) -> bool:
    """Whether the run has a group of metrics, measured by this evaluator (None: by any)."""
    declared = GROUPS[group]
    known = not declared.witnesses or any(witness in run.data.metrics for witness in declared.witnesses)
    return known and fingerprint in (None, run.data.tags.get(declared.evaluator))
