"""What a data set does not allow to be measured, by its form and its labels: left out of all, refused by name."""

__all__ = ["barred_line", "barred_metrics", "check_groups", "check_metrics", "left_out"]

from collections.abc import Collection, Iterable, Mapping

from hit.data import Dataset
from hit.errors import ConfigError, shown
from hit.schema import LabelKind, Metric, described
from hit.schema.metric_groups import named_groups
from hit.schema.metrics import EXTENSION_METRICS, METRICS

_WORDS = {
    LabelKind.NONE: "no labels",
    LabelKind.CONTINUOUS: "continuous labels",
    LabelKind.CLASSES: "labels that are classes",
}


def left_out(groups: Collection[str], dataset: Dataset) -> dict[str, str]:
    """Which of these groups the data do not allow, or not whole, and why, one line each.

    The group generation takes images and classes, which its classifier tells apart, inception images. Of the group
    latents, data without labels leave the principal components. The group extensions is left out where every metric of
    it takes other data.
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
    if "extensions" in groups and (barred := barred_metrics(dataset)) and len(barred) == len(EXTENSION_METRICS):
        why["extensions"] = barred_line(barred)
    return why


def barred_metrics(dataset: Dataset) -> dict[str, str]:
    """Metrics of extensions that the data do not allow → why, one line each."""
    found = {}
    for entry in EXTENSION_METRICS:
        if unmet := _unmet(entry.declared, dataset):
            found[entry.declared.name] = f"dataset {shown(dataset.name)} has {unmet[0]}, and {unmet[1]} are taken"
    return found


def barred_line(barred: Mapping[str, str]) -> str:
    """One line on what `barred_metrics` has found, each reason once."""
    reasons = dict.fromkeys(barred.values())
    return "; ".join(f"{why} by {', '.join(name for name in barred if barred[name] == why)}" for why in reasons)


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
        if unmet := _unmet(described(name), dataset):
            has, takes = unmet
            instead = ": of vectors test/reconstruction_r2 takes its place" if name == "test/psnr" else ""
            raise ConfigError(
                f"{option} must name metrics that dataset {shown(dataset.name)} allows, which has {has}, got {name}, "
                f"which takes {takes}{instead}"
            )


def _unmet(declared: Metric, dataset: Dataset) -> tuple[str, str] | None:
    """What the data have, and what a metric takes in its place; None where it takes them."""
    if declared.takes not in (None, dataset.form):
        return dataset.form, str(declared.takes)
    if declared.labels is not None and declared.labels is not dataset.label_kind:
        return _WORDS[dataset.label_kind], _WORDS[declared.labels]
    return None
