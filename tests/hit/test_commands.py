"""The entry points under fire: signals, kills, crowds and mistakes."""

import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hit.schema import Tag
from hit.store import Store
from hit.store.run_liveness import is_lost
from tests.commands import PATIENCE_SECONDS, ROOT, SMALL, Commands, alive, descendants, wait_until

LONG = [*SMALL, "--epochs", "30"]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


def steps(commands: Commands, run_id: str) -> Counter[int]:
    return Counter(metric.step for metric in commands.client.get_metric_history(run_id, "train/objective"))


def final_numbers(commands: Commands, run_id: str) -> dict[str, float]:
    metrics = commands.client.get_run(run_id).data.metrics
    return {name: value for name, value in metrics.items() if not name.endswith("seconds")}


def test_stopped_and_killed_runs_go_on_to_the_same_numbers(commands: Commands) -> None:
    whole = commands.run("hit.train", *LONG).stdout.strip()
    expected = final_numbers(commands, whole)

    process = commands.start("hit.train", *LONG)
    run_id = commands.wait_for_epoch(3, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
    run = commands.client.get_run(run_id)
    assert (run.info.status, run.data.tags[Tag.STATUS_REASON]) == ("KILLED", "stopped by signal 15")

    done = max(steps(commands, run_id))
    process = commands.start("hit.train", "--resume", run_id)
    commands.wait_for_epoch(done + 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lost = commands.client.get_run(run_id)
    assert lost.info.status == "RUNNING"
    assert is_lost(lost)
    other = commands.run("hit.train", *SMALL, "--epochs", "1")
    assert other.returncode == 0, other.stderr
    lost = commands.client.get_run(run_id)
    assert lost.info.status == "FAILED", "whoever uses the store next ends a lost run"
    assert lost.data.tags[Tag.STATUS_REASON].startswith("lost")

    resumed = commands.run("hit.train", "--resume", run_id)
    assert resumed.stdout.strip() == run_id, resumed.stderr
    finished = commands.client.get_run(run_id)
    assert finished.info.status == "FINISHED"
    assert Tag.STATUS_REASON not in finished.data.tags, "how it once ended is no longer true"
    again = commands.run("hit.train", "--resume", run_id)
    assert (again.returncode, again.stdout.strip()) == (0, run_id)
    assert "FINISHED" in again.stderr
    assert steps(commands, run_id) == Counter(range(1, 31)), "every epoch once"
    assert final_numbers(commands, run_id) == expected


def test_sigterm_to_mlflow_run_leaves_no_run_running_and_no_orphan(commands: Commands) -> None:
    process = commands.start("run", str(ROOT), "-e", "train", "--env-manager", "local", *projects(LONG, epochs="3000"))
    run_id = commands.wait_for_epoch(1, process)
    below = descendants(process.pid)
    assert below
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE_SECONDS)
    wait_until(lambda: "gone" if not any(map(alive, below)) else "")
    assert commands.statuses() == {run_id: "KILLED"}


def test_ctrl_c_under_mlflow_run_ends_as_killed(commands: Commands) -> None:
    process = commands.start("run", str(ROOT), "-e", "train", "--env-manager", "local", *projects(LONG, epochs="3000"))
    run_id = commands.wait_for_epoch(1, process)
    below = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    process.wait(PATIENCE_SECONDS)
    wait_until(lambda: "gone" if not any(map(alive, below)) else "")
    # MLflow has said FAILED meanwhile: it overwrites the status of every run that it interrupts.
    wait_until(lambda: "yes" if commands.statuses() == {run_id: "KILLED"} else "")
    assert commands.client.get_run(run_id).data.tags[Tag.STATUS_REASON] == "stopped by signal 2"


@pytest.fixture(scope="module")
def project_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Commands, str]:
    """What `mlflow run` has trained, by numbers as people type them and with empty options; its store and its id."""
    commands = Commands(tmp_path_factory.mktemp("project"))
    options = ["--epochs", "1", *SMALL, "--target_rate_1", "", "--init_from", "", "--data_root", ""]
    words = projects(options, beta_1="1e-3", beta_2="0.5")
    result = commands.run("run", str(ROOT), "-e", "train", "--env-manager", "local", *words)
    assert result.returncode == 0, result.stderr
    (run_id,) = commands.statuses()
    return commands, run_id


def test_mlflow_run_hands_on_what_is_not_declared(project_run: tuple[Commands, str]) -> None:
    """And a number may be typed as people do."""
    commands, _ = project_run
    assert commands.run("hit.train", *SMALL, "--epochs", "1", "--beta_1", "0.001", "--beta_2", "0.5").returncode == 0
    history = Store(commands.uri).history("hit", where="metrics.beta_1 = 0.001")
    assert list(history["status"]) == ["FINISHED", "FINISHED"]
    assert list(history["beta_1"]) == [0.001, 0.001]
    assert list(history["channels"]) == [4, 4]
    assert history["config_hash"].nunique() == 1


def test_what_mlflow_run_has_trained_can_be_measured_and_gone_on_from(project_run: tuple[Commands, str]) -> None:
    commands, run_id = project_run
    assert commands.client.get_run(run_id).data.params["target_rate_1"] == "''", "MLflow quotes what it logs"
    row = Store(commands.uri).history("hit").set_index("run_id").loc[run_id]
    assert (row["init_from"], row["data_root"]) == ("", "")
    measured = commands.run("hit.evaluate", "--run_id", run_id, "--again", "true", "--metrics", "core")
    assert measured.returncode == 0, measured.stderr
    registered = commands.run("analysis", "--application", "reconstruction", "--register", "true")
    assert registered.returncode == 0, registered.stderr
    warm = commands.run("hit.train", *SMALL, "--epochs", "1", "--beta_1", "0.7", "--init_from", run_id)
    assert warm.returncode == 0, warm.stderr


def test_a_mistake_through_mlflow_run_fails_the_run_with_the_reason(commands: Commands) -> None:
    """In a parameter that the MLproject declares, in one that it does not, and in a name; `mlflow run` itself once."""
    reasons = {
        "beta_1=-1": "beta_1 must be greater than or equal to 0, got '-1'",
        "beta_2=abc": "beta_2 must be a number, got 'abc'",
        "lerning_rate=1": "unknown option '--lerning_rate'; did you mean 'learning_rate'?",
    }
    given, *others = reasons
    failed = commands.run("run", str(ROOT), "-e", "train", "--env-manager", "local", "-P", given)
    assert failed.returncode != 0
    said = failed.stderr
    (home,) = {commands.client.get_run(run_id).info.experiment_id for run_id in commands.statuses()}
    for given in others:
        name, _, value = given.partition("=")
        begun = commands.client.create_run(home)  # as `mlflow run` does
        failed = commands.run("hit.train", f"--{name}", value, MLFLOW_RUN_ID=begun.info.run_id)
        assert failed.returncode == 2
        said += failed.stderr
    runs = [commands.client.get_run(run_id) for run_id in commands.statuses()]
    assert len(runs) == len(reasons)
    assert {run.info.status for run in runs} == {"FAILED"}
    assert {run.data.tags[Tag.STATUS_REASON] for run in runs} == set(reasons.values())
    assert {(run.data.tags[Tag.KIND], run.info.run_name) for run in runs} == {("train", "train (not begun)")}
    assert all(f"error: {reason}" in said for reason in reasons.values())


def test_divergence_is_failed_with_a_reason(commands: Commands) -> None:
    result = commands.run("hit.train", *LONG, "--likelihood", "gaussian", "--learning_rate", "1e12")
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("diverged: ")
    ((run_id, status),) = commands.statuses().items()
    tags = commands.client.get_run(run_id).data.tags
    assert status == "FAILED"
    assert tags[Tag.DIVERGED] == "true"
    assert "not finite" in tags[Tag.STATUS_REASON]


def test_a_crowd_meets_at_a_new_store(commands: Commands) -> None:
    (commands.folder / "store.db").unlink()
    plain, *crowd = (  # MLflow's own client knows no lock, and may fail
        commands.start("tests.first_use", client, commands.uri) for client in ("mlflow", *["hit"] * 6)
    )
    assert [process.wait(PATIENCE_SECONDS) for process in crowd] == [0] * 6
    plain.wait(PATIENCE_SECONDS)
    assert len(commands.statuses()) == 6
    assert [experiment.name for experiment in commands.client.search_experiments()].count("crowd") == 1


def bad_inputs(folder: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Options → words that the one line must hold."""
    np.savez(folder / "float.npz", images=np.zeros((8, 28, 28)), labels=np.zeros(8, int))
    for name, side in (("small", 7), ("large", 257)):
        images = np.arange(8 * 9 * side).reshape(8, 9, side).astype(np.uint8)
        np.savez(folder / f"{name}.npz", images=images, labels=np.arange(8) % 2)
    for number, side in enumerate((28, 28, 28, 30)):
        picture = folder / "mixed" / "ab"[number % 2] / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (side, 28), number).save(picture)
    (folder / "empty").mkdir()
    (folder / "file").write_text("")
    raw = folder / "cut" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images", "t10k-images"):
        (raw / f"{name}-idx3-ubyte").write_bytes(b"\x00\x00\x08\x03\x00\x00")
    for name in ("train-labels", "t10k-labels"):
        (raw / f"{name}-idx1-ubyte").write_bytes(b"\x00\x00\x08\x01\x00\x00")
    return {
        "data set": (["--dataset", "mnits"], ["mnits", "did you mean 'mnist'"]),
        "model": (["--model", "gvae"], ["model", "did you mean 'ghvae'"]),
        "likelihood": (["--likelihood", "gausian"], ["likelihood", "did you mean 'gaussian'"]),
        "negative": (["--beta_2", "-0.5"], ["beta_2", "-0.5", "greater than or equal to 0"]),
        "not a number": (["--beta_1", "abc"], ["beta_1", "'abc'"]),
        "option": (["--learning_rat", "1"], ["learning_rat", "did you mean 'learning_rate'"]),
        "no such npz": (["--dataset", "nowhere.npz"], ["nowhere.npz"]),
        "npz of floats": (["--dataset", str(folder / "float.npz")], ["float64", "uint8"]),
        "too small": (["--dataset", str(folder / "small.npz")], ["8×8 to 256×256 pixels", "got 9×7", "small.npz"]),
        "too large": (["--dataset", str(folder / "large.npz")], ["8×8 to 256×256 pixels", "got 9×257", "large.npz"]),
        "mixed sizes": (["--dataset", str(folder / "mixed")], ["one size where crop is 0", "3.png is 30×28", "28×28"]),
        "cut short": (["--dataset", "mnist", "--data_root", str(folder / "cut")], ["idx"]),
        "empty folder": (["--dataset", str(folder / "empty")], ["empty"]),
        "device": (["--device", "cuda:99"], ["device", "cuda:99"]),
        "unwritable": (["--state_dir", str(folder / "file" / "state")], ["state_dir", "writable"]),
        "resume": (["--resume", "0" * 32], ["resume", "0" * 32, "the store does not know"]),
    }


def test_every_mistake_is_one_line_and_exit_code_2(commands: Commands) -> None:
    inputs = bad_inputs(commands.folder)
    said = commands.mistakes("hit.train", [[*SMALL, "--epochs", "1", *options] for options, _ in inputs.values()])
    for (name, (_, expected)), (line, code) in zip(inputs.items(), said, strict=True):
        assert code == 2, (name, line)
        for word in expected:
            assert word in line, (name, line)
    assert "RUNNING" not in commands.statuses().values()


def test_a_server_that_does_not_answer_is_one_line(commands: Commands) -> None:
    result = commands.run("hit.train", *SMALL, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert "tracking server must answer" in line
    assert "127.0.0.1:9" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_in_an_unwritable_directory_is_one_line(commands: Commands) -> None:
    result = commands.run("hit.train", *SMALL, MLFLOW_TRACKING_URI="sqlite:////store.db")
    assert result.returncode == 2
    assert "writable directory" in result.stderr


def projects(options: list[str], **more: str) -> list[str]:
    """`--a b` as `-P a=b`."""
    pairs = {name.removeprefix("--"): value for name, value in zip(options[::2], options[1::2], strict=True)} | more
    return [word for name, value in pairs.items() for word in ("-P", f"{name}={value}")]
