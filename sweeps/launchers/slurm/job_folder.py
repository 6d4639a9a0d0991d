"""A folder of jobs on the file system that a sweep and its jobs share: what they are to train, and what they say.

Everything in it is JSON: nothing is unpickled on a node.
"""

__all__ = ["JobFolder", "Said", "SaidReader"]

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hit.config import TrainConfig
from hit.delivery.local_state import write_whole
from hit.errors.run_outcomes import RunOutcome
from hit.processes.identity import process_identity
from hit.schema.experiments import Experiment
from sweeps.launchers.launcher import Training

_BEGUN, _PROGRESS = "begun", "progress"


@dataclass(frozen=True)
class Said:
    """What a job says of a model.

    Attributes:
        identity: of the model.
        state: begun, progress, or how it ended.
        text: as of `hit.processes.attempts.Outcome`; of one begun, the process.
        epoch: epochs done.
        host: of one begun, as `hit.processes.identity.process_identity` names it.
    """

    identity: str
    state: str
    text: str = ""
    epoch: int = 0
    host: str = ""

    @property
    def ended(self) -> RunOutcome | None:
        """How it ended; None: it has not."""
        return None if self.state in (_BEGUN, _PROGRESS) else RunOutcome(self.state)

    @classmethod
    def begun(cls, identity: str) -> "Said":
        """This process begins to train a model."""
        host, process = process_identity()
        return cls(identity, _BEGUN, process, host=host)


class SaidReader:
    """Reads what a job has said since it was last asked.

    Args:
        path: the file of the job.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def news(self) -> list[Said]:
        """Whole lines alone; one that cannot be read is left out."""
        try:
            with self._path.open("rb") as file:  # opened anew: a network file system shows what was written before that
                file.seek(self._read)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [said for line in whole.splitlines() if (said := _parsed(line)) is not None]


class JobFolder:
    """The jobs of one submission.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, jobs: Sequence[Sequence[Training]]) -> None:
        """What each job is to train.

        Raises:
            OSError: the folder cannot be written to.
        """
        submitter = list(process_identity())
        for number, trainings in enumerate(jobs):
            task = {"submitter": submitter, "trainings": [_as_json(one) for one in trainings]}
            write_whole(self.path / f"job-{number}.json", json.dumps(task).encode())

    def note(self, cluster: str, job_ids: Sequence[str]) -> None:
        """Remember what was submitted, and to which cluster."""
        write_whole(self.path / "submitted.json", json.dumps({"cluster": cluster, "jobs": list(job_ids)}).encode())

    def submitted(self) -> tuple[str, list[str]]:
        """The cluster, and the ids of the jobs there; ('', []) where nothing was submitted."""
        try:
            read = json.loads((self.path / "submitted.json").read_text())
            return str(read["cluster"]), [str(one) for one in read["jobs"]]
        except (OSError, ValueError, KeyError, TypeError):
            return "", []

    def reader(self, number: int) -> SaidReader:
        """Of what a job says."""
        return SaidReader(self._said(number))

    def trainings(self, number: int, uri: str) -> list[Training]:
        """What a job is to train and has not brought to an end.

        Args:
            number: of the job in the submission.
            uri: the store, which is not written down: an address may have a password.

        Raises:
            OSError, ValueError, KeyError: the description is not there, or is none.
        """
        ended = {said.identity for said in self.reader(number).news() if said.ended not in _GOES_ON}
        read = self._task(number)["trainings"]
        return [_from_json(one, uri) for one in read if one["identity"] not in ended]

    def owners(self, number: int, identity: str) -> set[tuple[str, str]]:
        """The processes (host, process) whose run of a model is this job's to go on with."""
        host, process = self._task(number)["submitter"]
        own = {
            (said.host, said.text)
            for said in self.reader(number).news()
            if said.state == _BEGUN and said.identity == identity
        }
        return own | {(str(host), str(process))}

    def vain_starts(self, number: int, identity: str) -> int:
        """How often a model was begun since it has last finished an epoch."""
        starts: Counter[str] = Counter()
        for said in self.reader(number).news():
            if said.state == _BEGUN:
                starts[said.identity] += 1
            elif said.state == _PROGRESS and said.epoch:
                starts.pop(said.identity, None)
        return starts[identity]

    def say(self, number: int, said: Said) -> None:
        """Add a line to what a job says; a folder that is gone hears nothing."""
        line = json.dumps(asdict(said), separators=(",", ":")).encode() + b"\n"
        try:
            file = os.open(self._said(number), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError:
            return
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def _said(self, number: int) -> Path:
        return self.path / f"job-{number}.said.jsonl"

    def _task(self, number: int) -> dict[str, Any]:
        task: dict[str, Any] = json.loads((self.path / f"job-{number}.json").read_text())
        return task


#: A model that ended so is gone on with by its job, once that runs again.
_GOES_ON = (None, RunOutcome.INTERRUPTED)


def _parsed(line: bytes) -> Said | None:
    try:
        said = Said(**json.loads(line))
        _ = said.ended
        return said
    except (ValueError, TypeError):
        return None


def _as_json(training: Training) -> dict[str, Any]:
    home = training.experiment
    return {
        "identity": training.identity,
        "config": training.config.to_flat(),
        "run_id": training.run_id,
        "experiment": [home.name, home.id] if isinstance(home, Experiment) else [home],
        "sweep": training.sweep,
        "early_stopping": training.early_stopping,
    }


def _from_json(read: dict[str, Any], uri: str) -> Training:
    home = read["experiment"]
    return Training(
        identity=str(read["identity"]),
        config=TrainConfig.from_flat(read["config"]),
        run_id=str(read["run_id"]),
        experiment=Experiment(*home) if len(home) > 1 else str(home[0]),
        sweep=str(read["sweep"]),
        uri=uri,
        early_stopping=str(read["early_stopping"]),
    )
