"""The run that `mlflow run` makes for the reading of a surface."""

from pathlib import Path

import pytest

from hit.connection import connect, experiment_id
from hit.errors import ConfigError
from hit.processes.stop import StopRequest
from hit.schema import Kind, Tag
from hit.surface import _reading
from tests.stores import new_database


def test_it_says_what_it_is_and_how_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = new_database(tmp_path / "store.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    with _reading("0123456789", tmp_path / "state", StopRequest()) as nothing:
        assert nothing is None, "no run was made for it"
    client = connect(uri)
    run_id = client.create_run(experiment_id(client, "hit")).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with pytest.raises(ConfigError), _reading("0123456789", tmp_path / "state", StopRequest()):
        raise ConfigError("grid_1 must be …")
    run = client.get_run(run_id)
    assert (run.data.tags[Tag.KIND], run.info.run_name) == (Kind.EVALUATE, "cells of surface 01234567")
    assert (run.info.status, run.data.tags[Tag.STATUS_REASON]) == ("FAILED", "grid_1 must be …")
