"""A recommendation in plain sentences, for a terminal."""

__all__ = ["recommendation_lines", "summary_lines", "told"]

from collections.abc import Sequence

import pandas as pd

from analysis.frame import finished, rate_name
from analysis.recommendation.applications import Application
from analysis.recommendation.optimum import LEVEL, fewest
from analysis.recommendation.recommender import Recommendation, recommend
from analysis.settings import beta_names, settings
from hit import schema
from hit.errors import StoreError, UserError


def summary_lines(frame: pd.DataFrame, applications: Sequence[Application]) -> list[str]:
    """What to target for each application, for the runs of each setting that has finished runs.

    Args:
        frame: one row a model.
        applications: what for.

    Raises:
        StoreError: no run has finished, or none of the applications can be recommended for; says what to run.
    """
    lines: list[str] = []
    missing: list[UserError] = []
    answered = False
    for setting in settings(frame):
        count = len(finished(setting.frame))
        if not count:
            continue
        rest = len(setting.frame) - count
        ended = f", {rest} failed or unfinished" if rest else ""
        lines.append(f"{setting.title}: {count} finished run{'' if count == 1 else 's'}{ended}")
        for one in applications:
            try:
                found = recommend(setting.frame, one)
            except UserError as error:
                missing.append(error)
                lines.append(f"  {one.name}: {error}")
                continue
            answered = True
            first, *others = recommendation_lines(found)
            lines += [f"  {one.name}: {first}", *(f"    {line}" for line in others)]
    if not answered:
        raise missing[0] if missing else StoreError("no run has finished: nothing can be recommended")
    return lines


#: What notebooks of earlier versions call it.
told = summary_lines


def recommendation_lines(found: Recommendation) -> list[str]:
    """Which region to target and why, the best run, and what free β gains."""
    lines = [_target(found)]
    if found.estimate:
        lines.append(_expected(found))
    else:
        lines.append(_too_few(found))
    lines.append(_best(found))
    if found.front is not None:
        lines.append(f"{_runs(len(found.front))} of {found.candidates} are on the front.")
    lines.append(_gain(found))
    return lines


def _target(found: Recommendation) -> str:
    region, count = found.region, found.region.layers
    sides = [f"R_{layer} {_range(*ends)}" for layer, ends in enumerate(zip(region.low, region.high, strict=True), 1)]
    total = f", R {_range(region.total_low, region.total_high)}" if count > 1 else ""
    return (
        f"target {', '.join(sides)}{total} nats per image ({found.application.text}{_bounds(found)}); "
        f"{found.inside} of {_runs(found.candidates)} lie{'s' if found.inside == 1 else ''} there."
    )


def _bounds(found: Recommendation) -> str:
    asked = found.application.constraints
    texts = [str(one) for one in asked]
    if found.min_psnr is not None and not any(one.name == "test/psnr" and not one.upper for one in asked):
        texts.append(f"test/psnr>={found.min_psnr:.4g}")
    return f"; {', '.join(texts)}" if texts else ""


def _expected(found: Recommendation) -> str:
    estimate = found.estimate
    assert estimate is not None
    place = ", ".join(f"R_{layer} = {rate:.3g}" for layer, rate in enumerate(estimate.optimum, 1))
    text = (
        f"The optimum lies there with probability {LEVEL:.0%} by a Gaussian process over {_runs(estimate.runs)}: "
        f"{_value(found, estimate.value)} ± {estimate.error:.2g} is expected at {place}"
    )
    if estimate.noise:
        text += f", where one run varies by ± {estimate.noise:.2g}"
    if estimate.is_guess:
        text += (
            f". Take it as a guess: of runs left out it predicts {max(0.0, estimate.explained):.0%} of the variance, "
            "so that more runs, or more seeds, are needed"
        )
    return f"{text}."


def _too_few(found: Recommendation) -> str:
    count = found.region.layers
    return (
        f"This spans the best few of {_runs(found.candidates)} and has no known uncertainty: a surrogate takes "
        f"{fewest(count)} runs of different rates, of which enough keep what is asked."
    )


def _best(found: Recommendation) -> str:
    count = found.region.layers
    names = [*beta_names(count), *(rate_name(layer) for layer in range(1, count + 1))]
    numbers = ", ".join(f"{schema.metric(name).label} = {float(found.run[name]):.3g}" for name in names)
    place = "in" if found.best_inside else "outside"
    text = f"Best run, {place} the region: {found.run['run_id']} with {_value(found, found.value)} ({numbers})"
    if found.near_chance:
        text += f", which is within twice the standard error of chance ({found.chance:.3g})"
    if found.spread is not None:
        text += f"; over {found.count} seeds {found.mean:.4g} ± {found.spread:.2g}"
    return f"{text}."


def _gain(found: Recommendation) -> str:
    if found.region.layers == 1:
        return "A model of one layer has one β: there is nothing to gain by freeing it."
    if found.gain is None or found.equal_run is None:
        return "No candidate has equal β, so that the gain of free β is not known."
    unit = f" {found.metric.unit}".rstrip()
    beta = float(found.equal_run["beta_1"])
    error = f" ± {found.gain_error:.2g}" if found.gain_error is not None else ""
    text = f"Free β gains {found.gain:.3g}{unit}{error} over the best of {_runs(found.equal_candidates)} "
    text += f"with equal β (β = {beta:.3g})"
    estimate = found.estimate
    if estimate and estimate.gain is not None and estimate.gain_error is not None:
        text += f"; {estimate.gain:.3g} ± {estimate.gain_error:.2g} is expected without the luck of single runs"
    return f"{text}."


def _value(found: Recommendation, value: float) -> str:
    return f"{found.metric.label} = {value:.4g}{f' {found.metric.unit}'.rstrip()}"


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _range(low: float, high: float) -> str:
    ends = f"{low:.3g}", f"{high:.3g}"
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
