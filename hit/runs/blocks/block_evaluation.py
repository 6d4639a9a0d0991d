"""The evaluation of a block: one model at a time has the device, processes beside it measure and draw latents."""

__all__ = ["measure_all", "processes_beside"]

import contextlib
import itertools
import json
import queue
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hit.config import TrainConfig
from hit.distributions import DiagonalGaussian
from hit.errors import Interrupted
from hit.errors.run_outcomes import RunOutcome
from hit.evaluation.latent_plots import HERE, LatentWork, save_scatter
from hit.evaluation.latents import LabelInformation, Layer, MeasuredLayer, measure_latents
from hit.metrics import Projection
from hit.processes.attempts import Job, Outcome
from hit.processes.pool import WorkerPool
from hit.processes.stop import StopRequest
from hit.schema.metric_groups import parse_groups

_POLL_SECONDS = 0.2
#: Fewer processes are not worth their start.
_FEWEST = 4


def processes_beside(config: TrainConfig, device: torch.device, members: int) -> int:
    """How many processes measure and draw latents beside the device; 0: none, it is done where the models are.

    Args:
        config: of any of the models.
        device: of the models; where it is the CPU itself, nothing is beside it.
        members: how many models are measured.
    """
    threads = torch.get_num_threads()
    wanted = "latents" in parse_groups(config.metrics) and members > 1 and device.type != "cpu"
    return threads if wanted and threads >= _FEWEST else 0


def measure_all(
    works: Sequence[Callable[[LatentWork], None]], *, processes: int, stop: StopRequest
) -> Generator[tuple[int, Callable[[], None]], None, None]:
    """Do the work of each model; its index, and what returns or raises what came of it, in the order in which they end.

    Args:
        works: each measures one model, and is given who measures and draws its latents.
        processes: that do so (`processes_beside`); 0: it is done here, one model after the other.
        stop: told about by SIGTERM and Ctrl-C.

    Raises:
        Interrupted: `stop` was requested.
    """
    if not processes:
        for index, work in enumerate(works):
            stop.check()
            yield index, lambda work=work: work(HERE)  # type: ignore[misc]
        return
    beside = _Beside(processes)
    threads = ThreadPoolExecutor(processes + 1, "measure")
    try:
        left = {threads.submit(beside.with_device, work): index for index, work in enumerate(works)}
        while left:
            stop.check()
            beside.listen(_POLL_SECONDS)
            for done in [one for one in left if one.done()]:
                yield left.pop(done), done.result
    finally:
        with stop.whole(ends=True):
            beside.closed.set()
            threads.shutdown(cancel_futures=True)
            beside.stop()


class _Beside:
    """Worker processes for latents, and a device that one thread at a time has.

    Args:
        processes: how many, of one CPU thread each.
    """

    def __init__(self, processes: int) -> None:
        self._pool = WorkerPool(processes, 1)
        self._device = threading.Lock()
        self._asked: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._answers: dict[str, Future[Outcome]] = {}
        self._numbers = itertools.count(1)
        #: Nobody waits for an answer any more.
        self.closed = threading.Event()

    def with_device(self, work: Callable[[LatentWork], None]) -> None:
        """Do the work of one model, in a thread of its own."""
        with self._device:
            work(LatentWork(self._measure_layer, self._draw))

    def listen(self, timeout: float) -> None:
        """Hand on what was asked for, and the answers; in the thread that made this."""
        with contextlib.suppress(queue.Empty):
            while self._pool.free:
                self._pool.submit(self._asked.get_nowait())
        for outcome in self._pool.outcomes(timeout):
            if outcome.is_last:
                self._answers.pop(outcome.job.identity).set_result(outcome)

    def stop(self) -> None:
        """Leave no process behind."""
        self._pool.stop(lambda: True)

    def _measure_layer(
        self, layer: Layer, labels: Tensor | None, classes: int, check: Callable[[], None] = lambda: None
    ) -> MeasuredLayer:
        """As `measure_latents`, by another process."""
        said = self._by_another(_measure, _layer_arguments(layer, labels, classes), check)
        if said is None:  # what is wrong shows here, if anything
            return measure_latents(layer, labels, classes, check)
        told = json.loads(said)
        return MeasuredLayer(told["metrics"], _projection(told["coordinates"], told["shares"]))

    def _draw(self, projections: Mapping[int, Projection], labels: Tensor | None, path: Path) -> Path:
        """As `save_scatter`, by another process."""
        layers = {number: (one.coordinates, one.shares) for number, one in projections.items()}
        arguments = {"layers": layers, "labels": _numbers(labels), "path": path}
        return path if self._by_another(_draw, arguments) is not None else save_scatter(projections, labels, path)

    def _by_another(
        self, work: Callable[..., str], arguments: dict[str, Any], check: Callable[[], None] = lambda: None
    ) -> str | None:
        """What another process says of work, while other threads have the device; None where it failed or died."""
        job = Job(str(next(self._numbers)), work, arguments)
        answer = self._answers[job.identity] = Future()
        self._asked.put(job)
        self._device.release()
        try:
            while not wait_for([answer], _POLL_SECONDS).done:
                check()
                if self.closed.is_set():
                    raise Interrupted(15)
        finally:
            self._device.acquire()
        outcome = answer.result()
        if outcome.state == RunOutcome.FINISHED:
            return outcome.text
        check()
        return None


def _numbers(tensor: Tensor | None) -> NDArray[Any] | None:
    """As an array, which goes from process to process as it is."""
    return None if tensor is None else tensor.cpu().numpy()


def _tensor(array: NDArray[Any] | None) -> Tensor | None:
    return None if array is None else torch.from_numpy(array)


def _projection(coordinates: Any, shares: Sequence[float]) -> Projection:
    return Projection(np.asarray(coordinates, np.float64), tuple(shares))


def _layer_arguments(layer: Layer, labels: Tensor | None, classes: int) -> dict[str, Any]:
    """A layer as arrays: of what is known already, no more than that."""
    known, posterior = layer.information, layer.posterior
    parameters = None if known or posterior is None else [_numbers(one) for one in posterior.parameters]
    return {
        "number": layer.number,
        "top": layer.top,
        "rate": layer.rate,
        "means": _numbers(layer.means),
        "samples": _numbers(layer.samples),
        "parameters": parameters,
        "information": None if known is None else asdict(known),
        "labels": _numbers(labels),
        "classes": classes,
    }


def _measure(
    *,
    means: Any,
    samples: Any,
    parameters: Sequence[Any] | None,
    information: dict[str, Any] | None,
    labels: Any,
    classes: int,
    stop: StopRequest,
    tell: Callable[..., None],
    **known: Any,
) -> str:
    """`measure_latents` as work of a process."""
    layer = Layer(
        means=torch.from_numpy(means),
        posterior=None if parameters is None else DiagonalGaussian(*map(torch.from_numpy, parameters)),
        samples=torch.from_numpy(samples),
        information=None if information is None else LabelInformation(**information),
        **known,
    )
    told = measure_latents(layer, _tensor(labels), classes, stop.check)
    projection = {"coordinates": told.projection.coordinates.tolist(), "shares": told.projection.shares}
    return json.dumps({"metrics": told.metrics, **projection})


def _draw(*, layers: Mapping[int, Any], labels: Any, path: Path, stop: StopRequest, tell: Callable[..., None]) -> str:
    """`save_scatter` as work of a process."""
    return str(save_scatter({number: _projection(*one) for number, one in layers.items()}, _tensor(labels), path))
