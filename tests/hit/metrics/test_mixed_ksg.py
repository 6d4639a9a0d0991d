"""Mixed-KSG against the paper's point-by-point form, the research code and a closed form."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from scipy.special import digamma
from torch import Tensor

from hit.metrics import mixed_ksg


def point_by_point(samples: Tensor, labels: Tensor, neighbours: int, label_distance: float) -> float:
    """The estimate of arXiv 1709.06212 as its authors write it, labels being scaled one-hot vectors."""
    z = samples.double().numpy()
    y = label_distance * torch.nn.functional.one_hot(labels).double().numpy()
    joint, of_z, of_y = KDTree(np.concatenate([z, y], 1)), KDTree(z), KDTree(y)
    terms = []
    for z_n, y_n in zip(z, y, strict=True):
        radius = joint.query(np.concatenate([z_n, y_n]), neighbours + 1, p=math.inf)[0][neighbours]
        within = radius - 1e-15 if radius > 0 else 1e-15
        at_place = len(joint.query_ball_point(np.concatenate([z_n, y_n]), within, p=math.inf))
        near = len(of_z.query_ball_point(z_n, within, p=math.inf))
        of_label = len(of_y.query_ball_point(y_n, within, p=math.inf))
        k = neighbours if radius > 0 else at_place
        terms.append(digamma(k) + math.log(len(z)) - digamma(near) - digamma(of_label))
    return float(np.mean(terms))


def points(count: int, dims: int, seed: int, classes: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, dims, generator=generator, dtype=torch.float64)
    return centres[labels] + 0.5 * torch.randn(count, dims, generator=generator, dtype=torch.float64), labels


@settings(max_examples=25, deadline=None)
@given(st.integers(24, 60), st.integers(1, 6), st.integers(0, 1000), st.sampled_from([0.3, 1.0, 1e3]), st.booleans())
def test_agrees_with_the_form_of_its_authors(count: int, dims: int, seed: int, distance: float, tied: bool) -> None:
    samples, labels = points(count, dims, seed)
    if tied:  # on a coarse grid many points coincide
        samples = samples.mul(2).round().div(2)
    expected = point_by_point(samples, labels, 5, distance)
    assert mixed_ksg(samples, labels, label_distance=distance) == pytest.approx(expected, abs=1e-12)
    if distance == 1e3:  # beyond all samples: as good as infinite
        assert mixed_ksg(samples, labels) == pytest.approx(expected, abs=1e-12)


def test_pairs_that_few_dimensions_leave_near_are_looked_at_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, labels = points(240, 20, seed=3)
    samples, alone = samples + 0.5 * samples.roll(1, 0), list[int]()  # classes that overlap
    expected = mixed_ksg(samples, labels)  # all dimensions of all pairs at once
    module, select = sys.modules["hit.metrics.mixed_ksg"], Tensor.index_select

    def counted(tensor: Tensor, dim: int, index: Tensor) -> Tensor:
        alone.append(len(index))
        return select(tensor, dim, index)

    monkeypatch.setattr(module, "_FIRST", 1)
    monkeypatch.setattr(module, "_CHUNK", 400)
    monkeypatch.setattr(Tensor, "index_select", counted)
    assert mixed_ksg(samples, labels) == expected
    assert 0 < sum(alone) / 2 < 0.05 * 240**2 / 3
    assert max(alone) <= 20
    monkeypatch.undo()
    assert expected == pytest.approx(point_by_point(samples, labels, 5, 1e3), abs=1e-12)


def test_golden(golden: Path) -> None:
    with np.load(golden / "estimators.npz") as estimators:
        samples, labels = torch.from_numpy(estimators["mean"][:, :2].copy()), torch.from_numpy(estimators["labels"])
        expected = float(estimators["mi_mixed_ksg_first_two_dims"])
    assert mixed_ksg(samples, labels, label_distance=1.0) == pytest.approx(expected, abs=1e-12)
    assert mixed_ksg(samples, labels) == pytest.approx(expected, abs=0.005)  # neighbours are nearer than 1 here


@settings(max_examples=25, deadline=None)
@given(st.integers(12, 60), st.integers(1, 4), st.integers(0, 1000), st.integers(1, 5000))
def test_order_names_scale_and_chunks_do_not_matter(count: int, dims: int, seed: int, chunk: int) -> None:
    samples, labels = points(count, dims, seed)
    expected = mixed_ksg(samples, labels)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    assert mixed_ksg(samples[order], labels[order]) == pytest.approx(expected, abs=1e-12)
    assert mixed_ksg(samples, torch.tensor([7, -3, 1000])[labels]) == pytest.approx(expected, abs=1e-12)
    assert mixed_ksg(1024 * samples, labels) == pytest.approx(expected, abs=1e-12)
    assert mixed_ksg(samples.view(count, dims, 1), labels, chunk=chunk) == pytest.approx(expected, abs=1e-12)


def test_two_gaussians_carry_what_the_binary_channel_carries() -> None:
    labels = torch.arange(4000) % 2
    noise = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert mixed_ksg(2.0 * labels[:, None] - 1 + noise, labels) == pytest.approx(0.33687, abs=0.04)
    assert mixed_ksg(noise, labels) == pytest.approx(0.0, abs=0.04)


def test_rare_classes() -> None:
    samples, labels = points(60, 2, seed=0)
    with_three, with_one = labels.clone(), labels.clone()
    with_three[:3], with_one[0] = 8, 9
    assert math.isfinite(mixed_ksg(samples, with_three))  # fewer than k + 1: its two others are its neighbours
    assert mixed_ksg(samples, with_one) == mixed_ksg(samples[1:], labels[1:])


def test_nothing_to_measure_gives_no_number() -> None:
    samples, labels = points(20, 2, seed=0)
    assert math.isnan(mixed_ksg(samples, torch.arange(20)))
    samples[3, 1] = math.inf
    assert math.isnan(mixed_ksg(samples, labels))


def test_arguments_that_do_not_fit_are_refused() -> None:
    samples, labels = points(20, 2, seed=0)
    with pytest.raises(ValueError, match="N labels"):
        mixed_ksg(samples, labels[:5])
    for wrong in ({"neighbours": 0}, {"label_distance": 0.0}, {"label_distance": math.nan}):
        with pytest.raises(ValueError, match="must be positive"):
            mixed_ksg(samples, labels, **wrong)
