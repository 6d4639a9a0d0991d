"""How near trained models come to their rate targets, and whether fixed β repeat them; prints, asserts nothing.

`python -m tests.benchmarks.rate_targets --dataset digits` takes minutes, `binary_mnist` hours on two cores.
"""

__all__ = ["main"]

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset
from hit.evaluation import evaluate_model
from hit.models import HierarchicalVAE, build_model
from hit.training import fit

#: Data set → targets of R_2 and of R_1 whose products are visited, nats, and how models of it are trained.
PROTOCOLS = {
    "digits": ((5, 10, 20, 40), (8, 15, 30, 50, 80), {"batch_size": 32, "learning_rate": 3e-3, "epochs": 60}),
    "binary_mnist": (
        (5, 10, 20, 40),
        (5, 10, 20, 30, 60),
        {"batch_size": 128, "learning_rate": 3e-3, "epochs": 20},
    ),
}
_COMPARED = ("rate_2", "rate_1", "distortion", "objective")


def train(dataset: Dataset, config: TrainConfig) -> tuple[dict[str, float], tuple[float, ...]]:
    """Core metrics of a model trained with this config, and the β that it ended with."""
    return train_on(build_model(config, dataset.image_shape), dataset, config)


def train_on(
    model: HierarchicalVAE, dataset: Dataset, config: TrainConfig, after: Callable[[], None] = lambda: None
) -> tuple[dict[str, float], tuple[float, ...]]:
    """The same of a model as it is; `after` is called between training and measuring."""
    fitted = fit(model, dataset.train, config)
    after()
    return evaluate_model(model, dataset, fitted.betas).metrics, fitted.betas


def told(found: dict[str, float], controlled: dict[str, float]) -> str:
    """How far each number is from the controlled model's, relative to it."""
    return " ".join(f"{name} {found[f'test/{name}'] / controlled[f'test/{name}'] - 1:+.4f}" for name in _COMPARED)


def main() -> None:
    """Train to every target; then train some again at the β that they ended with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", choices=PROTOCOLS, default="digits")
    parser.add_argument("--schedule", default="one_cycle")
    parser.add_argument("--epochs", type=int, default=0, help="0: as the data set has it")
    parser.add_argument("--learning_rate", type=float, default=0.0, help="0: as the data set has it")
    parser.add_argument("--targets", default="", help="R_2:R_1 with commas; empty: twenty of the data set")
    parser.add_argument("--part", default="0/1", help="k/n: every n-th target from the k-th on, to share the work")
    parser.add_argument("--repeated", type=int, default=5, help="how many are trained again at fixed β; 0: none")
    parser.add_argument("--continued", type=int, default=0, help="epochs for which those are trained on at fixed β")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = data.load(options.dataset)
    top, bottom, protocol = PROTOCOLS[options.dataset]
    chosen = {name: value for name in ("epochs", "learning_rate") if (value := getattr(options, name))}
    base = TrainConfig.from_flat({"dataset": options.dataset, "schedule": options.schedule, **protocol, **chosen})
    targets = [(float(r2), float(r1)) for r2 in top for r1 in bottom]
    if options.targets:
        targets = [(float(r2), float(r1)) for r2, _, r1 in (text.partition(":") for text in options.targets.split(","))]
    first, parts = map(int, options.part.split("/"))
    targets = targets[first::parts]
    every = max(1, len(targets) // max(1, options.repeated or 5))
    errors: list[float] = []
    for number, (r2, r1) in enumerate(targets):
        started = time.perf_counter()
        config = TrainConfig.from_flat(base.to_flat() | {"target_rate_2": r2, "target_rate_1": r1})
        model = build_model(config, dataset.image_shape)
        controlled, betas = train_on(model, dataset, config)
        missed = config.targets.relative_errors("test", controlled)
        errors += map(abs, missed.values())
        print(
            f"R_2 {r2:5g} R_1 {r1:5g}  errors {missed['test/rate_error_2']:+.3f} {missed['test/rate_error_1']:+.3f}  "
            f"D {controlled['test/distortion']:.2f}  β_2 {betas[1]:.4g} β_1 {betas[0]:.4g}  "
            f"{time.perf_counter() - started:.0f} s",
            flush=True,
        )
        if number % every:
            continue
        if options.continued:
            rest = replace(base, betas=betas, epochs=options.continued, schedule="cosine", learning_rate=3e-4)
            found, _ = train_on(model, dataset, rest)
            print(f"    trained on at the same β, fixed: {told(found, controlled)}", flush=True)
        if options.repeated:
            for seed in (base.seed, base.seed + 1):  # how much one seed differs from another is the least to expect
                fixed, _ = train(dataset, replace(base, betas=betas, seed=seed))
                print(f"    the same β, fixed, seed {seed}: {told(fixed, controlled)}", flush=True)
    print(f"{len(targets)} targets: median error {statistics.median(errors):.2%}, worst {max(errors):.2%}")


if __name__ == "__main__":
    main()
