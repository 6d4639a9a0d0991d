"""A recommendation in plain sentences, the same wherever it is told."""

__all__ = [
    "held_sentence",
    "rate_unit",
    "recommendation_lines",
    "region_sentences",
    "region_sides",
    "summary_lines",
    "told",
    "value_text",
]

from collections.abc import Sequence

import pandas as pd

from analysis.bounds import chance
from analysis.frame import data_form, finished, images_scored, rate_name
from analysis.number_format import is_told, margin, number, span
from analysis.recommendation.applications import Application
from analysis.recommendation.gain_text import gain_sentence
from analysis.recommendation.optimum import LEVEL, Estimate, fewest
from analysis.recommendation.recommender import Recommendation, recommend
from analysis.settings import beta_names, settings
from hit import schema
from hit.errors import StoreError, UserError

#: Nats per image below which a layer carries nothing.
_COLLAPSED = 5e-4


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
    lines = [f"{_target(found)}.", " ".join(region_sentences(found)), _best(found)]
    if found.front is not None:
        lines.append(f"{_runs(len(found.front))} of {found.candidates} {_are(len(found.front))} on the front.")
    return [*lines, gain_sentence(found)]


def region_sentences(found: Recommendation) -> list[str]:
    """What the region is, and how far it is to be trusted."""
    if found.is_constant:
        return [f"All {_runs(found.candidates)} have the same value: no region is better than another."]
    if found.estimate is None:
        return [_too_few(found)]
    sentences = [_guessed(found.estimate) if found.estimate.is_guess else _expected(found, found.estimate)]
    if found.is_open:
        sentences.append(
            f"This region is open: it is {found.estimate.share:.0%} of what lies between the runs, so that they hardly "
            "say where to look."
        )
    if _is_made_of_latents(found):
        what = "balance" if found.application.objectives else "sum"
        sentences.append(f"Whether it is more than chance is not told: a {what} of metrics has no level of chance.")
    if not found.seeds.differ:
        sentences.append(f"For other seeds this is a guess: {found.seeds.told}.")
    return sentences


def region_sides(found: Recommendation) -> list[str]:
    """The ends of the region in each rate, and in their sum, nats per image; none where any place is as good."""
    if found.is_constant:
        return []
    region = found.region
    sides = {f"R_{layer}": ends for layer, ends in enumerate(zip(region.low, region.high, strict=True), 1)}
    if region.layers > 1:
        sides["R"] = (region.total_low, region.total_high)
    return [f"{name} {span(_rate(low), _rate(high))}" for name, (low, high) in sides.items()]


def rate_unit(found: Recommendation) -> str:
    """Unit of its rates: nats per image, or per vector."""
    return schema.metric("test/rate").of(_form(found)).unit


def held_sentence(found: Recommendation) -> str:
    """How many runs lie in the region, and whether the best does; if not, why; '' where there is no best."""
    if found.candidates == 1 or found.is_constant:
        return ""
    if found.best_inside:
        return f"{_held(found).capitalize()}, the best {'one' if found.inside == 1 else 'among them'}."
    why = f": {_why_outside(found, found.estimate)}" if found.estimate else ""
    return f"{_held(found).capitalize()}. The best run lies outside{why}."


def value_text(found: Recommendation) -> str:
    """The best run's score with its unit, what is known of its error, and of other seeds."""
    text = _value(found, found.value)
    if found.standard_error is not None:
        images = images_scored(found.run.to_frame().T, found.metric.name).iloc[0]
        on = schema.per_example(f"on {images:.0f} test images" if images > 0 else "for other test images", _form(found))
        text += f" ± {margin(found.standard_error)} ({on})"
    if found.near_chance:
        text += f", which is within twice the standard error of chance ({number(found.chance, 3)})"
    if found.kept < found.count:
        text += f"; {found.kept} of {found.count} runs of this model keep{'s' if found.kept == 1 else ''} what is asked"
    elif found.spread is not None:
        spread = f" ± {margin(found.spread)}" if found.spread > 1e-9 * abs(found.mean) else " each"
        text += f"; {found.count} runs of this model have {number(found.mean)}{spread}"
    return text


def _target(found: Recommendation) -> str:
    asked = f"({found.application.text}{_bounds(found)})"
    if found.is_constant:
        return f"no region to target {asked}"
    return f"target {', '.join(region_sides(found))} {rate_unit(found)} {asked}; {_held(found)}"


def _is_made_of_latents(found: Recommendation) -> bool:
    """Whether metrics that have a level of chance alone are weighed or traded off."""
    asked = found.application
    names = [*(name for name, _ in asked.weights), *(one.name for one in asked.objectives)]
    return any(chance(found.ranked, name) is not None for name in names)


def _held(found: Recommendation) -> str:
    return f"{found.inside or 'none'} of {_runs(found.candidates)} lie{'' if found.inside > 1 else 's'} there"


def _bounds(found: Recommendation) -> str:
    asked = found.application.constraints
    texts = [str(one) for one in asked]
    if found.min_psnr is not None and not any(one.name == "test/psnr" and not one.upper for one in asked):
        texts.append(f"test/psnr>={found.min_psnr:.4g}")
    return f"; {', '.join(texts)}" if texts else ""


def _expected(found: Recommendation, estimate: Estimate) -> str:
    where = (
        "The best balance lies there or near by, with a probability that is not known,"
        if found.application.trades_many
        else f"The optimum lies there with probability {LEVEL:.0%}"
    )
    text = f"{where} by a Gaussian process over {_runs(estimate.runs)}: {_score(found, estimate)}"
    if estimate.noise:
        text += f", where one run varies by ± {margin(estimate.noise)}, as runs of near rates do"
    return f"{text}."


def _guessed(estimate: Estimate) -> str:
    """Without a probability, which a process that does not predict runs cannot give."""
    predicted = f"{estimate.explained:.0%}" if estimate.explained >= 0.01 else "none"
    return (
        f"Take it as a guess: by their rates, a Gaussian process over {_runs(estimate.runs)} predicts {predicted} of "
        "the variance of runs that are left out, so that more runs, or more seeds, are needed."
    )


def _score(found: Recommendation, estimate: Estimate) -> str:
    place = ", ".join(f"R_{layer} = {number(rate, 3)}" for layer, rate in enumerate(estimate.optimum, 1))
    error = f" ± {margin(estimate.error)}" if is_told(estimate.error, estimate.value) else ""
    return f"{_value(found, estimate.value)}{error} is expected at {place}"


def _too_few(found: Recommendation) -> str:
    few = {1: "is the only candidate", 2: "spans both candidates"}
    what = few.get(found.candidates, f"spans the best few of {_runs(found.candidates)}")
    return (
        f"This {what} and has no known uncertainty: a surrogate takes {fewest(found.region.layers)} runs of different "
        "rates, of which enough keep what is asked."
    )


def _best(found: Recommendation) -> str:
    count = found.region.layers
    names = [*beta_names(count), *(rate_name(layer) for layer in range(1, count + 1))]
    numbers = ", ".join(f"{schema.metric(name).label} = {number(float(found.run[name]), 3)}" for name in names)
    place = "" if found.is_constant else f", {'in' if found.best_inside else 'outside'} the region"
    text = f"Best run{place}: {found.run['run_id']} ({numbers}) with {value_text(found)}"
    if not found.best_inside and found.estimate:
        text += f"; {_why_outside(found, found.estimate)}"
    return f"{text}."


def _why_outside(found: Recommendation, estimate: Estimate) -> str:
    """What the process expects of a model at the best run's rates."""
    if estimate.at_run_likely < 0.5:
        return (
            f"a model at its rates keeps what is asked with a probability of {estimate.at_run_likely:.0%} only, "
            "so that this run owes it to luck"
        )
    expected = f"at its rates {number(estimate.at_run)} ± {margin(estimate.at_run_error)} is expected of a model"
    sign = 1 if found.application.direction_of(found.region.layers) == "maximize" else -1
    if estimate.at_run_error and sign * (found.value - estimate.at_run) > 0:
        return f"{expected}, so that the rest is luck"
    if sign * (estimate.value - estimate.at_run) > 0:
        return "a model of the region should be better"
    return f"{expected}, which is less certain than what the region has"


def _form(found: Recommendation) -> schema.DataForm | None:
    return data_form(found.run.to_frame().T)


def _rate(nats: float) -> float:
    return nats if nats > _COLLAPSED else 0.0


def _value(found: Recommendation, value: float) -> str:
    return f"{found.metric.label} = {number(value)} {found.metric.of(_form(found)).unit}".rstrip()


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"
