"""How much a sweep may spend."""

__all__ = ["Budget"]

import math
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """Bounds on a sweep; it ends, too, when its driver has nothing left to propose.

    Attributes:
        runs: so many are started at most, by all starts of the sweep (`sweeps.scheduler.spending`); 0: no bound.
        hours: none is started after so many hours; 0: no bound. Those that run then are finished.
        began: `time.monotonic()` of this start of the sweep.
    """

    runs: int = 0
    hours: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def left(self, started: int) -> float:
        """How many more runs may be started, after so many: inf where nothing bounds them."""
        if self.hours and self.seconds_left <= 0:
            return 0
        return max(0, self.runs - started) if self.runs else math.inf

    @property
    def seconds_left(self) -> float:
        """Until no more runs are started; inf without a bound."""
        return self.began + self.hours * 3600 - time.monotonic() if self.hours else math.inf

    @property
    def late(self) -> str:
        """That the hours are over, in words; empty where they are not."""
        over = self.hours and self.seconds_left <= 0
        return f"the budget of {self.hours:g} hours is spent" if over else ""

    def spent(self, started: int, elsewhere: int = 0) -> str:
        """Which bound has been reached, in words; empty where none has.

        Args:
            started: how many runs were started in all.
            elsewhere: how many of them by other starts of the sweep.
        """
        if self.late or not self.runs or started < self.runs:
            return self.late
        others = f", {elsewhere} of them by other starts of this sweep" if elsewhere else ""
        return f"the budget of {self.runs} runs is spent{others}"
