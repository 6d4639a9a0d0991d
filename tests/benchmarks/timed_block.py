"""A block of models trained within so many seconds: what there is no time for is left out, and said."""

__all__ = ["TimedBlock"]

import math
from collections.abc import Sequence
from statistics import fmean

from hit.models import HierarchicalVAE
from hit.training.lockstep import LockstepTraining
from tests.benchmarks.gpu import Record

#: Epochs after which time is estimated, by the last of them: the first one captures graphs, too.
_TIMED = 2
#: Training ends at once where it takes this much longer than it may: the estimate was wrong.
_GRACE = 1.1
#: Epochs between two lines.
_TOLD = 5

Label = tuple[str, str]


class TimedBlock:
    """A block that is trained to its end, less what there is no time for.

    Args:
        name: for people.
        block: untrained.
        labels: of each member, its unit and a name of its own in there; units are left out whole, the last ones first.
        record: tells, and has the clock.
        until: seconds by which it is to be done.

    Attributes:
        epochs: that were trained.
    """

    def __init__(
        self, name: str, block: LockstepTraining, labels: Sequence[Label], record: Record, until: float
    ) -> None:
        self.epochs = 0
        self._name, self._block, self._labels, self._order = name, block, list(labels), tuple(labels)
        self._record, self._until = record, until
        self._diverged: list[Label] = []

    def train(self) -> None:
        """All epochs, unless time is up."""
        epochs = self._block.members[0].config.epochs
        for epoch in range(epochs):
            started = self._record.clock()
            if epoch and started > _GRACE * self._until:
                self._say("cut", f"time is up, cut after {epoch} of {epochs} epochs")
                break
            told = self._block.run_epoch(epoch)
            self.epochs, seconds = epoch + 1, self._record.clock() - started
            self._diverged += [label for label, one in zip(self._labels, told, strict=True) if one and one.diverged]
            if self.epochs in (1, _TIMED, epochs) or self.epochs % _TOLD == 0:
                means = [one.metrics["train/objective"] for one in told if one is not None and one.diverged is None]
                loss = f"mean loss {fmean(means):.2f}" if means else "all have diverged"
                print(f"{self._name}: epoch {self.epochs} in {seconds:.2f} s, {loss}", flush=True)
            if self.epochs == _TIMED:
                self._leave_out(seconds, epochs - _TIMED)
            if all(self._block.frozen):
                break
        self._record.add(f"{self._name}/epochs", self.epochs, f"{self._name}: {self.epochs} epochs")

    def models(self) -> dict[Label, HierarchicalVAE | None]:
        """Of what was not left out, by label; None: it diverged."""
        found: dict[Label, HierarchicalVAE | None] = dict.fromkeys(self._diverged)
        found |= {
            label: self._block.model(index).eval()
            for index, label in enumerate(self._labels)
            if label not in self._diverged
        }
        return {label: found[label] for label in self._order if label in found}

    def _leave_out(self, seconds: float, epochs: int) -> None:
        """Go on with the units for which so many epochs fit into what is left."""
        units = list(dict.fromkeys(unit for unit, _ in self._labels))
        whole, left = seconds * epochs, self._until - self._record.clock()
        fits = whole <= left or whole == 0
        kept = units if fits else units[: max(0, math.floor(len(units) * left / whole))]
        text = f"{len(self._labels)} models take {whole:.0f} s more, and there are {left:.0f} s"
        self._say("estimate", text + (": all fit" if fits else ""))
        if fits:
            return
        out = [unit for unit in units if unit not in kept]
        self._say("left out", f"there is no time for {', '.join(out)}: left out")
        for index, (unit, _) in enumerate(self._labels):
            if unit not in kept:
                self._block.freeze(index)
        self._diverged = [label for label in self._diverged if label[0] in kept]
        frozen = self._block.frozen
        self._labels = [label for label, out in zip(self._labels, frozen, strict=True) if not out]
        if self._labels:
            self._block = self._block.without_frozen()

    def _say(self, what: str, text: str) -> None:
        self._record.add(f"{self._name}/{what}", text, f"{self._name}: {text}")
