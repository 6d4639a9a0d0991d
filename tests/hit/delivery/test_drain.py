"""How a command ends that was asked to stop: its exit code, its line, and what its store and its journal hold."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from hit.cli import entry_point
from hit.errors import Diverged
from hit.processes.stop import StopRequest
from hit.recovery.recovery import deliver_undelivered
from hit.schema import Kind, Tag
from hit.tracking import RunWriter
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")


class Training:
    """A command that logs a number and then does `work` until something ends it."""

    def __init__(self, folder: Path) -> None:
        self.uri = f"sqlite:///{folder}/store.db"
        self.state = folder / "state"
        self.run_id = ""
        self.work: Callable[[RunWriter], None] = lambda run: None

    def main(self, argv: list[str], stop: StopRequest) -> None:
        with RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=self.state, uri=self.uri, stop=stop) as run:
            self.run_id = run.run_id
            run.metrics({"train/rate_1": 1.0}, step=1)
            self.work(run)
            run.check()

    def exit_code(self) -> object:
        with pytest.raises(SystemExit) as caught:
            entry_point(self.main, Kind.TRAIN)
        return caught.value.code

    def ended(self) -> tuple[str, str, dict[str, float]]:
        run = MlflowClient(self.uri).get_run(self.run_id)
        return run.info.status, run.data.tags.get(Tag.STATUS_REASON, ""), dict(run.data.metrics)


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    new_database(tmp_path / "store.db")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setattr("sys.argv", ["command"])
    return Training(tmp_path)


def presses(*numbers: int) -> Callable[[RunWriter], None]:
    def press(run: RunWriter) -> None:
        for number in numbers:
            signal.raise_signal(number)

    return press


class TestStoreAway:
    """Asked to stop while the store does not answer."""

    @pytest.fixture(autouse=True)
    def away(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        def refuses(*_: object, **__: object) -> None:
            raise MlflowException("the server is away", TEMPORARILY_UNAVAILABLE)

        monkeypatch.setattr("hit.delivery.drain._SECONDS_WHEN_STOPPED", 0.2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MlflowClient, "log_batch", refuses)
            yield patch

    @pytest.mark.parametrize(
        ("numbers", "code"),
        [
            ([signal.SIGTERM], 143),
            ([signal.SIGHUP], 129),
            ([signal.SIGINT], 130),
            ([signal.SIGINT, signal.SIGINT], 130),
        ],
    )
    def test_the_exit_code_is_that_of_the_signal_and_the_numbers_are_kept(
        self,
        training: Training,
        away: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        numbers: list[int],
        code: int,
    ) -> None:
        training.work = presses(*numbers)
        assert training.exit_code() == code
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
        assert "what the store lacks is kept in" in line
        assert str(training.state) in line
        away.undo()
        assert deliver_undelivered(training.state, training.uri) == 1
        status, reason, metrics = training.ended()
        assert (status, metrics) == ("KILLED", {"train/rate_1": 1.0})
        assert reason in (f"stopped by signal {numbers[0]}", "interrupted")

    def test_what_a_model_came_to_is_not_forgotten(
        self, training: Training, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def diverges(run: RunWriter) -> None:
            signal.raise_signal(signal.SIGTERM)
            raise Diverged("the loss is nan")

        training.work = diverges
        assert training.exit_code() == 1
        said = capsys.readouterr().err
        assert said.startswith("diverged: the loss is nan; run ")
        assert "what the store lacks is kept in" in said

    def test_a_finished_one_that_nobody_waits_for(self, training: Training, capsys: pytest.CaptureFixture[str]) -> None:
        def later(run: RunWriter) -> None:
            run.check = lambda: os.kill(os.getpid(), signal.SIGTERM)  # type: ignore[method-assign]

        training.work = later
        assert training.exit_code() == 143
        assert "stopped by signal 15; run" in capsys.readouterr().err


class TestSecondCtrlC:
    @pytest.mark.parametrize("when", ["in the work", "while the store takes its time"])
    def test_ends_the_run_in_the_store(
        self, training: Training, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, when: str
    ) -> None:
        release = threading.Event()
        monkeypatch.setattr(MlflowClient, "log_artifact", lambda *_, **__: release.wait(60))
        (tmp_path / "large").write_text("x")

        def work(run: RunWriter) -> None:
            run.artifact(tmp_path / "large")
            signal.raise_signal(signal.SIGINT)
            if when == "in the work":
                signal.raise_signal(signal.SIGINT)
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

        training.work = work
        assert training.exit_code() == 130
        status, reason, metrics = training.ended()
        assert (status, metrics) == ("KILLED", {"train/rate_1": 1.0})
        assert reason in ("stopped by signal 2", "interrupted")
        release.set()


def test_a_store_that_goes_away_for_good_is_no_mistake_of_who_stops(
    training: Training, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hit.errors import StoreAway

    def main(argv: list[str], stop: StopRequest) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise StoreAway("tracking server must answer, got no answer")

    with pytest.raises(SystemExit) as caught:
        entry_point(main, Kind.TRAIN)
    assert caught.value.code == 143
    assert capsys.readouterr().err == "stopped by signal 15; tracking server must answer, got no answer\n"
