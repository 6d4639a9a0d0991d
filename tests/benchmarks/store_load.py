"""How many trainings a store carries at once, and what their runs take: simulated writers; prints, asserts nothing.

    python -m tests.benchmarks.store_load

takes 4 minutes: 8 to 512 writers of an epoch a second, 12 s each, to a PostgreSQL and to a tracking server before it.
A writer does what `hit.delivery` does: what has come since is sent in one batch, a second after the last one at the
earliest, and the heart beats every 15 s. The store, the server and the writers share this machine.
"""

__all__ = ["main"]

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psutil
import sqlalchemy as sql
from mlflow import MlflowClient

from hit.connection import connect, experiment_id
from hit.delivery import HEARTBEAT_SECONDS
from hit.delivery.journal import Record
from hit.delivery.ownership import Ownership, ownership_tags
from hit.delivery.sender import send
from hit.schema import Kind, Tag, layer_metrics
from tests.many_runs import fill_store
from tests.postgres import Postgres, postgres
from tests.stores import ADMIN, Server

_PROCESSES = 4
#: What a model of two layers logs once an epoch.
NAMES = sorted(one.name for one in layer_metrics(2) if one.name.startswith("train/"))[:14]
_SAMPLE_RUNS = 4


@dataclass
class Told:
    """What the writers of a process saw.

    Attributes:
        latencies: seconds of every batch.
        requests: batches, and what beats ask.
        backlog: epochs that the store lacked at the end, of the writer that was behind most.
        failures: batches that the store did not take.
        epochs: that the store has.
    """

    latencies: list[float] = field(default_factory=list)
    requests: int = 0
    backlog: int = 0
    failures: int = 0
    epochs: int = 0


def _write(client: MlflowClient, run_id: str, first: float, seconds: float, told: Told, lock: threading.Lock) -> None:
    ownership, folder = Ownership(client, run_id), Path(tempfile.gettempdir())
    sent, beaten, end = 0, first, first + seconds
    time.sleep(max(0.0, first - time.time()))
    while (now := time.time()) < end:
        due = int(now - first) + 1
        records: list[Record] = [
            {"kind": "metric", "key": name, "value": float(step), "step": step, "time": int(1000 * (first + step))}
            for step in range(sent + 1, due + 1)
            for name in NAMES
        ]
        asked, failed = 0, 0
        try:
            if records:
                send(client, run_id, folder, records, set())
                sent, asked = due, 1
            took = time.time() - now
            if now - beaten > HEARTBEAT_SECONDS:
                ownership.beat()
                beaten, asked = now, asked + 2
        except Exception:
            took, failed = time.time() - now, 1
        with lock:
            told.latencies.append(took)
            told.requests += asked
            told.failures += failed
        time.sleep(max(0.0, now + 1.0 - time.time()))
    with lock:
        told.epochs += sent
        told.backlog = max(told.backlog, int(seconds) - sent)


def _process(uri: str, count: int, seconds: float, together: Barrier, answers: "Queue[Told]") -> None:
    client, told, lock = connect(uri), Told(), threading.Lock()
    home = experiment_id(client, "load")
    tags = {str(key): str(value) for key, value in ({Tag.KIND: Kind.TRAIN} | ownership_tags()).items()}
    run_ids = [str(client.create_run(home, tags=tags).info.run_id) for _ in range(count)]
    together.wait()
    begins = time.time()
    writers = [
        threading.Thread(target=_write, args=(client, run_id, begins + at / count, seconds, told, lock))
        for at, run_id in enumerate(run_ids)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    answers.put(told)


def _measure(uri: str, count: int, seconds: float, processes_of: dict[str, list[psutil.Process]]) -> str:
    apart = multiprocessing.get_context("fork")  # this process has no connection and no thread
    answers: Queue[Told] = apart.Queue()
    together = apart.Barrier(_PROCESSES + 1)
    shares = [len(range(at, count, _PROCESSES)) for at in range(_PROCESSES)]
    crowd = [apart.Process(target=_process, args=(uri, share, seconds, together, answers)) for share in shares]
    for one in crowd:
        one.start()
    processes_of = processes_of | {"writers": [psutil.Process(one.pid) for one in crowd]}
    together.wait()
    before = {name: _cpu(some) for name, some in processes_of.items()}
    time.sleep(seconds)
    busy = {name: (_cpu(some) - before[name]) / seconds for name, some in processes_of.items()}
    parts = [answers.get() for _ in crowd]
    for one in crowd:
        one.join()
    latencies = sorted(took for part in parts for took in part.latencies)
    p50, p95 = (latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.95))
    rows = sum(part.epochs for part in parts) * len(NAMES)
    return (
        f"{count:5} writers: {sum(part.requests for part in parts) / seconds:6.1f} requests/s, {rows / seconds:7.0f} "
        f"rows/s, p50 {1000 * p50:6.0f} ms, p95 {1000 * p95:6.0f} ms, behind by {max(p.backlog for p in parts)} epochs,"
        f" failed {sum(part.failures for part in parts)}; cores: "
        + ", ".join(f"{name} {max(0.0, share):.2f}" for name, share in busy.items())
    )


def _apart(uri: str) -> None:
    """Make MLflow's tables, in a process of its own: this one keeps no connection, to be forked."""
    maker = multiprocessing.get_context("fork").Process(target=connect, args=(uri,))
    maker.start()
    maker.join()


def _cpu(processes: list[psutil.Process]) -> float:
    """Seconds that they and those below them have computed."""
    total = 0.0
    for one in processes:
        try:
            for each in [one, *one.children(recursive=True)]:
                used = each.cpu_times()
                total += used.user + used.system
        except psutil.Error:
            continue
    return total


def _sample(database: Postgres, epochs: int) -> None:
    """What runs take on disk, by tables, from a few."""
    database.tell("CREATE DATABASE sample")
    uri = f"{database.address}/sample"
    connect(uri)
    tables = "SELECT relname, n_live_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables"
    engine = sql.create_engine(uri, poolclass=sql.NullPool)
    names = ("runs", "params", "tags", "latest_metrics", "metrics")

    def sizes() -> dict[str, int]:
        with engine.connect() as connection:
            return {name: int(size) for name, _, size in connection.execute(sql.text(tables))}

    def rows() -> dict[str, int]:
        with engine.connect() as connection:
            return {name: int(connection.scalar(sql.text(f"SELECT COUNT(*) FROM {name}"))) for name in names}

    before = sizes()
    fill_store(uri, _SAMPLE_RUNS, epochs=epochs)
    grown = {name: size - before[name] for name, size in sizes().items() if name in names}
    counted = rows()
    print(f"a run of {epochs} epochs:")
    for name in names:
        print(f"  {name:15} {counted[name] / _SAMPLE_RUNS:8.0f} rows {grown[name] / _SAMPLE_RUNS / 2**20:8.3f} MB")
    total, size = sum(counted.values()) / _SAMPLE_RUNS, sum(grown.values()) / _SAMPLE_RUNS
    print(f"10,000 of them: {1e4 * total / 1e6:.0f} million rows, {1e4 * size / 2**30:.1f} GB with indexes")


def main() -> None:
    """Measure both stores, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--writers", type=int, nargs="+", default=[8, 32, 128, 512])
    options.add_argument("--seconds", type=float, default=12.0, help="for which each number of writers writes")
    options.add_argument("--epochs", type=int, default=500, help="of the runs whose rows and bytes are counted")
    options.add_argument("--workers", type=int, default=1, help="processes of the server")
    asked = options.parse_args()
    os.environ |= {"MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "15", "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "0"}
    print(f"{len(NAMES)} metrics an epoch, {_PROCESSES} processes of writers, {os.cpu_count()} CPUs", flush=True)
    with tempfile.TemporaryDirectory() as folder, postgres() as database:
        database.tell("CREATE DATABASE team", "CREATE DATABASE accounts")
        uri = f"{database.address}/team"
        _apart(uri)
        of_database = [one for one in psutil.process_iter() if _is_postmaster(one, database)]
        print("PostgreSQL itself", flush=True)
        for count in asked.writers:
            print(_measure(uri, count, asked.seconds, {"PostgreSQL": of_database}), flush=True)
        server = Server(Path(folder) / "server", uri, f"{database.address}/accounts", workers=asked.workers)
        server.start()
        try:
            os.environ |= {"MLFLOW_TRACKING_USERNAME": ADMIN[0], "MLFLOW_TRACKING_PASSWORD": ADMIN[1]}
            print(f"a tracking server with accounts before it, of {asked.workers} processes", flush=True)
            of_both = {"PostgreSQL": of_database, "server": [psutil.Process(server.pid)]}
            for count in asked.writers:
                print(_measure(server.uri, count, asked.seconds, of_both), flush=True)
        finally:
            server.stop()
        _sample(database, asked.epochs)


def _is_postmaster(process: psutil.Process, database: Postgres) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "-p" in words and database.address.rpartition(":")[2] in words


if __name__ == "__main__":
    main()
