"""What a sweep is given beside its driver, and what comes of it."""

__all__ = ["SweepResult", "SweepSetting"]

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hit.schema.experiments import Experiment
from sweeps.scheduler.budget import Budget


@dataclass(frozen=True)
class SweepSetting:
    """Where and for how long a sweep runs.

    Attributes:
        experiment: the experiment, or its name, of the children.
        folder: journals and checkpoints of this machine.
        data_digest: of the data set.
        budget: how much it may spend.
        early_stopping: rules that end runs early, as text (`hit.config.early_stopping`).
        best: metric whose best value is told.
        definition: hash of what the sweep is (`sweeps.spec.definition`): those of one definition share a budget.
        uri: the store.
    """

    experiment: str | Experiment
    folder: Path
    data_digest: str
    budget: Budget = field(default_factory=Budget)
    early_stopping: str = ""
    best: str = "test/elbo"
    definition: str = ""
    uri: str | None = None


@dataclass
class SweepResult:
    """What came of a sweep.

    Attributes:
        run_id: the sweep's own run.
        wanted: how many runs the driver wanted in all, if it knows.
        finished: how many of them the store holds now.
        counts: outcomes of the runs that this call started.
        faults: identity → why its run failed or diverged.
        ended: why the sweep ended.
    """

    run_id: str
    wanted: int | None
    finished: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    ended: str = ""
