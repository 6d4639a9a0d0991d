"""What reading many runs costs, cold and again, with histories and a recommendation; prints, asserts nothing.

`python -m tests.benchmarks.query_speed` takes a few minutes, most of them to fill the stores; `--client` asks
MLflow's client as well, which takes a minute for 10,000 runs. CPU is that of this process; memory is its peak beyond
what it held with everything imported.
"""

__all__ = ["main"]

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import analysis
from hit.store import Store
from tests.many_runs import fill_store


def measure(uri: str, client: bool) -> None:
    """Print a line for each thing that is done to a store; in a process of its own, whose peak is then its own."""
    store = Store(uri)
    store.experiments()
    if client:
        store.__dict__["_tables"] = None
        _told("cold, by MLflow's client", lambda: store.history("hit"))
        return
    store.states("none")  # loads MLflow's tables
    query = analysis.Query("hit", tracking_uri=uri)
    frame = _told("cold", query.runs)
    print(f"    {len(frame)} runs × {frame.shape[1]} columns, {frame.memory_usage(deep=True).sum() / 2**20:.0f} MB")
    _told("again, nothing has changed", query.runs)
    for run_id in frame["run_id"][:3]:
        store.client.log_metric(run_id, "test/psnr", 20.0, step=1)
    _told("again, 3 runs have changed", query.runs)
    _told("filtered", lambda: analysis.runs("hit", "metrics.beta_1 < 1 and params.model = 'ghvae'", uri))
    history = _told("histories of 5 metrics", lambda: analysis.histories(frame, (), uri))
    print(f"    {len(history)} rows")
    _told("recommend", lambda: analysis.recommend(frame, "compression where test/rate<=60"))


def _told(what: str, do: Callable[[], Any]) -> Any:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    found = do()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"  {what:28} {cpu:6.2f} s CPU {wall:6.2f} s wall  +{grown:.0f} MB", flush=True)
    return found


def main() -> None:
    """Fill stores and measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, nargs="+", default=[441, 5000, 10_000])
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--client", action="store_true")
    options.add_argument("--folder", type=Path, help="where stores are kept for the next time; else they are removed")
    asked = options.parse_args()
    apart = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch:
        for count in asked.runs:
            file = (asked.folder or Path(scratch)).absolute() / f"store{count}.db"
            if not file.exists():
                fill_store(f"sqlite:///{file}", count, epochs=asked.epochs)
            print(f"{count} runs, {file.stat().st_size / 2**20:.0f} MB", flush=True)
            for client in (False, True)[: 1 + asked.client]:
                process = apart.Process(target=measure, args=(f"sqlite:///{file}", client))
                process.start()
                process.join()


if __name__ == "__main__":
    main()
