"""What a run's model is measured with, found in the store and on this machine; what cannot be had is said."""

__all__ = ["Measurement", "current_judge", "measure", "report_skipped", "skipped_tag"]

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache

from hit.data import Dataset
from hit.errors import UserError
from hit.evaluation import evaluate
from hit.generation import inception_fingerprint, judge_fingerprint
from hit.judge import Judge, find_judge
from hit.memory import memory_is_told
from hit.metrics import EVALUATOR, Projection
from hit.metrics.inception import InceptionFid
from hit.models import HierarchicalVAE
from hit.schema import Tag
from hit.store import Store

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measurement:
    """Numbers for a run, the tags that say who measured them, and what could not be measured.

    Attributes:
        metrics: by schema names.
        tags: to be set with them.
        skipped: group → why it was not measured, one line each.
        projections: layer → principal components of its posterior means.
    """

    metrics: dict[str, float]
    tags: dict[str, str]
    skipped: dict[str, str]
    projections: dict[int, Projection] = field(default_factory=dict)


@memory_is_told
def measure(
    model: HierarchicalVAE,
    dataset: Dataset,
    betas: Sequence[float],
    groups: Collection[str],
    *,
    uri: str | None = None,
    judge: Judge | None = None,
    check: Callable[[], None] = lambda: None,
) -> Measurement:
    """Measure groups of `hit.metric_groups`; one that lacks its classifier or its network costs no other.

    Args:
        groups: names.
        uri: the store to ask for a classifier; see `hit.connection.tracking_uri`.
        judge: the classifier, where it is known already.

    Raises:
        Diverged: the model gives numbers that are not finite.
        OutOfMemory: batches do not fit into memory.
    """
    skipped: dict[str, str] = {}
    tags: dict[str, str] = {}
    fid = None
    if "generation" in groups and judge is None:
        try:
            judge = find_judge(Store(uri), dataset)
        except UserError as error:
            skipped["generation"] = str(error)
    if "inception" in groups:
        try:
            fid = InceptionFid(dataset.test.device)
        except UserError as error:
            skipped["inception"] = str(error)
    left = [group for group in groups if group not in skipped]
    projections: dict[int, Projection] = {}
    metrics: dict[str, float] = {}
    if left:
        metrics = evaluate(
            model,
            dataset,
            betas,
            metrics=",".join(left),
            judge=judge,
            fid=fid,
            check=check,
            on_projection=projections.__setitem__,
        )
    if "latents" in left:
        tags[Tag.EVALUATOR] = EVALUATOR.fingerprint()
    if "generation" in left and judge is not None:
        tags |= {Tag.JUDGE: judge_fingerprint(judge), Tag.JUDGE_RUN: judge.run_id}
    if "inception" in left:
        tags[Tag.INCEPTION] = inception_fingerprint()
    tags |= {skipped_tag(group): why for group, why in skipped.items()}
    return Measurement(metrics, tags, skipped, projections)


def current_judge(dataset: Dataset, uri: str | None = None) -> Judge | None:
    """The classifier that scores samples of this data set today, None where there is none to be had."""
    try:
        return find_judge(Store(uri), dataset)
    except UserError:
        return None


def skipped_tag(group: str) -> str:
    """Name of the tag that says why a group was not measured; gone once it was."""
    return f"{Tag.SKIPPED}.{group}"


@cache
def report_skipped(group: str, why: str) -> None:
    """Say that a group was not measured: once a process, however many models it measures."""
    _LOG.warning("%s not measured: %s", group, why)
