"""Grids of β: their texts, and that their order is a picture at any time."""

from itertools import pairwise

import pytest

from hit.config.rates.beta_grid import BetaGrid, axis_layer, grid_axes, subdivision_levels
from hit.config.rates.layer_groups import LayerGroup
from hit.errors import ConfigError


def test_log_axis_has_its_ends_and_equal_ratios() -> None:
    (axis,) = BetaGrid.parse({1: "0.1:10:21"}, 1, (1.0,)).axes
    assert (axis[0], axis[10], axis[20]) == (0.1, 1.0, 10.0)
    ratios = [high / low for low, high in pairwise(axis)]
    assert max(ratios) == pytest.approx(min(ratios), rel=1e-5)


def test_a_layer_without_an_axis_keeps_its_beta() -> None:
    assert list(BetaGrid.parse({1: "1,2"}, 3, (9.0, 0.5, 0.25))) == [(1.0, 0.5, 0.25), (2.0, 0.5, 0.25)]


@pytest.mark.parametrize("text", ["0.1:10", "10:0.1:3", "0:1:3", "0.1:10:1", "a,b", "-1,2", "nan", "1:2:x"])
def test_a_wrong_axis_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="grid_1 must be"):
        BetaGrid.parse({1: text}, 2, (1.0, 1.0))


def test_an_axis_of_a_layer_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="grid_3 needs a model of 3 layers or more, but L = 2"):
        BetaGrid.parse({3: "1,2"}, 2, (1.0, 1.0))
    with pytest.raises(ConfigError, match="grid_2 needs a model of 2 layers or more, but L = 1"):
        BetaGrid.parse({2: "1,2"}, 1, (1.0,))


def test_one_axis_gives_beta_of_several_layers() -> None:
    grid = BetaGrid.parse({1: "5", LayerGroup(2, 4): "0.1:10:3", 5: "1,2"}, 6, (1.0,) * 6)
    cells = list(grid)
    assert grid.size == len(set(cells)) == 6
    assert all(cell[1] == cell[2] == cell[3] for cell in cells)
    assert {cell[0] for cell in cells} == {5.0}
    assert sorted(cells) == list(grid.product())
    assert list(BetaGrid.parse({}, 2, (0.5, 2.0))) == [(0.5, 2.0)]


def test_a_layer_has_one_axis_at_most() -> None:
    assert grid_axes({"grid_2-3": "1,2"}, [1, 2, 3]) == {"grid_1": "0.1:10:4", "grid_2": "", "grid_2-3": "1,2"}
    with pytest.raises(ConfigError, match="grid_2-3 must share no layer with grid_2, got '1,2'"):
        BetaGrid.parse({2: "1,2", LayerGroup(2, 3): "1,2"}, 3, (1.0,) * 3)
    with pytest.raises(ConfigError, match="grid_2-3 needs a model of 3 layers or more, but L = 2"):
        BetaGrid.parse({LayerGroup(2, 3): "1,2"}, 2, (1.0,) * 2)
    with pytest.raises(ConfigError, match="grid_3-2 must name layers from a lower one to a higher one"):
        axis_layer("grid_3-2")
    with pytest.raises(ConfigError, match="unknown parameter 'grid_0'; known: grid_1, grid_2, one a layer"):
        axis_layer("grid_0")


def test_every_cell_once() -> None:
    grid = BetaGrid.parse({1: "0.1:10:7", 2: "0.1:10:4"}, 2, (1.0, 1.0))
    assert len(set(grid)) == len(list(grid)) == len(grid) == 28


@pytest.mark.parametrize("count", [2, 3, 5, 9, 21])
def test_coarse_to_fine(count: int) -> None:
    """Wherever the order is cut, the largest gap on an axis is at most about twice the smallest."""
    order = sorted(range(count), key=subdivision_levels(count).__getitem__)
    assert set(order[:2]) == {0, count - 1}
    levels = subdivision_levels(count)
    for level in range(max(levels) + 1):
        seen = sorted(index for index in range(count) if levels[index] <= level)
        gaps = [high - low for low, high in pairwise(seen)]
        assert max(gaps) <= -(-(count - 1) // 2**level)


def test_corners_come_first() -> None:
    grid = BetaGrid.parse({1: "0.1:10:21", 2: "0.1:10:21"}, 2, (1.0, 1.0))
    first = list(grid)[:4]
    assert set(first) == {(0.1, 0.1), (0.1, 10.0), (10.0, 0.1), (10.0, 10.0)}
    assert set(list(grid)[:9]) == {(a, b) for a in (0.1, 1.0, 10.0) for b in (0.1, 1.0, 10.0)}
