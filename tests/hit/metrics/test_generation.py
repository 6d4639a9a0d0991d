"""Scores of samples: golden numbers, closed forms, and what must not change them."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hit.metrics.generation import (
    GENERATION,
    frechet_distance,
    inception_score,
    neighbourhoods,
    prediction_entropy,
)

seeds = st.integers(0, 2**31 - 1)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestInceptionScore:
    def test_agrees_with_the_research_code(self, golden: Path) -> None:
        numbers = np.load(golden / "estimators.npz")
        found = inception_score(torch.from_numpy(numbers["class_probabilities"]), splits=5)
        assert found.score == pytest.approx(numbers["inception_score_mean"], rel=1e-9)
        assert found.diversity == pytest.approx(numbers["diversity"], rel=1e-9)
        assert found.sharpness == pytest.approx(numbers["sharpness"], rel=1e-9)

    def test_extremes(self) -> None:
        unsure = inception_score(torch.full((50, 10), 0.1))
        assert (unsure.score, unsure.diversity, unsure.sharpness) == pytest.approx((1, 10, 0.1))
        collapsed = inception_score(torch.eye(10)[torch.zeros(50, dtype=torch.int64)])
        assert (collapsed.score, collapsed.diversity, collapsed.sharpness) == pytest.approx((1, 1, 1))

    @settings(deadline=None, max_examples=30)
    @given(seeds)
    def test_neither_order_nor_names_of_classes_matter(self, seed: int) -> None:
        """The order matters to the splits alone: within each it does not."""
        probabilities = normal(seed, 40, 6).softmax(1)
        expected = inception_score(probabilities, splits=4)
        shuffled = torch.cat([part[torch.randperm(10)] for part in probabilities.split(10)])
        for other in (shuffled, probabilities[:, torch.randperm(6)], probabilities.flip(0)):
            found = inception_score(other, splits=4)
            assert found.score == pytest.approx(expected.score, rel=1e-12)
            assert found.diversity == pytest.approx(expected.diversity, rel=1e-12)
            assert found.sharpness == pytest.approx(expected.sharpness, rel=1e-12)
        once = inception_score(probabilities, splits=1)
        assert once.score == pytest.approx(inception_score(probabilities[torch.randperm(40)], splits=1).score)
        assert once.score == pytest.approx(once.diversity * once.sharpness)
        assert 1 <= once.score <= 6

    def test_errors_are_the_spread_of_scores_of_other_samples(self) -> None:
        scores = [inception_score(normal(seed, 500, 6).softmax(1)) for seed in range(100)]
        spread = float(torch.tensor([one.score for one in scores], dtype=torch.float64).std())
        told = float(torch.tensor([one.score_error for one in scores], dtype=torch.float64).square().mean().sqrt())
        assert told == pytest.approx(spread, rel=0.25)
        alone = inception_score(normal(0, 20, 6).softmax(1), splits=1)
        assert (alone.score_error, alone.diversity_error, alone.sharpness_error) == (None, None, None)

    @pytest.mark.parametrize("shape", [(4, 3), (20,)])
    def test_what_it_cannot_take(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="at least 5 samples"):
            inception_score(torch.ones(shape))


def test_entropy_of_predictions() -> None:
    mean, error = prediction_entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    assert (mean, error) == pytest.approx((0.5 * math.log(2), 0.5 * math.log(2)))
    assert prediction_entropy(torch.tensor([[0.5, 0.5]]))[1] is None


class TestFrechetDistance:
    @settings(deadline=None, max_examples=30)
    @given(seeds)
    def test_none_between_a_set_and_itself_in_any_order(self, seed: int) -> None:
        features = 5 + normal(seed, 60, 8)
        assert frechet_distance(features, features[torch.randperm(60)]) == pytest.approx(0, abs=1e-5)

    def test_dead_features_add_nothing(self) -> None:
        features = normal(0, 300, 8).clamp_min(0)
        dead = torch.cat([features, torch.zeros(300, 40, dtype=torch.float64)], 1)
        assert frechet_distance(dead, dead) == pytest.approx(0, abs=1e-4)

    def test_closed_form(self) -> None:
        """A shift by a adds |a|²; spreads 1 and s along independent axes add d (1 − s)²."""
        real = normal(0, 500, 4)
        assert frechet_distance(real, real + 3) == pytest.approx(4 * 9)
        white = torch.linalg.qr(real - real.mean(0)).Q * math.sqrt(499)
        assert frechet_distance(white, 2.5 * white) == pytest.approx(4 * 1.5**2)
        assert frechet_distance(1e4 + white, 1e4 + 2.5 * white) == pytest.approx(4 * 1.5**2, rel=1e-6)

    def test_what_it_cannot_take(self) -> None:
        with pytest.raises(ValueError, match="fake features N × d"):
            frechet_distance(torch.zeros(5, 3), torch.zeros(5, 4))
        with pytest.raises(ValueError, match="finite fake"):
            frechet_distance(torch.zeros(5, 3), torch.full((5, 3), math.nan))


class TestNeighbourhoods:
    @settings(deadline=None, max_examples=30)
    @given(seeds)
    def test_equal_sets_are_within_each_other(self, seed: int) -> None:
        features = normal(seed, 50, 5)
        found = neighbourhoods(features, features[torch.randperm(50)])
        assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
        # Every point lies in its own ball and, on average, in those of k others.
        assert found.density == pytest.approx((5 + 1) / 5)

    def test_by_the_definition(self) -> None:
        real, fake, k = normal(1, 40, 3), 0.7 * normal(2, 30, 3) + 0.5, 4
        between = (real[:, None] - fake[None]).norm(dim=2)
        real_reach = (real[:, None] - real[None]).norm(dim=2).sort(1).values[:, k]
        fake_reach = (fake[:, None] - fake[None]).norm(dim=2).sort(1).values[:, k]
        inside = between <= real_reach[:, None]
        found = neighbourhoods(real, fake, k)
        assert found.precision == pytest.approx(inside.any(0).double().mean().item())
        assert found.recall == pytest.approx((between <= fake_reach).any(1).double().mean().item())
        assert found.density == pytest.approx(inside.double().sum(0).mean().item() / k)
        assert found.coverage == pytest.approx(inside.any(1).double().mean().item())

    def test_samples_of_one_mode_are_precise_and_recall_half(self) -> None:
        real = torch.cat([normal(0, 200, 4), 100 + normal(1, 200, 4)])
        found = neighbourhoods(real, normal(2, 300, 4))
        assert found.precision > 0.85
        assert 0.3 < found.recall <= 0.5
        assert 0.4 < found.coverage <= 0.5
        far = neighbourhoods(real, 1e4 + normal(2, 300, 4))
        assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)

    def test_rows_in_parts_are_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real, fake = normal(1, 40, 3), normal(2, 30, 3)
        expected = neighbourhoods(real, fake)
        monkeypatch.setattr("hit.metrics.generation._HELD", 7 * 40)
        assert neighbourhoods(real, fake) == expected

    def test_what_it_cannot_take(self) -> None:
        with pytest.raises(ValueError, match="more than 5 images"):
            neighbourhoods(torch.zeros(5, 3), torch.zeros(50, 3))


def test_the_fingerprint_tells_protocols_and_networks_apart() -> None:
    changed = {name: value + 1 for name, value in vars(GENERATION).items() if isinstance(value, int)}
    others = {replace(GENERATION, **{name: value}).fingerprint("a") for name, value in changed.items()}
    others |= {replace(GENERATION, torchmetrics="0.0").fingerprint("a"), GENERATION.fingerprint("b")}
    assert len(others | {GENERATION.fingerprint("a")}) == len(changed) + 3
