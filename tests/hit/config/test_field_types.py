"""Bounds on what is asked for: told with the field, the rule and the value, and wide enough for all that is meant."""

import sys
from pathlib import Path

import pytest

from hit.cli import entry_point
from hit.config import TrainConfig
from hit.config.field_types import (
    HIGHEST_BETA,
    LEAST_BETA,
    MOST_CLAUSES,
    MOST_LAYERS,
    MOST_SEED,
    MOST_TEXT,
    MOST_VALUES,
)
from hit.config.options import build
from hit.config.rates.beta_grid import parse_axis
from hit.errors import ConfigError, StoreError
from hit.evaluate import EvaluateOptions
from hit.processes.devices import select_device, set_threads
from hit.processes.stop import StopRequest
from hit.schema import Kind
from hit.store import Store
from sweeps.__main__ import parser
from sweeps.spec.request import SweepRequest, parse_seeds
from tests.stores import new_database


@pytest.mark.parametrize(
    ("flat", "said"),
    [
        ({"sigma": 1e300}, "sigma must be less than or equal to 10000, got 1e+300"),
        ({"sigma": "1e-300"}, "sigma must be greater than or equal to 0.0001, got '1e-300'"),
        ({"channels": 1_000_000}, "channels must be less than or equal to 16384, got 1000000"),
        ({"z_dims": "1000000000"}, "z_dims must be less than or equal to 1000000, got 1000000000"),
        ({"z_dims": None}, "z_dims must be whole numbers with commas, got None"),
        ({"z_dims": 1.5}, "z_dims must be whole numbers with commas, got 1.5"),
        ({"z_dims": [20, 1.5]}, "z_dims must be a whole number, got 1.5"),
        ({"z_dims": True}, "z_dims must be whole numbers with commas, got True"),
        ({"z_dims": "9" * 5000}, "z_dims must be whole numbers with commas, got '999"),
        ({"z_dims": ",".join(["1"] * MOST_LAYERS)}, f"z_dims must have at most {MOST_LAYERS - 1} values"),
        ({"linear_z1": "1e10"}, "linear_z1 must be a whole number, got '1e10'"),
        ({"batch_size": 10**21}, "batch_size must be less than or equal to 1000000"),
        ({"learning_rate": 1e300}, "learning_rate must be less than or equal to"),
        ({"beta_1": 1e300}, "beta_1 must be less than or equal to"),
        ({"max_rate": 1e300}, "max_rate must be at most 1e+09 nats, got 1e+300"),
        ({"threads": 10**6}, "threads must be less than or equal to 1024"),
        ({"init_from": "../" * 10}, "init_from must be an id: letters, digits, - and _, at most 64, got '../"),
        ({"dataset": "x" * (MOST_TEXT + 1)}, f"dataset must have at most {MOST_TEXT} characters, got 'xxx"),
        ({"dataset": "\udcff"}, "dataset must be text in UTF-8"),
        ({"dataset": ["digits"]}, "dataset must be text, got ['digits']"),
        ({"beta_" + "9" * 5000: 1}, "unknown parameter 'beta_999"),
        ({"target_rate_" + "9" * 5000: 1}, "unknown parameter 'target_rate_999"),
    ],
)
def test_what_cannot_be_meant_is_told(flat: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        TrainConfig.from_flat(flat)
    assert said in str(raised.value)
    assert len(str(raised.value)) < 600


def test_the_bounds_themselves_are_taken() -> None:
    TrainConfig.from_flat({"sigma": 1e4, "channels": 16_384, "batch_size": 10**6, "seed": MOST_SEED, "beta_1": 1e12})
    TrainConfig.from_flat({"z_dims": ",".join(["1"] * (MOST_LAYERS - 1)), "dataset": "x" * MOST_TEXT})
    assert parse_axis("grid_1", f"{LEAST_BETA}:{HIGHEST_BETA}:{MOST_VALUES}")[-1] == HIGHEST_BETA
    assert parse_seeds(f"0,{MOST_SEED}") == (0, MOST_SEED)


@pytest.mark.parametrize(
    "text",
    ["1e-300:1e300:3", "0.1:10:1000000000", "0:1e300:5:linear", "1e-300,1", "1,inf", ",".join(map(str, range(1001)))],
)
def test_an_axis_has_bounds(text: str) -> None:
    with pytest.raises(ConfigError, match="grid_1 must hold"):
        parse_axis("grid_1", text)


def test_ends_that_are_one_number_are_one_value() -> None:
    assert parse_axis("grid_1", "1:1.0000001:5") == (1.0,)


@pytest.mark.parametrize("text", ["3000000000", "9" * 5000, "²", ",".join(map(str, range(1001))), "-1", ""])
def test_seeds_have_bounds(text: str) -> None:
    with pytest.raises(ConfigError, match="seeds must"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--grid_1", "0.1:10:1000", "--grid_2", "0.1:10:1000"],
            "at most 100000 models, got 1000000 cells and 1 seeds",
        ),
        (
            ["--driver", "coverage", "--over", "betas", "--region", "rate=:50", "--z_dims", "1,1,1,1,1"]
            + [word for layer in range(1, 7) for word in (f"--grid_{layer}", "0.1:10:2")],
            "got 531441 candidates",
        ),
        (["--region", "rate=:1e300", "--driver", "coverage"], "region must have ends of at most 1e+09 nats for rate"),
        (["--driver", "bayes", "--constraints", "test/rate<=1e300"], "constraints must be metric>=number"),
        (["--hours", "1e300"], "hours must be less than or equal to 100000"),
        (["--workers", "1000000"], "workers must be less than or equal to 256"),
    ],
)
def test_a_sweep_has_bounds(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        SweepRequest.parse(parser().parse(words))
    assert said in str(raised.value)


def test_a_space_may_reach_to_a_bound() -> None:
    request = SweepRequest.parse(
        parser().parse(["--driver", "bayes", "--space", "epochs=1:1000000,batch_size=8:100000"])
    )
    assert request.choice.space is not None
    assert [one.high for one in request.choice.space.dimensions[-2:]] == [1_000_000, 100_000]


def test_a_filter_has_few_clauses(tmp_path: Path) -> None:
    quoted = "params.dataset = 'a and b' and " * (MOST_CLAUSES - 1) + "metrics.epochs > 1"
    assert build(EvaluateOptions, {"where": quoted}).where == quoted
    longer = f"{quoted} and metrics.seed = 0"
    with pytest.raises(ConfigError, match=f"where must be a filter of at most {MOST_CLAUSES} clauses"):
        build(EvaluateOptions, {"where": longer})
    store = Store(new_database(tmp_path / "store.db"))
    store.history("hit")
    store.client.create_experiment("hit")
    assert store.history("hit", where=quoted, sweep="s").empty, "which the database takes, with our own"
    with pytest.raises(StoreError, match=f"where must have at most {MOST_CLAUSES} clauses, got {MOST_CLAUSES + 1}"):
        store.history("hit", where=longer)


@pytest.mark.parametrize(
    "name", ["meta", "xla", "mkldnn", "cuda:", "cuda:-1", "cpu:0", "cuda:" + "9" * 30, "", "x" * 9999]
)
def test_a_device_is_one_that_trains(name: str) -> None:
    with pytest.raises(ConfigError, match="device must be auto, cpu, cuda or cuda:<n>, got") as raised:
        select_device(name)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("threads", ["9" * 5000, "-1", "1.5", "1025", "²"])
def test_the_environments_threads_have_bounds(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIT_THREADS", threads)
    with pytest.raises(ConfigError, match="HIT_THREADS must be a whole number from 0 to 1024"):
        set_threads(0)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError(13, "Permission denied", "/closed/x"),
            "error: the system refuses '/closed/x': Permission denied",
        ),
        (MemoryError(), "error: the model and its batches must fit into memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."), "99 bytes more"),
    ],
)
def test_what_the_system_refuses_ends_a_command_with_one_line(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(argv: list[str], stop: StopRequest) -> None:
        raise error

    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(SystemExit) as ended:
        entry_point(refused, Kind.TRAIN)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_a_fault_of_our_own_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(argv: list[str], stop: StopRequest) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        entry_point(wrong, Kind.TRAIN)
