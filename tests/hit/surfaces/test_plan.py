"""The plan of a surface: what is asked for, its cells and their identities."""

from dataclasses import replace

import pytest

from hit.config import TrainConfig
from hit.config.rates.beta_grid import grid_axes
from hit.errors import ConfigError
from hit.schema import Tag
from hit.schema.hashing import identity_hash
from hit.surfaces.plan import SurfacePlan

SMALL = TrainConfig(channels=4, z_dims=(5,), epochs=4, batch_size=64, learning_rate=3e-3)


class TestPlan:
    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            ({"beta_low": 2.0, "beta_high": 1.0}, "beta_low must be above 0 and below beta_high, got 2 and 1"),
            ({"grids": {"grid_1": "0.01:1:3"}}, r"grid_1 must lie within .* \(0\.08 … 12\), got 0\.01"),
            ({"grids": {"grid_2": "0,1"}}, r"grid_2 must lie within .*, got 0"),
            ({"grids": {"grid_3": "1,2"}}, "grid_3 needs a model of 3 layers or more, but L = 2"),
            ({"grids": {"grid_x": "1,2"}}, "unknown parameter 'grid_x'"),
            ({"grids": {"grid_1": "1:2"}}, "grid_1 must be low:high:count"),
        ],
    )
    def test_mistakes_are_one_line(self, options: dict[str, object], fault: str) -> None:
        with pytest.raises(ConfigError, match=fault) as caught:
            SurfacePlan(**{"config": SMALL, "grids": {}} | options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)

    def test_a_cell_is_never_taken_for_a_trained_model(self) -> None:
        plan = SurfacePlan(config=SMALL, grids={"grid_1": "0.1,1", "grid_2": "1"})
        other = replace(plan, config=replace(SMALL, seed=1))
        cells = [plan.cell_tags(cell, "data", "run") for cell in plan.cells]
        trained = [(cell.identity("data"), cell.group("data")) for cell in plan.cells]
        assert len({tags[Tag.CONFIG_HASH] for tags in cells} | {identity for identity, _ in trained}) == 4
        assert len({tags[Tag.GROUP] for tags in cells} | {group for _, group in trained}) == 4
        replicate = other.cell_tags(other.cells[0], "data", "run")
        assert replicate[Tag.CONFIG_HASH] != cells[0][Tag.CONFIG_HASH]
        assert replicate[Tag.GROUP] == cells[0][Tag.GROUP]
        assert replace(plan, beta_high=11.0).identity("data") != plan.identity("data")

    def test_older_surfaces_have_one_kernel_a_layer_and_the_hashes_that_they_had(self) -> None:
        plan = SurfacePlan(config=SMALL, grids={"grid_1": "0.1,1", "grid_2": "1"})
        older = SurfacePlan.from_json({name: value for name, value in plan.to_json().items() if name != "kernels"})
        assert (plan.kernels, older.kernels) == (2, 1)
        assert older.identity("data") == identity_hash(
            ["surface", replace(SMALL, betas=(1.0, 1.0)).identity("data"), 0.08, 12.0]
        )
        assert plan.identity("data") != older.identity("data")
        assert plan.group("data") != older.group("data")
        assert SurfacePlan.from_json(plan.to_json()) == plan

    def test_a_one_layer_model_has_no_second_axis(self) -> None:
        config = TrainConfig.from_flat({"model": "vae"})
        plan = SurfacePlan(config=config, grids=grid_axes({"grid_1": "1,2"}, layers=[1]))
        assert [cell.betas for cell in plan.cells] == [(1.0,), (2.0,)]
        older = plan.to_json() | {"grids": {"grid_1": "1,2", "grid_2": "0.1:10:4"}}
        assert SurfacePlan.from_json(older).cells == plan.cells, "as older versions wrote it"
        with pytest.raises(ConfigError, match="grid_2 needs a model of 2 layers or more"):
            SurfacePlan(config=config, grids={"grid_1": "1,2", "grid_2": "1,2"})
