"""A deep model from training to the store: a group's target, and layers that hold nothing."""

import logging
from pathlib import Path

import pytest

from hit.config import TrainConfig
from hit.runs.training_run import train_run
from hit.schema import Tag
from hit.store import Store
from hit.store.whole_config import whole_config
from tests.stores import new_database


def test_a_run_of_a_deep_model_tells_its_group_and_what_collapsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hit.runs.collapse.COLLAPSED_BELOW", 1e9)  # as if no layer held anything
    config = TrainConfig.from_flat(
        {
            "model": "deep",
            "model.latents": "1x1x2,2x2x2,4x4x1",
            "channels": 4,
            "epochs": 1,
            "metrics": "core",
            "threads": 1,
            "state_dir": str(tmp_path / "state"),
            "target_rate_2-3": 6,
        }
    )
    store = Store(new_database(tmp_path / "store.db"))
    with caplog.at_level(logging.WARNING):
        run = store.run(train_run(config, uri=str(store.client.tracking_uri)))
    assert run.data.tags[Tag.COLLAPSED] == "1,2,3"
    assert any(line.startswith("collapsed: z_1 holds ") and "--beta_3" in line for line in caplog.messages)
    measured = run.data.metrics
    sum_of_group = measured["test/rate_2"] + measured["test/rate_3"]
    assert measured["test/rate_error_2-3"] == pytest.approx(sum_of_group / 6 - 1)
    assert {"train/rate_error_2-3", "beta_3", "dim_z2"} <= measured.keys()
    assert TrainConfig.from_flat(whole_config(store, run)) == config
    assert store.history("hit")["target_rate_2-3"].tolist() == [6]
