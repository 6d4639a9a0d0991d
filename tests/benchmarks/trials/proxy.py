"""A proxy before a tracking server that cuts, delays, refuses and answers wrongly, in a process of its own."""

__all__ = ["FAULTS", "Proxy"]

import http.client
import http.server
import multiprocessing
import random
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

#: What a request may meet.
FAULTS = (
    "cut before",
    "cut after",
    "half an answer",
    "delay",
    "500",
    "502 html",
    "503",
    "429",
    "200 html",
    "404 html",
    "slow",
    "down for a while",
    "401 for a while",
    "413 on artifacts",
    "all of them",
)


class Proxy:
    """Hands requests on to `target` ("127.0.0.1:port"); a share of them meets the fault.

    Args:
        target: host and port of the real server.
        fault: one of `FAULTS`.
        share: of the requests that meet it.
        seed: of the choice.
    """

    def __init__(self, target: str, fault: str, share: float = 0.5, seed: int = 0) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        context = multiprocessing.get_context("forkserver")
        self._process: BaseProcess = context.Process(target=_serve, args=(self._port, target, fault, share, seed))

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> "Proxy":
        self._process.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self
            time.sleep(0.05)
        raise RuntimeError("the proxy does not come up")

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.join()


def _serve(port: int, target: str, fault: str, share: float, seed: int) -> None:
    choose = _Choice(fault, share, seed)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: Any) -> None:
            pass

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            _meet(self, choose(self.path, self.command), lambda: _ask(target, self, body))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


class _Choice:
    """Which fault a request meets, '' for none; faults begin with the question that makes a run."""

    def __init__(self, fault: str, share: float, seed: int) -> None:
        self._fault = fault
        self._share = share
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._began = 0.0

    def __call__(self, path: str, command: str) -> str:
        with self._lock:
            if not self._began and not path.endswith("runs/create"):
                return ""
            self._began = self._began or time.monotonic()
            age = time.monotonic() - self._began
            if self._fault.endswith("for a while"):
                return self._fault if 0.5 < age < 9 else ""
            if self._fault == "413 on artifacts":
                return self._fault if command == "PUT" and "weights" in path else ""
            if self._rng.random() >= self._share:
                return ""
            if self._fault == "all of them":
                return self._rng.choice([name for name in FAULTS[:11] if name not in ("delay", "slow")])
            return self._fault


def _ask(
    target: str, handler: http.server.BaseHTTPRequestHandler, body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection(target, timeout=60)
    headers = {key: value for key, value in handler.headers.items() if key.lower() not in ("host", "connection")}
    connection.request(handler.command, handler.path, body, headers | {"Host": target})
    answer = connection.getresponse()
    data = answer.read()
    kept = [
        (key, value) for key, value in answer.getheaders() if key.lower() in ("content-type", "content-disposition")
    ]
    connection.close()
    return answer.status, kept, data


def _meet(
    handler: http.server.BaseHTTPRequestHandler,
    fault: str,
    ask: Callable[[], tuple[int, list[tuple[str, str]], bytes]],
) -> None:
    html = (502, [("Content-Type", "text/html")], b"<html><body>Bad gateway</body></html>")
    refusals = {
        "500": (500, [("Content-Type", "text/plain")], b"oops"),
        "502 html": html,
        "503": (503, [("Content-Type", "text/plain")], b"busy"),
        "429": (429, [("Content-Type", "text/plain")], b"slower"),
        "401 for a while": (401, [("Content-Type", "text/plain")], b"who are you"),
        "413 on artifacts": (413, [("Content-Type", "text/plain")], b"too large"),
        "200 html": (200, html[1], html[2]),
        "404 html": (404, [("Content-Type", "text/html")], b"<html>Not found</html>"),
    }
    if fault in ("cut before", "down for a while"):
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
        return
    if fault == "delay":
        time.sleep(1.0)
    status, headers, data = refusals[fault] if fault in refusals else ask()
    if fault == "cut after":
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
        return
    handler.send_response(status)
    for key, value in headers:
        handler.send_header(key, value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    if fault == "half an answer":
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
    elif fault == "slow":
        for start in range(0, len(data), 1 + len(data) // 5):
            handler.wfile.write(data[start : start + 1 + len(data) // 5])
            handler.wfile.flush()
            time.sleep(0.1)
    else:
        handler.wfile.write(data)
