"""Ray's faults: a worker node that goes away, a head that does, an object store that is full."""

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hit.store import Store
from sweeps.launchers import Launcher
from tests.commands import SMALL, Commands, wait_until
from tests.slurm import free_ports
from tests.stores import new_database
from tests.sweeps.launchers.test_launchers import Place, hear, needs_ray

pytestmark = [pytest.mark.slow, needs_ray]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without CPUs, and one worker node."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80_000_000})
    ray.init(address=started.address, log_to_driver=False, configure_logging=False)
    yield started
    ray.shutdown()
    started.shutdown()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    new_database(tmp_path / "store.db")
    return Place(tmp_path, "ray")


def launcher() -> Launcher:
    from sweeps.launchers.ray_cluster import RayLauncher

    return RayLauncher(1, cpus=1)


def test_a_node_that_goes_away_loses_its_run_and_another_goes_on_with_it(cluster: Any, place: Place) -> None:
    node = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    training = place.training(replace(place.base, epochs=20))
    with launcher() as ray:
        ray.submit(training)
        hear(ray, lambda outcome: outcome.epoch >= 1)
        cluster.remove_node(node, allow_graceful=False)
        assert hear(ray, lambda outcome: outcome.state != "progress").state == "lost"
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
        ray.submit(training)
        assert hear(ray, lambda outcome: outcome.state != "progress").state == "finished"
    steps = [point.step for point in place.store.histories([training.run_id], ["train/objective"])]
    assert sorted(steps) == list(range(1, 21)), "no step is logged twice"


def test_a_full_object_store_stops_no_run(cluster: Any, place: Place) -> None:
    import numpy as np
    import ray as package

    cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    kept = [package.put(np.zeros(9_000_000, dtype=np.uint8)) for _ in range(8)]
    training = place.training(place.base)
    with launcher() as ray:
        ray.submit(training)
        assert hear(ray, lambda outcome: outcome.state != "progress").state == "finished"
    assert len(kept) == 8


@contextmanager
def head(port: int) -> Iterator[None]:
    """A head at a port, as `ray start` begins it; it goes with all that it has started, without a word."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ray") as folder:  # paths of sockets must be short
        agent = free_ports(1)[0]
        options = f"--head --block --port {port} --num-cpus 2 --include-dashboard=false --temp-dir {folder} "
        options += f"--object-store-memory 80000000 --dashboard-agent-listen-port {agent}"
        program = Path(sys.executable).with_name("ray")
        with (Path(folder) / "said.log").open("wb") as said:
            started = subprocess.Popen(
                [str(program), "start", *options.split()], stdout=said, stderr=said, start_new_session=True
            )
        try:
            yield
        finally:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def test_a_head_that_restarts_costs_a_sweep_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    commands = Commands(tmp_path)
    (port,) = free_ports(1)
    words = ["sweeps", *SMALL, "--epochs", "200", "--grid_1", "0.1:1:2", "--grid_2", "1", "--workers", "2"]
    words += ["--launcher", "ray", "--ray_address", f"127.0.0.1:{port}"]

    def begun() -> Any:
        return commands.start(*words, RAY_AUTH_MODE="disabled")

    with head(port):
        sweep = begun()
        commands.wait_for_epoch(2, sweep)
    said = tmp_path / "said.log"
    wait_until(lambda: "told" if "runs wait for their Ray cluster" in said.read_text() else "")
    known = set(commands.statuses())
    with head(port):
        commands.wait_for_epoch(20, sweep)
        os.kill(sweep.pid, signal.SIGTERM)
        assert sweep.wait() == 128 + signal.SIGTERM, "Ray does not take the signal for itself"
        assert "RUNNING" not in commands.statuses().values()
        sweep = begun()
        assert sweep.wait() == 0, said.read_text()
    models = Store(commands.uri).history("hit")
    assert list(models["status"]) == ["FINISHED"] * 2
    assert set(models["run_id"]) <= known, "they went on under their ids"
    for run_id in models["run_id"]:
        steps = Counter(point.step for point in Store(commands.uri).histories([run_id], ["train/objective"]))
        assert steps == dict.fromkeys(range(1, 201), 1), "no step is lost, none is logged twice"
