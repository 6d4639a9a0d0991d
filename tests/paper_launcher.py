"""A launcher that trains nothing, for tests of what is around it."""

__all__ = ["PaperLauncher"]

from collections.abc import Callable, Iterator

from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome
from hit.store import Store
from sweeps.launchers import Launcher, Training


class PaperLauncher(Launcher):
    """Says that it trains. A run that `ends` gives no other outcome for finishes, with an ELBO of −10 · β_1."""

    def __init__(self, store: Store, workers: int = 2, ends: Callable[[Training, int], str] | None = None) -> None:
        self._store = store
        self._workers = workers
        self._ends = ends or (lambda training, time: "finished")
        self._under_way: list[Training] = []
        self.submitted: list[Training] = []
        self.stopped = False

    @property
    def free(self) -> int:
        return self._workers - len(self._under_way)

    def submit(self, training: Training) -> None:
        assert self.free > 0
        self._under_way.append(training)
        self.submitted.append(training)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        for training in list(self._under_way):
            state = self._ends(training, sum(one.identity == training.identity for one in self.submitted))
            if state == "running":
                continue
            if state.startswith("epoch"):
                yield Outcome(training.job(), "progress", "training", int(state.split()[1]))
                state = "lost"
            self._under_way.remove(training)
            if state == "finished":
                self._store.client.log_metric(training.run_id, "test/elbo", -10 * training.config.betas[0])
                self._store.client.set_terminated(training.run_id)
            yield Outcome(training.job(), RunOutcome(state), f"it {state}")

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        self.stopped = True
        ended = [
            Outcome(training.job(), RunOutcome.INTERRUPTED, "stopped by signal 15") for training in self._under_way
        ]
        self._under_way = []
        return ended
