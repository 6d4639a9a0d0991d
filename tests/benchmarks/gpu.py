"""Steps a second on whatever GPU is here, plain, captured and in lockstep: `python -m tests.benchmarks.gpu`.

It takes at most six minutes, prints every number as it is measured, and writes them to a JSON file as it goes, so that
a cut leaves what there is. It needs neither MLflow nor files: images of the shapes of MNIST and CIFAR-10 are made here.
Without a GPU it takes a few steps of tiny models.
"""

import argparse
import copy
import json
import logging
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from hit.config import TrainConfig
from hit.data import Split
from hit.models import build_model
from hit.processes.devices import select_device
from hit.training.lockstep import LockstepTraining, Member
from hit.training.lockstep.layers import STRATEGIES
from hit.training.model_training import PlainTraining
from tests.benchmarks.gpu_load import GpuLoad

_BINARY_MNIST = TrainConfig(channels=16, z_dims=(20,), batch_size=256, epochs=100, metrics="core")
_COLOUR = TrainConfig(channels=32, z_dims=(32,), batch_size=256, epochs=100, metrics="core", likelihood="gaussian")
#: Models of the paper's grid, images of MNIST's training set, and epochs that are extrapolated to.
_GRID, _IMAGES, _EPOCHS = 441, 60_000, 100
#: Seconds that a model takes to be built, about.
_TO_BUILD = 0.01
#: Seconds after which nothing more is begun.
_BUDGET = 300.0
#: Seconds after which all ends.
_LIMIT = 355


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes:
        name: for people.
        config: of all models, but for their seeds.
        shape: (C, H, W).
        members: how many models there are in lockstep, in turn.
        steps: that are timed.
    """

    name: str
    config: TrainConfig
    shape: tuple[int, int, int]
    members: tuple[int, ...]
    steps: int


def tasks(small: bool) -> list[Task]:
    """Both data sets, or their small forms."""
    if small:
        return [
            Task("binary MNIST, small", replace(_BINARY_MNIST, channels=2, batch_size=8), (1, 28, 28), (1, 2), 1),
            Task("colour, small", replace(_COLOUR, channels=2, batch_size=8), (3, 32, 32), (2,), 1),
        ]
    return [
        Task("binary MNIST, c = 16", _BINARY_MNIST, (1, 28, 28), (1, 16, 64, 128, _GRID), 20),
        Task("colour, c = 32", _COLOUR, (3, 32, 32), (1, 16, 64, 128, _GRID), 10),
    ]


class Record:
    """What was measured, printed and written as it comes.

    Args:
        path: of the JSON file; None: it is not written.
    """

    def __init__(self, path: Path | None) -> None:
        self.numbers: dict[str, object] = {}
        self._path, self._started = path, time.monotonic()

    def clock(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    def add(self, name: str, value: object, text: str) -> None:
        """Tell of one number."""
        self.numbers[name] = value
        print(f"{text}", flush=True)
        if self._path is not None:
            self._path.write_text(json.dumps(self.numbers, indent=1) + "\n")


def images(task: Task, device: torch.device, count: int) -> Split:
    """Blots in place of digits, or of pictures."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, task.shape[0], 7, 7, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, task.shape[1:], mode="bilinear")
    levels = ((fine - 0.5) * 4 + 0.5).clamp(0, 1) * 255
    return Split(levels.to(torch.uint8).to(device))


def wait(device: torch.device) -> None:
    """For all that the device was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def plain_seconds(task: Task, config: TrainConfig, train: Split) -> float:
    """Of one step, a kernel at a time."""
    model = build_model(config, task.shape).to(train.device)
    model.train()
    training = PlainTraining(model, train, config)
    marks: list[float] = []

    def after_step() -> None:
        if len(marks) == 0 or len(marks) == task.steps:  # the first step is not timed
            wait(train.device)
        marks.append(time.perf_counter())

    training.run_epoch(0, lambda: None, after_step)
    wait(train.device)
    return (time.perf_counter() - marks[0]) / (len(marks) - 1)


def block_of(config: TrainConfig, members: int, train: Split, strategy: str = "one_by_one") -> LockstepTraining:
    """So many models that differ in their seeds and β; weights that differ would cost time."""
    model = build_model(config, train.shape).to(train.device)
    own = [replace(config, seed=seed, betas=(0.1 + seed / members, 1.0)) for seed in range(members)]
    return LockstepTraining([Member(one, copy.deepcopy(model)) for one in own], train, strategy=STRATEGIES[strategy])


def differences(task: Task, train: Split) -> dict[str, float | str]:
    """By how much numbers differ at most, relative, after two epochs, the last batch of which is short; or an error.

    Captured steps against plain ones, and each way of stacking three models against each model alone, plain.
    """
    few = Split(train.images[: 3 * task.config.batch_size + task.config.batch_size // 2])
    found: dict[str, float | str] = {}
    for precision in (torch.float32, torch.float64):
        torch.set_default_dtype(precision)
        kinds = {"captured": ("one_by_one", 1)} | {name: (name, 3) for name in STRATEGIES}
        for kind, (strategy, members) in kinds.items():
            name = f"{kind}, {str(precision).removeprefix('torch.')}"
            try:
                found[name] = difference(replace(task.config, epochs=2), few, strategy, members)
            except Exception as error:
                found[name] = str(error).partition("\n")[0]
    torch.set_default_dtype(torch.float32)
    return found


def difference(config: TrainConfig, train: Split, strategy: str, members: int) -> float:
    """Of one way: the largest of all members and metrics."""
    block = block_of(config, members, train, strategy)
    told = [block.run_epoch(epoch) for epoch in range(config.epochs)][-1]
    worst = 0.0
    for member, one in zip(block.members, told, strict=True):
        alone = build_model(config, train.shape).to(train.device).train()
        plain = PlainTraining(alone, train, member.config)
        metrics = [plain.run_epoch(epoch, _nothing, _nothing) for epoch in range(config.epochs)][-1]
        assert one is not None
        for name in ("train/objective", "train/distortion", "train/rate"):
            worst = max(worst, abs(one.metrics[name] / metrics[name] - 1))
    return worst


def measure(task: Task, device: torch.device, record: Record, until: float) -> None:
    """All of one data set, the most telling numbers first; nothing is begun so that it would end after `until`."""
    train = images(task, device, task.config.batch_size * max(task.steps + 1, 4))
    start = f"{task.name}: "
    worst = differences(task, train)
    record.add(f"{task.name}/differences", worst, f"{start}numbers differ by at most " + _listed(worst))

    plain = plain_seconds(task, task.config, train)
    record.add(f"{task.name}/plain", 1 / plain, f"{start}plain, {plain * 1e3:.3f} ms a step, {1 / plain:.0f} steps/s")
    for precision in ("float32", "bfloat16"):
        config = replace(task.config, precision=precision)
        seconds = block_of(config, 1, train).seconds_per_step(5 * task.steps)
        text = f"{start}captured, {precision}: {seconds * 1e3:.3f} ms a step, {1 / seconds:.0f} steps/s"
        record.add(f"{task.name}/captured/{precision}", 1 / seconds, f"{text}, × {plain / seconds:.1f}")

    rates: dict[int, dict[str, float]] = {}
    for members in task.members:
        # What was far behind with fewer models, but not with one, is not tried with more.
        before = rates[max(rates)] if rates and max(rates) > 1 else {}
        tried = [name for name in STRATEGIES if before.get(name, 1e9) > max(before.values(), default=0.0) / 1.5]
        steps = sum(members / (before.get(name, 0.0) or 1 / plain) for name in tried) * (task.steps + 5)
        if record.clock() > until - min(_TO_BUILD * members * len(tried) + steps, 60.0):
            continue
        rates[members] = {name: lockstep(task, task.config, members, name, train, plain, record) for name in tried}
    if not rates:
        return
    best, members, strategy = max((rate, members, name) for members, of in rates.items() for name, rate in of.items())
    quickest = {"float32": best}
    if record.clock() < until:
        lower = replace(task.config, precision="bfloat16")
        quickest["bfloat16"] = lockstep(task, lower, members, strategy, train, plain, record)
    for precision, rate in quickest.items():
        if rate and task.config.likelihood == "bernoulli":
            minutes = _GRID * _EPOCHS * -(-_IMAGES // task.config.batch_size) / rate / 60
            text = f"{_GRID} models for {_EPOCHS} epochs of {_IMAGES:,} images, {precision}, extrapolated"
            record.add(f"{task.name}/grid minutes/{precision}", minutes, f"{start}{text}: {minutes:.1f} minutes")


def lockstep(
    task: Task, config: TrainConfig, members: int, strategy: str, train: Split, plain: float, record: Record
) -> float:
    """Models times steps a second of one block; 0 where it cannot be."""
    name = f"{task.name}/lockstep/{strategy}/{config.precision}/{members}"
    start = f"{task.name}: {members} in lockstep, {strategy}, {config.precision}: "
    try:
        if train.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(train.device)
        block = block_of(config, members, train, strategy)
        with GpuLoad(train.device) as load:
            seconds = block.seconds_per_step(task.steps)
    except Exception as error:
        record.add(name, None, f"{start}{str(error).partition(chr(10))[0]}")
        return 0.0
    rate = members / seconds
    numbers = {"rate": rate, "times plain": rate * plain, "gigabytes": load.gigabytes, "utilisation": load.utilisation}
    busy = "" if load.utilisation is None else f", {load.utilisation:.0f} % busy"
    used = "" if load.gigabytes is None else f", {load.gigabytes:.1f} GB"
    text = f"{start}{seconds * 1e3:.2f} ms a step, {rate:.0f} models × steps/s, × {rate * plain:.1f}{used}{busy}"
    record.add(name, numbers, text)
    return rate


def main(arguments: Sequence[str] | None = None) -> dict[str, object]:
    """Measure what there is time for; the numbers by name."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--output", default="gpu.json", help="JSON file; empty: none")
    parser.add_argument("--seconds", type=float, default=_BUDGET, help="after which nothing more is begun")
    parser.add_argument("--cpu", action="store_true", help="the small form on the CPU, whatever is here")
    asked = parser.parse_args(arguments)
    record = Record(Path(asked.output) if asked.output else None)
    small = asked.cpu or not torch.cuda.is_available()
    device = select_device("cpu" if small else "cuda")
    where = "the CPU, a small form" if small else torch.cuda.get_device_name(device)
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    record.add("device", {"name": where, **versions}, f"on {where}, {_listed(versions)}")
    for share, task in zip((0.55, 1.0), tasks(small), strict=True):
        if record.clock() < share * asked.seconds:
            measure(task, device, record, share * asked.seconds)
    return record.numbers


def _nothing() -> None:
    pass


def _listed(values: Mapping[str, object]) -> str:
    told = {name: f"{value:.1e}" if isinstance(value, float) else str(value) for name, value in values.items()}
    return ", ".join(f"{name} {value}" for name, value in told.items())


if __name__ == "__main__":
    signal.alarm(_LIMIT)  # ends the process, whatever it waits for
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    main(sys.argv[1:])
