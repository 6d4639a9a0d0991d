"""Worker processes have the extensions of the process that starts them, and say so where they have not."""

import os
from pathlib import Path

import pytest

from hit.config import TrainConfig
from hit.errors.run_outcomes import RunOutcome
from hit.extensions import discovery, load_extensions
from hit.extensions.discovery import temporary
from hit.processes.attempts import Job, Outcome
from hit.processes.pool import WorkerPool
from hit.runs.training_run import train_job

MINE = """
from hit.config.parts import MODELS

@MODELS.register("mine", layers=1)
def build(image_shape, likelihood, options, config):
    raise ValueError("this far it came")
"""


@pytest.mark.parametrize("handed_on", [True, False])
def test_a_worker_knows_the_parts_of_its_job(tmp_path: Path, handed_on: bool) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    with temporary():
        load_extensions(str(tmp_path / "mine.py"))
        config = TrainConfig(model="mine", betas=(1.0,), state_dir=str(tmp_path / "state"), threads=1)
        if not handed_on:
            os.environ[discovery.VARIABLE] = ""
        with WorkerPool(1, threads=1) as pool:
            pool.submit(Job("a", train_job, {"config": config, "uri": f"sqlite:///{tmp_path}/store.db"}))
            ended = _ended(pool)
    assert ended.state is RunOutcome.FAILED
    said = "must be built without an error, got ValueError: this far it came"
    missing = "must come from mine.py@"
    assert (said if handed_on else missing) in ended.text


def _ended(pool: WorkerPool) -> Outcome:
    for _ in range(600):
        for outcome in pool.outcomes(0.5):
            if outcome.state != "progress":
                return outcome
    raise AssertionError("the worker said nothing")
