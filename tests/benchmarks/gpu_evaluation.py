"""What evaluations take on whatever GPU is here: `python -m tests.benchmarks.gpu_evaluation`.

A pass over 10,000 test images by each model alone and by many together, as operators and milliseconds a model, and what
latents tell of labels on the device beside the CPU; by how much numbers differ. It takes about two minutes, needs
neither MLflow nor files, and writes a JSON file as it goes. Without a GPU it takes a few images and two tiny models.
"""

import argparse
import copy
import logging
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.evaluation.core_metrics import MeasuredPass, pass_over_test_set
from hit.evaluation.latents import label_information
from hit.models import HierarchicalVAE, build_model
from hit.processes.memory import free_memory, short_of_memory
from hit.training.lockstep.layers import STRATEGIES
from tests.benchmarks.gpu import Record, Task, images, tasks, wait

#: Models that are measured alone, whose mean counts.
_ALONE = 3
#: Models whose latents are kept, and points on which the CPU's information is compared.
_KEPT, _COMPARED = 16, 2000
#: Images that are on their way at once, where a step of training has fewer (`hit.runs.blocks.joint_passes`).
_IMAGES = 8000
_LIMIT = 355


class Operators(TorchDispatchMode):
    """Counts what is computed, each a kernel or more on a GPU; what looks at memory in another way is none."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not function.is_view
        return function(*args, **(kwargs or {}))


def main(arguments: Sequence[str] | None = None) -> dict[str, object]:
    """Measure; the numbers by name."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu_evaluation", description=__doc__)
    parser.add_argument("--output", default="gpu_evaluation.json", help="JSON file; empty: none")
    parser.add_argument("--cpu", action="store_true", help="the small form on the CPU, whatever is here")
    asked = parser.parse_args(arguments)
    record = Record(Path(asked.output) if asked.output else None)
    small = asked.cpu or not torch.cuda.is_available()
    device = torch.device("cpu" if small else "cuda")
    record.add("device", str(device), "the CPU, a small form" if small else torch.cuda.get_device_name(device))
    for task in tasks(small)[: 1 if small else None]:
        measure(task, device, record, points=40 if small else 10_000)
    return record.numbers


def measure(task: Task, device: torch.device, record: Record, points: int) -> None:
    """One data set."""
    test = images(task, torch.device("cpu"), points)
    labelled = Split(test.images, torch.arange(points) % 10).to(device)
    dataset = Dataset(task.name, Split(labelled.images[:20], labelled.labels[:20]), labelled, 10)
    models = models_of(task.config, dataset, max(task.members), device)
    alone = models[:_ALONE]
    for keep in (False, True):
        kept = ", latents kept" if keep else ""
        by_alone, seconds, count = timed(lambda keep=keep: [passed([one], dataset, keep) for one in alone], device)
        expected = [one for (one,) in by_alone]
        name = f"{task.name}{kept}"
        record.add(f"{name}/alone", seconds / len(alone), line(f"{name}: alone", seconds, count, len(alone)))
        for members in [one for one in task.members if one > 1 and (not keep or one <= _KEPT)]:
            for way in STRATEGIES:
                most = max(members * task.config.batch_size, _IMAGES)
                together(name, models[:members], dataset, keep, way, most, expected, record)
        if keep:
            information(task.name, expected[0], labelled, record)


def together(
    name: str,
    models: list[HierarchicalVAE],
    dataset: Dataset,
    keep: bool,
    way: str,
    most: int,
    expected: list[MeasuredPass],
    record: Record,
) -> None:
    """A pass of many models, computed in one way; twice, since kernels are chosen and loaded in the first."""
    device = dataset.test.device

    def work() -> None:
        stacked = STRATEGIES[way](models)
        passed(models, dataset, keep, stacked=stacked, most=most)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        found, seconds, count = timed(lambda: passed(models, dataset, keep, stacked=stacked, most=most), device)
        differences = [
            abs(one.core[metric] - own.core[metric]) / max(abs(own.core[metric]), 1e-3)
            for one, own in zip(found, expected, strict=False)
            for metric in ("test/rate_1", "test/rate", "test/distortion", "test/psnr")
        ]
        memory = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else math.nan
        text = line(f"{name}: {len(models)} {way}", seconds, count, len(models))
        numbers = {
            "seconds": seconds / len(models),
            "operators": count,
            "differ": max(differences),
            "gigabytes": memory,
        }
        record.add(f"{name}/{way}/{len(models)}", numbers, f"{text}, {memory:.1f} GB, differ by {max(differences):.1e}")

    if short := short_of_memory(work):
        record.add(f"{name}/{way}/{len(models)}", None, f"{name}: {len(models)} {way}: {short}")
    free_memory()


def information(name: str, one: MeasuredPass, test: Split, record: Record) -> None:
    """What each layer tells of labels, on the device with all points, and beside the CPU with some."""
    assert test.labels is not None
    labels = test.labels.cpu()
    for layer in one.layers:
        label_information(layer, labels, test.device)
        found, seconds, _ = timed(lambda layer=layer: label_information(layer, labels, test.device), test.device)
        few = copy.copy(layer)
        for field in ("means", "samples"):
            object.__setattr__(few, field, getattr(layer, field)[:_COMPARED])
        if layer.posterior is not None:
            parameters = (parameter[:_COMPARED] for parameter in layer.posterior.parameters)
            object.__setattr__(few, "posterior", type(layer.posterior)(*parameters))
        here, there = (label_information(few, labels[:_COMPARED], on) for on in (torch.device("cpu"), test.device))
        differ = {"monte carlo": abs(here.value - there.value), "ksg": abs((here.ksg or 0) - (there.ksg or 0))}
        text = f"{name}: information of z_{layer.number} ({layer.means.shape[1]} numbers): {seconds:.3f} s"
        record.add(
            f"{name}/information/{layer.number}", {"seconds": seconds, **differ}, f"{text}, nats differ by {differ}"
        )
        assert math.isfinite(found.value)


def models_of(config: TrainConfig, dataset: Dataset, members: int, device: torch.device) -> list[HierarchicalVAE]:
    """So many models, no two alike."""
    model = build_model(config, dataset.shape).eval().to(device)
    models = [copy.deepcopy(model) for _ in range(members)]
    source = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for one in models:
            for parameter in one.parameters():
                parameter.add_(0.01 * torch.randn(parameter.shape, generator=source, device=device))
    return models


def passed(models: list[HierarchicalVAE], dataset: Dataset, keep: bool, **options: Any) -> list[MeasuredPass]:
    """One pass."""
    return pass_over_test_set(models, dataset, [None] * len(models), keep=keep, **options)


def timed(work: Callable[[], Any], device: torch.device) -> tuple[Any, float, int]:
    """What it gives, its seconds, and operators of another time."""
    with Operators() as operators:
        work()
    wait(device)
    started = time.perf_counter()
    found = work()
    wait(device)
    return found, time.perf_counter() - started, operators.count


def line(what: str, seconds: float, count: int, members: int) -> str:
    """For people."""
    return f"{what}: {seconds / members * 1e3:.1f} ms and {count / members:.0f} operators a model"


if __name__ == "__main__":
    signal.alarm(_LIMIT)  # ends the process, whatever it waits for
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    main(sys.argv[1:])
