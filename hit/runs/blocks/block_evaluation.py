"""The evaluation of a block: one model at a time has the device, processes beside it measure what latents tell."""

__all__ = ["measure_all", "processes_beside"]

import contextlib
import itertools
import json
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.distributions import DiagonalGaussian
from hit.errors import Interrupted
from hit.errors.run_outcomes import RunOutcome
from hit.evaluation.latents import LabelInformation, Layer, MeasuredLayer, MeasureLayer, measure_latents
from hit.metrics import Projection
from hit.processes.attempts import Job, Outcome
from hit.processes.pool import WorkerPool
from hit.processes.stop import StopRequest
from hit.schema.metric_groups import parse_groups

_POLL_SECONDS = 0.2
#: Fewer processes are not worth their start.
_FEWEST = 4


def processes_beside(config: TrainConfig, device: torch.device, members: int) -> int:
    """How many processes measure latents beside the device; 0: none, it is done where the models are.

    Args:
        config: of any of the models.
        device: of the models; where it is the CPU itself, nothing is beside it.
        members: how many models are measured.
    """
    threads = torch.get_num_threads()
    wanted = "latents" in parse_groups(config.metrics) and members > 1 and device.type != "cpu"
    return threads if wanted and threads >= _FEWEST else 0


def measure_all(
    works: Sequence[Callable[[MeasureLayer], None]], *, processes: int, stop: StopRequest
) -> Generator[tuple[int, Callable[[], None]], None, None]:
    """Do the work of each model; its index, and what returns or raises what came of it, in the order in which they end.

    Args:
        works: each measures one model, and is given what measures a layer of its latents.
        processes: that measure layers (`processes_beside`); 0: it is done here, one model after the other.
        stop: told about by SIGTERM and Ctrl-C.

    Raises:
        Interrupted: `stop` was requested.
    """
    if not processes:
        for index, work in enumerate(works):
            stop.check()
            yield index, lambda work=work: work(measure_latents)  # type: ignore[misc]
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
    """Worker processes for layers, and a device that one thread at a time has.

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

    def with_device(self, work: Callable[[MeasureLayer], None]) -> None:
        """Do the work of one model, in a thread of its own."""
        with self._device:
            work(self._measure_layer)

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
        """As `measure_latents`, by another process; meanwhile other threads have the device."""
        job = Job(str(next(self._numbers)), _work, _arguments(layer, labels, classes))
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
            told = json.loads(outcome.text)
            return MeasuredLayer(
                told["metrics"], Projection(np.array(told["coordinates"], np.float64), tuple(told["shares"]))
            )
        check()
        return measure_latents(layer, labels, classes, check)  # its process died: what is wrong shows here, if anything


def _arguments(layer: Layer, labels: Tensor | None, classes: int) -> dict[str, Any]:
    """A layer as arrays, which go from process to process as they are: of what is known already, no more than that."""
    known, posterior = layer.information, layer.posterior
    parameters = None if known or posterior is None else [one.numpy() for one in posterior.parameters]
    return {
        "number": layer.number,
        "top": layer.top,
        "rate": layer.rate,
        "means": layer.means.numpy(),
        "samples": layer.samples.numpy(),
        "parameters": parameters,
        "information": None if known is None else asdict(known),
        "labels": None if labels is None else labels.numpy(),
        "classes": classes,
    }


def _work(
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
    told = measure_latents(layer, None if labels is None else torch.from_numpy(labels), classes, stop.check)
    projection = {"coordinates": told.projection.coordinates.tolist(), "shares": told.projection.shares}
    return json.dumps({"metrics": told.metrics, **projection})
