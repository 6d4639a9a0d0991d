"""docs/findings.md as text: what was trained, the verdicts, the recommended regions and the certificate."""

__all__ = ["page"]

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import pandas as pd

from analysis.frame import finished, values
from analysis.number_format import is_told, margin, number, span
from analysis.recommendation.recommender import Recommendation
from analysis.recommendation.text import region_sides
from analysis.statements.finding import Finding, Outcome
from analysis.statements.findings import findings_of
from docs.findings_evidence import Certified, Evidence
from docs.findings_pictures import grid_of, names

TITLES = {
    "digits": "Digits",
    "binary_mnist": "Binary MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "colour": "A small colour set (CIFAR-10)",
}
_HEAD = """# The paper's findings, measured again

<!-- Made by `python -m docs.findings`: do not change this page. -->

Every verdict is a query over stored runs ([findings](how-to/findings.md) says when a statement holds); the
command there makes the runs again. *Cells* are read off a surface, a model for all β; *models* were trained for one β
each. Intervals hold 90 %. Times are by the clock on one thread a run, summed over runs, of a machine that had other
work, too."""


def page(found: Mapping[str, Evidence | None]) -> str:
    """The page.

    Args:
        found: by data set; None where nothing was trained.
    """
    known = {name: _Told(name, own) for name, own in found.items() if own}
    parts = [_HEAD, _summary(known)]
    for name, own in found.items():
        parts += known[name].parts() if own else [_missing(name)]
    return "\n\n".join(filter(None, parts)) + "\n"


class _Told:
    """One data set, its verdicts asked once."""

    def __init__(self, name: str, own: Evidence) -> None:
        self.name, self.own = name, own
        self.verdicts = {title: findings_of(part.frame, own.recommended[title]) for title, part in own.settings.items()}

    def parts(self) -> list[str]:
        """Of the page."""
        told = [f"## {TITLES.get(self.name, self.name)}", _trained(self.own), _scaled(self.own)]
        if not self.own.cells.empty:
            told += [f"![{alt}]({file})" for file, alt in zip(names(self.name), _ALTS, strict=True)]
        for title, verdicts in self.verdicts.items():
            if all(one.outcome is Outcome.CANNOT_BE_TOLD for one in verdicts):
                told.append(f"*{title}*: too few for a verdict on any statement.")
            else:
                told += [f"### {title}: verdicts", _verdicts(verdicts), *_telling(verdicts, self.own)]
        for title, known in list(self.own.recommended.items())[:1]:
            told += [f"### {title}: recommended regions", _regions(known)]
        told.append("### Is the surface as good as models for one β?")
        missing = f"Not measured: {_command(self.name, self.own.scale, 'surface')} goes on with it."
        told.append(_certificate(self.own) if self.own.certificate else missing)
        if not len(self.own.dedicated):
            told.append(
                f"No model for one β is in the store: {_command(self.name, self.own.scale, 'seeds')} trains some."
            )
        return told


_ALTS = (
    "R_1 and R_2 over β_1 and β_2, coverage of rate space, PSNR in rate space",
    "accuracy on samples of z_2 in rate space and against its bound, inception score, recommended regions",
)


def _summary(known: Mapping[str, _Told]) -> str:
    """Statement × data set, of the setting with the most runs."""
    first = {name: next(iter(told.verdicts.values())) for name, told in known.items() if told.verdicts}
    if not first:
        return ""
    statements = [one.statement for one in next(iter(first.values()))]
    rows = [
        [statement, *(f"**{one[at].outcome}**" for one in first.values())] for at, statement in enumerate(statements)
    ]
    return _table(["", *(TITLES.get(name, name) for name in first)], rows)


def _missing(name: str) -> str:
    made = f"{_command(name, 'medium')} makes them"
    return f"## {TITLES.get(name, name)}\n\nNot measured: no run of it is in the stores. {made}."


def _command(name: str, scale: str, stages: str = "") -> str:
    """What trains and measures it, as code."""
    return f"`python -m docs.findings --dataset {name} --scale {scale}{f' --stages {stages},page' if stages else ''}`"


def _trained(own: Evidence) -> str:
    """What was trained, how much of it, and how long it took."""
    rows = []
    if len(own.classifier):
        row = own.classifier.iloc[0]
        accuracy = values(own.classifier, "test/accuracy").iloc[0]
        rows.append(["classifier", f"{_times(row['epochs'], 'epoch')}, accuracy on test images {number(accuracy, 3)}"])
        rows[-1].append(_minutes(_seconds(own.classifier)))
    if len(own.surfaces):
        seeds = [f"{seed:.0f}" for seed in own.surfaces["seed"]]
        what, said = ("surface", "seed") if len(seeds) == 1 else (f"{len(seeds)} surfaces", "seeds")
        trained = f"{_protocol(own.surfaces.iloc[0])}, {said} {', '.join(seeds)}"
        rows.append([what, trained, _minutes(own.surface_seconds)])
    if len(own.cells):
        scored = int(values(own.cells, "test/label_entropy").notna().sum())
        all_of_them = (
            "all metrics of all" if scored == len(own.cells) else f"all metrics of {scored}, rates and PSNR of all"
        )
        rows.append([f"{len(own.cells)} cells", f"{_grid(own)}; {all_of_them}", _minutes(_seconds(own.cells))])
    if len(own.dedicated):
        row, groups = own.dedicated.iloc[0], own.dedicated.groupby(["beta_1", "beta_2"])["seed"].nunique()
        how_often = f"{groups.max()} seeds of {(groups == groups.max()).sum()}, {(groups == 1).sum()} of one seed"
        if groups.nunique() == 1:
            how_often = f"{_times(groups.max(), 'seed')} each"
        what = f"{_protocol(row)}; {len(groups)} β, {how_often}"
        rows.append([f"{len(own.dedicated)} models", what, _minutes(_seconds(own.dedicated))])
    images = (
        f"{own.images.get('train', 0):,} images to train on, {own.images.get('test', 0):,} to test on. "
        if own.images
        else ""
    )
    return f"{images}Scale `{own.scale}`.\n\n" + _table(["what", "how much", "minutes"], rows)


def _scaled(own: Evidence) -> str:
    """What is less than in the paper, and what that may change."""
    epochs = values(pd.concat([own.cells, own.dedicated]), "epochs").max()
    less = ["a surface stands for a model a cell"] if len(own.cells) else []
    less += [f"{_times(epochs, 'epoch')} (the paper: hundreds, on colour)", f"{_grid(own)} (21 × 21)"]
    scored = int(values(own.cells, "test/label_entropy").notna().sum())
    if 0 < scored < len(own.cells):
        less.append(f"accuracies, information and samples at {scored} cells")
    if "test_images" in str(own.cells["dataset"].iloc[0] if len(own.cells) else ""):
        less.append(f"the first {own.images.get('test', 0):,} test images")
    return (
        f"Scaled down from the paper: {'; '.join(less)}. Models still learn: scores are lower than they would become, "
        "above all under weak β, and z_2 may be given up where β_2 is strong."
    ) + ("" if len(own.surfaces) > 1 else " A surface has one seed here: another may move all of its cells together.")


def _verdicts(found: list[Finding]) -> str:
    return _table(["statement", "verdict", "statistics, and why"], [_verdict(one) for one in found])


def _verdict(one: Finding) -> list[str]:
    return [one.statement, f"**{one.outcome}**", "<br>".join([*map(str, one.statistics), one.reason])]


def _telling(found: list[Finding], own: Evidence) -> list[str]:
    """The commands that make the runs which would tell, each once, without the folders of who trained these."""
    commands = dict.fromkeys(one.command for one in found if one.outcome is Outcome.CANNOT_BE_TOLD and one.command)
    if not commands:
        return []
    text = "\n".join(commands)
    models = pd.concat([own.cells, own.dedicated])
    folders = {str(Path(str(name)).parent) for name in models["dataset"]} | {str(name) for name in models["data_root"]}
    for folder in sorted(folders - {"."}, key=len, reverse=True):
        text = text.replace(folder, "PATH")
    return [f"What cannot be told from these runs, those of {_either(len(commands))} would:", f"```text\n{text}\n```"]


def _either(count: int) -> str:
    return "this command" if count == 1 else "these commands"


def _regions(found: list[Recommendation]) -> str:
    if not found:
        return "Nothing can be recommended from these runs."
    rows = []
    for one in found:
        estimate = one.estimate
        score = f"{one.metric.label} = {number(one.value, 3)} (best run)"
        if estimate is not None:
            error = f" ± {margin(estimate.error)}" if is_told(estimate.error, estimate.value) else ""
            score = f"{one.metric.label} = {number(estimate.value, 3)}{error}"
        gain = one.expected_gain
        told = "not known" if gain is None else number(gain.value, 3)
        if gain is not None and gain.low is not None and gain.high is not None and gain.low < gain.high:
            told += f" ({span(gain.low, gain.high)})"
        rows.append([one.application.name, ", ".join(region_sides(one)), one.hedge or "90 %", score, told])
    head = ["application", "region, nats per image", "holds the optimum with", "expected there", "gain of free β"]
    return _table(head, rows)


def _certificate(own: Evidence) -> str:
    """At every β the models and the surfaces of all seeds: means of their objectives, and every seed's gap."""
    # The objective of a density may have either sign: a share of it says nothing.
    shares = all(min(one.objective, one.amortised_objective) > 0 for one in own.certificate)
    at: dict[tuple[float, ...], list[Certified]] = {}
    for one in sorted(own.certificate, key=lambda one: (one.betas, one.seed)):
        at.setdefault(one.betas, []).append(one)
    rows = [
        [
            ", ".join(number(beta, 3) for beta in betas),
            number(fmean(one.objective for one in seeds)),
            number(fmean(one.amortised_objective for one in seeds)),
            ", ".join(_gap(one, shares) for one in seeds),
            _distortion_gaps(seeds, shares),
        ]
        for betas, seeds in at.items()
    ]
    seeds = sorted({one.seed for one in own.certificate})
    head = ["β_1, β_2", "model", "surface", "gap", "gap of D at equal rates"]
    said = "D + Σ β_l R_l of the test images, nats per image, lower is better"
    if len(seeds) > 1:
        told = ", ".join(map(str, seeds))
        said += f": means over seeds, and the gaps of the seeds {told} (of each a surface and models of its own)"
    said += ". "
    if shares:
        gaps = [one.objective_gap for one in own.certificate]
        many = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
        said += f"The gap is {_share(fmean(gaps))} on average and {_share(max(gaps))} at worst, on {many}. "
    said += (
        "Models have the surface's epochs and batches at their own peak step size, which is smaller: after few steps "
        "a gap far below 0 says that they have not learned all that they could, not that a surface does better."
    )
    if not shares:
        said += " Here D is a negative log density, which may have either sign: gaps are in nats."
    if "learned" in str(own.cells["likelihood"].iloc[0] if len(own.cells) else ""):
        said += " The scale of the likelihood is learned, too, by no more than a step size a step."
    return f"{_table(head, rows)}\n\n{said}"


def _gap(one: Certified, shares: bool) -> str:
    """Of the surface over the model, as a share or in nats."""
    if shares:
        return _share(one.objective_gap)
    difference = one.amortised_objective - one.objective
    return (f"{difference:+.1f}" if abs(difference) < 10 else f"{difference:+.0f}").replace("-", "−")


def _distortion_gaps(seeds: list[Certified], shares: bool) -> str:
    """Of every seed's surface over its model at equal rates; one dash where none has them."""
    told = ["—" if one.distortion_gap is None or not shares else _share(one.distortion_gap) for one in seeds]
    return ", ".join(told) if {*told} != {"—"} else "—"


def _share(gap: float) -> str:
    return f"{gap:+.1%}".replace("-", "−")


def _grid(own: Evidence) -> str:
    """The grid of the surface, without the few cells beside it that its certificate asked for."""
    table = grid_of(own.cells, "test/rate")
    return f"a grid of {table.shape[1]} × {table.shape[0]}"


def _times(count: float, what: str) -> str:
    return f"{count:.0f} {what}{'' if count == 1 else 's'}"


def _protocol(row: pd.Series) -> str:
    return (
        f"{_times(row['epochs'], 'epoch')}, batches of {row['batch_size']:.0f}, peak step size {row['learning_rate']:g}"
    )


def _seconds(frame: pd.DataFrame) -> float:
    done = finished(frame)
    ends = [pd.to_datetime(done[name], utc=True) for name in ("end_time", "start_time")]
    return float((ends[0] - ends[1]).dt.total_seconds().sum())


def _minutes(seconds: float) -> str:
    return number(seconds / 60, 2)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_plain(cell) for cell in line)} |" for line in lines)


def _plain(text: str) -> str:
    """Underlines outside of code are no emphasis."""
    return "`".join(part if at % 2 else part.replace("_", "\\_") for at, part in enumerate(text.split("`")))
