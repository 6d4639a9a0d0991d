"""Where and how a command works, not what comes out: type, default and help of such options, for all commands."""

__all__ = [
    "WORKERS_HELP",
    "DataRoot",
    "Device",
    "Experiment",
    "ExperimentOptions",
    "Extensions",
    "MachineOptions",
    "NamedModel",
    "StateDir",
    "Threads",
    "WorkerOptions",
    "Workers",
]

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

from hit.config import field_types
from hit.schema import field_lengths

WORKERS_HELP = "processes, which divide the CPUs; 0: one a CPU, at most 8"

DataRoot = Annotated[
    field_types.Text, Field(description="where torchvision's data sets lie; empty: $HIT_DATA, else ./data")
]
Device = Annotated[field_types.Text, Field(description="auto, cpu, cuda or cuda:<n>")]
Threads = Annotated[field_types.Threads, Field(description="CPU threads of this process; 0: $HIT_THREADS, else all")]
StateDir = Annotated[
    field_types.Text, Field(description="journals and checkpoints; empty: $HIT_STATE_DIR, else ./.hit")
]
Workers = Annotated[field_types.Workers, Field(description=WORKERS_HELP)]
NamedModel = Annotated[
    field_types.Text,
    Field(
        description="models:/NAME@ALIAS, models:/NAME/VERSION, the run id of a trained model, or a folder in MLflow's "
        "format"
    ),
]
Experiment = Annotated[
    field_types.Text,
    StringConstraints(max_length=field_lengths.EXPERIMENT),
    Field(
        description="name of the MLflow experiment; empty: that of `mlflow run`, of MLFLOW_EXPERIMENT_ID, …_NAME, "
        "else hit"
    ),
]
Extensions = Annotated[
    field_types.Text,
    Field(
        description="Python files and modules, with commas, that register models, likelihoods and other parts, beside "
        "those of $HIT_EXTENSIONS and of installed packages"
    ),
]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ExperimentOptions:
    """Where in the store a command works, and whose parts it knows beside ours."""

    experiment: Experiment = ""
    extensions: Extensions = ""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class WorkerOptions(ExperimentOptions):
    """The same, of a command that starts processes."""

    workers: Workers = 0


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class MachineOptions(ExperimentOptions):
    """The same, of a command that loads data and computes, and is given no config that says where."""

    data_root: DataRoot = ""
    device: Device = "auto"
    threads: Threads = 0
    state_dir: StateDir = ""
