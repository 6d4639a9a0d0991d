"""ELBO of `deep` beside `ghvae` of about as many parameters, with rates, time and memory; prints, asserts nothing.

`HIT_DATA=PATH python -m tests.benchmarks.deep_elbo` takes some minutes on a core; `--dataset FOLDER` is of colour
images. Lines that are in the file `--done` are not measured again.
"""

__all__ = ["main"]

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.models import build_model
from tests.benchmarks.rate_targets import train_on

#: About 125,000 parameters each.
MODELS: dict[str, dict[str, object]] = {
    "ghvae": {"model": "ghvae", "channels": 16},
    "deep": {"model": "deep", "channels": 32},
    "deep model.start_ratio=0.1": {"model": "deep", "channels": 32, "model.start_ratio": 0.1},
}
#: Of binary images, and of colours.
LIKELIHOODS: tuple[dict[str, object], ...] = (
    {"likelihood": "bernoulli"},
    {"likelihood": "gaussian", "sigma": 0.1},
)


def part_of(split: Split, count: int) -> Split:
    """Images at random, always the same."""
    chosen = torch.randperm(len(split.images), generator=torch.Generator().manual_seed(0))[:count]
    return Split(split.images[chosen], split.labels[chosen])


def measured(name: str, seed: str, options: argparse.Namespace) -> str:
    """A line of one model."""
    whole = data.load(options.dataset)
    dataset = Dataset("part", part_of(whole.train, options.images), part_of(whole.test, options.tested), whole.classes)
    flat: dict[str, object] = {"batch_size": 64, "learning_rate": options.learning_rate, "epochs": options.epochs}
    config = TrainConfig.from_flat({**flat, **LIKELIHOODS[dataset.image_shape[0] > 1], **MODELS[name], "seed": seed})
    model = build_model(config, dataset.image_shape)
    parameters = sum(one.numel() for one in model.parameters())
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew; Linux only
    before = _peak()
    steps = config.epochs * -(-len(dataset.train) // config.batch_size)
    started, spent = time.process_time(), [0.0, 0.0]

    def trained() -> None:
        spent[:] = time.process_time() - started, _peak() - before

    found, _ = train_on(model, dataset, config, after=trained)
    rates = ", ".join(f"{found[f'test/rate_{layer}']:.3g}" for layer in range(1, config.layers + 1))
    return (
        f"ELBO {found['test/elbo']:.1f}, D {found['test/distortion']:.1f}, R_1 … {rates}, {parameters} parameters, "
        f"{1e3 * spent[0] / steps:.0f} ms of a core a step, {spent[1]:.0f} MiB of training"
    )


def main() -> None:
    """Train all with every seed, each in a process of its own, whose memory is its alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="binary_mnist")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--tested", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--learning_rate", type=float, default=3e-3)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--done", type=Path, default=None, help="file with lines that were printed before")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        print(measured(options.one, options.seeds, options))
        return
    done = options.done.read_text() if options.done and options.done.exists() else ""
    for seed in options.seeds.split(","):
        for name in MODELS:
            label = f"{options.dataset}, {options.images} images, {options.epochs} epochs, {name}, seed {seed}:"
            if label in done:
                continue
            own = [sys.executable, "-m", "tests.benchmarks.deep_elbo", *sys.argv[1:], "--seeds", seed, "--one", name]
            line = f"{label} {subprocess.run(own, check=True, capture_output=True, text=True).stdout.strip()}"
            print(line, flush=True)
            if options.done:
                with options.done.open("a") as file:
                    file.write(line + "\n")


def _peak() -> float:
    """The most memory that this process has held, MiB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**10


if __name__ == "__main__":
    main()
