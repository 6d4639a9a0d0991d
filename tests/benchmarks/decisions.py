"""What a decision costs: reading what has changed in the store, and each driver's proposal; prints, asserts nothing.

`python -m tests.benchmarks.decisions` (SQLite) takes minutes, nearly all of them to fill the store;
`--server` puts an MLflow server before it.
"""

__all__ = ["main"]

import argparse
import contextlib
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities import Metric, Param

from hit.config import TrainConfig, beta_numbers
from hit.config.rates.beta_grid import BetaGrid
from hit.connection import connect, experiment_id
from hit.schema import SCHEMA_VERSION, Kind, Tag, layer_metrics
from hit.store import Store
from hit.store.incremental import HistoryReader
from sweeps.drivers.build import build_driver
from sweeps.drivers.driver import Driver
from sweeps.spec.driver_options import Choice, ChoosingOptions
from tests.replay import ACCURACY, BASE, DIGEST, Surface
from tests.stores import Server

_TABLES = ("runs", "params", "tags", "latest_metrics")
_OBJECTIVES = f"test/psnr,{ACCURACY},test/rate=min"
_REGION = "rate_1=5:45,rate_2=1:18,rate=:50"


def fill(uri: str, file: Path, count: int) -> None:
    """`count` finished runs with every param and metric of a two-layer model, on an analytic surface.

    The first is logged as any run; the others are its rows again, under other ids, with numbers of their own.
    """
    client = connect(uri)
    tags = {Tag.KIND: Kind.TRAIN, Tag.SCHEMA: SCHEMA_VERSION, Tag.DATA_DIGEST: DIGEST, Tag.EVALUATOR: "one"}
    first = client.create_run(experiment_id(client, "hit"), tags={**tags, Tag.CONFIG_HASH: "0", Tag.GROUP: "0"})
    params = [Param(name, str(value)) for name, value in BASE.to_flat().items()]
    metrics = [Metric(one.name, 1.0, 0, 10) for one in layer_metrics(2) if "/" in one.name or "beta" in one.name]
    client.log_batch(first.info.run_id, metrics, params)
    client.set_terminated(first.info.run_id)
    surface, chance = Surface.analytic(), np.random.default_rng(0)
    with contextlib.closing(sqlite3.connect(file)) as base, base:
        columns = {table: [row[1] for row in base.execute(f"PRAGMA table_info({table})")] for table in _TABLES}
        template = {
            table: base.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", [first.info.run_id]).fetchall()
            for table in _TABLES
        }
        for number in range(1, count):
            betas = tuple(float(f"{10**place:.4g}") for place in chance.uniform(-1, 1, 2))
            config = TrainConfig.from_flat(BASE.to_flat() | {"beta_1": betas[0], "beta_2": betas[1]})
            own: dict[str, Any] = {Tag.CONFIG_HASH: config.identity(DIGEST)}
            own |= beta_numbers(betas) | surface.at(betas)
            run_id = uuid.uuid4().hex
            for table, rows in template.items():
                fresh = [_fresh(dict(zip(columns[table], row, strict=True)), run_id, own, number) for row in rows]
                marks = ",".join("?" * len(columns[table]))
                base.executemany(f"INSERT INTO {table} VALUES ({marks})", fresh)


def _fresh(row: dict[str, Any], run_id: str, own: dict[str, Any], number: int) -> list[Any]:
    row["run_uuid"] = run_id
    if "start_time" in row:
        row |= {"start_time": row["start_time"] - 10_000_000 + number, "end_time": row["end_time"] - 9_000_000 + number}
    elif "key" in row and row["key"] in own:
        row["value"] = own[row["key"]]
    return list(row.values())


def drivers() -> Iterator[tuple[str, Driver]]:
    """Every driver, and every sampler with the objectives that it can take."""
    grid = BetaGrid.parse({1: "0.1:10:21", 2: "0.1:10:21"}, 2, (1.0, 1.0))
    start = BetaGrid(((1.0,), (1.0,)))
    asked: list[tuple[str, str, BetaGrid, dict[str, Any]]] = [
        ("grid", "grid", grid, {}),
        ("grid in a region", "grid", grid, {"region": _REGION}),
        ("coverage over rates", "coverage", start, {"region": _REGION, "hole": 0.05}),
        ("coverage over betas", "coverage", grid, {"region": _REGION, "hole": 0.05, "over": "betas"}),
        ("bayes gp, 1 objective", "bayes", grid, {"objectives": "test/psnr"}),
        ("bayes gp, 3 objectives", "bayes", grid, {"objectives": _OBJECTIVES}),
        ("bayes gp, 3, a region", "bayes", grid, {"objectives": _OBJECTIVES, "region": _REGION}),
        ("bayes cmaes", "bayes", grid, {"objectives": "test/psnr", "sampler": "cmaes"}),
    ]
    asked += [
        (f"bayes {name}, 3 objectives", "bayes", grid, {"objectives": _OBJECTIVES, "sampler": name})
        for name in ("tpe", "nsga2", "nsga3", "qmc", "random")
    ]
    for title, name, axes, options in asked:
        yield title, build_driver(Choice.check(name, ChoosingOptions(**options), BASE, axes, (0,)), DIGEST)


def measure(store: Store, repeats: int) -> None:
    """Print seconds, wall and CPU of this process: the first reading, a later one with a change, every proposal."""
    reader = HistoryReader(store, "hit")
    started = time.perf_counter()
    frame = reader.read()
    print(f"  {len(frame)} runs × {frame.shape[1]} columns; first reading {time.perf_counter() - started:.2f} s")
    run = store.client.create_run(
        frame["experiment_id"].iloc[0], tags={Tag.KIND: Kind.TRAIN, Tag.DATA_DIGEST: DIGEST, Tag.CONFIG_HASH: "new"}
    )
    reader.read()
    store.client.log_batch(run.info.run_id, [Metric("test/psnr", 20.0, 0, 0)])
    store.client.set_terminated(run.info.run_id)
    _print("reading what has changed", repeats, reader.read)
    frame = reader.read()
    for title, driver in drivers():
        _print(title, repeats, lambda driver=driver: driver.propose(frame, 1))  # type: ignore[misc]


def _print(title: str, repeats: int, act: Any) -> None:
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        act()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    print(f"  {title:28} {min(walls):6.3f} s wall, {min(cpus):6.3f} s CPU", flush=True)


def main() -> None:
    """Fill stores of several sizes and decide on them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="441,1000,10000")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--server", action="store_true")
    options = parser.parse_args()
    for count in map(int, options.runs.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "server.db"
            fill(f"sqlite:///{file}", file, count)
            print(f"{count} runs, {'a server over ' if options.server else ''}SQLite")
            if not options.server:
                measure(Store(f"sqlite:///{file}"), options.repeats)
                continue
            server = Server(Path(folder))
            server.start()
            try:
                measure(Store(server.uri), options.repeats)
            finally:
                server.stop()


if __name__ == "__main__":
    main()
