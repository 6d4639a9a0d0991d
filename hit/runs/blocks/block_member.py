"""One model of a block in its run: from its beginning to its own end, whatever becomes of the others."""

__all__ = ["BlockMember", "MemberRun"]

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from torch import Tensor

from hit.config import TrainConfig
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import how_it_ended
from hit.runs.model_run import RunRequest
from hit.runs.training_run import TrainingRun
from hit.training import FitResult
from hit.training.checkpoints import load_state, save_state
from hit.training.lockstep import Member, MemberEpoch
from hit.training.loop import Epoch


@dataclass(frozen=True)
class BlockMember:
    """One model to be trained in a block.

    Attributes:
        identity: config hash, by which is told what becomes of it.
        config: the model.
        request: which run of the store.
        watch: shown every epoch (with the run's id) once its numbers are logged; raises `EndedEarly` to end the run.
    """

    identity: str
    config: TrainConfig
    request: RunRequest
    watch: Callable[[str, Epoch], None] = lambda run_id, epoch: None


class MemberRun:
    """A member whose run has begun.

    Args:
        member: the model.
        begun: its run, not entered yet (`hit.runs.training_run.begin_training`).

    Attributes:
        member: the same.
        training: its run, and the model.
        epochs: that it has finished.
        fitted: what its training ended with; None before.

    Raises:
        UserError: its run cannot begin, or its checkpoint is damaged or of another model; the run has ended so.
    """

    def __init__(self, member: BlockMember, begun: AbstractContextManager[TrainingRun]) -> None:
        self.member = member
        self.fitted: FitResult | None = None
        self.epochs = 0
        self._life = ExitStack()
        self.training = self._life.enter_context(begun)
        try:
            if self.training.checkpoint.exists():
                _, self.epochs = self._stored()
        except BaseException as error:
            self.end(error)
            raise
        weights = self.training.model.state_dict() if not self.epochs else {}
        #: What it begins with, until there is a checkpoint.
        self._first = {name: value.detach().cpu().clone() for name, value in weights.items()}

    @property
    def identity(self) -> str:
        """Config hash."""
        return self.member.identity

    def as_member(self) -> Member:
        """Of a block that it is to join; of one that has not trained yet, with the weights that it began with."""
        if not self.epochs:
            self.training.model.load_state_dict(self._first)
        return Member(self.member.config, self.training.model)

    def state(self) -> Mapping[str, Tensor] | None:
        """What it goes on from; None where it has finished no epoch."""
        return self._stored()[0] if self.epochs else None

    def told(self, epoch: MemberEpoch) -> None:
        """It has finished an epoch, whose checkpoint is yet to be written.

        Raises:
            Diverged, EndedEarly, Claimed, RunDeleted: the run ends here.
        """
        if epoch.diverged is not None:
            raise epoch.diverged
        self.training.on_epoch(Epoch(epoch.number, epoch.metrics))

    def keep(self, state: Mapping[str, Tensor], epochs: int) -> None:
        """Write its checkpoint after so many finished epochs.

        Raises:
            CheckpointError: it cannot be written.
        """
        save_state(self.training.checkpoint, state, epoch=epochs, identity=self.training.identity)
        self.epochs = epochs
        self._first = {}

    def end(self, error: BaseException | None) -> tuple[RunOutcome, str]:
        """End its run as the error says, and wait until its store has everything; how it ended, and why or which."""
        try:
            if error is None:
                self._life.close()
            else:
                self._life.__exit__(type(error), error, error.__traceback__)
        except Exception as another:
            error = another
        return (RunOutcome.FINISHED, self.training.run.run_id) if error is None else how_it_ended(error)

    def _stored(self) -> tuple[dict[str, Tensor], int]:
        return load_state(self.training.checkpoint, identity=self.training.identity)
