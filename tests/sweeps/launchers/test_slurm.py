"""Jobs by submitit's local executor, which stands for SLURM: told of a limit, preempted, killed, rejected, refused."""

import importlib.util
import os
import shutil
import signal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hit.config import TrainConfig
from hit.config.options import build
from hit.delivery.journal import JOURNAL, Journal
from hit.errors import Claimed, ConfigError, Unavailable
from hit.processes.stop import StopRequest
from hit.schema.experiments import Experiment
from hit.tracking.journal_completion import BEHIND
from sweeps.launchers import Launcher, PoolLauncher, Training, build_launcher, check_launcher
from sweeps.launchers.slurm import node_job
from sweeps.launchers.slurm.job_folder import JobFolder, Said
from sweeps.launchers.slurm.node_folder import NodeFolder
from sweeps.launchers.slurm.node_job import train_on_node
from sweeps.launchers.slurm.requirements import folder_of_jobs
from sweeps.spec.launch_options import RunningOptions
from tests.stores import new_database
from tests.sweeps.launchers.test_launchers import Place, hear, models, needs_submitit

LOCAL = {"launcher": "slurm", "slurm_executor": "local"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "HIT_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    new_database(tmp_path / "store.db")
    return Place(tmp_path, "slurm")


def local(place: Place, **given: object) -> Launcher:
    return build_launcher(build(RunningOptions, LOCAL | given), 1, place.folder / "state")


def ended(outcome: object) -> bool:
    return getattr(outcome, "state", "") != "progress"


@needs_submitit
class TestJobs:
    def test_told_of_its_limit_and_killed_a_run_goes_on_under_its_id(self, place: Place) -> None:
        training = place.training(replace(place.base, epochs=30, batch_size=256))
        with local(place) as slurm:
            slurm.submit(training)
            hear(slurm, lambda outcome: outcome.epoch >= 1)
            (folder,) = folder_of_jobs(place.folder / "state").iterdir()
            assert folder.stat().st_mode & 0o777 == 0o700
            begun = [said for said in JobFolder(folder).reader(0).news() if said.state == "begun"]
            os.kill(int(begun[-1].text.partition(":")[0]), signal.SIGUSR2)
            assert hear(slurm, ended).state == "finished"
            states = Counter(said.state for said in JobFolder(folder).reader(0).news())
            assert (states["begun"], states["interrupted"], states["finished"]) == (2, 1, 1)
            assert "sqlite" not in "".join(path.read_text() for path in folder.glob("*.json")), (
                "an address may be secret"
            )
        assert place.store.run(training.run_id).info.status == "FINISHED"
        steps = Counter(point.step for point in place.store.histories([training.run_id], ["train/objective"]))
        assert steps == dict.fromkeys(range(1, 31), 1), "no step is logged twice"
        assert not folder.exists()
        assert not (place.folder / "state" / "runs" / training.run_id).exists()

    def test_a_sweep_moves_from_the_pool_to_slurm_and_back(self, place: Place) -> None:
        """What one launcher has finished the other leaves alone, and what one has begun the other goes on with."""
        base = replace(place.base, epochs=30)
        first = place.training(base)  # of no sweep, as one that another machine has begun
        with PoolLauncher(1) as pool:
            pool.submit(first)
            hear(pool, lambda outcome: outcome.epoch >= 1)
            (stopped,) = pool.stop()
        assert stopped.state == "interrupted"
        with local(place) as slurm:
            slurm.submit(first)
            hear(slurm, lambda outcome: outcome.epoch >= 2)
            (stopped,) = slurm.stop()
        assert stopped.state == "interrupted"
        with PoolLauncher(1) as pool:
            pool.submit(first)
            assert hear(pool, ended).state == "finished"
        steps = Counter(point.step for point in place.store.histories([first.run_id], ["train/objective"]))
        assert steps == dict.fromkeys(range(1, 31), 1)

    def test_several_runs_a_job(self, place: Place) -> None:
        result = place.sweep(local(place, slurm_pack=2))
        assert result.counts == {"finished": 2}
        assert list(models(place)["status"]) == ["FINISHED"] * 2

    def test_a_node_without_the_data_is_one_line(self, place: Place) -> None:
        """As its job says it, in this process."""
        training = place.training(replace(place.base, dataset="mnist", data_root=str(place.folder / "nowhere")))
        folder = JobFolder(place.folder)
        folder.write([[training]])
        node_job._train(folder, 0, training, StopRequest())
        begun, said = folder.reader(0).news()
        assert (begun.state, said.state) == ("begun", "failed")
        assert said.text.startswith("on node ")
        assert "nowhere" in said.text
        assert len(said.text.splitlines()) == 1


class TestNodeFolder:
    def test_what_changed_is_brought_back(self, tmp_path: Path) -> None:
        shared = tmp_path / "runs" / "1"
        shared.mkdir(parents=True)
        (shared / JOURNAL).touch()
        with NodeFolder(tmp_path, "1") as node:
            own = node.state_dir / "runs" / "1"
            (own / JOURNAL).write_text("{}\n")
            (own / "pictures").mkdir()
            (own / "pictures" / "a.png").write_bytes(b"a")
            node.bring_back()
            assert (shared / JOURNAL).read_text() == "{}\n"
            assert (shared / BEHIND).exists(), "a copy, as long as the node has the run"
            (own / "pictures" / "a.png").unlink()
            with pytest.raises(Claimed, match="is being written by another process"), NodeFolder(tmp_path, "1"):
                pass
        assert not (shared / "pictures" / "a.png").exists()
        assert not (shared / BEHIND).exists()
        assert not node.state_dir.exists()

    def test_of_a_run_that_has_finished_nothing_is_left(self, tmp_path: Path) -> None:
        with NodeFolder(tmp_path, "1") as node:
            shutil.rmtree(node.state_dir / "runs" / "1")
        assert not (tmp_path / "runs" / "1").exists()

    def test_the_run_of_a_node_that_died_logs_no_step_twice(self, place: Place) -> None:
        training = place.training(replace(place.base, epochs=3))
        arguments = training.job().arguments | {"stop": StopRequest(), "tell": lambda doing, epoch=0: None}
        training.job().work(**(arguments | {"config": replace(training.config, state_dir=str(place.folder / "node"))}))
        place.store.client.update_run(training.run_id, status="RUNNING")  # the node died with its disk before the end
        shared = place.folder / "state" / "runs" / training.run_id
        shared.mkdir(parents=True)
        Journal(shared).close()
        (shared / BEHIND).touch()
        train_on_node(
            training=training,
            owners={_owner(place, training)},
            vain_starts=0,
            stop=StopRequest(),
            tell=lambda doing, epoch: None,
        )
        steps = Counter(point.step for point in place.store.histories([training.run_id], ["train/objective"]))
        assert steps == {1: 1, 2: 1, 3: 1}
        assert place.store.run(training.run_id).info.status == "FINISHED"
        assert not shared.exists()


class TestOwners:
    def test_a_run_that_another_process_goes_on_with_is_left_to_it(self, place: Place) -> None:
        training = place.training(place.base)
        with pytest.raises(Claimed, match="is another process's by now"):
            train_on_node(
                training=training,
                owners={("elsewhere", "1:1")},
                vain_starts=0,
                stop=StopRequest(),
                tell=lambda doing, epoch: None,
            )

    def test_what_never_comes_to_an_epoch_is_given_up(self, place: Place) -> None:
        with pytest.raises(ConfigError, match="slurm_time must be enough for an epoch: begun 5 times"):
            train_on_node(
                training=place.training(place.base),
                owners=set(),
                vain_starts=5,
                stop=StopRequest(),
                tell=lambda doing, epoch: None,
            )


def test_what_a_job_is_to_train_is_written_whole(tmp_path: Path) -> None:
    config = TrainConfig(z_dims=(5, 3), betas=(0.1, 1.0, 2.0), state_dir=str(tmp_path))
    one = Training("a", config, "1", Experiment("hit", "7"), "s", "sqlite:///secret", "threshold:0:1@train/rate")
    two = replace(one, identity="b", experiment="hit")
    folder = JobFolder(tmp_path)
    folder.write([[one, two]])
    assert folder.trainings(0, one.uri) == [one, two]
    folder.say(0, Said("b", "interrupted", "stopped by signal 12"))
    folder.say(0, Said("a", "finished", "1"))
    assert folder.trainings(0, one.uri) == [two]
    folder.say(0, Said.begun("b"))
    assert folder.vain_starts(0, "b") == 1
    assert len(folder.owners(0, "b")) == 1, "who has submitted it is this process, too"
    folder.say(0, Said("b", "progress", "training", 1))
    assert folder.vain_starts(0, "b") == 0
    with (tmp_path / "job-0.said.jsonl").open("a") as said:
        said.write('{"identity": "b", "state": "made up"}\n{"half')
    assert len(folder.reader(0).news()) == 4


class TestMistakes:
    @pytest.fixture(autouse=True)
    def _submitit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        there = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "submitit" else there(name))

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"slurm_partition": "a b"}, "slurm_partition must be names as SLURM has them, with commas"),
            ({"slurm_time": "soon"}, "slurm_time must be minutes, hours:minutes:seconds or days-hours, got 'soon'"),
            ({"slurm_time": "9" * 400}, "slurm_time must be minutes, hours:minutes:seconds or days-hours, got '999"),
            ({"slurm_mem": "4 apples"}, "slurm_mem must be a whole number of megabytes"),
            ({"slurm_options": "$(rm -rf)"}, "slurm_options must be parameters of sbatch as name=value"),
            ({"slurm_options": "array=0-9"}, "slurm_options must be without array, which the launcher sets"),
        ],
    )
    def test_options(self, given: dict[str, object], says: str) -> None:
        with pytest.raises(ConfigError) as error:
            build(RunningOptions, {"launcher": "slurm"} | given)
        assert says in str(error.value)

    def test_they_are_for_slurm(self) -> None:
        with pytest.raises(ConfigError, match="slurm_partition must be '' unless launcher=slurm, got 'gpu'"):
            check_launcher(RunningOptions(slurm_partition="gpu"))

    def test_whole_cpus(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"cpus_per_run must be a whole number with launcher=slurm, got 0\.5"):
            check_launcher(build(RunningOptions, LOCAL | {"cpus_per_run": 0.5}), tmp_path)

    def test_no_submitit(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(Unavailable, match=r"needs the package submitit.*pip install -e '\.\[slurm\]'"):
            check_launcher(RunningOptions(launcher="slurm"), tmp_path)

    def test_no_sbatch(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
        with pytest.raises(Unavailable, match="launcher=slurm needs SLURM's sbatch on the PATH"):
            check_launcher(RunningOptions(launcher="slurm"), tmp_path)

    @needs_submitit
    @pytest.mark.parametrize(
        "said",
        [
            "error: Unable to contact slurm controller (connect failure)",
            "fatal: Unable to process configuration file",
            "fatal: Could not establish a configuration source",
        ],
    )
    def test_no_cluster_to_ask(self, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """With an sbatch that is there alone."""
        for name in ("sbatch", "squeue", "scancel", "scontrol", "srun"):
            (tmp_path / name).write_text(f"#!/bin/sh\necho '{name}: {said}' >&2; exit 1\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        with pytest.raises(Unavailable, match=r"SLURM must answer, and sbatch says: .*(Unable|Could not) "):
            check_launcher(RunningOptions(launcher="slurm"), tmp_path / "state")

    @needs_submitit
    def test_two_clusters_on_one_state_dir(self, tmp_path: Path) -> None:
        (folder_of_jobs(tmp_path) / "sweep").mkdir(parents=True)
        jobs = JobFolder(folder_of_jobs(tmp_path) / "sweep")
        jobs.note("another cluster", ["7_0"])
        options = build(RunningOptions, LOCAL)
        with pytest.raises(
            ConfigError, match=r"state_dir must be that of one cluster at a time, got .*'another cluster'"
        ):
            check_launcher(options, tmp_path)
        jobs.note("another cluster", [])  # they have ended
        check_launcher(options, tmp_path)


def _owner(place: Place, training: Training) -> tuple[str, str]:
    tags = place.store.run(training.run_id).data.tags
    return tags["hit.host"], tags["hit.process"]
