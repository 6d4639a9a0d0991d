"""Ray's faults: a worker node that goes away, a head that does, an object store that is full."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.launchers import Launcher
from tests.stores import new_database
from tests.sweeps.launchers.test_launchers import Place, hear, needs_ray

pytestmark = [pytest.mark.slow, needs_ray]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without CPUs, and one worker node."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
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
