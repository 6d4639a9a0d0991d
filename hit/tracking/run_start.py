"""How a writer comes to its run: it begins one, takes one over, or adds to one that has ended."""

__all__ = ["AmendedRun", "NewRun", "ResumedRun", "RunStart"]

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from hit.connection import experiment_id, experiment_of
from hit.connection.idempotent_creation import create_run
from hit.delivery.journal import Record
from hit.delivery.ownership import may_be_written, ownership_tags, take_over, there
from hit.errors.redaction import redact
from hit.schema import SCHEMA_VERSION, Kind, Tag, field_lengths
from hit.schema.endings import Ending, end_tags
from hit.schema.experiments import Experiment
from hit.schema.field_lengths import shortened
from hit.tracking.provenance import packages, source_tags
from hit.tracking.run_log import metric_record, note_record, tag_record

#: Markdown for the UI, from the status of a run and why it ended so.
Note = Callable[[str, str], str]


class RunStart(ABC):
    """What a writer does that depends on how it comes to its run.

    Attributes:
        run_id: of a run that is in the store already; '' where one is made.
    """

    run_id: str = ""

    @property
    @abstractmethod
    def is_owner(self) -> bool:
        """Whether the run is the writer's: it tells that it is alive, and how it ended."""

    @abstractmethod
    def open(self, client: MlflowClient) -> Run:
        """The run, made or found, and the writer's own where it is to be.

        Raises:
            StoreError: the store does not answer, or the run does not exist; `Claimed`: it is FINISHED.
        """

    @abstractmethod
    def experiment(self, client: MlflowClient) -> Experiment:
        """The experiment that was asked for, by its id."""

    @abstractmethod
    def kind(self, run: Run) -> str:
        """What the run is."""

    def tags_anew(self, run: Run) -> dict[str, str]:
        """Tags that take the place of those that say how the run ended before; none where it had not begun."""
        return {}

    @abstractmethod
    def last_records(self, ended: Ending, note: Note | None) -> list[Record]:
        """What the store is told in the end."""

    def withdraw(self, client: MlflowClient, run_id: str) -> bool:
        """Take back a run that measured nothing, since another one does its work; whether that may be."""
        return False


@dataclass(frozen=True)
class _OwnRun(RunStart):
    """A run that becomes the writer's own.

    Attributes:
        given_kind: what it is.
        name: shown in the UI.
        home: the experiment, or its name.
        tags: further ones.
    """

    given_kind: Kind
    name: str
    home: str | Experiment
    tags: Mapping[str, str]

    @property
    def is_owner(self) -> bool:
        return True

    @property
    def own_tags(self) -> dict[str, str]:
        """What the run is, and the further tags."""
        further = {key: shortened(value, field_lengths.TAG) for key, value in self.tags.items()}
        return {
            str(Tag.KIND): self.given_kind,
            str(Tag.SCHEMA): SCHEMA_VERSION,
            str(Tag.PACKAGES): packages(),
        } | further

    def experiment(self, client: MlflowClient) -> Experiment:
        return Experiment(str(self.home), experiment_id(client, self.home))

    def kind(self, run: Run) -> str:
        return self.given_kind

    def last_records(self, ended: Ending, note: Note | None) -> list[Record]:
        records: list[Record] = []
        reason = redact(ended.reason)
        if note is not None:
            records.append(note_record(note(ended.status, reason)))
        if ended.status == "FINISHED":  # somebody may have taken it for lost meanwhile
            records.append({"kind": "untag", "key": str(Tag.STATUS_REASON)})
        records += [tag_record(*tag) for tag in end_tags(ended.outcome, reason).items()]
        return [*records, {"kind": "status", "status": ended.status, "time": int(time.time() * 1000)}]


class NewRun(_OwnRun):
    """A run that is made."""

    def open(self, client: MlflowClient) -> Run:
        tags = source_tags() | ownership_tags() | self.own_tags
        return create_run(client, self.experiment(client).id, name=self.name, tags=tags)

    def withdraw(self, client: MlflowClient, run_id: str) -> bool:
        with contextlib.suppress(MlflowException):  # it stays, as KILLED with the reason
            client.delete_run(run_id)
        return True


@dataclass(frozen=True)
class ResumedRun(_OwnRun):
    """A run that is taken over: `mlflow run` has made it, or it is gone on with. It keeps the name that it was given.

    Attributes:
        run_id: of the run.
    """

    run_id: str = ""

    def open(self, client: MlflowClient) -> Run:
        run = there(client, self.run_id)
        take_over(client, run, self.name)
        return run

    def tags_anew(self, run: Run) -> dict[str, str]:
        """Whose it is stands there, and is not for the journal."""
        return {key: value for key, value in source_tags().items() if key not in run.data.tags} | self.own_tags


@dataclass(frozen=True)
class AmendedRun(RunStart):
    """A run that has ended and is added to: its name and status stay, whatever happens.

    Attributes:
        run_id: of the run.
    """

    run_id: str = ""

    @property
    def is_owner(self) -> bool:
        return False

    def open(self, client: MlflowClient) -> Run:
        run = there(client, self.run_id)
        may_be_written(client, self.run_id)  # before anything is measured
        return run

    def experiment(self, client: MlflowClient) -> Experiment:
        return experiment_of(client, self.run_id)

    def kind(self, run: Run) -> str:
        return str(run.data.tags.get(Tag.KIND, ""))

    def last_records(self, ended: Ending, note: Note | None) -> list[Record]:
        # Nothing else tells readers that a run which has ended is not what it was (hit.store.incremental).
        now = time.time()
        return [metric_record("measured_at", now, step=int(now))]
