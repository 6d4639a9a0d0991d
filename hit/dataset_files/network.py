"""Downloads by other libraries that do not wait: whether a server answers, and for how long it may be silent."""

__all__ = ["patient", "reach"]

import contextlib
import queue
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

#: Seconds in which a server must answer at all. Name servers and firewalls that say nothing cost more, one by one.
_ANSWERS = 6.0


def reach(urls: Sequence[str]) -> None:
    """Return as soon as one of these addresses is answered, with whatever it be.

    All are asked at once, through the proxies that the environment names.

    Raises:
        OSError: none is within 6 seconds.
    """
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    for url in urls:
        threading.Thread(target=_ask, args=(url, answers), daemon=True).start()
    deadline = time.monotonic() + _ANSWERS
    said = ""
    for _ in urls:
        try:
            said = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            said = f"timed out after {_ANSWERS:g} s"
            break
        if not said:
            return
    if urls:
        raise OSError(f"no answer from {' or '.join(dict.fromkeys(urlsplit(url).netloc for url in urls))}: {said}")


@contextlib.contextmanager
def patient(seconds: float) -> Iterator[None]:
    """Sockets that libraries open give up after so many seconds without a byte; else the kernel decides, in minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _ask(url: str, answers: "queue.SimpleQueue[str]") -> None:
    try:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "hit"})  # noqa: S310 - a constant
        with urllib.request.urlopen(request, timeout=_ANSWERS):  # noqa: S310
            answers.put("")
    except urllib.error.HTTPError as error:
        error.close()
        answers.put("")  # a refusal is an answer, too
    except urllib.error.URLError as error:
        answers.put(str(error.reason) or type(error).__name__)
    except Exception as error:  # whatever a server that is none says
        answers.put(str(error) or type(error).__name__)
