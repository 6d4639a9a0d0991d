"""From a launcher's name to the launcher."""

__all__ = ["build_launcher", "check_launcher", "inline", "lockstep", "pool", "project", "ray", "slurm"]

import os
from dataclasses import fields
from pathlib import Path

from hit.config import TrainConfig
from hit.delivery.local_state import state_folder
from hit.errors import ConfigError, shown
from sweeps.launchers.checked_launcher import CheckedLauncher
from sweeps.launchers.inline import InlineLauncher
from sweeps.launchers.launcher import Launcher
from sweeps.launchers.lockstep import MOST, LockstepLauncher
from sweeps.launchers.pool import PoolLauncher
from sweeps.launchers.project import ProjectLauncher
from sweeps.spec.launch_options import RunningOptions
from sweeps.spec.parts import LAUNCHERS
from sweeps.spec.slurm_options import SlurmOptions


def check_launcher(options: RunningOptions, folder: Path | None = None) -> None:
    """Find out what can be wrong before anything is begun: Ray that is not installed, a cluster that does not answer.

    Args:
        options: which launcher, and what it takes.
        folder: of journals and checkpoints; None: the usual one.

    Raises:
        ConfigError: an option is of another launcher, or SLURM does not take it.
        Unavailable: Ray or SLURM is not here, or does not answer.
    """
    if options.ray_address and options.launcher != "ray":
        raise ConfigError(f"ray_address must be empty unless launcher=ray, got {shown(options.ray_address)}")
    if options.share_gpus and options.launcher != "ray":
        raise ConfigError("share_gpus must be false unless launcher=ray, got true")
    if options.share_gpus and options.gpus_per_run:
        raise ConfigError(f"gpus_per_run must be 0 with share_gpus=true, got {options.gpus_per_run:g}")
    if options.block and options.launcher not in ("auto", "lockstep"):
        raise ConfigError(f"block must be 0 unless launcher=lockstep, got {options.block}")
    for own in fields(SlurmOptions):
        if (value := getattr(options, own.name)) != own.default and options.launcher != "slurm":
            raise ConfigError(f"{own.name} must be {own.default!r} unless launcher=slurm, got {value!r}")
    if options.launcher == "slurm":
        from sweeps.launchers.slurm.requirements import check_slurm

        check_slurm(options, folder or state_folder(TrainConfig()))
    if options.launcher == "ray":
        from sweeps.launchers.ray_requirements import check_ray, check_resources

        ray = check_ray(options.ray_address)
        if not options.ray_address and not ray.is_initialized():
            import torch

            gpus = torch.cuda.device_count()
            if options.share_gpus and not gpus:
                raise ConfigError("share_gpus must be false where this machine has no GPU, got true")
            here = {"CPU": os.cpu_count() or 1, "GPU": gpus}
            check_resources(options.cpus_per_run, options.gpus_per_run, [here], "this machine")


def build_launcher(options: RunningOptions, workers: int, folder: Path, threads: int = 0) -> Launcher:
    """The launcher that was asked for.

    Args:
        options: which, and what it takes.
        workers: models at once; of Ray at most so many, as CPUs and GPUs allow; of SLURM jobs at once.
        folder: of this machine's journals and checkpoints.
        threads: CPU threads of each on this machine; 0 divides them.

    Raises:
        Unavailable: Ray is not installed, or does not answer.
    """
    launcher = LAUNCHERS.get(options.launcher)(options, workers, folder, threads)
    if not isinstance(launcher, Launcher):
        raise ConfigError(f"launcher {options.launcher!r} must be built as a Launcher, got {shown(launcher)}")
    return launcher if LAUNCHERS.source(options.launcher) is None else CheckedLauncher(launcher, options.launcher)


def pool(options: RunningOptions, workers: int, folder: Path, threads: int) -> Launcher:
    """`launcher=pool`, and `auto` where nobody has settled it."""
    return PoolLauncher(workers, threads)


def lockstep(options: RunningOptions, workers: int, folder: Path, threads: int) -> Launcher:
    """`launcher=lockstep`."""
    return LockstepLauncher(workers, options.block or MOST, threads)


def inline(options: RunningOptions, workers: int, folder: Path, threads: int) -> Launcher:
    """`launcher=inline`."""
    return InlineLauncher()


def project(options: RunningOptions, workers: int, folder: Path, threads: int) -> Launcher:
    """`launcher=project`."""
    return ProjectLauncher(workers, options.env_manager, folder, threads)


def ray(options: RunningOptions, workers: int, folder: Path, threads: int) -> Launcher:
    """`launcher=ray`."""
    from sweeps.launchers.ray_cluster import RayLauncher

    shares = folder if options.share_gpus else None
    return RayLauncher(workers, options.ray_address, options.cpus_per_run, options.gpus_per_run, shares)


def slurm(options: RunningOptions, workers: int, folder: Path, threads: int) -> Launcher:
    """`launcher=slurm`."""
    from sweeps.launchers.slurm.slurm_launcher import SlurmLauncher

    return SlurmLauncher(workers, options, folder)
