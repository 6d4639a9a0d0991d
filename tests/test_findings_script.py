"""`python -m docs.findings`: its commands are ones that the entry points take, and its page tells what was trained."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.__main__ import parser as report
from docs.findings import DATASETS, SCALES, commands
from docs.findings_evidence import Certified, Evidence
from docs.findings_page import page
from docs.findings_pictures import draw, names
from hit.classify import parser as classify
from hit.cli import CONFIG
from hit.surface import parser as surface
from sweeps.__main__ import parser as sweep
from tests.frames import grid_frame

_PARSERS = {"hit.classify": classify, "hit.surface": surface, "sweeps": sweep, "analysis": report}


@pytest.mark.parametrize("scale", SCALES)
def test_every_stage_is_a_command(scale: str) -> None:
    for dataset in DATASETS:
        for known in ({}, {"finished": "a" * 32}, {"interrupted": "b" * 32}):
            stages = commands(dataset, SCALES[scale], "/data sets/x", "/data sets", known)
            for module, *options in filter(None, stages.values()):
                _PARSERS[module]().parse(options)


def test_a_surface_without_its_certificate_gets_it_and_one_that_has_it_is_left() -> None:
    full = SCALES["full"]
    finished = {"finished": "a" * 32, "certified": "1:1"}
    assert f"--certificate {full.certificate}" in " ".join(commands("digits", full, "digits", "", finished)["surface"])
    done = {**finished, "certified": full.certificate}
    assert commands("digits", full, "digits", "", done)["surface"] == []
    # Dedicated models have the surface's epochs, batches and schedule, so that the certificate's count among them.
    assert "--epochs 40 --batch_size 32" in " ".join(commands("digits", full, "digits", "", {})["surface"])
    assert "--epochs 40 --batch_size 32" in " ".join(commands("digits", full, "digits", "", {})["seeds"])


def test_every_seed_of_a_surface_is_trained_and_told_of() -> None:
    medium = SCALES["medium"]
    assert medium.surfaces == (0, 1, 2)
    for seed in medium.surfaces:
        (_, *options) = commands("digits", medium, "digits", "", {}, seed)["surface"]
        assert int(surface().parse(options)[CONFIG]["seed"]) == seed
    own = Evidence(
        scale="medium",
        cells=pd.concat([grid_frame(3).assign(amortised="s" * 32, seed=seed) for seed in (0, 1)]),
        dedicated=pd.DataFrame(),
        surfaces=grid_frame(3).head(2).assign(epochs=7, seed=[0, 1]),
        classifier=pd.DataFrame(),
        surface_seconds=180.0,
        images={},
        certificate=(
            Certified((1.0, 5.0), 100.0, 103.0, 0.03, None, seed=1),
            Certified((1.0, 5.0), 110.0, 108.9, -0.01, 0.02, seed=0),
        ),
    )
    text = page({"digits": own})
    assert "| 2 surfaces | 7 epochs, batches of 256, peak step size 0.0003, seeds 0, 1 | 3 |" in text, text
    assert "| 1, 5 | 105 | 106 | −1.0%, +3.0% | +2.0%, — |" in text, text
    assert "+1.0% on average and +3.0% at worst, on 2 seeds" in text
    assert "has one seed" not in text


def test_gaps_of_a_density_are_in_nats() -> None:
    own = Evidence(
        scale="medium",
        cells=grid_frame(3).assign(amortised="s" * 32),
        dedicated=pd.DataFrame(),
        surfaces=grid_frame(3).head(1),
        classifier=pd.DataFrame(),
        surface_seconds=1.0,
        images={},
        certificate=(Certified((1.0, 1.0), -2000.0, -2001.5, -0.0007, 0.3),),
    )
    assert "| 1, 1 | −2000 | −2002 | −1.5 | — |" in page({"colour": own})


def test_the_page_tells_of_each_data_set_what_it_has(tmp_path: Path) -> None:
    cells, models, none = grid_frame(3), grid_frame(2, seeds=2, learning_rate=1e-4), pd.DataFrame()
    own = Evidence(
        scale="medium",
        cells=cells.assign(amortised="s" * 32),
        dedicated=models,
        surfaces=cells.head(1).assign(epochs=7, seed=0),
        classifier=none,
        surface_seconds=90.0,
        images={"train": 60000, "test": 1000},
        certificate=(Certified((1.0, 5.0), 100.0, 103.0, 0.03, None), Certified((1.0, 1.0), 80.0, 79.2, -0.01, -0.02)),
    )
    draw({"binary_mnist": own}, tmp_path)
    assert all((tmp_path / name).read_text().startswith("<?xml") for name in names("binary_mnist"))
    text = page({"binary_mnist": own, "fashion_mnist": None})
    for said in (
        "60,000 images to train on, 1,000 to test on. Scale `medium`",
        "| surface | 7 epochs, batches of 256, peak step size 0.0003, seed 0 | 1.5 |",
        "| 9 cells | a grid of 3 × 3; all metrics of all | 81 |",
        "; 4 β, 2 seeds each | 72 |",
        "| 1, 5 | 100 | 103 | +3.0% | — |",
        "+1.0% on average and +3.0% at worst",
        "## Fashion-MNIST\n\nNot measured",
    ):
        assert said in text, text
    assert text.count("### Cells of the surface: verdicts") == 1
