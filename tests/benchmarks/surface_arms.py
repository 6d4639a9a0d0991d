"""Surfaces trained in several ways beside the models that they stand for, all in lockstep on one GPU.

`python -m tests.benchmarks.surface_arms --data_root PATH --output FILE.json --seconds 170` trains the dedicated models
of six β and several seeds as one block, then surfaces of several arms and the same seeds as another, and prints by how
much the surfaces' objective D + Σ β_l R_l of binary MNIST's test set is above that of the dedicated models. It needs
no MLflow. The JSON file is written after every block; arms for which there is no time are left out, and said.
"""

__all__ = ["main"]

import argparse
import gzip
import json
import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from hit.config import TrainConfig
from hit.data import Split
from hit.errors import ConfigError
from hit.models import HierarchicalVAE, build_model
from hit.models.surface_model import ModulatedLayer, SurfaceModel, condition_on_betas, fold
from hit.training.lockstep import LockstepTraining, Member
from hit.training.lockstep.layers import STRATEGIES
from tests.benchmarks.gpu import Record
from tests.benchmarks.leaning import Leaning, LeaningBeta
from tests.benchmarks.quick_evaluation import POINTS, QuickEvaluation
from tests.benchmarks.surface_table import Found, gaps, point_name, table, worst_gap
from tests.benchmarks.timed_block import TimedBlock

#: The way that surfaces are trained, and others that lean to strong β_2 more, or less. Where time is short the last is
#: left out first.
ARMS = (
    "as_it_is",
    "last_share=0.2",
    "loss_power=0.4",
    "top_power=1",
    "last_share=0.5",
    "loss_power=0.4+last_share=0.2",
    "top_power=0",
)
#: Hidden numbers of the heads that condition layers on β.
_HEADS = "64:64"
#: Of the seconds, those that dedicated models may take.
_DEDICATED_SHARE = 0.6


@dataclass(frozen=True)
class Setting:
    """What all blocks share.

    Attributes:
        config: of a dedicated model, but for seed and β.
        seeds: of all arms.
        train, test: on the device.
        strategy: name of the way in which stacked layers are computed.
        record: tells and writes.
        seconds: that all of it may take.
    """

    config: TrainConfig
    seeds: tuple[int, ...]
    train: Split
    test: Split
    strategy: str
    record: Record
    seconds: float


def dedicated_models(setting: Setting) -> Found:
    """Trained at every point and seed; measured, by seed and point."""
    labels = [(f"seed {seed}", point_name(betas)) for seed in setting.seeds for betas in POINTS]
    configs = [replace(setting.config, seed=seed, betas=betas) for seed in setting.seeds for betas in POINTS]
    members = [Member(one, build_model(one, setting.train.shape).to(setting.train.device)) for one in configs]
    block = LockstepTraining(members, setting.train, strategy=STRATEGIES[setting.strategy])
    until = _DEDICATED_SHARE * setting.seconds
    timed = TimedBlock("dedicated models", block, labels, setting.record, until)
    timed.train()
    evaluation = QuickEvaluation(setting.test, members[0].model)
    found: Found = {}
    betas_of = {point_name(betas): betas for betas in POINTS}
    for (seed, point), model in timed.models().items():
        at_points = found.setdefault(seed.removeprefix("seed "), {})
        if model is not None:
            at_points[point] = evaluation.measure(model, betas_of[point])
    setting.record.add("dedicated", found, f"dedicated models: measured {_since(setting)}")
    return found


def surfaces(setting: Setting, arms: Sequence[str], heads: str) -> dict[str, Found]:
    """Trained in every way and by every seed, folded at every point; measured, by arm, seed and point."""
    labels = [(arm, str(seed)) for arm in arms for seed in setting.seeds]
    members, policies = [], []
    for arm, seed in labels:
        leaning = Leaning.of(arm)
        config = replace(setting.config, seed=int(seed), learning_rate=leaning.learning_rate or 3e-3)
        surface = condition_on_betas(build_model(config, setting.train.shape), seed=config.seed)
        if heads != _HEADS:
            set_heads(surface, [int(number) for number in heads.split(":")], config.seed)
        surface = surface.to(setting.train.device)
        members.append(Member(config, cast(HierarchicalVAE, surface)))  # trained by the same steps
        policies.append(LeaningBeta(leaning, config, surface, setting.train))
    block = LockstepTraining(members, setting.train, strategy=STRATEGIES[setting.strategy], policies=policies)
    timed = TimedBlock(f"surfaces, heads {heads}", block, labels, setting.record, setting.seconds)
    timed.train()
    evaluation = QuickEvaluation(setting.test, members[0].model)
    found: dict[str, Found] = {}
    for (arm, seed), model in timed.models().items():
        at_points = found.setdefault(arm, {}).setdefault(seed, {})
        if model is not None:
            for betas in POINTS:
                folded = fold(cast(SurfaceModel, model), betas)
                at_points[point_name(betas)] = evaluation.measure(folded, betas)
    setting.record.add(f"surfaces/{heads}", found, f"surfaces, heads {heads}: measured {_since(setting)}")
    return found


def set_heads(surface: SurfaceModel, hidden: Sequence[int], seed: int) -> None:
    """Condition every layer by heads with so many hidden numbers in place of those that it has.

    Args:
        surface: untrained; it is changed in place.
        hidden: numbers of every hidden layer.
        seed: of their weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in surface.modules():
            if isinstance(module, ModulatedLayer):
                numbers, layers = surface.layers, list[nn.Module]()
                for following in hidden:
                    layers += [nn.Linear(numbers, following), nn.SiLU()]
                    numbers = following
                last = nn.Linear(numbers, cast(nn.Linear, module.head[-1]).out_features)
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)
                module.head = nn.Sequential(*layers, last)


def read_binary_mnist(root: Path, images: int, tested: int) -> tuple[Split, Split]:
    """Training and test images, the first so many (0: all), as `hit.data` has them; needs no torchvision.

    Args:
        root: that holds `MNIST/raw`, with files as they are, or as they are downloaded (.gz).
        images: of the training set.
        tested: of the test set.
    """
    splits = []
    for part, count in (("train", images), ("t10k", tested)):
        path = root / "MNIST" / "raw" / f"{part}-images-idx3-ubyte"
        packed = path.with_name(f"{path.name}.gz")
        if not path.exists() and not packed.exists():
            raise ConfigError(f"data_root must hold MNIST/raw/{path.name}, as it is or as .gz, got {root}")
        whole = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
        sides = np.frombuffer(whole, ">i4", 4)[1:]
        levels = torch.from_numpy(np.frombuffer(whole, np.uint8, offset=16).reshape(sides)[:, None].copy())
        splits.append(Split(levels[: count or None].ge(128).to(torch.uint8).mul_(255)))
    return splits[0], splits[1]


def main(arguments: Sequence[str] | None = None) -> dict[str, object]:
    """Train and measure what there is time for; what was found by name."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.surface_arms", description=__doc__)
    parser.add_argument("--data_root", type=Path, required=True, help="folder that holds MNIST/raw")
    parser.add_argument("--output", type=Path, help="JSON file; none: it is not written")
    parser.add_argument("--seconds", type=float, default=math.inf, help="that training may take, in all")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--arms", default=",".join(ARMS), help="as_it_is, or fields of Leaning as top_power=1+…")
    parser.add_argument("--heads", default=_HEADS, help="with commas: hidden numbers of heads, a block each")
    parser.add_argument("--strategy", choices=STRATEGIES, default="unfolded")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--train_images", type=int, default=0, help="the first so many; 0: all")
    parser.add_argument("--test_images", type=int, default=0, help="the first so many; 0: all")
    parser.add_argument("--dedicated", type=Path, help="JSON file of an earlier run, whose dedicated models are taken")
    parser.add_argument("--cpu", action="store_true", help="whatever is here")
    asked = parser.parse_args(arguments)
    record = Record(asked.output)
    arms = asked.arms.split(",")
    try:
        for arm in arms:
            Leaning.of(arm)
        train, test = read_binary_mnist(asked.data_root, asked.train_images, asked.test_images)
        config = TrainConfig(
            dataset="binary_mnist",
            channels=asked.channels,
            epochs=asked.epochs,
            batch_size=asked.batch_size,
            learning_rate=1e-3,
            schedule="one_cycle",
            precision=asked.precision,
            metrics="core",
        )
    except ConfigError as error:
        parser.error(str(error))
    device = torch.device("cpu" if asked.cpu or not torch.cuda.is_available() else "cuda")
    train, test = (Split(split.images.to(device)) for split in (train, test))
    where = "the CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)
    told = {name: str(value) for name, value in vars(asked).items()} | {"torch": torch.__version__, "device": where}
    record.add("options", told, f"on {where}, torch {torch.__version__}, {len(train)} images, {len(test)} test images")
    seeds = tuple(int(seed) for seed in asked.seeds.split(","))
    setting = Setting(config, seeds, train, test, asked.strategy, record, asked.seconds)
    if asked.dedicated is not None:
        dedicated: Found = _json(asked.dedicated)["dedicated"]
        record.add("dedicated", dedicated, f"dedicated models of {asked.dedicated}")
    else:
        dedicated = dedicated_models(setting)
    setting = replace(setting, seeds=tuple(seed for seed in seeds if str(seed) in dedicated))
    for heads in asked.heads.split(","):
        if record.clock() < asked.seconds:
            found = surfaces(setting, arms, heads)
            found_gaps = gaps(found, dedicated)
            record.add(f"gaps/{heads}", found_gaps, "\n".join(["", *table(found, dedicated), ""]))
            arms = sorted(
                arms, key=lambda arm: worst_gap(found_gaps.get(arm, {}))
            )  # the next form begins with the best
        else:
            record.add(f"left out/{heads}", heads, f"there is no time for heads {heads}")
    return record.numbers


def _json(path: Path) -> dict[str, Found]:
    loaded: dict[str, Found] = json.loads(path.read_text())
    return loaded


def _since(setting: Setting) -> str:
    return f"{setting.record.clock():.0f} s after the beginning"


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    main(sys.argv[1:])
