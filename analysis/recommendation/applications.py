"""What models are for: the metric, the combination of metrics or the trade-off that says how well they serve."""

__all__ = ["APPLICATIONS", "DISTANCE", "SCORE", "Application", "application", "applications"]

import math
from dataclasses import dataclass, replace

import pandas as pd

from analysis.recommendation.objectives import (
    Constraint,
    Objective,
    measured_metrics,
    parse_constraints,
    parse_objectives,
)
from analysis.recommendation.scores import BalanceScore, Score, SingleScore, WeightedScore
from hit import schema
from hit.errors import ConfigError, StoreError, nearest, shown
from hit.extensions import Registry
from hit.schema.metric_groups import GROUPS

SCORE, DISTANCE = "analysis/score", "analysis/distance"
#: Names are checked before the runs are read, whose number of layers is not known then.
_MANY_LAYERS = 9
#: Of the weights of metrics, in either direction.
_MOST_WEIGHT = 1e6
_PARETO, _WHERE = "pareto:", " where "


@dataclass(frozen=True)
class Application:
    """What latents or samples are used for, and the metric that says how well they serve.

    Attributes:
        name: word for the command line; for a combination, or with constraints, the text that `application` takes.
        metric: name in the store; `{L}` stands for the top layer. `SCORE` and `DISTANCE` are made of others.
        text: what is asked for, as a sentence for people.
        direction: given where the schema declares none, since a rate is a price to one
            application and a capacity to another.
        bounded: only runs that reconstruct well enough are candidates.
        weights: metrics of the weighted score, each with what one standard deviation more of it is worth.
        objectives: metrics that are traded off.
        constraints: bounds that candidates keep.
        alternatives: where the labels of the data are no classes, which the metric takes: others with the sentences
            that go with them, in the order of preference.
    """

    name: str
    metric: str
    text: str
    direction: schema.Direction | None = None
    bounded: bool = False
    weights: tuple[tuple[str, float], ...] = ()
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    alternatives: tuple[tuple[str, str], ...] = ()

    def suited_to_labels(self, kind: schema.LabelKind | None) -> "Application":
        """The same by the first alternative that labels of this kind allow, where they do not allow its metric.

        Args:
            kind: of the data's labels (`analysis.frame.label_kind`); None where nobody knows.
        """
        if kind is None or schema.metric(self.metric.replace("{L}", "1")).labels in (None, kind):
            return self
        for metric, text in self.alternatives:
            if schema.metric(metric.replace("{L}", "1")).labels in (None, kind):
                return replace(self, metric=metric, text=text)
        return self

    @property
    def trades_many(self) -> bool:
        """Whether three metrics or more are balanced, whose front's extent hangs on points that few runs show."""
        return len(self.objectives) > 2

    def metric_of(self, count: int) -> schema.Metric:
        """The declared metric for a model of `count` layers."""
        return schema.metric(self.metric.replace("{L}", str(count)))

    def direction_of(self, count: int) -> schema.Direction:
        """Whether less or more of the metric is better."""
        direction = self.direction or self.metric_of(count).direction
        assert direction is not None, f"{self.name} needs a direction"
        return direction

    def metrics(self, count: int) -> list[str]:
        """Names of all metrics that a run must have to be compared."""
        own = [name for name, _ in self.weights] or [one.name for one in self.objectives]
        return [*(own or [self.metric_of(count).name]), *(one.name for one in self.constraints)]

    def score(self, rows: pd.DataFrame, count: int) -> Score:
        """How runs and points are compared; a combination is made relative to these runs.

        Args:
            rows: runs that have every metric.
            count: L.
        """
        if self.weights:
            return WeightedScore.over(dict(self.weights), rows)
        if self.objectives:
            return BalanceScore(self.objectives)
        return SingleScore(self.metric_of(count).name, self.direction_of(count))

    def constrained(self, constraints: tuple[Constraint, ...]) -> "Application":
        """The same with further constraints."""
        if not constraints:
            return self
        what = self.name.partition(_WHERE)[0]
        both = tuple(dict.fromkeys([*self.constraints, *constraints]))
        return replace(self, name=f"{what}{_WHERE}{','.join(map(str, both))}", constraints=both)


def _declared(name: str, part: Application) -> Application:
    """An application under its name, once it is known that its metric is there and has a better end.

    Raises:
        ConfigError: it has not.
    """
    if not isinstance(part, Application):
        raise ConfigError(f"application {name!r} must be registered as an Application, got {shown(part)}")
    metric = part.metric.replace("{L}", "1")
    if not schema.is_metric(metric):
        raise ConfigError(f"application {name!r} must name a metric that is declared, got {shown(part.metric)}")
    if not (part.direction or schema.metric(metric).direction):
        raise ConfigError(f"application {name!r} must have a direction, as {part.metric} has none")
    return replace(part, name=name)


#: What `all` means, and whatever extensions register: `APPLICATIONS.register("likeness", Application(…))`.
APPLICATIONS: Registry[Application] = Registry("application", _declared)
for _one in (
    Application("reconstruction", "test/psnr", "the most faithful reconstructions"),
    Application(
        "compression",
        "test/rate",
        "the fewest nats among runs that reconstruct well enough",
        direction="minimize",
        bounded=True,
    ),
    Application(
        "representation",
        "test/accuracy_svm_rbf_z{L}_sampled",
        "the class most easily read from samples of the top latent, which its rate bounds",
        alternatives=(
            (
                "test/r2_kernel_ridge_z{L}_sampled",
                "the label most precisely read from samples of the top latent, which its rate bounds",
            ),
        ),
    ),
    Application(
        "generation",
        "sample/inception_score",
        "the sharpest and most diverse samples from the prior",
        alternatives=(
            ("sample/fid_inception", "the samples from the prior that the Inception network sees nearest to the data"),
        ),
    ),
    Application("density", "test/elbo", "the highest bound on the likelihood of unseen data"),
):
    APPLICATIONS.register(_one.name, _one)


def application(text: str) -> Application:
    """The application that a text asks for.

    Args:
        text: a name of `APPLICATIONS`; metrics with weights, `test/psnr:1,test/rate:-0.5`, where a weight is what one
            standard deviation more of the metric is worth, over the runs compared; or `pareto:test/psnr,test/rate=min`
            for the best balance of several. After any of them, ` where test/rate<=40,test/psnr>=18` bounds candidates.

    Raises:
        StoreError: there is none of this name; names the nearest.
        ConfigError: weights, objectives or constraints that are not of this form.

    >>> application("test/psnr:1, test/rate:-0.5 where test/rate<=40").name
    'test/psnr:1,test/rate:-0.5 where test/rate<=40'
    """
    what, _, bounds = (part.strip() for part in f"{text} ".partition(_WHERE))
    constraints = parse_constraints(bounds, _MANY_LAYERS, GROUPS)
    if bounds == "" and _WHERE.strip() in text.split():
        raise ConfigError(f"application must have constraints after where, got {shown(text)}")
    if what.startswith(_PARETO):
        found = _trade_off(what.removeprefix(_PARETO))
    elif ":" in what:
        found = _weighted(what)
    else:
        if what not in APPLICATIONS:
            raise StoreError(f"unknown application {shown(what)}{nearest(what, APPLICATIONS.names())}")
        found = APPLICATIONS.get(what)
    return found.constrained(constraints)


def applications(text: str, constraints: str = "") -> list[Application]:
    """All that a text asks for: several with `;` between them, mere names also with commas; `all` means `APPLICATIONS`.

    Args:
        text: see `application`.
        constraints: for each of them, `test/rate<=40,test/psnr>=18`.

    Raises:
        StoreError, ConfigError: as from `application`.

    >>> [one.name for one in applications("reconstruction, density; pareto:test/psnr,test/rate=min")]
    ['reconstruction', 'density', 'pareto:test/psnr=max,test/rate=min']
    """
    parts = [part.strip() for part in text.split(";")]
    words = [word.strip() for part in parts for word in ([part] if ":" in part or _WHERE in part else part.split(","))]
    names = [word for word in words if word]
    if not names:
        raise ConfigError(f"application must be all, or name one or more, got {shown(text)}")
    everything = [declared.name for declared in APPLICATIONS]
    bounds = parse_constraints(constraints, _MANY_LAYERS, GROUPS)
    asked = [own for name in names for own in (everything if name == "all" else [name])]
    return list({one.name: one for one in (application(name).constrained(bounds) for name in asked)}.values())


def _weighted(text: str) -> Application:
    weights: dict[str, float] = {}
    known = measured_metrics(_MANY_LAYERS)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, word = (piece.strip() for piece in part.rpartition(":"))
        try:
            weight = float(word)
        except ValueError:
            weight = math.nan
        if not math.isfinite(weight) or weight == 0 or not name:
            raise ConfigError(f"application must have metric:weight with a number other than 0, got {shown(part)}")
        if abs(weight) > _MOST_WEIGHT:
            raise ConfigError(f"application must have weights of at most {_MOST_WEIGHT:g}, got {shown(part)}")
        if name not in known:
            raise ConfigError(f"application must name metrics of the store, got {shown(name)}{nearest(name, known)}")
        if name in weights:
            raise ConfigError(f"application must name {name} once, got {shown(text)}")
        direction = schema.metric(name).direction
        if direction and (direction == "maximize") != (weight > 0):
            side = "above" if direction == "maximize" else "below"
            better = "more" if direction == "maximize" else "less"
            raise ConfigError(
                f"application must give {name} a weight {side} 0, since {better} is better, got {weight:g}"
            )
        weights[name] = weight
    words = ", ".join(f"{schema.metric(name).label} ({weight:+g})" for name, weight in weights.items())
    return Application(
        name=",".join(f"{name}:{weight:g}" for name, weight in weights.items()),
        metric=SCORE,
        text=f"the highest sum of {words}, each in standard deviations over the runs",
        weights=tuple(weights.items()),
    )


def _trade_off(text: str) -> Application:
    objectives = parse_objectives(text, _MANY_LAYERS, GROUPS)
    if len(objectives) < 2:
        raise ConfigError(f"application must trade off two metrics or more after {_PARETO}, got {shown(text)}")
    words = ", ".join(
        f"{'less' if one.direction == 'minimize' else 'more'} {schema.described(one.name).label}" for one in objectives
    )
    return Application(
        name=f"{_PARETO}{','.join(f'{one.name}={one.direction[:3]}' for one in objectives)}",
        metric=DISTANCE,
        text=f"the best balance of {words}: nearest to the best of each, in units of the front's extent",
        objectives=objectives,
    )
