"""Names that stand in the run store, and the declarations of metrics."""

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
    "DataForm",
    "Direction",
    "Kind",
    "LabelKind",
    "Metric",
    "Tag",
    "described",
    "error_of",
    "form_of",
    "is_metric",
    "layer_metrics",
    "metric",
    "per_example",
]

from hit.schema.metric_declaration import DataForm, Direction, Metric, per_example
from hit.schema.metrics import described, error_of, form_of, is_metric, layer_metrics, metric
from hit.schema.names import (
    CONFIG,
    DEFAULT_EXPERIMENT,
    FILE_QUALITIES,
    LOSSY_STEPS,
    PROBES,
    REGRESSIONS,
    SCHEMA_VERSION,
    TAG_COLUMNS,
    WEIGHTS,
    Kind,
    LabelKind,
    Tag,
)
