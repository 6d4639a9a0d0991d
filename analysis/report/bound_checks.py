"""Whether what was measured kept the bounds of theory, and which runs did not, as records of inert markup."""

__all__ = ["Verdict", "verdict"]

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis.figures import style
from analysis.frame import data_form, finished, values
from analysis.report.tables import run_link
from hit import schema

_SAMPLED = re.compile(r"test/accuracy_\w+_z([1-9][0-9]*)_sampled\Z")
_HOLDS = "test/bound_holds_"
#: The verdict on the accuracies of samples against the rate, which are told one by one.
_ACCURACIES = re.compile(rf"{_HOLDS}z[1-9][0-9]*\Z")


@dataclass(frozen=True)
class Verdict:
    """What the finished runs of one setting did with their bounds.

    Attributes:
        runs: how many have a bound checked.
        accuracies: how many accuracies on samples there are, over all probes and latents.
        within: how many of those lie above their bound by no more than chance forgives.
        others: how many other bounds were checked (information, reconstruction, scores of samples).
        broken: runs that exceed a bound by more than is forgiven, as (link, which and how far).
        means: how many accuracies on posterior means there are, which no bound covers.
        means_above: how many of them lie above the bound on samples.
        uncovered: their runs, as (link, which and how far).
    """

    runs: int
    accuracies: int
    within: int
    others: int
    broken: list[tuple[Markup, Markup]]
    means: int
    means_above: int
    uncovered: list[tuple[Markup, Markup]]


def verdict(frame: pd.DataFrame, base_url: str) -> Verdict | None:
    """Whether the finished runs kept their bounds; None where none was checked."""
    rows = finished(frame).reset_index(drop=True)
    checked: set[Any] = set()
    accuracies = within = others = means = means_above = 0
    broken: dict[Any, list[str]] = {}
    uncovered: dict[Any, list[str]] = {}
    declared = [str(name) for name in frame.columns if schema.is_metric(str(name))]
    for name in declared:
        if not (match := _SAMPLED.match(name)):
            continue
        bound, holds = values(rows, f"test/accuracy_bound_rate_z{match[1]}"), values(rows, f"{_HOLDS}z{match[1]}")
        sampled, on_means = values(rows, name), values(rows, name.removesuffix("_sampled"))
        known = sampled.notna() & bound.notna()
        checked |= {*rows.index[known]}
        accuracies += int(known.sum())
        means += int((on_means.notna() & bound.notna()).sum())
        # The evaluation's own verdict allows for the chance of a finite test set.
        beyond = known & (sampled > bound)
        within += int((beyond & (holds == 1)).sum())
        for index in rows.index[beyond & (holds != 1)]:
            broken.setdefault(index, []).append(_above(name, sampled[index], bound[index]))
        above = on_means > bound
        means_above += int(above.sum())
        for index in rows.index[above]:
            text = _above(name.removesuffix("_sampled"), on_means[index], bound[index])
            uncovered.setdefault(index, []).append(text)
    for name in declared:
        if not name.startswith(_HOLDS) or _ACCURACIES.match(name):
            continue
        holds = values(rows, name)
        slack_name = name.replace("bound_holds", "bound_slack")
        slack, unit = values(rows, slack_name), schema.metric(slack_name).of(data_form(rows)).unit
        checked |= {*rows.index[holds.notna()]}
        others += int(holds.notna().sum())
        for index in rows.index[holds == 0]:
            text = f"{schema.metric(slack_name).label} = {style.number(slack[index])} {unit}".rstrip()
            broken.setdefault(index, []).append(text)
    if not checked:
        return None
    return Verdict(
        runs=len(checked),
        accuracies=accuracies,
        within=within,
        others=others,
        broken=_listed(rows, broken, base_url),
        means=means,
        means_above=means_above,
        uncovered=_listed(rows, uncovered, base_url),
    )


def _above(name: str, accuracy: float, bound: float) -> str:
    return f"{schema.metric(name).label}: {style.number(accuracy)} above {style.number(bound)}"


def _listed(rows: pd.DataFrame, texts: Mapping[Any, list[str]], base_url: str) -> list[tuple[Markup, Markup]]:
    links = [run_link(rows.loc[index], base_url) for index in texts]
    joined = [Markup(style.markup("; ".join(lines))) for lines in texts.values()]  # noqa: S704 - made inert there
    return list(zip(links, joined, strict=True))
