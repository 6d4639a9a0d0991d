"""The loop that fits one model for every β: as `hit.training`, with β drawn anew for every example."""

__all__ = ["draw_betas", "fit_surface", "raised", "reach"]

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from hit.checkpoint import checkpoint_extra, load_checkpoint, save_checkpoint
from hit.clipping import GradientClip
from hit.config import TrainConfig
from hit.data import LabelledImages, batches
from hit.errors import Diverged
from hit.models.conditioning import SurfaceModel
from hit.objective import gumbel_temperature, objective, warmup_factor
from hit.randomness import generator
from hit.schedules import apply_schedule
from hit.training import Epoch

#: An example's loss is divided by (mean β + 0.3)^p: D + Σ β_l R_l grows with β, and large β would drown small ones.
LOSS_OFFSET, LOSS_POWER = 0.3, 0.6
#: Training begins on this lowest share of the range of log β, and has widened to all of it after this share of steps.
#: Under strong β untrained layers collapse before they are of any use, and stay so at every β.
REACH_FROM, WIDENED_AT = 0.4, 0.2
#: Over this share of steps, and at most so many, rates are weighed by more and more of β, from nothing on: under weak
#: β, too, the top layer of untrained networks may be given up, before the layers below let anything of it through.
RAISED_AT, RAISED_STEPS = 0.1, 150


def fit_surface(
    model: SurfaceModel,
    train: LabelledImages,
    config: TrainConfig,
    *,
    on_epoch: Callable[[Epoch], None],
    check: Callable[[], None] = lambda: None,
    checkpoint: Path | None = None,
    identity: str = "",
) -> int:
    """Train `model` in place, from its checkpoint if there is one; which epoch it started after.

    Minimises the mean of (D + Σ β_l R_l) / (mean β + 0.3)^0.6 over images and over log β uniform in the model's
    range, by Adam on `config.schedule`, which peaks at `config.learning_rate`, with gradients clipped (`GradientClip`).
    An epoch is a function of (weights, optimiser, clip, seed, epoch): batches, crops, noise and β come from generators
    seeded with the last two, and the schedule is a function of the step, so that a resumed run equals an
    uninterrupted one.

    Args:
        model: on its device.
        train: on the same device.
        config: what to do; its betas are not used.
        on_epoch: told every finished epoch, before its checkpoint is written.
        check: called before every step; raises to stop.
        checkpoint: file to go on from and to write after every epoch.
        identity: hash that the checkpoint must carry.

    Raises:
        Diverged: the objective of an epoch is not finite.
        DataError: a streamed image cannot be read.
        CheckpointError: the checkpoint is damaged or of another model.
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    clip = GradientClip(model.parameters())
    finished = 0
    if checkpoint is not None and checkpoint.exists():
        finished = load_checkpoint(checkpoint, model, optimiser, identity=identity)
        clip.restore(checkpoint_extra(checkpoint))
    model.train()
    for epoch in range(finished, config.epochs):
        started = time.perf_counter()
        sums = _run_epoch(model, optimiser, clip, train, config, epoch, check)
        metrics = _epoch_metrics(sums / len(train))
        if (temperature := gumbel_temperature(config, epoch)) is not None:
            metrics["train/temperature"] = temperature
        metrics["train/seconds"] = time.perf_counter() - started
        if not math.isfinite(metrics["train/objective"]):
            raise Diverged(
                f"the training objective is not finite in epoch {epoch + 1} of {config.epochs} "
                f"(learning_rate {config.learning_rate:g}, β from {model.beta_low:g} to {model.beta_high:g})"
            )
        on_epoch(Epoch(epoch + 1, metrics))
        if checkpoint is not None:
            save_checkpoint(checkpoint, model, optimiser, epoch=epoch + 1, identity=identity, extra=clip.tensors())
    model.eval()
    return finished


def draw_betas(model: SurfaceModel, count: int, source: torch.Generator, reach: float = 1.0) -> Tensor:
    """β of the `count` examples of a batch, count × L, each log β_l uniform over the model's range.

    A Latin hypercube (https://doi.org/10.2307/1268522): of `count` equal parts of the range of log β_l every one holds
    one example, in an order drawn for every layer, so that batches differ less than independent draws would.

    Args:
        model: says the range.
        count: images of the batch.
        source: generator on the CPU.
        reach: the lowest share of the range of log β to draw from.
    """
    low, high = math.log(model.beta_low), math.log(model.beta_high)
    parts = torch.stack([torch.randperm(count, generator=source) for _ in range(model.layers)], 1)
    uniform = (parts + torch.rand(count, model.layers, generator=source)) / count
    return (low + (high - low) * reach * uniform).exp()


def reach(step: int, steps: int) -> float:
    """The share of the range of log β, from its low end up, that training draws from at `step` of `steps`.

    >>> [reach(step, 100) for step in (0, 10, 20, 99)]
    [0.4, 0.7, 1.0, 1.0]
    """
    return min(1.0, REACH_FROM + (1 - REACH_FROM) * step / (WIDENED_AT * steps))


def raised(step: int, steps: int) -> float:
    """The share of β that rates are weighed by at `step` of `steps`.

    >>> [raised(step, 100) for step in (0, 5, 10, 99)], raised(75, 10_000)
    ([0.0, 0.5, 1.0, 1.0], 0.5)
    """
    return min(1.0, step / min(RAISED_AT * steps, RAISED_STEPS))


def _run_epoch(
    model: SurfaceModel,
    optimiser: torch.optim.Optimizer,
    clip: GradientClip,
    train: LabelledImages,
    config: TrainConfig,
    epoch: int,
    check: Callable[[], None],
) -> Tensor:
    """Sums over the images of [objective, distortion, R_1, …, R_L]."""
    device = train.device
    order = torch.randperm(len(train), generator=generator("batches", config.seed, epoch))
    noise = generator("noise", config.seed, epoch, device)
    source = generator("betas", config.seed, epoch)
    warmth = warmup_factor(config, epoch)
    temperature = gumbel_temperature(config, epoch)
    sums = torch.zeros(2 + model.layers, dtype=torch.float64, device=device)
    crops = generator("crops", config.seed, epoch)
    pictures = batches(train, config.batch_size, order.to(device), crops=crops)
    steps = math.ceil(len(train) / config.batch_size)
    for step, images in enumerate(pictures, start=epoch * steps):
        check()
        apply_schedule(optimiser, config, step, config.epochs * steps)
        x = model.prepare(images)
        betas = draw_betas(model, len(x), source, reach(step, config.epochs * steps)).to(device)
        outcome = model(x, betas, model.noise(len(x), noise), temperature=temperature)
        weights = betas * (warmth * raised(step, config.epochs * steps))
        losses = objective(outcome, weights) / (betas.mean(1) + LOSS_OFFSET) ** LOSS_POWER
        optimiser.zero_grad(set_to_none=True)
        losses.mean().backward()
        clip.clip()
        optimiser.step()
        with torch.no_grad():
            sums += torch.stack([losses.sum(), outcome.distortion.sum(), *(rate.sum() for rate in outcome.rates)])
    return sums


def _epoch_metrics(means: Tensor) -> dict[str, float]:
    objective_mean, distortion, *rates = means.tolist()
    return {
        "train/objective": objective_mean,
        "train/distortion": distortion,
        "train/rate": sum(rates),
        "train/elbo": -distortion - sum(rates),
        **{f"train/rate_{layer}": rate for layer, rate in enumerate(rates, start=1)},
    }
