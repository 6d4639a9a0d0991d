"""What images or vectors do not allow to be measured: refused where it is asked for by name."""

__all__ = ["check_groups_form", "check_metrics_form", "groups_of_other_form"]

from collections.abc import Collection, Iterable

from hit.data import Dataset
from hit.errors import ConfigError, shown
from hit.schema import described
from hit.schema.metric_groups import ALL
from hit.schema.metrics import METRICS


def groups_of_other_form(groups: Collection[str], dataset: Dataset) -> list[str]:
    """Those of these groups of metrics that take data of the other form alone."""
    return [
        group
        for group in groups
        if {one.takes for one in METRICS if one.group == group} == {"images"} and dataset.form != "images"
    ]


def check_groups_form(metrics: str, dataset: Dataset) -> None:
    """Refuse a group that is asked for by name and takes images, where the data are vectors.

    Args:
        metrics: what was asked for, as `hit.schema.metric_groups.parse_groups` takes it.
        dataset: what is measured on.

    Raises:
        ConfigError: naming the group.
    """
    named = sorted({word.strip() for word in metrics.split(",")} - {ALL})
    for group in groups_of_other_form(named, dataset):
        raise ConfigError(
            f"metrics must not name {group}, which takes images, where the data are {dataset.form} "
            f"({dataset.name}; all leaves it out), got {shown(metrics)}"
        )


def check_metrics_form(option: str, names: Iterable[str], dataset: Dataset) -> None:
    """Refuse metrics that take data of the other form.

    Args:
        option: whose value names them.
        names: in the store; those that are declared nowhere take any data.
        dataset: what is measured on.

    Raises:
        ConfigError: naming the first.
    """
    for name in names:
        takes = described(name).takes
        if takes not in (None, dataset.form):
            instead = ": of vectors test/reconstruction_r2 takes its place" if name == "test/psnr" else ""
            raise ConfigError(
                f"{option} must name metrics that the data allow, which are {dataset.form} ({dataset.name}), got "
                f"{name}, which takes {takes}{instead}"
            )
