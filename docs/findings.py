"""The paper's findings on real data: trains what they take, and makes docs/findings.md of the stores.

    python -m docs.findings --dataset digits --scale small

goes through its stages (classifier, dedicated models, seeds, surfaces with their certificates, the other cells, report,
page), each in a process of its own; started again after a kill it goes on where it was, since sweeps and surfaces do.
Every scale has a store of its own. `--stages page` makes the page alone, of the largest scale that each data set has.
"""

__all__ = ["DATASETS", "PAGE", "SCALES", "DataSet", "Scale", "commands", "main"]

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docs.findings_store import surface_of

if TYPE_CHECKING:  # parents of long stages carry no torch
    from docs.findings_evidence import Evidence

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "findings.md"


@dataclass(frozen=True)
class DataSet:
    """What is trained on.

    Attributes:
        name: a named data set, or a folder in the data root.
        model: options of all models.
        batch_size: of surfaces and models alike.
        quick_classifier: options of a classifier that takes minutes, where the usual one takes longer.
    """

    name: str
    model: str = ""
    batch_size: int = 128
    quick_classifier: str = ""


DATASETS = {
    "digits": DataSet("digits", batch_size=32),
    "binary_mnist": DataSet("binary_mnist", quick_classifier="--epochs 1"),
    "fashion_mnist": DataSet("fashion_mnist", "--likelihood bernoulli_grey", quick_classifier="--epochs 1"),
    "colour": DataSet(
        "cifar10_small",
        "--likelihood gaussian_learned --channels 32",
        32,
        "--network cnn --augmentation shift_flip --epochs 80 --batch_size 64",
    ),
}
STAGES = ("classifier", "dedicated", "seeds", "surface", "cells", "report", "page")
#: Those that every seed of the surface has.
_OF_SURFACES = ("surface", "cells")
_CERTIFICATE = ",".join(f"{one}:{other}" for one in ("0.1", "1", "5") for other in ("0.1", "1", "5"))


@dataclass(frozen=True)
class Scale:
    """How much is trained.

    Attributes:
        grid: cells of each axis of the surface.
        scored: values of β_1 and of β_2 whose cells have all metrics measured, others the core alone; empty: all have.
        epochs: of the surface, and of the models for one β, which its certificate takes as they are.
        certificate: β at which dedicated models are compared with the surface.
        dedicated: values of β_1 and of β_2 of the dedicated models.
        seeds: of the dedicated models.
        surfaces: seeds of the surfaces.
        test_images: of larger test sets the first so many, as accuracies take long; 0: all.
        quick_classifier: whether that of `DataSet` scores samples.
    """

    grid: int
    scored: str
    epochs: Mapping[str, int]
    certificate: str
    dedicated: tuple[str, str]
    seeds: str = "0,1,2"
    surfaces: tuple[int, ...] = (0, 1, 2)
    test_images: int = 0
    quick_classifier: bool = False


SCALES = {
    "small": Scale(
        5, "", {"digits": 15, "binary_mnist": 1, "fashion_mnist": 1, "colour": 15},
        "corners", ("0.1,10", "0.1,10"), surfaces=(0,), test_images=1000, quick_classifier=True,
    ),
    "medium": Scale(
        11, "0.1,0.251189,1,3.98107,10",
        {"digits": 40, "binary_mnist": 8, "fashion_mnist": 8, "colour": 30},
        _CERTIFICATE, ("0.1,0.5,1,5", "0.1,1,5"), test_images=1000, quick_classifier=True,
    ),
    "full": Scale(
        11, "", dict.fromkeys(DATASETS, 40),
        _CERTIFICATE, ("0.1,0.5,1,5", "0.1,1,5"),
    ),
}  # fmt: skip


def commands(
    dataset: str, scale: Scale, data: str, data_root: str, surface: Mapping[str, str], seed: int = 0
) -> dict[str, list[str]]:
    """Arguments of `python -m` for each stage that trains or reports; the same again once a stage is done.

    Args:
        dataset: name in `DATASETS`.
        scale: how much.
        data: name or path of the data.
        data_root: where named data sets lie.
        surface: what the store holds of it (`docs.findings_store.surface_of`).
        seed: of the surface.
    """
    own = DATASETS[dataset]
    experiment = f"--experiment findings-{dataset}"
    where = f"--dataset {shlex.quote(data)} {experiment} --data_root {shlex.quote(data_root or 'data')}"
    epochs = scale.epochs[dataset]
    models = f"{where} {own.model} --epochs {epochs} --batch_size {own.batch_size}"
    axes = f"--grid_1 0.1:10:{scale.grid} --grid_2 0.1:10:{scale.grid}"
    scored = f"--grid_1 {scale.scored} --grid_2 {scale.scored}" if scale.scored else axes
    certificate = f"--certificate {scale.certificate} --workers 1"
    known, certified = surface.get("finished", ""), surface.get("certified", "")
    complete = bool(certified) and scale.certificate in ("corners", certified)
    machine = f"{experiment} --data_root {shlex.quote(data_root or 'data')} --workers 1"
    if complete:
        trained = ""
    elif known:
        trained = f"hit.surface --surface {known} {scored} --certificate {scale.certificate} {machine}"
    elif "interrupted" in surface:
        trained = f"hit.surface --resume {surface['interrupted']} {experiment}"
    else:
        trained = f"hit.surface {models} --seed {seed} {scored} {certificate}"
    one, other = scale.dedicated
    sweep = f"sweeps {models} --learning_rate 1e-3 --schedule one_cycle --grid_1 {one} --grid_2 {other}"
    sweep += " --workers 1 --launcher pool"
    classifier = own.quick_classifier if scale.quick_classifier else ""
    texts = {
        "classifier": f"hit.classify {where} {classifier}",
        "surface": trained,
        "cells": f"hit.surface --surface {known} {axes} --metrics core {machine}" if known and scale.scored else "",
        "dedicated": f"{sweep} --further_seeds 0",
        "seeds": f"{sweep} --seeds {scale.seeds}",
        "report": f"analysis {experiment} --output findings-{dataset}.html",
    }
    return {stage: shlex.split(text) for stage, text in texts.items()}


def main() -> None:
    """Go through the stages of the data sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--dataset", action="append", choices=DATASETS, help="again for several; default: digits")
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--stages", default=",".join(STAGES), help="of " + ",".join(STAGES))
    parser.add_argument("--folder", type=Path, default=Path("findings"), help="of stores and reports")
    parser.add_argument("--data_root", default=os.environ.get("HIT_DATA", "data"))
    parser.add_argument("--output", type=Path, default=PAGE, help="the page; pictures lie beside it")
    options = parser.parse_args()
    stages = options.stages.split(",")
    if unknown := {*stages} - {*STAGES}:
        parser.error(f"stages must be of {', '.join(STAGES)}, got {', '.join(sorted(unknown))}")
    root = Path(options.data_root).resolve()
    if training := [stage for stage in stages if stage != "page"]:
        folder = (options.folder / options.scale).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        scale = SCALES[options.scale]
        for name in options.dataset or ["digits"]:
            data = _data(name, scale, root, folder)
            for stage in training:
                for seed in scale.surfaces if stage in _OF_SURFACES else (0,):
                    known = surface_of(_uri(folder), name, seed)
                    _run(name, stage, commands(name, scale, data, str(root), known, seed)[stage], folder)
    if "page" in stages:
        from docs.findings_page import page
        from docs.findings_pictures import draw

        found = {name: _found(options.folder, name) for name in DATASETS}
        draw({name: one for name, one in found.items() if one}, options.output.parent)
        options.output.write_text(page(found), encoding="utf-8")
        print(options.output)


def _run(name: str, stage: str, arguments: list[str], folder: Path) -> None:
    """One stage, in a process of its own."""
    if not arguments:
        return
    print(f"{name}, {stage}: python -m {shlex.join(arguments)}", flush=True)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "MLFLOW_TRACKING_URI": _uri(folder), "PYTHONPATH": path}
    subprocess.run([sys.executable, "-m", *arguments], check=True, cwd=folder, env=environment)


def _data(name: str, scale: Scale, root: Path, folder: Path) -> str:
    """Name or path of the data; those with fewer test images in a file beside the store."""
    from hit.config.parts import DATASETS as NAMED

    own = DATASETS[name].name if DATASETS[name].name in NAMED.names() else str(root / DATASETS[name].name)
    if not scale.test_images or name == "digits":
        return own
    path = folder / f"{name}_{scale.test_images}_test_images.npz"
    if not path.exists():
        import numpy as np

        from hit import data

        whole = data.load(own, str(root))
        if len(whole.test) <= scale.test_images:
            return own
        parts = {}
        for which, split, count in (("train", whole.train, len(whole.train)), ("test", whole.test, scale.test_images)):
            assert split.labels is not None
            parts |= {f"x_{which}": split.head(count).numpy(), f"y_{which}": split.labels[:count].numpy()}
        np.savez_compressed(path, **parts)
    return str(path)


def _found(folder: Path, name: str) -> "Evidence | None":
    """What the largest scale holds of a data set; None where none was trained."""
    from docs.findings_evidence import evidence

    for scale in reversed(SCALES):
        if (folder / scale / "store.db").exists() and (found := evidence(_uri(folder / scale), name, scale)):
            return found
    return None


def _uri(folder: Path) -> str:
    return f"sqlite:///{(folder / 'store.db').resolve()}"


if __name__ == "__main__":
    main()
