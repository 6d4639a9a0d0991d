"""The objective of one surface at six β of the plane, beside its rates; prints, asserts nothing.

`python -m tests.benchmarks.surface_points --dataset binary_mnist --seed 0` takes 15 minutes on one core of a current
machine. What a surface's training is made of can be changed, to see what it is good for.
"""

__all__ = ["main"]

import argparse
import time

import torch

from hit import data
from hit.config import TrainConfig
from hit.evaluation import evaluate_model
from hit.models import build_model
from hit.models.surface_model import condition_on_betas, fold
from hit.processes.setup import keep_freed_memory
from hit.training import beta_sampling, fit
from hit.training.loop import Epoch

#: (β_1, β_2): the middle of the plane, its edges, and a point of weak β.
POINTS = ((1.0, 1.0), (0.1, 1.0), (1.0, 0.1), (5.0, 1.0), (1.0, 5.0), (0.3, 0.3))


def main() -> None:
    """Train one surface, fold it at every point, measure the test set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="binary_mnist")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--learning_rate", type=float, default=3e-3)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--likelihood", default="bernoulli")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loss_power", type=float, default=beta_sampling.LOSS_POWER)
    parser.add_argument("--range_from", type=float, default=beta_sampling.RANGE_FROM)
    parser.add_argument("--widened_at", type=float, default=beta_sampling.WIDENED_AT)
    parser.add_argument("--ramp_share", type=float, default=beta_sampling.RAMP_SHARE)
    parser.add_argument("--ramp_steps", type=int, default=beta_sampling.RAMP_STEPS)
    options = vars(parser.parse_args())
    torch.set_num_threads(options.pop("threads"))
    keep_freed_memory()
    for name in ("loss_power", "range_from", "widened_at", "ramp_share", "ramp_steps"):
        setattr(beta_sampling, name.upper(), options.pop(name))
    config = TrainConfig.from_flat({**options, "schedule": "one_cycle"})
    dataset = data.load(config.dataset)
    surface = condition_on_betas(build_model(config, dataset.image_shape), seed=config.seed)
    started = time.perf_counter()

    def tell(epoch: Epoch) -> None:
        rates = [epoch.metrics[f"train/rate_{layer}"] for layer in range(config.layers, 0, -1)]
        print(f"epoch {epoch.number}: D {epoch.metrics['train/distortion']:.2f}, rates {rates}", flush=True)

    fit(surface, dataset.train, config, on_epoch=tell)
    print(f"trained in {time.perf_counter() - started:.0f} s")
    for betas in POINTS:
        found = evaluate_model(fold(surface, betas), dataset, betas).metrics
        print(
            f"β_1, β_2 = {betas[0]:g}, {betas[1]:g}: objective {found['test/objective']:.2f} "
            f"(R_2 {found['test/rate_2']:.2f}, R_1 {found['test/rate_1']:.2f}, D {found['test/distortion']:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
