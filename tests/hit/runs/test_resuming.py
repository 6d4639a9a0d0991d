"""What may stand beside `--resume`, and going on for longer than a run was to take."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from hit.errors import CheckpointError, ConfigError, Interrupted, RunDeleted
from hit.processes.stop import StopRequest
from hit.recovery.recovery import deliver_undelivered
from hit.schema import Tag
from hit.train import main
from tests.commands import SMALL
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")


class StopsAfter(StopRequest):
    """As a Ctrl-C once the run's journal has so many epochs."""

    def __init__(self, folder: Path, epochs: int) -> None:
        super().__init__()
        self._folder, self._epochs = folder, epochs

    def check(self) -> None:
        for checkpoint in self._folder.glob("runs/*/checkpoint.safetensors"):
            journal = (checkpoint.parent / "journal.jsonl").read_text()
            if journal.count('"train/objective"') >= self._epochs:
                self.request(2)
        super().check()


class Trainer:
    """`hit.train` in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.state = folder / "state"
        self.client = MlflowClient(f"sqlite:///{folder}/store.db")
        self._capsys = capsys
        self.said = ""

    def train(self, *options: str, stop: StopRequest | None = None) -> str:
        self._capsys.readouterr()
        try:
            main(list(options), stop or StopRequest())
        finally:
            out, self.said = self._capsys.readouterr()
        return out.strip()

    def interrupted(self, *options: str, after: int = 2) -> str:
        with pytest.raises(Interrupted):
            self.train(*SMALL, *options, stop=StopsAfter(self.state, after))
        return str(self.newest().info.run_id)

    def newest(self) -> Run:
        return self.runs()[0]

    def runs(self) -> Sequence[Run]:
        experiment = self.client.get_experiment_by_name("hit")
        return list(self.client.search_runs([experiment.experiment_id], order_by=["start_time DESC"]))

    def measured(self, run_id: str) -> dict[str, float]:
        metrics = self.client.get_run(run_id).data.metrics
        return {name: value for name, value in metrics.items() if name.startswith("test/") and "seconds" not in name}

    def epochs(self, run_id: str) -> list[tuple[int, float]]:
        return [(point.step, point.value) for point in self.client.get_metric_history(run_id, "train/objective")]


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Trainer:
    new_database(tmp_path / "store.db")
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("HIT_STATE_DIR", str(tmp_path / "state"))
    return Trainer(tmp_path, capsys)


def test_what_a_person_wrote_stays_and_options_that_differ_are_refused(trainer: Trainer) -> None:
    run_id = trainer.interrupted("--epochs", "4", "--beta_1", "2", after=1)
    config = json.loads((trainer.state / "runs" / run_id / "config.json").read_text())
    for option, value, rule in (
        ("--beta_1", "3", "beta_1 must be 2.0, got 3.0"),
        ("--seed", "1", "seed must be 0, got 1"),
        ("--epochs", "3", "epochs must be 4, got 3"),
        ("--z_dims", "5,6", "z_dims must be '5', got '5,6'"),
        ("--target_rate_1", "10", "target_rate_1 must be '', got 10.0"),
        ("--beta_3", "3", "beta_3 needs a model of 3 layers"),
        ("--dataset", "mnist", "dataset must be 'digits', got 'mnist'"),
    ):
        with pytest.raises(ConfigError) as caught:
            trainer.train("--resume", run_id, option, value)
        assert rule in str(caught.value)
    with pytest.raises(ConfigError, match=r"beta_1 must be 2.0, got 3.0; seed must be 0, got 1"):
        trainer.train("--resume", run_id, "--seed=1", "--beta_1=3")
    assert trainer.client.get_run(run_id).info.status == "KILLED"

    trainer.client.set_tag(run_id, "mlflow.runName", "my favourite")
    trainer.client.set_tag(run_id, Tag.NOTE, "for the paper")
    machine = ["--device", "cpu", "--threads", "1", "--metrics", "core", "--state_dir", str(trainer.state)]
    assert trainer.train("--resume", run_id, "--beta_1", "2.0", "--epochs", "4", *machine) == run_id
    run = trainer.client.get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "my favourite")
    assert run.data.tags[Tag.NOTE] == "for the paper"
    assert [step for step, _ in trainer.epochs(run_id)] == [1, 2, 3, 4]

    assert trainer.train("--resume", run_id) == run_id, "good news"
    assert f"run {run_id} is FINISHED: there is nothing left to do" in trainer.said
    with pytest.raises(ConfigError, match=r"seed must be 0, got 1"):
        trainer.train("--resume", run_id, "--seed", "1")
    with pytest.raises(ConfigError, match=rf"keeps no checkpoint; .* --init_from {run_id} --epochs 6"):
        trainer.train("--resume", run_id, "--epochs", "10")
    assert config["beta_1"] == 2


def test_a_finished_run_whose_last_numbers_were_not_delivered(trainer: Trainer) -> None:
    """It turns out FINISHED once they are."""
    run_id = trainer.interrupted("--epochs", "3", after=1)
    with (trainer.state / "runs" / run_id / "journal.jsonl").open("a") as journal:
        journal.write('{"kind":"status","status":"FINISHED","time":1}\n')
    assert trainer.train("--resume", run_id) == run_id
    assert "nothing left to do" in trainer.said
    assert deliver_undelivered(trainer.state) == 0


def test_more_epochs_are_another_run_that_equals_one_trained_in_one_go(trainer: Trainer) -> None:
    whole = trainer.train(*SMALL, "--epochs", "4", "--posterior", "gumbel_softmax")
    run_id = trainer.interrupted("--epochs", "3", "--posterior", "gumbel_softmax")
    longer = trainer.train("--resume", run_id, "--epochs", "4")
    assert longer not in (run_id, whole)
    runs = {run.info.run_id: run for run in trainer.runs()}
    assert runs[run_id].info.status == "KILLED", "it can still be gone on with"
    assert runs[longer].data.tags[Tag.CONTINUED_FROM] == run_id
    assert runs[longer].data.tags[Tag.CONFIG_HASH] == runs[whole].data.tags[Tag.CONFIG_HASH]
    assert trainer.epochs(longer) == trainer.epochs(whole)
    assert trainer.measured(longer) == trainer.measured(whole)
    assert trainer.train("--resume", run_id) == run_id
    assert [step for step, _ in trainer.epochs(run_id)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--schedule", "one_cycle"], "with schedule=one_cycle every epoch depends on how many there are"),
        (["--target_rate_1", "10"], "with rate targets every epoch depends on how many there are"),
        (["--model", "lvae"], "with warmup the first epochs depend on how many there are"),
    ],
)
def test_more_epochs_than_epochs_that_depend_on_them(trainer: Trainer, options: list[str], why: str) -> None:
    run_id = trainer.interrupted("--epochs", "3", *options, after=1)
    with pytest.raises(ConfigError, match=rf"{why}; once it has finished, .* --init_from {run_id} --epochs 5"):
        trainer.train("--resume", run_id, "--epochs", "8")


def test_under_mlflow_run_what_equals_a_default_was_not_asked_for(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = trainer.interrupted("--epochs", "3", "--beta_1", "2", after=1)
    made = trainer.client.create_run(trainer.newest().info.experiment_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    with pytest.raises(ConfigError, match="seed must be 0, got 1"):
        trainer.train("--resume", run_id, "--epochs", "10", "--beta_1", "1.0", "--warmup", "true", "--seed", "1")
    said = ["--epochs", "10", "--beta_1", "1", "--learning_rate", "0.0003", "--warmup", "true", "--target_rate_1", ""]
    assert trainer.train("--resume", run_id, *said) == run_id
    assert trainer.client.get_run(run_id).info.status == "FINISHED"


def test_a_run_deleted_while_it_trains(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hit.delivery.delivery._SECONDS_BETWEEN_BATCHES", 0.0)

    class Deletes(StopsAfter):
        def request(self, signal_number: int = 15) -> None:
            if trainer.runs():
                trainer.client.delete_run(trainer.newest().info.run_id)

    with pytest.raises(RunDeleted, match="was deleted"):
        trainer.train(*SMALL, "--epochs", "500", stop=Deletes(trainer.state, 1))
    (run_id,) = [path.name for path in (trainer.state / "runs").iterdir()]
    with pytest.raises(RunDeleted, match="restore"):
        trainer.train("--resume", run_id)
    trainer.client.restore_run(run_id)
    done = (trainer.state / "runs" / run_id / "journal.jsonl").read_text().count('"train/objective"')
    with pytest.raises(Interrupted):
        trainer.train("--resume", run_id, stop=StopsAfter(trainer.state, done + 1))
    assert trainer.client.get_run(run_id).info.status == "KILLED"
    assert [step for step, _ in trainer.epochs(run_id)] == list(range(1, done + 2))


def test_nothing_of_this_name(trainer: Trainer) -> None:
    with pytest.raises(CheckpointError, match="which the store does not know"):
        trainer.train("--resume", "0" * 32, "--seed", "1")


def test_the_name_that_mlflow_is_given(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_NAME", "mine")
    trainer.train(*SMALL, "--epochs", "1")
    assert trainer.newest().info.run_name == "mine"
