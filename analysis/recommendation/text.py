"""A recommendation in plain sentences, for a terminal."""

__all__ = ["gain_sentence", "recommendation_lines", "summary_lines", "told"]

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
    if found.is_constant:
        lines.append(f"All {_runs(found.candidates)} have the same value: no region is better than another.")
    else:
        lines.append(_expected(found) if found.estimate else _too_few(found))
    lines.append(_best(found))
    if found.front is not None:
        lines.append(f"{_runs(len(found.front))} of {found.candidates} {_are(len(found.front))} on the front.")
    return [*lines, gain_sentence(found)]


def _target(found: Recommendation) -> str:
    region, count = found.region, found.region.layers
    sides = [f"R_{layer} {_range(*ends)}" for layer, ends in enumerate(zip(region.low, region.high, strict=True), 1)]
    total = f", R {_range(region.total_low, region.total_high)}" if count > 1 else ""
    text = (
        f"target {', '.join(sides)}{total} nats per image ({found.application.text}{_bounds(found)}); "
        f"{found.inside} of {_runs(found.candidates)} lie{'s' if found.inside == 1 else ''} there."
    )
    if found.estimate and found.is_open and not found.is_constant:
        text += (
            f" This region is open: it is {found.estimate.share:.0%} of what lies between the runs, "
            "so that they hardly say where to look."
        )
    return text


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
        text += f", where one run varies by ± {estimate.noise:.2g}, as runs of near rates do"
    if estimate.is_guess:
        text += (
            f". Take it as a guess: of runs left out it predicts {max(0.0, estimate.explained):.0%} of the variance, "
            "so that more runs, or more seeds, are needed"
        )
    return f"{text}."


def _too_few(found: Recommendation) -> str:
    count = found.region.layers
    what = "is the only candidate" if found.candidates == 1 else f"spans the best few of {_runs(found.candidates)}"
    return (
        f"This {what} and has no known uncertainty: a surrogate takes {fewest(count)} runs of different rates, "
        "of which enough keep what is asked."
    )


def _best(found: Recommendation) -> str:
    count = found.region.layers
    names = [*beta_names(count), *(rate_name(layer) for layer in range(1, count + 1))]
    numbers = ", ".join(f"{schema.metric(name).label} = {float(found.run[name]):.3g}" for name in names)
    place = "in" if found.best_inside else "outside"
    error = f" ± {found.standard_error:.2g}" if found.standard_error is not None else ""
    text = f"Best run, {place} the region: {found.run['run_id']} with {_value(found, found.value)}{error} ({numbers})"
    if found.near_chance:
        text += f", which is within twice the standard error of chance ({found.chance:.3g})"
    if found.spread is not None:
        text += f"; over {found.count} seeds {found.mean:.4g} ± {found.spread:.2g}"
    if not found.best_inside and found.estimate:
        text += f"; {_why_outside(found)}"
    return f"{text}."


def _why_outside(found: Recommendation) -> str:
    """What the process expects of a model at the best run's rates."""
    estimate = found.estimate
    assert estimate is not None
    if estimate.at_run_likely < 0.5:
        return (
            f"a model at its rates keeps what is asked with a probability of {estimate.at_run_likely:.0%} only, "
            "so that this run owes it to luck"
        )
    if not estimate.at_run_error:
        return "a model of the region should be better"
    return (
        f"at its rates {estimate.at_run:.4g} ± {estimate.at_run_error:.2g} is expected of a model, so that the rest "
        "is luck"
    )


def gain_sentence(found: Recommendation) -> str:
    """What free β gain over equal β, by single runs and by means over seeds."""
    if found.region.layers == 1:
        return "A model of one layer has one β: there is nothing to gain by freeing it."
    if found.gain is None or found.equal_run is None:
        return "No candidate has equal β, so that the gain of free β is not known."
    if found.equal_candidates == found.candidates:
        all_of_them = "The only candidate has" if found.candidates == 1 else f"All {_runs(found.candidates)} have"
        return f"{all_of_them} equal β, so that the gain of free β is not known."
    beta = f"(β = {float(found.equal_run['beta_1']):.3g})"
    if found.equal_run["run_id"] == found.run["run_id"]:
        text = f"Free β gain nothing so far: the best run has equal β {beta}"
    elif found.gain == 0:
        text = f"Free β gain nothing so far: the best run with equal β {beta} is as good"
    else:
        error = f" ± {found.gain_error:.2g}" if found.gain_error is not None else ""
        text = (
            f"Free β gain {found.gain:.3g}{_unit(found)}{error} by the best run, over the best of "
            f"{_runs(found.equal_candidates)} with equal β {beta}"
        )
    return f"{text}. {_over_seeds(found)}"


def _over_seeds(found: Recommendation) -> str:
    gain = found.expected_gain
    if gain is None:
        if found.gain_error is not None:
            return "The error is the spread of their seeds."
        return (
            "How much of it is the luck of single runs is not known: train more seeds of both, "
            f"or {fewest(found.region.layers)} different β."
        )
    cells = [f"({', '.join(f'{beta:.3g}' for beta in betas)})" for betas in (gain.betas, gain.equal_betas)]
    if gain.betas == gain.equal_betas:
        text = f"Over seeds, equal β = {cells[1]} are expected to be best"
    else:
        interval = ""
        if gain.low is not None and gain.high is not None:
            interval = f" ({gain.low:.3g} to {gain.high:.3g} with probability {LEVEL:.0%})"
        text = (
            f"Over seeds, {gain.value:.3g}{_unit(found)}{interval} are expected of β = {cells[0]} over β = {cells[1]}, "
            "at whatever rates they land"
        )
    if gain.replicates:
        return f"{text}, by {_runs(gain.replicates)} there that differ in their seed."
    if gain.low is None:
        return (
            f"{text}, but (nearly) all runs have one seed, whose luck they share: how much another seed would differ "
            "is not known, and more seeds of both are needed."
        )
    return f"{text}; no two runs there differ in their seed alone, so that the interval rests on runs at near β."


def _value(found: Recommendation, value: float) -> str:
    return f"{found.metric.label} = {value:.4g}{_unit(found)}"


def _unit(found: Recommendation) -> str:
    return f" {found.metric.unit}".rstrip()


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _range(low: float, high: float) -> str:
    ends = f"{low:.3g}", f"{high:.3g}"
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
