"""A store of many runs, written within seconds: rows go into MLflow's own tables, a thousand runs at a time."""

__all__ = ["fill_store"]

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import sqlalchemy
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag

from hit.config import TrainConfig, beta_numbers
from hit.connection import connect, experiment_id
from hit.schema import SCHEMA_VERSION, Kind, Tag, layer_metrics

_AT_ONCE = 1000
#: Not metrics of a trained model.
_OTHERS = (
    "certificate/",
    "sweep/",
    "train/accuracy",
    "train/cross_entropy",
    "test/accuracy_z",
    "target_",
    "max_",
    "analysis/",
)


def fill_store(uri: str, count: int, *, epochs: int = 10, experiment: str = "hit", first: int = 0) -> None:
    """Add `count` runs of a two-layer model with every param, metric and tag of a real one.

    One in a hundred has failed and one in a hundred runs, both without test metrics. Rates, scores and β are
    smooth functions of each other with noise, the same for the same number of a run.

    Args:
        uri: of an SQLite store; made where there is none.
        count: how many runs.
        epochs: steps of every metric that is logged once an epoch.
        experiment: its name.
        first: number of the first run.
    """
    client = connect(uri)
    home = int(experiment_id(client, experiment))
    engine = sqlalchemy.create_engine(uri)
    for start in range(first, first + count, _AT_ONCE):
        tables: dict[Any, list[dict[str, Any]]] = {
            table: [] for table in (SqlRun, SqlParam, SqlTag, SqlLatestMetric, SqlMetric)
        }
        for number in range(start, min(start + _AT_ONCE, first + count)):
            for table, rows in _rows(number, home, epochs):
                tables[table] += rows
        with engine.begin() as connection:
            for table, rows in tables.items():
                connection.execute(sqlalchemy.insert(table), rows)
    engine.dispose()


def _rows(number: int, home: int, epochs: int) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    chance = np.random.default_rng(number)
    run_id = uuid.UUID(int=number + (1 << 100)).hex
    status = {3: "FAILED", 7: "RUNNING"}.get(number % 100, "FINISHED")
    betas = tuple(float(f"{beta:.4g}") for beta in 10 ** chance.uniform(-1, 1, 2))
    config = TrainConfig(betas=betas, seed=number % 3, epochs=epochs)
    began = 1_760_000_000_000 + 60_000 * number
    run = {
        "run_uuid": run_id,
        "name": f"β {betas[0]:g} {betas[1]:g} seed {config.seed}",
        "source_type": "LOCAL",
        "source_name": "",
        "entry_point_name": "",
        "user_id": "someone",
        "status": status,
        "start_time": began,
        "end_time": None if status == "RUNNING" else began + 50_000,
        "source_version": "",
        "lifecycle_stage": "active",
        "artifact_uri": f"mlruns/hit/{run_id}/artifacts",
        "experiment_id": home,
    }
    yield SqlRun, [run]
    yield SqlParam, [{"key": name, "value": str(value), "run_uuid": run_id} for name, value in config.to_flat().items()]
    yield SqlTag, [{"key": key, "value": text, "run_uuid": run_id} for key, text in _tags(config, run).items()]
    numbers = {**beta_numbers(betas), "epochs": float(epochs), "seed": float(config.seed)}
    scores = _scores(betas, chance)
    once = scores if status == "FINISHED" else {}
    common = {"run_uuid": run_id, "is_nan": False}
    lines = {name: value for name, value in scores.items() if name.startswith("train/")}
    latest = [
        {**common, "key": name, "value": value, "timestamp": began + 50_000, "step": epochs if name in lines else 0}
        for name, value in {**numbers, **lines, **once}.items()
    ]
    yield SqlLatestMetric, latest
    early = [
        {**row, "value": row["value"] * (1 + 1 / step), "step": step, "timestamp": began + 5_000 * step}
        for row in latest
        if row["key"] in lines
        for step in range(1, epochs)
    ]
    yield SqlMetric, latest + early


def _tags(config: TrainConfig, run: dict[str, Any]) -> dict[str, str]:
    return {
        Tag.KIND: Kind.TRAIN,
        Tag.SCHEMA: SCHEMA_VERSION,
        Tag.SWEEP: "5" * 32,
        Tag.PARENT: "5" * 32,
        Tag.CONFIG_HASH: config.identity("digest"),
        Tag.GROUP: config.group("digest"),
        Tag.DATA_DIGEST: "digest",
        Tag.EVALUATOR: "evaluator-1",
        Tag.JUDGE: "judge-1",
        Tag.BOUND_VIOLATIONS: "none",
        Tag.HEARTBEAT: "1760000000",
        Tag.HOST: "host",
        Tag.PACKAGES: "mlflow 3, torch 2, and so on" * 5,
        Tag.DEVICE: "cpu",
        Tag.SOURCE: "python -m sweeps",
        Tag.USER: "someone",
        "mlflow.runName": run["name"],
        **({Tag.STATUS_REASON: "diverged: the objective was nan"} if run["status"] == "FAILED" else {}),
    }


def _scores(betas: tuple[float, ...], chance: np.random.Generator) -> dict[str, float]:
    """A value for every metric of a trained model; those that the analysis looks at depend on the rates."""
    beta_1, beta_2 = betas
    shared = 1 / (1 + (beta_2 / beta_1) ** 2)
    rate_1 = 70 / (1 + 2 * beta_1) * (1 - 0.4 * shared)
    rate_2 = max(30 / (1 + beta_2) * (0.3 + 0.7 * shared) - 0.8 * beta_2, 0.02)
    rate_1, rate_2 = (float(rate * np.exp(0.02 * chance.standard_normal())) for rate in (rate_1, rate_2))
    rate = rate_1 + rate_2
    names = [one.name for one in layer_metrics(2) if "/" in one.name and not one.name.startswith(_OTHERS)]
    scores = dict(zip(names, chance.random(len(names)).tolist(), strict=True))
    scores |= {name: 0.02 for name in names if name.endswith("_standard_error")}
    distortion = float(62 + 150 * np.exp(-rate / 19))
    for stage in ("train", "test"):
        scores |= {f"{stage}/rate_1": rate_1, f"{stage}/rate_2": rate_2, f"{stage}/rate": rate}
        scores |= {f"{stage}/distortion": distortion, f"{stage}/elbo": -rate - distortion}
    scores |= {
        "test/psnr": float(8 + 3 * np.log(1 + rate_1 + 0.7 * rate_2) + 0.05 * chance.standard_normal()),
        "test/label_entropy": float(np.log(10)),
        "test/held_out": 360.0,
        "sample/inception_score": float(1 + 8 * np.exp(-(((rate - 35) / 25) ** 2)) + 0.1 * chance.standard_normal()),
    }
    for layer in (1, 2):
        accuracy = 0.1 + 0.85 * (1 - np.exp(-(rate_2 if layer == 2 else rate) / 4))
        for name in names:
            if name.startswith("test/accuracy_") and f"_z{layer}" in name and not name.endswith("_error"):
                scores[name] = float(np.clip(accuracy + 0.005 * chance.standard_normal(), 0, 1))
        scores[f"test/mi_z{layer}"] = float(min(2.2, 0.5 * (rate_2 if layer == 2 else rate) ** 0.8))
        scores |= {f"test/bound_holds_z{layer}": 1.0, f"test/bound_holds_mi_z{layer}": 1.0}
    return scores
