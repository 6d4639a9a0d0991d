"""What a run's model is measured with, found in the store and on this machine; what cannot be had is said."""

__all__ = ["Measurement", "current_scorer", "measure", "report_skipped", "skipped_tag"]

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache

from hit.data import Dataset
from hit.errors import UserError
from hit.evaluation import evaluate
from hit.generation import inception_fingerprint, scorer_fingerprint
from hit.memory import memory_is_told
from hit.metrics import EVALUATOR, Projection
from hit.metrics.inception import InceptionFid
from hit.models import HierarchicalVAE
from hit.schema import Tag
from hit.scorer import SampleScorer
from hit.store import Store
from hit.stored_scorer import find_scorer


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
    scorer: SampleScorer | None = None,
    check: Callable[[], None] = lambda: None,
) -> Measurement:
    """Measure groups of `hit.metric_groups`; one that lacks its classifier or its network costs no other.

    Args:
        groups: names.
        uri: the store to ask for a classifier; see `hit.connection.tracking_uri`.
        scorer: the classifier, where it is known already.

    Raises:
        Diverged: the model gives numbers that are not finite.
        OutOfMemory: batches do not fit into memory.
    """
    skipped: dict[str, str] = {}
    tags: dict[str, str] = {}
    fid = None
    if "generation" in groups and scorer is None:
        try:
            scorer = find_scorer(Store(uri), dataset)
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
            scorer=scorer,
            fid=fid,
            check=check,
            on_projection=projections.__setitem__,
        )
    if "latents" in left:
        tags[Tag.EVALUATOR] = EVALUATOR.fingerprint()
    if "generation" in left and scorer is not None:
        tags |= {Tag.JUDGE: scorer_fingerprint(scorer), Tag.JUDGE_RUN: scorer.run_id}
    if "inception" in left:
        tags[Tag.INCEPTION] = inception_fingerprint()
    tags |= {skipped_tag(group): why for group, why in skipped.items()}
    return Measurement(metrics, tags, skipped, projections)


def current_scorer(dataset: Dataset, uri: str | None = None) -> SampleScorer | None:
    """The classifier that scores samples of this data set today, None where there is none to be had."""
    try:
        return find_scorer(Store(uri), dataset)
    except UserError:
        return None


def skipped_tag(group: str) -> str:
    """Name of the tag that says why a group was not measured; gone once it was."""
    return f"{Tag.SKIPPED}.{group}"


@cache
def report_skipped(group: str, why: str) -> None:
    """Say on stderr that a group was not measured: once a process, however many models it measures."""
    print(f"{group} not measured: {why}", file=sys.stderr, flush=True)
