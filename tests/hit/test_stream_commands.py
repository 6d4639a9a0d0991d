"""Training on streamed images as a user starts and stops it: no orphan, no stack trace, the same numbers."""

import os
import signal
from pathlib import Path

import pytest

from hit.config import TrainConfig
from hit.errors import DataError
from hit.runs.training_run import train_run
from hit.schema import Tag
from tests.commands import PATIENCE_SECONDS, SMALL, Commands, alive, descendants, wait_until
from tests.pictures import large_pictures

STREAMED = ["--dataset", "large", "--crop", "32", "--likelihood", "gaussian", *SMALL]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    large_pictures(tmp_path / "large", 60, 12)
    return Commands(tmp_path)


def said(commands: Commands) -> str:
    return (commands.folder / "said.log").read_text()


def ended(processes: list[int]) -> str:
    return "ended" if not any(map(alive, processes)) else ""


def test_ctrl_c_and_sigkill_leave_nothing_behind_and_a_run_goes_on(commands: Commands) -> None:
    process = commands.start("hit.train", *STREAMED, "--epochs", "3000")
    run_id = commands.wait_for_epoch(1, process)
    below = descendants(process.pid)
    assert below
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the readers, too
    assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGINT
    wait_until(lambda: ended(below))
    assert commands.client.get_run(run_id).info.status == "KILLED"

    done = max(metric.step for metric in commands.client.get_metric_history(run_id, "train/objective"))
    process = commands.start("hit.train", "--resume", run_id)
    commands.wait_for_epoch(done + 1, process)
    below = descendants(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: ended(below))
    assert "Traceback" not in said(commands)
    assert "Error" not in said(commands)


def test_a_damaged_training_image_is_one_line_and_the_reason_of_the_run(commands: Commands) -> None:
    path = commands.folder / "large/train/cat/001.JPEG"
    path.write_bytes(path.read_bytes()[:3000])
    result = commands.run("hit.train", *STREAMED)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert (result.returncode, "Traceback" in result.stderr) == (2, False)
    assert "train/cat/001.JPEG cannot be read as an image" in line
    (run_id,) = commands.statuses()
    run = commands.client.get_run(run_id)
    assert run.info.status == "FAILED"
    assert "001.JPEG" in run.data.tags[Tag.STATUS_REASON]


def test_a_damaged_test_image_is_told_before_the_store_is_asked_for_a_run(commands: Commands) -> None:
    path = next((commands.folder / "large/test").rglob("*.JPEG"))
    path.write_bytes(b"<html>Not found</html>")
    config = TrainConfig(dataset=str(commands.folder / "large"), crop=32, likelihood="gaussian", channels=4)
    with pytest.raises(DataError, match=rf"test/{path.parent.name}/{path.name} cannot be read as an image"):
        train_run(config, uri="http://127.0.0.1:9")


@pytest.mark.slow
def test_other_entry_points_read_streams_too(commands: Commands) -> None:
    classified = commands.run("hit.classify", "--dataset", "large", "--crop", "32", "--epochs", "1")
    assert classified.returncode == 0, classified.stderr
    trained = commands.run("hit.train", *STREAMED, "--epochs", "1")
    assert trained.returncode == 0, trained.stderr
    measured = commands.run("hit.evaluate", "--run_id", trained.stdout.strip(), "--metrics", "all")
    assert measured.returncode == 0, measured.stderr
    assert "test/mi_z2" in commands.client.get_run(trained.stdout.strip()).data.metrics
