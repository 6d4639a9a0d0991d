"""What free β gain over equal β, in sentences that say how far that is known."""

__all__ = ["gain_sentence"]

from analysis.frame import data_form
from analysis.number_format import margin, number, span
from analysis.recommendation.gain import Gain
from analysis.recommendation.optimum import LEVEL, fewest
from analysis.recommendation.recommender import Recommendation

#: Of its standard errors, below which a difference of two runs is not told as a gain.
_SHOWN = 2


def gain_sentence(found: Recommendation) -> str:
    """By the best runs, and by means over seeds."""
    if found.region.layers == 1:
        return "A model of one layer has one β: there is nothing to gain by freeing it."
    if found.gain is None or found.equal_run is None:
        return "No candidate has equal β, so that the gain of free β is not known."
    if found.equal_candidates == found.candidates:
        all_of_them = "The only candidate has" if found.candidates == 1 else f"All {found.candidates} runs have"
        return f"{all_of_them} equal β, so that the gain of free β is not known."
    if found.is_constant:
        return f"Free β gain nothing so far: all {found.candidates} runs have the same value."
    return f"{_by_runs(found)} {_over_seeds(found)}"


def _by_runs(found: Recommendation) -> str:
    assert found.gain is not None
    assert found.equal_run is not None
    beta = f"β = {number(float(found.equal_run['beta_1']), 3)}"
    equal = f"{found.equal_candidates} run{'' if found.equal_candidates == 1 else 's'} with equal β"
    if found.equal_run["run_id"] == found.run["run_id"]:
        return f"Free β gain nothing so far: the best run has equal β ({beta})."
    if number(found.value) == number(found.equal_value):
        return f"Free β gain nothing so far: the best of {equal} ({beta}) is as good as the best run."
    gained = f"{number(found.gain, 3)}{_unit(found)}"
    error = found.gain_error
    unlikely = found.estimate is not None and found.estimate.at_run_likely < 0.5
    if unlikely or found.kept < found.count:
        return (
            f"Whether free β gain anything does not show in single runs: the best is {gained} better than the best of "
            f"{equal} ({beta}), and keeps what is asked by luck."
        )
    if error is None:
        return f"Free β gain {gained} by single runs: the best over the best of {equal} ({beta})."
    gained += f" ± {margin(error)}"
    source = "the spread of their seeds" if found.gain_by_seeds else "how far runs of near rates differ"
    if found.gain < _SHOWN * error:
        return (
            f"Whether free β gain anything does not show in single runs: the best is {gained} better than the best of "
            f"{equal} ({beta}), where ± is {source}."
        )
    return f"Free β gain {gained} by the best run, over the best of {equal} ({beta}), where ± is {source}."


def _over_seeds(found: Recommendation) -> str:
    gain = found.expected_gain
    if gain is None:
        if found.gain_by_seeds:
            return f"For means over seeds there are too few β: it takes {fewest(found.region.layers)} different ones."
        return (
            "How far other seeds would change that is not known: train more seeds of both, "
            f"or {fewest(found.region.layers)} different β."
        )
    cells = [f"({', '.join(number(beta, 3) for beta in betas)})" for betas in (gain.betas, gain.equal_betas)]
    if gain.betas == gain.equal_betas:
        text = f"Over seeds no gain is expected: equal β = {cells[1]} do best"
    else:
        versus = f"of β = {cells[0]} over β = {cells[1]}, at whatever rates they land"
        value = f"{number(gain.value, 3)}{_unit(found)}"
        if gain.low is None or gain.high is None:
            text = f"Over seeds, {value} are expected {versus}"
        else:
            none = "it may be none: " if gain.low <= 0 else ""
            interval = f"{span(gain.low, gain.high)} with probability {LEVEL:.0%}"
            text = f"Over seeds {none}{value} ({interval}) are expected {versus}"
    return f"{text}{_basis(found, gain)}."


def _basis(found: Recommendation, gain: Gain) -> str:
    """What the expectation rests on."""
    if gain.replicates and gain.low is None:
        return f", by {gain.replicates} runs there of other seeds, which do not differ, so that the error is not known"
    if gain.replicates:
        return f", by {gain.replicates} runs there that differ in their seed"
    if gain.low is None:
        return f"; {found.seeds.told}, so that more seeds of both are needed"
    if gain.betas == gain.equal_betas:
        return ""
    return (
        "; no two runs at both differ in their seed alone, so that the interval rests on runs at near β, and is too "
        "high where the luck of a run exceeds the gain"
    )


def _unit(found: Recommendation) -> str:
    return f" {found.metric.of(data_form(found.run.to_frame().T)).unit}".rstrip()
