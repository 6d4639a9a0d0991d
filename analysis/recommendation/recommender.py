"""Which run, and which region of rate space, serves an application best."""

__all__ = ["APPLICATIONS", "Application", "Estimate", "Recommendation", "application", "recommend", "scored"]

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.bounds import chance
from analysis.frame import errors, layers, one_dataset, rate_name, require, values
from analysis.recommendation.applications import APPLICATIONS, Application, application
from analysis.recommendation.gain import Gain, Seeds, expected_gain
from analysis.recommendation.objectives import Constraint, non_dominated
from analysis.recommendation.optimum import Estimate, LayerShare, estimate, fewest, layer_shares, span
from analysis.recommendation.scores import Score
from analysis.recommendation.significance import level_to_exceed, no_better_than_chance
from analysis.recommendation.suited_application import suited_to
from analysis.settings import all_equal
from analysis.suggested_commands import search_command
from hit import schema
from hit.config.rates.rate_region import RateRegion
from hit.errors import StoreError

#: Three decibels are a factor of two: the mean squared error may be twice that of the best run.
PSNR_TOLERANCE = 3.0
#: Where runs are too few for a surrogate, at most so many of the best span the region; of few candidates, a quarter
#: and two at least.
_BEST_FEW = 5
#: The best runs lie in the box around them, whatever the last bits of a mean.
_ROUNDING = 1e-9


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
        kept: how many of these keep the constraints.
        region: where the best models lie: by `estimate`, or around the best few runs where there is none.
        estimate: what a Gaussian process over all measured runs says of the optimum and its score, with standard
            errors; None where runs are too few, or none is likely to keep the constraints.
        front: for a trade-off, the runs that no other is at least as good as in all and better in one, the best
            first; else None.
        ranked: the runs that were compared, the best first, with their score in the column of the metric's name.
        candidates: how many these are.
        inside: how many of them lie in the region.
        best_inside: whether the best run does; where not, a model there is expected to be better than it.
        equal_run, equal_value, equal_candidates: the best run whose βs are all equal, its score, and
            of how many; None where there is no such run.
        gain: how much better `value` is than `equal_value`, in the metric's unit, never negative;
            None without an equal run, and for models of one layer, whose βs are always equal.
        gain_error: standard error of the gain: by the spread of replicates of both runs where both have some, else by
            how far runs of near rates differ (`estimate`); None where neither is known.
        gain_by_seeds: whether it is by replicates.
        expected_gain: what free β gain as means over seeds, with an interval; None where different β are too few, or
            none are equal.
        seeds: how the runs that were compared are spread over seeds.
        worst: the score of the worst candidate.
        chance: what a latent without information reaches, below `value`; None for scores that are not of a latent.
        min_psnr: the PSNR in dB that candidates reach, None where none was asked for.
    """

    application: Application
    metric: schema.Metric
    run: pd.Series
    value: float
    mean: float
    spread: float | None
    count: int
    kept: int
    region: RateRegion
    ranked: pd.DataFrame
    candidates: int
    inside: int
    best_inside: bool
    equal_run: pd.Series | None
    equal_value: float | None
    equal_candidates: int
    gain: float | None
    min_psnr: float | None
    seeds: Seeds
    estimate: Estimate | None = None
    front: pd.DataFrame | None = None
    gain_error: float | None = None
    gain_by_seeds: bool = False
    chance: float | None = None
    expected_gain: Gain | None = None
    worst: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the region covers so much of what the runs reach that it says little."""
        return self.estimate is not None and self.estimate.is_open

    @property
    def hedge(self) -> str:
        """In a word or two, why the region is none that holds the optimum with a known probability; '' where it is."""
        if self.is_constant:
            return "no difference"
        if self.estimate is None or self.application.trades_many:
            return "no error known"
        if self.is_open:
            return "open"
        return "a guess" if self.estimate.is_guess else ""

    @property
    def is_constant(self) -> bool:
        """Whether all candidates have the same score, several of them: none is better than another."""
        return self.candidates > 1 and self.value == self.worst

    @property
    def shares(self) -> tuple[LayerShare, ...]:
        """Of the layers in the total rate of the optimum, else of the best run; none where any place is as good."""
        if self.is_constant:
            return ()
        if self.estimate is None:
            return layer_shares([float(self.run[rate_name(layer)]) for layer in range(1, self.region.layers + 1)])
        unknown = self.estimate.is_guess or self.application.trades_many
        return layer_shares(self.estimate.optimum) if unknown else self.estimate.shares

    @property
    def standard_error(self) -> float | None:
        """Of the best run's score as it was measured, such as that of an accuracy on so many images, if it is known."""
        return _standard_error(self.run, self.metric.name)

    @property
    def near_chance(self) -> bool:
        """Whether the score is within twice its standard error of what a latent without information reaches."""
        error = self.standard_error
        return self.chance is not None and error is not None and self.value - self.chance < 2 * error


def recommend(frame: pd.DataFrame, target: str | Application, *, min_psnr: float | None = None) -> Recommendation:
    """The best finished run for an application, and the region of rate space to look in.

    Runs are ranked by their own score; of runs with the same score the one of lowest total rate wins,
    then the one of lowest run id, so that the answer does not depend on the order of the frame.

    Args:
        frame: runs of one data set.
        target: an application, or a text as `application` takes it.
        min_psnr: least PSNR in dB for compression. By default 3 dB below the best run, at most twice
            its mean squared error: unlike a quantile of the runs, this does not drift when poor
            runs are added. A constraint on test/psnr does the same.

    Raises:
        StoreError: several data sets, an unknown application, no finished run has the metrics, none keeps the
            constraints, or none is better than chance; says what to run.
        ConfigError: the text of an application is not of its form.
    """
    target = application(target) if isinstance(target, str) else target
    require(frame)
    one_dataset(frame)
    target = suited_to(frame, target)
    count = layers(frame)
    metric, direction = target.metric_of(count), target.direction_of(count)
    rates = [rate_name(layer) for layer in range(1, count + 1)]
    needed = dict.fromkeys([*target.metrics(count), "test/rate", *rates, *(["test/psnr"] if target.bounded else [])])
    measured = require(frame, *needed)
    bounds, threshold = _bounds(target, measured, min_psnr)
    allowed = _allowed(measured, bounds)
    if not allowed.any():
        raise StoreError(_unmet(measured, bounds, min_psnr))
    score = target.score(measured, count)
    measured = measured.assign(**{metric.name: scored(score, measured, allowed)})
    ranked = _ranked(measured[allowed], metric.name, direction)
    equal = ranked[all_equal(ranked, count)]
    best, value = ranked.iloc[0], float(values(ranked, metric.name).iloc[0])
    equal_value = None if equal.empty else float(values(equal, metric.name).iloc[0])
    few = ranked.head(min(_BEST_FEW, max(2, len(ranked) // 4)))
    twins = _replicates_of(best, measured)
    scores = values(twins, metric.name)
    found = estimate(measured, count, score, bounds, [float(best[name]) for name in rates])
    level = chance(measured, metric.name)
    if level is not None:
        # A run's noise stands for an error of measurement that is not known.
        error = _standard_error(best, metric.name) or (found.noise if found else 0.0)
        limit = level_to_exceed(level, error, values(ranked, metric.name).to_numpy(float))
        if value <= limit:
            raise StoreError(no_better_than_chance(metric, value, level, limit, len(ranked), count))
    region = found.box if found else span(few, rates)
    held = region.contains(np.column_stack([values(ranked, name) for name in rates]), _ROUNDING)
    gain_error, by_seeds = None, False
    if not equal.empty and count > 1:
        gain_error, by_seeds = _gain_error(best, equal.iloc[0], measured[metric.name].where(allowed), measured, found)
    return Recommendation(
        application=target,
        metric=metric,
        run=best,
        value=value,
        mean=float(scores.mean()),
        spread=float(scores.std()) if len(scores) > 1 else None,
        count=len(scores),
        kept=int(allowed[twins.index].sum()),
        region=region,
        ranked=ranked,
        candidates=len(ranked),
        inside=int(held.sum()),
        best_inside=bool(held[0]),
        equal_run=None if equal.empty else equal.iloc[0],
        equal_value=equal_value,
        equal_candidates=len(equal),
        gain=None if equal_value is None or count == 1 else abs(value - equal_value),
        min_psnr=threshold,
        estimate=found,
        front=_front(target, ranked),
        chance=level,
        seeds=Seeds.of(measured),
        gain_error=gain_error,
        gain_by_seeds=by_seeds,
        worst=float(values(ranked, metric.name).iloc[-1]),
        expected_gain=expected_gain(measured, count, score, bounds, fewest(count)),
    )


def _bounds(
    target: Application, rows: pd.DataFrame, min_psnr: float | None
) -> tuple[tuple[Constraint, ...], float | None]:
    """All that candidates keep, and the least PSNR of them."""
    asked = [one.bound for one in target.constraints if one.name == "test/psnr" and not one.upper]
    if not target.bounded:
        return target.constraints, max(asked, default=None)
    if min_psnr is None and asked:
        return target.constraints, max(asked)
    threshold = float(values(rows, "test/psnr").max()) - PSNR_TOLERANCE if min_psnr is None else min_psnr
    return (*target.constraints, Constraint("test/psnr", threshold, upper=False)), threshold


def _allowed(rows: pd.DataFrame, bounds: tuple[Constraint, ...]) -> pd.Series:
    kept = np.ones(len(rows), bool)
    for one in bounds:
        kept &= one.excess(values(rows, one.name)) <= 0
    return pd.Series(kept, index=rows.index)


def _standard_error(run: pd.Series, name: str) -> float | None:
    error = float(errors(run.to_frame().T, name).iloc[0])
    return error if math.isfinite(error) else None


def _unmet(rows: pd.DataFrame, bounds: tuple[Constraint, ...], min_psnr: float | None) -> str:
    """Why there is no candidate, and what would make one."""
    psnr = values(rows, "test/psnr")
    if min_psnr is not None and not (psnr >= min_psnr).any():
        return f"min_psnr must be at most {psnr.max():.4g} dB, which the best run reaches, got {min_psnr}"
    text = ",".join(map(str, bounds))
    ends = []
    for one in bounds:
        numbers = values(rows, one.name)
        ends.append(f"{one.name} is {numbers.min():.4g} to {numbers.max():.4g}")
    return (
        f"no finished run keeps {text} ({', '.join(dict.fromkeys(ends))}): look for one by "
        f"`{search_command(rows, text)}`, or loosen them"
    )


def scored(score: Score, rows: pd.DataFrame, allowed: pd.Series) -> npt.NDArray[np.float64]:
    """Of every run."""
    metrics = {name: values(rows, name).to_numpy(float)[None] for name in score.names}
    return np.asarray(score.of(metrics, allowed.to_numpy(bool)[None])[0])


def _front(target: Application, ranked: pd.DataFrame) -> pd.DataFrame | None:
    if not target.objectives:
        return None
    costs = np.column_stack([one.sign * values(ranked, one.name) for one in target.objectives])
    return ranked[non_dominated(costs)]


def _gain_error(
    best: pd.Series, equal: pd.Series, scores: pd.Series, rows: pd.DataFrame, found: Estimate | None
) -> tuple[float | None, bool]:
    """Standard error of the gain, and whether it is by the seeds of both runs, all of which keep the constraints."""
    spreads = [float(scores[_replicates_of(run, rows).index].std(skipna=False)) for run in (best, equal)]
    error = math.hypot(*spreads)
    if math.isfinite(error) and error > 0:
        return error, True
    return (math.sqrt(2) * found.noise, False) if found and found.noise > 0 else (None, False)


def _ranked(rows: pd.DataFrame, name: str, direction: schema.Direction) -> pd.DataFrame:
    score = values(rows, name) * (1 if direction == "minimize" else -1)
    order = pd.DataFrame({"score": score, "rate": values(rows, "test/rate"), "run": rows["run_id"].astype(str)})
    return rows.iloc[order.reset_index(drop=True).sort_values(["score", "rate", "run"]).index]


def _replicates_of(run: pd.Series, rows: pd.DataFrame) -> pd.DataFrame:
    name = "run_id" if pd.isna(run.get("group")) else "group"
    same: pd.Series = rows[name] == run[name]
    return rows[same]
