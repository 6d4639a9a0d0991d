"""Findings on runs whose answer is known, also where a statement is false, and where nothing can be told."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.recommendation.recommender import recommend
from analysis.statements.accuracy import accuracy
from analysis.statements.best_regions import best_regions
from analysis.statements.finding import Finding, Outcome, Statistic, told_by
from analysis.statements.findings import findings_of, lines
from analysis.statements.free_betas import free_betas
from analysis.statements.information import information
from analysis.statements.own_beta import own_beta
from analysis.statements.reconstruction import reconstruction
from analysis.statements.sampling import sampling
from hit.schema import LabelKind
from tests.frames import with_samples
from tests.known_surfaces import RecordedDigits

MakeFrame = Callable[..., pd.DataFrame]
Statement = Callable[[pd.DataFrame], Finding]

_ACCURACY = "test/accuracy_svm_rbf_z2_sampled"


@pytest.fixture(scope="module")
def known(make_frame: MakeFrame) -> pd.DataFrame:
    """75 runs of three seeds, for which the statements that are no gain hold."""
    frame = make_frame(5, seeds=3)
    return frame.assign(**{"sample/inception_score": 9 - frame["test/rate"] / 10, "sample/recall": 0.5})


def _shuffled(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    chance = np.random.default_rng(3)
    return frame.assign(**{name: chance.permutation(frame[name].to_numpy()) for name in names})


@pytest.mark.parametrize("statement", [own_beta, reconstruction, accuracy, information, sampling])
def test_a_true_statement_holds(known: pd.DataFrame, statement: Statement) -> None:
    found = statement(known)
    assert found.outcome is Outcome.HOLDS, found
    assert set(found.run_ids) == set(known["run_id"])
    assert {*found.witnesses} <= {*found.run_ids}
    assert found.command == ""
    assert all(
        one.low is None or (one.high is not None and one.low <= one.value <= one.high) for one in found.statistics
    )


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        (own_beta, ["test/rate_2"]),
        (reconstruction, ["test/psnr"]),
        (accuracy, [_ACCURACY]),
    ],
)
def test_a_false_statement_does_not_hold(known: pd.DataFrame, statement: Statement, broken: list[str]) -> None:
    found = statement(_shuffled(known, *broken))
    assert found.outcome is Outcome.DOES_NOT_HOLD, found


def test_samples_that_are_best_at_many_nats_are_told(known: pd.DataFrame) -> None:
    assert sampling(known.assign(**{"sample/inception_score": known["test/rate"]})).outcome is Outcome.DOES_NOT_HOLD
    assert sampling(with_samples(known)).outcome is Outcome.DOES_NOT_HOLD, "the bell stands above the mean rate"


def test_one_run_above_a_bound_is_enough_and_named(known: pd.DataFrame) -> None:
    weak = int(known["test/rate_2"].argmin())
    above = known.copy()
    above.loc[weak, _ACCURACY], above.loc[weak, "test/bound_holds_z2"] = 0.95, 0.0
    found = accuracy(above)
    assert found.outcome is Outcome.DOES_NOT_HOLD
    assert found.witnesses == (known["run_id"][weak],)
    above.loc[weak, "test/mi_z2"], above["test/mi_error_z2"] = known["test/rate_2"][weak] + 0.05, 0.01
    assert information(above).outcome is Outcome.DOES_NOT_HOLD
    assert information(above).witnesses == (known["run_id"][weak],)
    within = information(above.assign(**{"test/mi_error_z2": 0.03}))
    assert within.outcome is Outcome.HOLDS, "within chance"
    assert "0 of 75 runs exceed it by more than chance allows, 1 at all, by up to 1.7 standard errors" in within.reason


def test_what_few_runs_or_missing_metrics_cannot_tell_comes_with_a_command(make_frame: MakeFrame) -> None:
    few = make_frame(2)
    for found in findings_of(few):
        assert found.outcome is Outcome.CANNOT_BE_TOLD, found
        assert found.command.startswith("python -m ")
    bare = make_frame(5).drop(columns=["test/mi_z2", _ACCURACY, "test/psnr"])
    assert "python -m hit.evaluate" in information(bare).command
    assert "python -m hit.evaluate" in accuracy(bare).command
    assert "python -m hit.evaluate" in reconstruction(bare).command
    assert sampling(bare).command.startswith("python -m hit.classify --dataset binary_mnist && python -m hit.evaluate")
    collapsed = make_frame(5)
    collapsed["test/rate_2"] /= 100
    assert "has collapsed" in accuracy(collapsed).reason
    equal = make_frame(25)
    equal = equal[np.isclose(equal["beta_1"], equal["beta_2"])]
    assert own_beta(equal).outcome is Outcome.CANNOT_BE_TOLD, "β that rise together"


def test_one_layer_has_nothing_to_share(make_frame: MakeFrame) -> None:
    frame = make_frame(12, layers=1)
    told = {found.name: found for found in findings_of(frame)}
    assert told["rates and their β"].outcome is Outcome.HOLDS
    for name in ("reconstruction and R", "free β"):
        assert told[name].outcome is Outcome.CANNOT_BE_TOLD
        assert "--grid_2 0.1:10:5" in told[name].command
        assert "--model vae" not in told[name].command


def test_three_layers_are_asked_alike(make_frame: MakeFrame) -> None:
    found = own_beta(make_frame(3, layers=3))
    assert found.outcome is Outcome.HOLDS
    assert [one.name[-3:] for one in found.statistics] == ["β_1", "β_2", "β_3"]


def test_continuous_labels_are_read_by_regression(known: pd.DataFrame) -> None:
    numbers = known.assign(labels=str(LabelKind.CONTINUOUS)).rename(
        columns={_ACCURACY: "test/r2_kernel_ridge_z2_sampled"}
    )
    numbers["test/r2_bound_rate_z2"] = 1 - np.exp(-2 * numbers["test/rate_2"])
    numbers["test/r2_kernel_ridge_z2_sampled"] = 0.9 * numbers["test/r2_bound_rate_z2"]
    assert accuracy(numbers).outcome is Outcome.HOLDS
    numbers["test/r2_kernel_ridge_z2_sampled"] += 0.2
    assert accuracy(numbers).outcome is Outcome.DOES_NOT_HOLD


def test_regions_that_lie_apart_differ(known: pd.DataFrame) -> None:
    found = [recommend(known, name) for name in ("reconstruction", "compression")]
    assert best_regions(known, found).outcome is Outcome.HOLDS
    assert best_regions(known, found[:1]).outcome is Outcome.CANNOT_BE_TOLD
    same = [found[0], replace(found[0], application=found[1].application)]
    assert best_regions(known, same).outcome is Outcome.DOES_NOT_HOLD


def test_the_gain_of_free_betas_is_told_by_its_interval(known: pd.DataFrame) -> None:
    unequal = np.abs(np.log10(known["beta_2"] / known["beta_1"]))
    noise = np.random.default_rng(0).normal(0, 0.05, len(known))
    free = known.assign(**{"test/psnr": 15 + unequal + noise})
    found = free_betas(free, [recommend(free, "reconstruction")])
    assert found.outcome is Outcome.HOLDS
    assert found.statistics[0].value == pytest.approx(2, abs=0.2)
    none = known.assign(**{"test/psnr": 15 - unequal + noise})
    assert free_betas(none, [recommend(none, "reconstruction")]).outcome is Outcome.DOES_NOT_HOLD
    lucky = known.assign(**{"test/psnr": 15 + 20 * noise})
    unknown = free_betas(lucky, [recommend(lucky, "reconstruction")])
    assert unknown.outcome is Outcome.CANNOT_BE_TOLD
    assert "python -m sweeps --seeds 0,1,2" in unknown.command
    assert unknown.reason.startswith("No gain is above 0 by its interval: it may be luck.")
    twice = free_betas(lucky, [recommend(lucky, "reconstruction")] * 2)
    assert twice.reason.startswith("No gain is above 0 by its interval, widened for 2 asked: it may be luck.")


def test_the_recorded_digits() -> None:
    frame = RecordedDigits().frame
    found = {one.name: one for one in findings_of(frame)}
    assert found["rates and their β"].outcome is Outcome.HOLDS
    assert found["reconstruction and R"].outcome is Outcome.HOLDS
    assert found["reconstruction and R"].statistics[0].value == pytest.approx(0.91, abs=0.01)
    assert found["regions of applications"].outcome is Outcome.HOLDS
    assert "share one seed" in found["free β"].reason


def test_every_setting_is_asked_and_the_text_has_it_all(make_frame: MakeFrame) -> None:
    both = pd.concat([make_frame(2), make_frame(2, dataset="digits")], ignore_index=True)
    found = analysis.findings(both)
    assert len(found) == 14
    assert len({one.setting for one in found}) == 2
    text = "\n".join(lines(found))
    assert text.count("cannot be told: ") == 14
    assert "the runs that would tell: python -m sweeps" in text


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.6, 0.9, Outcome.HOLDS),
        (0.1, 0.4, Outcome.DOES_NOT_HOLD),
        (0.4, 0.6, Outcome.CANNOT_BE_TOLD),
        (None, None, Outcome.CANNOT_BE_TOLD),
    ],
)
def test_an_interval_tells(low: float | None, high: float | None, outcome: Outcome) -> None:
    assert told_by([Statistic("ρ", 0.5, low, high)], 0.5) is outcome
