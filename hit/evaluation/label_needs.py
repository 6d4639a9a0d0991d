"""What the labels of a data set do not allow to be measured: left out where all is asked for, refused by name."""

__all__ = ["check_groups", "check_metrics", "left_out"]

from collections.abc import Collection, Iterable

from hit.data import Dataset
from hit.errors import ConfigError, shown
from hit.schema import LabelKind, described
from hit.schema.metric_groups import named_groups

_WORDS = {
    LabelKind.NONE: "no labels",
    LabelKind.CONTINUOUS: "continuous labels",
    LabelKind.CLASSES: "labels that are classes",
}


def left_out(groups: Collection[str], dataset: Dataset) -> dict[str, str]:
    """Which of these groups the labels do not allow, or not whole, and why, one line each.

    The group generation takes classes, which its classifier tells apart. Of the group latents, data without labels
    leave the principal components.
    """
    why = {}
    has = f"dataset {shown(dataset.name)} has {_WORDS[dataset.label_kind]}"
    if "latents" in groups and dataset.label_kind is LabelKind.NONE:
        why["latents"] = has
    if "generation" in groups and dataset.label_kind is LabelKind.NONE:
        why["generation"] = has
    if "generation" in groups and dataset.label_kind is LabelKind.CONTINUOUS:
        why["generation"] = f"{has}, and samples are scored by a classifier of classes"
    return why


def check_groups(metrics: str, dataset: Dataset) -> None:
    """Refuse a group that is asked for by name and that the labels do not allow.

    Args:
        metrics: what was asked for, as `hit.schema.metric_groups.parse_groups` takes it.
        dataset: what is measured on.

    Raises:
        ConfigError: naming the group.
    """
    for group in left_out(named_groups(metrics), dataset):
        raise ConfigError(
            f"metrics must not name {group} for dataset {shown(dataset.name)}, which has "
            f"{_WORDS[dataset.label_kind]} (all leaves out what needs others), got {shown(metrics)}"
        )


def check_metrics(option: str, names: Iterable[str], dataset: Dataset) -> None:
    """Refuse metrics that take labels of another kind than the data have.

    Args:
        option: whose value names them.
        names: in the store; those that are declared nowhere take no labels.
        dataset: what is measured on.

    Raises:
        ConfigError: naming the first.
    """
    for name in names:
        takes = described(name).labels
        if takes is not None and takes is not dataset.label_kind:
            raise ConfigError(
                f"{option} must name metrics that dataset {shown(dataset.name)} allows, which has "
                f"{_WORDS[dataset.label_kind]}, got {name}, which takes {_WORDS[takes]}"
            )
