"""The picture of a surface beside dedicated models: every run is in it, and links join equal β."""

import pandas as pd
import pytest

from analysis.figures import surface_beside_dedicated
from hit.errors import StoreError


@pytest.fixture
def both(grid: pd.DataFrame) -> pd.DataFrame:
    """25 cells of one surface, and three dedicated models at corners and centre, a little better than its cells."""
    cells = grid.assign(amortised="s" * 32)
    dedicated = grid.iloc[[0, 12, 24]].assign(amortised=None)
    for name in ("test/rate_1", "test/rate_2"):
        dedicated[name] = dedicated[name] * 1.1
    return pd.concat([cells, dedicated.assign(run_id=["d1", "d2", "d3"])], ignore_index=True)


def test_cells_and_dedicated_models_stand_where_their_rates_are(both: pd.DataFrame) -> None:
    figure = surface_beside_dedicated(both, "test/psnr")
    drawn = {trace.name: trace for trace in figure.data if trace.mode == "markers" and trace.x[0] is not None}
    cells, dedicated = drawn["read off the surface"], drawn["trained for its β"]
    assert list(cells.x) == list(both["test/rate_1"][:25])
    assert list(cells.y) == list(both["test/rate_2"][:25])
    assert list(dedicated.x) == list(both["test/rate_1"][25:])
    assert list(dedicated.marker.color) == list(both["test/psnr"][25:])
    assert dedicated.marker.symbol == "diamond"


def test_links_join_a_dedicated_model_to_the_cell_at_its_beta(both: pd.DataFrame) -> None:
    (links,) = [trace for trace in surface_beside_dedicated(both).data if trace.line.dash == "dot"]
    ends = list(zip(links.x[0::3], links.x[1::3], strict=True))
    assert ends == list(zip(both["test/rate_1"][25:], both["test/rate_1"].iloc[[0, 12, 24]], strict=True))


def test_grid_lines_change_one_beta_at_a_time(both: pd.DataFrame) -> None:
    lines = [
        trace for trace in surface_beside_dedicated(both).data if trace.mode == "lines" and trace.line.width == 0.7
    ]
    assert len(lines) == 2
    for line in lines:
        assert [value is None for value in line.x].count(True) == 5, "five lines of five cells"
        assert len(line.x) == 5 * 6


@pytest.mark.parametrize("parents", [None, ["a", "b"] * 14])
def test_cells_of_no_surface_or_of_two_are_refused(both: pd.DataFrame, parents: object) -> None:
    with pytest.raises(StoreError, match=r"cells of one surface \(`python -m hit\.surface --dataset \w+`\), got [02]"):
        surface_beside_dedicated(both.assign(amortised=parents))


def test_dedicated_models_have_bars_of_their_standard_errors(both: pd.DataFrame) -> None:
    both = both.assign(**{"test/rate_1_standard_error": 0.5})
    drawn = {one.name: one for one in surface_beside_dedicated(both).data if one.ids is not None}
    assert list(drawn["trained for its β"].error_x.array) == [0.5] * 3
    assert drawn["trained for its β"].error_y.array is None
    assert drawn["read off the surface"].error_x.array is None
