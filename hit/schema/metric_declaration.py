"""What is declared of a metric: name, unit, direction, label, what it is measured with and by whom, its error."""

__all__ = ["GROUP_TITLES", "DataForm", "Direction", "Metric", "MetricGroup"]

from dataclasses import dataclass
from typing import Literal

from hit.schema.names import LabelKind, Tag

Direction = Literal["minimize", "maximize"]
DataForm = Literal["images", "vectors"]
MetricGroup = Literal[
    "config",
    "training",
    "core",
    "latents",
    "generation",
    "inception",
    "coding",
    "rate_distortion",
    "extensions",
    "classifier",
    "certificate",
    "analysis",
    "sweep",
    "by_hand",
]

#: Group → what its metrics tell. Which of them an evaluation can be asked for says `hit.schema.metric_groups`.
GROUP_TITLES: dict[MetricGroup, str] = {
    "config": "What a run was given, as numbers that MLflow can compare (its params are texts)",
    "training": "Training, once an epoch",
    "core": "The model on the test set",
    "latents": "What the latents tell of the label",
    "generation": "Samples and reconstructions, as the classifier of the data set sees them",
    "inception": "Samples, as the Inception network sees them",
    "coding": "Images coded without loss, bits back layer by layer: what rates and distortion come to in bits",
    "rate_distortion": "Images coded with loss, by the model's latents in steps, and as image files",
    "extensions": "What extensions measure",
    "classifier": "The classifier of a data set",
    "certificate": "A surface beside models that were trained for one β each",
    "analysis": "What the analysis makes of several metrics of a run, relative to other runs; never logged",
    "sweep": "Sweeps",
    "by_hand": "What a person has logged",
}


@dataclass(frozen=True)
class Metric:
    """One declared metric: logging, sweep objectives, tables and axes read this and nothing else.

    `{l}` in a declared name or label stands for the layer, counted from 1.

    Attributes:
        name: in the store.
        unit: empty for a pure number.
        direction: None where neither more nor less is better as such (a rate is a price and a capacity at once).
        label: for figures and tables.
        group: what it is measured with.
        evaluator: the tag that says who measured it; scores of different evaluators do not compare. None where
            nobody but the model and its data decide.
        error: name of the metric that is its standard error, in its unit; empty where it has none.
        labels: what it takes of the data's labels: classes, or continuous ones; None where it takes none.
        takes: the only form of data that it is measured on; None where it is on any.
    """

    name: str
    unit: str
    direction: Direction | None
    label: str
    group: MetricGroup
    evaluator: Tag | None = None
    error: str = ""
    labels: LabelKind | None = None
    takes: DataForm | None = None

    @property
    def axis(self) -> str:
        """Label with unit, for an axis or a table's head."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label
