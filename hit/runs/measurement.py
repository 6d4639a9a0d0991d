"""A model measured and what was found written to its run: numbers, who measured them, what could not be, pictures."""

__all__ = [
    "EVALUATED_BY_DATA",
    "Measurement",
    "Scorers",
    "evaluator_fingerprint",
    "find_scorers",
    "log_measurement",
    "measure",
    "measure_run",
    "skipped_tag",
]

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from hit.classifiers.scorer import SampleScorer
from hit.config import TrainConfig
from hit.data import Dataset
from hit.errors import UserError
from hit.evaluation import evaluate_model
from hit.evaluation.core_metrics import MeasuredPass
from hit.evaluation.data_needs import left_out
from hit.evaluation.feature_plots import save_features
from hit.evaluation.latent_plots import HERE, LatentWork, save_coordinates
from hit.evaluation.samples import inception_fingerprint, scorer_fingerprint
from hit.metrics import EVALUATOR, Projection, violations
from hit.metrics.feature_errors import FeatureErrors
from hit.metrics.inception import InceptionFid, check_channels
from hit.models import HierarchicalVAE
from hit.processes.memory import memory_is_told
from hit.runs.run_pictures import log_pictures
from hit.runs.stored_scorer import find_scorer
from hit.schema import LabelKind, Tag
from hit.schema.hashing import identity_hash
from hit.schema.metric_groups import GROUPS, parse_groups
from hit.schema.metrics import EXTENSION_METRICS
from hit.store import Store
from hit.tracking import RunWriter
from hit.training.checkpoints import save_weights
from hit.ui.run_notes import run_note

_LOG = logging.getLogger(__name__)

#: Groups that not every run can have: they rest on networks, on what others have written, on what can be coded.
_NOT_ALWAYS = ("generation", "inception", "coding", "rate_distortion", "extensions")
#: Why pictures are left out where the data are vectors.
_NO_PICTURES = "the data are vectors; test/reconstruction_mse and features/reconstruction.csv take the place of PSNR"


@dataclass(frozen=True)
class Scorers:
    """The networks that score a model's samples, as far as they are to be had here.

    Attributes:
        classifier: of the data set, for the group generation.
        inception: for the group inception, fresh.
        missing: group → why its network is not to be had, or the data do not allow it, one line each.
    """

    classifier: SampleScorer | None = None
    inception: InceptionFid | None = None
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """Numbers for a run, the tags that say who measured them, and what could not be measured.

    Attributes:
        groups: what was measured.
        metrics: by schema names.
        tags: to be set with them.
        skipped: group, or `pictures` → why it was not measured, or not whole, one line each.
        projections: l → principal components of the posterior means of z_l.
        features: how well each feature of vectors comes back; None of images.
    """

    groups: frozenset[str] = frozenset()
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    projections: dict[int, Projection] = field(default_factory=dict)
    features: FeatureErrors | None = None

    def summary(self) -> str:
        """One line for people; '' where there was nothing to be measured."""
        said = [f"measured {', '.join(group for group in GROUPS if group in self.groups)}"] if self.groups else []
        return "; ".join(said + [f"{groups} not measured: {why}" for why, groups in self.reasons().items()])

    def reasons(self) -> dict[str, str]:
        """Why something was not measured → which groups, with commas, and of which the rest."""
        named = {
            group: f"rest of {group}" if group in self.groups else group
            for group in (*GROUPS, *(self.skipped.keys() - GROUPS.keys()))
            if group in self.skipped
        }
        return {
            why: ", ".join(named[group] for group in named if self.skipped[group] == why)
            for why in self.skipped.values()
        }


#: Groups whose evaluator depends on the data: on the classifier of them, or on how many test images there are.
EVALUATED_BY_DATA = ("latents", "generation")


def evaluator_fingerprint(
    group: str, dataset: Dataset | None = None, classifier: SampleScorer | None = None
) -> str | None:
    """What tells a group's numbers from those that do not compare, as its tag says (`Group.evaluator`).

    Args:
        group: its name.
        dataset: what is measured on, where it is known.
        classifier: that scores samples, where it is known.

    Returns:
        None where nobody but the model decides, or what decides is not known.
    """
    match group:
        case "latents" if dataset is not None and dataset.label_kind is not LabelKind.NONE:
            return EVALUATOR.fingerprint(len(dataset.test), dataset.label_kind)
        case "generation" if classifier is not None:
            return scorer_fingerprint(classifier)
        case "inception":
            return inception_fingerprint()
        case "extensions":
            sources = {name: str(EXTENSION_METRICS.source(name)) for name in EXTENSION_METRICS.names()}
            return identity_hash(sources)
    return None


@memory_is_told
def find_scorers(groups: Collection[str], dataset: Dataset, store: Store | str) -> Scorers:
    """What these groups need: the newest good classifier of the store, asked for once, and the Inception network.

    Args:
        groups: names.
        dataset: that the classifier has to know.
        store: or its address; it is asked only where a group needs a classifier.
    """
    classifier = inception = None
    missing = {group: why for group, why in left_out(groups, dataset).items() if group in _NOT_ALWAYS}
    if "generation" in groups and "generation" not in missing:
        try:
            classifier = find_scorer(Store(store) if isinstance(store, str) else store, dataset)
        except UserError as error:
            missing["generation"] = str(error)
    if "inception" in groups and "inception" not in missing:
        try:
            check_channels(dataset.image_shape[0])
            inception = InceptionFid(dataset.test.device)
        except UserError as error:
            missing["inception"] = str(error)
    return Scorers(classifier, inception, missing)


def measure(
    model: HierarchicalVAE,
    dataset: Dataset,
    config: TrainConfig,
    betas: Sequence[float],
    groups: Collection[str],
    scorers: Scorers,
    check: Callable[[], None] = lambda: None,
    passed: MeasuredPass | None = None,
    work: LatentWork = HERE,
) -> Measurement:
    """Measure groups of `hit.schema.metric_groups` for a run; one that lacks its network costs no other.

    Args:
        model: on the device of the data.
        dataset: its test split is used.
        config: of the model; how far its rate targets are missed is measured with the rates.
        betas: β_1 … β_L that training ended with.
        groups: names.
        scorers: found for these groups, or for more (`find_scorers`).
        check: called between measurements; raises to stop.
        passed, work: as `measure_run`.

    Raises:
        Diverged: the model gives numbers that are not finite.
        OutOfMemory: batches do not fit into memory.
    """
    skipped = {group: why for group, why in scorers.missing.items() if group in groups}
    measured = frozenset(groups) - skipped.keys()
    found = evaluate_model(
        model,
        dataset,
        betas,
        measured,
        scorer=scorers.classifier,
        fid=scorers.inception,
        check=check,
        passed=passed,
        layers_by=work.measure,
    )
    skipped |= left_out(groups, dataset) | found.skipped
    metrics = dict(found.metrics)
    if "test/rate" in metrics:
        metrics |= config.targets.relative_errors("test", metrics)
    if found.features is not None:
        skipped["pictures"] = _NO_PICTURES
    tags: dict[str, str] = {skipped_tag(group): why for group, why in skipped.items()}
    for group in measured:
        fingerprint = evaluator_fingerprint(group, dataset, scorers.classifier)
        if (tag := GROUPS[group].evaluator) is not None and fingerprint is not None:
            tags[tag] = fingerprint
    if "generation" in measured and scorers.classifier is not None:
        tags[Tag.JUDGE_RUN] = scorers.classifier.run_id
    return Measurement(measured, metrics, tags, skipped, found.projections, found.features)


def log_measurement(
    run: RunWriter,
    measured: Measurement,
    epochs: int,
    model: HierarchicalVAE,
    dataset: Dataset,
    earlier: Mapping[str, float] | None = None,
    work: LatentWork = HERE,
) -> None:
    """Metrics and tags of a measurement, which bounds are exceeded, principal components by label, errors by feature.

    That a group could not be measured earlier is no longer said of one that was measured now.

    Args:
        run: where to.
        measured: what.
        epochs: of the model; the step of the metrics.
        model: that was measured.
        dataset: on whose test split.
        earlier: metrics that the run has already; the new ones stand above them.
        work: who draws latents.
    """
    run.metrics(measured.metrics, step=epochs, sync=True)
    run.tags(measured.tags | {Tag.BOUND_VIOLATIONS: violations({**(earlier or {}), **measured.metrics})})
    run.untag(skipped_tag(group) for group in _NOT_ALWAYS if group in measured.groups - measured.skipped.keys())
    labels = dataset.test.labels
    if measured.features is not None:
        for path in save_features(measured.features, dataset.features, model.likelihood, run.folder):
            run.artifact(path, "features")
    if measured.projections:
        for layer, projection in measured.projections.items():
            run.artifact(save_coordinates(projection, labels, run.folder / f"pca_z{layer}.csv"), "latents")
        run.artifact(work.draw(measured.projections, labels, run.folder / "pca.png"), "latents")


def measure_run(
    run: RunWriter,
    config: TrainConfig,
    dataset: Dataset,
    model: HierarchicalVAE,
    *,
    betas: Sequence[float] | None = None,
    passed: MeasuredPass | None = None,
    work: LatentWork = HERE,
) -> dict[str, float]:
    """Evaluate a trained model; its metrics, weights and pictures go to its run. The metrics.

    The store of the run is asked for the classifier that scores samples. Where there is none, a tag and
    a warning say so: `python -m hit.evaluate` adds what is missing later.

    Args:
        betas: those that training ended with, where they are not the config's.
        passed: as `evaluate_model`.
        work: who measures and draws latents.

    Raises:
        Diverged: the model gives numbers that are not finite.
        Interrupted, RunDeleted, TakenOver: as `RunWriter.check`.
    """
    groups = parse_groups(config.metrics) | {"core"}
    scorers = find_scorers(groups, dataset, run.uri)
    measured = measure(model, dataset, config, betas or config.betas, groups, scorers, run.check, passed, work)
    log_measurement(run, measured, config.epochs, model, dataset, work=work)
    run.note = partial(run_note, config, measured.metrics)
    for why, skipped in measured.reasons().items():
        _say_once(logging.WARNING, f"{skipped} not measured: {why}")
    weights = run.folder / "weights.safetensors"
    save_weights(weights, model, config.identity(dataset.digest))
    run.artifact(weights, "model")
    if dataset.form == "images":
        log_pictures(run, model, dataset)
    return measured.metrics


def skipped_tag(group: str) -> str:
    """Name of the tag that says why a group was not measured; gone once it was."""
    return f"{Tag.SKIPPED}.{group}"


@cache
def _say_once(level: int, text: str) -> None:
    """Once a process, however many models it measures."""
    _LOG.log(level, "%s", text)
