"""Many runs measured at once: none left out in silence, none measured twice, FINISHED whatever happens."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from hit.config import TrainConfig
from hit.errors import Claimed, Interrupted
from hit.metrics import EVALUATOR
from hit.processes.stop import StopRequest
from hit.runs.evaluation_run import candidates, evaluate_run, evaluate_runs
from hit.runs.training_run import train_run
from hit.schema import Tag
from hit.store import Store
from hit.tracking import RunWriter
from tests.commands import descendants, wait_until
from tests.stores import new_database

OPTIONS: dict[str, Any] = {"again": False, "data_root": "", "device": "cpu", "threads": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Path, list[str]]:
    """A store with three models that lack the group latents."""
    folder = tmp_path_factory.mktemp("trained")
    uri = new_database(folder / "store.db")
    config = TrainConfig(channels=4, z_dims=(5,), epochs=1, metrics="core", threads=1, state_dir=str(folder / "state"))
    runs = [train_run(TrainConfig(**{**vars(config), "seed": seed}), uri=uri) for seed in range(3)]
    return Store(uri), folder / "state", runs


def test_every_run_in_parallel_then_none_again(trained: tuple[Store, Path, list[str]]) -> None:
    store, state, runs = trained
    asked = candidates(store, "hit", groups={"latents"})
    assert [candidate.groups for candidate in asked] == [frozenset({"latents"})] * 3
    evaluated = list(evaluate_runs(store, asked, workers=2, stop=StopRequest(), **OPTIONS, state_dir=str(state)))
    assert {one.candidate.run.info.run_id: one.text for one in evaluated} == dict.fromkeys(runs, "measured latents")
    for run_id in runs:
        run = store.run(run_id)
        assert run.info.status == "FINISHED"
        assert "test/accuracy_svm_rbf_z2" in run.data.metrics
        assert Tag.EVALUATOR in run.data.tags
    again = list(
        evaluate_runs(
            store,
            candidates(store, "hit", groups={"latents"}),
            workers=2,
            stop=StopRequest(),
            **OPTIONS,
            state_dir=str(state),
        )
    )
    assert len(again) == 3
    assert all("measured already" in one.text and not one.failed for one in again)
    # as measured before small test sets were cross-validated
    store.client.set_tag(runs[0], Tag.EVALUATOR, EVALUATOR.fingerprint(10_000))
    (earlier,) = candidates(store, "hit", run_id=runs[0], groups={"latents"})
    measured = evaluate_run(store, earlier, stop=StopRequest(), **OPTIONS, state_dir=str(state))
    assert measured.groups == {"latents"}
    assert store.run(runs[0]).data.tags[Tag.EVALUATOR] == EVALUATOR.fingerprint(360) != EVALUATOR.fingerprint(10_000)


def test_the_store_is_asked_once_for_a_classifier(
    trained: tuple[Store, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, state, runs = trained
    (candidate,) = candidates(store, "hit", run_id=runs[0], groups={"generation"})
    asked: list[str] = []
    monkeypatch.setattr(Store, "classifiers", lambda self, digest: asked.append(digest) or [])
    measured = evaluate_run(store, candidate, stop=StopRequest(), **OPTIONS, state_dir=str(state))
    assert len(asked) == 1
    assert "the store has no classifier of digits" in measured.skipped["generation"]
    assert store.run(runs[0]).data.tags[f"{Tag.SKIPPED}.generation"] == measured.skipped["generation"]


def test_one_that_fails_costs_no_other(trained: tuple[Store, Path, list[str]]) -> None:
    store, state, runs = trained
    store.client.set_tag(runs[1], Tag.DATA_DIGEST, "another")
    try:
        evaluated = list(
            evaluate_runs(
                store,
                candidates(store, "hit", groups={"core"}, again=True),
                workers=2,
                stop=StopRequest(),
                **OPTIONS | {"again": True},
                state_dir=str(state),
            )
        )
    finally:
        store.client.set_tag(runs[1], Tag.DATA_DIGEST, store.run(runs[0]).data.tags[Tag.DATA_DIGEST])
    assert sorted(one.failed for one in evaluated) == [False, False, True]
    (failed,) = [one for one in evaluated if one.failed]
    assert failed.candidate.run.info.run_id == runs[1]
    assert "digest another" in failed.text


def test_a_run_that_another_process_measures_is_left_to_it(trained: tuple[Store, Path, list[str]]) -> None:
    store, state, runs = trained
    uri = store.client.tracking_uri
    with RunWriter.amend(runs[0], state_dir=state, uri=uri):
        (asked,) = candidates(store, "hit", run_id=runs[0], groups={"core"}, again=True)
        with pytest.raises(Claimed):
            evaluate_run(store, asked, stop=StopRequest(), **OPTIONS | {"again": True}, state_dir=str(state))
    assert store.run(runs[0]).info.status == "FINISHED"


def test_stopped_it_ends_its_workers_and_leaves_the_runs_finished(trained: tuple[Store, Path, list[str]]) -> None:
    store, state, runs = trained
    stop = StopRequest()
    before = set(descendants(os.getpid()))
    threading.Timer(2.0, stop.request, [signal.SIGTERM]).start()
    with pytest.raises(Interrupted):
        list(
            evaluate_runs(
                store,
                candidates(store, "hit", groups={"latents"}, again=True) * 20,
                workers=2,
                stop=stop,
                **OPTIONS | {"again": True},
                state_dir=str(state),
            )
        )
    wait_until(lambda: "" if set(_workers()) - before else "gone")
    assert {store.run(run_id).info.status for run_id in runs} == {"FINISHED"}


def _workers() -> list[int]:
    """Processes below this one, but for the tracker that multiprocessing keeps."""
    command = "multiprocessing.resource_tracker"
    return [pid for pid in descendants(os.getpid()) if command not in Path(f"/proc/{pid}/cmdline").read_text()]
