"""What `launcher=slurm` needs, found out before anything is begun."""

__all__ = ["check_slurm", "folder_of_jobs"]

import importlib.util
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from hit.errors import ConfigError, Unavailable, nearest, shown
from sweeps.launchers.slurm.job_folder import JobFolder
from sweeps.launchers.slurm.job_queues import JobQueue, SlurmQueue, queue_of
from sweeps.spec.launch_options import RunningOptions

_COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "srun")
_ANSWER_SECONDS = 60.0
#: What sbatch says where there is no cluster to ask.
_SILENT = ("contact slurm controller", "timed out", "configuration file", "configuration source", "parse_file")
#: The folder of jobs that have ended, and that no sweep has removed, is removed after so long.
_KEPT_SECONDS = 7 * 86400.0
#: Word in what sbatch says of a job → the option that it is about.
_OPTIONS = {
    "account": "slurm_account",
    "time limit": "slurm_time",
    "memory": "slurm_mem",
    "processors": "cpus_per_run",
    "generic resource": "gpus_per_run",
    "unrecognized option": "slurm_options",
}


def check_slurm(options: RunningOptions, state_dir: Path) -> None:
    """Return if jobs can be submitted: whether SLURM takes them, it is asked.

    Raises:
        ConfigError: SLURM does not take jobs of this kind, or the state directory is another cluster's.
        Unavailable: submitit or SLURM is not here, or does not answer.
    """
    for name, value in (("cpus_per_run", options.cpus_per_run), ("gpus_per_run", options.gpus_per_run)):
        if value != int(value):
            raise ConfigError(f"{name} must be a whole number with launcher=slurm, got {value:g}")
    if importlib.util.find_spec("submitit") is None:
        raise Unavailable(
            "launcher=slurm needs the package submitit, which is not installed: pip install -e '.[slurm]'"
        )
    if options.slurm_executor == "slurm":
        for command in _COMMANDS:
            if shutil.which(command) is None:
                raise Unavailable(
                    f"launcher=slurm needs SLURM's {command} on the PATH, which is not there: start the sweep on a "
                    "login node or in a job (slurm_executor=local tries it on this machine)"
                )
    queue = queue_of(options)
    if isinstance(queue, SlurmQueue):
        _test(queue, options)
    _check_state_dir(queue, state_dir)


def folder_of_jobs(state_dir: Path) -> Path:
    """Where a state directory keeps what jobs are to train."""
    return state_dir / "slurm"


def _test(queue: SlurmQueue, options: RunningOptions) -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "test.sh"
        script.write_text(queue.script(Path(folder)))
        try:
            said = subprocess.run(
                ["sbatch", "--test-only", str(script)],
                capture_output=True,
                text=True,
                timeout=_ANSWER_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"SLURM must answer within {_ANSWER_SECONDS:g} s, got nothing from sbatch") from None
    if said.returncode == 0:
        return
    lines = [line for line in said.stderr.splitlines() if line.strip() and not line.startswith("Try ")] or ["nothing"]
    errors = [line.partition("error: ")[2] or line for line in lines]
    reason = errors[-1].removeprefix("allocation failure: ").removeprefix("Batch job submission failed: ")
    whole = " ".join(errors).lower()
    if "partition" in whole and options.slurm_partition and "invalid" in whole:
        known = _partitions()
        hint = nearest(options.slurm_partition, known)
        raise ConfigError(f"slurm_partition must be a partition of the cluster, got {options.slurm_partition!r}{hint}")
    if any(words in whole for words in _SILENT):
        raise Unavailable(f"SLURM must answer, and sbatch says: {reason}")
    for word, option in _OPTIONS.items():
        value = getattr(options, option)
        if word in whole and value:
            raise ConfigError(f"{option} must be what SLURM takes, got {shown(value)}: {reason}")
    raise ConfigError(f"SLURM must take the jobs as they are asked for (slurm_…, cpus_per_run, gpus_per_run): {reason}")


def _partitions() -> list[str]:
    said = subprocess.run(["sinfo", "--noheader", "--format=%R"], capture_output=True, text=True, check=False)
    return sorted({line.strip() for line in said.stdout.splitlines() if line.strip()})


def _check_state_dir(queue: JobQueue, state_dir: Path) -> None:
    """Jobs of another cluster cannot be asked for here. What a sweep that was killed has left goes after a while."""
    for path in sorted(folder_of_jobs(state_dir).glob("*/")):
        cluster, job_ids = JobFolder(path).submitted()
        if job_ids and cluster != queue.name:
            raise ConfigError(
                f"state_dir must be that of one cluster at a time, got {state_dir}, where jobs of {cluster!r} are, and "
                f"this is {queue.name!r}: end them there, then remove {path}"
            )
        if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
            present = queue.present()
            if present is not None and not present & set(job_ids):
                shutil.rmtree(path, ignore_errors=True)
