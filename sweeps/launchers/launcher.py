"""What every launcher is: a place where models are trained, a few at a time."""

__all__ = ["Launcher", "Training", "train", "watches_of"]

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from hit.config import TrainConfig
from hit.config.parts import DATASETS
from hit.config.paths import given_path
from hit.processes.attempts import Job, Outcome
from hit.processes.stop import StopRequest
from hit.schema.experiments import Experiment

if TYPE_CHECKING:
    from hit.training.loop import Epoch


@dataclass(frozen=True)
class Training:
    """One model to train, in a run that stands in the store already.

    Attributes:
        identity: config hash of the model.
        config: the model.
        run_id: the run; it goes on from its checkpoint if there is one where it is trained.
        experiment: the run's experiment.
        sweep: run id of the sweep.
        uri: address of the store.
        early_stopping: rules that end it early, as text (`hit.config.early_stopping`).
    """

    identity: str
    config: TrainConfig
    run_id: str
    experiment: str | Experiment
    sweep: str
    uri: str
    early_stopping: str = ""

    def job(self) -> Job:
        """The work for a process that can import this module."""
        arguments = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "identity"}
        return Job(self.identity, train, arguments)

    def placed(self) -> "Training":
        """The same with its paths as they are seen from any folder of this machine."""
        from hit.delivery.local_state import state_folder

        paths: dict[str, Any] = {"state_dir": str(state_folder(self.config))}
        root = self.config.data_root or os.environ.get("HIT_DATA") or "data"
        paths["data_root"] = str(given_path("data_root", root))
        if self.config.dataset not in DATASETS:
            dataset = given_path("dataset", self.config.dataset)
            if dataset.exists():  # else the name as typed says what was meant
                paths["dataset"] = str(dataset)
        return replace(self, config=replace(self.config, **paths))


class Launcher(ABC):
    """Trains models, each in its run, and tells how they fare. A context manager: leaving it stops what still runs.

    Wherever it trains them, a sweep comes to the same runs: a model is trained by `hit.runs.training_run.train_run`,
    which leaves it to another process that has the better claim to it.
    """

    @property
    @abstractmethod
    def free(self) -> int:
        """How many more models it would take now.

        It may be 0 for a moment after the last model has ended: `outcomes` is asked until it is not.
        """

    @abstractmethod
    def submit(self, training: Training) -> None:
        """Begin to train a model; `free` must not be 0."""

    @abstractmethod
    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        """What there is to tell, after waiting for it at most `timeout` seconds.

        Every model that was submitted comes to one outcome whose state is not `progress`, whatever happens: a
        process that dies without a word is told as `lost`.
        """

    @abstractmethod
    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """End what still runs, each as KILLED with its checkpoint, leave no process behind; how each ended.

        Args:
            hurried: asked meanwhile whether it is to be done at once (a second Ctrl-C).
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def train(
    *,
    config: TrainConfig,
    run_id: str,
    experiment: str | Experiment,
    sweep: str,
    uri: str,
    early_stopping: str,
    stop: StopRequest,
    tell: Callable[[str, int], None],
) -> str:
    """Train one model (`hit.runs.training_run.train_job`), watched by the rules that may end it early; its run's id."""
    # In the worker: torch and MLflow take seconds to import.
    from hit.runs.model_run import RunRequest
    from hit.runs.training_run import train_job

    (watch,) = watches_of(early_stopping, [config], experiment, uri)
    return train_job(
        config=config,
        request=RunRequest(experiment=experiment, run_id=run_id, sweep=sweep, exclusive=True),
        uri=uri,
        stop=stop,
        tell=tell,
        watch=watch,
    )


def watches_of(
    early_stopping: str, configs: Sequence[TrainConfig], experiment: str | Experiment, uri: str
) -> "list[Callable[[str, Epoch], None]]":
    """What the runs of comparable models are to show every epoch to: the rules that may end them early."""
    from hit.config.early_stopping import EarlyStopping
    from hit.runs.pruning import PrunerStopper, early_stopper
    from hit.store import Store

    if not early_stopping:
        return [lambda run_id, epoch: None for _ in configs]
    rules = EarlyStopping.parse(early_stopping, configs[0].layers)
    shared = PrunerStopper(rules.pruner, configs[0], experiment, lambda: Store(uri)) if rules.pruner else None
    return [early_stopper(rules, config, experiment, uri, shared) for config in configs]
