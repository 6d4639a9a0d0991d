"""How a run ended is a word in a tag; prose beside it is for people, and is read of older runs alone."""

from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from hit.errors import Claimed, ConfigError, Diverged, EndedEarly, Interrupted, RunDeleted
from hit.errors.run_outcomes import COUNTED, FINAL, RunOutcome
from hit.schema import Kind, Tag
from hit.schema.endings import END_TAGS, end_tags, ending, recorded_outcome
from hit.store import Store
from hit.store.frame_types import outcomes
from hit.tracking import RunOptions, RunWriter
from sweeps.drivers.driver import Driver
from tests.stores import new_database


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        (None, RunOutcome.FINISHED, "FINISHED"),
        (Diverged("the loss is nan"), RunOutcome.DIVERGED, "FAILED"),
        (EndedEarly("pruned: worse than others"), RunOutcome.ENDED_EARLY, "KILLED"),
        (Interrupted(15), RunOutcome.INTERRUPTED, "KILLED"),
        (KeyboardInterrupt(), RunOutcome.INTERRUPTED, "KILLED"),
        (Claimed("run x trains it"), RunOutcome.CLAIMED, "KILLED"),
        (RunDeleted("run x was deleted"), RunOutcome.GONE, "KILLED"),
        (ConfigError("pruned trees must be none"), RunOutcome.FAILED, "FAILED"),
        (ValueError("diverged"), RunOutcome.FAILED, "FAILED"),
    ],
)
def test_what_an_error_makes_of_a_run_is_read_back(error: BaseException, outcome: RunOutcome, status: str) -> None:
    ended = ending(error)
    assert (ended.outcome, ended.status) == (outcome, status)
    tags = end_tags(ended.outcome, ended.reason)
    assert set(tags) <= set(END_TAGS)
    assert recorded_outcome(tags, ended.status) is outcome


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        ("FAILED", "diverged: the loss is nan", RunOutcome.DIVERGED),
        ("KILLED", "outside the region: R_1 has settled at 3", RunOutcome.ENDED_EARLY),
        ("KILLED", "pruned: threshold:0:1@train/distortion", RunOutcome.ENDED_EARLY),
        ("FAILED", "lost: its process is gone", RunOutcome.LOST),
        ("KILLED", "stopped by signal 15", RunOutcome.INTERRUPTED),
        ("FAILED", "interrupted", RunOutcome.INTERRUPTED),
        ("KILLED", "claimed: run x trains it", RunOutcome.CLAIMED),
        ("FAILED", "beta_1 must be greater than 0", RunOutcome.FAILED),
        ("FAILED", "", RunOutcome.FAILED),
        ("KILLED", "", RunOutcome.INTERRUPTED),
        ("FINISHED", "lost: its process is gone", RunOutcome.FINISHED),
        ("RUNNING", "lost: its process is gone", None),
    ],
)
def test_runs_of_versions_before_say_it_in_prose(status: str, reason: str, outcome: RunOutcome | None) -> None:
    assert recorded_outcome({Tag.STATUS_REASON: reason}, status) is outcome
    rows = pd.DataFrame({"status": [status], "status_reason": [reason]}, index=[7])
    assert list(outcomes(rows)) == [outcome]


def test_a_word_that_is_none_and_one_that_its_status_denies_are_passed_over() -> None:
    for word in ("nonsense", "", "finished"):
        assert recorded_outcome({Tag.ENDED: word, Tag.STATUS_REASON: "diverged: …"}, "FAILED") is RunOutcome.DIVERGED
    assert outcomes(pd.DataFrame({"status": [], "ended": [], "status_reason": []})).empty


def test_what_is_final_counts() -> None:
    assert FINAL < COUNTED
    assert RunOutcome.LOST not in COUNTED


def test_a_mistake_whose_words_sound_like_a_divergence_is_tried_again(tmp_path: Path) -> None:
    """The prose said "pruned…", and no sweep went on with the model."""
    new_database(tmp_path / "store.db")
    uri = new_database(tmp_path / "store.db")
    for name, error in (("mistake", ConfigError("pruned trees must be none")), ("final", EndedEarly("I stopped it"))):
        tags = {Tag.CONFIG_HASH: name}
        with (
            pytest.raises(type(error)),
            RunWriter.begin(kind=Kind.TRAIN, name=name, state_dir=tmp_path / "state", uri=uri, tags=tags),
        ):
            raise error
    history = Store(uri).history("hit")
    assert dict(zip(history["config_hash"], history["ended"], strict=True)) == {
        "mistake": "failed",
        "final": "ended early",
    }
    assert Driver.taken(history) == {"final"}


def test_a_run_that_goes_on_has_not_ended(tmp_path: Path) -> None:
    new_database(tmp_path / "store.db")
    uri = new_database(tmp_path / "store.db")
    options: RunOptions = {"kind": Kind.TRAIN, "name": "a run", "state_dir": tmp_path / "state", "uri": uri}
    with pytest.raises(Diverged), RunWriter.begin(**options) as run:
        raise Diverged("the loss is nan")
    with RunWriter.take_over(run.run_id, **options):
        pass
    tags = MlflowClient(uri).get_run(run.run_id).data.tags
    assert {name: tags[name] for name in END_TAGS if name in tags} == {Tag.ENDED: "finished"}
