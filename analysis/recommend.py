"""Which run, and which region of rate space, serves an application best."""

__all__ = ["APPLICATIONS", "Application", "RateBox", "Recommendation", "application", "recommend"]

from dataclasses import dataclass

import pandas as pd

from analysis.comparable import all_equal
from analysis.runs import layers, one_dataset, rate_name, require, values
from hit import schema
from hit.errors import StoreError, nearest

#: Three decibels are a factor of two: the mean squared error may be twice that of the best run.
PSNR_TOLERANCE = 3.0
BEST_FEW = 5


@dataclass(frozen=True)
class Application:
    """What latents or samples are used for, and the metric that says how well they serve.

    Attributes:
        name: word for the command line.
        metric: name in the store; `{L}` stands for the top layer.
        text: what is asked for, as a sentence for people.
        direction: given where the schema declares none, since a rate is a price to one
            application and a capacity to another.
        bounded: only runs that reconstruct well enough are candidates.
    """

    name: str
    metric: str
    text: str
    direction: schema.Direction | None = None
    bounded: bool = False

    def metric_of(self, count: int) -> schema.Metric:
        """The declared metric for a model of `count` layers."""
        return schema.metric(self.metric.replace("{L}", str(count)))

    def direction_of(self, count: int) -> schema.Direction:
        """Whether less or more of the metric is better."""
        direction = self.direction or self.metric_of(count).direction
        assert direction is not None, f"{self.name} needs a direction"
        return direction


APPLICATIONS = (
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
    ),
    Application("generation", "sample/inception_score", "the sharpest and most diverse samples from the prior"),
    Application("density", "test/elbo", "the highest bound on the likelihood of unseen data"),
)


@dataclass(frozen=True)
class RateBox:
    """A region of rate space: a box in (R_1, …, R_L) with bounds on R = R_1 + … + R_L, in nats per image."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    total_low: float
    total_high: float


@dataclass(frozen=True, eq=False)
class Recommendation:
    """The best run for an application.

    Attributes:
        application: what it is best for.
        metric: the declaration of what was compared.
        run: its row of the frame.
        value: its score, in the metric's unit.
        mean, spread, count: over the runs that differ from it in their seed alone; the spread is
            the sample standard deviation, None for a single run.
        region: around the best few runs.
        candidates: how many runs were compared.
        equal_run, equal_value, equal_candidates: the best run whose βs are all equal, its score, and
            of how many; None where there is no such run.
        gain: how much better `value` is than `equal_value`, in the metric's unit, never negative;
            None without an equal run, and for models of one layer, whose βs are always equal.
        min_psnr: the PSNR in dB that candidates reach, None where none was asked for.
    """

    application: Application
    metric: schema.Metric
    run: pd.Series
    value: float
    mean: float
    spread: float | None
    count: int
    region: RateBox
    candidates: int
    equal_run: pd.Series | None
    equal_value: float | None
    equal_candidates: int
    gain: float | None
    min_psnr: float | None


def application(name: str) -> Application:
    """The application called `name`.

    Raises:
        StoreError: there is none; names the nearest.
    """
    for declared in APPLICATIONS:
        if declared.name == name:
            return declared
    raise StoreError(f"unknown application {name!r}{nearest(name, [declared.name for declared in APPLICATIONS])}")


def recommend(
    frame: pd.DataFrame, target: str | Application, *, min_psnr: float | None = None, best_few: int = BEST_FEW
) -> Recommendation:
    """The best finished run for an application, and the region of rate space to look in.

    Runs are ranked by their own score; of runs with the same score the one of lowest total rate wins,
    then the one of lowest run id, so that the answer does not depend on the order of the frame.

    Args:
        frame: runs of one data set.
        target: an application or its name.
        min_psnr: least PSNR in dB for compression. By default 3 dB below the best run, at most twice
            its mean squared error: unlike a quantile of the runs, this does not drift when poor
            runs are added.
        best_few: at most so many of the best runs span the region; of few candidates, a quarter and two at least.

    Raises:
        StoreError: several data sets, an unknown application, or no finished run has the metric.
    """
    target = application(target) if isinstance(target, str) else target
    require(frame)
    one_dataset(frame)
    count = layers(frame)
    metric, direction = target.metric_of(count), target.direction_of(count)
    rates = [rate_name(layer) for layer in range(1, count + 1)]
    names = [metric.name, "test/rate", *rates, *(["test/psnr"] if target.bounded else [])]
    measured = rows = require(frame, *names)
    threshold = None
    if target.bounded:
        psnr = values(rows, "test/psnr")
        threshold = float(psnr.max()) - PSNR_TOLERANCE if min_psnr is None else min_psnr
        rows = rows[psnr >= threshold]
        if rows.empty:
            raise StoreError(
                f"min_psnr must be at most {psnr.max():.4g} dB, which the best run reaches, got {min_psnr}"
            )
    ranked = _ranked(rows, metric.name, direction)
    equal = ranked[all_equal(ranked, count)]
    best, value = ranked.iloc[0], float(values(ranked, metric.name).iloc[0])
    equal_value = None if equal.empty else float(values(equal, metric.name).iloc[0])
    few = ranked.head(min(best_few, max(2, len(ranked) // 4)))
    scores = values(_replicates_of(best, measured), metric.name)
    return Recommendation(
        application=target,
        metric=metric,
        run=best,
        value=value,
        mean=float(scores.mean()),
        spread=float(scores.std()) if len(scores) > 1 else None,
        count=len(scores),
        region=_region(few, rates),
        candidates=len(ranked),
        equal_run=None if equal.empty else equal.iloc[0],
        equal_value=equal_value,
        equal_candidates=len(equal),
        gain=None if equal_value is None or count == 1 else abs(value - equal_value),
        min_psnr=threshold,
    )


def _ranked(rows: pd.DataFrame, name: str, direction: schema.Direction) -> pd.DataFrame:
    score = values(rows, name) * (1 if direction == "minimize" else -1)
    order = pd.DataFrame({"score": score, "rate": values(rows, "test/rate"), "run": rows["run_id"].astype(str)})
    return rows.iloc[order.reset_index(drop=True).sort_values(["score", "rate", "run"]).index]


def _region(rows: pd.DataFrame, rates: list[str]) -> RateBox:
    table = pd.DataFrame({name: values(rows, name) for name in rates})
    total = table.sum(axis=1)
    return RateBox(
        low=tuple(map(float, table.min())),
        high=tuple(map(float, table.max())),
        total_low=float(total.min()),
        total_high=float(total.max()),
    )


def _replicates_of(run: pd.Series, rows: pd.DataFrame) -> pd.DataFrame:
    name = "run_id" if pd.isna(run.get("group")) else "group"
    same: pd.Series = rows[name] == run[name]
    return rows[same]
