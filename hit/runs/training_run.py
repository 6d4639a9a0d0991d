"""One model from config to measured run: data, training, evaluation, all in one run of the store."""

__all__ = ["RunProgress", "train_job", "train_run"]

from collections.abc import Callable
from typing import Any

from hit.config import TrainConfig
from hit.processes.stop import StopRequest
from hit.runs.model_run import RunRequest
from hit.runs.model_training import RunProgress, begin_training, load_data
from hit.runs.resuming import Longer
from hit.training import fit
from hit.training.loop import Epoch


def train_run(
    config: TrainConfig,
    request: RunRequest | None = None,
    *,
    uri: str | None = None,
    longer: Longer | None = None,
    watch: Callable[[str, Epoch], None] = lambda run_id, epoch: None,
    stop: StopRequest | None = None,
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> str:
    """Train and evaluate one model in one run; its id.

    Everything that can be wrong with the request is found before the run begins.

    Args:
        config: the model.
        request: which run of the store; None: a new one of the default experiment.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        longer: an interrupted run whose epochs are the first ones of this one.
        watch: shown every epoch (with the run's id) once its numbers are logged; raises `EndedEarly` to end the run.
        stop: told about by SIGTERM and Ctrl-C.
        on_progress: told after every epoch, and when the evaluation begins.

    Raises:
        UserError: the request is wrong, or the store does not answer.
        Claimed: the request is exclusive, and somebody else trains it; no run is left behind.
            `TakenOver`: this one was taken for lost.
        RunDeleted: somebody has deleted the run; its checkpoint is kept.
        Diverged: the loss is not finite; what was measured is kept.
        EndedEarly: `watch` says so; what was measured is kept.
        Interrupted: `stop` was requested; the checkpoint of the last whole epoch is kept.
    """
    stop, request = stop or StopRequest(), request or RunRequest()
    dataset, device = load_data(config)
    dataset.test.verify(stop.check)  # a training image shows in the first epoch, a test image would after the last
    stop.check()
    begun = begin_training(
        config,
        dataset,
        device,
        request,
        uri=uri,
        stop=stop,
        longer=longer,
        watch=watch,
        on_progress=on_progress,
    )
    with begun as training:
        fitted = fit(
            training.model,
            dataset.train,
            config,
            on_epoch=training.on_epoch,
            check=training.run.check,
            checkpoint=training.checkpoint,
            identity=training.identity,
        )
        training.measure(fitted)
    return training.run.run_id


def train_job(*, stop: StopRequest, tell: Callable[[str, int], None], **arguments: Any) -> str:
    """`train_run` as work of `hit.processes.attempts.Job`; its run's id.

    Args:
        stop: told about by SIGTERM and Ctrl-C.
        tell: told what the run is doing, and how many epochs are done.
        arguments: the others of `train_run`.
    """
    return train_run(**arguments, stop=stop, on_progress=lambda progress: tell(progress.doing, progress.epoch))
