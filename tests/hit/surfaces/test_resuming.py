"""What may stand beside `--resume` of a surface."""

import json
from pathlib import Path

import pytest

from hit.config import TrainConfig
from hit.errors import ConfigError
from hit.surfaces.plan import SurfacePlan
from hit.surfaces.resuming import resume_plan

RUN = "0" * 32


@pytest.fixture
def state(tmp_path: Path) -> str:
    config = TrainConfig(channels=4, z_dims=(5,), epochs=3, schedule="one_cycle", metrics="core")
    plan = SurfacePlan(config=config, grids={"grid_1": "0.1:10:3", "grid_2": "1"})
    folder = tmp_path / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "surface.json").write_text(json.dumps(plan.to_json()))
    return str(tmp_path)


def test_the_machine_is_taken(state: str) -> None:
    given = {"device": "cpu", "threads": "1", "metrics": "all", "workers": "2", "epochs": "3", "grid_2": "1"}
    plan = resume_plan(RUN, state, given)
    assert (plan.config.device, plan.config.threads, plan.config.metrics) == ("cpu", 1, "all")
    assert (plan.config.epochs, plan.config.state_dir) == (3, state)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"epochs": "6"}, "epochs must be 3, got 6"),
        ({"seed": "1", "beta_low": "0.5"}, "seed must be 0, got 1; beta_low must be 0.08, got '0.5'"),
        ({"grid_1": "1,2"}, "grid_1 must be '0.1:10:3', got '1,2'"),
        ({"certificate": "corners"}, "certificate must be '', got 'corners'"),
        ({"surface": "x"}, "surface must be '', got 'x'"),
    ],
)
def test_what_decides_it_is_refused(state: str, given: dict[str, str], rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resume_plan(RUN, state, given)
    assert str(caught.value) == f"beside resume, options must be as those of run {RUN}: {rule}"
