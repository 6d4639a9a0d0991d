"""What Ray must be and have: told before a sweep waits for it. No Ray is started."""

import signal
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hit.errors import ConfigError, Unavailable
from sweeps.launchers import check_launcher
from sweeps.launchers.ray_requirements import check_ray, check_resources, not_connected
from sweeps.spec.launch_options import RunningOptions
from tests.sweeps.launchers.test_launchers import needs_ray

pytestmark = needs_ray
_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of something that answers the first who comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(request.param)

        serving = threading.Thread(target=answer)
        serving.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        serving.join()


@pytest.mark.parametrize("answering", [b"HTTP/1.0 400 Bad request", b""], indirect=True)
def test_what_is_no_ray_is_told_at_once(answering: str) -> None:
    with pytest.raises(Unavailable, match=r"that of a Ray cluster that answers, got .*: what is there is not Ray"):
        check_ray(answering)


@pytest.mark.parametrize("answering", [_SETTINGS], indirect=True)
def test_the_client_of_ray_is_a_package_of_its_own(answering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.launchers.ray_requirements.importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"must be host:port, since ray:// needs .*pip install 'ray\[client\]'"):
        check_ray(f"ray://{answering}")


@pytest.mark.parametrize(("mode", "hinted"), [("", True), ("disabled", True), ("token", False)])
def test_that_a_cluster_may_ask_for_a_token_is_said(mode: str, hinted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a wrong token Ray says that it fails to connect, and no more."""
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    said = str(not_connected("head:6379", "Failed to connect"))
    assert "got 'head:6379': Failed to connect" in said
    assert ("export RAY_AUTH_MODE=token" in said) is hinted


@pytest.mark.parametrize(
    ("cpus", "gpus", "says"),
    [
        (1, 0.5, "gpus_per_run must be at most what this machine has, 0 GPUs, got 0.5"),
        (9, 0, "cpus_per_run must be at most what this machine has, 4 CPUs, got 9"),
    ],
)
def test_no_run_waits_for_what_this_machine_never_has(cpus: float, gpus: float, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_resources(cpus, gpus, [{"CPU": 4.0}], "this machine")
    check_resources(4, 1, [{"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}], "a node")


def test_a_gpu_to_share_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(ConfigError, match="share_gpus must be false where this machine has no GPU, got true"):
        check_launcher(RunningOptions(launcher="ray", share_gpus=True))


def test_sigterm_stays_with_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray takes it for itself, and whoever was asked to stop would end as failed."""
    import ray

    from sweeps.launchers.ray_cluster import RayLauncher

    def begin(**options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: None)

    actor = SimpleNamespace(remote=lambda: None)
    for name, stand_in in {
        "init": begin,
        "is_initialized": lambda: False,
        "remote": lambda **options: lambda kind: actor,
        "nodes": lambda: [{"Alive": True, "Resources": {"CPU": 1.0}}],
    }.items():
        monkeypatch.setattr(ray, name, stand_in)
    before = signal.getsignal(signal.SIGTERM)
    try:
        RayLauncher(1)
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, before)
