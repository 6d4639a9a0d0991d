"""All about one setting: what the page's template fills in."""

__all__ = ["Section", "section"]

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from analysis.frame import finished, measured_by
from analysis.recommendation.recommender import Recommendation, recommend
from analysis.report import tables
from analysis.report.array_pool import Pool, embedded
from analysis.report.bound_checks import Verdict, verdict
from analysis.report.coding_table import CodingTable, coding_table
from analysis.report.explorer import Explorer, data, explorer
from analysis.report.findings_table import FindingRow, findings_table
from analysis.report.galleries import Gallery, Histories, galleries
from analysis.report.layer_shares import ShareTable, share_table
from analysis.report.lossless_table import LosslessTable, lossless_table
from analysis.report.replication import Replication, replication
from analysis.report.thumbnails import PICTURES, Reader, chosen, thumbnails
from analysis.settings import Setting
from analysis.suggested_commands import evaluate_command
from hit.errors import StoreError
from hit.schema.metric_groups import GROUPS

#: A picture of fewer runs than these says less than the table.
FEWEST = 3


@dataclass(frozen=True)
class Section:
    """What the template reads.

    Attributes:
        anchor, title, details: of the setting.
        finished, total: numbers of runs.
        targets: the table of recommendations, in the order of `explorer.applications`.
        shares: of the layers in the rate to aim at; None of one layer or two, and without recommendations.
        replication: which of them rest on one seed; None where there are none.
        notes: sentences on what is missing.
        explorer: rate space, which a reader explores; None where it has too few runs.
        galleries: the other pictures.
        lossless: bits of every layer without loss beside its rate; None where none was measured.
        coding: what the runs' lossy codes take beside others; None where none was measured.
        bounds: whether the bounds of theory were kept.
        findings: what the runs say about the paper's statements; none of fewer runs than pictures take.
        heads: of the table of runs.
        pictured: how many runs have their pictures in the page; None where nobody looked for them.
        data: JSON for the scripts: the runs as columns, and the arrays of all figures.
        pictures: JSON for the scripts: a run's row → its pictures.
    """

    anchor: str
    title: str
    details: str
    finished: int
    total: int
    targets: list[tables.TargetRow]
    shares: ShareTable | None
    replication: Replication | None
    notes: list[str]
    explorer: Explorer | None
    galleries: list[Gallery]
    lossless: LosslessTable | None
    coding: CodingTable | None
    bounds: Verdict | None
    findings: list[FindingRow]
    heads: list[Markup]
    pictured: int | None
    data: Markup
    pictures: Markup


def section(
    setting: Setting,
    anchor: str,
    *,
    applications: Sequence[str],
    base_url: str,
    min_psnr: float | None,
    histories: Histories | None,
    pictures: Reader | None,
    room: int,
    others: Sequence[Setting] = (),
) -> Section:
    """The section on one setting; see `analysis.report.build` for the arguments.

    Args:
        setting: its runs.
        anchor: its id in the page.
        applications: names of what to recommend for.
        base_url: of the MLflow UI, checked.
        min_psnr: least PSNR in dB for compression.
        histories: gives rates by epoch.
        pictures: reads a run's artifacts.
        room: bytes that small copies of pictures may take.
        others: all settings, this one among them; codes of the same images are compared.
    """
    frame, done = setting.frame, finished(setting.frame)
    found, notes = _recommendations(frame, applications, min_psnr)
    enough = len(done) >= FEWEST
    if not enough:
        notes.append(f"Pictures begin at {FEWEST} finished runs of one setting; this one has {len(done)}.")
    pool = Pool(frame["run_id"])
    row = {str(run_id): at for at, run_id in enumerate(frame["run_id"])}
    shown = explorer(frame, found, pool) if enough else None
    small: dict[int, list[str | None]] = {}
    if pictures is not None:
        small = {row[run_id]: two for run_id, two in thumbnails(_first(done, found), pictures, room).items()}
    drawn = galleries(setting, found, pool, histories) if enough else []
    # Last, when the pool holds the arrays of all figures.
    facts = {**data(frame, pool), "explorer": shown.content if shown else None, "pool": pool.content}
    return Section(
        anchor=anchor,
        title=setting.title,
        details=", ".join(f"{name} {value}" for name, value in setting.details.items()),
        finished=len(done),
        total=len(frame),
        targets=[tables.target_row(one, base_url) for one in found],
        shares=share_table(found),
        replication=replication(frame, found, base_url),
        notes=notes,
        explorer=shown,
        galleries=drawn,
        lossless=lossless_table(frame),
        coding=coding_table(setting, others),
        bounds=verdict(frame, base_url),
        findings=findings_table(frame, found, base_url) if enough else [],
        heads=tables.run_heads(frame),
        pictured=None if pictures is None else len(small),
        data=embedded(facts),
        pictures=embedded({"captions": list(PICTURES.values()), "of": small}),
    )


def _recommendations(
    frame: pd.DataFrame, applications: Sequence[str], min_psnr: float | None
) -> tuple[list[Recommendation], list[str]]:
    """What was found, and sentences on what was not, or rests on scores that do not compare."""
    done = finished(frame)
    found: list[Recommendation] = []
    notes: list[str] = []
    for name in applications:
        try:
            found.append(recommend(frame, name, min_psnr=min_psnr))
        except StoreError as error:
            if len(done):
                notes.append(f"No recommendation for {name}: {error}.")
    for group in GROUPS.values():
        evaluators = measured_by(done, group.evaluator).dropna().unique() if group.evaluator else ()
        if len(evaluators) > 1:
            notes.append(
                f"Scores come from {len(evaluators)} {group.evaluators} and do not compare: those of the commonest are "
                f"used. One measures all by `{evaluate_command(frame, group.witnesses[0])}`."
            )
    return found, notes


def _first(done: pd.DataFrame, found: Sequence[Recommendation]) -> list[str]:
    """Run ids in the order in which they are worth a picture: the recommended ones, and those that they beat."""
    named = [one.run for one in found] + [one.equal_run for one in found if one.equal_run is not None]
    return chosen(done, [str(run["run_id"]) for run in named])
