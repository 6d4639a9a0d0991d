"""Many models trained together, each in a run of its own: what ends one of them ends no other."""

__all__ = ["train_block"]

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from functools import partial

import torch

from hit.data import Dataset, Split
from hit.delivery.local_state import state_folder
from hit.errors import Interrupted, OutOfMemory
from hit.errors.run_outcomes import RunOutcome
from hit.evaluation.core_metrics import MeasuredPass
from hit.evaluation.latent_plots import LatentWork
from hit.processes.attempts import how_it_ended
from hit.processes.memory import free_memory, short_of_memory
from hit.processes.stop import StopRequest
from hit.runs.blocks.block_evaluation import measure_all, processes_beside
from hit.runs.blocks.block_member import BlockMember, MemberRun
from hit.runs.blocks.joint_passes import JointPasses
from hit.runs.training_run import TrainingRun, begin_training, load_data
from hit.schema.metric_groups import parse_groups
from hit.store import Store
from hit.training import FitResult, fit
from hit.training.epoch_estimate import EpochEstimate
from hit.training.lockstep import BlockChoice, LockstepTraining, choose_block
from hit.training.loop import Epoch

_LOG = logging.getLogger(__name__)

#: Checkpoints that are written at once.
_WRITERS = 8


def train_block(
    members: Sequence[BlockMember],
    *,
    uri: str | None,
    most: int = 0,
    stop: StopRequest,
    tell: Callable[..., None],
) -> str:
    """Train and evaluate models that take their steps together, each in its run; what came of them, in words.

    Every run has the life of one that is trained alone (`hit.runs.training_run.train_run`): its numbers, a checkpoint
    after every epoch, and an end of its own. What was interrupted goes on from its checkpoint, in whatever company; who
    is behind catches up first. More than pay at once, or than memory holds, are trained one part after the other; a
    single model, and images that are streamed, alone.

    Args:
        members: with equal `hit.training.lockstep.block_key`s and machine settings.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        most: models at once; 0: as many as pay on the device.
        stop: told about by SIGTERM and Ctrl-C.
        tell: told what they are doing, how many epochs are done, and of whom (`hit.processes.attempts.Outcome.parts`);
            and how each ended.

    Raises:
        UserError: the data are not to be had, or no model fits them; none has begun.
        Interrupted: `stop` was requested; the checkpoints are kept.
    """
    config = members[0].config
    dataset, device = load_data(config)
    dataset.test.verify(stop.check)
    at_once, choice = 1, None
    if isinstance(dataset.train, Split) and len(members) > 1:
        asked = min(most or len(members), len(members))
        choice = choose_block(config, dataset.train, most=asked, folder=state_folder(config))
        at_once = choice.members
    finished, store = 0, Store(uri)
    for start in range(0, len(members), at_once):
        stop.check()
        part = members[start : start + at_once]
        block = _Block(dataset, choice, stop, tell, len(part))
        finished += block.run(part, partial(_begun, dataset=dataset, device=device, uri=uri, store=store, stop=stop))
    return f"{finished} of {len(members)} have finished"


def _begun(
    member: BlockMember, *, dataset: Dataset, device: torch.device, uri: str | None, store: Store, stop: StopRequest
) -> AbstractContextManager[TrainingRun]:
    config, request = member.config, member.request
    return begin_training(config, dataset, device, request, uri=uri, store=store, stop=stop, watch=member.watch)


class _Block:
    """Runs that go through their epochs together.

    Args:
        dataset: that all are trained on.
        choice: how they are trained together; None: one alone.
        stop: told about by SIGTERM and Ctrl-C.
        tell: told of progress and ends.
        members: how many runs there will be.
    """

    def __init__(
        self, dataset: Dataset, choice: BlockChoice | None, stop: StopRequest, tell: Callable[..., None], members: int
    ) -> None:
        self._dataset, self._choice, self._stop, self._tell = dataset, choice, stop, tell
        #: Those that have not ended.
        self._runs: list[MemberRun] = []
        self._writers = ThreadPoolExecutor(min(_WRITERS, members), "checkpoint")
        #: A store that is away makes each wait; together they wait as long as one.
        self._enders = ThreadPoolExecutor(members, "end")
        self._ends: list[tuple[MemberRun, Future[tuple[RunOutcome, str]]]] = []
        self._finished = 0

    def run(
        self, members: Sequence[BlockMember], begun: Callable[[BlockMember], AbstractContextManager[TrainingRun]]
    ) -> int:
        """Begin, train, measure and end them; how many have finished."""
        try:
            for member in members:
                self._begin(member, begun)
            self._train()
            self._measure()
        except BaseException as error:
            for run in list(self._runs):
                self._end(run, _own(error))
            raise
        finally:
            with self._stop.whole(ends=True):
                self._writers.shutdown()
                self._enders.shutdown()
                self._tell_ends()
        return self._finished

    def _begin(self, member: BlockMember, begun: Callable[[BlockMember], AbstractContextManager[TrainingRun]]) -> None:
        self._stop.check()
        try:
            self._runs.append(MemberRun(member, begun(member)))
        except Interrupted:
            raise
        except Exception as error:
            state, text = how_it_ended(error)
            self._tell(text, state=state, parts=(member.identity,))

    def _train(self) -> None:
        """Until all have finished their epochs: those who are furthest behind first, as far as the next ones are."""
        most = len(self._runs)
        while behind := [run for run in self._runs if run.fitted is None]:
            epochs = min(run.epochs for run in behind)
            group = [run for run in behind if run.epochs == epochs][:most]
            ahead = [run.epochs for run in behind if run.epochs > epochs]
            if len(behind) == 1:
                self._go_on(group[0], partial(self._train_alone, group[0]))
                continue
            until = min(ahead, default=group[0].member.config.epochs)
            short = short_of_memory(partial(self._train_together, group, until))
            if not short:
                continue
            free_memory()
            if len(group) == 1:
                self._end(group[0], OutOfMemory(short))
            else:
                most = (len(group) + 1) // 2
                _LOG.warning(f"{len(group)} models at once do not fit into memory: {most} at once from here on")

    def _train_alone(self, run: MemberRun) -> None:
        training, config = run.training, run.as_member().config

        def on_epoch(epoch: Epoch) -> None:
            training.on_epoch(epoch)
            self._say("training", epoch.number, [run])

        run.fitted = fit(
            training.model,
            self._dataset.train,
            config,
            on_epoch=on_epoch,
            check=training.run.check,
            checkpoint=training.checkpoint,
            identity=training.identity,
        )

    def _train_together(self, runs: list[MemberRun], until: int) -> None:
        """Train runs that have finished the same epochs until they have finished so many."""
        train, choice = self._dataset.train, self._choice
        assert isinstance(train, Split)
        assert choice is not None
        block = LockstepTraining([run.as_member() for run in runs], train, strategy=choice.strategy)
        for index, run in enumerate(runs):
            if (state := run.state()) is not None and not self._go_on(run, partial(block.load_state, index, state)):
                block.freeze(index)
        estimate = EpochEstimate(runs[0].training.model, block.steps, until - runs[0].epochs)
        for epoch in range(runs[0].epochs, until):
            for index, one in enumerate(block.run_epoch(epoch, self._stop.check, estimate.after_step)):
                if one is not None and not self._go_on(runs[index], partial(runs[index].told, one)):
                    block.freeze(index)
            self._keep(block, runs, epoch + 1)
            self._tell_ends()
            left = [run for run, frozen in zip(runs, block.frozen, strict=True) if not frozen]
            if not left:
                return
            self._say("training", epoch + 1, left)
            if 2 * len(left) <= len(runs):
                block, runs = block.without_frozen(), left
        if until == runs[0].member.config.epochs:
            for index, run in enumerate(runs):
                if not block.frozen[index]:
                    run.training.model.eval()
                    run.fitted = FitResult(block.final_betas(index), controller=block.controller(index))

    def _keep(self, block: LockstepTraining, runs: Sequence[MemberRun], epochs: int) -> None:
        """Write the checkpoints of all that go on."""

        def keep(index: int) -> None:
            runs[index].keep(block.state(index), epochs)

        with self._stop.whole():
            left = [index for index, frozen in enumerate(block.frozen) if not frozen]
            kept = {index: self._writers.submit(keep, index) for index in left}
            for index, written in kept.items():
                if not self._go_on(runs[index], written.result):
                    block.freeze(index)

    def _measure(self) -> None:
        """What each is worth; it ends as soon as that is known."""
        runs = list(self._runs)
        if not runs:
            return
        config = runs[0].member.config
        processes = processes_beside(config, self._dataset.test.device, len(runs))
        self._say("evaluating", config.epochs, runs)
        free_memory()  # what training took, so that the pass has it
        works = [partial(_measured, run, passes) for run, passes in zip(runs, self._passes(runs), strict=True)]
        with closing(measure_all(works, processes=processes, stop=self._stop)) as measured:
            for index, come in measured:
                if self._go_on(runs[index], come):
                    self._end(runs[index], None)
                self._tell_ends()

    def _passes(self, runs: Sequence[MemberRun]) -> list[Callable[[], MeasuredPass | None]]:
        """What gives each run its pass over the test set, where they are made for many at once."""
        choice, config = self._choice, runs[0].member.config
        if choice is None or len(runs) == 1:
            return [lambda: None for _ in runs]
        joint = JointPasses(
            [run.training.model for run in runs],
            [_fitted(run).betas for run in runs],
            self._dataset,
            strategy=choice.strategy,
            keep="latents" in parse_groups(config.metrics),
            images=choice.members * config.batch_size,
            check=self._stop.check,
        )
        return [partial(joint.take, index) for index in range(len(runs))]

    def _go_on(self, run: MemberRun, work: Callable[[], None]) -> bool:
        """Do something of one run; whether that went well: else that run has ended, and no other."""
        try:
            work()
        except Interrupted:
            raise
        except Exception as error:
            self._end(run, error)
            return False
        return True

    def _end(self, run: MemberRun, error: BaseException | None) -> None:
        self._runs.remove(run)
        self._ends.append((run, self._enders.submit(run.end, error)))

    def _tell_ends(self) -> None:
        """Tell of the runs whose stores know by now how they ended."""
        for run, end in list(self._ends):
            if end.done():
                self._ends.remove((run, end))
                state, text = end.result()
                self._finished += state == RunOutcome.FINISHED
                self._tell(text, run.epochs, state=state, parts=(run.identity,))

    def _say(self, doing: str, epochs: int, runs: Sequence[MemberRun]) -> None:
        self._tell(doing, epochs, parts=tuple(run.identity for run in runs))


def _measured(run: MemberRun, passed: Callable[[], MeasuredPass | None], work: LatentWork) -> None:
    run.training.measure(_fitted(run), passed(), work)


def _fitted(run: MemberRun) -> FitResult:
    assert run.fitted is not None
    return run.fitted


def _own(error: BaseException) -> BaseException:
    """What has ended a block as an error of one of its runs, which notes what is its own."""
    match error:
        case Interrupted():
            return Interrupted(error.signal_number)
        case KeyboardInterrupt():
            return KeyboardInterrupt()
    return error
