"""Going on with an interrupted run: its config, what may stand beside `--resume`, and how to have more epochs."""

__all__ = [
    "Longer",
    "differing",
    "finished_config",
    "given_options",
    "is_finished",
    "nothing_to_resume",
    "refuse",
    "resume_config",
    "resumed",
    "says",
    "take_earlier_epochs",
]

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hit.commands import extensions_option, program
from hit.config import TrainConfig, machine_fields
from hit.config.latent_maps import DeepOptions
from hit.delivery.local_state import claim_run, run_folder, state_folder, unlock_run
from hit.errors import CheckpointError, ConfigError, StoreAway, StoreError
from hit.extensions.discovery import loaded_lines
from hit.schema import CONFIG, Kind, Tag
from hit.store import Store, config_of
from hit.tracking import RunWriter
from hit.training.checkpoints import adopt_checkpoint

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Longer:
    """An interrupted run whose epochs are the first ones of another run.

    Attributes:
        run_id: the interrupted run.
        config: its config.
    """

    run_id: str
    config: TrainConfig


def given_options(argv: Sequence[str], values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options that somebody typed, of those in `values`.

    `mlflow run` hands a command all that the MLproject declares: there, what equals the default was not typed.

    Args:
        argv: the command line.
        values: option → its text, or its default.
        defaults: option → its default.

    >>> given_options(["--epochs=10", "--seed", "1"], {"epochs": "10", "seed": "1", "crop": 0}, {"epochs": 10})
    {'epochs': '10', 'seed': '1'}
    """
    typed = {word.removeprefix("--").partition("=")[0] for word in argv if word.startswith("--")}
    given = {name: value for name, value in values.items() if name in typed}
    if not os.environ.get("MLFLOW_RUN_ID"):
        return given
    return {name: value for name, value in given.items() if not says(value, defaults.get(name, ""))}


def resume_config(run_id: str, state_dir: str = "") -> TrainConfig:
    """The config of an interrupted run, from its folder under `state_dir`.

    Raises:
        CheckpointError: the run left nothing there.
        StoreAway: it left nothing there, and the store does not answer.
    """
    path = run_folder(state_folder(TrainConfig(state_dir=state_dir)), run_id) / CONFIG
    try:
        flat = json.loads(path.read_text())
    except (OSError, ValueError):
        raise nothing_to_resume(run_id, path) from None
    return replace(TrainConfig.from_flat(flat), state_dir=state_dir)


def nothing_to_resume(run_id: str, path: Path) -> CheckpointError:
    """Why a run cannot be gone on with that lacks the file `path`."""
    try:
        status = Store().run(run_id).info.status
        why = f"which is {status}" if status == "FINISHED" else f"which is {status} and left no {path}"
    except StoreAway:
        raise
    except StoreError:
        why = "which the store does not know"
    return CheckpointError(f"resume must name a run that was interrupted on this machine, got {run_id!r}, {why}")


def finished_config(run_id: str) -> TrainConfig | None:
    """The config of a model that the store holds finished; None for any other run.

    Raises:
        StoreAway: the store does not answer.
    """
    return TrainConfig.from_flat(config_of(Store().run(run_id))) if is_finished(run_id, Kind.TRAIN) else None


def is_finished(run_id: str, kind: Kind) -> bool:
    """Whether the store holds a finished run of this kind under the id.

    Raises:
        StoreAway: the store does not answer.
    """
    try:
        run = Store().run(run_id)
    except StoreAway:
        raise
    except StoreError:
        return False
    return bool(run.info.status == "FINISHED") and run.data.tags.get(Tag.KIND) == kind


def resumed(run_id: str, config: TrainConfig, given: Mapping[str, Any], *, finished: bool) -> TrainConfig:
    """The config to go on with: the run's, on the machine that was asked for.

    With more epochs than the run was to have it is that of another run, which begins with the epochs of this one.
    That is the same as to train all of them in one go where no epoch depends on how many there are.

    Args:
        run_id: the run.
        config: its config.
        given: options that stand beside `--resume`.
        finished: whether there is nothing left to do.

    Raises:
        ConfigError: an option that decides the result differs from the run's.
    """
    asked = TrainConfig.from_flat({**config.to_flat(), **given})
    faults = differing(asked.to_flat(), config.to_flat(), given)
    if "epochs" in faults and asked.epochs > config.epochs:
        if why := _why_not_longer(config, finished):
            epochs = asked.epochs - config.epochs
            known = extensions_option(loaded_lines())
            further = f"{program('hit.train')} --init_from {run_id} --epochs {epochs}{known}"
            raise ConfigError(
                f"epochs must be {config.epochs} beside resume, as of run {run_id}, got {asked.epochs}: {why}; "
                f"{'' if finished else 'once it has finished, '}its weights are trained further, as a run of its own, "
                f"by: {further}"
            )
        del faults["epochs"]
    refuse(run_id, faults)
    return asked


def differing(asked: Mapping[str, Any], own: Mapping[str, Any], given: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """Option that was given and decides the result → what it is to be and is, where these differ."""
    names = [name for name in given if name not in machine_fields()]
    return {
        name: (own.get(name, ""), asked.get(name, "")) for name in names if own.get(name, "") != asked.get(name, "")
    }


def refuse(run_id: str, faults: Mapping[str, tuple[Any, Any]]) -> None:
    """Return if no option differs from the run's.

    Raises:
        ConfigError: some do.
    """
    if faults:
        said = [f"{name} must be {own!r}, got {asked!r}" for name, (own, asked) in faults.items()]
        raise ConfigError(f"beside resume, options must be as those of run {run_id}: {'; '.join(said)}")


def take_earlier_epochs(run: RunWriter, longer: Longer, store: Store, data_digest: str, identity: str) -> None:
    """Let a run begin where an interrupted one has stopped, with what that one logged epoch by epoch.

    Raises:
        CheckpointError: the interrupted run has finished no epoch here.
        Claimed: another process goes on with it.
    """
    folder = run.folder.parent / longer.run_id
    lock = claim_run(folder)
    try:
        earlier = longer.config.identity(data_digest)
        epochs = adopt_checkpoint(folder / CHECKPOINT, run.folder / CHECKPOINT, earlier, identity)
    finally:
        unlock_run(lock)
    names = [name for name in store.run(longer.run_id).data.metrics if name.startswith("train/")]
    for point in sorted(store.histories([longer.run_id], names), key=lambda point: point.step):
        if point.step <= epochs:
            run.metrics({point.metric: point.value}, step=point.step)
    run.tags({Tag.CONTINUED_FROM: longer.run_id})


def _why_not_longer(config: TrainConfig, finished: bool) -> str:
    """Why more epochs cannot begin with the epochs of a run; '' where they can."""
    if finished:
        return "it is FINISHED and keeps no checkpoint"
    if config.schedule != "constant":
        return f"with schedule={config.schedule} every epoch depends on how many there are"
    if config.targets:
        return "with rate targets every epoch depends on how many there are"
    if isinstance(config.model_options, DeepOptions) and config.model_options.start_ratio < 1:
        return "with model.start_ratio the first epochs depend on how many there are"
    if "warmup" in config.model_part.reads and config.warmup:
        return "with warmup the first epochs depend on how many there are"
    return ""


def says(text: Any, value: Any) -> bool:
    """Whether an option, as somebody typed it, says the value."""
    if str(text).lower() == str(value).lower():
        return True
    try:
        return float(text) == float(value)
    except (TypeError, ValueError):
        return False
