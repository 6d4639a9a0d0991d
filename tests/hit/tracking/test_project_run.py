"""The run that `mlflow run` makes for a command that begins none of its own."""

from pathlib import Path
from typing import Any

import pytest

from hit.connection import connect, experiment_id
from hit.errors import ConfigError
from hit.processes.stop import StopRequest
from hit.schema import Kind, Tag
from hit.tracking.project_run import project_run
from tests.stores import new_database


def test_it_says_what_it_is_and_how_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = new_database(tmp_path / "store.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    given: dict[str, Any] = {"state_dir": tmp_path / "state", "stop": StopRequest()}
    with project_run(Kind.COMPRESS, **given) as nothing:
        assert nothing is None, "no run was made for it"
    client = connect(uri)
    run_id = client.create_run(experiment_id(client, "hit")).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with pytest.raises(ConfigError), project_run(Kind.EVALUATE, name="cells of surface 01234567", **given):
        raise ConfigError("grid_1 must be …")
    run = client.get_run(run_id)
    assert (run.data.tags[Tag.KIND], run.info.run_name) == (Kind.EVALUATE, "cells of surface 01234567")
    assert (run.info.status, run.data.tags[Tag.STATUS_REASON]) == ("FAILED", "grid_1 must be …")
