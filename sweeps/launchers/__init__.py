"""Where the models of a sweep are trained."""

from sweeps.launchers.build import build_launcher, check_launcher
from sweeps.launchers.inline import InlineLauncher
from sweeps.launchers.launcher import Launcher, Training
from sweeps.launchers.lockstep import LockstepLauncher
from sweeps.launchers.pool import PoolLauncher
from sweeps.launchers.project import ProjectLauncher
from sweeps.launchers.settling import settle_launcher, worker_processes

__all__ = [
    "InlineLauncher",
    "Launcher",
    "LockstepLauncher",
    "PoolLauncher",
    "ProjectLauncher",
    "Training",
    "build_launcher",
    "check_launcher",
    "settle_launcher",
    "worker_processes",
]
