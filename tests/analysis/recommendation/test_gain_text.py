"""A gain that does not show is not told as one."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from analysis.recommendation.gain import Gain
from analysis.recommendation.gain_text import gain_sentence
from analysis.recommendation.recommender import Recommendation, recommend

MakeFrame = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def found(make_frame: MakeFrame) -> Recommendation:
    """Of 25 runs of one seed, the best of which have free β."""
    return recommend(make_frame(5), "density")


def test_a_gain_beyond_the_digits_of_the_scores_is_none(found: Recommendation) -> None:
    text = gain_sentence(replace(found, equal_value=found.value - 7e-8, gain=7e-8))
    assert "Free β gain nothing so far: the best of 5 runs with equal β" in text
    assert "e-08" not in text


def test_a_gain_within_its_error_is_not_known(found: Recommendation) -> None:
    assert found.gain is not None
    text = gain_sentence(replace(found, equal_value=found.value - 3, gain=3.0, gain_error=2.0))
    assert text.startswith(
        "Whether free β gain anything does not show in single runs: the best is 3 nats per image ± 2"
    )
    assert "where ± is how far runs of near rates differ" in text
    text = gain_sentence(replace(found, equal_value=found.value - 3, gain=3.0, gain_error=0.5, gain_by_seeds=True))
    assert text.startswith("Free β gain 3 nats per image ± 0.5 by the best run")
    assert "where ± is the spread of their seeds" in text


def test_a_gain_of_a_run_that_keeps_a_constraint_by_luck(found: Recommendation) -> None:
    text = gain_sentence(replace(found, equal_value=found.value - 3, gain=3.0, gain_error=0.5, count=2, kept=1))
    assert text.startswith("Whether free β gain anything does not show in single runs")
    assert "and keeps what is asked by luck." in text


def test_a_gain_of_runs_whose_error_nobody_knows(found: Recommendation) -> None:
    text = gain_sentence(replace(found, equal_value=found.value - 3, gain=3.0, gain_error=None, expected_gain=None))
    assert text.startswith("Free β gain 3 nats per image by single runs")
    assert "How far other seeds would change that is not known" in text


def test_means_over_seeds_that_may_not_differ(found: Recommendation) -> None:
    free, equal = (0.3, 3.0), (1.0, 1.0)
    text = gain_sentence(replace(found, expected_gain=Gain(0.5, -0.2, 1.2, free, equal, 4)))
    assert "Over seeds it may be none: 0.5 nats per image (−0.2 to 1.2 with probability 90%)" in text
    text = gain_sentence(replace(found, expected_gain=Gain(0.5, 0.1, 0.9, free, equal, 4)))
    assert "Over seeds 0.5 nats per image (0.1 to 0.9 with probability 90%)" in text
    text = gain_sentence(replace(found, expected_gain=Gain(0.5, None, None, free, equal, 0)))
    assert "; all 25 runs share one seed, and its luck, so" in text
    text = gain_sentence(replace(found, expected_gain=Gain(0.0, 0.0, 0.0, equal, equal, 0)))
    assert text.endswith("Over seeds no gain is expected: equal β = (1, 1) do best.")


def test_replicates_that_do_not_differ_tell_no_certainty(found: Recommendation) -> None:
    alike = Gain(1.0, None, None, (1.0, 0.1), (1.0, 1.0), 4)
    text = gain_sentence(replace(found, expected_gain=alike))
    assert "by 4 runs there of other seeds, which do not differ, so that the error is not known." in text
    assert "with probability" not in text
