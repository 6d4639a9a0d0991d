"""Names that stand in the run store: tags, artifacts, and metrics with their unit, direction and label."""

__all__ = [
    "CONFIG",
    "DEFAULT_EXPERIMENT",
    "HOPELESS",
    "PROBES",
    "SCHEMA_VERSION",
    "WEIGHTS",
    "Direction",
    "Kind",
    "Metric",
    "Tag",
    "described",
    "is_metric",
    "layer_metrics",
    "metric",
]

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Literal

SCHEMA_VERSION = "1"
DEFAULT_EXPERIMENT = "hit"
#: Artifact of every trained model: its flat config, whole.
CONFIG = "config.json"
#: Artifact of every trained network.
WEIGHTS = "model/weights.safetensors"

Direction = Literal["minimize", "maximize"]

#: How the reasons begin (tag `hit.status_reason`) of runs whose model nobody is to train again: it would end so again.
HOPELESS = ("diverged", "outside the region", "pruned")


class Kind(StrEnum):
    """What a run in the store is (tag `hit.kind`)."""

    TRAIN = "train"
    SWEEP = "sweep"
    CLASSIFIER = "classifier"
    SURFACE = "surface"
    REPORT = "report"
    EVALUATE = "evaluate"
    IMPORT = "import"
    RECOVER = "recover"


class Tag(StrEnum):
    """Names of the tags that the platform writes and reads."""

    KIND = "hit.kind"
    SCHEMA = "hit.schema"
    SWEEP = "hit.sweep"
    DEFINITION = "hit.definition"
    CONFIG_HASH = "hit.config_hash"
    GROUP = "hit.group"
    DATA_DIGEST = "hit.data_digest"
    IMPORTED = "hit.imported"
    AMORTISED = "hit.amortised"
    COLLAPSED = "hit.collapsed"
    INFEASIBLE = "hit.infeasible"
    INIT_FROM = "hit.init_from"
    CONTINUED_FROM = "hit.continued_from"
    EVALUATOR = "hit.evaluator"
    JUDGE = "hit.judge"
    JUDGE_RUN = "hit.judge_run"
    INCEPTION = "hit.inception"
    SKIPPED = "hit.skipped"
    BOUND_VIOLATIONS = "hit.bound_violations"
    STATUS_REASON = "hit.status_reason"
    DIVERGED = "hit.diverged"
    ENDED_EARLY = "hit.ended_early"
    UNDELIVERED = "hit.undelivered"
    ADOPTED_FROM = "hit.adopted_from"
    HEARTBEAT = "hit.heartbeat"
    HOST = "hit.host"
    PROCESS = "hit.process"
    PACKAGES = "hit.packages"
    DEVICE = "hit.device"
    CREATION_KEY = "hit.creation_key"
    COMMIT = "mlflow.source.git.commit"
    PARENT = "mlflow.parentRunId"
    NOTE = "mlflow.note.content"
    NOTE_DIGEST = "hit.note"
    SOURCE = "mlflow.source.name"
    USER = "mlflow.user"


#: The classifiers on latents: name in metrics → label in figures.
PROBES = {
    "logistic": "logistic regression",
    "svm_rbf": "SVM (RBF)",
    "svm_linear": "SVM (linear)",
    "knn": "5-nearest neighbours",
}


@dataclass(frozen=True)
class Metric:
    """One declared metric: logging, sweep objectives, tables and axes read this and nothing else.

    `direction` is None where neither more nor less is better as such (a rate is a price and a
    capacity at once). `{l}` in a declared name or label stands for the layer, counted from 1.
    """

    name: str
    unit: str
    direction: Direction | None
    label: str

    @property
    def axis(self) -> str:
        """Label with unit, for an axis or a table's head."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


def _probe_metrics() -> list[Metric]:
    return [
        declared
        for probe, label in PROBES.items()
        for declared in (
            Metric(f"test/accuracy_{probe}_z{{l}}", "", "maximize", f"accuracy of z_{{l}}, {label} on means"),
            Metric(f"test/accuracy_{probe}_z{{l}}_sampled", "", "maximize", f"accuracy of z_{{l}}, {label} on samples"),
        )
    ]


def _share_metrics() -> list[Metric]:
    return [
        Metric(
            f"test/pca_share_{component}_z{{l}}", "", None, f"share of component {component} in the means of z_{{l}}"
        )
        for component in (1, 2, 3)
    ]


def _generation_bounds() -> list[Metric]:
    words = {"inception_score": "inception score", "diversity": "diversity", "sharpness": "sharpness"}
    return [
        declared
        for name, label in words.items()
        for declared in (
            Metric(f"test/bound_slack_{name}", "", None, f"bound minus {label}"),
            Metric(f"test/bound_holds_{name}", "", "maximize", f"{label} keeps its bound"),
        )
    ]


_DECLARED = [
    # what decides a run, mirrored as numbers (MLflow's params are strings without order)
    Metric("beta_{l}", "", None, "β_{l}"),
    Metric("log10_beta_{l}", "", None, "log10 β_{l}"),
    Metric("target_rate_{l}", "nats per image", None, "target of R_{l}"),
    Metric("target_rate", "nats per image", None, "target of R"),
    Metric("max_rate_{l}", "nats per image", None, "upper bound asked of R_{l}"),
    Metric("max_rate", "nats per image", None, "upper bound asked of R"),
    Metric("learning_rate", "", None, "learning rate"),
    Metric("batch_size", "images", None, "batch size"),
    Metric("channels", "", None, "channels"),
    Metric("epochs", "", None, "epochs"),
    Metric("seed", "", None, "seed"),
    Metric("sigma", "", None, "σ of the Gaussian likelihood"),
    Metric("layers", "", None, "layers of latents, L"),
    Metric("dim_z{l}", "", None, "dimensions of z_{l}"),
    Metric("classes", "", None, "classes of the data, M"),
    Metric("parameters", "", None, "parameters of the model"),
    Metric("measured_at", "s", None, "when it was measured again, seconds since 1970"),
    # training, once an epoch
    Metric("train/objective", "nats per image", "minimize", "training objective"),
    Metric("train/elbo", "nats per image", "maximize", "training ELBO"),
    Metric("train/distortion", "nats per image", "minimize", "training distortion"),
    Metric("train/rate", "nats per image", None, "training rate R"),
    Metric("train/rate_{l}", "nats per image", None, "training rate R_{l}"),
    Metric("train/beta_{l}", "", None, "β_{l} in force"),
    Metric("train/rate_error_{l}", "", None, "training R_{l} relative to its target, minus 1"),
    Metric("train/rate_error", "", None, "training R relative to its target, minus 1"),
    Metric("train/temperature", "", None, "temperature of the Gumbel-softmax"),
    Metric("train/seconds", "s", "minimize", "seconds an epoch"),
    # the model on the test set
    Metric("test/rate_{l}", "nats per image", None, "R_{l}"),
    Metric("test/rate", "nats per image", None, "total rate R"),
    Metric("test/rate_error_{l}", "", None, "R_{l} relative to its target, minus 1"),
    Metric("test/rate_error", "", None, "R relative to its target, minus 1"),
    Metric("test/distortion", "nats per image", "minimize", "distortion D"),
    Metric("test/elbo", "nats per image", "maximize", "ELBO"),
    Metric("test/objective", "nats per image", "minimize", "objective D + Σ β_l R_l"),
    Metric("test/bits_per_dim", "bits per dimension", "minimize", "−ELBO"),
    Metric("test/psnr", "dB", "maximize", "PSNR"),
    Metric("test/mi_z{l}", "nats", "maximize", "I(y; z_{l})"),
    Metric("test/mi_error_z{l}", "nats", None, "standard error of I(y; z_{l})"),
    Metric("test/mi_ksg_z{l}", "nats", "maximize", "I(y; z_{l}) by Mixed-KSG"),
    *_share_metrics(),
    *_probe_metrics(),
    Metric("test/held_out", "images", None, "test images that accuracies rest on"),
    Metric("test/label_entropy", "nats", None, "H(y)"),
    Metric("test/accuracy_bound_rate_z{l}", "", None, "bound on the accuracy of z_{l} from the rate"),
    Metric("test/accuracy_bound_mi_z{l}", "", None, "bound on the accuracy of z_{l} from I(y; z_{l})"),
    Metric("test/bound_slack_z{l}", "", None, "rate bound minus best sampled accuracy of z_{l}"),
    Metric("test/bound_holds_z{l}", "", "maximize", "sampled accuracies of z_{l} keep the rate bound"),
    Metric("test/bound_slack_mi_z{l}", "nats", None, "min(rate bound, H(y)) minus I(y; z_{l})"),
    Metric("test/bound_holds_mi_z{l}", "", "maximize", "I(y; z_{l}) keeps the bounds of rate and H(y)"),
    Metric("test/bound_slack_accuracy_mi_z{l}", "", None, "bound from I(y; z_{l}) minus best sampled accuracy"),
    Metric("test/bound_holds_accuracy_mi_z{l}", "", "maximize", "sampled accuracies of z_{l} keep the bound of I"),
    Metric("test/bound_slack_reconstruction", "nats per image", None, "−ELBO minus H of the test images"),
    Metric("test/bound_holds_reconstruction", "", "maximize", "D + R keeps the bound H of the test images"),
    *_generation_bounds(),
    Metric("test/seconds", "s", "minimize", "seconds of the evaluation"),
    # samples and reconstructions, as the classifier of the data set sees them
    Metric("sample/inception_score", "", "maximize", "inception score"),
    Metric("sample/diversity", "", "maximize", "diversity of samples"),
    Metric("sample/sharpness", "", "maximize", "sharpness of samples"),
    Metric("sample/fid_classifier", "", "minimize", "Fréchet distance, classifier's features"),
    Metric("sample/fid_inception", "", "minimize", "FID, Inception features"),
    Metric("sample/precision", "", "maximize", "precision of samples"),
    Metric("sample/recall", "", "maximize", "recall of samples"),
    Metric("sample/density", "", "maximize", "density of samples"),
    Metric("sample/coverage", "", "maximize", "coverage of samples"),
    Metric("sample/seconds", "s", "minimize", "seconds of scoring samples and reconstructions"),
    Metric("test/reconstruction_accuracy", "", "maximize", "accuracy of the classifier on reconstructions"),
    Metric("test/prediction_entropy", "nats", "minimize", "H(prediction) of the classifier on reconstructions"),
    Metric("test/original_accuracy", "", None, "accuracy of the classifier on the images themselves"),
    # the classifier of a data set
    Metric("train/cross_entropy", "nats per image", "minimize", "training cross-entropy"),
    Metric("train/accuracy", "", "maximize", "training accuracy"),
    Metric("test/cross_entropy", "nats per image", "minimize", "cross-entropy"),
    Metric("test/accuracy", "", "maximize", "accuracy of the classifier"),
    # a surface beside models that were trained for one β each
    Metric("certificate/objective_gap", "", "minimize", "objective at equal β, surface over dedicated models, mean"),
    Metric("certificate/objective_gap_worst", "", "minimize", "the same, worst"),
    Metric("certificate/distortion_gap", "", "minimize", "distortion at equal rates, surface over dedicated, mean"),
    Metric("certificate/distortion_gap_worst", "", "minimize", "the same, worst"),
    # what the analysis makes of several metrics of a run, relative to other runs; never logged
    Metric("analysis/score", "standard deviations", "maximize", "weighted score"),
    Metric("analysis/distance", "", "minimize", "distance from the best of each"),
    # sweeps
    Metric("sweep/finished", "runs", "maximize", "runs finished"),
    Metric("sweep/running", "runs", None, "runs running"),
    Metric("sweep/failed", "runs", "minimize", "runs failed"),
    Metric("sweep/ended_early", "runs", None, "runs ended early"),
    Metric("sweep/wanted", "runs", None, "runs wanted"),
]

_PLAIN = {declared.name: declared for declared in _DECLARED if "{l}" not in declared.name}
_LAYERED = [
    (re.compile(re.escape(declared.name).replace(r"\{l\}", r"(?P<l>[1-9][0-9]*)") + r"\Z"), declared)
    for declared in _DECLARED
    if "{l}" in declared.name
]


@cache
def metric(name: str) -> Metric:
    """The declaration of the metric called `name` in the store.

    Raises:
        KeyError: no such metric is declared.

    >>> metric("test/rate_2").axis
    'R_2 [nats per image]'
    """
    if name in _PLAIN:
        return _PLAIN[name]
    for pattern, declared in _LAYERED:
        if match := pattern.match(name):
            return replace(declared, name=name, label=declared.label.replace("{l}", match["l"]))
    raise KeyError(f"metric {name!r} is not declared in hit.schema")


def is_metric(name: str) -> bool:
    """Whether a metric of this name is declared."""
    try:
        metric(name)
    except KeyError:
        return False
    return True


def described(name: str) -> Metric:
    """`metric`, also of what a person has logged by hand: its label is its name.

    >>> described("taste").axis
    'taste'
    """
    return metric(name) if is_metric(name) else Metric(name, "", None, name)


def layer_metrics(layers: int) -> list[Metric]:
    """All declared metrics of a model with `layers` layers, in the order of declaration."""
    return [
        metric(declared.name.replace("{l}", str(layer)))
        for declared in _DECLARED
        for layer in (range(1, layers + 1) if "{l}" in declared.name else (0,))
    ]
