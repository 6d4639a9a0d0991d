"""The paper's findings on real data: trains what they take, and makes docs/findings.md of the store.

    python -m docs.findings --dataset digits --scale small

goes through its stages (classifier, surface with its certificate, dedicated models, seeds, report, page), each in a
process of its own; started again after a kill it goes on where it was, since sweeps and surfaces do. `--stages page`
makes the page alone, of every store in the folder. Of two cores `full` takes about three hours for all data sets.
"""

__all__ = ["DATASETS", "PAGE", "SCALES", "Scale", "commands", "main", "page"]

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.frame import finished, values
from analysis.number_format import number
from analysis.settings import settings
from analysis.statements.finding import Finding
from analysis.statements.findings import findings_of
from hit import schema

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "findings.md"
#: Options that the models of a data set have in all stages. Batches of a surface are its own.
DATASETS = {
    "digits": "--dataset digits",
    "binary_mnist": "--dataset binary_mnist",
    "fashion_mnist": "--dataset fashion_mnist --likelihood bernoulli_grey",
    "colour": "--dataset {folder} --likelihood gaussian_learned --channels 32",
}
STAGES = ("classifier", "surface", "dedicated", "seeds", "report", "page")
_CERTIFICATE = ",".join(f"{one}:{other}" for one in ("0.1", "1", "5") for other in ("0.1", "1", "5"))


@dataclass(frozen=True)
class Scale:
    """How much is trained.

    Attributes:
        grid: cells of each axis of the surface.
        surface_epochs, epochs: of the surface; of a model for one β.
        certificate: β at which dedicated models are compared with the surface.
        dedicated: values of β_1 and of β_2 of the dedicated models.
        seeds: of the models that carry a claim.
        told: what was scaled down from the paper, and what that may change.
    """

    grid: int
    surface_epochs: int
    epochs: int
    certificate: str
    dedicated: tuple[str, str]
    seeds: str
    told: str


SCALES = {
    "small": Scale(
        5, 15, 8, "corners", ("0.1,1,5", "0.1,1,5"), "0,1,2",
        "Surfaces had 15 epochs and a grid of 5 × 5, models 8 epochs (the paper: a model a cell, 21 × 21, hundreds of "
        "epochs on colour): models still learn, and those of strong β may have collapsed.",
    ),
    "full": Scale(
        11, 40, 20, _CERTIFICATE, ("0.1,0.5,1,5", "0.1,1,5"), "0,1,2",
        "Surfaces had 40 epochs and a grid of 11 × 11, dedicated models 20 epochs (the paper: a model a cell, 21 × 21, "
        "hundreds of epochs on colour): scores are a little lower, above all of weak β.",
    ),
}  # fmt: skip


def commands(dataset: str, scale: Scale, data_root: str, surface: Mapping[str, str]) -> dict[str, list[str]]:
    """Arguments of `python -m` for each stage that trains or reports.

    Args:
        dataset: name in `DATASETS`.
        scale: how much.
        data_root: where data sets lie.
        surface: what the store holds: `finished` or `interrupted` → run id.
    """
    data = DATASETS[dataset].format(folder=shlex.quote(str(Path(data_root) / "cifar10_small")))
    where = f"--experiment findings-{dataset} --data_root {shlex.quote(data_root or 'data')}"
    data_only = data.partition(" --likelihood")[0]
    axes = f"--grid_1 0.1:10:{scale.grid} --grid_2 0.1:10:{scale.grid}"
    batch = "" if dataset == "digits" else " --batch_size 128"
    if "finished" in surface:
        read = f"hit.surface --surface {surface['finished']} {axes} --experiment findings-{dataset}"
    elif "interrupted" in surface:
        read = f"hit.surface --resume {surface['interrupted']} --experiment findings-{dataset}"
    else:
        read = f"hit.surface {data}{batch} {where} --epochs {scale.surface_epochs} {axes}"
        read += f" --certificate {scale.certificate}"
    one, other = scale.dedicated
    models = f"{data} {where} --epochs {scale.epochs} --learning_rate 1e-3 --workers 1 --launcher pool"
    texts = {
        "classifier": f"hit.classify {data_only} {where}",
        "surface": read,
        "dedicated": f"sweeps {models} --grid_1 {one} --grid_2 {other} --further_seeds 0",
        "seeds": f"sweeps {models} --grid_1 {one} --grid_2 {other} --seeds {scale.seeds}",
        "report": f"analysis --experiment findings-{dataset} --output findings-{dataset}.html",
    }
    return {stage: shlex.split(text) for stage, text in texts.items()}


def page(frames: Mapping[str, pd.DataFrame], told: str) -> str:
    """docs/findings.md.

    Args:
        frames: runs by the name of their data set.
        told: what was scaled down.
    """
    parts = [
        "# The paper's findings, measured again\n\n<!-- Made by `python -m docs.findings`: do not change this page. -->"
        f"\n\nEach statement, and when it holds: [findings](how-to/findings.md). {told}"
    ]
    for name, frame in frames.items():
        for setting in settings(frame):
            done = finished(setting.frame)
            if done.empty:
                continue
            seconds = (pd.to_datetime(done["end_time"], utc=True) - pd.to_datetime(done["start_time"], utc=True)).sum()
            seeds = values(done, "seed").nunique()
            details = ", ".join(f"{key} {value}" for key, value in setting.details.items())
            parts.append(
                f"## {name}: {setting.title}\n\n{len(done)} runs of {seeds} seed{'' if seeds == 1 else 's'}, "
                f"{number(seconds.total_seconds() / 60, 3)} minutes of trainings and measurements, on one thread each; "
                f"{details}.\n\n| statement | verdict | statistics (90 %) |\n|---|---|---|\n"
                + "\n".join(_row(one) for one in findings_of(setting.frame))
            )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Go through the stages of the data sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--dataset", action="append", choices=DATASETS, help="again for several; default: digits")
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--stages", default=",".join(STAGES), help="of " + ",".join(STAGES))
    parser.add_argument("--folder", type=Path, default=Path("findings"), help="of stores and reports")
    parser.add_argument("--data_root", default=os.environ.get("HIT_DATA", "data"))
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    stages = options.stages.split(",")
    if unknown := {*stages} - {*STAGES}:
        parser.error(f"stages must be of {', '.join(STAGES)}, got {', '.join(sorted(unknown))}")
    folder, scale = options.folder / options.scale, SCALES[options.scale]
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{(folder / 'store.db').resolve()}"
    names = options.dataset or ["digits"]
    for name in names:
        for stage in [stage for stage in stages if stage != "page"]:
            arguments = commands(name, scale, str(Path(options.data_root).resolve()), _surface(uri, name))[stage]
            print(f"{name}, {stage}: python -m {shlex.join(arguments)}", flush=True)
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": path}
            subprocess.run([sys.executable, "-m", *arguments], check=True, cwd=folder, env=environment)
    if "page" in stages:
        from analysis.query import runs

        frames = {name: runs(f"findings-{name}", tracking_uri=uri) for name in names}
        options.output.write_text(page(frames, scale.told), encoding="utf-8")
        print(options.output)


def _surface(uri: str, dataset: str) -> dict[str, str]:
    """What the store holds of the surface of a data set."""
    from hit.store import Store

    store = Store(uri)
    if not store.experiment(f"findings-{dataset}").id:
        return {}
    known = store.runs(f"findings-{dataset}", kind=schema.Kind.SURFACE)
    return {"finished" if run.info.status == "FINISHED" else "interrupted": run.info.run_id for run in known}


def _row(one: Finding) -> str:
    statistics = "<br>".join(map(str, one.statistics)) or one.reason
    return f"| {one.statement} | **{one.outcome}** | {statistics} |".replace("_", "\\_")


if __name__ == "__main__":
    main()
