"""`python -m docs.findings`: its commands are ones that the entry points take, and its page holds verdicts."""

import pytest

from analysis.__main__ import parser as report
from docs.findings import DATASETS, SCALES, commands, page
from hit.classify import parser as classify
from hit.surface import parser as surface
from sweeps.__main__ import parser as sweep
from tests.frames import grid_frame

_PARSERS = {"hit.classify": classify, "hit.surface": surface, "sweeps": sweep, "analysis": report}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_stage_is_a_command(dataset: str, scale: str) -> None:
    for known in ({}, {"finished": "a" * 32}, {"interrupted": "b" * 32}):
        for module, *options in commands(dataset, SCALES[scale], "/data sets", known).values():
            _PARSERS[module]().parse(options)


def test_the_page_has_a_verdict_a_statement() -> None:
    text = page({"binary_mnist": grid_frame(4)}, "Scaled down.")
    assert text.count("| **") == 7
    assert "16 runs of 1 seed, 144 minutes" in text
