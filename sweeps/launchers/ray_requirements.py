"""What `launcher=ray` needs: the package, a cluster that answers, and CPUs and GPUs that a run can have."""

__all__ = ["check_ray", "check_resources", "no_ray_cluster", "not_connected"]

import importlib.util
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from hit.errors import ConfigError, Unavailable

_ANSWER_SECONDS = 5.0
#: What a client of HTTP/2, which Ray speaks, begins with; the server answers by a frame of the same type, 4.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


def check_ray(address: str) -> Any:
    """The package `ray`, where it is installed and its cluster answers.

    Args:
        address: of the cluster: `host:port` of its head, or `ray://host:port`; empty for this machine alone.

    Raises:
        ConfigError: the address is none.
        Unavailable: Ray is not installed, or nothing answers there within seconds.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise Unavailable(
            "launcher=ray needs the package ray, which is not installed: pip install -e '.[ray]'"
        ) from None
    if not address:
        return ray
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.scheme not in ("", "ray"):
        raise ConfigError(f"ray_address must be host:port or ray://host:port, got {address!r}")
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") in ("", "0"):
                connection.sendall(_PREFACE)
                if connection.recv(9)[3:4] != _PREFACE[-6:-5]:
                    raise no_ray_cluster(address, "what is there is not Ray")
    except OSError as error:
        raise no_ray_cluster(address, error.strerror or str(error) or type(error).__name__) from None
    if parts.scheme and importlib.util.find_spec("grpc") is None:
        needs = "Ray's client, which is not installed (pip install 'ray[client]')"
        raise Unavailable(f"ray_address must be host:port, since ray:// needs {needs}, got {address!r}")
    return ray


def no_ray_cluster(address: str, why: str) -> Unavailable:
    """What is told of an address that cannot be connected to."""
    return Unavailable(f"ray_address must be that of a Ray cluster that answers, got {address!r}: {why}")


def not_connected(address: str, why: str) -> Unavailable:
    """What is told of a cluster that answers, but cannot be connected to: Ray does not say that it asks for a token.

    Args:
        address: of the cluster.
        why: what Ray says.
    """
    tokens = os.environ.get("RAY_AUTH_MODE") == "token"
    hint = "" if tokens else " (where it asks for a token: export RAY_AUTH_MODE=token, with the token of its head)"
    return no_ray_cluster(address, why + hint)


def check_resources(cpus: float, gpus: float, nodes: Sequence[Mapping[str, float]], where: str) -> None:
    """Whether a node has what a run takes.

    Args:
        cpus: of a run.
        gpus: of a run; of one that shares a GPU, 1.
        nodes: what each has, as Ray names it.
        where: which nodes these are, in words.

    Raises:
        ConfigError: none has so much.
    """
    for name, asked, kind in (("cpus_per_run", cpus, "CPU"), ("gpus_per_run", gpus, "GPU")):
        most = max((node.get(kind, 0) for node in nodes), default=0)
        if asked > most:
            raise ConfigError(f"{name} must be at most what {where} has, {most:g} {kind}s, got {asked:g}")
