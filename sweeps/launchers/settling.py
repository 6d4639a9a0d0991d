"""Which launcher trains the models of a sweep, and by how many processes, where nobody has said."""

__all__ = ["VISIBLE", "settle_launcher", "visible_gpus", "worker_processes"]

import os
from dataclasses import replace

from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.processes.cpus import worker_count
from hit.processes.devices import select_device
from sweeps.spec.launch_options import RunningOptions

#: Models that a driver which decides by those before is asked for at once: as many as a pool would have.
_OF_A_SEARCH = 8
#: Jobs of SLURM at once, waiting or running.
_JOBS = 16
#: Environment variable with the GPUs that a process may use.
VISIBLE = "CUDA_VISIBLE_DEVICES"


def settle_launcher(
    options: RunningOptions, base: TrainConfig, dataset: Dataset, driver: str, workers: int
) -> RunningOptions:
    """The options with a launcher: of `auto`, lockstep for a grid on a GPU, else the pool.

    A small model leaves a GPU idle, and many together do not; on a CPU nothing is gained. Nor can images that are
    streamed be shared, and whoever asks for workers wants a pool of them.

    Args:
        options: as typed.
        base: config of the models.
        dataset: that they are trained on, wherever it is.
        driver: its name.
        workers: as typed.
    """
    launcher = options.launcher
    if launcher == "auto":
        shared = driver == "grid" and not workers and isinstance(dataset.train, Split)
        launcher = "lockstep" if shared and select_device(base.device).type == "cuda" else "pool"
    block = options.block or (_OF_A_SEARCH if launcher == "lockstep" and driver != "grid" else 0)
    return replace(options, launcher=launcher, block=block)


def worker_processes(options: RunningOptions, base: TrainConfig, asked: int) -> int:
    """Processes that train: as many as asked for; else of lockstep one a GPU that may be used, of SLURM so many jobs as
    hardly any cluster refuses, and of others one a CPU.

    Args:
        options: with a launcher.
        base: config of the models.
        asked: as typed; 0: nobody has said.
    """
    if options.launcher == "slurm":
        return asked or _JOBS
    if options.launcher != "lockstep" or asked:
        return worker_count(asked)
    return max(1, len(visible_gpus(base.device)))


def visible_gpus(device: str) -> list[str]:
    """The GPUs that models on `device` may use, as `CUDA_VISIBLE_DEVICES` names them; none where one is named."""
    if device not in ("auto", "cuda"):
        return []
    import torch

    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    count = torch.cuda.device_count()
    return named[:count] if len(named) >= count else [str(index) for index in range(count)]
