"""Which sentences of the report rest on one seed, what that means, and the commands that train more."""

__all__ = ["Replication", "SeedRow", "replication"]

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from analysis.frame import finished, group_names, layers, values
from analysis.recommendation.recommender import Recommendation
from analysis.report.tables import run_link
from analysis.suggested_commands import ENOUGH_SEEDS, seeds_command


@dataclass(frozen=True)
class SeedRow:
    """What one application's sentence rests on.

    Attributes:
        name: of the application.
        best, equal: the run that is named, with the seeds of its model; what stands for a run that there is not.
        means: what that says of the sentence.
        alone: whether it rests on one seed.
    """

    name: str
    best: Markup
    equal: Markup
    means: str
    alone: bool


@dataclass(frozen=True)
class Replication:
    """The table of all applications.

    Attributes:
        rows: one an application.
        alone: how many of them rest on one seed.
        regions: why the regions, which rest on all runs, do not show how seeds differ; '' where they do.
        commands: train further seeds of the models named, each with the model's name.
    """

    rows: list[SeedRow]
    alone: int
    regions: str
    commands: list[tuple[Markup, str]]


def replication(frame: pd.DataFrame, found: Sequence[Recommendation], base_url: str) -> Replication | None:
    """The table; None where nothing is recommended.

    Args:
        frame: runs of one setting.
        found: what is recommended for them.
        base_url: of the MLflow UI, checked.
    """
    if not found:
        return None
    done = finished(frame)
    seeds = _seeds(done)
    rows = [_row(one, seeds, layers(frame), base_url) for one in found]
    models: dict[str, pd.Series] = {}
    for one in found:
        for run in (one.run, one.equal_run):
            if run is not None and len(seeds[_group(run)]) < ENOUGH_SEEDS:
                models.setdefault(_group(run), run)
    commands = [(run_link(run, base_url), seeds_command(frame, run, seeds[group])) for group, run in models.items()]
    known = [(link, command) for link, command in commands if command]
    seeds_of_all = found[0].seeds
    return Replication(rows, sum(row.alone for row in rows), "" if seeds_of_all.differ else seeds_of_all.told, known)


def _row(found: Recommendation, seeds: dict[str, list[int]], count: int, base_url: str) -> SeedRow:
    own = seeds[_group(found.run)]
    best = _told(found.run, own, base_url)
    if count == 1:
        return SeedRow(found.application.name, best, Markup("one layer: β is always equal"), _value(own), len(own) < 2)
    if found.equal_run is None:
        return SeedRow(found.application.name, best, Markup("no such run"), _value(own), len(own) < 2)
    if _group(found.equal_run) == _group(found.run):
        return SeedRow(found.application.name, best, Markup("the same model"), _value(own), len(own) < 2)
    others = seeds[_group(found.equal_run)]
    return SeedRow(
        found.application.name,
        best,
        _told(found.equal_run, others, base_url),
        _gain(own, others),
        min(len(own), len(others)) < 2,
    )


def _value(seeds: list[int]) -> str:
    if len(seeds) < 2:
        return "One draw: the value of another seed is not known."
    return f"The value has a spread, over {len(seeds)} seeds."


def _gain(own: list[int], others: list[int]) -> str:
    if len(own) < 2 and len(others) < 2:
        return "Value and gain are one draw each: with other seeds the gain may be larger, or none."
    if len(own) < 2:
        return "The best run is one draw, and the gain as uncertain as it."
    if len(others) < 2:
        return "What free β is compared with is one draw, and the gain as uncertain as it."
    return "Value and gain have a spread over seeds."


def _told(run: pd.Series, seeds: list[int], base_url: str) -> Markup:
    """The run's name, and the seeds of its model."""
    words = f"{len(seeds)} seeds ({', '.join(map(str, seeds))})" if len(seeds) > 1 else "1 seed"
    return Markup('{}<br><span class="{}">{}</span>').format(
        run_link(run, base_url), "alone" if len(seeds) < 2 else "muted", words
    )


def _seeds(done: pd.DataFrame) -> dict[str, list[int]]:
    """Group → seeds of its finished runs."""
    groups = group_names(done).astype(str)
    numbers = values(done, "seed").fillna(0).astype(int)
    return {str(group): sorted({*some}) for group, some in numbers.groupby(groups)}


def _group(run: pd.Series) -> str:
    return str(run["run_id"] if pd.isna(run.get("group")) else run["group"])
