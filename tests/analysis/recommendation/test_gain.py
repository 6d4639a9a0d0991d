"""What free β gain, as a mean over seeds whose rates and scores vary."""

import numpy as np
import pandas as pd
import pytest

from analysis.recommendation.gain import expected_gain
from analysis.recommendation.scores import SingleScore
from tests.known_surfaces import finished_runs

_PSNR = SingleScore("test/psnr", "maximize")


def draw(seed: int, spread: float, seeds: int = 1, side: int = 6) -> pd.DataFrame:
    """A grid in β whose rates vary between seeds, and the score with them."""
    chance = np.random.default_rng(seed)
    axis = np.geomspace(0.1, 10, side)
    cells = np.array([(one, other) for one in axis for other in axis]).repeat(seeds, axis=0)
    logs = np.log(cells)
    luck = spread * chance.standard_normal((len(cells), 2))
    score = worth(cells) + luck[:, 0]
    frame = pd.DataFrame({"beta_1": cells[:, 0], "beta_2": cells[:, 1], "test/psnr": score})
    frame["test/rate_1"], frame["test/rate_2"] = np.exp(3 - logs[:, 0] + luck[:, 1]), np.exp(2 - logs[:, 1])
    return finished_runs(frame, 2).assign(group=np.arange(len(cells)) // seeds, seed=np.arange(len(cells)))


def worth(cells: np.ndarray) -> np.ndarray:
    """Best at β = (2, 0.3)."""
    away = np.log(cells) - np.log([2, 0.3])
    return np.asarray(20 - 0.3 * (away**2).sum(-1))


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_holds_the_gain_between_the_means_of_seeds(seeds: int) -> None:
    held = []
    for seed in range(12):
        found = expected_gain(draw(seed, 0.4, seeds), 2, _PSNR, (), 12)
        assert found is not None
        assert found.equal_betas[0] == found.equal_betas[1]
        true = float(worth(np.array(found.betas)) - worth(np.array(found.equal_betas)))
        assert found.low is not None
        assert found.high is not None
        held.append(found.low <= true <= found.high)
        assert found.low <= found.value <= found.high
        assert found.replicates == (0 if seeds == 1 else 2 * seeds)
    # Twelve trials at 90 %: 9 or fewer has a probability of 11 %, 8 or fewer of 3 %.
    assert np.mean(held) >= 0.75


def test_runs_of_one_seed_give_no_interval() -> None:
    found = expected_gain(draw(0, 0.4).assign(seed=0), 2, _PSNR, (), 12)
    assert found is not None
    assert (found.low, found.high, found.replicates) == (None, None, 0)


def test_runs_that_do_not_differ_give_no_interval() -> None:
    frame = draw(0, 0.0, 2)
    alike = expected_gain(frame, 2, _PSNR, (), 12)
    assert alike is not None
    assert (alike.low, alike.high, alike.replicates) == (None, None, 4)
    twice = expected_gain(frame.assign(seed=frame["group"]), 2, _PSNR, (), 12)
    assert twice is not None
    assert twice.replicates == 0, "runs of one seed are no replicates"


def test_no_gain_without_equal_betas_or_with_few_cells() -> None:
    frame = draw(0, 0.1)
    unequal = frame[~np.isclose(frame["beta_1"], frame["beta_2"])]
    assert expected_gain(unequal, 2, _PSNR, (), 12) is None
    assert expected_gain(frame.head(8), 2, _PSNR, (), 12) is None
    assert expected_gain(frame.assign(beta_2=np.nan), 2, _PSNR, (), 12) is None
    assert expected_gain(frame.iloc[:0], 2, _PSNR, (), 12) is None
