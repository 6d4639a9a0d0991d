"""Names that stand in the run store: kinds of runs, tags, artifacts. `hit.schema.metrics` has its metrics."""

__all__ = [
    "CONFIG",
    "DEFAULT_EXPERIMENT",
    "FILE_QUALITIES",
    "LOSSY_STEPS",
    "PROBES",
    "REGRESSIONS",
    "SCHEMA_VERSION",
    "TAG_COLUMNS",
    "WEIGHTS",
    "Kind",
    "LabelKind",
    "Tag",
]

from enum import StrEnum

SCHEMA_VERSION = "1"
DEFAULT_EXPERIMENT = "hit"
#: Artifact of every trained model: its flat config, whole.
CONFIG = "config.json"
#: Artifact of every trained network.
WEIGHTS = "model/weights.safetensors"


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
    COMPRESS = "compress"
    DECOMPRESS = "decompress"


class LabelKind(StrEnum):
    """What the labels of a data set are (tag `hit.labels`)."""

    CLASSES = "classes"
    CONTINUOUS = "continuous"
    NONE = "none"


class Tag(StrEnum):
    """Names of the tags that the platform writes and reads."""

    KIND = "hit.kind"
    SCHEMA = "hit.schema"
    SWEEP = "hit.sweep"
    DEFINITION = "hit.definition"
    CONFIG_HASH = "hit.config_hash"
    EXTENSIONS = "hit.extensions"
    EXTENSION_METRICS = "hit.extension_metrics"
    GROUP = "hit.group"
    DATA_DIGEST = "hit.data_digest"
    LABELS = "hit.labels"
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
    ENDED = "hit.ended"
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
#: The regressions on latents where labels are continuous: name in metrics → label in figures.
REGRESSIONS = {
    "ridge": "ridge regression",
    "kernel_ridge": "kernel ridge regression (RBF)",
    "knn": "5-nearest neighbours",
}

#: Steps of the lossy code that its curve is measured at, in posterior widths.
LOSSY_STEPS = (2, 4, 8, 16)
#: Qualities of the JPEG and WebP files that stand beside it.
FILE_QUALITIES = (1, 10, 30, 60, 90)

#: Column of the store's frames → the tag that it shows.
TAG_COLUMNS = {
    "kind": Tag.KIND,
    "sweep": Tag.SWEEP,
    "parent": Tag.PARENT,
    "amortised": Tag.AMORTISED,
    "config_hash": Tag.CONFIG_HASH,
    "group": Tag.GROUP,
    "data_digest": Tag.DATA_DIGEST,
    "labels": Tag.LABELS,
    "evaluator": Tag.EVALUATOR,
    "judge": Tag.JUDGE,
    "inception": Tag.INCEPTION,
    "extension_metrics": Tag.EXTENSION_METRICS,
    "infeasible": Tag.INFEASIBLE,
    "ended": Tag.ENDED,
    "status_reason": Tag.STATUS_REASON,
    "schema": Tag.SCHEMA,
}
