"""What a data set does not allow to be measured, by its form and its labels: left out of all, refused by name."""

__all__ = ["check_groups", "check_metrics", "left_out"]

from collections.abc import Collection, Iterable

from hit.data import Dataset
from hit.errors import ConfigError, shown
from hit.schema import LabelKind, described
from hit.schema.metric_groups import named_groups
from hit.schema.metrics import METRICS

_WORDS = {
    LabelKind.NONE: "no labels",
    LabelKind.CONTINUOUS: "continuous labels",
    LabelKind.CLASSES: "labels that are classes",
}


def left_out(groups: Collection[str], dataset: Dataset) -> dict[str, str]:
    """Which of these groups the data do not allow, or not whole, and why, one line each.

    The group generation takes images and classes, which its classifier tells apart, inception images. Of the group
    latents, data without labels leave the principal components.
    """
    name, kind = shown(dataset.name), dataset.label_kind
    why = {
        group: f"dataset {name} has {dataset.form}, and there are no images to judge"
        for group in groups
        if dataset.form != "images" and {one.takes for one in METRICS if one.group == group} == {"images"}
    }
    if "latents" in groups and kind is LabelKind.NONE:
        why["latents"] = f"dataset {name} has {_WORDS[kind]}"
    if "generation" in groups and "generation" not in why and kind is not LabelKind.CLASSES:
        scored = ", and samples are scored by a classifier of classes" if kind is LabelKind.CONTINUOUS else ""
        why["generation"] = f"dataset {name} has {_WORDS[kind]}{scored}"
    return why


def check_groups(metrics: str, dataset: Dataset) -> None:
    """Refuse a group that is asked for by name and that the data do not allow.

    Args:
        metrics: what was asked for, as `hit.schema.metric_groups.parse_groups` takes it.
        dataset: what is measured on.

    Raises:
        ConfigError: naming the group.
    """
    for group, why in left_out(named_groups(metrics), dataset).items():
        raise ConfigError(
            f"metrics must not name {group} here: {why} (all leaves out what needs others), got {shown(metrics)}"
        )


def check_metrics(option: str, names: Iterable[str], dataset: Dataset) -> None:
    """Refuse metrics that take data of another form, or labels of another kind, than the data have.

    Args:
        option: whose value names them.
        names: in the store; those that are declared nowhere take any data.
        dataset: what is measured on.

    Raises:
        ConfigError: naming the first.
    """
    for name in names:
        declared = described(name)
        has = takes = ""
        if declared.takes not in (None, dataset.form):
            instead = ": of vectors test/reconstruction_r2 takes its place" if name == "test/psnr" else ""
            has, takes = dataset.form, f"{declared.takes}{instead}"
        elif declared.labels is not None and declared.labels is not dataset.label_kind:
            has, takes = _WORDS[dataset.label_kind], _WORDS[declared.labels]
        if takes:
            raise ConfigError(
                f"{option} must name metrics that dataset {shown(dataset.name)} allows, which has {has}, got {name}, "
                f"which takes {takes}"
            )
