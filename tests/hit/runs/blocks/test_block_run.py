"""Runs of models that are trained together: each as if it were alone, whatever happens to the others."""

import math
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from hit.config import TrainConfig
from hit.data import load
from hit.errors import Claimed, DataError, EndedEarly, Interrupted, OutOfMemory
from hit.evaluation.core_metrics import MeasuredPass, pass_over_test_set
from hit.processes.stop import StopRequest
from hit.runs.blocks import block_run, joint_passes
from hit.runs.blocks.block_member import BlockMember
from hit.runs.blocks.block_run import train_block
from hit.runs.model_run import RunRequest
from hit.runs.training_run import train_run
from hit.schema import Tag
from hit.store import Store
from hit.tracking.reservation import reserve_run
from hit.training.lockstep import BlockChoice, LockstepTraining
from hit.training.lockstep.layers import OneByOne
from hit.training.loop import Epoch
from tests.one_device import DEVICE, BesideCpu
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")

#: Float32, whose sums are added up in another order.
NEAR = 1e-4
BASE = TrainConfig(
    channels=4, z_dims=(4,), metrics="core", batch_size=600, epochs=3, threads=1, learning_rate=3e-3, device="cpu"
)
CONFIGS = [
    replace(BASE, betas=(0.5, 1.0)),
    replace(BASE, seed=1, learning_rate=1e-3, schedule="one_cycle"),
    replace(BASE, betas=(1.0, 2.0), seed=2),
]


@dataclass
class Place:
    """A store and a state folder, and what a block that is trained there tells."""

    folder: Path
    said: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/store.db"

    @property
    def store(self) -> Store:
        return Store(self.uri)

    def config(self, config: TrainConfig) -> TrainConfig:
        return replace(config, state_dir=str(self.folder / "state"))

    def member(
        self,
        config: TrainConfig,
        run_id: str = "",
        watch: Callable[[str, Epoch], None] = lambda run_id, epoch: None,
    ) -> BlockMember:
        """A model whose run stands in the store already, as a sweep would have it."""
        config = self.config(config)
        identity = config.identity(load("digits").digest)
        run_id = run_id or reserve_run(self.store, "hit", "one", config.to_flat(), {str(Tag.CONFIG_HASH): identity})
        return BlockMember(identity, config, RunRequest(experiment="hit", run_id=run_id, exclusive=True), watch)

    def train(
        self,
        members: Sequence[BlockMember],
        stop: StopRequest | None = None,
        on_say: Callable[[str, int], None] = lambda doing, epoch: None,
        **options: Any,
    ) -> dict[str, tuple[str, str]]:
        """Identity → how it ended, and what was told of it."""

        def tell(text: str, epoch: int = 0, **further: Any) -> None:
            self.said.append((text, epoch, further))
            on_say(text, epoch)

        train_block(members, uri=self.uri, stop=stop or StopRequest(), tell=tell, **options)
        return self.ends()

    def ends(self) -> dict[str, tuple[str, str]]:
        return {
            further["parts"][0]: (str(further["state"]), text) for text, _, further in self.said if "state" in further
        }

    def run(self, member: BlockMember) -> Run:
        assert member.request.run_id is not None
        return self.store.run(member.request.run_id)

    def checkpoint(self, member: BlockMember) -> Path:
        return self.folder / "state" / "runs" / str(member.request.run_id) / "checkpoint.safetensors"

    def epochs(self, run_id: str | None) -> list[tuple[int, float]]:
        points = self.store.histories([str(run_id)], ["train/objective"])
        return sorted((point.step, point.value) for point in points)

    def copied(self, folder: Path) -> "Place":
        """All that is on disk now, as a process that is killed leaves it."""
        folder.mkdir()
        with sqlite3.connect(self.folder / "store.db") as source, sqlite3.connect(folder / "store.db") as target:
            source.backup(target)
        shutil.copytree(self.folder / "state", folder / "state")
        return Place(folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "HIT_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    new_database(tmp_path / "here" / "store.db")
    return Place(tmp_path / "here")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[tuple[int, float]], dict[str, float]]]:
    """Of each config trained alone: its objective by epoch, and its metrics."""
    here = Place(tmp_path_factory.mktemp("alone"))
    new_database(here.folder / "store.db")
    runs = [train_run(here.config(config), uri=here.uri) for config in CONFIGS]
    return [(here.epochs(run_id), here.store.run(run_id).data.metrics) for run_id in runs]


def assert_as_alone(
    place: Place, member: BlockMember, expected: tuple[list[tuple[int, float]], dict[str, float]]
) -> None:
    run = place.run(member)
    assert run.info.status == "FINISHED"
    epochs, metrics = expected
    found = place.epochs(member.request.run_id)
    assert [step for step, _ in found] == [1, 2, 3], "every epoch once"
    assert [value for _, value in found] == pytest.approx([value for _, value in epochs], rel=NEAR)
    told = {name for name in metrics if "seconds" not in name}
    assert told == {name for name in run.data.metrics if "seconds" not in name}
    for name in ("test/elbo", "test/rate_1", "test/distortion", "train/beta_1", "learning_rate", "parameters"):
        assert run.data.metrics[name] == pytest.approx(metrics[name], rel=NEAR), name


Alone = list[tuple[list[tuple[int, float]], dict[str, float]]]


def test_each_run_is_the_one_that_its_model_has_alone(place: Place, alone: Alone) -> None:
    members = [place.member(config) for config in CONFIGS]
    ends = place.train(members)
    assert ends == {member.identity: ("finished", member.request.run_id) for member in members}
    for member, expected in zip(members, alone, strict=True):
        assert_as_alone(place, member, expected)
        assert not place.checkpoint(member).parent.exists(), "as after any finished run"
        names = {file.path for file in place.store.client.list_artifacts(str(member.request.run_id))}
        assert {"config.json", "model", "pictures"} <= names
    progress = [(text, epoch, further["parts"]) for text, epoch, further in place.said if "state" not in further]
    everyone = tuple(member.identity for member in members)
    assert progress[:3] == [("training", epoch, everyone) for epoch in (1, 2, 3)]


def test_what_a_kill_left_goes_on_in_other_company_and_alone(place: Place, alone: Alone, tmp_path: Path) -> None:
    killed: list[Place] = []

    def kill(run_id: str, epoch: Epoch) -> None:
        if epoch.number == 2 and not killed:  # some have logged it, no checkpoint holds it
            killed.append(place.copied(tmp_path / "killed"))
            raise KeyboardInterrupt

    members = [place.member(config, watch=kill if index else lambda *_: None) for index, config in enumerate(CONFIGS)]
    with pytest.raises(KeyboardInterrupt):
        place.train(members)
    (left,) = killed
    assert [left.checkpoint(member).exists() for member in members] == [True] * 3
    left.checkpoint(members[1]).unlink()  # as if it had been killed before its first was written
    again = [left.member(member.config, str(member.request.run_id)) for member in members]
    assert set(left.train(again[:2]).values()) == {("finished", one.request.run_id) for one in again[:2]}
    assert [(epoch, len(further["parts"])) for text, epoch, further in left.said if text == "training"] == [
        (1, 1),  # who is behind
        (2, 2),
        (3, 2),
    ]
    train_run(again[2].config, again[2].request, uri=left.uri)
    for member, expected in zip(again, alone, strict=True):
        assert_as_alone(left, member, expected)


def test_what_ends_one_ends_no_other(place: Place, alone: Alone) -> None:
    def ends_early(run_id: str, epoch: Epoch) -> None:
        if epoch.number == 2:
            raise EndedEarly("pruned: as it happens")

    good = place.member(CONFIGS[0])
    diverging = place.member(replace(BASE, learning_rate=1e12, seed=5))
    pruned = place.member(replace(BASE, seed=6), watch=ends_early)
    damaged = place.member(replace(BASE, seed=7))
    place.checkpoint(damaged).parent.mkdir(parents=True)
    place.checkpoint(damaged).write_bytes(b"no checkpoint")
    claimed = place.member(replace(BASE, seed=8), watch=lambda *_: raise_claimed())
    ends = place.train([diverging, good, pruned, damaged, claimed])
    assert {identity: state for identity, (state, _) in ends.items()} == {
        diverging.identity: "diverged",
        good.identity: "finished",
        pruned.identity: "ended early",
        damaged.identity: "failed",
        claimed.identity: "claimed",
    }
    assert_as_alone(place, good, alone[0])
    for member, status, reason in (
        (diverging, "FAILED", "diverged: the training objective is not finite in epoch"),
        (pruned, "KILLED", "pruned: as it happens"),
        (damaged, "FAILED", "checkpoint must be a whole safetensors file"),
        (claimed, "KILLED", "claimed: run 0 is training this model already"),
    ):
        run = place.run(member)
        assert run.info.status == status
        assert run.data.tags[Tag.STATUS_REASON].startswith(reason)
    assert [step for step, _ in place.epochs(pruned.request.run_id)] == [1, 2]


def raise_claimed() -> None:
    raise Claimed("run 0 is training this model already")


def test_who_is_asked_to_stop_keeps_all_checkpoints(place: Place) -> None:
    stop = StopRequest()
    members = [place.member(config) for config in CONFIGS[:2]]

    def ask(doing: str, epoch: int) -> None:
        if epoch == 1:
            stop.request(15)

    with pytest.raises(Interrupted):
        place.train(members, stop, ask)
    assert set(place.ends().values()) == {("interrupted", "stopped by signal 15")}
    for member in members:
        run = place.run(member)
        assert (run.info.status, run.data.tags[Tag.STATUS_REASON]) == ("KILLED", "stopped by signal 15")
        assert place.checkpoint(member).exists()
        assert [step for step, _ in place.epochs(member.request.run_id)] == [1]


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")  # it is none
def test_a_block_on_a_device_mixes_nothing_with_the_cpu(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hit.runs.training_run.select_device", lambda name: DEVICE)
    members = [place.member(replace(config, epochs=1)) for config in CONFIGS[:2]]
    with BesideCpu():
        assert {state for state, _ in place.train(members).values()} == {"finished"}


def test_all_share_a_pass_over_the_test_set_and_what_it_finds_ends_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def one_is_wrong(models: Sequence[Any], *arguments: Any, **options: Any) -> list[MeasuredPass]:
        made.append(len(models))
        passed = pass_over_test_set(models, *arguments, **options)
        passed[1].core["test/rate_2"] = math.nan
        return passed

    monkeypatch.setattr(joint_passes, "pass_over_test_set", one_is_wrong)
    monkeypatch.setattr("hit.evaluation.evaluation.pass_over_test_set", None)
    members = [place.member(replace(config, epochs=1)) for config in CONFIGS]
    ends = place.train(members)
    assert made == [3]
    assert [ends[member.identity][0] for member in members] == ["finished", "diverged", "finished"]
    assert "test/rate_2 of the trained model is not finite" in ends[members[1].identity][1]


def test_who_is_asked_to_stop_while_it_is_measured_goes_on_later(place: Place) -> None:
    stop = StopRequest()
    members = [place.member(replace(config, epochs=1)) for config in CONFIGS[:2]]

    def ask(doing: str, epoch: int) -> None:
        if doing == "evaluating":
            stop.request(15)

    with pytest.raises(Interrupted):
        place.train(members, stop, ask)
    assert set(place.ends().values()) == {("interrupted", "stopped by signal 15")}
    again = [place.member(member.config, str(member.request.run_id)) for member in members]
    assert {state for state, _ in place.train(again).values()} == {"finished"}
    assert [step for step, _ in place.epochs(members[0].request.run_id)] == [1]


def test_too_many_for_memory_are_trained_in_parts(place: Place, alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(LockstepTraining):
        def run_epoch(self, *arguments: Any) -> Any:
            told = super().run_epoch(*arguments)
            if len(self.members) > 2:
                raise OutOfMemory("there is too little")
            return told

    monkeypatch.setattr(block_run, "LockstepTraining", Small)
    members = [place.member(config) for config in CONFIGS]
    place.train(members)
    for member, expected in zip(members, alone, strict=True):
        assert_as_alone(place, member, expected)
    assert max(len(further["parts"]) for text, _, further in place.said if text == "training") == 2


def test_no_more_at_once_than_are_asked_for_or_pay(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        block_run, "choose_block", lambda config, train, *, most, folder: BlockChoice(min(most, 2), OneByOne)
    )
    members = [place.member(replace(config, epochs=1)) for config in CONFIGS]
    assert {state for state, _ in place.train(members).values()} == {"finished"}
    assert [len(further["parts"]) for text, _, further in place.said if text == "training"] == [2, 1]


def test_data_that_are_not_to_be_had_are_one_line(place: Place) -> None:
    with pytest.raises(DataError, match="did you mean 'digits'"):
        place.train([place.member(replace(BASE, dataset="digitz"))])
