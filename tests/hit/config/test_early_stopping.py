"""Rules that end a run early: what they say to rates and to metric histories, and how such a run ends."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hit.config import TrainConfig
from hit.config.early_stopping import EarlyStopping, PrunerRule
from hit.config.rates.rate_region import RateBound
from hit.errors import ConfigError, EndedEarly
from hit.runs.optuna_pruners import PrunerStudy
from hit.runs.pruning import PrunerStopper, Trace, early_stopper
from hit.runs.training_run import train_run
from hit.schema import Tag
from hit.store import Store
from hit.store.metric_history import Point
from hit.tracking.reservation import reserve_run
from hit.training.rate_bounds import RateBoundStopper
from tests.stores import new_database

TINY = TrainConfig(channels=4, z_dims=(5,), metrics="core", batch_size=256, epochs=3)


class TestText:
    def test_bounds_and_a_pruner(self) -> None:
        rules = EarlyStopping.parse("rate_2=2:20, rate=:60, percentile:25:3@train/distortion", 2)
        assert rules.bounds == (RateBound("rate_2", 2, 20), RateBound("rate", 0, 60))
        assert rules.pruner == PrunerRule("percentile", (25, 3), "train/distortion")
        assert EarlyStopping.parse(str(rules), 2) == rules

    def test_nothing(self) -> None:
        assert EarlyStopping.parse("", 2) == EarlyStopping()

    def test_the_region_of_the_sweep(self) -> None:
        assert EarlyStopping.parse("region", 2, "rate_1=5:").bounds == (RateBound("rate_1", 5, float("inf")),)
        with pytest.raises(ConfigError, match="early_stopping must not name a region where the sweep has none"):
            EarlyStopping.parse("median,region", 2)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("medain", "did you mean 'median'"),
            ("rate_3=1:2", "early_stopping with rate_3 needs a model of 3 layers or more, but L = 2"),
            ("rate_1=5:2", "0 ≤ low < high for rate_1, got '5:2'"),
            ("rate_1=5", "got '5'"),
            ("percentile", "must be percentile:KEPT"),
            ("percentile:101", "got 'percentile:101'"),
            ("median:nan", "must be median or median:WARMUP"),
            ("threshold:2:1", "must be threshold:LOW:HIGH"),
            ("median@train/elbow", "did you mean 'train/elbo'"),
            ("median@train/rate_1", "that has a better end"),
            ("median,halving", "must name one pruner"),
        ],
    )
    def test_a_mistake_is_one_line(self, text: str, says: str) -> None:
        with pytest.raises(ConfigError, match="early_stopping ") as raised:
            EarlyStopping.parse(text, 2)
        assert says in str(raised.value)


class TestRates:
    """Rates R(epoch) of a run of 40 epochs, in nats, against 2 ≤ R_2 ≤ 20."""

    @pytest.mark.parametrize(
        ("rate", "ends"),
        [
            (lambda epoch: 30 - 20 * 0.8**epoch, "has settled at"),  # levels off above
            (lambda epoch: 0.5, "has settled at 0.5 nats"),  # collapsed
            (lambda epoch: 10 + epoch % 2, ""),  # inside
            (lambda epoch: 60 - epoch, ""),  # falls, and comes to 20 in the end
            (lambda epoch: 0.1 * epoch, ""),  # rises, and comes to 4
            (lambda epoch: 20.5, ""),  # outside by less than rates of other images may differ
        ],
    )
    def test_ends_what_has_settled_outside(self, rate: Callable[[int], float], ends: str) -> None:
        stopper = RateBoundStopper((RateBound("rate_2", 2, 20),), TrainConfig(epochs=40))

        def run() -> None:
            for epoch in range(1, 40):
                stopper.check(epoch, {"train/rate_2": rate(epoch)})

        if ends:
            with pytest.raises(EndedEarly, match=f"outside the region: train/rate_2 {ends}"):
                run()
        else:
            run()

    def test_not_while_beta_warms_up(self) -> None:
        config = TrainConfig(model="lvae", epochs=40)  # warm-up lasts 8 epochs
        stopper = RateBoundStopper((RateBound("rate", 0, 20),), config)
        for epoch in range(1, 14):
            stopper.check(epoch, {"train/rate": 90.0})
        with pytest.raises(EndedEarly, match="epoch 14 of 40"):
            stopper.check(14, {"train/rate": 90.0})


def traces(finals: list[float], epochs: int, status: str = "FINISHED") -> list[Trace]:
    """Runs, one after the other, whose metric rises in a straight line to its final value."""
    return [
        Trace(
            f"run{index}",
            status,
            {epoch: final * epoch / epochs for epoch in range(1, epochs + 1)},
            {epoch: 1000 * index + epoch for epoch in range(1, epochs + 1)},
        )
        for index, final in enumerate(finals)
    ]


class TestPruners:
    def asked(self, rule: str, finals: list[float], own: float, epochs: int = 27) -> int:
        """The epoch after which a run with these predecessors ends; 0: it lives."""
        pruner = PrunerRule.parse(rule, 2)
        others = traces(finals, epochs)
        subject = Trace("own", "RUNNING")
        for epoch in range(1, epochs):
            subject.values[epoch], subject.times[epoch] = own * epoch / epochs, 10**6 + epoch
            if PrunerStudy(pruner, epochs).prunes([*others, subject], "own"):
                return epoch
        return 0

    def test_median_of_those_that_finished(self) -> None:
        finals = [1.0, 2.0, 3.0, 4.0, 5.0]
        assert self.asked("median", finals, 2.9) == 6 + 1, "after a quarter of the epochs"
        assert self.asked("median:2", finals, 2.9) == 3
        assert self.asked("median", finals, 3.1) == 0
        assert self.asked("median", finals[:4], 0.0) == 0, "too few to compare with"
        assert self.asked("median@train/distortion", finals, 2.9) == 0, "less is better"

    def test_percentile(self) -> None:
        finals = [1.0, 2.0, 3.0, 4.0, 5.0]
        assert self.asked("percentile:20", finals, 4.1) > 0
        assert self.asked("percentile:80", finals, 2.1) == 0

    def test_halving_compares_at_its_rungs(self) -> None:
        finals = [float(final) for final in range(1, 28)]
        assert self.asked("halving:3", finals, 0.0) == 3
        assert self.asked("halving:9", finals, 0.0) == 9
        assert self.asked("halving:3", finals, 28.0) == 0

    def test_hyperbands_brackets_begin_at_different_rungs(self) -> None:
        ends = {self.asked("hyperband:3", [float(final) for final in range(1, count)], 0.0) for count in range(20, 30)}
        assert ends == {3, 9, 0}
        assert self.asked("hyperband:3", [1.0] * 27, 28.0) == 0

    @pytest.mark.parametrize("rule", ["median:2", "percentile:40", "halving:1", "hyperband:1", "threshold:-1:2"])
    def test_a_study_that_a_block_keeps_answers_as_one_that_is_made_anew(self, rule: str) -> None:
        random, epochs, pruner = np.random.default_rng(0), 9, PrunerRule.parse(rule, 2)
        block = [Trace(f"member{index}", "RUNNING") for index in range(12)]
        known = traces([*random.normal(size=6)], epochs)
        kept, answers = PrunerStudy(pruner, epochs), []
        for epoch in range(1, epochs):
            if epoch == 5:  # the store is read again: another run has ended, and runs stand in another order
                known, block = [*known, replace(known[0], run_id="late")], block[::-1]
            for at, member in enumerate(block):
                member.values[epoch], member.times[epoch] = random.normal(), 10**6 + 100 * epoch + at
                answers.append(kept.prunes([*known, *block], member.run_id))
                assert answers[-1] == PrunerStudy(pruner, epochs).prunes([*known, *block], member.run_id)
        assert any(answers)
        assert not all(answers)

    def test_threshold(self) -> None:
        assert self.asked("threshold:-1:10@train/distortion", [], 27.0) == 11
        assert self.asked("threshold:-1:30", [], 27.0) == 0


class TestRun:
    def train(self, folder: Path, rules: str, **fields: object) -> Store:
        uri = new_database(folder / "store.db")
        config = replace(TINY, state_dir=str(folder / "state"), **fields)
        train_run(config, uri=uri, watch=early_stopper(EarlyStopping.parse(rules, 2), config, "hit", uri))
        return Store(uri)

    def test_a_run_that_is_pruned_is_killed_with_the_reason(self, tmp_path: Path) -> None:
        with pytest.raises(EndedEarly, match="pruned"):
            self.train(tmp_path, "threshold:-1:0@train/distortion")
        (run,) = Store(f"sqlite:///{tmp_path}/store.db").runs("hit")
        assert run.info.status == "KILLED"
        assert run.data.tags[Tag.STATUS_REASON].startswith("pruned: threshold:-1:0@train/distortion")
        assert run.data.tags[Tag.ENDED_EARLY] == "true"
        assert run.data.metrics["train/distortion"] > 0, "what was measured is kept"

    def test_a_run_that_nothing_is_said_against_is_measured(self, tmp_path: Path) -> None:
        store = self.train(tmp_path, "median,rate=:1000")
        (run,) = store.runs("hit")
        assert run.info.status == "FINISHED"
        assert "test/elbo" in run.data.metrics

    def test_a_pruner_reads_what_others_logged(self, tmp_path: Path) -> None:
        for seed in range(5):
            self.train(tmp_path, "", seed=seed, learning_rate=1e-2)
        with pytest.raises(EndedEarly, match=r"over 6 runs.* in epoch 2 of 3"):  # the same, but it learns nothing
            self.train(tmp_path, "median:1", learning_rate=1e-9)

    def test_runs_that_share_a_pruner_do_not_ask_for_what_it_was_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hit.runs.pruning._REFRESH_SECONDS", -1.0)  # it reads at every question
        uri = new_database(tmp_path / "store.db")
        tags = {str(Tag.DATA_DIGEST): "0123"}
        configs = [replace(TINY, seed=seed) for seed in range(2)]
        one, other = (
            reserve_run(Store(uri), "hit", "run", config.to_flat(), tags | {str(Tag.CONFIG_HASH): str(config.seed)})
            for config in configs
        )
        asked: list[str] = []

        class Counting(Store):
            def histories(self, run_ids: Sequence[str], names: Sequence[str]) -> Iterator[Point]:
                asked.extend(run_ids)
                return super().histories(run_ids, names)

        shared = PrunerStopper(PrunerRule("threshold", (-10, 10)), TINY, "hit", lambda: Counting(uri))
        for epoch in (1, 2, 3):
            for run_id in (one, other):
                shared.check(run_id, epoch, {"train/elbo": -epoch})
        assert sorted(asked) == sorted([one, other, other]), "until it was told of each"
        with pytest.raises(EndedEarly, match="over 2 runs, at -11 in epoch 4"):
            shared.check(other, 4, {"train/elbo": -11})
