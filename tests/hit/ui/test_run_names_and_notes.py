"""Names and notes of runs: what a person wrote in their place stays."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.name_utils import _generate_random_name

from hit.connection import experiment_id
from hit.schema import Kind, Tag
from hit.tracking import RunWriter
from hit.ui.run_names import command_name, is_unnamed
from hit.ui.run_notes import put_note
from tests.stores import new_database


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    new_database(tmp_path / "store.db")
    return MlflowClient(new_database(tmp_path / "store.db"))


def made(client: MlflowClient, name: str | None = None) -> Run:
    return client.create_run(experiment_id(client, "hit"), run_name=name)


def note(client: MlflowClient, run: Run) -> str | None:
    return client.get_run(run.info.run_id).data.tags.get(Tag.NOTE)


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        (None, "ours"),  # MLflow invents one
        ("my favourite", "my favourite"),  # mlflow run --run-name
        ("low-beta-7", "low-beta-7"),
        ("train (not begun)", "ours"),
    ],
)
def test_a_name_that_somebody_gave(client: MlflowClient, tmp_path: Path, there: str | None, wanted: str) -> None:
    run_id = made(client, there).info.run_id
    uri = client.tracking_uri
    with RunWriter.take_over(run_id, kind=Kind.TRAIN, name="ours", state_dir=tmp_path / "state", uri=uri):
        pass
    assert client.get_run(run_id).info.run_name == wanted


def test_names_that_mlflow_invents(client: MlflowClient) -> None:
    run = made(client)
    assert is_unnamed(run)
    for _ in range(200):
        run.info._run_name = _generate_random_name()
        assert is_unnamed(run), run.info.run_name


def test_the_name_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_RUN_NAME", raising=False)
    assert command_name("ours") == "ours"
    monkeypatch.setenv("MLFLOW_RUN_NAME", "mine")
    assert command_name("ours") == "mine"


class TestNote:
    def test_ours_is_replaced(self, client: MlflowClient) -> None:
        run = made(client)
        for text in ("first", "second", "second", "**KILLED**", "| a |\n|---|"):
            assert put_note(client, run.info.run_id, text)
            assert note(client, run) == text

    @pytest.mark.parametrize("before", ["", "ours"])
    def test_theirs_stays(self, client: MlflowClient, before: str) -> None:
        run = made(client)
        if before:
            put_note(client, run.info.run_id, before)
        client.set_tag(run.info.run_id, Tag.NOTE, f"{before} and more")
        assert not put_note(client, run.info.run_id, "ours again")
        assert note(client, run) == f"{before} and more"

    def test_one_that_is_taken_away_is_written_again(self, client: MlflowClient) -> None:
        run = made(client)
        put_note(client, run.info.run_id, "ours")
        client.delete_tag(run.info.run_id, Tag.NOTE)
        assert put_note(client, run.info.run_id, "ours again")

    @pytest.mark.parametrize(
        ("earlier", "ours"),
        [
            ("**KILLED**: stopped by signal 15", True),
            ("**FAILED**: lost\n\nIn its last epoch of training:\n\n| R_2 |\n|---|\n| 1 |", True),
            ("**KILLED**: stopped by signal 15\n\nby me, see #7", False),
            ("| R_2 |\n|---|\n| 1 |", False),
            ("**important**", False),
        ],
    )
    def test_of_a_run_from_before_there_were_digests(self, client: MlflowClient, earlier: str, ours: bool) -> None:
        run = made(client)
        client.set_tag(run.info.run_id, Tag.NOTE, earlier)
        assert put_note(client, run.info.run_id, "new") == ours
        if not ours:
            assert put_note(client, run.info.run_id, "new", instead_of=earlier), "evaluate knows what it wrote"
