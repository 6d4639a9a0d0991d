"""How a sweep runs what its driver proposes: where, for how long, and when a run is ended early."""

__all__ = ["RunningOptions"]

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.config.early_stopping import EARLY_STOPPING_HELP
from hit.config.field_types import Text
from sweeps.spec.parts import LAUNCHERS
from sweeps.spec.slurm_options import SlurmOptions


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class RunningOptions(SlurmOptions):
    """Where the models of a sweep are trained, and what ends it or one of its runs."""

    hours: Annotated[
        float,
        Field(
            ge=0, le=1e5, allow_inf_nan=False, description="start no run after so many hours of this start; 0: no bound"
        ),
    ] = 0.0
    launcher: Annotated[
        str,
        AfterValidator(LAUNCHERS.check),
        Field(
            description="where runs are trained: pool (processes), lockstep (many at once in a process, one a GPU), "
            "inline (this one), project (mlflow run), ray, slurm; auto: lockstep for a grid on a GPU, else pool"
        ),
    ] = "auto"
    block: Annotated[
        int,
        Field(
            ge=0,
            le=4096,
            description="of launcher=lockstep: models trained together; 0: as many as pay on the device, of a search 8",
        ),
    ] = 0
    env_manager: Annotated[
        Literal["local", "virtualenv", "uv", "conda"],
        Field(description="of launcher=project: the environment that `mlflow run` makes, or local: this one"),
    ] = "local"
    ray_address: Annotated[
        Text, Field(description="of launcher=ray: the cluster, host:port or ray://host:port; empty: this machine")
    ] = ""
    cpus_per_run: Annotated[
        float, Field(gt=0, le=4096, allow_inf_nan=False, description="of launcher=ray and slurm: CPUs that a run takes")
    ] = 1.0
    gpus_per_run: Annotated[
        float,
        Field(
            ge=0,
            le=1024,
            allow_inf_nan=False,
            description="of launcher=ray and slurm: GPUs that a run takes; of ray also a share of one",
        ),
    ] = 0.0
    share_gpus: Annotated[
        bool,
        Field(
            description="of launcher=ray, in the place of gpus_per_run: a run takes the share of a GPU that it needs, "
            "by the memory that the first of its kind has taken, alone on one"
        ),
    ] = False
    early_stopping: Annotated[
        Text, Field(description=f"{EARLY_STOPPING_HELP}; region: bounds of the sweep's region")
    ] = ""
