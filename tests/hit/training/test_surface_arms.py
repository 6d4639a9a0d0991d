"""The benchmark of ways to train surfaces: its tiny form, what is left out of it, and that its numbers are ours."""

import gzip
import json
import math
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import ConfigError
from hit.evaluation import evaluate_model
from hit.models import build_model
from hit.models.surface_model import condition_on_betas
from hit.training import beta_sampling
from hit.training.beta_policies import SampledBeta
from hit.training.lockstep import LockstepTraining, Member, MemberEpoch
from tests.benchmarks import surface_arms
from tests.benchmarks.gpu import Record
from tests.benchmarks.leaning import Leaning, LeaningBeta
from tests.benchmarks.quick_evaluation import QuickEvaluation
from tests.benchmarks.timed_block import TimedBlock

CONFIG = TrainConfig(channels=2, z_dims=(3,), epochs=10, batch_size=20)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """Digits as the files of MNIST, one of them packed."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, images in (("train", digits.train.head(40)), ("t10k", digits.test.images[:20])):
        whole = struct.pack(">4i", 2051, *images[:, 0].shape) + images.numpy().tobytes()
        path = folder / f"{part}-images-idx3-ubyte"
        if part == "train":
            path.write_bytes(whole)
        else:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(whole))
    return root


def tiny(mnist: Path, output: Path, *more: str) -> list[str]:
    options = {"data_root": mnist, "output": output, "channels": 2, "batch_size": 20, "epochs": 2, "seeds": "1"}
    return [*(text for name, value in options.items() for text in (f"--{name}", str(value))), "--cpu", *more]


def test_the_tiny_form(mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, further = tmp_path / "arms.json", tmp_path / "further.json"
    numbers = surface_arms.main(tiny(mnist, path, "--arms", "as_it_is,top_power=1+last_share=0.5+learning_rate=1e-3"))
    assert json.loads(path.read_text()) == numbers
    dedicated, surfaces = numbers["dedicated"], numbers["surfaces/64:64"]
    assert isinstance(dedicated, dict)
    assert isinstance(surfaces, dict)
    assert [len(of_points) for of_points in dedicated.values()] == [6]
    assert len({found["1, 5"]["objective"] for arm in surfaces.values() for found in arm.values()}) == 2
    gap = 100 * (surfaces["as_it_is"]["1"]["1, 5"]["objective"] / dedicated["1"]["1, 5"]["objective"] - 1)
    told = numbers["gaps/64:64"]
    assert isinstance(told, dict)
    assert told["as_it_is"]["1, 5"] == pytest.approx([gap])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [len(row.split(" | ")) for row in rows] == [8] * 3 + [7] * 4

    arms = ("--arms", "as_it_is", "--heads", "64:64,8", "--dedicated", str(path), "--seeds", "1,7")
    again = surface_arms.main(tiny(mnist, further, *arms))
    assert again["dedicated"] == dedicated
    same = again["surfaces/64:64"]
    assert isinstance(same, dict)
    assert same["as_it_is"]["1"]["1, 5"] == pytest.approx(surfaces["as_it_is"]["1"]["1, 5"], rel=1e-4)
    assert again["gaps/8"] != again["gaps/64:64"]


class Clock(Record):
    """Goes on by a second for every model of an epoch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(None)
        self.now = 0.0
        usual = LockstepTraining.run_epoch

        def run_epoch(block: LockstepTraining, epoch: int) -> list[MemberEpoch | None]:
            self.now += len(block.members)
            return usual(block, epoch)

        monkeypatch.setattr(LockstepTraining, "run_epoch", run_epoch)

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("until", "epochs", "kept"),
    [(24.0, 6, ["a", "a", "b", "b"]), (20.0, 6, ["a", "a"]), (9.0, 2, [])],
    ids=["all fit", "one unit fits", "none fits"],
)
def test_what_there_is_no_time_for_is_left_out(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, until: float, epochs: int, kept: list[str]
) -> None:
    labels = [(unit, name) for unit in "ab" for name in "12"]
    configs = [replace(CONFIG, epochs=6, learning_rate=1e12 if label == ("a", "1") else 1e-3) for label in labels]
    members = [Member(config, build_model(config, digits.image_shape)) for config in configs]
    record = Clock(monkeypatch)
    timed = TimedBlock("block", LockstepTraining(members, Split(digits.train.images[:40])), labels, record, until)
    timed.train()
    assert timed.epochs == epochs
    found = timed.models()
    assert [unit for unit, _ in found] == kept
    assert [label for label, model in found.items() if model is None] == [label for label in labels[:1] if kept]
    assert ("block/left out" in record.numbers) == (len(kept) < 4)


def test_a_mistake_is_one_line(mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, line in (
        (("--arms", "top=1"), "arms must be as_it_is or some of top_power, "),
        (("--data_root", str(tmp_path)), "data_root must hold MNIST/raw/train-images-idx3-ubyte"),
    ):
        with pytest.raises(SystemExit):
            surface_arms.main(tiny(mnist, tmp_path / "arms.json", *more))
        assert line in capsys.readouterr().err
    with pytest.raises(ConfigError, match="arms must name numbers"):
        Leaning.of("top_power=much")


def test_quick_numbers_are_those_of_the_evaluation(digits: Dataset) -> None:
    images, labels = digits.train.images[:520], digits.train.labels  # more than are drawn at once
    assert labels is not None
    test = Split(images, labels[:520])
    model = build_model(CONFIG, digits.image_shape).eval()
    whole = evaluate_model(model, replace(digits, test=test), (0.5, 3.0)).metrics
    for name, value in QuickEvaluation(test, model).measure(model, (0.5, 3.0)).items():
        assert value == pytest.approx(whole[f"test/{name}"], rel=1e-6)


def test_draws_lean_to_strong_top_betas(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beta_sampling, "TOP_STEPS", 1)
    surface = condition_on_betas(build_model(CONFIG, digits.image_shape))
    train = Split(digits.train.images[:100])
    usual = SampledBeta(CONFIG, len(train), surface.beta_low, surface.beta_high)

    def raised(leaning: Leaning, step: int) -> list[float]:
        """By how much of the range β_1 and β_2 are drawn higher, on average."""
        policy = LeaningBeta(leaning, CONFIG, surface, train)
        policy.begin_epoch(0)
        usual.begin_epoch(0)
        betas, plain = policy.betas(1000, step), usual.betas(1000, step)
        assert 0.08 <= float(betas.min()) <= float(betas.max()) <= 12.001
        return ((betas.log() - plain.log()).mean(0) / math.log(12 / 0.08)).tolist()

    assert raised(Leaning(), 49) == [0, 0]
    assert raised(Leaning(top_power=1), 49) == [0, pytest.approx(2 / 3 - 3 / 5, abs=0.01)]
    assert raised(Leaning(top_power=0), 49) == [0, pytest.approx(1 / 2 - 3 / 5, abs=0.01)]
    assert raised(Leaning(last_share=0.2), 39) == [0, 0]
    assert raised(Leaning(last_share=0.2), 40) == [0, pytest.approx((0.75 + 0.25 * 0.6 - 0.6) / 2, abs=0.03)]
    assert max(raised(Leaning(widened_at=0.9), 10)) < -0.1
