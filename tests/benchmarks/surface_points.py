"""The objective of one surface at six β of the plane, beside its rates; prints, asserts nothing.

`python -m tests.benchmarks.surface_points --dataset binary_mnist --seed 0` takes some 11 minutes on one core of a
quiet machine. What a surface's training is made of can be changed, to see what it is good for.
"""

__all__ = ["main"]

import argparse
import time
from dataclasses import replace

import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.evaluation import evaluate_model
from hit.models import HierarchicalVAE, build_model
from hit.models.surface_model import condition_on_betas, fold
from hit.processes.setup import keep_freed_memory
from hit.training import beta_sampling, fit
from hit.training.loop import Epoch
from tests.benchmarks.leaning import Leaning, LeaningBeta
from tests.benchmarks.quick_evaluation import POINTS


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
    parser.add_argument("--kernels", type=int, default=2, help="of every layer, which β mix")
    parser.add_argument("--loss_power", type=float, default=beta_sampling.LOSS_POWER)
    parser.add_argument("--range_from", type=float, default=beta_sampling.RANGE_FROM)
    parser.add_argument("--widened_at", type=float, default=beta_sampling.WIDENED_AT)
    parser.add_argument("--ramp_share", type=float, default=beta_sampling.RAMP_SHARE)
    parser.add_argument("--ramp_steps", type=int, default=beta_sampling.RAMP_STEPS)
    parser.add_argument("--free_nats", type=float, default=beta_sampling.FREE_NATS)
    parser.add_argument("--train_images", type=int, default=0, help="the first so many; 0: all")
    parser.add_argument(
        "--top_power", type=float, default=beta_sampling.TOP_POWER, help="the density of log β_L is its place ** it"
    )
    parser.add_argument("--last_share", type=float, default=0.0, help="of the steps, in which half of β_L are strong")
    parser.add_argument("--dedicated", default="", help="β_1:β_2 with commas, of models that are trained beside it")
    options = vars(parser.parse_args())
    torch.set_num_threads(options.pop("threads"))
    keep_freed_memory()
    for name in ("range_from", "ramp_share", "ramp_steps", "free_nats"):
        setattr(beta_sampling, name.upper(), options.pop(name))
    leaning = Leaning(*(options.pop(name) for name in ("top_power", "last_share", "loss_power", "widened_at")))
    few, points, kernels = (options.pop(name) for name in ("train_images", "dedicated", "kernels"))
    config = TrainConfig.from_flat({**options, "schedule": "one_cycle"})
    dataset = data.load(config.dataset)
    if few:
        labels = dataset.train.labels
        dataset = replace(dataset, train=Split(dataset.train.head(few), None if labels is None else labels[:few]))
    for text in filter(None, points.split(",")):
        betas = tuple(map(float, text.split(":")))
        own = replace(config, betas=betas, learning_rate=1e-3)
        model = build_model(own, dataset.image_shape)
        fit(model, dataset.train, own)
        _tell("dedicated at ", model, dataset, betas)
    surface = condition_on_betas(build_model(config, dataset.image_shape), seed=config.seed, kernels=kernels)
    started = time.perf_counter()

    def tell(epoch: Epoch) -> None:
        rates = [epoch.metrics[f"train/rate_{layer}"] for layer in range(config.layers, 0, -1)]
        print(f"epoch {epoch.number}: D {epoch.metrics['train/distortion']:.2f}, rates {rates}", flush=True)

    policy = LeaningBeta(leaning, config, surface, dataset.train)
    fit(surface, dataset.train, config, policy=policy, on_epoch=tell)
    print(f"trained in {time.perf_counter() - started:.0f} s")
    for betas in POINTS:
        _tell("", fold(surface, betas), dataset, betas)


def _tell(what: str, model: HierarchicalVAE, dataset: Dataset, betas: tuple[float, ...]) -> None:
    found = evaluate_model(model, dataset, betas).metrics
    print(
        f"{what}β_1, β_2 = {betas[0]:g}, {betas[1]:g}: objective {found['test/objective']:.2f} "
        f"(R_2 {found['test/rate_2']:.2f}, R_1 {found['test/rate_1']:.2f}, D {found['test/distortion']:.2f})",
        flush=True,
    )


if __name__ == "__main__":
    main()
