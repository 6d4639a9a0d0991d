"""What is declared of a metric's name: ours, those of extensions, and options that stand among a run's numbers."""

__all__ = [
    "EXTENSION_METRICS",
    "METRICS",
    "ExtensionMetric",
    "described",
    "form_of",
    "error_of",
    "is_metric",
    "layer_metrics",
    "metric",
]

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_args

from hit.errors import ConfigError, shown
from hit.extensions import Registry
from hit.schema.declared_metrics import METRICS
from hit.schema.metric_declaration import DataForm, Direction, Metric
from hit.schema.names import LabelKind, Tag


@dataclass(frozen=True, eq=False)
class ExtensionMetric:
    """A metric that an extension measures.

    Attributes:
        declared: what is known of it.
        measure: a function of a `hit.evaluation.extension_metrics.MetricContext`; it gives a number, or one a layer
            where the name holds `{l}`.
    """

    declared: Metric
    measure: Callable[[Any], Any]


def _extension_metric(
    name: str,
    measure: Callable[[Any], Any],
    *,
    label: str = "",
    unit: str = "",
    direction: Direction | None = None,
    labels: str | None = None,
    takes: DataForm | None = None,
) -> ExtensionMetric:
    if is_declared(name):
        raise ConfigError(f"metric {name!r} must have a name of its own, and hit declares it")
    if not callable(measure):
        raise ConfigError(f"metric {name!r} must be a function that measures it, got {shown(measure)}")
    for what, value, allowed in (
        ("direction", direction, get_args(Direction)),
        ("labels", labels, (LabelKind.CLASSES, LabelKind.CONTINUOUS)),
        ("takes", takes, get_args(DataForm)),
    ):
        if value is not None and value not in allowed:
            raise ConfigError(f"{what} of metric {name!r} must be {', '.join(allowed)} or None, got {shown(value)}")
    for what, text in (("label", label), ("unit", unit)):
        if not isinstance(text, str):
            raise ConfigError(f"{what} of metric {name!r} must be a text, got {shown(text)}")
    metric.cache_clear()
    kind = None if labels is None else LabelKind(labels)
    tag = Tag.EXTENSION_METRICS
    declared = Metric(name, unit, direction, label or name, "extensions", tag, labels=kind, takes=takes)
    return ExtensionMetric(declared, measure)


#: Metrics of extensions: `@EXTENSION_METRICS.register("test/ssim", label="SSIM", direction="maximize")`. Beside these,
#: `labels` says that one takes "classes" or "continuous" labels, and `takes` that it takes "images" or "vectors": it is
#: left out of other data (`hit.evaluation.data_needs`).
EXTENSION_METRICS: Registry[ExtensionMetric] = Registry(
    "metric",
    _extension_metric,
    re.compile(r"(test|sample)/[A-Za-z0-9_]+(\{l\}[A-Za-z0-9_]*)?"),
    "test/… or sample/… of letters, digits and _, with {l} where there is one number a layer",
)

_PLAIN = {declared.name: declared for declared in METRICS if "{l}" not in declared.name}
#: What stands for `{l}`: a layer; of targets, and of what they are missed by, also the first and the last of a group.
_LAYER, _GROUP = r"(?P<l>[1-9][0-9]*)", r"(?P<l>[1-9][0-9]*(?:-[1-9][0-9]*)?)"
_OF_GROUPS = ("train/rate_error_{l}", "test/rate_error_{l}", "target_rate_{l}", "max_rate_{l}")


def _layered(declared: Iterable[Metric]) -> list[tuple[re.Pattern[str], Metric]]:
    return [
        (re.compile(re.escape(one.name).replace(r"\{l\}", _GROUP if one.name in _OF_GROUPS else _LAYER) + r"\Z"), one)
        for one in declared
        if "{l}" in one.name
    ]


_LAYERED = _layered(METRICS)
#: Options of models and likelihoods, `model.depth`, which their parts declare (`hit.config.parts`).
_OPTION = re.compile(r"(model|likelihood)\.([A-Za-z_]\w*)\Z", re.ASCII)


@cache
def metric(name: str) -> Metric:
    """The declaration of the metric called `name` in the store.

    Raises:
        KeyError: no such metric is declared.

    >>> metric("test/rate_2").axis
    'R_2 [nats per image]'
    """
    if match := _OPTION.match(name):
        return Metric(name, "", None, f"{match[2]} of the {match[1]}", "config")
    if name in _PLAIN:
        return _PLAIN[name]
    others = [one.declared for one in EXTENSION_METRICS]
    for one in others:
        if one.name == name:
            return one
    for pattern, declared in [*_LAYERED, *_layered(others)]:
        if match := pattern.match(name):
            label, error = (text.replace("{l}", match["l"]) for text in (declared.label, declared.error))
            return replace(declared, name=name, label=label, error=error)
    raise KeyError(f"metric {name!r} is not declared in hit.schema")


def is_declared(name: str) -> bool:
    """Whether hit itself declares a metric of this name."""
    return name in _PLAIN or any(pattern.match(name.replace("{l}", "1")) for pattern, _ in _LAYERED)


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
    return metric(name) if is_metric(name) else Metric(name, "", None, name, "by_hand")


def form_of(metrics: Container[str]) -> DataForm | None:
    """What the data are of whom these are the metrics of the test set; None where nothing tells.

    >>> form_of({"test/rate": 3.0, "test/log_jacobian": 1.0})
    'vectors'
    """
    if "test/log_jacobian" in metrics:
        return "vectors"
    return "images" if "test/psnr" in metrics else None


def error_of(name: str) -> str:
    """Name of the metric that is the standard error of `name`; empty where it has none.

    >>> error_of("test/psnr"), error_of("test/mi_z2"), error_of("taste")
    ('test/psnr_standard_error', 'test/mi_error_z2', '')
    """
    return described(name).error


def layer_metrics(layers: int) -> list[Metric]:
    """All declared metrics of a model with `layers` layers, in the order of declaration."""
    return [
        metric(declared.name.replace("{l}", str(layer)))
        for declared in (*METRICS, *(one.declared for one in EXTENSION_METRICS))
        for layer in (range(1, layers + 1) if "{l}" in declared.name else (0,))
    ]
