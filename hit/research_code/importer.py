"""Runs of the original research code, into the store: each becomes a finished run of ours, measured as ours are."""

__all__ = ["ImportResult", "ImportStatus", "find_runs", "import_runs", "read_config", "read_weights"]

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hit.config import TrainConfig, machine_fields
from hit.config.paths import given_path
from hit.data import Dataset
from hit.dataset_files import DataRoot
from hit.errors import CheckpointError, ConfigError, DataError, Diverged, OutOfMemory, shown
from hit.errors.run_outcomes import RunOutcome
from hit.models import HierarchicalVAE, build_model
from hit.processes.devices import select_device, set_threads
from hit.processes.stop import StopRequest
from hit.research_code.translation import Unsupported, translate_config, translate_weights
from hit.runs.datasets import load_once
from hit.runs.measurement import measure_run
from hit.runs.model_run import RunRequest, describe_run, model_run
from hit.schema import DEFAULT_EXPERIMENT, Tag
from hit.schema.endings import outcome_of
from hit.schema.experiments import Experiment
from hit.store import Store

_CONFIG, _WEIGHTS = "config.json", "vae.pth"


class ImportStatus(StrEnum):
    """What became of a run's folder."""

    IMPORTED = "imported"
    PRESENT = "already there"
    UNSUPPORTED = "not supported"
    NO_DATA = "without their data set"
    DAMAGED = "damaged or foreign"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class ImportResult:
    """What became of one folder, and why it was skipped if it was; `run_id` where a run was made."""

    folder: Path
    status: ImportStatus
    reason: str = ""
    run_id: str = ""


def find_runs(path: str) -> list[Path]:
    """Folders in the tree under `path` that hold a config.json or a vae.pth, sorted.

    Raises:
        ConfigError: a path that cannot be reached.
        DataError: no such folder, a part of it cannot be read, or nothing in it looks like a run.
    """
    if not path or not (root := given_path("path", path)).is_dir():
        raise DataError(f"path must be a folder of runs of the research code, got {shown(path)}")

    def refuse(error: OSError) -> None:
        raise DataError(f"path must be readable, got {error.filename}: {error.strerror}") from None

    folders = [
        Path(folder) for folder, _, files in os.walk(root, onerror=refuse) if _CONFIG in files or _WEIGHTS in files
    ]
    if not folders:
        raise DataError(f"path must hold runs, folders with {_CONFIG} and {_WEIGHTS}, got none in {shown(path)}")
    return sorted(folders)


def import_runs(
    folders: Sequence[Path],
    machine: TrainConfig,
    *,
    experiment: str | Experiment = DEFAULT_EXPERIMENT,
    uri: str | None = None,
    parent: str | None = None,
    stop: StopRequest | None = None,
    on_result: Callable[[ImportResult], None] = lambda result: None,
) -> list[ImportResult]:
    """Import and evaluate the runs in `folders`; what became of each. One that cannot be imported is skipped.

    A run is there already where the experiment holds one of the same config, data and folder name that was
    imported to its end.

    Args:
        folders: see `find_runs`.
        machine: says where and how (`hit.config.machine_fields`), and nothing else.
        experiment: the MLflow experiment, or its name.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        parent: run id under which the UI nests the imported runs.
        stop: told about by SIGTERM and Ctrl-C.
        on_result: told after every folder.

    Raises:
        UserError: the request is wrong, or the store does not answer.
        Interrupted: `stop` was requested; the run at hand is imported anew next time.
    """
    stop = stop or StopRequest()
    DataRoot.find(machine.data_root)  # one out of reach is no fault of the runs
    set_threads(machine.threads)
    job = _Import(
        machine={name: getattr(machine, name) for name in machine_fields()},
        device=select_device(machine.device),
        experiment=experiment,
        uri=uri,
        parent=parent,
        stop=stop,
        present=_present(Store(uri), experiment),
    )
    results = []
    for folder in folders:
        stop.check()
        results.append(job.take(folder))
        on_result(results[-1])
    return results


def read_config(folder: Path) -> TrainConfig:
    """The config, in our names, of one run of the research code.

    Raises:
        Unsupported: a model that does not exist here.
        CheckpointError: the file is missing, damaged or foreign.
        ConfigError: a flag is out of its range.
    """
    path = folder / _CONFIG
    if not _is_file(path):
        raise CheckpointError(f"{_CONFIG} must lie beside {_WEIGHTS}, got none")
    try:
        flags = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise CheckpointError(f"{_CONFIG} must be readable JSON, got {type(error).__name__}") from None
    if not isinstance(flags, dict):
        raise CheckpointError(f"{_CONFIG} must hold the flags of a run by name, got a {type(flags).__name__}")
    return translate_config(flags)


def read_weights(folder: Path, config: TrainConfig) -> dict[str, Tensor]:
    """The weights, in our names, of one run of the research code. Nothing in its file is run.

    Raises:
        CheckpointError: the file is missing, damaged or foreign, or of another model than `config` (`read_config`).
    """
    path = folder / _WEIGHTS
    if not _is_file(path):
        raise CheckpointError(f"{_WEIGHTS} must lie beside {_CONFIG}, got none")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler of a damaged file raises whatever it stumbles over
        # torch's own text tells the user to load the file without this protection.
        raise CheckpointError(
            f"{_WEIGHTS} must be a whole file of torch.save with tensors by name and no code, "
            f"got one that cannot be read as such ({type(error).__name__})"
        ) from None
    if not isinstance(weights, Mapping):
        raise CheckpointError(f"{_WEIGHTS} must hold tensors by name, got a {type(weights).__name__}")
    for name, value in weights.items():
        if not isinstance(name, str) or not _is_plain(value):
            raise CheckpointError(f"{_WEIGHTS} must hold tensors of real numbers by name, got another {shown(name)}")
    return translate_weights(weights, config)


@dataclass
class _Import:
    """What all folders of one import share."""

    machine: Mapping[str, Any]
    device: torch.device
    experiment: str | Experiment
    uri: str | None
    parent: str | None
    stop: StopRequest
    present: set[tuple[str, str]]
    missing: dict[str, DataError] = field(default_factory=dict)

    def take(self, folder: Path) -> ImportResult:
        """Import one folder."""
        name = _text(folder.resolve().name)
        try:
            config = replace(read_config(folder), **self.machine)
            dataset = self._dataset(config)
            identity = config.identity(dataset.digest)
            if (identity, name) in self.present:
                return ImportResult(folder, ImportStatus.PRESENT)
            model = _restore(config, read_weights(folder, config), dataset)
        except Unsupported as error:
            return ImportResult(folder, ImportStatus.UNSUPPORTED, str(error))
        except DataError as error:
            return ImportResult(folder, ImportStatus.NO_DATA, str(error))
        except (CheckpointError, ConfigError, OutOfMemory) as error:
            return ImportResult(folder, ImportStatus.DAMAGED, str(error))
        self.present.add((identity, name))
        return self._write(folder, name, config, dataset, model.to(self.device))

    def _write(
        self, folder: Path, name: str, config: TrainConfig, dataset: Dataset, model: HierarchicalVAE
    ) -> ImportResult:
        run = model_run(
            config,
            dataset,
            self.device,
            RunRequest(experiment=self.experiment, parent=self.parent, tags={Tag.IMPORTED: name}),
            uri=self.uri,
            stop=self.stop,
        )
        try:
            with run:
                describe_run(run, config, dataset, model)
                measure_run(run, config, dataset, model)
        except Diverged as error:
            return ImportResult(folder, ImportStatus.DIVERGED, str(error), run.run_id)
        return ImportResult(folder, ImportStatus.IMPORTED, run_id=run.run_id)

    def _dataset(self, config: TrainConfig) -> Dataset:
        if config.dataset in self.missing:  # hundreds of runs need not wait for hundreds of downloads that fail
            raise self.missing[config.dataset]
        try:
            return load_once(config.dataset, config.data_root, self.device)
        except DataError as error:
            self.missing[config.dataset] = error
            raise


def _present(store: Store, experiment: str | Experiment) -> set[tuple[str, str]]:
    """(config hash, folder name) of what was imported to its end, be it that the model gave no finite numbers."""
    return {
        (run.data.tags[Tag.CONFIG_HASH], run.data.tags[Tag.IMPORTED])
        for run in store.runs(experiment, where=f"tags.`{Tag.IMPORTED}` LIKE '%'")
        if outcome_of(run) in (RunOutcome.FINISHED, RunOutcome.DIVERGED)
    }


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise CheckpointError(f"{path.name} must be readable, got: {error.strerror}") from None


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout == torch.strided
        and value.device.type == "cpu"  # a tensor saved from the meta device has no numbers
    )


def _restore(config: TrainConfig, weights: Mapping[str, Tensor], dataset: Dataset) -> HierarchicalVAE:
    try:
        model = build_model(config, dataset.image_shape)
        model.load_state_dict(weights, strict=True)
    except (RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{_WEIGHTS} must be of the model in {_CONFIG}, got another: {reason}") from None
    return model.eval()


def _text(name: str) -> str:
    """A file's name as text that any store takes, also where its bytes are not UTF-8."""
    return os.fsencode(name).decode(errors="replace")
