"""Worker processes that read image files, or crops of them, ahead of the training that asks for them."""

__all__ = ["Reader", "Request", "Sides", "height_and_width"]

import contextlib
import itertools
import math
import os
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Iterable, Iterator
from multiprocessing import parent_process
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hit.data.folders.decode import Pixels, read_colour, read_square
from hit.errors import DataError
from hit.processes.main_guard import GUARD, check_main_guard
from hit.processes.stop import signals_held_back

_CHUNK = 16  # images that a worker reads at a time, so that all of them work on one batch
_AHEAD_BYTES = 2**26  # of images that wait for training, by all workers together
_MOST_CHUNKS_AHEAD = 32  # a worker
_MOST_WORKERS = 16
_WATCH_SECONDS = 1.0

#: A file, and where along its longer side the crop lies (`hit.data.folders.decode.read_square`).
Request = tuple[str, float | None]
#: Side of the square crops of images, or height and width of images that are read whole, pixels.
Sides = int | tuple[int, int]

ItemT = TypeVar("ItemT")


class Reader:
    """Reads images in worker processes, which start with the first batch and are kept.

    Each has one thread. What waits for training is bounded: 64 MiB of images, however large the batches.
    Ctrl-C and SIGTERM are this process's affair: its workers hear neither, and end with it, however it ends.

    Args:
        sides: of the images.
        workers: how many processes; 0: this process reads; None: one for two of torch's threads where the
            CPU trains (whichever of the two is behind has the cores, the other sleeps), all but one of them
            where a GPU does; at least 1, at most 16.
    """

    def __init__(self, sides: Sides, workers: int | None = None) -> None:
        self._sides = sides
        self._workers = workers
        self._passes = 0
        self._chunks = _Chunks()
        # Not an attribute of its own: the workers stop once nothing refers to the loader.
        self._loaders: list[DataLoader[Any]] = []
        weakref.finalize(self, self._loaders.clear)

    def batches(self, requests: Iterable[Request], batch_size: int) -> Iterator[Tensor]:
        """Images of the files, in their order: uint8, B×3×H×W on the CPU; the last batch may be short.

        One pass at a time: a new one ends those before it.

        Raises:
            DataError: a file cannot be read (the message names it), or a worker died.
            UserError: the workers would run the script again that asks for them (`hit.processes.main_guard`).
        """
        self._passes += 1
        return self._run(_chunks_of_batches(requests, batch_size), batch_size, self._passes)

    def _run(self, chunks: Iterator[list[Request]], batch_size: int, number: int) -> Iterator[Tensor]:
        parts: list[Pixels] = []
        for part in self._read(chunks, number):
            if isinstance(part, str):
                raise DataError(part)
            parts.append(part)
            if sum(map(len, parts)) == batch_size:
                yield _assembled(parts)
                parts = []
        if parts:
            yield _assembled(parts)

    def _read(self, chunks: Iterator[list[Request]], number: int) -> Iterator[Pixels | str]:
        decoder = _Decoder(self._sides)
        workers = _suitable_workers() if self._workers is None else self._workers
        if workers == 0:
            yield from map(decoder.__getitem__, chunks)
            return
        if not self._loaders:
            check_main_guard("streaming images")
            self._loaders.append(self._start(decoder, workers))
        self._chunks.current = chunks
        with _lost_workers_told(self._loaders), _signals_kept_from_workers():
            parts = iter(self._loaders[0])
        while True:
            if number != self._passes:
                raise RuntimeError("expected one pass over streamed images at a time, got another before this ended")
            with _lost_workers_told(self._loaders):
                part = next(parts, None)
            if part is None:
                return
            yield part

    def _start(self, decoder: "_Decoder", workers: int) -> DataLoader[Any]:
        ahead = _AHEAD_BYTES // (workers * _CHUNK * 3 * math.prod(height_and_width(self._sides)))
        with warnings.catch_warnings(action="ignore"):  # torch counts CPUs, and advises
            return DataLoader(
                decoder,
                batch_size=None,
                sampler=self._chunks,
                num_workers=workers,
                persistent_workers=True,
                prefetch_factor=min(max(2, ahead), _MOST_CHUNKS_AHEAD),
                collate_fn=_unchanged,
                multiprocessing_context="spawn",  # a fork would copy the locks of MLflow's and torch's threads
                worker_init_fn=_begin,
                generator=torch.Generator(),  # leave the global one alone
            )


class _Chunks:
    """The sampler of a loader: what the present pass is to read. It runs in the main process."""

    current: Iterator[list[Request]] = iter(())

    def __iter__(self) -> Iterator[list[Request]]:
        return self.current


class _Decoder(Dataset[Any]):
    """From a chunk of requests to its pixels, n×3×H×W, or to what is wrong with a file.

    An exception would come back with the worker's stack in its text. Arrays go through a pipe: torch's
    tensors would go through /dev/shm, which containers make small.
    """

    def __init__(self, sides: Sides) -> None:
        self._sides = sides

    def __getitem__(self, chunk: list[Request]) -> Pixels | str:
        try:
            pixels = np.stack([self._read(path, position) for path, position in chunk])
        except DataError as error:
            return str(error)
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))

    def _read(self, path: str, position: float | None) -> Pixels:
        if isinstance(self._sides, int):
            return read_square(path, self._sides, position)
        return read_colour(path, *self._sides)


def height_and_width(sides: Sides) -> tuple[int, int]:
    """Of every image, pixels."""
    return (sides, sides) if isinstance(sides, int) else sides


def _chunks_of_batches(requests: Iterable[Request], batch_size: int) -> Iterator[list[Request]]:
    for batch in _pieces(requests, batch_size):
        yield from _pieces(batch, _CHUNK)


def _pieces(items: Iterable[ItemT], length: int) -> Iterator[list[ItemT]]:
    rest = iter(items)
    while piece := list(itertools.islice(rest, length)):
        yield piece


def _assembled(parts: list[Pixels]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts))


def _suitable_workers() -> int:
    threads = torch.get_num_threads()
    wanted = threads - 1 if torch.cuda.is_initialized() else threads // 2
    return min(max(1, wanted), _MOST_WORKERS)


@contextlib.contextmanager
def _signals_kept_from_workers() -> Iterator[None]:
    children = signal.getsignal(signal.SIGCHLD) or signal.SIG_DFL
    try:
        with signals_held_back():
            yield
    finally:
        # torch's handler raises wherever the main thread is when a worker dies; the next batch tells it as well.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, children)


@contextlib.contextmanager
def _lost_workers_told(loaders: list[DataLoader[Any]]) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        died = _what_workers_died_of(loaders)
        loaders.clear()  # new ones start with the next pass
        raise DataError(f"a process that reads images {died}: {' '.join(str(error).split())}") from None


def _what_workers_died_of(loaders: list[DataLoader[Any]]) -> str:
    iterator = loaders[0]._iterator if loaders else None
    codes = [worker.exitcode for worker in getattr(iterator, "_workers", ())]
    code = next(filter(None, codes), 0)
    if code == -signal.SIGKILL:
        return "was killed, perhaps for want of memory"
    if code < 0:
        return f"was killed by signal {-code}"
    if code > 0:
        return (
            f"ended with exit code {code} (its own words stand above), as it does where a script starts it by "
            f"statements that do not stand below `{GUARD}`"
        )
    return "could not be had"


def _begin(worker: int) -> None:
    """In a worker: end when the parent says so or is gone, also in the middle of a write to it."""
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=_watch, args=(parent.pid,), daemon=True).start()


def _watch(parent: int | None) -> None:
    while os.getppid() == parent:
        if not hasattr(signal, "sigtimedwait"):  # macOS
            time.sleep(_WATCH_SECONDS)
        elif (said := signal.sigtimedwait({signal.SIGTERM}, _WATCH_SECONDS)) and said.si_pid == parent:
            break  # SIGTERM is blocked, so that it ends a worker only where its parent sent it
    os._exit(0)


def _unchanged(part: Any) -> Any:
    return part
