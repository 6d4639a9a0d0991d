"""A SLURM cluster of one node, this machine, with Debian's packages slurm-wlm and munge: started, and stopped again."""

__all__ = ["PARTITIONS", "SlurmCluster", "free_ports", "why_not"]

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.commands import PATIENCE_SECONDS

#: Jobs of the first are preempted by those of the second.
PARTITIONS = ("low", "high")
_DAEMONS = ("munged", "slurmctld", "slurmd")
_SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"

_CONFIGURATION = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
EnforcePartLimits=ALL
ReturnToService=2
MpiDefault=none
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=100 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES MaxTime=120 PriorityTier=1 State=UP
PartitionName=high Nodes={host} MaxTime=120 PriorityTier=10 PreemptMode=OFF State=UP
"""


def why_not() -> str:
    """Why there can be no cluster here; '' where there can."""
    lacking = [name for name in _DAEMONS if shutil.which(name, path=_SBIN) is None]
    if lacking:
        return f"needs {', '.join(lacking)}: apt-get install slurm-wlm munge"
    return "" if os.getuid() == 0 else "needs root, to start the daemons of SLURM"


class SlurmCluster:
    """The cluster; a context manager.

    Args:
        folder: for its configuration, its state and its logs.
        name: of the cluster.
        cpus: that it says its node has.
    """

    def __init__(self, folder: Path, name: str = "one", cpus: int = 1) -> None:
        self.folder = folder
        self._cpus = cpus
        self._name = name
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def configuration(self) -> Path:
        """What SLURM_CONF is to name."""
        return self.folder / "slurm.conf"

    def __enter__(self) -> "SlurmCluster":
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)  # munged refuses a socket that others may not come to, or could take away
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        settings = {"name": self._name, "host": socket.gethostname().partition(".")[0], "folder": self.folder}
        settings["cpus"] = self._cpus
        self.configuration.write_text(_CONFIGURATION.format(ports=free_ports(2), **settings))
        of_munge = {"key-file": key, "socket": self.folder / "munge.socket", "pid-file": self.folder / "munged.pid"}
        of_munge |= {"log-file": self.folder / "munged.log", "seed-file": self.folder / "munged.seed"}
        try:
            self._start("munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in of_munge.items()))
            _wait(lambda: (self.folder / "munge.socket").exists(), self.folder)
            self._start("slurmctld", "-D", "-c", "-f", str(self.configuration))
            self._start("slurmd", "-D", "-c", "-f", str(self.configuration))
            _wait(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%t"), self.folder)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.ask("scancel", "--signal=KILL", "--me")
        self.ask("scancel", "--me")
        for process in reversed(self._processes):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()
        self._processes = []

    def ask(self, *command: str) -> str:
        """What a command of SLURM's says."""
        environment = os.environ | {"SLURM_CONF": str(self.configuration)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr

    def _start(self, name: str, *options: str) -> None:
        program = shutil.which(name, path=_SBIN)
        assert program is not None
        with (self.folder / f"{name}.said").open("wb") as said:
            environment = {"PATH": _SBIN, "SLURM_CONF": str(self.configuration)}
            self._processes.append(subprocess.Popen([program, *options], stdout=said, stderr=said, env=environment))


def _wait(there: object, folder: Path) -> None:
    assert callable(there)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not there():
        if time.monotonic() > deadline:
            raise AssertionError("\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log"))))
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens at now."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports
