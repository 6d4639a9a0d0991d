"""Bits beside rates, layer by layer, and images a second against chains, of models of a store.

    python -m tests.benchmarks.coding RUN_ID ... --data_root DATA --images 10000 --chains 1,4,16,64

The first table codes test images without loss by each model and checks that they come back. A layer's bits stand
beside what log q − log p says of the very latents that were coded, and beside R_l, the mean of that given the layers
above. The second table is of the first model: images a second of this process's CPU time, networks and all.
"""

__all__ = ["main"]

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hit import data
from hit.coding import BitsBack, LosslessChunks, reproducible, reproducible_copy
from hit.config import TrainConfig
from hit.data import Dataset
from hit.evaluation.coding_metrics import code_test_set
from hit.serving.named_model import load_named
from hit.store import Store
from hit.store.whole_config import whole_config

_SMALL_CHUNK = 2000


def main() -> None:
    """Print both tables; nothing is asserted about time."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("models", nargs="+", help="run ids")
    options.add_argument("--data_root", default="")
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--chains", default="1,4,16,64")
    asked = options.parse_args()
    torch.set_num_threads(1)
    for run_id in asked.models:
        _layers(run_id, asked.data_root, asked.images)
    _speed(asked.models[0], asked.data_root, min(asked.images, _SMALL_CHUNK), asked.chains)


def _dataset(run_id: str, root: str) -> tuple[TrainConfig, Dataset]:
    store = Store()
    config = TrainConfig.from_flat(whole_config(store, store.run(run_id)))
    return config, data.load(config.dataset, root, config.crop)


def _layers(run_id: str, root: str, most: int) -> None:
    config, dataset = _dataset(run_id, root)
    model = load_named(run_id).model.cpu()
    table = code_test_set(model, dataset, most=most)
    count, nat = len(table.pixels), math.log(2)
    name = f"{config.model}, {config.likelihood}, {dataset.name}"
    print(f"\n{name}: {count} images, bits each")
    print(f"{'':8}{'coded':>10}{'same draws':>12}{'overhead':>10}{'R_l or D':>12}{'coded − R_l':>18}")
    parts = [
        (f"z_{layer}", table.latents[:, layer - 1], table.log_ratios[:, layer - 1], table.rates[:, layer - 1])
        for layer in range(model.layers, 0, -1)
    ]
    parts.append(("x", table.pixels, table.distortion, table.distortion))
    parts.append(("all", *(sum(part[at] for part in parts) for at in (1, 2, 3))))  # type: ignore[arg-type]
    for label, bits, draws, promised in parts:
        differences = bits - promised / nat
        error = differences.std() / math.sqrt(count)
        print(
            f"{label:8}{bits.mean():10.3f}{draws.mean() / nat:12.3f}{bits.mean() / draws.mean() * nat - 1:10.3%}"
            f"{promised.mean() / nat:12.3f}{differences.mean():10.3f} ± {error:.3f}"
        )
    print(f"initial bits {table.initial_bits / count:.3f} an image")


def _speed(run_id: str, root: str, count: int, chains: str) -> None:
    _, dataset = _dataset(run_id, root)
    model = load_named(run_id).model.cpu()
    coder = BitsBack(reproducible_copy(model))
    levels = coder.pixels.levels(model.prepare(dataset.test.head(count)))
    count = len(levels)
    print(f"\n{count} images of {dataset.name}, images a second and core")
    print(f"{'chains':>8}{'encode':>10}{'decode':>10}{'bits an image, initial ones and all':>40}")
    with reproducible():
        for number in map(int, chains.split(",")):
            chunks = LosslessChunks(coder, tuple(levels.shape[1:]), number)
            coded, encoding = _timed(lambda chunks=chunks: chunks.encode(levels))  # type: ignore[misc]
            back, decoding = _timed(lambda chunks=chunks, coded=coded: chunks.decode(coded.payload, count))  # type: ignore[misc]
            assert np.array_equal(back, levels)
            size = 8 * len(coded.payload) / count
            print(f"{number:8}{count / encoding:10.0f}{count / decoding:10.0f}{size:40.2f}")


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    return call(), time.process_time() - started


if __name__ == "__main__":
    main()
