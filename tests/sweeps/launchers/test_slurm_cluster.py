"""SLURM itself, on this machine: submitted, preempted, told of a time limit, queued again, finished."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hit.config.options import build
from hit.errors import ConfigError
from hit.processes.attempts import Outcome
from hit.store import Store
from sweeps.launchers import Launcher, Training, build_launcher, check_launcher
from sweeps.launchers.slurm.job_folder import JobFolder
from sweeps.spec.launch_options import RunningOptions
from tests.commands import Commands, wait_until
from tests.slurm import SlurmCluster, why_not
from tests.stores import new_database
from tests.sweeps.launchers.test_launchers import Place, hear, needs_submitit

pytestmark = [pytest.mark.slow, needs_submitit, pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with SlurmCluster(tmp_path_factory.mktemp("cluster") / "slurm") as started:
        yield started


@pytest.fixture
def place(tmp_path: Path, cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "HIT_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    monkeypatch.setattr("sweeps.launchers.slurm.job_queues.SlurmQueue.seconds_between_looks", 1.0)
    new_database(tmp_path / "store.db")
    return Place(tmp_path, "slurm")


def options(**given: object) -> RunningOptions:
    return build(RunningOptions, {"launcher": "slurm", "slurm_partition": "low", **given})


def launcher(place: Place, **given: object) -> Launcher:
    return build_launcher(options(**given), 1, place.folder / "state")


def long_run(place: Place, epochs: int = 12) -> Training:
    return place.training(replace(place.base, epochs=epochs, batch_size=64))


def reached(epoch: int):  # type: ignore[no-untyped-def]
    return lambda outcome: outcome.state == "progress" and outcome.epoch >= epoch


def test_preempted_and_told_of_its_limit_a_run_goes_on_under_its_id(cluster: SlurmCluster, place: Place) -> None:
    with launcher(place, slurm_time="10") as slurm:
        training = long_run(place)
        slurm.submit(training)
        hear(slurm, reached(2))
        (job,) = slurm._jobs  # type: ignore[attr-defined]
        print(cluster.ask("squeue"))
        print(cluster.ask("sbatch", "--partition=high", "--output=/dev/null", "--wrap", "sleep 2"))
        wait_until(
            lambda: "PD" in cluster.ask("squeue", "--me", "--noheader", "--partition=low", "--format=%t") and "x"
        )
        print(cluster.ask("squeue"))
        assert place.store.run(training.run_id).info.status == "KILLED"
        before = place.store.run(training.run_id).data.metrics["train/objective"]
        assert before
        epoch = hear(slurm, reached(3)).epoch
        print(cluster.ask("squeue"))
        print(cluster.ask("scancel", "--signal=USR2", job.job_id))  # as before a time limit
        wait_until(
            lambda: "PD" in cluster.ask("squeue", "--me", "--noheader", "--partition=low", "--format=%t") and "x"
        )
        print(cluster.ask("squeue"))
        assert hear(slurm, reached(epoch + 1)).epoch > epoch
        assert hear(slurm, lambda outcome: outcome.state != "progress").state == "finished"
        said = [one.state for one in JobFolder(next((place.folder / "state" / "slurm").iterdir())).reader(0).news()]
        print(Counter(said))
        assert Counter(said)["begun"] == 3
    run = place.store.run(training.run_id)
    assert run.info.status == "FINISHED"
    steps = Counter(point.step for point in place.store.histories([training.run_id], ["train/objective"]))
    assert set(steps) == set(range(1, 13))
    assert set(steps.values()) == {1}, "no step is logged twice"
    assert not list((place.folder / "state" / "slurm").iterdir())
    assert not (place.folder / "state" / "runs" / training.run_id).exists()


def test_a_job_that_is_cancelled_by_hand_is_told_as_lost(cluster: SlurmCluster, place: Place) -> None:
    with launcher(place) as slurm:
        slurm.submit(long_run(place, 100_000))
        hear(slurm, reached(1))
        cluster.ask("scancel", "--me")

        def lost(outcome: Outcome) -> bool:
            return outcome.state != "progress"

        assert hear(slurm, lost).state == "lost"


def test_stop_takes_back_what_waits_and_ends_what_runs(cluster: SlurmCluster, place: Place) -> None:
    slurm = build_launcher(options(), 2, place.folder / "state")
    with slurm:  # one CPU: the second job waits
        running, waiting = long_run(place, 100_000), long_run(place, 200_000)
        slurm.submit(running)
        slurm.submit(waiting)
        hear(slurm, reached(1))
        ended = {outcome.job.identity: outcome for outcome in slurm.stop()}
    assert {outcome.state for outcome in ended.values()} == {"interrupted"}
    assert {one.text for one in ended.values()} == {"stopped by signal 15", "stopped before it began"}
    assert (place.folder / "state" / "runs" / running.run_id / "checkpoint.safetensors").exists()
    assert not cluster.ask("squeue", "--noheader", "--me").strip()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"slurm_partition": "lw"},
            "slurm_partition must be a partition of the cluster, got 'lw'; did you mean 'low'?",
        ),
        ({"slurm_time": "5-0"}, "slurm_time must be what SLURM takes, got '5-0': Requested time limit is invalid"),
        ({"cpus_per_run": 64}, "cpus_per_run must be what SLURM takes, got 64.0: More processors requested"),
        ({"gpus_per_run": 1}, "gpus_per_run must be what SLURM takes, got 1.0: Invalid generic resource"),
        ({"slurm_options": "color=red"}, "slurm_options must be what SLURM takes, got 'color=red': .*unrecognized"),
        ({"slurm_mem": "8T"}, "slurm_mem must be what SLURM takes, got '8T'|SLURM must take the jobs"),
    ],
)
def test_what_slurm_refuses_is_one_line(place: Place, given: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("?", r"\?").replace("(", r"\(")):
        check_launcher(options(**given), place.folder / "state")


def test_a_job_that_is_rejected_has_failed(cluster: SlurmCluster, place: Place) -> None:
    """The cluster was another one when the sweep began."""
    with launcher(place, slurm_partition="gone") as slurm:
        slurm.submit(long_run(place))
        outcome = hear(slurm, lambda outcome: outcome.state != "progress")
    assert outcome.state == "failed"
    assert outcome.text == "SLURM rejects its job: Invalid partition name specified"


_DRIVER = """\
#!/bin/bash
#SBATCH --job-name=sweep --cpus-per-task=1 --requeue --open-mode=append --output={folder}/sweep.log
srun --unbuffered {python} -m sweeps --launcher slurm --slurm_partition low --slurm_time 10 --workers 1 --threads 1 \
  --channels 4 --z_dims 5 --metrics core --batch_size 64 --epochs 12 --grid_1 0.1:1:3 --grid_2 1 --budget 2
"""


def test_the_sweep_itself_is_a_job_that_is_queued_again(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    commands = Commands(tmp_path)
    script = tmp_path / "sweep.sh"
    script.write_text(_DRIVER.format(folder=tmp_path, python=sys.executable))
    with SlurmCluster(tmp_path_factory.mktemp("cluster") / "slurm", "two", cpus=2) as cluster:
        environment = {**commands.environment, "SLURM_CONF": str(cluster.configuration)}
        words = ["sbatch", "--parsable", f"--chdir={tmp_path}", str(script)]
        job = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()
        run_id = commands.wait_for_epoch(2)
        print(cluster.ask("squeue"))
        print(cluster.ask("scontrol", "requeue", job))
        wait_until(lambda: "x" if commands.statuses().get(run_id) == "KILLED" else "")
        wait_until(lambda: "x" if "PD" in cluster.ask("squeue", "--noheader", "--format=%t", f"--jobs={job}") else "")
        print(cluster.ask("squeue"))
        print(cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now"))
        wait_until(lambda: "x" if not cluster.ask("squeue", "--noheader", "--me").strip() else "")
    print((tmp_path / "sweep.log").read_text())
    models = Store(commands.uri).history("hit")
    assert list(models["status"]) == ["FINISHED"] * 2, "its budget is that of both starts"
    assert run_id in set(models["run_id"])
    for one in models["run_id"]:
        steps = Counter(point.step for point in Store(commands.uri).histories([one], ["train/objective"]))
        assert steps == dict.fromkeys(range(1, 13), 1)
    sweeps = sorted(set(commands.statuses()) - set(models["run_id"]))
    assert sorted(commands.statuses()[one] for one in sweeps) == ["FINISHED", "KILLED"]
