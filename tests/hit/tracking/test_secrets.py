"""The password of a store reaches no param, tag, artifact, log or file of a run, whatever the store is."""

import logging
from pathlib import Path

import pytest
from mlflow.entities import Run

from hit.errors import Diverged
from hit.schema import Kind
from hit.schema.endings import ending
from hit.store import Store
from hit.tracking import RunWriter
from tests.backends import ON_SERVERS, Backend


@ON_SERVERS
@pytest.mark.parametrize("where", ["environment", "address"])
def test_a_password_is_nowhere(
    backend: Backend,
    tmp_path: Path,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    lines: None,
) -> None:
    uri = backend.uri
    if where == "address" and backend.name == "http":
        name, password = (backend.environment or {}).values()
        uri = uri.replace("http://", f"http://{name}:{password}@")
        for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            monkeypatch.delenv(variable)
    if where == "environment" and backend.name == "postgresql":
        monkeypatch.setenv("PGPASSWORD", backend.secrets[0])
        uri = uri.replace(f":{backend.secrets[0]}@", "@")
    state = tmp_path / "state"
    run = RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=state, uri=uri)
    with caplog.at_level(logging.DEBUG, "hit"):
        run.__enter__()
        run.params({"channels": 16})
        run.json_artifact("config.json", {"channels": 16})
        written = [path.read_text() for path in run.folder.rglob("*") if path.is_file()]
        run.end(ending(Diverged(f"the loss is nan, told by {uri}")))
    stored: Run = Store(uri).run(run.run_id)
    written += [path.read_text() for path in state.rglob("*") if path.is_file()]
    said = capsys.readouterr()
    told = [*written, str(stored.to_dictionary()), said.out, said.err, caplog.text]
    assert stored.data.tags["hit.status_reason"].startswith("diverged: the loss is nan")
    for secret in backend.secrets:
        assert not [text for text in told if secret in text]
