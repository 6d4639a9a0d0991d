"""Where the models of a sweep are trained: what a worker process does with a proposal."""

__all__ = ["train"]

from collections.abc import Callable
from typing import Any

from hit.stop import StopRequest


def train(*, stop: StopRequest, tell: Callable[[str, int], None], **arguments: Any) -> str:
    """Train one model (`hit.runner.train_run`); its run's id."""
    from hit.runner import train_run  # in the worker: torch and MLflow take seconds to import

    return train_run(**arguments, stop=stop, on_progress=lambda progress: tell(progress.doing, progress.epoch))
