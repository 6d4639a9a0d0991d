"""Fitting a model: Adam on the Lagrangian D + Σ β_l R_l, an epoch at a time, from its checkpoint on."""

__all__ = ["FitResult", "fit"]

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hit.config import TrainConfig
from hit.data import LabelledImages
from hit.errors import ConfigError
from hit.models import HierarchicalVAE
from hit.models.surface_model import SurfaceModel
from hit.processes.memory import memory_is_told
from hit.training.beta_policies import BetaPolicy
from hit.training.epoch_estimate import EpochEstimate
from hit.training.loop import Epoch, run_epochs
from hit.training.model_training import choose_training
from hit.training.rate_controller import RateController


@dataclass(frozen=True)
class FitResult:
    """What a training ended with, beside the model.

    Attributes:
        betas: β_1 … β_L: those of the config or, where rate targets moved them, those that they came to rest at;
            none for a surface, which is trained for all β.
        metrics: of the last epoch, in schema names (`train/…`); none where no epoch was left to train.
        controller: what moved β; None without rate targets.
    """

    betas: tuple[float, ...]
    metrics: dict[str, float] = field(default_factory=dict)
    controller: RateController | None = None


@memory_is_told
def fit(
    model: HierarchicalVAE | SurfaceModel,
    train: LabelledImages,
    config: TrainConfig,
    *,
    policy: BetaPolicy | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    check: Callable[[], None] = lambda: None,
    checkpoint: Path | None = None,
    identity: str = "",
) -> FitResult:
    """Train `model` in place, from its checkpoint if there is one; the β that it ended with, and its last epoch.

    A model of vectors takes means and standard deviations of the training set's features first.

    An epoch is a function of (weights, optimiser, β policy, seed, epoch): its batches, crops and noise come from
    generators seeded with the last two, and the step size is a function of the step, so that a resumed run equals an
    uninterrupted one. The sums of an epoch stay on the device and are read once, at its end; on a GPU its steps are
    captured as CUDA graphs and replayed (`CapturedTraining`). Where all epochs take minutes, a line tells how long
    (`EpochEstimate`).

    Args:
        model: on its device.
        train: on the same device.
        config: what to do.
        policy: says which β weigh the rates; None: `hit.training.beta_policies.choose_policy`.
        on_epoch: told every finished epoch, before its checkpoint is written.
        check: called before every step; raises to stop (`StopRequest.check`).
        checkpoint: file to go on from and to write after every epoch.
        identity: config hash that the checkpoint must carry.

    Raises:
        ConfigError: the model has other layers than the config, or is on another device than the images.
        Diverged: the objective of an epoch is not finite.
        OutOfMemory: batches do not fit into memory.
        DataError: a streamed image cannot be read, or vectors cannot be standardised.
        CheckpointError: the checkpoint is damaged or of another model.

    >>> from hit import data
    >>> from hit.models import build_model
    >>> config, digits = TrainConfig(channels=4, z_dims=(5,), epochs=1, batch_size=500), data.load("digits")
    >>> fitted = fit(build_model(config, digits.image_shape), digits.train, config)
    >>> fitted.betas, fitted.metrics["train/rate"] > 0
    ((1.0, 1.0), True)
    """
    if model.layers != config.layers:
        raise ConfigError(f"config must be of the model, which has {model.layers} layers, got {config.layers}")
    device = next(model.parameters()).device
    if device.type != train.device.type:
        raise ConfigError(f"model and images must be on one device, got {device} and {train.device}")
    training = choose_training(model, train, config, policy)
    finished = 0
    if checkpoint is not None and checkpoint.exists():
        finished = training.restore(checkpoint, identity)
    estimate = EpochEstimate(model, training.steps, config.epochs - finished)

    def run_epoch(epoch: int) -> dict[str, float]:
        return training.run_epoch(epoch, check, estimate.after_step)

    def end_epoch(epoch: Epoch) -> None:
        on_epoch(epoch)
        if checkpoint is not None:
            training.save(checkpoint, epoch.number, identity)

    model.train()
    metrics = run_epochs(
        range(finished, config.epochs),
        run_epoch,
        loss="train/objective",
        setting=f"learning_rate {config.learning_rate:g}, {training.policy}",
        on_epoch=end_epoch,
    )
    model.eval()
    return FitResult(training.policy.final_betas, metrics, training.controller)
